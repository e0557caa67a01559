//! Carries out the ledger's decisions: the one thread that writes its files, starts steps, and speaks to the controller.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use executor::{Cancel, Executor, Manner};
use model::{DeployPlan, Outcome, PlanId, StepReport, Verdict};
use proto::{AgentMessage, Report, ReportBody};
use system::BlobSource;
use tokio::sync::{mpsc as async_mpsc, oneshot};

use crate::fit::fit;
use crate::ledger::disk::Disk;
use crate::ledger::{Action, Decision, Ledger, Recovered};

/// Live output that waits for a slow connection; more is dropped.
const OUTPUT_WAITING: usize = 1 << 20;
/// Forgotten plans leave the disk when nothing happens for so long.
const SWEEP_AFTER: Duration = Duration::from_secs(1);
/// Become workers end when nothing happens for so long.
const RELEASE_AFTER: Duration = Duration::from_mins(1);

/// What is said to the controller over one connection. Verdicts are bounded by the ledger, output by its counter.
#[derive(Clone)]
pub(crate) struct Outbox {
    sender: async_mpsc::UnboundedSender<AgentMessage>,
    output_waiting: Arc<AtomicUsize>,
}

impl Outbox {
    pub(crate) fn new() -> (Self, async_mpsc::UnboundedReceiver<AgentMessage>) {
        let (sender, receiver) = async_mpsc::unbounded_channel();
        (Self { sender, output_waiting: Arc::default() }, receiver)
    }

    /// Says something. When the connection is gone, the next one says what must be said again.
    pub(crate) fn say(&self, message: AgentMessage) {
        let _ = self.sender.send(message);
    }

    fn say_output(&self, report: Report, length: usize) {
        if self.output_waiting.load(Ordering::Relaxed) + length > OUTPUT_WAITING {
            return;
        }
        self.output_waiting.fetch_add(length, Ordering::Relaxed);
        self.say(AgentMessage::Report(report));
    }

    /// The connection has taken a message.
    pub(crate) fn taken(&self, message: &AgentMessage) {
        if let AgentMessage::Report(Report { body, .. }) = message
            && let ReportBody::Step(StepReport::Output { bytes, .. }) = body
        {
            self.output_waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.sender.same_channel(&other.sender)
    }
}

/// What a new connection says first.
pub(crate) struct Standing {
    pub(crate) open_plans: Vec<PlanId>,
    pub(crate) next_seq: u64,
    pub(crate) is_busy: bool,
}

enum Event {
    Plan(Box<DeployPlan>),
    Cancel(PlanId),
    Acknowledged(u64),
    StepEnded { plan: PlanId, step: usize, outcome: Box<Outcome> },
    Standing(oneshot::Sender<Standing>),
    Attach(Outbox),
    Detach(Outbox),
    CancelAll,
}

/// A way to the desk's thread, which lives as long as the process.
#[derive(Clone)]
pub(crate) struct Desk {
    events: mpsc::Sender<Event>,
}

impl Desk {
    /// Opens the ledger in a directory, or one in memory for an agent that lives no longer than its connection, and
    /// takes up what was unfinished.
    pub(crate) fn open(
        directory: Option<&Path>,
        executor: Executor,
        blobs: Arc<dyn BlobSource>,
    ) -> std::io::Result<Self> {
        let (disk, found) = match directory {
            Some(directory) => {
                let (disk, found) = Disk::open(directory)?;
                (Some(disk), found)
            }
            None => (None, Recovered::default()),
        };
        let (ledger, decisions) = Ledger::recover(found);
        let (events, receiver) = mpsc::channel();
        let clerk = Clerk {
            ledger,
            disk,
            executor: Arc::new(executor),
            blobs,
            outbox: Arc::default(),
            running: HashMap::new(),
            events: events.clone(),
        };
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || clerk.work(decisions, &receiver))?;
        Ok(Self { events })
    }

    pub(crate) fn plan(&self, plan: DeployPlan) {
        self.tell(Event::Plan(Box::new(plan)));
    }

    pub(crate) fn cancel(&self, plan: PlanId) {
        self.tell(Event::Cancel(plan));
    }

    /// Stops every plan: nobody will ever ask for their results.
    pub(crate) fn cancel_all(&self) {
        self.tell(Event::CancelAll);
    }

    pub(crate) fn acknowledged(&self, up_to: u64) {
        self.tell(Event::Acknowledged(up_to));
    }

    /// From here on reports go to this connection, beginning with those that were not acknowledged.
    pub(crate) fn attach(&self, outbox: Outbox) {
        self.tell(Event::Attach(outbox));
    }

    /// The connection has ended, unless another one has taken its place.
    pub(crate) fn detach(&self, outbox: Outbox) {
        self.tell(Event::Detach(outbox));
    }

    pub(crate) async fn standing(&self) -> Standing {
        let (sender, receiver) = oneshot::channel();
        self.tell(Event::Standing(sender));
        receiver.await.expect("the ledger's thread ends with the process")
    }

    /// Waits until no step is running, but not for ever.
    pub(crate) async fn wait_idle(&self, limit: Duration) {
        let idle = async {
            while self.standing().await.is_busy {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // A step that does not stop in time ends with the process.
        let _ = tokio::time::timeout(limit, idle).await;
    }

    fn tell(&self, event: Event) {
        self.events.send(event).expect("the ledger's thread ends with the process");
    }
}

/// Where reports go at this moment.
type CurrentOutbox = Arc<Mutex<Option<Outbox>>>;

/// The thread behind the desk.
struct Clerk {
    ledger: Ledger,
    disk: Option<Disk>,
    executor: Arc<Executor>,
    blobs: Arc<dyn BlobSource>,
    outbox: CurrentOutbox,
    running: HashMap<PlanId, Cancel>,
    /// Steps tell their end to the desk itself.
    events: mpsc::Sender<Event>,
}

impl Clerk {
    fn work(mut self, decisions: Vec<Decision>, events: &mpsc::Receiver<Event>) {
        for decision in decisions {
            self.carry_out(decision);
        }
        loop {
            let is_dusty = self.disk.as_ref().is_some_and(Disk::is_dusty);
            match events.recv_timeout(if is_dusty { SWEEP_AFTER } else { RELEASE_AFTER }) {
                Ok(event) => self.hear(event),
                Err(RecvTimeoutError::Timeout) => self.tidy(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn hear(&mut self, event: Event) {
        let decision = match event {
            Event::Plan(plan) => self.ledger.plan(*plan),
            Event::Cancel(plan) => self.ledger.cancel(plan),
            Event::Acknowledged(up_to) => self.ledger.acknowledged(up_to),
            Event::StepEnded { plan, step, outcome } => {
                self.running.remove(&plan);
                self.ledger.step_ended(plan, step, fit(*outcome))
            }
            Event::Standing(answer) => {
                let standing = Standing {
                    open_plans: self.ledger.open_plans(),
                    next_seq: self.ledger.next_seq(),
                    is_busy: self.ledger.is_busy(),
                };
                // A connection that is gone needs no answer.
                let _ = answer.send(standing);
                return;
            }
            Event::Attach(outbox) => return self.attach(outbox),
            Event::Detach(outbox) => {
                let mut current = lock(&self.outbox);
                if current.as_ref().is_some_and(|current| current.is_same(&outbox)) {
                    *current = None;
                }
                return;
            }
            Event::CancelAll => {
                let plans: Vec<PlanId> = self.running.keys().copied().collect();
                for plan in plans {
                    let decision = self.ledger.cancel(plan);
                    self.carry_out(decision);
                }
                return;
            }
        };
        self.carry_out(decision);
    }

    fn attach(&mut self, outbox: Outbox) {
        // Held, so that no output comes before the start of its step.
        let mut current = lock(&self.outbox);
        for action in self.ledger.connected() {
            match action {
                Action::Send(report) => outbox.say(AgentMessage::Report(report)),
                Action::Refuse { plan, reason } => {
                    outbox.say(AgentMessage::Refused { plan, reason });
                }
                Action::Start { .. } | Action::Stop(_) | Action::Forget { .. } => {}
            }
        }
        *current = Some(outbox);
    }

    fn carry_out(&mut self, decision: Decision) {
        let Decision { write, mut then } = decision;
        if let (Some(write), Some(disk)) = (&write, &mut self.disk)
            && let Err(error) = disk.write(write)
        {
            tracing::error!(plan = %write.plan, "cannot write the ledger: {error}");
            then = self.ledger.write_failed(write, &error.to_string());
        }
        for action in then {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Start { plan, step, in_doubt } => self.start(plan, step, in_doubt),
            Action::Stop(plan) => {
                if let Some(cancel) = self.running.get(&plan) {
                    cancel.cancel();
                }
            }
            Action::Send(report) => self.say(AgentMessage::Report(report)),
            Action::Refuse { plan, reason } => {
                tracing::warn!(%plan, reason, "plan refused");
                self.say(AgentMessage::Refused { plan, reason });
            }
            Action::Forget { plan, last } => {
                if let Some(disk) = &mut self.disk {
                    disk.forget(plan, last);
                }
            }
        }
    }

    fn say(&self, message: AgentMessage) {
        if let Some(outbox) = &*lock(&self.outbox) {
            outbox.say(message);
        }
    }

    fn start(&mut self, plan: Arc<DeployPlan>, step: usize, in_doubt: bool) {
        let id = plan.id;
        let cancel = Cancel::default();
        self.running.insert(id, cancel.clone());
        let manner = if in_doubt { Manner::InDoubt } else { Manner::New };
        let (executor, blobs, outbox, events) = (
            Arc::clone(&self.executor),
            Arc::clone(&self.blobs),
            Arc::clone(&self.outbox),
            self.events.clone(),
        );
        let begun = executor::begin_on_a_thread(move || {
            let step_to_run = &plan.steps[step];
            let module = &step_to_run.module;
            tracing::debug!(plan = %id, step, module, ?manner, "step begins");
            let report = |report: StepReport| say_output(&outbox, id, report);
            let outcome = executor.run_step(step_to_run, manner, &blobs, &cancel, &report);
            let verdict = name_of(&outcome.verdict);
            tracing::info!(plan = %id, step, module, verdict, "step ended");
            // The desk is gone when the program ends.
            let _ = events.send(Event::StepEnded { plan: id, step, outcome: Box::new(outcome) });
        });
        if let Err(error) = begun {
            let outcome = Outcome::failed(format!("cannot start a thread for the step: {error}"));
            let event = Event::StepEnded { plan: id, step, outcome: Box::new(outcome) };
            // To ourselves: it is heard after what is being carried out now.
            let _ = self.events.send(event);
        }
    }

    /// Nothing happens: time for what can wait.
    fn tidy(&mut self) {
        if let Some(disk) = self.disk.as_mut().filter(|disk| disk.is_dusty())
            && let Err(error) = disk.sweep()
        {
            tracing::warn!("cannot forget acknowledged plans: {error}");
        }
        if !self.ledger.is_busy() {
            self.executor.release_workers();
        }
    }
}

fn say_output(outbox: &CurrentOutbox, plan: PlanId, report: StepReport) {
    if let StepReport::Output { bytes, .. } = &report
        && let Some(outbox) = &*lock(outbox)
    {
        let length = bytes.len();
        outbox.say_output(Report { seq: None, plan, body: ReportBody::Step(report) }, length);
    }
}

/// The verdict without what it says: the result of a `no_log` step must not be in the log.
fn name_of(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Changed => "changed",
        Verdict::Skipped { .. } => "skipped",
        Verdict::Failed { .. } => "failed",
        Verdict::Unknown { .. } => "unknown",
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
