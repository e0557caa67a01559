//! The way to a host, as the engine sees it. `links` has the ways there are: in process, gRPC, SSH.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use model::{DeployPlan, Digest, HostName, Secret, StepReport};
use tokio::sync::mpsc;

/// A host did not answer: what was tried and how it failed, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unreachable {
    /// The whole message, causes included.
    pub message: String,
}

/// Where and how to reach a host: `ansible_connection`, `ansible_host`, `ansible_port`, `ansible_user`... resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The host's name in the inventory.
    pub host: HostName,
    /// Which way.
    pub connection: Connection,
    /// `ansible_host`, else the name.
    pub address: String,
    /// `ansible_port`.
    pub port: Option<u16>,
    /// `ansible_user` or `remote_user`.
    pub user: Option<String>,
    /// `ansible_password`.
    pub password: Option<Secret<String>>,
    /// `ansible_ssh_private_key_file`.
    pub private_key: Option<PathBuf>,
    /// `ansible_ssh_common_args` and `ansible_ssh_extra_args`, split into words.
    pub ssh_args: Vec<String>,
    /// `ansible_host_key_checking` is not false.
    pub host_key_checking: bool,
    /// Seconds to wait for a connection (`timeout`).
    pub connect_timeout: std::time::Duration,
    /// Variables under `ansible_` that a link may want and the engine does not know.
    pub options: BTreeMap<String, String>,
}

/// The ways to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Connection {
    /// In this process.
    Local,
    /// The system's `ssh`, and `muster-agent --stdio` at the other end.
    Ssh,
    /// A resident agent, enrolled under the host's name or address.
    Agent,
}

/// Opens links. Links are kept: opening the same target again gives the open one back.
#[async_trait]
pub trait Links: Send + Sync {
    /// A link to the target.
    async fn open(&self, target: &Target) -> Result<Arc<dyn Link>, Unreachable>;

    /// Which connection a host takes when its variables do not say (`ansible_connection` unset or `smart`):
    /// [`Connection::Agent`] when an agent is enrolled under its name, else [`Connection::Ssh`].
    async fn default_connection(&self, host: &HostName) -> Connection;

    /// Closes all links; called once, at the end of a run.
    async fn close(&self);
}

/// One host's end of the wire.
///
/// Contract, the same for every link (one test suite runs against all of them):
/// - Reports of a plan arrive in the order of the host; each step that began has one `Started` and at most one `Finished`.
/// - `Ok(())` means: every step of the plan that was to run has been reported as finished. A failed step is data.
/// - `Err` means: the host did not answer (any more). Steps without a `Finished` report have an unknown fate.
/// - A plan id that the host has seen is answered from its ledger; nothing runs twice unknowingly.
/// - Dropping the future cancels the plan on the host.
#[async_trait]
pub trait Link: Send + Sync {
    /// Carries out a plan.
    async fn run(
        &self,
        plan: DeployPlan,
        reports: mpsc::Sender<StepReport>,
    ) -> Result<(), Unreachable>;
}

/// Where the engine leaves contents for hosts to fetch, by digest, when they turn out to need them.
pub trait BlobStore: Send + Sync {
    /// Keeps some bytes for the run.
    fn add(&self, bytes: &[u8]) -> std::io::Result<Digest>;
    /// Keeps a copy of a file for the run; returns its digest and size.
    fn add_file(&self, path: &Path) -> std::io::Result<(Digest, u64)>;
}
