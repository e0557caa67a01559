//! The authority in its state directory, what it signs, and whom TLS lets in.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use identity::{
    Authority, CertificateRequest, Credentials, Identity, Peer, RequestError, SERVER_NAME,
    Validity, client_config, enrolment_client_config, explain, server_config,
};
use model::{AgentId, Digest};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, ServerConnection};
use x509_parser::prelude::{FromDer as _, X509Certificate};

const HOUR: Duration = Duration::from_hours(1);

struct Controller {
    directory: tempfile::TempDir,
    authority: Authority,
    server: Credentials,
}

fn controller() -> Controller {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::open(directory.path()).expect("an authority");
    let names = ["localhost".into(), "::1".into()];
    let server = authority.server_credentials(directory.path(), &names).expect("a certificate");
    Controller { directory, authority, server }
}

fn enrol(authority: &Authority, validity: Validity) -> Credentials {
    let request = CertificateRequest::generate().expect("a key");
    let issued =
        authority.issue_agent(request.csr(), AgentId::generate(), validity).expect("a certificate");
    request
        .complete(issued.certificate.to_vec(), vec![authority.certificate().to_vec()])
        .expect("the answer fits")
}

/// A handshake in memory, and one byte each way: in TLS 1.3 a client learns only then whether it was let in.
fn handshake(client: ClientConfig, server: &Credentials) -> Result<Option<Peer>, rustls::Error> {
    let name = SERVER_NAME.try_into().expect("a name");
    let mut client = ClientConnection::new(Arc::new(client), name)?;
    let config = Arc::new(server_config(server).expect("a configuration"));
    let mut server = ServerConnection::new(config)?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut flight = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut flight).expect("memory");
        }
        server.read_tls(&mut flight.as_slice()).expect("memory");
        server.process_new_packets()?;
        let mut flight = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut flight).expect("memory");
        }
        client.read_tls(&mut flight.as_slice()).expect("memory");
        client.process_new_packets()?;
    }
    let certificate = server.peer_certificates().and_then(<[CertificateDer]>::first);
    Ok(certificate.map(|certificate| Peer::of(certificate).expect("an identity")))
}

#[test]
fn the_authority_is_made_once_and_kept() {
    let controller = controller();
    let path = controller.directory.path();
    let again = Authority::open(path).unwrap();
    assert_eq!(again.fingerprint(), controller.authority.fingerprint());
    assert_eq!(again.fingerprint(), Digest::of(again.certificate()));
    for file in ["ca.pem", "server.pem"] {
        let mode = std::fs::metadata(path.join(file)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600, "{file}");
    }
    let names = ["localhost".to_owned(), "::1".to_owned()];
    assert_eq!(again.server_credentials(path, &names).unwrap(), controller.server);
    let renamed = again.server_credentials(path, &["example.org".into()]).unwrap();
    assert_ne!(renamed, controller.server, "other names need another certificate");
    let operator = again.local_operator(path).unwrap();
    assert_eq!(again.local_operator(path).unwrap(), operator);
    assert_eq!(operator.peer().unwrap().identity, Identity::Operator("local".into()));
}

#[test]
fn a_damaged_authority_is_never_replaced() {
    let controller = controller();
    let path = controller.directory.path().join("ca.pem");
    let good = std::fs::read_to_string(&path).unwrap();
    let check = |content: &str, expected: &str| {
        std::fs::write(&path, content).unwrap();
        let error = Authority::open(controller.directory.path()).err().unwrap();
        let text = format!(
            "{error}: {}",
            std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()
        );
        assert!(text.contains(expected), "{text}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    };
    check("", "ca.pem is damaged: it has no private key in PKCS#8");
    check(&good[..good.len() / 2], "ca.pem is damaged");
    let other = std::fs::read_to_string(controller.directory.path().join("server.pem")).unwrap();
    let key = other.find("-----BEGIN CERT").unwrap();
    let certificates = good.find("-----BEGIN CERT").unwrap();
    let mixed = format!("{}{}", &other[..key], &good[certificates..]);
    check(&mixed, "ca.pem is damaged: its certificate is for another key");
    let error = controller
        .authority
        .server_credentials(controller.directory.path(), &["not a name".into()])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`not a name` cannot be a name of the controller: neither a DNS name nor an IP address"
    );
}

#[test]
fn nothing_of_a_request_counts_but_its_key() {
    let controller = controller();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["evil.example".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
    let csr = params.serialize_request(&key).unwrap();
    let agent = AgentId::generate();
    let validity = Validity::of(HOUR);
    let issued = controller.authority.issue_agent(csr.der(), agent, validity).unwrap();
    let peer = Peer::of(&issued.certificate).unwrap();
    assert_eq!(peer.identity, Identity::Agent(agent));
    assert_eq!((peer.serial, peer.ends.as_second()), (issued.serial, issued.ends.as_second()));
    let (_, parsed) = X509Certificate::from_der(&issued.certificate).unwrap();
    assert!(!parsed.is_ca());
    let purposes = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(purposes.client_auth && !purposes.server_auth && !purposes.any);
    assert!(!String::from_utf8_lossy(&issued.certificate).contains("evil.example"));
    let slack =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().cast_signed()
            - parsed.validity().not_before.timestamp();
    assert!((600..660).contains(&slack), "{slack}");
}

#[test]
fn bad_requests_are_refused() {
    let controller = controller();
    let check = |csr: &[u8], expected: &str| {
        let (agent, validity) = (AgentId::generate(), Validity::of(HOUR));
        let error = controller.authority.issue_agent(csr, agent, validity).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the certificate request cannot be used: {expected}")
        );
    };
    check(b"", "it is not PKCS#10");
    let good = CertificateRequest::generate().unwrap().csr().to_vec();
    check(&good[..good.len() - 1], "it is not PKCS#10");
    check(&[&good[..], &[0]].concat(), "something follows it");
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    check(&forged, "its signature does not fit its key");
    let other_kind = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let csr = CertificateParams::default().serialize_request(&other_kind).unwrap();
    check(csr.der(), "its key is not a P-256 key");
}

#[test]
fn an_answer_must_fit_the_request() {
    let (controller, foreign) = (controller(), controller());
    let request = CertificateRequest::generate().unwrap();
    let agent = AgentId::generate();
    let issued =
        controller.authority.issue_agent(request.csr(), agent, Validity::of(HOUR)).unwrap();
    let certificate = issued.certificate.to_vec();
    let authority = |controller: &Controller| vec![controller.authority.certificate().to_vec()];
    let other = CertificateRequest::generate().unwrap();
    let error = other.complete(certificate.clone(), authority(&controller)).unwrap_err();
    assert_eq!(error, RequestError::OtherKey);
    let error = request.complete(certificate, authority(&foreign)).unwrap_err();
    assert_eq!(error, RequestError::NotSigned);
}

#[test]
fn tls_lets_in_ours_and_those_without_a_certificate() {
    let controller = controller();
    let agent = enrol(&controller.authority, Validity::of(HOUR));
    let peer = handshake(client_config(&agent).unwrap(), &controller.server).unwrap();
    assert_eq!(peer, Some(agent.peer().unwrap()));
    let enrolling = enrolment_client_config(controller.authority.fingerprint()).unwrap();
    assert_eq!(handshake(enrolling, &controller.server), Ok(None));
}

#[test]
fn tls_refuses_foreign_and_expired_ones_and_says_why() {
    let (controller, foreign) = (controller(), controller());
    let agent = enrol(&controller.authority, Validity::of(HOUR));
    let check = |client: ClientConfig, server: &Credentials, expected: &str| {
        let error = handshake(client, server).unwrap_err();
        let text = explain(&error).unwrap();
        assert!(text.contains(expected), "{error:?}: {text}");
    };
    let mut stranger = enrol(&foreign.authority, Validity::of(HOUR));
    stranger.authority.clone_from(&agent.authority);
    check(client_config(&stranger).unwrap(), &controller.server, "from a foreign authority");
    check(client_config(&agent).unwrap(), &foreign.server, "from a foreign authority");

    let past = SystemTime::now() - 2 * HOUR;
    let expired = enrol(&controller.authority, Validity { from: past, until: past + HOUR });
    check(client_config(&expired).unwrap(), &controller.server, "certificate ended at");
    let soon = SystemTime::now() + HOUR;
    let early = enrol(&controller.authority, Validity { from: soon, until: soon + HOUR });
    check(client_config(&early).unwrap(), &controller.server, "is not valid before");

    let pin = enrolment_client_config(foreign.authority.fingerprint()).unwrap();
    check(pin, &controller.server, "is not the one that the join token names");
}

#[test]
fn an_agent_cannot_pass_for_a_controller() {
    let controller = controller();
    let agent = enrol(&controller.authority, Validity::of(HOUR));
    let pin = enrolment_client_config(controller.authority.fingerprint()).unwrap();
    let error = handshake(pin, &agent).unwrap_err();
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error}");
    let error = handshake(client_config(&agent).unwrap(), &agent).unwrap_err();
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error}");
}
