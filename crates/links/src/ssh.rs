//! Hosts without an agent of their own: the system's `ssh`, and `muster-agent --stdio` at the other end.
//!
//! `~/.ssh/config`, agents, jump hosts and known hosts work, because it is the system's `ssh`. A host needs sshd and a
//! POSIX shell. One connection a host and run: it brings the program if it is not there yet, and then carries the same
//! protocol that resident agents speak.

mod bootstrap;
mod child;
mod command;
mod failure;
mod program;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use engine::link::{Connection, Link, Links, Target, Unreachable};
use model::HostName;
use tokio::sync::OnceCell;

use crate::session::Timing;
use crate::{AgentLink, BlobDirectory};
use child::Child;

/// What is the same for all hosts.
#[derive(Debug, Clone, Default)]
pub struct SshSettings {
    /// The agent to bring to hosts; `None`: `MUSTER_AGENT_BINARY`, else `muster-agent` beside the running program.
    pub agent: Option<PathBuf>,
    /// How long is waited for what.
    pub timing: Timing,
}

/// Opens and keeps connections through `ssh`.
pub struct SshLinks {
    settings: SshSettings,
    blobs: Arc<BlobDirectory>,
    children: Mutex<HashMap<Key, Arc<OnceCell<Child>>>>,
}

/// What makes two targets the same connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    address: String,
    port: Option<u16>,
    user: Option<String>,
    identity: Option<PathBuf>,
    ssh_args: Vec<String>,
}

impl From<&Target> for Key {
    fn from(target: &Target) -> Self {
        Self {
            address: target.address.clone(),
            port: target.port,
            user: target.user.clone(),
            identity: target.private_key.clone(),
            ssh_args: target.ssh_args.clone(),
        }
    }
}

impl SshLinks {
    /// No connections yet. Contents for the hosts are in `blobs`.
    pub fn new(settings: SshSettings, blobs: Arc<BlobDirectory>) -> Self {
        Self { settings, blobs, children: Mutex::default() }
    }

    fn cell(&self, target: &Target) -> Arc<OnceCell<Child>> {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = children.entry(target.into()).or_default();
        if cell.get().is_some_and(|child| !child.is_alive()) {
            *cell = Arc::default();
        }
        Arc::clone(cell)
    }
}

#[async_trait]
impl Links for SshLinks {
    async fn open(&self, target: &Target) -> Result<Arc<dyn Link>, Unreachable> {
        // Who comes second waits for the first; after a failure the next one tries again.
        let cell = self.cell(target);
        let child = cell
            .get_or_try_init(|| Child::start(target, &self.settings, &self.blobs))
            .await
            .map_err(|message| Unreachable { message })?;
        let link: Arc<AgentLink> = child.link();
        link.wait_connected(self.settings.timing.hello).await?;
        Ok(link)
    }

    async fn default_connection(&self, _host: &HostName) -> Connection {
        Connection::Ssh
    }

    async fn close(&self) {
        let children = {
            let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *children)
        };
        futures::future::join_all(children.values().map(|cell| async {
            if let Some(child) = cell.get() {
                child.close().await;
            }
        }))
        .await;
    }
}
