//! The one service without a certificate: a join token buys one.

use std::sync::Arc;

use async_trait::async_trait;
use identity::{TokenError, TokenId, Validity};
use jiff::Timestamp;
use model::{AgentId, HostName};
use proto::v1::enrolment_server::Enrolment;
use proto::{MIN_PROTOCOL, ProtocolRange, negotiate, v1};
use tonic::{Request, Response, Status};

use super::Gateway;
use super::agents::unavailable;
use crate::registry::{AdmitError, NewAgent};

/// As long as a DNS name.
const MAX_NAME: usize = 253;

/// The service.
pub(crate) struct EnrolmentService {
    pub(crate) gateway: Arc<Gateway>,
}

#[async_trait]
impl Enrolment for EnrolmentService {
    async fn enroll(
        &self,
        request: Request<v1::EnrollRequest>,
    ) -> Result<Response<v1::EnrollResponse>, Status> {
        let request = request.into_inner();
        let gateway = &self.gateway;
        let theirs = ProtocolRange { min: request.min_protocol, max: request.protocol_version };
        negotiate(ProtocolRange::OURS, theirs)
            .map_err(|error| Status::failed_precondition(error.to_string()))?;
        let token = request
            .token_id
            .as_slice()
            .try_into()
            .map(TokenId)
            .map_err(|_| Status::invalid_argument("`token_id` is not a token id (16 bytes)"))?;
        let record = gateway.registry.token(token).await.map_err(unavailable)?;
        let record = record.ok_or(TokenError::Unknown).map_err(denied)?;
        let name = match &record.name {
            Some(name) if request.hostname.is_empty() => name.clone(),
            _ => host_name(&request.hostname)?,
        };
        record.judge(&request.csr, &request.proof, &name, Timestamp::now()).map_err(denied)?;

        let id = AgentId::generate();
        let validity = Validity::of(gateway.settings.agent_lifetime);
        let issued = gateway
            .authority
            .issue_agent(&request.csr, id, validity)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let agent = NewAgent {
            token,
            id,
            name: name.clone(),
            serial: issued.serial,
            certificate_ends: issued.ends,
            agent_version: request.agent_version.chars().take(MAX_NAME).collect(),
        };
        gateway.registry.admit(agent).await.map_err(|error| match error {
            AdmitError::TokenUsed => Status::permission_denied(error.to_string()),
            AdmitError::NameTaken { .. } => Status::already_exists(error.to_string()),
            AdmitError::Unavailable(error) => unavailable(error),
        })?;
        tracing::info!(%token, agent = %id, %name, "enrolled");
        Ok(Response::new(v1::EnrollResponse {
            certificate: issued.certificate.to_vec(),
            ca: vec![gateway.authority.certificate().to_vec()],
            agent_id: id.to_string(),
            name: name.to_string(),
            min_protocol: MIN_PROTOCOL,
        }))
    }
}

fn denied(error: TokenError) -> Status {
    tracing::warn!("refused to enrol: {error}");
    Status::permission_denied(error.to_string())
}

/// A label that is harmless wherever it is shown, and that an inventory can spell.
fn host_name(text: &str) -> Result<HostName, Status> {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "-._".contains(char);
    if text.is_empty() || text.len() > MAX_NAME || !text.chars().all(is_plain) {
        let message = format!(
            "{text:?} cannot be a host's name: 1 to {MAX_NAME} letters, digits, `-`, `.` and `_`"
        );
        return Err(Status::invalid_argument(message));
    }
    Ok(HostName::new(text))
}
