//! Resident agents: they dial the controller, and stay.
//!
//! [`Gateway`] is the controller's side of the wire: it enrols agents, keeps one [`AgentLink`] for each, and serves
//! connections. [`GrpcLinks`] finds the link of a host for the engine.

mod agents;
mod enrolment;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use engine::link::{Connection, Link, Links, Target, Unreachable};
use identity::{Authority, Identity, Peer};
use jiff::Timestamp;
use model::{AgentId, HostName};
use proto::v1::agents_server::AgentsServer;
use proto::v1::enrolment_server::EnrolmentServer;
use proto::{Goodbye, GoodbyeReason, MAX_MESSAGE};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tower::layer::util::{Identity as NoLayer, Stack};

use crate::access::AccessLayer;
use crate::blobs::BlobDirectory;
use crate::registry::{Registry, Unavailable};
use crate::session::{AgentLink, Timing};
use crate::tls::{self, Connections};
use agents::{AgentsService, Whose};
use enrolment::EnrolmentService;

/// How often open connections are looked at. Together with [`PARTING`] well below five seconds.
const SWEEP: Duration = Duration::from_secs(2);

/// From the goodbye to the cut.
const PARTING: Duration = Duration::from_millis(500);

/// How long agents and operators have to close their connections when the controller stops.
const STOPPING: Duration = Duration::from_secs(3);

/// The controller's side of the wire.
pub struct Gateway {
    registry: Arc<dyn Registry>,
    authority: Arc<Authority>,
    blobs: Arc<BlobDirectory>,
    settings: GatewaySettings,
    links: Mutex<HashMap<AgentId, Arc<AgentLink>>>,
}

/// What an administrator may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewaySettings {
    /// How long an agent's certificate is good.
    pub agent_lifetime: Duration,
    /// How long is waited for what.
    pub timing: Timing,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self { agent_lifetime: identity::DEFAULT_AGENT_LIFETIME, timing: Timing::default() }
    }
}

impl Gateway {
    /// A gateway without connections.
    pub fn new(
        registry: Arc<dyn Registry>,
        authority: Arc<Authority>,
        blobs: Arc<BlobDirectory>,
        settings: GatewaySettings,
    ) -> Arc<Self> {
        Arc::new(Self { registry, authority, blobs, settings, links: Mutex::default() })
    }

    /// The services for agents. The controller adds its own with [`Routes::add_service`].
    pub fn routes(self: &Arc<Self>) -> Routes {
        let enrolment = EnrolmentServer::new(EnrolmentService { gateway: self.clone() })
            .max_decoding_message_size(MAX_MESSAGE);
        Routes::new(enrolment)
            .add_service(agents_server(Whose::Resident(self.clone()), &self.blobs))
    }

    /// Serves connections until `stop`; then says goodbye to all agents. Every request passes the table of
    /// [`crate::ACCESS`], also those to services that the controller added.
    pub async fn serve(
        self: &Arc<Self>,
        listener: TcpListener,
        tls: Arc<ArcSwap<ServerConfig>>,
        routes: Routes,
        stop: CancellationToken,
    ) -> Result<(), tonic::transport::Error> {
        let connections = Arc::new(Connections::default());
        let accepted = tls::accept(listener, tls, connections.clone());
        let incoming = ReceiverStream::new(accepted).map(Ok::<_, std::io::Error>);
        let sweeper = tokio::spawn(sweep(self.clone(), connections.clone()));
        let server = server(Some(self.registry.clone()))
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
        let farewell = async {
            stop.cancelled().await;
            self.close_all();
            sleep(STOPPING).await;
            for (_, cut) in connections.unwanted(|_| true) {
                cut.cancel();
            }
            // What is still open has no certificate, and nothing to lose.
            sleep(PARTING).await;
        };
        let result = tokio::select! {
            result = server => result,
            () = farewell => Ok(()),
        };
        sweeper.abort();
        result
    }

    /// Agents with an open session.
    pub fn connected(&self) -> Vec<AgentId> {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.iter().filter(|(_, link)| link.is_connected()).map(|(id, _)| *id).collect()
    }

    /// The link of an agent.
    pub fn link(&self, agent: AgentId) -> Arc<AgentLink> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links
            .entry(agent)
            .or_insert_with(|| AgentLink::new(format!("agent {agent}"), self.settings.timing))
            .clone()
    }

    fn close_all(&self) {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        for link in links.values() {
            link.close(Goodbye {
                reason: GoodbyeReason::Stopping,
                message: "the controller stops".into(),
                retry_after: Duration::from_secs(1),
            });
        }
    }

    async fn find(&self, target: &Target) -> Result<Option<AgentId>, Unavailable> {
        if let Some(agent) = self.registry.agent_named(&target.host).await? {
            return Ok(Some(agent));
        }
        self.registry.agent_named(&HostName::new(target.address.as_str())).await
    }
}

/// Finds the links of hosts with resident agents.
pub struct GrpcLinks {
    gateway: Arc<Gateway>,
}

impl GrpcLinks {
    /// The links of a gateway.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }
}

#[async_trait]
impl Links for GrpcLinks {
    async fn open(&self, target: &Target) -> Result<Arc<dyn Link>, Unreachable> {
        let host = &target.host;
        let unreachable = |message: String| Unreachable { message };
        let agent = self
            .gateway
            .find(target)
            .await
            .map_err(|error| unreachable(format!("cannot look for the agent of {host}: {error}")))?
            .ok_or_else(|| {
                let tried = if target.address == host.as_str() {
                    format!("`{host}`")
                } else {
                    format!("`{host}` or `{}`", target.address)
                };
                unreachable(format!("no agent is enrolled as {tried}"))
            })?;
        let link = self.gateway.link(agent);
        link.wait_connected(target.connect_timeout).await?;
        Ok(link)
    }

    async fn default_connection(&self, host: &HostName) -> Connection {
        match self.gateway.registry.agent_named(host).await {
            Ok(Some(_)) => Connection::Agent,
            Ok(None) => Connection::Ssh,
            Err(error) => {
                tracing::error!("{error}: {}", error.0);
                Connection::Ssh
            }
        }
    }

    /// Agents stay connected between runs.
    async fn close(&self) {}
}

/// Serves an agent that we started ourselves: the peer of `io` is trusted to be the agent behind `link`, and no one
/// records what it reports. Returns at once; the connection lives until `io` ends, `cut` is cancelled, or the link is
/// closed.
pub fn serve_child<Io>(
    io: Io,
    link: Arc<AgentLink>,
    blobs: &Arc<BlobDirectory>,
    cut: CancellationToken,
) where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = tls::Connection::to_child(io, cut);
    let incoming = tokio_stream::once(Ok::<_, std::io::Error>(connection));
    let routes = Routes::new(agents_server(Whose::Child(link), blobs));
    tokio::spawn(server(None).add_routes(routes).serve_with_incoming(incoming));
}

fn agents_server(whose: Whose, blobs: &Arc<BlobDirectory>) -> AgentsServer<AgentsService> {
    AgentsServer::new(AgentsService { whose, blobs: blobs.clone() })
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE)
}

/// HTTP/2 with its limits, behind the table of access.
fn server(registry: Option<Arc<dyn Registry>>) -> Server<Stack<AccessLayer, NoLayer>> {
    Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .http2_max_header_list_size(16 << 10)
        .max_concurrent_streams(64)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(8 << 20)
        .layer(AccessLayer { registry })
}

/// Cuts connections whose certificate was revoked or has ended.
async fn sweep(gateway: Arc<Gateway>, connections: Arc<Connections>) {
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = Timestamp::now();
        let is_revoked = |peer: &Peer| gateway.registry.is_revoked(peer);
        for (peer, cut) in connections.unwanted(|peer| peer.ends <= now || is_revoked(peer)) {
            tracing::warn!("cutting the connection of {}", peer.identity);
            if let Identity::Agent(agent) = peer.identity
                && is_revoked(&peer)
            {
                gateway.link(agent).close(Goodbye {
                    reason: GoodbyeReason::Revoked,
                    message: "this agent was revoked; enrol the host anew if it should come back"
                        .into(),
                    retry_after: Duration::from_mins(5),
                });
            }
            tokio::spawn(async move {
                // The goodbye goes first.
                let _ = timeout(PARTING, cut.cancelled()).await;
                cut.cancel();
            });
        }
    }
}
