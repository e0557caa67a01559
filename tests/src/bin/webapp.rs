//! The web application that `playbooks/webapp` deploys in the tests: answers with its version and its configuration.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

fn main() -> std::io::Result<()> {
    let own = std::env::current_exe()?;
    let release = own.ancestors().nth(2).expect("RELEASE/bin/webapp");
    let version = std::fs::read_to_string(release.join("VERSION"))?.trim().to_owned();
    let path =
        std::env::var("WEBAPP_CONFIG").unwrap_or_else(|_| "/etc/webapp/webapp.conf".to_owned());
    let text = std::fs::read_to_string(path)?;
    let setting = |name: &str| {
        text.lines()
            .filter_map(|line| line.split_once('='))
            .find(|(key, _)| key.trim() == name)
            .map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let listener = TcpListener::bind(setting("listen"))?;
    for stream in listener.incoming() {
        let stream = stream?;
        let mut request = String::new();
        let mut reader = BufReader::new(&stream);
        reader.read_line(&mut request)?;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        let (kind, body) = if request.starts_with("GET /health ") {
            ("application/json", format!("{{\"version\": \"{version}\"}}"))
        } else {
            ("text/plain", format!("{} ({version})\n", setting("greeting")))
        };
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let _ = (&stream).write_all(answer.as_bytes());
    }
    Ok(())
}
