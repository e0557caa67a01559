//! `uri`: talks to web services.

mod answer;
mod body;
mod save;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{Args, Secret};
use serde_json::Value;
use system::{FileKind, FileStat, Probe, System};
use ureq::http::Method;

use crate::arguments::{arguments, choices, python_text};
use crate::contract::{Check, Failure, Module};
use crate::files::FileAttributes;
use crate::http::{self, Client, Redirects, Request, Settings};

choices! {
    /// How a body is encoded.
    pub enum BodyFormat {
        /// As `application/x-www-form-urlencoded`.
        Form = "form-urlencoded",
        /// As JSON.
        Json = "json",
        /// As it is.
        Raw = "raw",
        /// As `multipart/form-data`, with files.
        Multipart = "form-multipart",
    }
}

choices! {
    /// Which redirects are followed.
    pub enum Follow {
        /// All.
        All = "all",
        /// None.
        No = "no",
        /// None.
        None = "none",
        /// Those of GET and HEAD.
        Safe = "safe",
        /// As Python's urllib2 does: those of GET and HEAD, and of POST as a GET.
        Urllib2 = "urllib2",
        /// All.
        Yes = "yes",
    }
}

arguments! {
    /// Sends a request to a web service and returns its answer.
    pub struct Uri {
        /// Where to: `http://` or `https://`.
        pub url: String,
        /// A file, or a directory, that the answer is written to.
        pub dest: Option<PathBuf>,
        /// The user to log in as.
        pub url_username: Option<String> { aliases: ["user"] },
        /// That user's password.
        pub url_password: Option<Secret<String>> { aliases: ["password"] },
        /// What is sent.
        pub body: Option<Value>,
        /// How it is encoded.
        pub body_format: BodyFormat { default: "raw" },
        /// A file on the host that is sent.
        pub src: Option<PathBuf>,
        /// `src` is on the host already; otherwise the controller sends it first.
        pub remote_src: bool { default: false },
        /// The method of the request.
        pub method: String { default: "GET" },
        /// Return the answer as `content`, whatever it is.
        pub return_content: bool { default: false },
        /// Which redirects are followed.
        pub follow_redirects: Follow { default: "safe" },
        /// Do nothing when this path exists; a pattern.
        pub creates: Option<PathBuf>,
        /// Do nothing when this path does not exist; a pattern.
        pub removes: Option<PathBuf>,
        /// The statuses that are success.
        pub status_code: Vec<i64> { default: [200] },
        /// Seconds to wait for a connection and between bytes.
        pub timeout: u64 { default: 30 },
        /// Headers of the request.
        pub headers: Args,
        pub client: Client,
        /// A socket of this host that the server listens at, instead of a TCP connection.
        pub unix_socket: Option<PathBuf>,
        /// Do not take an answer from a cache.
        pub force: bool { default: false },
        /// The content of `src`, when the controller sent it.
        pub blob: Option<model::Digest> { named: "_blob", hidden },
        pub file: FileAttributes,
    }
    mutually_exclusive: [&["body", "src"]];
}

/// Of an answer that is returned.
const CONTENT_LIMIT: u64 = 64 << 20;
/// Of a file that is sent.
const SEND_LIMIT: u64 = 256 << 20;

impl Module for Uri {
    type Change = ();

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<()>, Failure> {
        for (path, when, is) in
            [(&self.creates, true, "exists"), (&self.removes, false, "does not exist")]
        {
            if let Some(path) = path
                && crate::glob::glob(host, path)?.is_empty() != when
            {
                let path = path.display();
                result.insert("stdout".to_owned(), format!("skipped, since '{path}' {is}").into());
                result.insert("msg".to_owned(), format!("skipped, since '{path}' {is}").into());
                return Ok(Check::InSync);
            }
        }
        self.method()?;
        result.insert("msg".to_owned(), "This action (uri) does not support check mode.".into());
        Ok(Check::CannotTell(()))
    }

    fn apply(&self, (): (), host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        result.insert("changed".to_owned(), false.into());
        let start = host.now();
        let sent = self
            .request(host)
            .and_then(|request| Ok(http::send(host, &self.settings(host)?, request)));
        let elapsed = host.now().duration_since(start).unwrap_or_default().as_secs();
        result.insert("elapsed".to_owned(), elapsed.into());
        let mut response = match sent? {
            Ok(response) => response,
            Err(error) => {
                result.insert("url".to_owned(), http::url::masked(&self.url).into());
                result.insert("status".to_owned(), (-1).into());
                result.insert("redirected".to_owned(), false.into());
                if self.return_content {
                    result.insert("content".to_owned(), "".into());
                }
                let message = format!("Status code was -1 and not {}: {error}", self.wanted());
                return Err(Failure::new(message));
            }
        };
        let is_success = self.status_code.contains(&i64::from(response.status));
        answer::tell(&response, result);
        if let Some(dest) = self.dest.as_ref().filter(|_| is_success && response.status != 304) {
            return save::save(self, dest, &mut response, host, result);
        }
        let mut content = Vec::new();
        let body = &mut response.body;
        body.take(CONTENT_LIMIT + 1).read_to_end(&mut content).map_err(|error| {
            Failure::new(format!("HTTP Error while fetching {}: {error}", response.url))
        })?;
        if content.len() as u64 > CONTENT_LIMIT {
            let url = &response.url;
            return Err(Failure::new(format!(
                "the answer of {url} has more than {CONTENT_LIMIT} bytes; use dest"
            )));
        }
        answer::tell_content(&response.headers, &content, self.return_content, result);
        if is_success {
            return Ok(());
        }
        let said = answer::reason(&response);
        let message =
            format!("Status code was {} and not {}: {said}", response.status, self.wanted());
        result.remove("msg");
        Err(Failure::new(message))
    }

    fn is_repeatable(&self) -> bool {
        self.dest.is_none()
            && matches!(self.method.to_uppercase().as_str(), "GET" | "HEAD" | "OPTIONS")
    }
}

impl Uri {
    fn method(&self) -> Result<Method, Failure> {
        let method = self.method.to_uppercase();
        let is_word = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
        Method::from_bytes(method.as_bytes()).ok().filter(|_| is_word).ok_or_else(|| {
            Failure::new(
                "Parameter 'method' needs to be a single word in uppercase, like GET or POST.",
            )
        })
    }

    /// The statuses that are success, as Python writes a list.
    fn wanted(&self) -> String {
        let codes: Vec<String> = self.status_code.iter().map(ToString::to_string).collect();
        format!("[{}]", codes.join(", "))
    }

    fn request(&self, host: &dyn Probe) -> Result<Request, Failure> {
        let mut headers: Vec<(String, String)> =
            self.headers.iter().map(|(name, value)| (name.clone(), python_text(value))).collect();
        let has = |headers: &[(String, String)], name: &str| {
            headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))
        };
        if self.force && !has(&headers, "cache-control") {
            headers.push(("Cache-Control".to_owned(), "no-cache".to_owned()));
        }
        if let Some(stat) = self.saved(host)?.filter(|_| !self.force) {
            headers.push(("If-Modified-Since".to_owned(), http::date(stat.modified)));
        }
        let body = match (&self.src, &self.body) {
            (Some(path), _) => Some(self.source(path, host)?),
            (None, None) => None,
            (None, Some(body)) => {
                let encoded = body::encode(body, self.body_format, host)?;
                if let Some(kind) = encoded.content_type.filter(|_| !has(&headers, "content-type"))
                {
                    headers.push(("Content-Type".to_owned(), kind));
                }
                Some(encoded.bytes)
            }
        };
        Ok(Request { method: self.method()?, url: self.url.clone(), headers, body })
    }

    /// The file that an earlier answer was written to.
    fn saved(&self, host: &dyn Probe) -> Result<Option<FileStat>, Failure> {
        let Some(dest) = &self.dest else { return Ok(None) };
        Ok(host.stat(dest, true)?.filter(|stat| stat.kind == FileKind::File))
    }

    /// The content of `src`.
    fn source(&self, path: &Path, host: &dyn Probe) -> Result<Vec<u8>, Failure> {
        let name = path.display();
        if let Some(digest) = self.blob {
            let mut bytes = Vec::new();
            host.blob(digest)?
                .take(SEND_LIMIT)
                .read_to_end(&mut bytes)
                .map_err(|error| Failure::new(format!("cannot fetch {name}: {error}")))?;
            return Ok(bytes);
        }
        if !self.remote_src {
            return Err(Failure::new(format!(
                "src {name} was not sent by the controller; with remote_src it is taken from the host"
            )));
        }
        host.read(path, SEND_LIMIT)?.ok_or_else(|| {
            Failure::new(format!("Unable to open source file {name}: it does not exist"))
        })
    }

    fn settings(&self, host: &dyn Probe) -> Result<Settings, Failure> {
        let login = http::login(self.url_username.as_ref(), self.url_password.as_ref());
        Ok(Settings {
            timeout: Duration::from_secs(self.timeout),
            socket: self.unix_socket.clone(),
            redirects: match self.follow_redirects {
                Follow::All | Follow::Yes => Redirects::All,
                Follow::Urllib2 => Redirects::AsGet,
                Follow::Safe => Redirects::Safe,
                Follow::No | Follow::None => Redirects::Never,
            },
            ..self.client.settings(host, &self.url, login)?
        })
    }
}
