//! Private keys, signing requests and certificates: made, read, compared. It knows no modules, no files and no hosts.

mod asn1;
mod certificate;
mod extension;
mod key;
mod names;
pub mod openssh;
mod pem;
mod request;
mod signing;

pub use certificate::{Certificate, Issuing, days_from};
pub use extension::{CrlPoint, Extension, Extensions, Wanted};
pub use key::{Curve, Format, Key, Kind, Protection, PublicKey};
pub use names::{Name, alternative_names};
pub use request::Request;
pub use signing::Hash;

/// Why something is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    message: String,
    /// A passphrase was missing, wrong, or given for what has none.
    pub is_passphrase: bool,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_passphrase: false }
    }

    pub(crate) fn passphrase() -> Self {
        let message = "Wrong passphrase or broken key: it cannot be decrypted".to_owned();
        Self { message, is_passphrase: true }
    }
}
