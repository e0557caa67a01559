//! `connection: local`: the executor in this very process, contents straight from the blob store.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use engine::link::{Connection, Link, Links, Target, Unreachable};
use executor::{Cancel, Executor};
use model::{DeployPlan, Digest, HostName, PlanId, StepReport};
use system::BlobSource;
use tokio::sync::mpsc;

use crate::BlobDirectory;

/// Plans that are remembered, so that none is carried out twice.
const REMEMBERED: usize = 4096;

/// This machine. All hosts with this connection share one executor, and so its become workers.
pub struct InProcessLinks {
    process: Arc<InProcess>,
}

struct InProcess {
    executor: Executor,
    blobs: Arc<dyn BlobSource>,
    seen: Mutex<VecDeque<PlanId>>,
}

impl InProcessLinks {
    /// Links whose steps find their contents in a directory.
    pub fn new(executor: Executor, blobs: Arc<BlobDirectory>) -> Self {
        let blobs = Arc::new(LocalBlobs(blobs));
        Self { process: Arc::new(InProcess { executor, blobs, seen: Mutex::default() }) }
    }
}

#[async_trait]
impl Links for InProcessLinks {
    async fn open(&self, _target: &Target) -> Result<Arc<dyn Link>, Unreachable> {
        Ok(Arc::new(Here(Arc::clone(&self.process))))
    }

    async fn default_connection(&self, _host: &HostName) -> Connection {
        Connection::Local
    }

    async fn close(&self) {
        let process = Arc::clone(&self.process);
        // It waits for processes to end. A panic in it has been shown by the thread itself.
        let _ = tokio::task::spawn_blocking(move || process.executor.release_workers()).await;
    }
}

/// Cancels when the future that runs a plan is dropped.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl InProcess {
    /// Remembers a plan. False: it has been seen before.
    fn is_new(&self, plan: PlanId) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(&plan) {
            return false;
        }
        if seen.len() == REMEMBERED {
            seen.pop_front();
        }
        seen.push_back(plan);
        true
    }
}

/// The link to this machine.
struct Here(Arc<InProcess>);

#[async_trait]
impl Link for Here {
    async fn run(
        &self,
        plan: DeployPlan,
        reports: mpsc::Sender<StepReport>,
    ) -> Result<(), Unreachable> {
        if !self.0.is_new(plan.id) {
            let message = format!("plan {} was carried out before", plan.id);
            return Err(Unreachable { message });
        }
        let cancel = CancelOnDrop(Cancel::default());
        let (process, stop) = (Arc::clone(&self.0), cancel.0.clone());
        let running = tokio::task::spawn_blocking(move || {
            process.executor.run_plan(&plan, &process.blobs, &stop, &|report| {
                // Whoever does not listen any more has cancelled the plan; output does not wait for a slow reader.
                let _ = match report {
                    StepReport::Output { .. } => reports.try_send(report).is_ok(),
                    _ => reports.blocking_send(report).is_ok(),
                };
            });
        });
        running.await.map_err(|error| Unreachable { message: format!("a bug in Muster: {error}") })
    }
}

struct LocalBlobs(Arc<BlobDirectory>);

impl BlobSource for LocalBlobs {
    fn open(&self, digest: Digest) -> system::Result<Box<dyn Read + Send>> {
        let failed = |reason: String| system::Error::Blob { digest, reason };
        let path = self.0.find(digest).ok_or_else(|| failed("it is not there".to_owned()))?;
        let file = File::open(path).map_err(|error| failed(error.to_string()))?;
        Ok(Box::new(file))
    }
}
