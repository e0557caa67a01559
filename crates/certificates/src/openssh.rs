//! Private keys in the format of OpenSSH (its document `PROTOCOL.key`), which holds a comment as well.

use base64::Engine as _;
use rsa::{BoxedUint, RsaPrivateKey};
use sha2::Digest as _;
use ssh_key::private::{
    EcdsaKeypair, Ed25519Keypair, KeypairData, RsaKeypair, RsaPrivateKey as RsaSecret,
};
use ssh_key::public::{EcdsaPublicKey, RsaPublicKey};
use ssh_key::{LineEnding, Mpint, PrivateKey};

use crate::asn1::{Reader, tag};
use crate::key::{Curve, Key, Protection};
use crate::{Error, PublicKey};

/// A key from a file in this format, its comment, and whether a passphrase protects it. `None`: it is no such file.
///
/// # Errors
///
/// The file is broken, its passphrase is another one, or its algorithm is not supported.
pub fn read(
    content: &[u8],
    passphrase: Option<&[u8]>,
) -> Result<Option<(Key, String, Protection)>, Error> {
    const BEGIN: &[u8] = b"-----BEGIN OPENSSH PRIVATE KEY-----";
    if !content.trim_ascii_start().starts_with(BEGIN) {
        return Ok(None);
    }
    let found = PrivateKey::from_openssh(content).map_err(|error| broken(&error))?;
    if found.is_encrypted() != passphrase.is_some() {
        return Err(Error::passphrase());
    }
    let (opened, protection) = match passphrase {
        None => (found, Protection::None),
        Some(text) => {
            (found.decrypt(text).map_err(|_| Error::passphrase())?, Protection::Passphrase)
        }
    };
    let comment = opened.comment().as_str_lossy().to_owned();
    Ok(Some((key_of(opened.key_data())?, comment, protection)))
}

/// A key as a file in this format.
///
/// # Errors
///
/// OpenSSH knows no such keys (X25519).
pub fn write(key: &Key, comment: &str, passphrase: Option<&[u8]>) -> Result<Vec<u8>, Error> {
    let failed = |error| Error::new(format!("the key cannot be written: {error}"));
    let mut private = PrivateKey::new(data_of(key)?, comment).map_err(failed)?;
    if let Some(text) = passphrase {
        private = private.encrypt(&mut rand::rng(), text).map_err(failed)?;
    }
    let text = private.to_openssh(LineEnding::LF).map_err(failed)?;
    Ok(text.as_bytes().to_vec())
}

/// The fingerprint as `ssh-keygen -l` shows it.
pub fn fingerprint(key: &PublicKey) -> Option<String> {
    let line = key.openssh()?;
    let (_, encoded) = line.split_once(' ')?;
    let blob = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    let digest = sha2::Sha256::digest(blob);
    Some(format!("SHA256:{}", base64::engine::general_purpose::STANDARD_NO_PAD.encode(digest)))
}

fn broken(error: &ssh_key::Error) -> Error {
    Error::new(format!("the key is broken: {error}"))
}

fn key_of(data: &KeypairData) -> Result<Key, Error> {
    Ok(match data {
        KeypairData::Ed25519(pair) => Key::Ed25519(pair.private.to_bytes()),
        KeypairData::Ecdsa(pair) => {
            let curve = match pair {
                EcdsaKeypair::NistP256 { .. } => Curve::Secp256r1,
                EcdsaKeypair::NistP384 { .. } => Curve::Secp384r1,
                EcdsaKeypair::NistP521 { .. } => Curve::Secp521r1,
            };
            Key::ec(curve, pair.private_key_bytes())?
        }
        KeypairData::Rsa(pair) => {
            let number = |number: &Mpint| {
                BoxedUint::from_be_slice_vartime(number.as_positive_bytes().unwrap_or_default())
            };
            let (public, private) = (pair.public(), pair.private());
            let primes = vec![number(private.p()), number(private.q())];
            let (n, e, d) = (number(public.n()), number(public.e()), number(private.d()));
            let key = RsaPrivateKey::from_components(n, e, d, primes)
                .map_err(|error| Error::new(format!("the RSA key is broken: {error}")))?;
            Key::Rsa(Box::new(key))
        }
        _ => return Err(Error::new("keys of this algorithm are not supported")),
    })
}

fn data_of(key: &Key) -> Result<KeypairData, Error> {
    let unfit = |error| Error::new(format!("OpenSSH cannot hold the key: {error}"));
    Ok(match key {
        Key::Ed25519(seed) => {
            let both = ed25519_dalek::SigningKey::from_bytes(seed).to_keypair_bytes();
            Ed25519Keypair::from_bytes(&both).map_err(unfit)?.into()
        }
        Key::Ec(curve, scalar) => {
            let point = EcdsaPublicKey::from_sec1_bytes(&curve.point(scalar)?).map_err(unfit)?;
            macro_rules! pair {
                ($curve:ident, $public:expr) => {{
                    let bytes = <[u8; _]>::try_from(scalar.as_slice());
                    let private = bytes.map_err(|_| Error::new("the key has another length"))?;
                    EcdsaKeypair::$curve { public: $public, private: private.into() }.into()
                }};
            }
            match point {
                EcdsaPublicKey::NistP256(public) => pair!(NistP256, public),
                EcdsaPublicKey::NistP384(public) => pair!(NistP384, public),
                EcdsaPublicKey::NistP521(public) => pair!(NistP521, public),
            }
        }
        Key::Rsa(_) => {
            // PKCS#1 has the same numbers: version, n, e, d, p, q, d mod p-1, d mod q-1, the inverse of q.
            let (_, der) = key.traditional().expect("RSA has a traditional form");
            let numbers = Reader::new(&der).expect(tag::SEQUENCE)?.inside().all()?;
            let number = |index: usize| Mpint::from_positive_bytes(numbers[index].content);
            let public = RsaPublicKey::new(number(2), number(1)).map_err(unfit)?;
            let secret =
                RsaSecret::new(number(3), number(8), number(4), number(5)).map_err(unfit)?;
            RsaKeypair::new(public, secret).map_err(unfit)?.into()
        }
        Key::X25519(_) => return Err(Error::new("OpenSSH knows no X25519 keys")),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::process::Command;

    use super::*;
    use crate::Kind;

    const KINDS: [Kind; 5] = [
        Kind::Ed25519,
        Kind::Ec(Curve::Secp256r1),
        Kind::Ec(Curve::Secp384r1),
        Kind::Ec(Curve::Secp521r1),
        Kind::Rsa(1024),
    ];

    #[test]
    fn what_is_written_is_read_again() {
        for kind in KINDS {
            let key = Key::generate(kind).expect("a key");
            for passphrase in [None, Some(b"very secret".as_slice())] {
                let text = write(&key, "who@where", passphrase).expect("a text");
                let (again, comment, _) =
                    read(&text, passphrase).expect("a key").expect("this format");
                assert_eq!(again.public(), key.public(), "{kind:?}");
                assert_eq!(comment, "who@where");
                let other = if passphrase.is_some() { None } else { Some(b"x".as_slice()) };
                assert!(read(&text, other).is_err_and(|error| error.is_passphrase));
            }
        }
        assert!(write(&Key::generate(Kind::X25519).expect("a key"), "", None).is_err());
    }

    #[test]
    fn openssh_reads_it_and_is_read() {
        use std::io::Write as _;
        if Command::new("ssh-keygen").arg("-?").output().is_err() {
            return;
        }
        let directory = tempfile::tempdir().expect("a directory");
        for kind in KINDS {
            let key = Key::generate(kind).expect("a key");
            let path = directory.path().join("key");
            let _ = std::fs::remove_file(&path);
            let mut file = std::fs::File::options();
            let mut file = file.write(true).create_new(true).mode(0o600).open(&path).expect("new");
            file.write_all(&write(&key, "", Some(b"secret")).expect("a text")).expect("written");
            let told =
                Command::new("ssh-keygen").args(["-y", "-P", "secret", "-f"]).arg(&path).output();
            let told = String::from_utf8(told.expect("it runs").stdout).expect("a text");
            assert_eq!(told.trim(), key.public().openssh().expect("a line"), "{kind:?}");
        }
        for (name, bits) in [("rsa", "2048"), ("ecdsa", "384"), ("ed25519", "256")] {
            let path = directory.path().join(name);
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", name, "-b", bits, "-N", "secret", "-C", "one two", "-f"])
                .arg(&path)
                .status();
            assert!(made.expect("it runs").success());
            let text = std::fs::read(&path).expect("a key");
            let (key, comment, _) =
                read(&text, Some(b"secret")).expect("a key").expect("this format");
            let line = std::fs::read_to_string(path.with_extension("pub")).expect("a line");
            assert_eq!(line.trim(), format!("{} {comment}", key.public().openssh().expect("one")));
            assert_eq!(comment, "one two");
        }
    }

    #[test]
    fn what_is_broken_is_told() {
        assert!(read(b"-----BEGIN PRIVATE KEY-----", None).expect("no error").is_none());
        let key = Key::generate(Kind::Ed25519).expect("a key");
        let text = write(&key, "", None).expect("a text");
        assert!(read(&text[..text.len() / 2], None).is_err());
    }
}
