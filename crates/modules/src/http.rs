//! HTTP for the modules that fetch (`uri`, `get_url`, `unarchive`, `apt` with a URL): one client, configured from module
//! arguments. It must not know which module asks, and it writes nothing but to the network.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use model::Secret;
use system::Probe;
use ureq::http::{HeaderMap, Method, Uri, header};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::arguments::arguments;
use crate::contract::chain;

mod netrc;
pub(crate) mod url;

#[cfg(test)]
mod tests;

/// More than any certificate bundle or key, less than trouble.
const PEM_LIMIT: u64 = 8 << 20;
const MAX_REDIRECTS: usize = 20;

/// Which redirects are followed: `follow_redirects`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Redirects {
    /// Every one; 307 and 308 keep method and body.
    #[default]
    All,
    /// Only of GET and HEAD.
    Safe,
    /// None: the redirect is the answer.
    Never,
}

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
        Ok(Settings {
            validate_certs: self.validate_certs,
            ca_path: self.ca_path.clone(),
            client_cert: self.client_cert.clone(),
            client_key: self.client_key.clone(),
            use_proxy: self.use_proxy,
            user_agent: self.http_agent.clone(),
            decompress: self.decompress,
            login: match login {
                None if self.use_netrc => netrc::login(probe, url)?,
                login => login,
            },
            force_basic_auth: self.force_basic_auth,
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
    /// Of the last request, without login.
    pub(crate) url: String,
    pub(crate) redirected: bool,
    pub(crate) headers: HeaderMap,
    /// Unbounded: the caller bounds what it keeps.
    pub(crate) body: Box<dyn Read>,
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
    let mut authorize = settings.force_basic_auth;
    for hop in 0..=MAX_REDIRECTS {
        probe.keep_going().map_err(|error| HttpError(error.to_string()))?;
        // A login is for the server that it was given for, not for where that one sends us.
        let login = login.as_ref().filter(|_| url::same_origin(&origin, &request.url));
        let sent = login.filter(|_| authorize);
        // Plain HTTP needs no certificates, and reading the system's takes a while.
        if tls.is_none() && request.url.starts_with("https:") {
            tls = Some(tls_config(probe, settings)?);
        }
        let answer = exchange(probe, settings, tls.as_ref(), &request, sent)?;
        let status = answer.status().as_u16();
        if status == 401 && login.is_some() && !authorize && asks_for_basic(answer.headers()) {
            authorize = true;
            continue;
        }
        let target = redirect_target(settings.redirects, &request, status, answer.headers());
        let Some(target) = target.filter(|_| hop < MAX_REDIRECTS) else {
            let (parts, body) = answer.into_parts();
            return Ok(Response {
                status,
                redirected: request.url != origin,
                url: request.url,
                headers: parts.headers,
                body: Box::new(body.into_reader()),
            });
        };
        request = redirected(request, status, &target)?;
        request.headers.retain(|(name, _)| {
            !settings.unredirected_headers.iter().any(|held| held.eq_ignore_ascii_case(name))
        });
    }
    Err(HttpError(format!("More than {MAX_REDIRECTS} redirects, starting at {origin}")))
}

/// A file of the host, as an answer.
fn local(probe: &dyn Probe, path: &str, url: &str) -> Result<Response, HttpError> {
    let failed = |reason: String| HttpError(format!("Request failed: {url}: {reason}"));
    let path = path.strip_prefix("localhost").unwrap_or(path);
    let body = probe.open(Path::new(path)).map_err(|error| failed(chain(&error)))?;
    let body = body.ok_or_else(|| failed("No such file or directory".to_owned()))?;
    let headers = HeaderMap::new();
    Ok(Response { status: 200, url: url.to_owned(), redirected: false, headers, body })
}

/// One request and its answer.
fn exchange(
    probe: &dyn Probe,
    settings: &Settings,
    tls: Option<&TlsConfig>,
    request: &Request,
    login: Option<&Login>,
) -> Result<ureq::http::Response<ureq::Body>, HttpError> {
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
        builder = builder.header(name.as_str(), value.as_str());
    }
    if let Some(login) = login {
        builder = builder.header(header::AUTHORIZATION, basic_authorization(login));
    }
    let agent = config.new_agent();
    let invalid = |error| HttpError(format!("Invalid request to {}: {error}", request.url));
    let answer = match &request.body {
        Some(body) => agent.run(builder.body(body.as_slice()).map_err(invalid)?),
        None => agent.run(builder.body(()).map_err(invalid)?),
    };
    answer.map_err(|error| HttpError(describe(&error, &request.url)))
}

fn asks_for_basic(headers: &HeaderMap) -> bool {
    headers.get_all(header::WWW_AUTHENTICATE).iter().any(|value| {
        value.to_str().is_ok_and(|value| value.to_ascii_lowercase().starts_with("basic"))
    })
}

fn basic_authorization(login: &Login) -> String {
    let pair = format!("{}:{}", login.user, login.password.reveal());
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

/// Where a redirect leads, when it is one and is to be followed.
fn redirect_target(
    redirects: Redirects,
    request: &Request,
    status: u16,
    headers: &HeaderMap,
) -> Option<String> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let follow = match redirects {
        Redirects::All => true,
        Redirects::Safe => matches!(request.method, Method::GET | Method::HEAD),
        Redirects::Never => false,
    };
    let location = headers.get(header::LOCATION)?.to_str().ok()?;
    follow.then(|| url::join(&request.url, location))
}

/// The request that follows a redirect: 307 and 308 repeat it, the others turn it into a GET, as browsers do.
fn redirected(request: Request, status: u16, target: &str) -> Result<Request, HttpError> {
    if !target.starts_with("http://") && !target.starts_with("https://") {
        return Err(HttpError(format!("{} redirects to {target}, which is not HTTP", request.url)));
    }
    let mut next = Request { url: target.to_owned(), ..request };
    let becomes_get = match status {
        301 => next.method == Method::POST,
        302 | 303 => next.method != Method::HEAD,
        _ => false,
    };
    if becomes_get {
        next.method = Method::GET;
    }
    if !matches!(status, 307 | 308) {
        next.body = None;
        let of_body = ["content-length", "content-type", "transfer-encoding"];
        next.headers.retain(|(name, _)| !of_body.contains(&name.to_ascii_lowercase().as_str()));
    }
    if !url::same_origin(&request.url, target) {
        let private = ["authorization", "cookie", "proxy-authorization"];
        next.headers.retain(|(name, _)| !private.contains(&name.to_ascii_lowercase().as_str()));
    }
    Ok(next)
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

/// TLS as the settings say.
fn tls_config(probe: &dyn Probe, settings: &Settings) -> Result<TlsConfig, HttpError> {
    let roots = match &settings.ca_path {
        Some(path) => RootCerts::Specific(Arc::new(certificates(probe, path)?)),
        None if !settings.validate_certs => RootCerts::Specific(Arc::default()),
        None => native_roots(),
    };
    let client = match &settings.client_cert {
        Some(path) => {
            let key = settings.client_key.as_deref().unwrap_or(path);
            Some(ClientCert::new_with_certs(&certificates(probe, path)?, private_key(probe, key)?))
        }
        _ => None,
    };
    Ok(TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(roots)
        .client_cert(client)
        .disable_verification(!settings.validate_certs)
        .build())
}

/// The machine's own trusted certificates, read once a process.
fn native_roots() -> RootCerts {
    static ROOTS: OnceLock<Arc<Vec<Certificate<'static>>>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs().certs;
        Arc::new(found.iter().map(|der| Certificate::from_der(der).to_owned()).collect())
    });
    RootCerts::Specific(Arc::clone(roots))
}

fn certificates(probe: &dyn Probe, path: &Path) -> Result<Vec<Certificate<'static>>, HttpError> {
    let found: Vec<_> = pem_items(probe, path)?
        .into_iter()
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(HttpError(format!("{} has no certificate in PEM form", path.display())));
    }
    Ok(found)
}

fn private_key(probe: &dyn Probe, path: &Path) -> Result<PrivateKey<'static>, HttpError> {
    let key = pem_items(probe, path)?.into_iter().find_map(|item| match item {
        PemItem::PrivateKey(key) => Some(key),
        _ => None,
    });
    key.ok_or_else(|| HttpError(format!("{} has no private key in PEM form", path.display())))
}

fn pem_items(probe: &dyn Probe, path: &Path) -> Result<Vec<PemItem<'static>>, HttpError> {
    let bytes = probe.read(path, PEM_LIMIT).map_err(|error| HttpError(error.to_string()))?;
    let bytes = bytes.ok_or_else(|| HttpError(format!("{} does not exist", path.display())))?;
    parse_pem(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| HttpError(format!("{} is not valid PEM: {error}", path.display())))
}

/// What to tell a person when no answer came.
fn describe(error: &ureq::Error, url: &str) -> String {
    let host = url
        .parse::<Uri>()
        .ok()
        .and_then(|uri| uri.authority().map(ToString::to_string))
        .unwrap_or_else(|| url.to_owned());
    match error {
        ureq::Error::Rustls(rustls::Error::InvalidCertificate(reason)) => {
            let mismatch = matches!(
                reason,
                rustls::CertificateError::NotValidForName
                    | rustls::CertificateError::NotValidForNameContext { .. }
            );
            if mismatch {
                return format!(
                    "Hostname mismatch, certificate is not valid for '{host}': {reason}. Set validate_certs to false to accept the risk"
                );
            }
            format!(
                "Failed to validate the SSL certificate for {host}: {reason:?}. Set ca_path, or validate_certs to false to accept the risk"
            )
        }
        ureq::Error::Io(error) if is_certificate_trouble(error) => {
            format!(
                "Failed to validate the SSL certificate for {host}: {error}. Set ca_path, or validate_certs to false to accept the risk"
            )
        }
        ureq::Error::HostNotFound => format!("Request failed: the name of {host} is not known"),
        ureq::Error::Timeout(_) => "Connection failure: timed out".to_owned(),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => format!("Invalid URL {url}: {error}"),
        error => format!("Request failed: {host}: {error}"),
    }
}

fn is_certificate_trouble(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}
