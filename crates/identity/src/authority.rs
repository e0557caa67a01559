//! The private authority: made at the controller's first start, it signs for the controller itself, for operators and
//! for agents.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use model::{AgentId, Digest};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
    SubjectPublicKeyInfo,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate, X509CertificationRequest};

use crate::credentials::private_directory;
use crate::{Credentials, FileError, Identity, Serial};

/// The name that every controller's certificate carries, whatever its address: an agent trusts the authority, and asks
/// for this name. Only controllers get certificates for servers.
pub const SERVER_NAME: &str = "controller.muster.internal";

/// How long an agent's certificate is good, unless the settings say otherwise.
pub const DEFAULT_AGENT_LIFETIME: Duration = Duration::from_hours(30 * 24);

const AUTHORITY_LIFETIME: Duration = Duration::from_hours(20 * 365 * 24);
const SERVER_LIFETIME: Duration = Duration::from_hours(365 * 24);
const OPERATOR_LIFETIME: Duration = Duration::from_hours(365 * 24);

/// Less than this left, and the controller makes itself new certificates when it starts.
const RENEW_BEFORE: Duration = Duration::from_hours(90 * 24);

/// How far the clocks of controller and host may be apart.
const SKEW: Duration = Duration::from_mins(10);

/// The authority cannot be used or cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Its state directory cannot be made.
    #[error("cannot make the directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of it.
    #[error("the controller's certificates cannot be used")]
    File(#[from] FileError),
    /// Its key or certificate is not one.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A name that cannot stand in a certificate.
    #[error("`{name}` cannot be a name of the controller: neither a DNS name nor an IP address")]
    Name {
        /// As given.
        name: String,
    },
    /// A request that is none.
    #[error("the certificate request cannot be used: {what}")]
    Request {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The library refuses.
    #[error("cannot make a certificate")]
    Sign(#[source] rcgen::Error),
}

/// From when until when a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: SystemTime,
    /// The last one.
    pub until: SystemTime,
}

impl Validity {
    /// From now on, with room for clocks that are a little behind.
    pub fn of(lifetime: Duration) -> Self {
        let now = SystemTime::now();
        Self { from: now - SKEW, until: now + lifetime }
    }
}

/// A certificate that was signed for somebody else's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// DER.
    pub certificate: CertificateDer<'static>,
    /// Its number.
    pub serial: Serial,
    /// When it ends.
    pub ends: Timestamp,
}

/// The authority, with its key.
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Opens the authority in a state directory; at the first start, makes it.
    pub fn open(directory: &Path) -> Result<Self, AuthorityError> {
        private_directory(directory)
            .map_err(|source| AuthorityError::Directory { path: directory.to_owned(), source })?;
        let path = directory.join("ca.pem");
        if let Some(credentials) = Credentials::load(&path)? {
            return Self::from_credentials(&path, credentials);
        }
        let key = new_key()?;
        let mut params = params(Validity::of(AUTHORITY_LIFETIME), new_serial(), "Muster authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(AuthorityError::Sign)?.der().clone();
        let pkcs8 = PrivatePkcs8KeyDer::from(key.serialize_der());
        Credentials::new(certificate.clone(), vec![certificate.clone()], pkcs8).save(&path)?;
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    fn from_credentials(path: &Path, credentials: Credentials) -> Result<Self, AuthorityError> {
        let damaged = |what| AuthorityError::Damaged { path: path.to_owned(), what };
        let key =
            KeyPair::from_pkcs8_der_and_sign_algo(credentials.pkcs8(), &PKCS_ECDSA_P256_SHA256)
                .map_err(|_| damaged("its key is not a P-256 key"))?;
        let (_, parsed) = X509Certificate::from_der(&credentials.certificate)
            .map_err(|_| damaged("its certificate cannot be read"))?;
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(damaged("its certificate is for another key"));
        }
        let issuer = Issuer::from_ca_cert_der(&credentials.certificate, key)
            .map_err(|_| damaged("its certificate cannot be used to sign"))?;
        Ok(Self { certificate: credentials.certificate, issuer })
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// SHA-256 of the certificate: what join tokens carry.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.certificate)
    }

    /// The controller's own credentials from a file of the state directory, for these DNS names and addresses; made
    /// anew when there are none, when they end soon, or when the names have changed.
    pub fn server_credentials(
        &self,
        directory: &Path,
        names: &[String],
    ) -> Result<Credentials, AuthorityError> {
        let mut sans = vec![dns_name(SERVER_NAME)?];
        for name in names {
            let san = match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => dns_name(name)?,
            };
            if !sans.contains(&san) {
                sans.push(san);
            }
        }
        let path = directory.join("server.pem");
        let kept = Credentials::load(&path)?;
        if let Some(kept) = kept.filter(|kept| self.is_fresh(kept) && has_names(kept, &sans)) {
            return Ok(kept);
        }
        let validity = Validity::of(SERVER_LIFETIME);
        let credentials =
            self.issue(validity, "Muster controller", sans, ExtendedKeyUsagePurpose::ServerAuth)?;
        credentials.save(&path)?;
        Ok(credentials)
    }

    /// The credentials of the operator on the controller's own machine: a file of the state directory, so that who can
    /// read it there is an operator.
    pub fn local_operator(&self, directory: &Path) -> Result<Credentials, AuthorityError> {
        let path = directory.join("operator.pem");
        if let Some(kept) = Credentials::load(&path)?.filter(|kept| self.is_fresh(kept)) {
            return Ok(kept);
        }
        let credentials = self.issue_operator("local", Validity::of(OPERATOR_LIFETIME))?;
        credentials.save(&path)?;
        Ok(credentials)
    }

    /// Credentials for an operator.
    pub fn issue_operator(
        &self,
        name: &str,
        validity: Validity,
    ) -> Result<Credentials, AuthorityError> {
        let uri = uri_name(&Identity::Operator(name.to_owned()))?;
        self.issue(validity, name, vec![uri], ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// Signs an agent's request. Only the public key of the request counts; what it asks for is not looked at.
    pub fn issue_agent(
        &self,
        csr: &[u8],
        agent: AgentId,
        validity: Validity,
    ) -> Result<Issued, AuthorityError> {
        let key = requested_key(csr)?;
        let serial = new_serial();
        let mut params = params(validity, serial, &agent.to_string());
        params.subject_alt_names = vec![uri_name(&Identity::Agent(agent))?];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).map_err(AuthorityError::Sign)?;
        let ends = Timestamp::try_from(validity.until)
            .map_err(|_| AuthorityError::Request { what: "its certificate would never end" })?;
        Ok(Issued { certificate: certificate.der().clone(), serial, ends })
    }

    fn issue(
        &self,
        validity: Validity,
        name: &str,
        sans: Vec<SanType>,
        purpose: ExtendedKeyUsagePurpose,
    ) -> Result<Credentials, AuthorityError> {
        let key = new_key()?;
        let mut params = params(validity, new_serial(), name);
        params.subject_alt_names = sans;
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(&key, &self.issuer).map_err(AuthorityError::Sign)?;
        let pkcs8 = PrivatePkcs8KeyDer::from(key.serialize_der());
        Ok(Credentials::new(certificate.der().clone(), vec![self.certificate.clone()], pkcs8))
    }

    /// Ours, and good for a while.
    fn is_fresh(&self, credentials: &Credentials) -> bool {
        let Ok((_, parsed)) = X509Certificate::from_der(&credentials.certificate) else {
            return false;
        };
        let left = parsed.validity().not_after.timestamp() - Timestamp::now().as_second();
        credentials.authority == [self.certificate.clone()] && left > RENEW_BEFORE.as_secs() as i64
    }
}

fn params(validity: Validity, serial: Serial, name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = validity.from.into();
    params.not_after = validity.until.into();
    params.serial_number = Some(SerialNumber::from_slice(&serial.0));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params
}

fn new_key() -> Result<KeyPair, AuthorityError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(AuthorityError::Sign)
}

/// Random; the first byte is neither 0 nor has its top bit set, so that every encoding has 16 bytes.
fn new_serial() -> Serial {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).expect("the system has random bytes");
    bytes[0] = bytes[0] & 0x3f | 0x40;
    Serial(bytes)
}

fn dns_name(name: &str) -> Result<SanType, AuthorityError> {
    let invalid = || AuthorityError::Name { name: name.to_owned() };
    rustls::pki_types::DnsName::try_from(name).map_err(|_| invalid())?;
    Ok(SanType::DnsName(name.try_into().map_err(|_| invalid())?))
}

fn uri_name(identity: &Identity) -> Result<SanType, AuthorityError> {
    Ok(SanType::URI(identity.uri().try_into().map_err(AuthorityError::Sign)?))
}

/// Whether a certificate is for just these names, in this order.
fn has_names(credentials: &Credentials, sans: &[SanType]) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(&credentials.certificate) else {
        return false;
    };
    let Ok(Some(names)) = parsed.subject_alternative_name() else { return false };
    let names = names.value.general_names.iter().map(|name| match name {
        GeneralName::DNSName(name) => name.as_bytes().to_vec(),
        GeneralName::IPAddress(octets) => octets.to_vec(),
        _ => Vec::new(),
    });
    let wanted = sans.iter().map(|san| match san {
        SanType::DnsName(name) => name.as_str().as_bytes().to_vec(),
        SanType::IpAddress(IpAddr::V4(address)) => address.octets().to_vec(),
        SanType::IpAddress(IpAddr::V6(address)) => address.octets().to_vec(),
        _ => Vec::new(),
    });
    names.eq(wanted)
}

/// The public key of a request that its owner signed.
fn requested_key(csr: &[u8]) -> Result<impl PublicKeyData, AuthorityError> {
    let refuse = |what| AuthorityError::Request { what };
    let (rest, request) =
        X509CertificationRequest::from_der(csr).map_err(|_| refuse("it is not PKCS#10"))?;
    if !rest.is_empty() {
        return Err(refuse("something follows it"));
    }
    request.verify_signature().map_err(|_| refuse("its signature does not fit its key"))?;
    let key = SubjectPublicKeyInfo::from_der(request.certification_request_info.subject_pki.raw)
        .map_err(|_| refuse("its key is of an unknown kind"))?;
    if *key.algorithm() != PKCS_ECDSA_P256_SHA256 {
        return Err(refuse("its key is not a P-256 key"));
    }
    Ok(key)
}
