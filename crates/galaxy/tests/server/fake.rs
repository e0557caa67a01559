//! A Galaxy server that answers from a table, one request a connection.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use galaxy::{Client, Server};
use model::Secret;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

#[derive(Default)]
struct State {
    answers: HashMap<String, Vec<u8>>,
    versions: HashMap<String, Vec<String>>,
    tokens: Vec<String>,
}

/// The server, and what it was asked.
pub(crate) struct Fake {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let fake =
            Self { port: listener.local_addr().expect("bound").port(), state: Arc::default() };
        fake.answer("/api/", br#"{"available_versions": {"v1": "v1/", "v3": "v3/"}}"#);
        let state = Arc::clone(&fake.state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                let path = first.split([' ', '?']).nth(1).unwrap_or_default().to_owned();
                let mut state = state.lock().expect("no panic");
                for line in lines.take_while(|line| !line.is_empty()) {
                    if line.to_lowercase().starts_with("authorization:") {
                        state.tokens.push(line);
                    }
                }
                let (code, body) = match state.answers.get(&path) {
                    Some(body) => ("200 OK", body.clone()),
                    None => ("404 Not Found", Vec::new()),
                };
                let head = format!(
                    "HTTP/1.1 {code}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = (&stream).write_all(head.as_bytes());
                let _ = (&stream).write_all(&body);
            }
        });
        fake
    }

    pub(crate) fn token(&self) -> String {
        format!("token-of-{}", self.port)
    }

    /// What was sent as authorization.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.state.lock().expect("no panic").tokens.clone()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(Server {
            name: format!("fake{}", self.port),
            url: format!("http://127.0.0.1:{}", self.port),
            token: Some(Secret::new(self.token())),
            validate_certs: true,
            timeout: Duration::from_secs(10),
        })
    }

    pub(crate) fn answer(&self, path: &str, body: &[u8]) {
        self.state.lock().expect("no panic").answers.insert(path.to_owned(), body.to_vec());
    }

    /// A version, with its archive.
    pub(crate) fn publish(&self, name: &str, version: &str, dependencies: &[(&str, &str)]) {
        let place = tempfile::tempdir().expect("a directory");
        let source = source(place.path(), name, version, dependencies);
        let archive = galaxy::build(&source, place.path(), false).expect("it builds").archive;
        let bytes = std::fs::read(archive).expect("readable");
        self.tell(name, version, dependencies, &bytes, &file(name, version));
        self.answer(&file(name, version), &bytes);
        let path = format!("/api/v3/collections/{}/versions/", name.replace('.', "/"));
        let page = {
            let mut state = self.state.lock().expect("no panic");
            let versions = state.versions.entry(name.to_owned()).or_default();
            versions.push(version.to_owned());
            let data: Vec<Json> =
                versions.iter().map(|version| json!({"version": version})).collect();
            // Two pages, as soon as there is something for both.
            let (one, two) = data.split_at(data.len().min(2));
            let next = (!two.is_empty()).then(|| format!("{path}page2/"));
            let page = json!({"data": two, "links": {"next": null}});
            state.answers.insert(format!("{path}page2/"), page.to_string().into_bytes());
            json!({"data": one, "links": {"next": next}})
        };
        self.answer(&path, page.to_string().as_bytes());
    }

    fn tell(
        &self,
        name: &str,
        version: &str,
        dependencies: &[(&str, &str)],
        bytes: &[u8],
        at: &str,
    ) {
        let dependencies: serde_json::Map<_, _> =
            dependencies.iter().map(|(name, range)| ((*name).to_owned(), json!(range))).collect();
        let answer = json!({
            "version": version,
            "download_url": at,
            "artifact": {"sha256": hex::encode(Sha256::digest(bytes)), "size": bytes.len()},
            "metadata": {"dependencies": dependencies},
        });
        let path = format!("/api/v3/collections/{}/versions/{version}/", name.replace('.', "/"));
        self.answer(&path, answer.to_string().as_bytes());
    }

    /// Gives one collection's archive for another's, with the right sum.
    pub(crate) fn mix_up(&self, name: &str, instead: &str, version: &str) {
        let at = file(instead, version);
        let bytes = self.state.lock().expect("no panic").answers[&at].clone();
        self.tell(name, version, &[], &bytes, &at);
    }

    /// Sends people to another server for what that has.
    pub(crate) fn archives_of(&self, other: &Self) {
        let bytes =
            other.state.lock().expect("no panic").answers[&file("ns.base", "1.0.0")].clone();
        let at = format!("http://127.0.0.1:{}{}", other.port, file("ns.base", "1.0.0"));
        self.tell("ns.base", "1.0.0", &[], &bytes, &at);
    }
}

fn file(name: &str, version: &str) -> String {
    format!("/files/{}-{version}.tar.gz", name.replace('.', "-"))
}

/// The source of a collection below a directory.
pub(crate) fn source(
    place: &Path,
    name: &str,
    version: &str,
    dependencies: &[(&str, &str)],
) -> PathBuf {
    let path = galaxy::init_collection(name, place, false).expect("it begins");
    let (namespace, short) = name.split_once('.').expect("namespace.name");
    let mut text = format!(
        "namespace: {namespace}\nname: {short}\nversion: {version}\nreadme: README.md\nauthors: [me]\ndependencies: {{"
    );
    let entries: Vec<_> =
        dependencies.iter().map(|(name, range)| format!("{name}: '{range}'")).collect();
    text += &entries.join(", ");
    std::fs::write(path.join("galaxy.yml"), text + "}\n").expect("written");
    path
}
