//! Enrolment: trades a join token for an identity. The controller is checked against the token before it is used.

use identity::{CertificateRequest, JoinToken, RequestError, TlsError};
use model::ParseIdError;
use proto::v1::EnrollRequest;
use proto::v1::enrolment_client::EnrolmentClient;
use proto::{MIN_PROTOCOL, PROTOCOL_VERSION};

use crate::dial::dial;
use crate::state::{Enrolment, State, StateError};

/// Why a host did not get an identity.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// It has one already.
    #[error(
        "this host is enrolled already as `{name}` ({controller}); `--force` gives it a new identity"
    )]
    AlreadyEnrolled {
        /// As what.
        name: String,
        /// Where.
        controller: String,
    },
    /// TLS does not take the token's fingerprint.
    #[error("cannot prepare the connection")]
    Tls(#[from] TlsError),
    /// The controller cannot be reached, or is another one.
    #[error("cannot reach the controller: {0}")]
    Connection(String),
    /// The controller says no.
    #[error("the controller refused: {0}")]
    Refused(String),
    /// A key cannot be made, or the answer does not fit it.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The answer has no valid agent id.
    #[error("the controller's answer cannot be used")]
    Answer(#[from] ParseIdError),
    /// The identity cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Enrols this host and keeps its identity.
pub async fn enrol(
    state: &State,
    controller: &str,
    token: &JoinToken,
    name: String,
    force: bool,
) -> Result<Enrolment, EnrolError> {
    if state.is_enrolled() && !force {
        let (known, _) = state.load()?;
        return Err(EnrolError::AlreadyEnrolled { name: known.name, controller: known.controller });
    }
    // Before the token is used up: a directory that cannot be written is found out now.
    state.create()?;
    let _lock = state.lock()?;
    let tls = identity::enrolment_client_config(token.authority)?;
    let channel = dial(controller, tls).await.map_err(EnrolError::Connection)?;
    let request = CertificateRequest::generate()?;
    let answer = EnrolmentClient::new(channel)
        .enroll(EnrollRequest {
            token_id: token.id.0.to_vec(),
            csr: request.csr().to_vec(),
            proof: token.prove(request.csr()),
            protocol_version: PROTOCOL_VERSION,
            min_protocol: MIN_PROTOCOL,
            hostname: name,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        })
        .await
        .map_err(|status| EnrolError::Refused(status.message().to_owned()))?
        .into_inner();
    let credentials = request.complete(answer.certificate, answer.ca)?;
    let enrolment = Enrolment {
        controller: controller.to_owned(),
        agent_id: answer.agent_id.parse()?,
        name: answer.name,
        min_protocol: answer.min_protocol,
    };
    state.save(&enrolment, &credentials)?;
    Ok(enrolment)
}
