//! From a join token to a certificate.

use std::time::Duration;

use identity::{
    CertificateRequest, Credentials, JoinToken, Peer, client_config, enrolment_client_config,
};
use jiff::Timestamp;
use links::connect;
use proto::v1::agents_client::AgentsClient;
use proto::v1::enrolment_client::EnrolmentClient;
use proto::v1::{self, EnrollRequest};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tonic::{Code, Status};

use crate::agent::{FakeAgent, hello};
use crate::controller::{Controller, agent_id};

fn request(token: &JoinToken, csr: &[u8], hostname: &str) -> EnrollRequest {
    EnrollRequest {
        token_id: token.id.0.to_vec(),
        csr: csr.to_vec(),
        proof: token.prove(csr),
        protocol_version: 1,
        min_protocol: 1,
        hostname: hostname.into(),
        agent_version: "0.1.0".into(),
    }
}

async fn send(
    controller: &Controller,
    token: &JoinToken,
    request: EnrollRequest,
) -> Result<v1::EnrollResponse, Status> {
    let config = enrolment_client_config(token.authority).unwrap();
    let channel = connect(&controller.address, config).await.unwrap();
    EnrolmentClient::new(channel).enroll(request).await.map(tonic::Response::into_inner)
}

async fn enrol(
    controller: &Controller,
    token: &JoinToken,
    hostname: &str,
) -> Result<Credentials, Status> {
    let key = CertificateRequest::generate().unwrap();
    let response = send(controller, token, request(token, key.csr(), hostname)).await?;
    Ok(key.complete(response.certificate, response.ca).unwrap())
}

#[tokio::test]
async fn a_token_buys_a_certificate_that_works_and_can_be_renewed() {
    let controller = Controller::start().await;
    let token = controller.token(|_| {});
    let credentials = enrol(&controller, &token, "web01").await.unwrap();
    let id = agent_id(&credentials);
    let known = controller.records.agents.lock().unwrap()[&id].clone();
    assert_eq!((known.name.as_str(), known.token), ("web01", token.id));
    FakeAgent::join(controller.channel(&credentials).await, hello("a", &[])).await;

    let key = CertificateRequest::generate().unwrap();
    let mut client = AgentsClient::new(controller.channel(&credentials).await);
    let renewal = v1::RenewRequest { csr: key.csr().to_vec() };
    let answer = client.renew(renewal).await.unwrap().into_inner();
    let renewed = key.complete(answer.certificate, answer.ca).unwrap();
    assert_eq!(agent_id(&renewed), id);
    let serial = renewed.peer().unwrap().serial;
    assert_ne!(serial, credentials.peer().unwrap().serial);
    assert_eq!(controller.records.agents.lock().unwrap()[&id].serial, serial);
    FakeAgent::join(controller.channel(&renewed).await, hello("a", &[])).await;
}

#[tokio::test]
async fn a_token_of_another_controller_is_not_even_shown() {
    let controller = Controller::start().await;
    let foreign = Controller::start().await;
    let token = foreign.token(|_| {});
    let config = enrolment_client_config(token.authority).unwrap();
    let error = connect(&controller.address, config).await.unwrap_err();
    assert!(error.reason.contains("is not the one that the join token names"), "{error}");
    assert_eq!(*controller.records.lookups.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_token_is_good_once() {
    let controller = Controller::start().await;
    let token = controller.token(|_| {});
    enrol(&controller, &token, "web01").await.unwrap();
    let status = enrol(&controller, &token, "web02").await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(
        status.message(),
        "the join token has been used already; make a new one with `muster token create`"
    );
    assert_eq!(controller.records.agents.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn two_at_once_with_one_token_get_one_certificate() {
    let controller = Controller::start().await;
    let token = controller.token(|_| {});
    let names: Vec<String> = (0..8).map(|number| format!("web{number}")).collect();
    let tries = names.iter().map(|name| enrol(&controller, &token, name));
    let results = futures::future::join_all(tries).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
}

#[tokio::test]
async fn bad_tokens_and_requests_buy_nothing() {
    let controller = Controller::start().await;
    let check = async |token: &JoinToken, hostname: &str, code: Code, expected: &str| {
        let status = enrol(&controller, token, hostname).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(expected), "{status}");
    };
    let denied = Code::PermissionDenied;
    let over = controller.token(|token| token.ends = Timestamp::now() - Duration::from_secs(1));
    check(&over, "web01", denied, "the join token ended at").await;
    let revoked = controller.token(|token| token.is_revoked = true);
    check(&revoked, "web01", denied, "was revoked").await;
    let unknown = JoinToken::generate(controller.authority.fingerprint());
    check(&unknown, "web01", denied, "is not known here").await;
    let bound = controller.token(|token| token.name = Some("db01".into()));
    check(&bound, "web01", denied, "for a host named `db01`, not `web01`").await;
    let good = controller.token(|_| {});
    let name = "cannot be a host's name";
    for bad in ["", "a b", "../etc", "a\u{1b}[2J", &"x".repeat(254)] {
        check(&good, bad, Code::InvalidArgument, name).await;
    }
    enrol(&controller, &bound, "").await.expect("a bound token brings its name");
    check(&good, "db01", Code::AlreadyExists, "the name `db01` belongs to agent").await;
    enrol(&controller, &good, "web01").await.expect("nothing of this has burned the token");
}

#[tokio::test]
async fn a_proof_is_for_one_request() {
    let controller = Controller::start().await;
    let token = controller.token(|_| {});
    let key = CertificateRequest::generate().unwrap();
    let check = async |change: fn(&mut EnrollRequest), code: Code, expected: &str| {
        let mut request = request(&token, key.csr(), "web01");
        change(&mut request);
        let status = send(&controller, &token, request).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(expected), "{status}");
    };
    let denied = Code::PermissionDenied;
    check(|request| request.proof[0] ^= 1, denied, "the proof does not fit").await;
    check(|request| request.proof.clear(), denied, "the proof does not fit").await;
    let other = |request: &mut EnrollRequest| {
        request.csr = CertificateRequest::generate().unwrap().csr().to_vec();
    };
    check(other, denied, "the proof does not fit").await;
    let invalid = Code::InvalidArgument;
    check(|request| request.token_id.clear(), invalid, "`token_id` is not a token id").await;
    let old = |request: &mut EnrollRequest| {
        (request.min_protocol, request.protocol_version) = (8, 9);
    };
    check(old, Code::FailedPrecondition, "no common protocol").await;
    let junk = b"not a request";
    let request = request(&token, junk, "web01");
    let status = send(&controller, &token, request).await.unwrap_err();
    assert!(status.message().contains("it is not PKCS#10"), "{status}");
}

#[tokio::test]
async fn what_a_request_wants_to_be_is_ignored() {
    let controller = Controller::start().await;
    let token = controller.token(|_| {});
    let key = KeyPair::generate().unwrap();
    let names = ["evil.example".to_owned(), identity::SERVER_NAME.to_owned()];
    let mut params = CertificateParams::new(names).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let csr = params.serialize_request(&key).unwrap();
    let response = send(&controller, &token, request(&token, csr.der(), "web01")).await.unwrap();
    // `Peer::of` refuses a certificate with any other name in it than the identity.
    let peer = Peer::of(&response.certificate.as_slice().into()).unwrap();
    assert_eq!(peer.identity.to_string(), format!("agent {}", response.agent_id));
    let (_, parsed) = x509_parser::parse_x509_certificate(&response.certificate).unwrap();
    assert!(!parsed.is_ca());
}

#[tokio::test]
async fn a_certificate_that_ends_ends_its_connections() {
    let controller = Controller::start().await;
    let validity = identity::Validity::of(Duration::from_secs(2));
    let credentials = controller.agent("web01", validity);
    let channel = connect(&controller.address, client_config(&credentials).unwrap()).await;
    let mut agent = FakeAgent::join(channel.unwrap(), hello("a", &[])).await;
    let end = agent.try_next().await;
    assert!(matches!(end, Err(_) | Ok(None)), "{end:?}");
    assert!(Timestamp::now() >= credentials.peer().unwrap().ends);
}
