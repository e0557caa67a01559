//! `openssl_privatekey`: a private key in a file.

use std::path::PathBuf;

use certificates::{Curve, Format, Key, Kind, Protection};
use model::{Args, Secret};
use serde_json::{Value, json};
use system::{Probe, System};

use super::material::fingerprints;
use super::product::{FileChange, New, Product};
use crate::arguments::{Presence, arguments, choices};
use crate::contract::{Check, Failure, Module};
use crate::files::{FileAttributes, path_value};

choices! {
    /// The algorithm of a key.
    pub enum Family {
        /// Not supported: nobody should make one any more.
        Dsa = "DSA",
        /// A key on a curve.
        Ecc = "ECC",
        /// Signatures on curve 25519.
        Ed25519 = "Ed25519",
        /// Not supported.
        Ed448 = "Ed448",
        /// RSA.
        Rsa = "RSA",
        /// Key agreement on curve 25519.
        X25519 = "X25519",
        /// Not supported.
        X448 = "X448",
    }
}

choices! {
    /// How the key is written.
    pub enum Form {
        /// The traditional format of the algorithm.
        Pkcs1 = "pkcs1",
        /// One format for all algorithms.
        Pkcs8 = "pkcs8",
        /// The bytes alone (Ed25519 and X25519).
        Raw = "raw",
        /// `pkcs1` where the algorithm has it, `pkcs8` otherwise.
        Auto = "auto",
        /// The same for new keys; a key that is there may have any format.
        AutoIgnore = "auto_ignore",
    }
}

choices! {
    /// What becomes of a key in another format.
    pub enum FormatMismatch {
        /// A new key is made.
        Regenerate = "regenerate",
        /// The same key is written in the wanted format.
        Convert = "convert",
    }
}

choices! {
    /// When a key that is there is replaced.
    pub enum Regenerate {
        /// Never.
        Never = "never",
        /// Never: one that is not as wanted is a failure.
        Fail = "fail",
        /// When it is not as wanted, but not when it cannot be read.
        Partial = "partial_idempotence",
        /// When it is not as wanted or cannot be read.
        Full = "full_idempotence",
        /// Always.
        Always = "always",
    }
}

choices! {
    /// What makes keys; there is no choice.
    pub enum Backend {
        /// What there is.
        Auto = "auto",
        /// The same.
        Cryptography = "cryptography",
    }
}

arguments! {
    /// Makes a private key. One that is not as the arguments say is replaced by a new one.
    pub struct OpensslPrivatekey {
        /// The file. Its mode is `0600` if `mode` does not say otherwise.
        pub path: PathBuf,
        /// Whether it shall be there.
        pub state: Presence { default: "present" },
        /// The bits of an RSA key.
        pub size: u64 { default: 4096 },
        /// The algorithm.
        pub r#type: Family { named: "type", default: "RSA" },
        /// The curve of an ECC key: `secp256r1`, `secp384r1` or `secp521r1`.
        pub curve: Option<String>,
        /// What protects the key.
        pub passphrase: Option<Secret<String>>,
        /// How it is encrypted; only `auto`.
        pub cipher: String { default: "auto" },
        /// How it is written.
        pub format: Form { default: "auto_ignore" },
        /// What becomes of a key in another format.
        pub format_mismatch: FormatMismatch { default: "regenerate" },
        /// Make a new key in any case.
        pub force: bool { default: false },
        /// When a key that is there is replaced.
        pub regenerate: Regenerate { default: "full_idempotence" },
        /// Keep the old version beside the file.
        pub backup: bool { default: false },
        /// Return the key as `privatekey`. Use `no_log` then.
        pub return_content: bool { default: false },
        /// Ignored: there is one.
        pub select_crypto_backend: Backend { default: "auto" },
        pub file: FileAttributes,
    }
    required_if: [("type", "ECC", &["curve"])];
}

const MODE: u32 = 0o600;

/// What was found in the file.
struct Found {
    key: Key,
    format: Format,
    bytes: Vec<u8>,
}

impl Module for OpensslPrivatekey {
    type Change = FileChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<FileChange>, Failure> {
        let product = Product::find(host, &self.path, &self.file, self.backup)?;
        result.insert("filename".into(), path_value(&self.path));
        if self.state == Presence::Absent {
            return Ok(product.absent());
        }
        let kind = self.kind()?;
        let content = product.read(host)?;
        let always = self.force || self.regenerate == Regenerate::Always;
        let found = match &content {
            None => None,
            Some(_) if always => None,
            Some(bytes) => self.judge(bytes, kind)?,
        };
        let before = content.as_ref().map_or(json!({}), |bytes| self.describe(bytes));
        let new = match &found {
            None => {
                let passphrase = self.passphrase.clone();
                Some(New::Key { kind, format: self.wanted_format(kind), passphrase })
            }
            Some(found) => {
                self.tell(&found.key, &found.bytes, result);
                self.converted(found)?
            }
        };
        let after = match &found {
            Some(found) => described(found.key.kind()),
            None => described(kind),
        };
        if found.is_none() {
            result.extend(after.as_object().cloned().unwrap_or_default());
        }
        let is_forced = new.is_some() && content.is_some() && always;
        let check = product.present(host, new, Some(MODE), (before, after))?;
        Ok(match check {
            Check::Drift(change) if is_forced => Check::Act(change),
            other => other,
        })
    }

    fn apply(
        &self,
        change: FileChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        change.apply(host, result)?;
        if self.state == Presence::Absent {
            return Ok(());
        }
        let product = Product::find(host, &self.path, &self.file, false)?;
        if let Some(bytes) = product.read(host)?
            && let Ok((key, ..)) = self.read(&bytes)
        {
            self.tell(&key, &bytes, result);
        }
        Ok(())
    }
}

impl OpensslPrivatekey {
    fn kind(&self) -> Result<Kind, Failure> {
        const SIZES: std::ops::RangeInclusive<u64> = 1024..=16_384;
        if self.cipher != "auto" {
            return Err(Failure::new(
                "Cryptography backend can only use \"auto\" for cipher option",
            ));
        }
        match self.r#type {
            Family::Rsa if !SIZES.contains(&self.size) => Err(Failure::new(format!(
                "size is {}; RSA keys have {} to {} bits",
                self.size,
                SIZES.start(),
                SIZES.end()
            ))),
            Family::Rsa => Ok(Kind::Rsa(self.size as usize)),
            Family::Ecc => {
                let name = self.curve.as_deref().unwrap_or_default();
                Curve::named(name).map(Kind::Ec).ok_or_else(|| {
                    Failure::new(format!(
                        "the curve `{name}` is not supported: secp256r1, secp384r1 and secp521r1 are"
                    ))
                })
            }
            Family::Ed25519 => Ok(Kind::Ed25519),
            Family::X25519 => Ok(Kind::X25519),
            other => Err(Failure::new(format!(
                "keys of type {} are not supported: RSA, ECC, Ed25519 and X25519 are",
                other.as_str()
            ))),
        }
    }

    /// A raw key does not say what it is: the argument does.
    fn read(&self, bytes: &[u8]) -> Result<(Key, Format, Protection), certificates::Error> {
        let passphrase = self.passphrase.as_ref().map(|text| text.reveal().as_bytes());
        let (key, format, protection) = Key::read(bytes, passphrase)?;
        let key = match key {
            Key::X25519(secret) if format == Format::Raw && self.r#type == Family::Ed25519 => {
                Key::Ed25519(secret)
            }
            other => other,
        };
        Ok((key, format, protection))
    }

    /// The key that is there, if it stays.
    fn judge(&self, bytes: &[u8], kind: Kind) -> Result<Option<Found>, Failure> {
        let may_replace = matches!(self.regenerate, Regenerate::Partial | Regenerate::Full);
        let refuse = |what: &str, ways: &str| {
            Err(Failure::new(format!(
                "{what} Will not proceed. To force regeneration, call the module with `generate` set to {ways}, or with `force=true`."
            )))
        };
        const ALL: &str = "`partial_idempotence`, `full_idempotence` or `always`";
        let (key, format, _) = match self.read(bytes) {
            Ok(read) => read,
            Err(_) if self.regenerate == Regenerate::Full => return Ok(None),
            Err(error) => {
                let what = if error.is_passphrase {
                    "Unable to read the key. The key is protected with a another passphrase / no passphrase or broken."
                } else {
                    "Unable to read the key."
                };
                return refuse(what, "`full_idempotence` or `always`");
            }
        };
        let found = Found { key, format, bytes: bytes.to_vec() };
        if self.regenerate == Regenerate::Never {
            return Ok(Some(found));
        }
        if found.key.kind() != kind {
            return if may_replace {
                Ok(None)
            } else {
                refuse("Key has wrong type and/or size.", ALL)
            };
        }
        if self.has_other_format(&found) && self.format_mismatch == FormatMismatch::Regenerate {
            return if may_replace {
                Ok(None)
            } else {
                refuse(
                    "Key has wrong format.",
                    &format!("{ALL}; to convert it, set `format_mismatch` to `convert`"),
                )
            };
        }
        Ok(Some(found))
    }

    fn has_other_format(&self, found: &Found) -> bool {
        self.format != Form::AutoIgnore && self.wanted_format(found.key.kind()) != found.format
    }

    /// The format asked for.
    fn wanted_format(&self, kind: Kind) -> Format {
        match self.format {
            Form::Pkcs1 => Format::Pkcs1,
            Form::Pkcs8 => Format::Pkcs8,
            Form::Raw => Format::Raw,
            Form::Auto | Form::AutoIgnore => match kind {
                Kind::Rsa(_) | Kind::Ec(_) => Format::Pkcs1,
                Kind::Ed25519 | Kind::X25519 => Format::Pkcs8,
            },
        }
    }

    fn converted(&self, found: &Found) -> Result<Option<New>, Failure> {
        let is_kept =
            self.regenerate == Regenerate::Never && self.format_mismatch != FormatMismatch::Convert;
        if is_kept || !self.has_other_format(found) {
            return Ok(None);
        }
        let format = self.wanted_format(found.key.kind());
        let passphrase = self.passphrase.as_ref().map(|text| text.reveal().as_bytes());
        let bytes = found
            .key
            .write(format, passphrase)
            .map_err(|error| Failure::new(format!("cannot convert the key: {error}")))?;
        Ok(Some(New::Bytes(Secret::new(bytes))))
    }

    /// What is known of the file, for people.
    fn describe(&self, bytes: &[u8]) -> Value {
        self.read(bytes).map_or(json!({}), |(key, ..)| described(key.kind()))
    }

    fn tell(&self, key: &Key, bytes: &[u8], result: &mut Args) {
        result.extend(described(key.kind()).as_object().cloned().unwrap_or_default());
        result.insert("fingerprint".into(), fingerprints(&key.public()));
        if self.return_content {
            use base64::Engine as _;
            let text = String::from_utf8(bytes.to_vec())
                .unwrap_or_else(|_| base64::engine::general_purpose::STANDARD.encode(bytes));
            result.insert("privatekey".into(), text.into());
        }
    }
}

fn described(kind: Kind) -> Value {
    let mut told = json!({ "size": kind.bits(), "type": kind.family() });
    if let Kind::Ec(curve) = kind {
        told["curve"] = curve.name().into();
    }
    told
}
