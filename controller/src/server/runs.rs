//! Runs on the server: each is a task of its own, and goes on when nobody watches.
//!
//! The events in the store are the truth. A watcher is woken by a run's progress and reads what is new from there: it can
//! neither miss nor repeat an event, and a slow one holds nobody up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::link::Links;
use links::{BlobDirectory, Gateway, GrpcLinks};
use model::{EventKind, RunId, RunStatus};
use proto::v1::RunEvent;
use store::Store;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::departures::RecordedLinks;
use super::journal::{Journal, Pen, Progress};
use super::project::Project;
use super::records::Records;
use crate::error::chain;
use crate::runner::engine_run;
use crate::ways::Ways;

/// A cancelled run's hosts have so long to be told.
const FAREWELL: Duration = Duration::from_secs(3);

/// Events that a watcher is given at once.
const PAGE: u32 = 256;

/// Events that wait for a slow watcher; the rest waits in the store.
const WAITING: usize = 64;

/// A watcher's stream.
pub(crate) type Watch = tokio_stream::wrappers::ReceiverStream<Result<RunEvent, Status>>;

/// Starts, follows and cancels runs.
pub(crate) struct Runs {
    pub(crate) store: Store,
    pub(crate) records: Arc<Records>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) blobs: Arc<BlobDirectory>,
    /// The controller stops.
    pub(crate) stop: CancellationToken,
    active: Mutex<HashMap<RunId, Active>>,
}

/// A run that goes on.
struct Active {
    progress: watch::Receiver<Progress>,
    cancel: CancellationToken,
}

impl Runs {
    /// No run goes on.
    pub(crate) fn new(
        store: Store,
        records: Arc<Records>,
        gateway: Arc<Gateway>,
        blobs: Arc<BlobDirectory>,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self { store, records, gateway, blobs, stop, active: Mutex::default() })
    }

    /// No further run is taken.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// How many go on.
    pub(crate) fn count(&self) -> usize {
        self.active().len()
    }

    /// Starts a run of a project; returns once the store knows of it.
    pub(crate) async fn start(
        self: &Arc<Self>,
        project: Project,
        caller: String,
    ) -> Result<RunId, store::Error> {
        let run = store::Run::begun(project.title.clone(), caller);
        let id = run.id;
        self.store.start_run(&run).await?;
        tracing::info!(run = %id, title = run.title, caller = run.caller, "started");
        let (journal, pen, progress) =
            Journal::new(self.store.clone(), id, Some(project.names.clone()));
        let cancel = self.enter(id, progress);
        let runs = self.clone();
        tokio::spawn(async move {
            let keeping = tokio::spawn(journal.keep());
            let status = runs.carry_out(id, project, pen, cancel).await;
            match keeping.await {
                Ok(journal) => journal.finish(status).await,
                // The next start of the controller closes the run.
                Err(error) => tracing::error!(run = %id, "a bug in Muster: {error}"),
            }
            runs.leave(id);
            tracing::info!(run = %id, "ended");
        });
        Ok(id)
    }

    /// Plays the run. Gives the status that it has unless its last event says otherwise.
    async fn carry_out(
        &self,
        id: RunId,
        project: Project,
        pen: Pen,
        cancel: CancellationToken,
    ) -> RunStatus {
        let agents = GrpcLinks::new(self.gateway.clone());
        let links: Arc<dyn Links> = Arc::new(RecordedLinks {
            run: id,
            links: Arc::new(Ways::new(&self.blobs, Some(agents))),
            records: self.records.clone(),
            departures: pen.departures,
        });
        let Project { content, directory, .. } = project;
        let run = engine_run(content, links.clone(), self.blobs.clone(), pen.events.clone());
        let mut task = tokio::spawn(run.play());
        let (status, ended) = tokio::select! {
            ended = &mut task => (RunStatus::Aborted, ended),
            () = cancel.cancelled() => {
                task.abort();
                (RunStatus::Cancelled, task.await)
            }
        };
        if let Err(error) = ended
            && error.is_panic()
        {
            let message = format!("a bug in Muster: {error}; please report it");
            // The journal listens as long as the pen is there.
            let _ = pen.events.send(EventKind::Aborted { message });
        }
        let _ = timeout(FAREWELL, links.close()).await;
        drop(directory);
        status
    }

    /// Tells a run to stop. False: it does not go on any more.
    pub(crate) fn cancel(&self, run: RunId) -> bool {
        let active = self.active();
        let found = active.get(&run);
        found.inspect(|run| run.cancel.cancel()).is_some()
    }

    /// Makes a run known as one that goes on.
    pub(crate) fn enter(
        &self,
        run: RunId,
        progress: watch::Receiver<Progress>,
    ) -> CancellationToken {
        let cancel = CancellationToken::new();
        self.active().insert(run, Active { progress, cancel: cancel.clone() });
        cancel
    }

    /// A run has ended.
    pub(crate) fn leave(&self, run: RunId) {
        self.active().remove(&run);
    }

    /// The events of a run behind a number: those that are kept, and, if it goes on, those that come.
    pub(crate) fn watch(&self, run: RunId, after: u64) -> Watch {
        let (events, stream) = mpsc::channel(WAITING);
        let progress = self.active().get(&run).map(|active| active.progress.clone());
        let watcher = Watcher {
            store: self.store.clone(),
            run,
            last: after,
            progress,
            stop: self.stop.clone(),
            events,
        };
        tokio::spawn(watcher.follow());
        Watch::new(stream)
    }

    fn active(&self) -> MutexGuard<'_, HashMap<RunId, Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who follows a run.
struct Watcher {
    store: Store,
    run: RunId,
    last: u64,
    /// `None`: the run has ended.
    progress: Option<watch::Receiver<Progress>>,
    stop: CancellationToken,
    events: mpsc::Sender<Result<RunEvent, Status>>,
}

impl Watcher {
    async fn follow(mut self) {
        if let Err(status) = self.show().await {
            // A watcher that has gone does not ask why.
            let _ = self.events.send(Err(status)).await;
        }
    }

    async fn show(&mut self) -> Result<(), Status> {
        // Names the run, also when nothing happens for a while.
        let named = RunEvent { run: self.run.to_string(), seq: 0, event_json: Vec::new() };
        if self.events.send(Ok(named)).await.is_err() {
            return Ok(());
        }
        loop {
            // Looked at before the store is read: what comes in between wakes the next round.
            let is_over =
                self.progress.as_mut().is_none_or(|progress| progress.borrow_and_update().is_over);
            let page = self.store.events(self.run, self.last, PAGE).await;
            let page = page.map_err(|error| Status::unavailable(chain(&error)))?;
            let is_whole = page.len() == PAGE as usize;
            for event in page {
                let message = RunEvent {
                    run: self.run.to_string(),
                    seq: event.seq,
                    event_json: serde_json::to_vec(&event)
                        .map_err(|error| Status::internal(error.to_string()))?,
                };
                if self.events.send(Ok(message)).await.is_err() {
                    return Ok(());
                }
                self.last = event.seq;
            }
            if is_whole {
                continue;
            }
            if is_over {
                return Ok(());
            }
            let Some(progress) = &mut self.progress else { return Ok(()) };
            let changed = tokio::select! {
                changed = progress.changed() => changed,
                () = self.events.closed() => return Ok(()),
                () = self.stop.cancelled() => return Err(Status::unavailable(format!(
                    "the controller stops; when it is back, `muster runs show {}` says what became of the run",
                    self.run
                ))),
            };
            if changed.is_err() {
                self.progress = None;
            }
        }
    }
}
