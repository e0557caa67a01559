//! What an agent asks for: a certificate for a key that never leaves the host.

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::{Credentials, Peer, PeerError};

/// A new key and the request for its certificate.
pub struct CertificateRequest {
    key: KeyPair,
    csr: Vec<u8>,
}

/// A controller's answer that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The system has no randomness, or the like.
    #[error("cannot make a key: {0}")]
    Key(String),
    /// The certificate is for another key.
    #[error("the controller's answer holds a certificate for another key")]
    OtherKey,
    /// The certificate says nothing of whom it speaks.
    #[error("the controller's answer holds a certificate that cannot be used")]
    Certificate(#[from] PeerError),
    /// The certificate was not signed by the authority in the answer.
    #[error("the controller's answer holds a certificate that its authority did not sign")]
    NotSigned,
}

impl CertificateRequest {
    /// Makes a key.
    pub fn generate() -> Result<Self, RequestError> {
        let failed = |error: rcgen::Error| RequestError::Key(error.to_string());
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let csr = params.serialize_request(&key).map_err(failed)?.der().to_vec();
        Ok(Self { key, csr })
    }

    /// The request, DER.
    pub fn csr(&self) -> &[u8] {
        &self.csr
    }

    /// Puts the answer together with the key, once it fits.
    pub fn complete(
        self,
        certificate: Vec<u8>,
        authority: Vec<Vec<u8>>,
    ) -> Result<Credentials, RequestError> {
        let unreadable = RequestError::Certificate(PeerError::Unreadable);
        Peer::of(&CertificateDer::from(certificate.as_slice()))?;
        let (_, parsed) =
            X509Certificate::from_der(&certificate).map_err(|_| unreadable.clone())?;
        if parsed.public_key().subject_public_key.data.as_ref() != self.key.public_key_raw() {
            return Err(RequestError::OtherKey);
        }
        let is_signed = authority.iter().any(|authority| {
            X509Certificate::from_der(authority).is_ok_and(|(_, authority)| {
                parsed.verify_signature(Some(authority.public_key())).is_ok()
            })
        });
        if !is_signed {
            return Err(RequestError::NotSigned);
        }
        let authority = authority.into_iter().map(CertificateDer::from).collect();
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        Ok(Credentials::new(certificate.into(), authority, key))
    }
}
