//! The events of one run on their way to the store: numbered, kept, and only then shown.
//!
//! ```text
//! engine ──events──▶ ┌─────────┐ ──▶ store ──▶ progress ──▶ watchers read the store
//! links  ──plans ──▶ │ Journal │                        └─▶ the plan may leave
//!                    └─────────┘
//! ```
//! What comes together is kept together: one transaction for the plans of a hundred hosts.

use std::time::Duration;

use jiff::Timestamp;
use model::{Event, EventKind, HostName, RunId, RunStatus};
use serde_json::Value;
use store::{Plan, Store};
use tokio::sync::{mpsc, oneshot, watch};

use super::project::FileNames;
use crate::recorder::{Recorder, shorten};

/// Events in a transaction, at most.
const BATCH: usize = 256;

/// After the store did not take something, before the next try.
const PAUSE: Duration = Duration::from_secs(1);

/// How far a run's events are in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    /// The last kept event.
    pub(crate) seq: u64,
    /// No more come.
    pub(crate) is_over: bool,
}

/// A plan that wants to leave, and who waits for it to be kept.
pub(crate) struct Departure {
    /// `after_seq` is filled in here.
    pub(crate) plan: Plan,
    pub(crate) kept: oneshot::Sender<Result<(), store::Error>>,
}

/// Keeps what happens in one run.
pub(crate) struct Journal {
    store: Store,
    run: RunId,
    names: Option<FileNames>,
    recorder: Recorder,
    last: u64,
    events: mpsc::UnboundedReceiver<EventKind>,
    departures: mpsc::UnboundedReceiver<Departure>,
    progress: watch::Sender<Progress>,
}

/// What a run writes to.
#[derive(Clone)]
pub(crate) struct Pen {
    pub(crate) events: mpsc::UnboundedSender<EventKind>,
    pub(crate) departures: mpsc::UnboundedSender<Departure>,
}

impl Journal {
    /// The journal of a new run.
    pub(crate) fn new(
        store: Store,
        run: RunId,
        names: Option<FileNames>,
    ) -> (Self, Pen, watch::Receiver<Progress>) {
        let (events, happened) = mpsc::unbounded_channel();
        let (departures, departing) = mpsc::unbounded_channel();
        let (progress, watched) = watch::channel(Progress::default());
        let journal = Self {
            store,
            run,
            names,
            recorder: Recorder::new(run),
            last: 0,
            events: happened,
            departures: departing,
            progress,
        };
        (journal, Pen { events, departures }, watched)
    }

    /// Keeps everything until nobody writes any more.
    pub(crate) async fn keep(mut self) -> Self {
        loop {
            let (mut kinds, mut departures) = (Vec::new(), Vec::new());
            tokio::select! {
                count = self.events.recv_many(&mut kinds, BATCH) => {
                    if count == 0 {
                        return self;
                    }
                }
                Some(departure) = self.departures.recv() => departures.push(departure),
            }
            // First the plans, then the events: what happened before a plan was sent is in the queue already.
            while let Ok(departure) = self.departures.try_recv() {
                departures.push(departure);
            }
            while let Ok(kind) = self.events.try_recv() {
                kinds.push(kind);
            }
            self.write(kinds).await;
            self.let_go(departures).await;
        }
    }

    /// Ends the run in the store. If it did not come to an end of its own, `status` says why.
    pub(crate) async fn finish(mut self, status: RunStatus) {
        if let Some(last) = self.recorder.close(status) {
            self.append(&[last]).await;
        }
        let status = self.recorder.status();
        while let Err(error) = self.store.end_run(self.run, status, Timestamp::now()).await {
            pause(self.run, &error).await;
        }
        self.progress.send_modify(|progress| progress.is_over = true);
    }

    /// Goes on behind events that are kept already.
    pub(crate) fn replay(&mut self, events: Vec<Event>) {
        for event in events {
            self.last = self.recorder.record(event.kind).seq;
        }
        self.progress.send_modify(|progress| progress.seq = self.last);
    }

    /// Keeps events.
    pub(crate) async fn write(&mut self, mut kinds: Vec<EventKind>) {
        for kind in &mut kinds {
            if let Some(names) = &self.names {
                shorten(kind, |text| names.restore(text));
            }
            if let EventKind::FactsLearned { host, facts } = kind {
                self.learn(host, facts).await;
            }
        }
        let events: Vec<Event> = kinds.into_iter().map(|kind| self.recorder.record(kind)).collect();
        for events in events.chunks(BATCH) {
            self.append(events).await;
        }
    }

    /// The run waits while the store does not take its events: no plan leaves meanwhile.
    async fn append(&mut self, events: &[Event]) {
        while let Err(error) = self.store.append_events(events).await {
            pause(self.run, &error).await;
        }
        if let Some(event) = events.last() {
            self.last = event.seq;
            self.progress.send_modify(|progress| progress.seq = event.seq);
        }
    }

    async fn learn(&self, host: &HostName, facts: &Value) {
        let Value::Object(facts) = facts else { return };
        let facts = facts.clone().into_iter().collect();
        if let Err(error) = self.store.learn_facts(host, &facts, Timestamp::now()).await {
            tracing::warn!(run = %self.run, %host, "cannot keep its facts: {error}");
        }
    }

    async fn let_go(&self, departures: Vec<Departure>) {
        for Departure { mut plan, kept } in departures {
            plan.after_seq = self.last;
            // A run that was cancelled meanwhile does not send it.
            let _ = kept.send(self.store.plan_sent(&plan).await);
        }
    }
}

async fn pause(run: RunId, error: &store::Error) {
    tracing::error!(%run, "its events cannot be kept; trying again: {}", crate::error::chain(error));
    tokio::time::sleep(PAUSE).await;
}

#[cfg(test)]
mod tests {
    use model::PlanId;

    use super::*;

    fn warning(number: u32) -> EventKind {
        EventKind::Warned { message: number.to_string() }
    }

    #[tokio::test]
    async fn a_plan_leaves_behind_the_events_before_it() {
        let store = Store::in_memory().await.unwrap();
        let run = store::Run::begun("site.yml".into(), "me".into());
        let id = run.id;
        store.start_run(&run).await.unwrap();
        let (journal, pen, progress) = Journal::new(store.clone(), id, None);
        let keeping = tokio::spawn(journal.keep());
        for number in 1..=1000 {
            pen.events.send(warning(number)).unwrap();
        }
        let plan = Plan {
            id: PlanId::generate(),
            run: id,
            host: "web01".into(),
            agent: None,
            after_seq: 0,
            steps: 1,
            no_log: false,
        };
        let (kept, answer) = oneshot::channel();
        pen.departures.send(Departure { plan, kept }).ok().unwrap();
        answer.await.unwrap().unwrap();
        assert_eq!(store.events(id, 999, 10).await.unwrap()[0].kind, warning(1000));
        assert_eq!(store.plans(id).await.unwrap()[0].0.after_seq, 1000);
        assert!(!progress.borrow().is_over);

        drop(pen);
        keeping.await.unwrap().finish(RunStatus::Cancelled).await;
        assert_eq!(*progress.borrow(), Progress { seq: 1001, is_over: true });
        let run = store.run(id).await.unwrap().unwrap();
        assert_eq!(run.status, RunStatus::Cancelled);
        assert!(run.ended.is_some());
    }
}
