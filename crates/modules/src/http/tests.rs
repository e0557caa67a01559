//! The client against a server on this machine that answers as told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use model::Secret;
use system::FakeSystem;

use super::*;

/// What the server heard.
#[derive(Debug)]
struct Heard {
    line: String,
    headers: Vec<String>,
    body: String,
}

impl Heard {
    fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &str| Some(line.split_once(": ")?.0.eq_ignore_ascii_case(name));
        let line = self.headers.iter().find(|line| of(line) == Some(true))?;
        line.split_once(": ").map(|(_, value)| value)
    }
}

/// A server that gives these answers, one for each connection, and its address.
fn serve(answers: &[&str]) -> (String, Receiver<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    let answers: Vec<String> =
        answers.iter().map(|answer| answer.replace("BASE", &address)).collect();
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut reader = BufReader::new(stream.try_clone().expect("cloned"));
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a line");
                if line.trim().is_empty() {
                    break;
                }
                lines.push(line.trim().to_owned());
            }
            let line = lines.remove(0);
            let mut heard = Heard { line, headers: lines, body: String::new() };
            let length = heard.header("content-length").map_or(0, |n| n.parse().expect("a number"));
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            heard.body = String::from_utf8(body).expect("text");
            drop(send.send(heard));
            stream.write_all(answer.as_bytes()).expect("sent");
        }
    });
    (address, receive)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";

fn ask(settings: &Settings, request: Request) -> Result<(u16, String, String), HttpError> {
    let mut response = send(&FakeSystem::new(), settings, request)?;
    let mut body = String::new();
    response.body.read_to_string(&mut body).map_err(|error| HttpError(error.to_string()))?;
    Ok((response.status, response.url, body))
}

#[test]
fn an_answer_is_an_answer_whatever_its_status() {
    let (url, _) = serve(&["HTTP/1.1 500 Oops\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"]);
    let answer = ask(&Settings::default(), Request::get(&url)).expect("answers");
    assert_eq!(answer, (500, url, "x".to_owned()));
}

#[test]
fn redirects_are_followed_as_told() {
    let moved =
        "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (url, heard) = serve(&[moved, OK]);
    let post = Request {
        method: Method::POST,
        url: url.clone(),
        headers: vec![("Content-Type".to_owned(), "text/plain".to_owned())],
        body: Some(b"data".to_vec()),
    };
    let (status, last, _) = ask(&Settings::default(), post.clone()).expect("answers");
    assert_eq!((status, last), (200, format!("{url}/there")));
    assert_eq!(heard.recv().expect("heard").body, "data");
    let second = heard.recv().expect("heard");
    assert_eq!((second.line.as_str(), second.body.as_str()), ("GET /there HTTP/1.1", ""));
    assert_eq!(second.header("content-type"), None);

    for redirects in [Redirects::Safe, Redirects::Never] {
        let (url, _) = serve(&[moved]);
        let settings = Settings { redirects, ..Settings::default() };
        let answer = ask(&settings, Request { url, ..post.clone() }).expect("answers");
        assert_eq!(answer.0, 302, "{redirects:?}");
    }
}

#[test]
fn a_307_keeps_method_and_body() {
    let moved =
        "HTTP/1.1 307 There\r\nLocation: BASE/x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (url, heard) = serve(&[moved, OK]);
    let request =
        Request { method: Method::PUT, url, body: Some(b"data".to_vec()), ..Request::default() };
    ask(&Settings::default(), request).expect("answers");
    let (_, second) = (heard.recv(), heard.recv().expect("heard"));
    assert_eq!((second.line.as_str(), second.body.as_str()), ("PUT /x HTTP/1.1", "data"));
}

#[test]
fn a_login_is_given_when_asked_for_and_to_nobody_else() {
    let refuse = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (url, heard) = serve(&[refuse, OK]);
    let login = Login { user: "me".to_owned(), password: Secret::new("pw".to_owned()) };
    let settings = Settings { login: Some(login), ..Settings::default() };
    assert_eq!(ask(&settings, Request::get(&url)).expect("answers").0, 200);
    assert_eq!(heard.recv().expect("heard").header("authorization"), None);
    assert_eq!(heard.recv().expect("heard").header("authorization"), Some("Basic bWU6cHc="));

    let (other, elsewhere) = serve(&[OK]);
    let away = format!(
        "HTTP/1.1 302 Found\r\nLocation: {other}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let (url, heard) = serve(&[&away]);
    let settings = Settings { force_basic_auth: true, ..settings };
    let mut request = Request::get(&url);
    request.headers.push(("Authorization".to_owned(), "Bearer token".to_owned()));
    ask(&Settings { login: None, ..settings.clone() }, request).expect("answers");
    assert_eq!(heard.recv().expect("heard").header("authorization"), Some("Bearer token"));
    assert_eq!(elsewhere.recv().expect("heard").header("authorization"), None);
}

#[test]
fn a_login_in_the_url_is_used_and_not_shown() {
    let (url, heard) = serve(&[OK]);
    let settings = Settings { force_basic_auth: true, ..Settings::default() };
    let request = Request::get(url.replace("http://", "http://me:pw@"));
    assert_eq!(ask(&settings, request).expect("answers").1, url);
    assert_eq!(heard.recv().expect("heard").header("authorization"), Some("Basic bWU6cHc="));
}

#[test]
fn an_endless_redirect_ends() {
    let around =
        "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (url, _) = serve(&vec![around; MAX_REDIRECTS + 2]);
    assert_eq!(ask(&Settings::default(), Request::get(url)).expect("answers").0, 302);
}

#[test]
fn what_is_no_server_is_told() {
    let refused = ask(&Settings::default(), Request::get("http://127.0.0.1:1/")).expect_err("none");
    assert!(refused.0.starts_with("Request failed: 127.0.0.1:1: "), "{refused}");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("bound"));
    let settings = Settings { timeout: Duration::from_millis(100), ..Settings::default() };
    let late = ask(&settings, Request::get(url)).expect_err("never answers");
    assert_eq!(late.0, "Connection failure: timed out");
    let (url, _) = serve(&["HTTP/1.1 302 Found\r\nLocation: file:///etc/shadow\r\n\r\n"]);
    let odd = ask(&Settings::default(), Request::get(url)).expect_err("not HTTP");
    assert!(odd.0.ends_with("redirects to file:///etc/shadow, which is not HTTP"), "{odd}");
    let split = Request {
        headers: vec![("X".to_owned(), "a\r\nY: b".to_owned())],
        ..Request::get("http://127.0.0.1:1/")
    };
    let split = ask(&Settings::default(), split).expect_err("two headers in one");
    assert!(split.0.starts_with("Invalid request to http://127.0.0.1:1/"), "{split}");
}

#[test]
fn the_environment_names_the_proxy() {
    let probe = FakeSystem::new();
    assert!(proxy(&probe, "http://a/").expect("none").is_none());
    probe.set_variable("http_proxy", "http://me:pw@proxy:3128");
    probe.set_variable("no_proxy", "localhost, internal,.x");
    let found = proxy(&probe, "http://a/").expect("valid").expect("one");
    assert_eq!((found.host(), found.port(), found.username()), ("proxy", 3128, Some("me")));
    for (url, direct) in
        [("http://x.internal/", true), ("http://localhost/", true), ("http://internal.org/", false)]
    {
        assert_eq!(found.is_no_proxy(&url.parse().expect("a URL")), direct, "{url}");
    }
    assert!(proxy(&probe, "https://a/").expect("none").is_none());
    probe.set_variable("HTTPS_PROXY", "://");
    assert!(proxy(&probe, "https://a/").is_err());
}
