//! A small HTTP server for artifacts: serves the files of a directory, and counts what was asked for.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Serves files until it is dropped together with the test's process.
pub struct WebServer {
    /// Where it listens.
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl WebServer {
    /// Serves `directory` on a free port of an address.
    pub fn start(address: impl Into<std::net::IpAddr>, directory: &Path) -> std::io::Result<Self> {
        let listener = TcpListener::bind((address.into(), 0))?;
        let address = listener.local_addr()?;
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, directory) = (requests.clone(), directory.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, directory) = (log.clone(), directory.clone());
                std::thread::spawn(move || serve(stream, &directory, &log));
            }
        });
        Ok(Self { address, requests })
    }

    /// The URL of a file.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// The paths asked for so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no thread panics with it").clone()
    }
}

fn serve(stream: TcpStream, directory: &Path, log: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(&stream).lines();
    let Some(Ok(request)) = lines.next() else { return };
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let path = request.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
    log.lock().expect("no thread panics with it").push(path.clone());
    let file: PathBuf = directory.join(&path);
    let (status, body) = match std::fs::read(&file) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", b"not found\n".to_vec()),
    };
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = (&stream).write_all(head.as_bytes()).and_then(|()| (&stream).write_all(&body));
}
