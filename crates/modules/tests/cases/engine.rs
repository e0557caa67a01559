//! A small Docker Engine for cases: containers, images, networks and volumes in memory, behind a socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

/// One that runs until its directory is gone.
pub(crate) struct Engine {
    directory: tempfile::TempDir,
    told: Arc<Mutex<Vec<String>>>,
}

impl Engine {
    /// Starts one with what it has: `containers`, `images`, `registry` (images that can be pulled), `networks`,
    /// `volumes`, each by name, and `answers` to other requests.
    pub(crate) fn start(state: &Value) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let listener = UnixListener::bind(directory.path().join("docker.sock")).expect("bound");
        let told = Arc::new(Mutex::new(Vec::new()));
        let (mut store, heard) = (Store(state.clone()), Arc::clone(&told));
        store.prepare();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                serve(stream, &mut store, &heard);
            }
        });
        Self { directory, told }
    }

    /// Its address.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.directory.path().join("docker.sock").display())
    }

    /// The requests that were not mere questions.
    pub(crate) fn told(&self) -> Vec<String> {
        self.told.lock().expect("whole").clone()
    }
}

fn serve(stream: UnixStream, store: &mut Store, heard: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("cloned"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a request");
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).expect("a header");
        if header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    if method != "GET" {
        heard.lock().expect("whole").push(format!("{method} {target}"));
    }
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let (status, answer) = store.answer(&method, &target, &body);
    let bytes = match answer {
        Value::Null => Vec::new(),
        // What is text is bytes as they are.
        Value::String(text) => text.into_bytes(),
        other => other.to_string().into_bytes(),
    };
    let mut stream = stream;
    let head = format!(
        "HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        bytes.len()
    );
    // The client may have gone.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes));
}

struct Store(Value);

type Reply = (u16, Value);

fn missing(what: &str, name: &str) -> Reply {
    (404, json!({ "message": format!("No such {what}: {name}") }))
}

fn decoded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        out.push(char::from(u8::from_str_radix(&after[..2], 16).expect("an escape")));
        rest = &after[2..];
    }
    out + rest
}

fn merge(into: &mut Value, from: &Value) {
    for (key, value) in from.as_object().into_iter().flatten() {
        match (&mut into[key], value) {
            (place @ Value::Object(_), Value::Object(_)) => merge(place, value),
            (place, value) => *place = value.clone(),
        }
    }
}

impl Store {
    /// Fills in what every thing has.
    fn prepare(&mut self) {
        for (kind, prefix) in [
            ("images", "sha256:"),
            ("registry", "sha256:"),
            ("networks", "net-"),
            ("containers", "id-"),
        ] {
            if !self.0[kind].is_object() {
                self.0[kind] = json!({});
            }
            for (name, thing) in self.0[kind].as_object_mut().expect("made").iter_mut() {
                if thing["Id"].is_null() {
                    thing["Id"] = format!("{prefix}{name}").into();
                }
                let sign = if kind == "containers" { "/" } else { "" };
                thing["Name"] = format!("{sign}{name}").into();
            }
        }
        for kind in ["volumes", "execs", "answers"] {
            if !self.0[kind].is_object() {
                self.0[kind] = json!({});
            }
        }
        self.0["networks"]["bridge"] =
            json!({ "Name": "bridge", "Id": "net-bridge", "Driver": "bridge", "Options": {} });
    }

    fn map(&mut self, kind: &str) -> &mut Map<String, Value> {
        self.0[kind].as_object_mut().expect("prepared")
    }

    fn key(&mut self, kind: &str, name: &str) -> Option<String> {
        let is = |(key, thing): &(&String, &mut Value)| *key == name || thing["Id"] == name;
        self.map(kind).iter_mut().find(is).map(|(key, _)| key.clone())
    }

    fn answer(&mut self, method: &str, target: &str, body: &Value) -> Reply {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let plain = format!("{method} {path}");
        if let Some(answer) = self.0["answers"].get(&plain) {
            let status = answer["status"].as_u64().and_then(|status| u16::try_from(status).ok());
            return (status.unwrap_or(200), answer["body"].clone());
        }
        let pairs: Map<String, Value> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), decoded(value).into()))
            .collect();
        let parts: Vec<String> = path.trim_start_matches('/').split('/').map(decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["containers", rest @ ..] => self.containers(method, rest, &pairs, body),
            ["images", rest @ ..] => self.images(method, rest, &pairs),
            ["networks", rest @ ..] => self.networks(method, rest, body),
            ["volumes", rest @ ..] => self.volumes(method, rest, body),
            ["exec", id, what] => match *what {
                "start" => (200, self.0["execs"][*id]["output"].clone()),
                _ => (200, json!({ "ExitCode": self.0["execs"][*id]["code"] })),
            },
            ["auth"] if body["password"] == "wrong" => {
                (401, json!({ "message": "unauthorized: no" }))
            }
            ["auth"] => (200, json!({ "Status": "Login Succeeded" })),
            _ => missing("page", path),
        }
    }

    fn containers(
        &mut self,
        method: &str,
        rest: &[&str],
        pairs: &Map<String, Value>,
        body: &Value,
    ) -> Reply {
        if rest == ["create"] {
            return self.create(pairs["name"].as_str().expect("a name"), body);
        }
        let Some(name) = rest.first().and_then(|name| self.key("containers", name)) else {
            return missing("container", rest.first().unwrap_or(&""));
        };
        let container = &mut self.0["containers"][&name];
        let run = |container: &mut Value, runs: bool| {
            let status = if runs { "running" } else { "exited" };
            merge(&mut container["State"], &json!({ "Running": runs, "Status": status }));
        };
        match (method, rest[1..].first().copied()) {
            ("GET", Some("json")) => return (200, container.clone()),
            ("GET", Some("logs")) => return (200, json!("\u{1}\0\0\0\0\0\0\u{4}said")),
            ("POST", Some("exec")) => {
                let word = body["Cmd"][0].as_str().unwrap_or_default();
                let id = format!("exec-{word}");
                let code = i32::from(word == "false");
                self.0["execs"][&id] = json!({ "output": "\u{1}\0\0\0\0\0\0\u{3}out\u{2}\0\0\0\0\0\0\u{3}err", "code": code });
                return (201, json!({ "Id": id }));
            }
            ("POST", Some("start" | "restart")) => {
                // One that is told to exit does so at once.
                let ends = container["Config"]["Cmd"][0] == "exit";
                run(container, !ends);
                if ends {
                    let code = container["Config"]["Cmd"][1]
                        .as_str()
                        .and_then(|text| text.parse::<i64>().ok());
                    container["State"]["ExitCode"] = code.into();
                }
            }
            ("POST", Some("stop" | "kill")) => run(container, false),
            ("POST", Some(word @ ("pause" | "unpause"))) => {
                container["State"]["Paused"] = (word == "pause").into();
            }
            ("POST", Some("update")) => merge(&mut container["HostConfig"], body),
            ("DELETE", None) => _ = self.map("containers").remove(&name),
            _ => return missing("page", rest[0]),
        }
        (204, Value::Null)
    }

    fn create(&mut self, name: &str, body: &Value) -> Reply {
        let image = body["Image"].as_str().unwrap_or_default().to_owned();
        let Some(key) = self.key("images", &image) else { return missing("image", &image) };
        let image = self.0["images"][&key].clone();
        let mut config = image["Config"].clone();
        if !config.is_object() {
            config = json!({});
        }
        let inherited = config["Env"].as_array().cloned().unwrap_or_default();
        merge(&mut config, body);
        let mut environment = body["Env"].as_array().cloned().unwrap_or_default();
        let variable = |value: &Value| {
            value.as_str().and_then(|text| Some(text.split_once('=')?.0.to_owned()))
        };
        for old in inherited {
            if environment.iter().all(|new| variable(new) != variable(&old)) {
                environment.push(old);
            }
        }
        config["Env"] = environment.into();
        let mut host =
            config.as_object_mut().expect("an object").remove("HostConfig").unwrap_or_default();
        if host["LogConfig"].is_null() {
            host["LogConfig"] = json!({ "Type": "json-file", "Config": {} });
        }
        let endpoints = body["NetworkingConfig"]["EndpointsConfig"].clone();
        let mode = host["NetworkMode"].as_str().unwrap_or("bridge").to_owned();
        let networks = if endpoints.is_object() { endpoints } else { json!({ mode: {} }) };
        let container = json!({
            "Id": format!("id-{name}"),
            "Name": format!("/{name}"),
            "Image": image["Id"],
            "Config": config,
            "HostConfig": host,
            "State": { "Running": false, "Paused": false, "Status": "created" },
            "NetworkSettings": { "Networks": networks },
        });
        self.map("containers").insert(name.to_owned(), container);
        (201, json!({ "Id": format!("id-{name}") }))
    }

    fn images(&mut self, method: &str, rest: &[&str], pairs: &Map<String, Value>) -> Reply {
        let text =
            |key: &str| pairs.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        if (method, rest) == ("POST", &["create"][..]) {
            let name = format!("{}:{}", text("fromImage"), text("tag"));
            let Some(image) = self.0["registry"].get(&name).cloned() else {
                return (404, json!({ "message": format!("manifest for {name} not found") }));
            };
            self.map("images").insert(name, image);
            return (200, json!({ "status": "Pull complete" }));
        }
        if rest == ["json"] {
            return (200, self.map("images").values().cloned().collect());
        }
        let Some(name) = rest.first().and_then(|name| self.key("images", name)) else {
            return missing("image", rest.first().unwrap_or(&""));
        };
        match (method, rest[1..].first().copied()) {
            ("GET", Some("json")) => (200, self.0["images"][&name].clone()),
            ("POST", Some("tag")) => {
                let image = self.0["images"][&name].clone();
                self.map("images").insert(format!("{}:{}", text("repo"), text("tag")), image);
                (201, Value::Null)
            }
            ("DELETE", None) => {
                self.map("images").remove(&name);
                (200, json!([{ "Untagged": name }]))
            }
            _ => missing("page", &name),
        }
    }

    fn networks(&mut self, method: &str, rest: &[&str], body: &Value) -> Reply {
        match (method, rest) {
            ("GET", []) => return (200, self.map("networks").values().cloned().collect()),
            ("POST", ["create"]) => {
                let name = body["Name"].as_str().expect("a name").to_owned();
                let mut network = json!({ "Id": format!("net-{name}"), "Containers": {}, "EnableIPv6": false, "Internal": false, "Attachable": false });
                merge(&mut network, body);
                self.map("networks").insert(name.clone(), network);
                return (201, json!({ "Id": format!("net-{name}") }));
            }
            _ => {}
        }
        let Some(name) = rest.first().and_then(|name| self.key("networks", name)) else {
            return missing("network", rest.first().unwrap_or(&""));
        };
        match (method, rest[1..].first().copied()) {
            ("GET", None) => return (200, self.0["networks"][&name].clone()),
            ("DELETE", None) => _ = self.map("networks").remove(&name),
            ("POST", Some(verb)) => {
                let wanted = body["Container"].as_str().expect("a container");
                let Some(container) = self.key("containers", wanted) else {
                    return missing("container", wanted);
                };
                let id = format!("id-{container}");
                let networks = &mut self.0["containers"][&container]["NetworkSettings"]["Networks"];
                if verb == "connect" {
                    networks[&name] = body["EndpointConfig"].clone();
                    self.0["networks"][&name]["Containers"][&id] = json!({ "Name": container });
                } else {
                    networks.as_object_mut().map(|networks| networks.remove(&name));
                    self.0["networks"][&name]["Containers"]
                        .as_object_mut()
                        .map(|all| all.remove(&id));
                }
            }
            _ => return missing("page", &name),
        }
        (200, Value::Null)
    }

    fn volumes(&mut self, method: &str, rest: &[&str], body: &Value) -> Reply {
        match (method, rest) {
            ("POST", ["create"]) => {
                let name = body["Name"].as_str().expect("a name").to_owned();
                let mut volume = body.clone();
                volume["Options"] = body["DriverOpts"].clone();
                self.map("volumes").insert(name, volume.clone());
                (201, volume)
            }
            ("GET", [name]) => match self.0["volumes"].get(name) {
                Some(volume) => (200, volume.clone()),
                None => missing("volume", name),
            },
            ("DELETE", [name]) => {
                self.map("volumes").remove(*name);
                (204, Value::Null)
            }
            _ => missing("page", "volumes"),
        }
    }
}
