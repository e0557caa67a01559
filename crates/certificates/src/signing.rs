//! Signatures: with a private key, and whether one is that of a public key.

use ed25519_dalek::Signer;
use rsa::Pkcs1v15Sign;
use sha2::Digest;
use signature::hazmat::{PrehashSigner, PrehashVerifier};

use crate::Error;
use crate::asn1::{self, Reader, tag};
use crate::key::{Curve, Key, PublicKey, Verifier};

/// The digests that sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// For what is old.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    const ALL: [Self; 5] = [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The digest of this name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "sha1" => Self::Sha1,
            "sha224" => Self::Sha224,
            "sha256" => Self::Sha256,
            "sha384" => Self::Sha384,
            "sha512" => Self::Sha512,
            _ => return None,
        })
    }

    fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => sha1::Sha1::digest(bytes).to_vec(),
            Self::Sha224 => sha2::Sha224::digest(bytes).to_vec(),
            Self::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
            Self::Sha384 => sha2::Sha384::digest(bytes).to_vec(),
            Self::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
        }
    }

    fn oid(self) -> &'static str {
        match self {
            Self::Sha1 => "1.3.14.3.2.26",
            Self::Sha224 => "2.16.840.1.101.3.4.2.4",
            Self::Sha256 => "2.16.840.1.101.3.4.2.1",
            Self::Sha384 => "2.16.840.1.101.3.4.2.2",
            Self::Sha512 => "2.16.840.1.101.3.4.2.3",
        }
    }

    fn rsa_oid(self) -> &'static str {
        match self {
            Self::Sha1 => "1.2.840.113549.1.1.5",
            Self::Sha224 => "1.2.840.113549.1.1.14",
            Self::Sha256 => "1.2.840.113549.1.1.11",
            Self::Sha384 => "1.2.840.113549.1.1.12",
            Self::Sha512 => "1.2.840.113549.1.1.13",
        }
    }

    fn ecdsa_oid(self) -> &'static str {
        match self {
            Self::Sha1 => "1.2.840.10045.4.1",
            Self::Sha224 => "1.2.840.10045.4.3.1",
            Self::Sha256 => "1.2.840.10045.4.3.2",
            Self::Sha384 => "1.2.840.10045.4.3.3",
            Self::Sha512 => "1.2.840.10045.4.3.4",
        }
    }

    fn rsa_padding(self) -> Pkcs1v15Sign {
        let algorithm = asn1::sequence(&[
            asn1::oid(self.oid()).expect("a constant"),
            asn1::value(tag::NULL, &[]),
        ]);
        let length = self.of(b"").len();
        let whole = asn1::sequence(&[algorithm, asn1::value(tag::OCTET_STRING, &vec![0; length])]);
        let prefix = whole[..whole.len() - length].to_vec().into_boxed_slice();
        Pkcs1v15Sign { hash_len: Some(length), prefix }
    }
}

const ED25519: &str = "1.3.101.112";

/// The encoded algorithm with which a key signs.
pub(crate) fn algorithm(key: &Key, hash: Hash) -> Result<Vec<u8>, Error> {
    let oid = |dotted: &str| asn1::oid(dotted).expect("a constant");
    match key {
        Key::Rsa(_) => Ok(asn1::sequence(&[oid(hash.rsa_oid()), asn1::value(tag::NULL, &[])])),
        Key::Ec(..) => Ok(asn1::sequence(&[oid(hash.ecdsa_oid())])),
        Key::Ed25519(_) => Ok(asn1::sequence(&[oid(ED25519)])),
        Key::X25519(_) => Err(Error::new("X25519 keys cannot sign")),
    }
}

/// A signature over bytes.
pub(crate) fn sign(key: &Key, hash: Hash, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let failed = |error: String| Error::new(format!("cannot sign: {error}"));
    match key {
        Key::Rsa(key) => key
            .sign_with_rng(&mut rand::rng(), hash.rsa_padding(), &hash.of(bytes))
            .map_err(|error| failed(error.to_string())),
        Key::Ec(curve, scalar) => {
            let digest = fitting(*curve, hash.of(bytes));
            macro_rules! sign {
                ($curve:ident) => {{
                    let key = $curve::ecdsa::SigningKey::from_slice(scalar)
                        .map_err(|error| failed(error.to_string()))?;
                    let signature: $curve::ecdsa::Signature =
                        key.sign_prehash(&digest).map_err(|error| failed(error.to_string()))?;
                    Ok(signature.to_der().as_bytes().to_vec())
                }};
            }
            match curve {
                Curve::Secp256r1 => sign!(p256),
                Curve::Secp384r1 => sign!(p384),
                Curve::Secp521r1 => sign!(p521),
            }
        }
        Key::Ed25519(seed) => {
            Ok(ed25519_dalek::SigningKey::from_bytes(seed).sign(bytes).to_bytes().to_vec())
        }
        Key::X25519(_) => Err(Error::new("X25519 keys cannot sign")),
    }
}

/// Short digests are numbers all the same: with zeros before them they have the length that the curve's code wants.
fn fitting(curve: Curve, digest: Vec<u8>) -> Vec<u8> {
    let least = curve.bits().div_ceil(8).div_ceil(2);
    asn1::join(&[vec![0; least.saturating_sub(digest.len())], digest])
}

/// Whether a signature with this encoded algorithm is that of the key.
pub(crate) fn verifies(key: &PublicKey, algorithm: &[u8], bytes: &[u8], signature: &[u8]) -> bool {
    let Ok(verifier) = key.verifier() else { return false };
    let oid = Reader::new(algorithm)
        .expect(tag::SEQUENCE)
        .and_then(|item| item.inside().expect(tag::OID))
        .map(|item| asn1::dotted(item.content))
        .unwrap_or_default();
    let hash = |name: fn(Hash) -> &'static str| Hash::ALL.into_iter().find(|h| name(*h) == oid);
    match verifier {
        Verifier::Rsa(key) => hash(Hash::rsa_oid)
            .is_some_and(|h| key.verify(h.rsa_padding(), &h.of(bytes), signature).is_ok()),
        Verifier::Ec(curve, point) => {
            let Some(h) = hash(Hash::ecdsa_oid) else { return false };
            let digest = fitting(curve, h.of(bytes));
            macro_rules! verify {
                ($curve:ident) => {{
                    let key = $curve::ecdsa::VerifyingKey::from_sec1_bytes(&point);
                    let signature = $curve::ecdsa::Signature::from_der(signature);
                    matches!((key, signature), (Ok(key), Ok(signature))
                        if key.verify_prehash(&digest, &signature).is_ok())
                }};
            }
            match curve {
                Curve::Secp256r1 => verify!(p256),
                Curve::Secp384r1 => verify!(p384),
                Curve::Secp521r1 => verify!(p521),
            }
        }
        Verifier::Ed25519(bytes_of_key) => {
            let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes_of_key);
            let signature = ed25519_dalek::Signature::from_slice(signature);
            matches!((key, signature), (Ok(key), Ok(signature))
                if oid == ED25519 && key.verify_strict(bytes, &signature).is_ok())
        }
    }
}

/// The digest in an encoded algorithm, by name; Ed25519 has none of its own.
pub(crate) fn hash_of(algorithm: &[u8]) -> Option<Hash> {
    let item = Reader::new(algorithm).expect(tag::SEQUENCE).ok()?;
    let oid = asn1::dotted(item.inside().expect(tag::OID).ok()?.content);
    Hash::ALL.into_iter().find(|h| h.rsa_oid() == oid || h.ecdsa_oid() == oid)
}
