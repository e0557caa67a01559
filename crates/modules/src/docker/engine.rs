//! Docker's Engine API: where it is, what it answers, and what its refusals say. Looking and touching are apart: a
//! `Probe` makes an [`Engine`], which can only ask; only a `System` makes a [`Worker`].

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use system::{Probe, System};
use ureq::http::Method;

use crate::arguments::{arguments, expand_home};
use crate::contract::Failure;
use crate::http::{self, Request, Settings, url::form_encoded};

/// Of one answer.
const ANSWER_LIMIT: u64 = 64 << 20;
/// Where the engine listens unless something else is said.
const SOCKET: &str = "unix:///var/run/docker.sock";

arguments! {
    /// How modules reach the Docker Engine.
    pub struct Connection {
        /// The engine: `unix://PATH` or `tcp://HOST:PORT`; else `DOCKER_HOST`, else its usual socket.
        pub docker_host: Option<String> { aliases: ["docker_url"] },
        /// The version of the API; `auto`: the engine's newest.
        pub api_version: Option<String> { aliases: ["docker_api_version"] },
        /// Seconds to wait for an answer; else `DOCKER_TIMEOUT`, else 60.
        pub timeout: Option<u64>,
        /// Encrypt, without looking at the server's certificate.
        pub tls: Option<bool>,
        /// Encrypt, and check the server's certificate.
        pub validate_certs: Option<bool> { aliases: ["tls_verify"] },
        /// The authority of the server's certificate.
        pub ca_path: Option<PathBuf> { aliases: ["ca_cert", "tls_ca_cert", "cacert_path"] },
        /// A certificate of one's own.
        pub client_cert: Option<PathBuf> { aliases: ["tls_client_cert", "cert_path"] },
        /// The key of that.
        pub client_key: Option<PathBuf> { aliases: ["tls_client_key", "key_path"] },
        /// The name in the server's certificate: only that of `docker_host` is supported.
        pub tls_hostname: Option<String>,
        /// For `ssh://` addresses, which are not supported: use an SSH connection of the play.
        pub use_ssh_client: bool { default: false },
        /// Accepted.
        pub debug: bool { default: false },
    }
}

impl Connection {
    /// An engine to be asked.
    pub(crate) fn engine<'a>(&self, host: &'a dyn Probe) -> Result<Engine<'a>, Failure> {
        let variable = |name: &str| host.variable(name).filter(|value| !value.is_empty());
        let is_set = |given: Option<bool>, name: &str| {
            let said = || {
                variable(name).is_some_and(|word| !matches!(word.as_str(), "0" | "false" | "no"))
            };
            given.unwrap_or_else(said)
        };
        let address = self.docker_host.clone().or_else(|| variable("DOCKER_HOST"));
        let address = address.unwrap_or_else(|| SOCKET.to_owned());
        let is_checked = is_set(self.validate_certs, "DOCKER_TLS_VERIFY");
        let is_encrypted = is_checked || is_set(self.tls, "DOCKER_TLS");
        let (socket, base) = place(&address, is_encrypted)?;
        if let Some(name) = self.tls_hostname.clone().or_else(|| variable("DOCKER_TLS_HOSTNAME"))
            && is_checked
            && !base.trim_start_matches("https://").starts_with(&format!("{name}:"))
        {
            return Err(Failure::new(format!(
                "tls_hostname `{name}` is not the host of {address}; other names are not supported"
            )));
        }
        let folder = variable("DOCKER_CERT_PATH").map(PathBuf::from);
        let file = |given: &Option<PathBuf>, name: &str| {
            given.clone().or_else(|| folder.as_ref().map(|folder| folder.join(name)))
        };
        let patience = variable("DOCKER_TIMEOUT").and_then(|text| text.parse().ok());
        let settings = Settings {
            validate_certs: is_checked,
            ca_path: file(&self.ca_path, "ca.pem"),
            client_cert: file(&self.client_cert, "cert.pem").filter(|_| is_encrypted),
            client_key: file(&self.client_key, "key.pem").filter(|_| is_encrypted),
            timeout: Duration::from_secs(self.timeout.or(patience).unwrap_or(60)),
            use_proxy: false,
            user_agent: "muster".to_owned(),
            socket,
            ..Settings::default()
        };
        let version = self.api_version.clone().or_else(|| variable("DOCKER_API_VERSION"));
        let base = match version.as_deref() {
            None | Some("auto") => base,
            Some(version) if version.chars().all(|c| c.is_ascii_digit() || c == '.') => {
                format!("{base}/v{version}")
            }
            Some(odd) => {
                return Err(Failure::new(format!("api_version `{odd}` is none; e.g. 1.41")));
            }
        };
        Ok(Engine { host, settings, base })
    }

    /// An engine to be told.
    pub(crate) fn worker<'a>(&self, host: &'a dyn System) -> Result<Worker<'a>, Failure> {
        Ok(Worker { engine: self.engine(host)?, host })
    }
}

/// The socket, if it is one, and the beginning of URLs.
fn place(address: &str, is_encrypted: bool) -> Result<(Option<PathBuf>, String), Failure> {
    if let Some(path) = address.strip_prefix("unix://") {
        let path = format!("/{}", path.trim_start_matches('/'));
        return Ok((Some(PathBuf::from(path)), "http://localhost".to_owned()));
    }
    if address.starts_with('/') {
        return Ok((Some(PathBuf::from(address)), "http://localhost".to_owned()));
    }
    let rest =
        ["tcp://", "http://", "https://"].iter().find_map(|scheme| address.strip_prefix(scheme));
    let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
        return Err(Failure::new(format!(
            "docker_host `{address}` is not supported; unix://PATH and tcp://HOST:PORT are"
        )));
    };
    let is_encrypted = is_encrypted || address.starts_with("https://");
    let scheme = if is_encrypted { "https" } else { "http" };
    let rest = rest.trim_end_matches('/');
    let port = if is_encrypted { 2376 } else { 2375 };
    let rest = if rest.contains(':') { rest.to_owned() } else { format!("{rest}:{port}") };
    Ok((None, format!("{scheme}://{rest}")))
}

/// An engine that can be asked.
pub(crate) struct Engine<'a> {
    host: &'a dyn Probe,
    settings: Settings,
    base: String,
}

/// An engine that can be told, too.
pub(crate) struct Worker<'a> {
    engine: Engine<'a>,
    pub(crate) host: &'a dyn System,
}

/// What the engine answered.
struct Answer {
    status: u16,
    reason: String,
    url: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A refusal: `500 Server Error for URL: Internal Server Error ("what the engine says")`.
    fn refusal(&self, doing: &str) -> Failure {
        let kind = if self.status >= 500 { "Server" } else { "Client" };
        let said = self.json()["message"]
            .as_str()
            .map_or_else(|| String::from_utf8_lossy(&self.body).trim().to_owned(), str::to_owned);
        Failure::new(format!(
            "{doing}: {} {kind} Error for {}: {} (\"{said}\")",
            self.status, self.url, self.reason
        ))
    }
}

impl<'a> Engine<'a> {
    fn send(
        &self,
        method: Method,
        path: &str,
        headers: Vec<(String, String)>,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, Failure> {
        let url = format!("{}{path}", self.base);
        let request = Request { method, url: url.clone(), headers, body };
        let lost = |reason: String| {
            Failure::new(format!("Error connecting to the Docker Engine: {reason}"))
        };
        let response =
            http::send(self.host, &self.settings, request).map_err(|error| lost(error.0))?;
        let (status, reason) = (response.status, response.reason.clone());
        let mut body = Vec::new();
        let mut reader = response.body.take(ANSWER_LIMIT);
        reader.read_to_end(&mut body).map_err(|error| lost(format!("{url}: {error}")))?;
        Ok(Answer { status, reason, url, body })
    }

    /// What the engine has at a path; `None`: nothing (404).
    pub(crate) fn find(&self, path: &str) -> Result<Option<Value>, Failure> {
        let answer = self.send(Method::GET, path, Vec::new(), None)?;
        match answer.status {
            404 => Ok(None),
            200..=299 => Ok(Some(answer.json())),
            _ => Err(answer.refusal("cannot ask the Docker Engine")),
        }
    }

    /// The same, where it must be.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        let answer = self.send(Method::GET, path, Vec::new(), None)?;
        match answer.status {
            200..=299 => Ok(answer.json()),
            _ => Err(answer.refusal("cannot ask the Docker Engine")),
        }
    }

    /// The bytes at a path.
    pub(crate) fn bytes(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let answer = self.send(Method::GET, path, Vec::new(), None)?;
        match answer.status {
            200..=299 => Ok(answer.body),
            _ => Err(answer.refusal("cannot ask the Docker Engine")),
        }
    }

    /// A container by name or id, as the engine inspects it.
    pub(crate) fn container(&self, name: &str) -> Result<Option<Value>, Failure> {
        self.find(&format!("/containers/{}/json", form_encoded(name)))
    }

    /// A network by name or id. Names need not be unique, and a beginning of an id finds one, too: names go first.
    pub(crate) fn network(&self, name: &str) -> Result<Option<Value>, Failure> {
        let all = self.get("/networks")?;
        let is = |network: &&Value| network["Name"] == name || network["Id"] == name;
        let Some(id) = all.as_array().into_iter().flatten().find(is).and_then(|n| n["Id"].as_str())
        else {
            return Ok(None);
        };
        self.find(&format!("/networks/{id}"))
    }

    /// The host that asks.
    pub(crate) fn host(&self) -> &'a dyn Probe {
        self.host
    }

    /// The home of the user that asks, of a path that may begin with `~`.
    pub(crate) fn at_home(&self, path: &str) -> PathBuf {
        PathBuf::from(expand_home(path, self.host))
    }
}

impl<'a> std::ops::Deref for Worker<'a> {
    type Target = Engine<'a>;

    fn deref(&self) -> &Engine<'a> {
        &self.engine
    }
}

impl Worker<'_> {
    /// Sends JSON. 304 (it is so already) is success.
    pub(crate) fn post(
        &self,
        doing: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        self.post_with(doing, path, Vec::new(), body)
            .map(|bytes| serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Sends JSON with headers, and gets bytes.
    pub(crate) fn post_with(
        &self,
        doing: &str,
        path: &str,
        mut headers: Vec<(String, String)>,
        body: Option<&Value>,
    ) -> Result<Vec<u8>, Failure> {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        let bytes = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        self.told(doing, self.engine.send(Method::POST, path, headers, Some(bytes))?)
    }

    /// Sends an archive.
    pub(crate) fn post_archive(
        &self,
        doing: &str,
        path: &str,
        mut headers: Vec<(String, String)>,
        archive: Vec<u8>,
    ) -> Result<Vec<u8>, Failure> {
        headers.push(("Content-Type".to_owned(), "application/x-tar".to_owned()));
        self.told(doing, self.engine.send(Method::POST, path, headers, Some(archive))?)
    }

    /// Deletes; what is not there is deleted already.
    pub(crate) fn delete(&self, doing: &str, path: &str) -> Result<Value, Failure> {
        let answer = self.engine.send(Method::DELETE, path, Vec::new(), None)?;
        match answer.status {
            404 => Ok(Value::Null),
            200..=299 => Ok(answer.json()),
            _ => Err(answer.refusal(doing)),
        }
    }

    /// Starts a conversation of bytes: what is sent is read by a process, and what that writes comes back. The client
    /// library knows no such connections.
    pub(crate) fn converse(
        &self,
        doing: &str,
        path: &str,
        body: &Value,
        input: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        let lost = |error: std::io::Error| Failure::new(format!("{doing}: {error}"));
        let engine = &self.engine;
        let Some(socket) = &engine.settings.socket else {
            return Err(Failure::new(format!(
                "{doing}: stdin is supported through the engine's socket only"
            )));
        };
        let mut stream = std::os::unix::net::UnixStream::connect(socket).map_err(lost)?;
        stream.set_read_timeout(Some(engine.settings.timeout)).map_err(lost)?;
        stream.set_write_timeout(Some(engine.settings.timeout)).map_err(lost)?;
        let prefix = engine.base.strip_prefix("http://localhost").unwrap_or_default();
        let body = body.to_string();
        let head = format!(
            "POST {prefix}{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).map_err(lost)?;
        // The head of the answer, byte by byte: what follows belongs to the process.
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") && answer.len() < 1 << 16 {
            let mut byte = [0];
            stream.read_exact(&mut byte).map_err(lost)?;
            answer.extend(byte);
        }
        let text = String::from_utf8_lossy(&answer).into_owned();
        if !matches!(text.split(' ').nth(1), Some("101" | "200")) {
            let line = text.lines().next().unwrap_or_default();
            return Err(Failure::new(format!("{doing}: {line}")));
        }
        let mut writer = stream.try_clone().map_err(lost)?;
        let mut output = Vec::new();
        // Both ways at once: a process may write before it has read everything.
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let sent = writer.write_all(input);
                let _ = sent.and_then(|()| writer.shutdown(std::net::Shutdown::Write));
            });
            (&mut stream).take(ANSWER_LIMIT).read_to_end(&mut output)
        })
        .map_err(lost)?;
        Ok(output)
    }

    fn told(&self, doing: &str, answer: Answer) -> Result<Vec<u8>, Failure> {
        self.host.keep_going()?;
        match answer.status {
            200..=299 | 304 => Ok(answer.body),
            _ => Err(answer.refusal(doing)),
        }
    }
}

/// Lines of JSON that the engine streams while it works; one with an error is a failure.
pub(crate) fn stream(doing: &str, bytes: &[u8]) -> Result<Vec<Value>, Failure> {
    let lines: Vec<Value> =
        serde_json::Deserializer::from_slice(bytes).into_iter().map_while(Result::ok).collect();
    match lines.iter().find_map(|line| line["error"].as_str()) {
        Some(error) => Err(Failure::new(format!("{doing}: {}", error.trim()))),
        None => Ok(lines),
    }
}

/// What a container wrote: standard output and standard error, which come in frames unless it has a terminal.
pub(crate) fn output(bytes: &[u8], has_terminal: bool) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if has_terminal {
        return (text(bytes), String::new());
    }
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut rest = bytes;
    while let [kind, _, _, _, a, b, c, d, after @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let (frame, others) = after.split_at(length.min(after.len()));
        if *kind == 2 {
            err.extend(frame);
        } else {
            out.extend(frame);
        }
        rest = others;
    }
    (text(&out), text(&err))
}

/// A query string with its question mark.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    let words: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{key}={}", form_encoded(value))).collect();
    if words.is_empty() { String::new() } else { format!("?{}", words.join("&")) }
}

/// Filters as the API takes them: each value a list of texts.
pub(crate) fn filters(given: &model::Args) -> String {
    let list = |value: &Value| -> Vec<String> {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match value {
            Value::Array(list) => list.iter().map(text).collect(),
            other => vec![text(other)],
        }
    };
    let all: std::collections::BTreeMap<&String, Vec<String>> =
        given.iter().map(|(key, value)| (key, list(value))).collect();
    serde_json::json!(all).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_engines() {
        let socket = |path: &str| (Some(PathBuf::from(path)), "http://localhost".to_owned());
        assert_eq!(place("unix:///run/d.sock", false).expect("known"), socket("/run/d.sock"));
        assert_eq!(place("unix://run/d.sock", false).expect("known"), socket("/run/d.sock"));
        assert_eq!(place("tcp://h", true).expect("known").1, "https://h:2376");
        assert_eq!(place("tcp://h:1", false).expect("known").1, "http://h:1");
        assert!(place("ssh://h", false).is_err() && place("tcp://", false).is_err());
    }

    #[test]
    fn frames_are_taken_apart() {
        let frames = b"\x01\0\0\0\0\0\0\x02hi\x02\0\0\0\0\0\0\x03err\x01\0\0\0\0\0\0\xffcut";
        assert_eq!(output(frames, false), ("hicut".to_owned(), "err".to_owned()));
        assert_eq!(output(b"\x01", true).0, "\u{1}");
        assert_eq!(output(b"\x01\0", false), (String::new(), String::new()));
    }

    #[test]
    fn an_error_in_a_stream_is_a_failure() {
        let bytes = b"{\"status\":\"a\"}\r\n{\"error\":\"no such\"}\r\n";
        assert_eq!(stream("pull", bytes).expect_err("refused").message, "pull: no such");
        assert_eq!(stream("pull", b"{\"status\":\"a\"}\n{\"sta").expect("well").len(), 1);
    }
}
