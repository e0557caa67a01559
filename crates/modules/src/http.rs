//! HTTP for the modules that fetch (`uri`, `get_url`, `unarchive`, `apt` with a URL): one client, configured from module
//! arguments. It must not know which module asks, and it writes nothing but to the network.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use model::Secret;
use system::Probe;
use ureq::http::{HeaderMap, Method, header};
use ureq::tls::TlsConfig;

use crate::arguments::arguments;
use crate::contract::chain;

mod connect;
mod digest;
mod netrc;
mod redirect;
mod tls;
pub(crate) mod url;

pub(crate) use redirect::Redirects;

#[cfg(test)]
mod tests;

const MAX_REDIRECTS: usize = 20;

/// What a client is made of.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) validate_certs: bool,
    /// A bundle trusted instead of the machine's own.
    pub(crate) ca_path: Option<PathBuf>,
    pub(crate) client_cert: Option<PathBuf>,
    /// When `None`, the key is looked for in `client_cert`.
    pub(crate) client_key: Option<PathBuf>,
    /// Of connecting, and of each wait for the next bytes.
    pub(crate) timeout: Duration,
    pub(crate) use_proxy: bool,
    pub(crate) redirects: Redirects,
    pub(crate) user_agent: String,
    /// Ask for gzip and unpack it.
    pub(crate) decompress: bool,
    /// Sent when the server asks for it, or at once with `force_basic_auth`. Without one, the URL's own is taken.
    pub(crate) login: Option<Login>,
    pub(crate) force_basic_auth: bool,
    /// Not sent on to where a redirect leads.
    pub(crate) unredirected_headers: Vec<String>,
    /// A socket of this host that the server listens at, whatever the URL says.
    pub(crate) socket: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            validate_certs: true,
            ca_path: None,
            client_cert: None,
            client_key: None,
            timeout: Duration::from_secs(30),
            use_proxy: true,
            redirects: Redirects::default(),
            user_agent: "ansible-httpget".to_owned(),
            decompress: true,
            login: None,
            force_basic_auth: false,
            unredirected_headers: Vec::new(),
            socket: None,
        }
    }
}

arguments! {
    /// How the modules that fetch reach a server.
    pub struct Client {
        /// Check the server's certificate.
        pub validate_certs: bool { default: true },
        /// A bundle of certificates that are trusted instead of the system's.
        pub ca_path: Option<PathBuf>,
        /// The client's certificate, for TLS.
        pub client_cert: Option<PathBuf>,
        /// Its key.
        pub client_key: Option<PathBuf>,
        /// Go through the proxy that the environment names.
        pub use_proxy: bool { default: true },
        /// Take logins from ~/.netrc.
        pub use_netrc: bool { default: true },
        /// Log in at once, without waiting to be asked.
        pub force_basic_auth: bool { default: false },
        /// Headers that are not sent on to where a redirect leads.
        pub unredirected_headers: Vec<String>,
        /// The client's name.
        pub http_agent: String { default: "ansible-httpget" },
        /// Unpack an answer that came compressed.
        pub decompress: bool { default: true },
        /// Ciphers of TLS, by OpenSSL's names. Accepted; only the strong ones are ever used.
        pub ciphers: Vec<String>,
        /// Log in with Kerberos; not supported.
        pub use_gssapi: bool { default: false },
    }
}

impl Client {
    /// The settings of a client of a URL; without a login, one is looked for in ~/.netrc.
    pub(crate) fn settings(
        &self,
        probe: &dyn Probe,
        url: &str,
        login: Option<Login>,
    ) -> Result<Settings, HttpError> {
        let from_netrc = match &login {
            None if self.use_netrc => netrc::login(probe, url)?,
            _ => None,
        };
        if self.use_gssapi {
            return Err(HttpError("use_gssapi is not supported; use a user name".to_owned()));
        }
        Ok(Settings {
            validate_certs: self.validate_certs,
            ca_path: self.ca_path.clone(),
            client_cert: self.client_cert.clone(),
            client_key: self.client_key.clone(),
            use_proxy: self.use_proxy,
            user_agent: self.http_agent.clone(),
            decompress: self.decompress,
            // A login of that file goes before any other, and is not waited for.
            force_basic_auth: self.force_basic_auth || from_netrc.is_some(),
            login: login.or(from_netrc),
            unredirected_headers: self.unredirected_headers.clone(),
            ..Settings::default()
        })
    }
}

/// The login that a module's arguments give.
pub(crate) fn login(user: Option<&String>, password: Option<&Secret<String>>) -> Option<Login> {
    let password = password.cloned().unwrap_or_default();
    user.map(|user| Login { user: user.clone(), password })
}

/// A user name and password.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: Secret<String>,
}

/// One request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

impl Request {
    /// A GET.
    pub(crate) fn get(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }
}

/// The answer, whatever its status.
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The words that the server put behind the status.
    pub(crate) reason: String,
    /// Of the last request, without login.
    pub(crate) url: String,
    pub(crate) redirected: bool,
    pub(crate) headers: HeaderMap,
    /// Unbounded: the caller bounds what it keeps.
    pub(crate) body: Box<dyn Read>,
}

impl Response {
    /// The name that the server gives to the content, or else the last part of the URL.
    pub(crate) fn file_name(&self) -> &str {
        let given = self.headers.get(header::CONTENT_DISPOSITION);
        let given = given.and_then(|value| value.to_str().ok()?.split_once("filename="));
        let given =
            given.map(|(_, name)| name.split(';').next().unwrap_or(name).trim().trim_matches('"'));
        url::file_name(given.unwrap_or(&self.url))
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

/// A time as headers write it: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn date(time: std::time::SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or_default();
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// No answer was had; says from where and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct HttpError(pub(crate) String);

impl From<HttpError> for crate::contract::Failure {
    fn from(error: HttpError) -> Self {
        Self::new(error.0)
    }
}

/// Sends a request, following redirects as the settings say.
pub(crate) fn send(
    probe: &dyn Probe,
    settings: &Settings,
    mut request: Request,
) -> Result<Response, HttpError> {
    if let Some(path) = request.url.strip_prefix("file://") {
        return local(probe, path, &request.url);
    }
    let (plain, from_url) = url::without_login(&request.url);
    request.url = plain;
    let login = settings.login.clone().or(from_url);
    let mut tls: Option<TlsConfig> = None;
    let origin = request.url.clone();
    let mut authorization = settings.force_basic_auth.then_some(Authorization::Basic);
    for hop in 0..=MAX_REDIRECTS {
        probe.keep_going().map_err(|error| HttpError(error.to_string()))?;
        // A login is for the server that it was given for, not for where that one sends us.
        let login = login.as_ref().filter(|_| url::same_origin(&origin, &request.url));
        let sent = match (login, &authorization) {
            (Some(login), Some(authorization)) => Some(authorization.header(login, &request)?),
            _ => None,
        };
        // Plain HTTP needs no certificates, and reading the system's takes a while.
        if tls.is_none() && request.url.starts_with("https:") {
            tls = Some(tls::config(probe, settings)?);
        }
        let (answer, reason) = exchange(probe, settings, tls.as_ref(), &request, sent)?;
        let status = answer.status().as_u16();
        if status == 401 && login.is_some() && authorization.is_none() && !settings.force_basic_auth
        {
            authorization = Authorization::asked_for(answer.headers());
            if authorization.is_some() {
                continue;
            }
        }
        let target = redirect::target(settings.redirects, &request, status, answer.headers());
        let Some(target) = target.filter(|_| hop < MAX_REDIRECTS) else {
            let (parts, body) = answer.into_parts();
            let is_packed = parts
                .headers
                .get(header::CONTENT_ENCODING)
                .is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip"));
            let body: Box<dyn Read> = if settings.decompress && is_packed {
                Box::new(flate2::read::MultiGzDecoder::new(body.into_reader()))
            } else {
                Box::new(body.into_reader())
            };
            return Ok(Response {
                status,
                reason,
                redirected: request.url != origin,
                url: request.url,
                headers: parts.headers,
                body,
            });
        };
        request = redirect::follow(settings.redirects, request, status, &target)?;
        let held = |name: &str| {
            settings.unredirected_headers.iter().any(|held| held.eq_ignore_ascii_case(name))
        };
        request.headers.retain(|(name, _)| !held(name));
        if held("authorization") {
            authorization = None;
        }
    }
    Err(HttpError(format!("More than {MAX_REDIRECTS} redirects, starting at {origin}")))
}

/// How a login is sent.
#[derive(Debug)]
enum Authorization {
    Basic,
    Digest(digest::Challenge),
}

impl Authorization {
    /// As the server asks for it.
    fn asked_for(headers: &HeaderMap) -> Option<Self> {
        let mut asked = None;
        for value in headers.get_all(header::WWW_AUTHENTICATE) {
            let Some((scheme, rest)) = value.to_str().ok()?.split_once(' ') else { continue };
            if scheme.eq_ignore_ascii_case("digest")
                && let Some(challenge) = digest::Challenge::parse(rest)
            {
                return Some(Self::Digest(challenge));
            }
            if scheme.eq_ignore_ascii_case("basic") {
                asked = Some(Self::Basic);
            }
        }
        asked
    }

    fn header(&self, login: &Login, request: &Request) -> Result<String, HttpError> {
        match self {
            Self::Basic => {
                let pair = format!("{}:{}", login.user, login.password.reveal());
                let pair = base64::engine::general_purpose::STANDARD.encode(pair);
                Ok(format!("Basic {pair}"))
            }
            Self::Digest(challenge) => challenge.answer(login, request),
        }
    }
}

/// A file of the host, as an answer.
fn local(probe: &dyn Probe, path: &str, url: &str) -> Result<Response, HttpError> {
    let failed = |reason: String| HttpError(format!("Request failed: {url}: {reason}"));
    let path = path.strip_prefix("localhost").unwrap_or(path);
    let body = probe.open(Path::new(path)).map_err(|error| failed(chain(&error)))?;
    let body = body.ok_or_else(|| failed("No such file or directory".to_owned()))?;
    let headers = HeaderMap::new();
    let (reason, url) = ("OK".to_owned(), url.to_owned());
    Ok(Response { status: 200, reason, url, redirected: false, headers, body })
}

/// One request and its answer.
fn exchange(
    probe: &dyn Probe,
    settings: &Settings,
    tls: Option<&TlsConfig>,
    request: &Request,
    authorization: Option<String>,
) -> Result<(ureq::http::Response<ureq::Body>, String), HttpError> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .allow_non_standard_methods(true)
        .tls_config(tls.cloned().unwrap_or_else(|| TlsConfig::builder().build()))
        .proxy(if settings.use_proxy { proxy(probe, &request.url)? } else { None })
        .user_agent(settings.user_agent.as_str())
        .accept("")
        .accept_encoding(if settings.decompress { "gzip" } else { "identity" })
        .timeout_resolve(Some(settings.timeout))
        .timeout_connect(Some(settings.timeout))
        .timeout_per_read(Some(settings.timeout))
        .timeout_per_write(Some(settings.timeout))
        .build();
    let mut builder =
        ureq::http::Request::builder().method(request.method.clone()).uri(request.url.as_str());
    for (name, value) in &request.headers {
        if authorization.is_none() || !name.eq_ignore_ascii_case("authorization") {
            builder = builder.header(name.as_str(), value.as_str());
        }
    }
    if let Some(authorization) = authorization {
        builder = builder.header(header::AUTHORIZATION, authorization);
    }
    let (agent, reason) = connect::agent(config, settings.socket.as_deref());
    let invalid = |error| HttpError(format!("Invalid request to {}: {error}", request.url));
    let answer = match &request.body {
        Some(body) => agent.run(builder.body(body.as_slice()).map_err(invalid)?),
        None => agent.run(builder.body(()).map_err(invalid)?),
    };
    let answer = answer.map_err(|error| HttpError(tls::describe(&error, &request.url)))?;
    let canonical = || answer.status().canonical_reason().unwrap_or("Unknown").to_owned();
    let reason = reason.heard().unwrap_or_else(canonical);
    Ok((answer, reason))
}

/// The proxy that the step's environment names for a URL.
fn proxy(probe: &dyn Probe, url: &str) -> Result<Option<ureq::Proxy>, HttpError> {
    let name = if url.starts_with("https:") { "https_proxy" } else { "http_proxy" };
    let variable = |name: &str| {
        let value = probe.variable(name).or_else(|| probe.variable(&name.to_ascii_uppercase()))?;
        (!value.is_empty()).then_some(value)
    };
    let Some(address) = variable(name) else { return Ok(None) };
    let invalid = |_| HttpError(format!("`{name}` of the environment is not a proxy's URL"));
    let given = ureq::Proxy::new(&address).map_err(invalid)?;
    let mut builder = ureq::Proxy::builder(given.protocol()).host(given.host()).port(given.port());
    if let Some(user) = given.username() {
        builder = builder.username(user).password(given.password().unwrap_or_default());
    }
    let exceptions = variable("no_proxy").unwrap_or_default();
    for name in exceptions.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        // As in Python, a domain stands for itself and all below it.
        builder = builder.no_proxy(name).no_proxy(&format!(".{}", name.trim_start_matches('.')));
    }
    builder.build().map(Some).map_err(invalid)
}
