//! Filters that hash.

use md5::Md5;
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use uuid::Uuid;

use super::PLAIN;
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::value::Value;

/// The namespace that ansible-core's `to_uuid` uses.
const NAMESPACE: &str = "361E6D51-FAEC-444A-9079-341386DA8E2E";

pub(super) fn register(environment: &mut Environment) {
    environment.filter("hash", PLAIN, |_, value, mut args| {
        let algorithm = args.text("hashtype")?.unwrap_or_else(|| "sha1".into());
        args.finish()?;
        hash(&algorithm, &value)
    });
    for (name, algorithm) in [("md5", "md5"), ("sha1", "sha1"), ("checksum", "sha1")] {
        environment.filter(name, PLAIN, move |_, value, args| {
            args.finish()?;
            hash(algorithm, &value)
        });
    }
    environment.filter("to_uuid", PLAIN, to_uuid);
}

fn hash(algorithm: &str, value: &Value) -> Result<Value, Error> {
    let text = value.to_string();
    let bytes = value.as_bytes().unwrap_or(text.as_bytes());
    Ok(match algorithm.to_ascii_lowercase().as_str() {
        "md5" => hex::encode(Md5::digest(bytes)),
        "sha1" => hex::encode(Sha1::digest(bytes)),
        "sha224" => hex::encode(Sha224::digest(bytes)),
        "sha256" => hex::encode(Sha256::digest(bytes)),
        "sha384" => hex::encode(Sha384::digest(bytes)),
        "sha512" => hex::encode(Sha512::digest(bytes)),
        "sha3_224" => hex::encode(sha3::Sha3_224::digest(bytes)),
        "sha3_256" => hex::encode(sha3::Sha3_256::digest(bytes)),
        "sha3_384" => hex::encode(sha3::Sha3_384::digest(bytes)),
        "sha3_512" => hex::encode(sha3::Sha3_512::digest(bytes)),
        "blake2b" => hex::encode(blake2::Blake2b512::digest(bytes)),
        "blake2s" => hex::encode(blake2::Blake2s256::digest(bytes)),
        other => return Err(Error::value_error(format!("unsupported hash type {other}"))),
    }
    .into())
}

fn to_uuid(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let namespace = args.text("namespace")?.unwrap_or_else(|| NAMESPACE.into());
    args.finish()?;
    let namespace = Uuid::parse_str(&namespace).map_err(|_| {
        Error::value_error(format!(
            "Invalid value '{namespace}' for 'namespace': badly formed hexadecimal UUID string"
        ))
    })?;
    // A name-based identifier of version 5: SHA-1 of the namespace and the name.
    let mut hasher = Sha1::new();
    hasher.update(namespace.as_bytes());
    hasher.update(value.to_string().as_bytes());
    let digest = hasher.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Ok(uuid::Builder::from_sha1_bytes(bytes).into_uuid().to_string().into())
}
