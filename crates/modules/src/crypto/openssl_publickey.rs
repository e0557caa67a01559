//! `openssl_publickey`: the public half of a private key in a file.

use std::path::PathBuf;

use certificates::{Key, PublicKey};
use model::{Args, Secret};
use serde_json::json;
use system::{Probe, System};

use super::material::{self, fingerprints};
use super::product::{FileChange, New, Product};
use crate::arguments::{Presence, arguments, choices};
use crate::contract::{Check, Failure, Module};
use crate::crypto::openssl_privatekey::Backend;
use crate::files::{FileAttributes, path_value};

choices! {
    /// How the key is written.
    pub enum PublicForm {
        /// As OpenSSH has it, in one line. A line that others wrote may have a comment.
        OpenSsh = "OpenSSH",
        /// PEM.
        Pem = "PEM",
    }
}

arguments! {
    /// Writes the public key that belongs to a private key.
    pub struct OpensslPublickey {
        /// The file.
        pub path: PathBuf,
        /// Whether it shall be there.
        pub state: Presence { default: "present" },
        /// The private key.
        pub privatekey_path: Option<PathBuf>,
        /// Its content, in place of the path.
        pub privatekey_content: Option<Secret<String>>,
        /// What protects it.
        pub privatekey_passphrase: Option<Secret<String>>,
        /// How the public key is written.
        pub format: PublicForm { default: "PEM" },
        /// Write it in any case.
        pub force: bool { default: false },
        /// Keep the old version beside the file.
        pub backup: bool { default: false },
        /// Return the key as `publickey`.
        pub return_content: bool { default: false },
        /// Ignored: there is one.
        pub select_crypto_backend: Backend { default: "auto" },
        pub file: FileAttributes,
    }
    mutually_exclusive: [&["privatekey_path", "privatekey_content"]];
}

impl Module for OpensslPublickey {
    type Change = FileChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<FileChange>, Failure> {
        let product = Product::find(host, &self.path, &self.file, self.backup)?;
        result.insert("filename".into(), path_value(&self.path));
        if self.state == Presence::Absent {
            return Ok(product.absent());
        }
        let key = material::private_key(
            host,
            self.privatekey_path.as_deref(),
            self.privatekey_content.as_ref(),
            self.privatekey_passphrase.as_ref(),
        )?;
        let text = self.text(&key)?;
        let current = product.read(host)?;
        let is_same = current.as_ref().is_some_and(|bytes| self.is_same(bytes, &key, &text));
        result.insert("format".into(), self.format.as_str().into());
        result.insert("fingerprint".into(), fingerprints(&key.public()));
        if let Some(path) = &self.privatekey_path {
            result.insert("privatekey".into(), path_value(path));
        }
        if self.return_content {
            result.insert("publickey".into(), text.clone().into());
        }
        let new =
            (!is_same || self.force).then(|| New::Bytes(Secret::new(text.clone().into_bytes())));
        let before = current.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let sides = (json!({ "publickey": before }), json!({ "publickey": text }));
        let check = product.present(host, new, None, sides)?;
        Ok(match check {
            Check::Drift(change) if is_same && self.force => Check::Act(change),
            other => other,
        })
    }

    fn apply(
        &self,
        change: FileChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        change.apply(host, result)
    }
}

impl OpensslPublickey {
    fn text(&self, key: &Key) -> Result<String, Failure> {
        match self.format {
            PublicForm::Pem => Ok(key.public().pem()),
            PublicForm::OpenSsh => {
                key.public().openssh().ok_or_else(|| Failure::new("OpenSSH knows no X25519 keys"))
            }
        }
    }

    fn is_same(&self, bytes: &[u8], key: &Key, text: &str) -> bool {
        match self.format {
            PublicForm::Pem => PublicKey::read(bytes).is_ok_and(|found| found == key.public()),
            PublicForm::OpenSsh => {
                let found = String::from_utf8_lossy(bytes);
                let words = |text: &str| -> Vec<String> {
                    text.split_whitespace().take(2).map(str::to_owned).collect()
                };
                words(&found) == words(text)
            }
        }
    }
}
