//! What the controller has to keep for its agents, as a trait: the store stands behind it.

use async_trait::async_trait;
use identity::{Peer, Serial, TokenId, TokenRecord};
use jiff::Timestamp;
use model::{AgentId, Args, HostName};
use proto::{Hello, Report};

/// The records cannot be read or written now; agents keep what they have to say and come back.
#[derive(Debug, thiserror::Error)]
#[error("the controller's records are not available")]
pub struct Unavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// An agent whose certificate was just signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAgent {
    /// The token that it came with, to be burned.
    pub token: TokenId,
    /// Its identity.
    pub id: AgentId,
    /// The name under which it is to be known.
    pub name: HostName,
    /// Its certificate's number.
    pub serial: Serial,
    /// When its certificate ends.
    pub certificate_ends: Timestamp,
    /// The program's version, for people.
    pub agent_version: String,
}

/// Why an agent is not admitted after all.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// Another request with the same token was faster, or it was revoked meanwhile.
    #[error("the join token has been used already; make a new one with `muster token create`")]
    TokenUsed,
    /// A host of that name is there already, and its agent is not revoked.
    #[error(
        "the name `{name}` belongs to agent {holder}; if this host replaces it, revoke that one \
         first: `muster agents revoke {holder}`"
    )]
    NameTaken {
        /// The name.
        name: HostName,
        /// Who has it.
        holder: AgentId,
    },
    /// The records are not available.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The controller's records of tokens, agents and reports.
///
/// Contract:
/// - What a method has returned `Ok` for survives a crash of the controller.
/// - [`Registry::is_revoked`] is asked for every RPC and every few seconds for every connection: it looks into memory.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// Grows with each start of the controller.
    fn epoch(&self) -> u64;

    /// Whether an identity or its certificate was taken away.
    fn is_revoked(&self, peer: &Peer) -> bool;

    /// What is known of a token.
    async fn token(&self, id: TokenId) -> Result<Option<TokenRecord>, Unavailable>;

    /// In one transaction: burns the token if it is still good, and makes the agent known. A name may go over from a
    /// revoked agent, or from one that has never connected.
    async fn admit(&self, agent: NewAgent) -> Result<(), AdmitError>;

    /// An agent has a new certificate. The old one stays good until it ends.
    async fn renewed(
        &self,
        agent: AgentId,
        serial: Serial,
        ends: Timestamp,
    ) -> Result<(), Unavailable>;

    /// The agent, not revoked, that is enrolled under a name.
    async fn agent_named(&self, name: &HostName) -> Result<Option<AgentId>, Unavailable>;

    /// An agent opened a session.
    async fn connected(&self, agent: AgentId, hello: &Hello) -> Result<(), Unavailable>;

    /// An agent's session ended.
    async fn disconnected(&self, agent: AgentId);

    /// Keeps what an agent reports; the agent forgets it after this. The same report may come again, with another
    /// number too: `(plan, step, started | finished)` and `(plan, ended)` say what it is, and the first one counts.
    /// Reports of plans that were not sent to this agent are dropped (and are `Ok`).
    async fn record(&self, agent: AgentId, reports: &[Report]) -> Result<(), Unavailable>;

    /// Keeps what a host says it is.
    async fn learn(&self, agent: AgentId, facts: Args) -> Result<(), Unavailable>;
}
