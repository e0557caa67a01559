//! Keys, requests and certificates that a module reads: from a file or from an argument.

use std::path::Path;

use certificates::{Certificate, Hash, Key, PublicKey, Request};
use model::{Args, Secret};
use serde_json::Value;
use sha2::Digest as _;
use system::Probe;

use super::product::LIMIT;
use crate::contract::Failure;

/// The bytes of a file that must be there.
pub(crate) fn file(host: &dyn Probe, path: &Path, what: &str) -> Result<Vec<u8>, Failure> {
    host.read(path, LIMIT)?
        .ok_or_else(|| Failure::new(format!("The {what} {} does not exist", path.display())))
}

/// A private key from a path or a text.
pub(crate) fn private_key(
    host: &dyn Probe,
    path: Option<&Path>,
    content: Option<&Secret<String>>,
    passphrase: Option<&Secret<String>>,
) -> Result<Key, Failure> {
    let bytes = match (content, path) {
        (Some(content), _) => content.reveal().clone().into_bytes(),
        (None, Some(path)) => file(host, path, "private key file")?,
        (None, None) => {
            return Err(Failure::new("privatekey_path or privatekey_content is needed"));
        }
    };
    let passphrase = passphrase.map(|text| text.reveal().as_bytes());
    let (key, ..) = Key::read(&bytes, passphrase).map_err(|error| {
        let place = path.map_or(String::from("privatekey_content"), |p| p.display().to_string());
        Failure::new(format!("cannot load the private key ({place}): {error}"))
    })?;
    Ok(key)
}

/// A signing request from a path or a text, whose signature is its own.
pub(crate) fn request(
    host: &dyn Probe,
    path: Option<&Path>,
    content: Option<&str>,
) -> Result<Option<Request>, Failure> {
    let bytes = match (content, path) {
        (Some(content), _) => content.as_bytes().to_vec(),
        (None, Some(path)) => file(host, path, "certificate signing request file")?,
        (None, None) => return Ok(None),
    };
    let request = Request::read(&bytes)
        .map_err(|error| Failure::new(format!("cannot load the signing request: {error}")))?;
    Ok(Some(request))
}

/// A certificate from a path or a text.
pub(crate) fn certificate(
    host: &dyn Probe,
    path: Option<&Path>,
    content: Option<&str>,
) -> Result<Option<Certificate>, Failure> {
    let bytes = match (content, path) {
        (Some(content), _) => content.as_bytes().to_vec(),
        (None, Some(path)) => file(host, path, "certificate")?,
        (None, None) => return Ok(None),
    };
    let certificate = Certificate::read(&bytes)
        .map_err(|error| Failure::new(format!("cannot load the certificate: {error}")))?;
    Ok(Some(certificate))
}

/// The digest of this name.
pub(crate) fn digest(name: &str) -> Result<Hash, Failure> {
    Hash::named(name).ok_or_else(|| {
        Failure::new(format!(
            "The digest {name} is not supported: sha1, sha224, sha256, sha384 and sha512 are"
        ))
    })
}

/// The fingerprints of a public key.
pub(crate) fn fingerprints(key: &PublicKey) -> Value {
    let shown = |bytes: &[u8]| {
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Value::from(digits.join(":"))
    };
    let der = key.der();
    let all = [
        ("md5", shown(&md5::Md5::digest(der))),
        ("sha1", shown(&sha1::Sha1::digest(der))),
        ("sha224", shown(&sha2::Sha224::digest(der))),
        ("sha256", shown(&sha2::Sha256::digest(der))),
        ("sha384", shown(&sha2::Sha384::digest(der))),
        ("sha512", shown(&sha2::Sha512::digest(der))),
        ("sha3_224", shown(&sha3::Sha3_224::digest(der))),
        ("sha3_256", shown(&sha3::Sha3_256::digest(der))),
        ("sha3_384", shown(&sha3::Sha3_384::digest(der))),
        ("sha3_512", shown(&sha3::Sha3_512::digest(der))),
    ];
    Value::Object(all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Args>())
}
