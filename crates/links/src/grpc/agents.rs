//! The service that agents call.

use std::sync::Arc;

use async_trait::async_trait;
use identity::Validity;
use model::{AgentId, Args, Digest};
use proto::v1::agents_server::Agents;
use proto::{Hello, Report, v1};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::Gateway;
use crate::access::Caller;
use crate::blobs::{self, BlobDirectory, BlobStream};
use crate::registry::{Registry, Unavailable};
use crate::session::{AgentLink, Journal, Session};
use crate::tls::agent_of;

/// Messages to an agent that wait to be sent.
const OUTGOING: usize = 64;

/// The service, for all resident agents or for one child.
pub(crate) struct AgentsService {
    pub(crate) whose: Whose,
    pub(crate) blobs: Arc<BlobDirectory>,
}

/// Who may call.
pub(crate) enum Whose {
    /// The certificate says who calls.
    Resident(Arc<Gateway>),
    /// There is only one who could.
    Child(Arc<AgentLink>),
}

#[async_trait]
impl Agents for AgentsService {
    type ConnectStream = ReceiverStream<Result<v1::ControllerMessage, Status>>;
    type GetBlobStream = BlobStream;

    async fn connect(
        &self,
        request: Request<Streaming<v1::AgentMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (out, messages) = mpsc::channel(OUTGOING);
        let session = match &self.whose {
            Whose::Resident(gateway) => {
                let agent = calling_agent(&request)?;
                let journal = RegistryJournal { agent, registry: gateway.registry.clone() };
                Session {
                    link: gateway.link(agent),
                    journal: Arc::new(journal),
                    epoch: gateway.registry.epoch(),
                    out,
                }
            }
            Whose::Child(link) => {
                Session { link: link.clone(), journal: Arc::new(NoJournal), epoch: 1, out }
            }
        };
        tokio::spawn(session.serve(request.into_inner()));
        Ok(Response::new(ReceiverStream::new(messages)))
    }

    async fn get_blob(
        &self,
        request: Request<v1::GetBlobRequest>,
    ) -> Result<Response<Self::GetBlobStream>, Status> {
        let request = request.into_inner();
        let digest =
            request.digest.try_into().map(Digest).map_err(|_| {
                Status::invalid_argument("`digest` is not a SHA-256 digest (32 bytes)")
            })?;
        Ok(Response::new(blobs::stream(self.blobs.clone(), digest, request.offset)))
    }

    async fn renew(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::RenewResponse>, Status> {
        let Whose::Resident(gateway) = &self.whose else {
            return Err(Status::failed_precondition("this connection needs no certificate"));
        };
        let agent = calling_agent(&request)?;
        let validity = Validity::of(gateway.settings.agent_lifetime);
        let issued = gateway
            .authority
            .issue_agent(&request.get_ref().csr, agent, validity)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        gateway.registry.renewed(agent, issued.serial, issued.ends).await.map_err(unavailable)?;
        Ok(Response::new(v1::RenewResponse {
            certificate: issued.certificate.to_vec(),
            ca: vec![gateway.authority.certificate().to_vec()],
        }))
    }
}

fn calling_agent<T>(request: &Request<T>) -> Result<AgentId, Status> {
    agent_of(request.extensions().get::<Caller>())
        .ok_or_else(|| Status::permission_denied("only an agent can call this"))
}

/// What a caller learns when the records are not available; the log has the rest.
pub(crate) fn unavailable(error: Unavailable) -> Status {
    tracing::error!("{error}: {}", error.0);
    Status::unavailable(error.to_string())
}

/// The controller's records, of one agent.
struct RegistryJournal {
    agent: AgentId,
    registry: Arc<dyn Registry>,
}

#[async_trait]
impl Journal for RegistryJournal {
    async fn connected(&self, hello: &Hello) -> Result<(), Unavailable> {
        self.registry.connected(self.agent, hello).await
    }

    async fn disconnected(&self) {
        self.registry.disconnected(self.agent).await;
    }

    async fn record(&self, reports: &[Report]) -> Result<(), Unavailable> {
        self.registry.record(self.agent, reports).await
    }

    async fn learn(&self, facts: Args) -> Result<(), Unavailable> {
        self.registry.learn(self.agent, facts).await
    }
}

/// For children: the run that started one hears its reports, and nobody asks later.
struct NoJournal;

#[async_trait]
impl Journal for NoJournal {
    async fn connected(&self, _hello: &Hello) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn disconnected(&self) {}

    async fn record(&self, _reports: &[Report]) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn learn(&self, _facts: Args) -> Result<(), Unavailable> {
        Ok(())
    }
}
