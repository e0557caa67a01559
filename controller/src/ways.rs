//! All ways to hosts together: in process, ssh, and (on a server) resident agents.

use std::sync::Arc;

use async_trait::async_trait;
use engine::link::{Connection, Link, Links, Target, Unreachable};
use executor::Executor;
use links::{BlobDirectory, GrpcLinks, InProcessLinks, SshLinks, SshSettings};
use model::HostName;

/// Opens each target by its connection.
pub(crate) struct Ways {
    local: InProcessLinks,
    ssh: SshLinks,
    agents: Option<GrpcLinks>,
}

impl Ways {
    /// Ways whose hosts find contents in `blobs`. Without `agents` this process is no server.
    pub(crate) fn new(blobs: &Arc<BlobDirectory>, agents: Option<GrpcLinks>) -> Self {
        Self {
            local: InProcessLinks::new(Executor::default(), blobs.clone()),
            ssh: SshLinks::new(SshSettings::default(), blobs.clone()),
            agents,
        }
    }
}

#[async_trait]
impl Links for Ways {
    async fn open(&self, target: &Target) -> Result<Arc<dyn Link>, Unreachable> {
        match (target.connection, &self.agents) {
            (Connection::Local, _) => self.local.open(target).await,
            (Connection::Ssh, _) => self.ssh.open(target).await,
            (Connection::Agent, Some(agents)) => agents.open(target).await,
            (Connection::Agent, None) => Err(Unreachable {
                message: format!(
                    "{} is reached through its agent, and agents are connected to a controller: \
                     name it with --controller or MUSTER_CONTROLLER (`muster serve` starts one)",
                    target.host
                ),
            }),
        }
    }

    async fn default_connection(&self, host: &HostName) -> Connection {
        match &self.agents {
            Some(agents) => agents.default_connection(host).await,
            None => Connection::Ssh,
        }
    }

    async fn close(&self) {
        self.ssh.close().await;
        self.local.close().await;
    }
}
