//! Private and public keys: made, read and written in the formats that programs use.

use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use rsa::pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey};
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, RsaPublicKey};

use crate::asn1::{self, Reader, tag};
use crate::{Error, pem};

const RSA: &str = "1.2.840.113549.1.1.1";
const EC: &str = "1.2.840.10045.2.1";
const X25519: &str = "1.3.101.110";
const ED25519: &str = "1.3.101.112";

/// Curves of ECDSA keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-256.
    Secp256r1,
    /// NIST P-384.
    Secp384r1,
    /// NIST P-521.
    Secp521r1,
}

impl Curve {
    const ALL: [Self; 3] = [Self::Secp256r1, Self::Secp384r1, Self::Secp521r1];

    /// The curve of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.name() == name)
    }

    /// Its name in TLS.
    pub fn name(self) -> &'static str {
        match self {
            Self::Secp256r1 => "secp256r1",
            Self::Secp384r1 => "secp384r1",
            Self::Secp521r1 => "secp521r1",
        }
    }

    /// Bits of its keys.
    pub fn bits(self) -> usize {
        match self {
            Self::Secp256r1 => 256,
            Self::Secp384r1 => 384,
            Self::Secp521r1 => 521,
        }
    }

    fn oid(self) -> Vec<u8> {
        asn1::oid(match self {
            Self::Secp256r1 => "1.2.840.10045.3.1.7",
            Self::Secp384r1 => "1.3.132.0.34",
            Self::Secp521r1 => "1.3.132.0.35",
        })
        .expect("a constant")
    }

    fn of_oid(whole: &[u8]) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|curve| curve.oid() == whole)
            .ok_or_else(|| Error::new("keys on this curve are not supported"))
    }

    /// The uncompressed public point of a secret number; an error: it is no key on this curve.
    pub(crate) fn point(self, scalar: &[u8]) -> Result<Vec<u8>, Error> {
        let odd = |_| Error::new("the number is no key on its curve");
        macro_rules! point {
            ($curve:ident) => {
                $curve::SecretKey::from_slice(scalar)
                    .map_err(odd)?
                    .public_key()
                    .to_sec1_bytes()
                    .into()
            };
        }
        Ok(match self {
            Self::Secp256r1 => point!(p256),
            Self::Secp384r1 => point!(p384),
            Self::Secp521r1 => point!(p521),
        })
    }
}

/// What kind of key is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// RSA with this many bits.
    Rsa(usize),
    /// ECDSA on a curve.
    Ec(Curve),
    /// Signatures on curve 25519.
    Ed25519,
    /// Key agreement on curve 25519.
    X25519,
}

impl Kind {
    /// Its family, as modules call it.
    pub fn family(self) -> &'static str {
        match self {
            Self::Rsa(_) => "RSA",
            Self::Ec(_) => "ECC",
            Self::Ed25519 => "Ed25519",
            Self::X25519 => "X25519",
        }
    }

    /// Bits of the key.
    pub fn bits(self) -> usize {
        match self {
            Self::Rsa(bits) => bits,
            Self::Ec(curve) => curve.bits(),
            Self::Ed25519 | Self::X25519 => 256,
        }
    }
}

/// How a private key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The traditional format of the family.
    Pkcs1,
    /// One format for all families.
    Pkcs8,
    /// Bytes alone.
    Raw,
}

/// Whether a passphrase protects what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// It does.
    Passphrase,
    /// It is plain.
    None,
}

/// A private key.
#[derive(Clone)]
pub enum Key {
    /// RSA.
    Rsa(Box<RsaPrivateKey>),
    /// A curve and the secret number.
    Ec(Curve, Vec<u8>),
    /// The seed.
    Ed25519([u8; 32]),
    /// The secret.
    X25519([u8; 32]),
}

impl Key {
    /// A new key.
    pub fn generate(kind: Kind) -> Result<Self, Error> {
        Ok(match kind {
            Kind::Rsa(bits) => {
                let key = RsaPrivateKey::new(&mut rand::rng(), bits)
                    .map_err(|error| Error::new(format!("cannot make an RSA key: {error}")))?;
                Self::Rsa(Box::new(key))
            }
            Kind::Ec(curve) => loop {
                let mut scalar: Vec<u8> =
                    (0..curve.bits().div_ceil(8)).map(|_| rand::random()).collect();
                if curve == Curve::Secp521r1 {
                    scalar[0] &= 1;
                }
                if curve.point(&scalar).is_ok() {
                    break Self::Ec(curve, scalar);
                }
            },
            Kind::Ed25519 => Self::Ed25519(rand::random()),
            Kind::X25519 => Self::X25519(rand::random()),
        })
    }

    /// What kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Rsa(key) => Kind::Rsa(key.n().bits() as usize),
            Self::Ec(curve, _) => Kind::Ec(*curve),
            Self::Ed25519(_) => Kind::Ed25519,
            Self::X25519(_) => Kind::X25519,
        }
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        let algorithm = |oid: &str, parameters: Option<Vec<u8>>| {
            let mut parts = vec![asn1::oid(oid).expect("a constant")];
            parts.extend(parameters);
            asn1::sequence(&parts)
        };
        let (algorithm, bits) = match self {
            Self::Rsa(key) => {
                let n = asn1::unsigned(&key.n_bytes());
                let e = asn1::unsigned(&key.e_bytes());
                (algorithm(RSA, Some(asn1::value(tag::NULL, &[]))), asn1::sequence(&[n, e]))
            }
            Self::Ec(curve, scalar) => {
                let point = curve.point(scalar).expect("it was a key when it was read");
                (algorithm(EC, Some(curve.oid())), point)
            }
            Self::Ed25519(seed) => {
                let key = ed25519_dalek::SigningKey::from_bytes(seed);
                (algorithm(ED25519, None), key.verifying_key().to_bytes().to_vec())
            }
            Self::X25519(secret) => {
                let secret = x25519_dalek::StaticSecret::from(*secret);
                let public = x25519_dalek::PublicKey::from(&secret);
                (algorithm(X25519, None), public.to_bytes().to_vec())
            }
        };
        PublicKey(asn1::sequence(&[algorithm, asn1::bits(&bits)]))
    }

    /// A key from a file, with what was found out about its form.
    pub fn read(
        content: &[u8],
        passphrase: Option<&[u8]>,
    ) -> Result<(Self, Format, Protection), Error> {
        let Some(block) = pem::find(content, |label| label.ends_with("PRIVATE KEY")) else {
            return Self::read_raw(content);
        };
        let is_sealed = block.encryption.is_some() || block.label == "ENCRYPTED PRIVATE KEY";
        let protection = if is_sealed { Protection::Passphrase } else { Protection::None };
        if is_sealed != passphrase.is_some() {
            return Err(Error::passphrase());
        }
        let opened = pem::decrypted(&block, passphrase.unwrap_or_default())?;
        // What a wrong passphrase opens by chance is no key.
        let doubt = |error| if is_sealed { Error::passphrase() } else { error };
        let (key, format) = match block.label.as_str() {
            "RSA PRIVATE KEY" => (Self::of_pkcs1(&opened).map_err(doubt)?, Format::Pkcs1),
            "EC PRIVATE KEY" => (Self::of_sec1(&opened, None).map_err(doubt)?, Format::Pkcs1),
            "PRIVATE KEY" => (Self::of_pkcs8(&opened)?, Format::Pkcs8),
            "ENCRYPTED PRIVATE KEY" => {
                let sealed = EncryptedPrivateKeyInfoRef::try_from(opened.as_slice())
                    .map_err(|error| Error::new(format!("the key is broken: {error}")))?;
                let plain = sealed
                    .decrypt(passphrase.unwrap_or_default())
                    .map_err(|_| Error::passphrase())?;
                (Self::of_pkcs8(plain.as_bytes())?, Format::Pkcs8)
            }
            other => {
                return Err(Error::new(format!("keys of the kind `{other}` are not supported")));
            }
        };
        Ok((key, format, protection))
    }

    fn read_raw(content: &[u8]) -> Result<(Self, Format, Protection), Error> {
        // Ed25519 and X25519 look the same: as for others who read such files, it is the one or is told by the caller.
        let bytes: [u8; 32] = content
            .try_into()
            .map_err(|_| Error::new("Unable to load the private key: it is no PEM text"))?;
        Ok((Self::X25519(bytes), Format::Raw, Protection::None))
    }

    fn of_pkcs1(der: &[u8]) -> Result<Self, Error> {
        let key = RsaPrivateKey::from_pkcs1_der(der)
            .map_err(|error| Error::new(format!("the RSA key is broken: {error}")))?;
        Ok(Self::Rsa(Box::new(key)))
    }

    fn of_sec1(der: &[u8], curve: Option<Curve>) -> Result<Self, Error> {
        let mut reader = Reader::new(der).expect(tag::SEQUENCE)?.inside();
        reader.expect(tag::INTEGER)?;
        let scalar = reader.expect(tag::OCTET_STRING)?.content;
        let named = reader.optional(0xa0)?.map(|item| Curve::of_oid(item.content)).transpose()?;
        let curve = named.or(curve).ok_or_else(|| Error::new("the key does not say its curve"))?;
        Self::ec(curve, scalar)
    }

    /// The key on a curve with this secret number.
    pub(crate) fn ec(curve: Curve, scalar: &[u8]) -> Result<Self, Error> {
        let length = curve.bits().div_ceil(8);
        if scalar.len() > length {
            return Err(Error::new("the number is too long for its curve"));
        }
        let scalar = asn1::join(&[&vec![0; length - scalar.len()], scalar]);
        curve.point(&scalar)?;
        Ok(Self::Ec(curve, scalar))
    }

    fn of_pkcs8(der: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(der).expect(tag::SEQUENCE)?.inside();
        reader.expect(tag::INTEGER)?;
        let mut algorithm = reader.expect(tag::SEQUENCE)?.inside();
        let oid = asn1::dotted(algorithm.expect(tag::OID)?.content);
        let inner = reader.expect(tag::OCTET_STRING)?.content;
        let secret = || -> Result<[u8; 32], Error> {
            let bytes = Reader::new(inner).expect(tag::OCTET_STRING)?.content;
            bytes.try_into().map_err(|_| Error::new("the key has not 32 bytes"))
        };
        match oid.as_str() {
            RSA => Self::of_pkcs1(inner),
            EC => Self::of_sec1(inner, Some(Curve::of_oid(algorithm.expect(tag::OID)?.whole)?)),
            ED25519 => Ok(Self::Ed25519(secret()?)),
            X25519 => Ok(Self::X25519(secret()?)),
            other => Err(Error::new(format!("keys of the algorithm {other} are not supported"))),
        }
    }

    /// The traditional encoding with its label, for the families that have one.
    pub(crate) fn traditional(&self) -> Option<(&'static str, Vec<u8>)> {
        match self {
            Self::Rsa(key) => {
                let der = key.to_pkcs1_der().expect("a valid key has an encoding");
                Some(("RSA PRIVATE KEY", der.as_bytes().to_vec()))
            }
            Self::Ec(curve, scalar) => Some(("EC PRIVATE KEY", sec1(*curve, scalar, true))),
            Self::Ed25519(_) | Self::X25519(_) => None,
        }
    }

    fn pkcs8(&self) -> Vec<u8> {
        let public = self.public();
        let algorithm = public.algorithm();
        let inner = match self {
            Self::Rsa(_) => self.traditional().map(|(_, der)| der).unwrap_or_default(),
            Self::Ec(curve, scalar) => sec1(*curve, scalar, false),
            Self::Ed25519(secret) | Self::X25519(secret) => asn1::value(tag::OCTET_STRING, secret),
        };
        asn1::sequence(&[asn1::unsigned(&[0]), algorithm, asn1::value(tag::OCTET_STRING, &inner)])
    }

    /// The key as a file.
    pub fn write(&self, format: Format, passphrase: Option<&[u8]>) -> Result<Vec<u8>, Error> {
        const ROUNDS: u32 = 20_000;
        match format {
            Format::Raw => match self {
                Self::Ed25519(secret) | Self::X25519(secret) if passphrase.is_none() => {
                    Ok(secret.to_vec())
                }
                _ => Err(Error::new("only Ed25519 and X25519 keys without passphrase can be raw")),
            },
            Format::Pkcs1 => {
                let (label, der) = self.traditional().ok_or_else(|| {
                    Error::new(format!("{} keys have no format pkcs1", self.kind().family()))
                })?;
                Ok(match passphrase {
                    Some(passphrase) => pem::armour_encrypted(label, &der, passphrase),
                    None => pem::armour(label, &der),
                }
                .into_bytes())
            }
            Format::Pkcs8 => {
                let der = self.pkcs8();
                let Some(passphrase) = passphrase else {
                    return Ok(pem::armour("PRIVATE KEY", &der).into_bytes());
                };
                let failed = |error: String| Error::new(format!("cannot encrypt the key: {error}"));
                let salt: [u8; 16] = rand::random();
                let parameters =
                    Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &salt, rand::random())
                        .map_err(|error| failed(error.to_string()))?;
                let sealed = PrivateKeyInfoRef::try_from(der.as_slice())
                    .and_then(|info| info.encrypt_with_params(parameters, passphrase))
                    .map_err(|error| failed(error.to_string()))?;
                Ok(pem::armour("ENCRYPTED PRIVATE KEY", sealed.as_bytes()).into_bytes())
            }
        }
    }
}

fn sec1(curve: Curve, scalar: &[u8], is_named: bool) -> Vec<u8> {
    let point = curve.point(scalar).expect("it was a key when it was read");
    let mut parts = vec![asn1::unsigned(&[1]), asn1::value(tag::OCTET_STRING, scalar)];
    if is_named {
        parts.push(asn1::context(0, true, &curve.oid()));
    }
    parts.push(asn1::context(1, true, &asn1::bits(&point)));
    asn1::sequence(&parts)
}

/// A public key, in the encoding that certificates hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

/// A public key to verify with.
pub(crate) enum Verifier {
    Rsa(Box<RsaPublicKey>),
    Ec(Curve, Vec<u8>),
    Ed25519([u8; 32]),
}

impl PublicKey {
    pub(crate) fn of_der(der: &[u8]) -> Self {
        Self(der.to_vec())
    }

    /// Its encoding.
    pub fn der(&self) -> &[u8] {
        &self.0
    }

    /// As a text.
    pub fn pem(&self) -> String {
        pem::armour("PUBLIC KEY", &self.0)
    }

    /// From a text.
    pub fn read(content: &[u8]) -> Result<Self, Error> {
        let block = pem::find(content, |label| label == "PUBLIC KEY")
            .ok_or_else(|| Error::new("it is no public key in PEM"))?;
        let key = Self(block.content);
        key.parts()?;
        Ok(key)
    }

    fn parts(&self) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let mut reader = Reader::new(&self.0).expect(tag::SEQUENCE)?.inside();
        let algorithm = reader.expect(tag::SEQUENCE)?.whole.to_vec();
        let bits = reader.expect(tag::BIT_STRING)?.content;
        match bits {
            [0, bytes @ ..] => Ok((algorithm, bytes.to_vec())),
            _ => Err(Error::new("the public key has no whole number of bytes")),
        }
    }

    fn algorithm(&self) -> Vec<u8> {
        self.parts().map(|(algorithm, _)| algorithm).unwrap_or_default()
    }

    /// The SHA-1 of its bits: what key identifiers are made of.
    pub fn identifier(&self) -> Vec<u8> {
        use sha1::Digest as _;
        let bits = self.parts().map(|(_, bits)| bits).unwrap_or_default();
        sha1::Sha1::digest(&bits).to_vec()
    }

    /// Of what kind it is; `None`: of one that is not known here.
    pub fn kind(&self) -> Option<Kind> {
        let (algorithm, bits) = self.parts().ok()?;
        match self.verifier().ok() {
            Some(Verifier::Rsa(key)) => Some(Kind::Rsa(key.n().bits() as usize)),
            Some(Verifier::Ec(curve, _)) => Some(Kind::Ec(curve)),
            Some(Verifier::Ed25519(_)) => Some(Kind::Ed25519),
            None => {
                let mut inner = Reader::new(&algorithm).expect(tag::SEQUENCE).ok()?.inside();
                let oid = asn1::dotted(inner.expect(tag::OID).ok()?.content);
                (oid == X25519 && bits.len() == 32).then_some(Kind::X25519)
            }
        }
    }

    pub(crate) fn verifier(&self) -> Result<Verifier, Error> {
        let (algorithm, bits) = self.parts()?;
        let mut algorithm = Reader::new(&algorithm).expect(tag::SEQUENCE)?.inside();
        let oid = asn1::dotted(algorithm.expect(tag::OID)?.content);
        match oid.as_str() {
            RSA => {
                use rsa::pkcs1::DecodeRsaPublicKey;
                let key = RsaPublicKey::from_pkcs1_der(&bits)
                    .map_err(|error| Error::new(format!("the RSA key is broken: {error}")))?;
                Ok(Verifier::Rsa(Box::new(key)))
            }
            EC => Ok(Verifier::Ec(Curve::of_oid(algorithm.expect(tag::OID)?.whole)?, bits)),
            ED25519 => {
                let odd = |_| Error::new("the key has not 32 bytes");
                Ok(Verifier::Ed25519(bits.as_slice().try_into().map_err(odd)?))
            }
            other => Err(Error::new(format!("keys of the algorithm {other} do not sign"))),
        }
    }
}

impl PublicKey {
    /// As OpenSSH writes it, in one line without a comment; `None`: it has no such keys.
    pub fn openssh(&self) -> Option<String> {
        use base64::Engine as _;
        let text = |bytes: &[u8]| asn1::join(&[&(bytes.len() as u32).to_be_bytes(), bytes]);
        let number = |digits: &[u8]| {
            let encoded = asn1::unsigned(digits);
            text(Reader::new(&encoded).next().map(|item| item.content).unwrap_or_default())
        };
        let (name, rest) = match self.verifier().ok()? {
            Verifier::Rsa(key) => {
                ("ssh-rsa", asn1::join(&[number(&key.e_bytes()), number(&key.n_bytes())]))
            }
            Verifier::Ed25519(bytes) => ("ssh-ed25519", text(&bytes)),
            Verifier::Ec(curve, point) => {
                let (name, short) = match curve {
                    Curve::Secp256r1 => ("ecdsa-sha2-nistp256", "nistp256"),
                    Curve::Secp384r1 => ("ecdsa-sha2-nistp384", "nistp384"),
                    Curve::Secp521r1 => ("ecdsa-sha2-nistp521", "nistp521"),
                };
                (name, asn1::join(&[text(short.as_bytes()), text(&point)]))
            }
        };
        let blob = asn1::join(&[text(name.as_bytes()), rest]);
        Some(format!("{name} {}", base64::engine::general_purpose::STANDARD.encode(blob)))
    }
}
