//! `openssh_keypair`: a key of OpenSSH in a file, and its public half beside it.

use std::path::PathBuf;

use certificates::{Curve, Format, Key, Kind, Protection, openssh};
use model::{Args, Diff, Secret};
use serde_json::{Value, json};
use system::{Probe, System};

use super::product::{FileChange, New, Product};
use crate::arguments::{Presence, arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::crypto::openssl_privatekey::Regenerate;
use crate::files::{FileAttributes, path_value};

choices! {
    /// The algorithm of a key of OpenSSH.
    pub enum Algorithm {
        /// RSA.
        Rsa = "rsa",
        /// Not supported: OpenSSH has given it up.
        Dsa = "dsa",
        /// Not supported.
        Rsa1 = "rsa1",
        /// ECDSA on a curve of NIST.
        Ecdsa = "ecdsa",
        /// Ed25519.
        Ed25519 = "ed25519",
    }
}

choices! {
    /// How a new private key is written.
    pub enum PrivateForm {
        /// As OpenSSH does.
        Auto = "auto",
        /// The traditional format of the algorithm.
        Pkcs1 = "pkcs1",
        /// One format for all algorithms.
        Pkcs8 = "pkcs8",
        /// As OpenSSH does.
        Ssh = "ssh",
    }
}

choices! {
    /// What makes keys; there is no choice.
    pub enum Maker {
        /// What there is.
        Auto = "auto",
        /// The same.
        Cryptography = "cryptography",
        /// The same.
        Opensshbin = "opensshbin",
    }
}

arguments! {
    /// Makes a private and a public key for OpenSSH. They are not replaced as long as they are as the arguments say.
    pub struct OpensshKeypair {
        /// The file of the private key; the public key is beside it, with `.pub` at the end of its name.
        pub path: PathBuf,
        /// Whether they shall be there.
        pub state: Presence { default: "present" },
        /// Bits: of RSA 4096 if nothing is said, of ECDSA 256, 384 or 521.
        pub size: Option<u64>,
        /// The algorithm.
        pub r#type: Algorithm { named: "type", default: "rsa" },
        /// Make new keys in any case.
        pub force: bool { default: false },
        /// What the keys say of themselves. One that is there stays if nothing is said.
        pub comment: Option<String>,
        /// What protects the private key.
        pub passphrase: Option<Secret<String>>,
        /// How a new private key is written.
        pub private_key_format: PrivateForm { default: "auto" },
        /// Ignored: there is one.
        pub backend: Maker { default: "auto" },
        /// When keys that are there are replaced.
        pub regenerate: Regenerate { default: "partial_idempotence" },
        pub file: FileAttributes,
    }
}

/// What has to be done to the two files.
pub(crate) struct Pair {
    private: Option<FileChange>,
    public: Option<FileChange>,
}

impl Change for Pair {
    fn diff(&self, host: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let files = self.private.iter().chain(&self.public);
        let diffs: Result<Vec<_>, _> = files.map(|change| change.diff(host)).collect();
        Ok(diffs?.into_iter().flatten().collect())
    }
}

/// A private key that was found.
struct Found {
    key: Key,
    /// Only the format of OpenSSH holds one.
    comment: Option<String>,
}

impl Module for OpensshKeypair {
    type Change = Pair;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Pair>, Failure> {
        let private = Product::find(host, &self.path, &self.file, false)?;
        let public = Product::find(host, &self.public_path(), &self.file, false)?;
        result.insert("filename".into(), path_value(&self.path));
        if self.state == Presence::Absent {
            return Ok(pair(private.absent(), public.absent(), false));
        }
        let kind = self.kind()?;
        let content = private.read(host)?;
        let is_forced = self.force || self.regenerate == Regenerate::Always;
        let found = match &content {
            Some(bytes) if !is_forced => self.judge(bytes, kind)?,
            _ => None,
        };
        let Some(found) = found else {
            let comment = self.comment.clone().unwrap_or_default();
            let before = content.as_ref().and_then(|bytes| self.read(bytes).ok());
            let before = before.map_or(json!({}), |found| told(&found, None));
            let (size, name) = (kind.bits(), self.r#type.as_str());
            let after = json!({ "size": size, "type": name, "comment": comment });
            result.extend(after.as_object().cloned().unwrap_or_default());
            let passphrase = self.passphrase.clone();
            let new = match self.private_key_format {
                PrivateForm::Pkcs1 => New::Key { kind, format: Format::Pkcs1, passphrase },
                PrivateForm::Pkcs8 => New::Key { kind, format: Format::Pkcs8, passphrase },
                PrivateForm::Auto | PrivateForm::Ssh => New::SshKey { kind, comment, passphrase },
            };
            let check = private.present(host, Some(new), Some(MODE), (before, after))?;
            return Ok(pair(check, Check::InSync, is_forced && content.is_some()));
        };
        let known = self.known_comment(host, &public, &found)?;
        result.extend(as_args(told(&found, Some(&known))));
        let new = self.with_comment(&found, &known)?;
        let sides = |was: Option<&str>| (json!({ "comment": was }), json!({ "comment": known }));
        let private = private.present(host, new, None, sides(found.comment.as_deref()))?;
        let public = public_half(host, public, &found, &known)?;
        Ok(pair(private, public, false))
    }

    fn apply(&self, change: Pair, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        for change in [change.private, change.public].into_iter().flatten() {
            change.apply(host, result)?;
        }
        if self.state == Presence::Absent {
            return Ok(());
        }
        // The public half of a key that has just been made is known only now.
        let private = Product::find(host, &self.path, &self.file, false)?;
        let bytes = private.read(host)?.unwrap_or_default();
        let found = self.read(&bytes).map_err(|error| Failure::new(error.to_string()))?;
        let public = Product::find(host, &self.public_path(), &self.file, false)?;
        let known = self.known_comment(host, &public, &found)?;
        let check = public_half(host, public, &found, &known)?;
        if let Check::Drift(change) | Check::Act(change) = check {
            change.apply(host, result)?;
        }
        result.extend(as_args(told(&found, Some(&known))));
        Ok(())
    }
}

/// Of a new private key; that of a public key is the host's usual one.
const MODE: u32 = 0o600;

fn pair(private: Check<FileChange>, public: Check<FileChange>, is_forced: bool) -> Check<Pair> {
    let change = |check| match check {
        Check::Drift(change) | Check::Act(change) => Some(change),
        _ => None,
    };
    let pair = Pair { private: change(private), public: change(public) };
    match (&pair.private, &pair.public) {
        (None, None) => Check::InSync,
        _ if is_forced => Check::Act(pair),
        _ => Check::Drift(pair),
    }
}

fn as_args(value: Value) -> Args {
    value.as_object().cloned().unwrap_or_default()
}

/// The line of a public key without its comment, and the comment.
fn parted(line: &str) -> (String, &str) {
    let mut words = line.trim().splitn(3, ' ');
    let key = [words.next(), words.next()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    (key, words.next().unwrap_or_default())
}

impl OpensshKeypair {
    fn public_path(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".pub");
        PathBuf::from(name)
    }

    fn kind(&self) -> Result<Kind, Failure> {
        let refused = |text: String| Err(Failure::new(text));
        match (self.r#type, self.size) {
            (Algorithm::Ed25519, _) => Ok(Kind::Ed25519),
            (Algorithm::Rsa, None) => Ok(Kind::Rsa(4096)),
            (Algorithm::Rsa, Some(size @ 1024..=16_384)) => Ok(Kind::Rsa(size as usize)),
            (Algorithm::Rsa, Some(size)) => {
                refused(format!("size is {size}; RSA keys have 1024 to 16384 bits"))
            }
            (Algorithm::Ecdsa, None | Some(256)) => Ok(Kind::Ec(Curve::Secp256r1)),
            (Algorithm::Ecdsa, Some(384)) => Ok(Kind::Ec(Curve::Secp384r1)),
            (Algorithm::Ecdsa, Some(521)) => Ok(Kind::Ec(Curve::Secp521r1)),
            (Algorithm::Ecdsa, Some(size)) => {
                refused(format!("size is {size}; ECDSA keys have 256, 384 or 521 bits"))
            }
            (other, _) => refused(format!(
                "keys of type {} are not supported: rsa, ecdsa and ed25519 are",
                other.as_str()
            )),
        }
    }

    /// A private key in any format that OpenSSH reads.
    fn read(&self, bytes: &[u8]) -> Result<Found, certificates::Error> {
        let passphrase = self.passphrase.as_ref().map(|text| text.reveal().as_bytes());
        let read: Option<(Key, String, Protection)> = openssh::read(bytes, passphrase)?;
        if let Some((key, comment, _)) = read {
            return Ok(Found { key, comment: Some(comment) });
        }
        let (key, ..) = Key::read(bytes, passphrase)?;
        Ok(Found { key, comment: None })
    }

    /// The key that is there, if it stays.
    fn judge(&self, bytes: &[u8], kind: Kind) -> Result<Option<Found>, Failure> {
        let refuse = |what: &str, ways: &str| {
            Err(Failure::new(format!(
                "{what} Will not proceed. To force regeneration, call the module with `generate` set to {ways}, or with `force=true`."
            )))
        };
        let Ok(found) = self.read(bytes) else {
            if self.regenerate == Regenerate::Full {
                return Ok(None);
            }
            return refuse(
                "Unable to read the key. The key is protected with a passphrase or broken.",
                "`full_idempotence` or `always`",
            );
        };
        if self.regenerate == Regenerate::Never || found.key.kind() == kind {
            return Ok(Some(found));
        }
        if self.regenerate == Regenerate::Fail {
            return refuse(
                "Key has wrong type and/or size.",
                "`partial_idempotence`, `full_idempotence` or `always`",
            );
        }
        Ok(None)
    }

    /// The comment that the keys have or shall have.
    fn known_comment(
        &self,
        host: &dyn Probe,
        public: &Product<'_>,
        found: &Found,
    ) -> Result<String, Failure> {
        if let Some(comment) = &self.comment {
            return Ok(comment.clone());
        }
        let line = public.read(host)?.unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        let (key, comment) = parted(&line);
        if found.key.public().openssh().is_some_and(|own| own == key) {
            return Ok(comment.to_owned());
        }
        Ok(found.comment.clone().unwrap_or_default())
    }

    /// The private key with another comment, if it holds one and another one is asked for.
    fn with_comment(&self, found: &Found, wanted: &str) -> Result<Option<New>, Failure> {
        let is_same = found.comment.as_ref().is_none_or(|comment| comment == wanted);
        if is_same || self.comment.is_none() {
            return Ok(None);
        }
        let passphrase = self.passphrase.as_ref().map(|text| text.reveal().as_bytes());
        let bytes = openssh::write(&found.key, wanted, passphrase)
            .map_err(|error| Failure::new(error.to_string()))?;
        Ok(Some(New::Bytes(Secret::new(bytes))))
    }
}

/// The public half as it shall be.
fn public_half(
    host: &dyn Probe,
    public: Product<'_>,
    found: &Found,
    comment: &str,
) -> Result<Check<FileChange>, Failure> {
    let key =
        found.key.public().openssh().ok_or_else(|| Failure::new("OpenSSH knows no X25519 keys"))?;
    let content = public.read(host)?;
    let current = content.as_deref().map(String::from_utf8_lossy);
    let is_same = current.as_ref().is_some_and(|line| parted(line) == (key.clone(), comment));
    let line = format!("{key} {comment}\n");
    let sides = (json!({ "public_key": current }), json!({ "public_key": line }));
    let new = (!is_same).then(|| New::Bytes(Secret::new(line.into_bytes())));
    public.present(host, new, None, sides)
}

fn told(found: &Found, comment: Option<&str>) -> Value {
    let public = found.key.public();
    let kind = found.key.kind();
    json!({
        "size": kind.bits(),
        "type": match kind {
            Kind::Rsa(_) => "rsa",
            Kind::Ec(_) => "ecdsa",
            Kind::Ed25519 | Kind::X25519 => "ed25519",
        },
        "fingerprint": openssh::fingerprint(&public),
        "public_key": public.openssh(),
        "comment": comment.or(found.comment.as_deref()).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::parted;

    #[test]
    fn comments_may_have_spaces() {
        assert_eq!(parted("ssh-rsa AAAA one two\n"), ("ssh-rsa AAAA".to_owned(), "one two"));
        assert_eq!(parted("ssh-rsa AAAA \n"), ("ssh-rsa AAAA".to_owned(), ""));
        assert_eq!(parted(""), (String::new(), ""));
    }
}
