//! A Galaxy server over HTTP: questions answered in JSON, and archives. Answers are bounded, and checked before use.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::Secret;
use serde_json::Value as Json;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::{Error, Result};

const JSON_LIMIT: u64 = 64 << 20;
const ARCHIVE_LIMIT: u64 = 2 << 30;

/// Where a Galaxy server is, and who asks it.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name in the configuration, else its address.
    pub name: String,
    /// Its address.
    pub url: String,
    /// The operator's token there.
    pub token: Option<Secret<String>>,
    /// Its certificate counts.
    pub validate_certs: bool,
    /// How long one answer may take.
    pub timeout: Duration,
}

/// What came instead of the content.
enum Trouble {
    Status(u16),
    Other(String),
}

/// One server's client.
pub struct Client {
    server: Server,
    agent: ureq::Agent,
}

impl Client {
    /// A client that has not asked anything.
    pub fn new(server: Server) -> Self {
        let native = rustls_native_certs::load_native_certs().certs;
        let roots = native.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .disable_verification(!server.validate_certs)
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(server.timeout))
            .build();
        Self { agent: config.into(), server }
    }

    /// The server's address.
    pub(crate) fn url(&self) -> &str {
        &self.server.url
    }

    /// The server's name.
    pub(crate) fn name(&self) -> &str {
        &self.server.name
    }

    /// Whether a requirement's `source` means this server.
    pub(crate) fn is_called(&self, source: &str) -> bool {
        let plain = |url: &str| url.trim_end_matches('/').to_owned();
        source == self.server.name || plain(source) == plain(&self.server.url)
    }

    /// The address below which the interface's versions lie.
    pub fn api(&self) -> String {
        let url = self.server.url.trim_end_matches('/');
        if url.ends_with("/api") { format!("{url}/") } else { format!("{url}/api/") }
    }

    fn get(&self, url: &str) -> std::result::Result<ureq::Body, Trouble> {
        let mut request = self.agent.get(url).header("accept", "application/json, */*");
        // A token is for its own server, not for where it sends us.
        let below = url.strip_prefix(self.server.url.trim_end_matches('/'));
        let is_own = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if let Some(token) = self.server.token.as_ref().filter(|_| is_own) {
            request = request.header("authorization", format!("Token {}", token.reveal()));
        }
        match request.call() {
            Ok(answer) => Ok(answer.into_body()),
            Err(ureq::Error::StatusCode(code)) => Err(Trouble::Status(code)),
            Err(error) => Err(Trouble::Other(error.to_string())),
        }
    }

    fn unknown(&self, why: &str) -> Error {
        Error::failed(format!(
            "Unknown error when attempting to call Galaxy at '{}': <urlopen error {why}>",
            self.api()
        ))
    }

    /// What is below the interface's address, or nothing where there is nothing.
    pub(crate) fn ask(&self, path: &str) -> Result<Option<Json>> {
        let is_whole = path.starts_with("http://") || path.starts_with("https://");
        let url = if is_whole { path.to_owned() } else { format!("{}{path}", self.api()) };
        let body = match self.get(&url) {
            Ok(body) => body,
            Err(Trouble::Status(404)) => return Ok(None),
            Err(Trouble::Status(code)) => {
                return Err(Error::failed(format!(
                    "Error when calling Galaxy at {url} (HTTP Code: {code})"
                )));
            }
            Err(Trouble::Other(why)) => return Err(self.unknown(&why)),
        };
        let mut text = Vec::new();
        body.into_reader()
            .take(JSON_LIMIT)
            .read_to_end(&mut text)
            .map_err(|error| self.unknown(&error.to_string()))?;
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| Error::failed(format!("{url} answered what is no JSON: {error}")))
    }

    /// Fetches a file.
    pub(crate) fn download(&self, url: &str, target: &Path) -> Result<()> {
        let body = self.get(url).map_err(|trouble| {
            Error::failed(match trouble {
                Trouble::Status(code) => format!("failed to download the file: HTTP Error {code}"),
                Trouble::Other(why) => format!("failed to download the file: {why}"),
            })
        })?;
        let mut file =
            std::fs::File::create(target).map_err(|error| Error::io("write", target, &error))?;
        let copied = io::copy(&mut body.into_reader().take(ARCHIVE_LIMIT + 1), &mut file);
        match copied {
            Ok(size) if size <= ARCHIVE_LIMIT => Ok(()),
            Ok(_) => Err(Error::failed(format!("failed to download the file: {url} is too large"))),
            Err(error) => Err(Error::failed(format!("failed to download the file: {error}"))),
        }
    }
}
