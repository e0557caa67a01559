//! TLS as the settings say, and what is told when it fails.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::CertificateError;
use system::Probe;
use ureq::http::Uri;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::{HttpError, Settings};

/// More than any certificate bundle or key, less than trouble.
const PEM_LIMIT: u64 = 8 << 20;

/// TLS as the settings say.
pub(super) fn config(probe: &dyn Probe, settings: &Settings) -> Result<TlsConfig, HttpError> {
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
pub(super) fn describe(error: &ureq::Error, url: &str) -> String {
    let host = url
        .parse::<Uri>()
        .ok()
        .and_then(|uri| uri.authority().map(ToString::to_string))
        .unwrap_or_else(|| url.to_owned());
    let distrusted = match error {
        ureq::Error::Rustls(rustls::Error::InvalidCertificate(reason)) => Some(reason),
        ureq::Error::Io(error) => certificate_trouble(error),
        _ => None,
    };
    if let Some(reason) = distrusted {
        return distrust(&host, reason);
    }
    match error {
        ureq::Error::HostNotFound => format!("Request failed: the name of {host} is not known"),
        ureq::Error::Timeout(_) => "Connection failure: timed out".to_owned(),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => format!("Invalid URL {url}: {error}"),
        error => format!("Request failed: {host}: {error}"),
    }
}

/// In the words of Python's `ssl`, which content looks for.
fn distrust(host: &str, reason: &CertificateError) -> String {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    match reason {
        NotValidForName | NotValidForNameContext { .. } => format!(
            "Hostname mismatch, certificate is not valid for '{host}': {reason}. Set validate_certs to false to accept the risk"
        ),
        _ => format!(
            "Failed to validate the SSL certificate for {host}: certificate verify failed: {reason:?}. Set ca_path, or validate_certs to false to accept the risk"
        ),
    }
}

fn certificate_trouble(error: &std::io::Error) -> Option<&CertificateError> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(reason) => Some(reason),
        _ => None,
    }
}
