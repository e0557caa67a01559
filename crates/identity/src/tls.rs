//! What TLS demands of both sides: version 1.3, certificates of our authority, HTTP/2.

use std::sync::Arc;

use model::Digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, ServerConfig,
    SignatureScheme,
};

use crate::Credentials;

const ALPN: &[u8] = b"h2";

/// Credentials that TLS does not take.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate of the authority is none.
    #[error("the authority's certificate cannot be used")]
    Authority(#[source] rustls::Error),
    /// The verifier cannot be made.
    #[error("the authority's certificates cannot be used to verify others")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
    /// Key and certificate are not a pair, or are damaged.
    #[error("the key or the certificate cannot be used")]
    Credentials(#[source] rustls::Error),
}

/// Makes ring the provider of the whole process; libraries that ask rustls for a default find one.
pub fn install_provider() {
    // An error says that one is installed already: this function ran before.
    let _ = ring::default_provider().install_default();
}

/// For the controller. A client may come without a certificate (to enrol); if it shows one, it must be ours and good
/// today. Which RPC needs which identity is not decided here.
pub fn server_config(credentials: &Credentials) -> Result<ServerConfig, TlsError> {
    let roots = Arc::new(roots(&credentials.authority)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
        .allow_unauthenticated()
        .build()?;
    // The authority goes along, so that an agent that knows only its fingerprint can find it.
    let mut chain = vec![credentials.certificate.clone()];
    chain.extend(credentials.authority.iter().cloned());
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Credentials)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, credentials.key())
        .map_err(TlsError::Credentials)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A resumed session would skip the look at the client's certificate.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// For agents and operators: shows their certificate, and talks to a controller of their authority only, see
/// [`crate::SERVER_NAME`].
pub fn client_config(credentials: &Credentials) -> Result<ClientConfig, TlsError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Credentials)?
        .with_root_certificates(roots(&credentials.authority)?)
        .with_client_auth_cert(vec![credentials.certificate.clone()], credentials.key())
        .map_err(TlsError::Credentials)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// For enrolling: shows nothing, and talks to a controller of the authority with this fingerprint only.
pub fn enrolment_client_config(authority: Digest) -> Result<ClientConfig, TlsError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Credentials)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(PinnedAuthority(authority)))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn roots(authority: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in authority {
        roots.add(certificate.clone()).map_err(TlsError::Authority)?;
    }
    Ok(roots)
}

/// Trusts the one authority whose certificate has this digest; the server has to bring it along.
#[derive(Debug)]
struct PinnedAuthority(Digest);

/// Another authority than the token names.
#[derive(Debug, thiserror::Error)]
#[error(
    "the controller's authority is not the one that the join token names ({expected}): \
     the token is from another controller, or somebody is in between"
)]
struct OtherAuthority {
    expected: Digest,
}

impl ServerCertVerifier for PinnedAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authority) = intermediates.iter().find(|found| Digest::of(found) == self.0) else {
            let error = OtherError(Arc::new(OtherAuthority { expected: self.0 }));
            return Err(CertificateError::Other(error).into());
        };
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?
            .verify_server_cert(end_entity, &[], server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// What went wrong in a handshake, with what to do about it, when the error or one of its causes is TLS's.
pub fn explain(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        let tls = error.downcast_ref::<rustls::Error>().or_else(|| {
            // `source` of an `io::Error` skips the error that it wraps.
            let wrapped = error.downcast_ref::<std::io::Error>()?.get_ref()?;
            wrapped.downcast_ref::<rustls::Error>()
        });
        if let Some(tls) = tls {
            return Some(explain_tls(tls));
        }
        next = error.source();
    }
    None
}

fn explain_tls(error: &rustls::Error) -> String {
    use rustls::AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(certificate) => explain_certificate(certificate),
        rustls::Error::AlertReceived(Alert::CertificateExpired) => {
            "the other side says that our certificate has expired or is not valid yet: \
             enrol again, or check the clocks of both machines"
                .into()
        }
        rustls::Error::AlertReceived(Alert::UnknownCA | Alert::DecryptError) => {
            "the other side says that our certificate is from a foreign authority: \
             it belongs to another controller; enrol again"
                .into()
        }
        rustls::Error::AlertReceived(Alert::ProtocolVersion) => {
            "the other side does not speak TLS 1.3".into()
        }
        other => format!("TLS: {other}"),
    }
}

fn explain_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the other side's certificate is from a foreign authority: is it the right controller?"
                .into()
        }
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "the other side's certificate is not valid before {}, and the clock here says {}: \
             check the clocks of both machines",
            moment(*not_before),
            moment(*time)
        ),
        CertificateError::ExpiredContext { time, not_after } => format!(
            "the other side's certificate ended at {}, and the clock here says {}: \
             check the clocks; a controller renews its certificate when it starts",
            moment(*not_after),
            moment(*time)
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the other side's certificate is not one of a controller".into()
        }
        CertificateError::Other(OtherError(error)) => error.to_string(),
        other => format!("the other side's certificate cannot be used: {other}"),
    }
}

fn moment(time: UnixTime) -> String {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(|| time.as_secs().to_string(), |time| time.to_string())
}
