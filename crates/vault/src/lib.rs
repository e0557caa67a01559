//! Ansible Vault: encrypted texts and files, the passwords that open them, and where passwords come from.
//!
//! Knows nothing of YAML, templates, or terminals; who asks a person passes the answer in.

mod cipher;
mod envelope;
mod keyring;
mod password;

pub use envelope::{Envelope, is_encrypted};
pub use keyring::{Key, Keyring, Opened};
pub use password::{PasswordError, read_password};

/// The id of a password that was given without one.
pub const DEFAULT_ID: &str = "default";

/// Why something encrypted cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not begin as a vault does.
    #[error("Input is not vault encrypted data.")]
    NotEncrypted,
    /// The first line is not complete.
    #[error(
        "Vault envelope format error: the first line is not `$ANSIBLE_VAULT;VERSION;CIPHER` with an id behind it"
    )]
    Header,
    /// A version of the format that nobody knows.
    #[error("Vault format version '{0}' is unknown; 1.1 and 1.2 are known")]
    Version(String),
    /// Another cipher than AES256.
    #[error("Cipher '{0}' could not be found.")]
    Cipher(String),
    /// A letter that is no hexadecimal digit; the number of the line.
    #[error("Vault format unhexlify error: Non-hexadecimal digit found in line {0}")]
    Digit(usize),
    /// Half a byte is missing.
    #[error("Vault format unhexlify error: Odd-length string; the end is missing")]
    OddLength,
    /// The salt, the checksum, or the content is missing or has the wrong length.
    #[error("Vault vaulttext format error: the {0} is missing or cut off")]
    Truncated(&'static str),
    /// There are no passwords at all.
    #[error("Attempting to decrypt but no vault secrets found.")]
    NoSecrets,
    /// No password fits, or the content was changed: the checksum cannot tell which.
    #[error("Decryption failed (no vault secrets were found that could decrypt).")]
    NoneFits,
    /// The checksum fits, but what is inside is broken.
    #[error("Vault format error: the decrypted content has no valid padding")]
    Padding,
    /// A value must be text.
    #[error("the decrypted value is not UTF-8 text")]
    NotText,
    /// The wanted id is not among the passwords.
    #[error(
        "Did not find a match for --encrypt-vault-id={wanted} in the known vault-ids [{known}]"
    )]
    UnknownId {
        /// What was asked for.
        wanted: String,
        /// What there is, quoted, with commas between.
        known: String,
    },
    /// It is not said which of the passwords encrypts.
    #[error(
        "The vault-ids {0} are available to encrypt. Specify the vault-id to encrypt with --encrypt-vault-id"
    )]
    Ambiguous(String),
}
