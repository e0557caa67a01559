//! One agent, as runs see it: a [`Link`] that outlives the agent's connections.
//!
//! ```text
//!              attach                     detach
//!   Away ───────────────▶ Connected ───────────────▶ Away        (again and again)
//!     │  longer than the grace period: plans end as unreachable
//!     └──────────────────── fail ────────────────▶ Failed        (an agent of our own that is gone for good)
//! ```
//! Knows nothing of certificates and sockets: [`serve`] moves the messages, and who the agent is was decided before.

mod serve;

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use engine::link::{Link, Unreachable};
use model::{DeployPlan, PlanId, StepReport};
use proto::v1::controller_message::What;
use proto::{Goodbye, GoodbyeReason, Hello, Report, ReportBody, Welcome, encode_plan, v1};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

pub(crate) use serve::{Journal, Session};

/// How long is waited for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Between two pings.
    pub ping: Duration,
    /// Without a sign of life for so long, a connection is dead.
    pub silence: Duration,
    /// An agent that dropped out in the middle of a plan may come back for so long.
    pub grace: Duration,
    /// A connection that another one wants to replace has so long to show that it is alive.
    pub probe: Duration,
    /// From the start of a session to the agent's hello.
    pub hello: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(8),
            silence: Duration::from_secs(20),
            grace: Duration::from_secs(20),
            probe: Duration::from_secs(3),
            hello: Duration::from_secs(10),
        }
    }
}

/// What a session sends to its agent.
pub(crate) type Outgoing = mpsc::Sender<Result<v1::ControllerMessage, tonic::Status>>;

/// Pieces of output that wait for a slow run; more are dropped. Verdicts are never.
const OUTPUT_WAITING: u64 = 256;

/// Cancelled plans that an absent agent is told of when it comes back.
const CANCELLED_KEPT: usize = 1024;

/// One agent. Made once, whatever becomes of its connections.
pub struct AgentLink {
    /// How messages for people call it, e.g. `agent 0199…`.
    name: String,
    timing: Timing,
    state: Mutex<State>,
    status: watch::Sender<Status>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Status {
    Away,
    Connected,
    Failed(String),
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    /// Numbers connections.
    attached: u64,
    plans: HashMap<PlanId, Plan>,
    cancelled: HashSet<PlanId>,
}

/// The open session.
struct Connection {
    number: u64,
    boot_id: String,
    out: Outgoing,
    /// Ends the session.
    close: mpsc::Sender<Goodbye>,
    /// Changes with each message from the agent.
    heard: watch::Receiver<u64>,
}

/// A plan that a run waits for.
struct Plan {
    wire: v1::Plan,
    steps: u32,
    started: HashSet<u32>,
    finished: HashSet<u32>,
    said: mpsc::UnboundedSender<Said>,
    /// Pieces of output in `said`.
    output: Arc<AtomicU64>,
}

/// What an agent said about a plan. At most two for each step, and [`OUTPUT_WAITING`]: the queue is bounded.
enum Said {
    Report(StepReport),
    Ended,
    Refused(String),
}

/// What a new session is given.
pub(crate) struct Attached {
    number: u64,
    close: mpsc::Receiver<Goodbye>,
    /// To be sent first.
    messages: Vec<v1::ControllerMessage>,
}

/// A session that wants to begin.
pub(crate) struct Attach<'a> {
    hello: &'a Hello,
    welcome: Welcome,
    out: &'a Outgoing,
    heard: watch::Receiver<u64>,
}

impl AgentLink {
    /// An agent that is not connected yet. Messages for people call it by `name`.
    pub fn new(name: impl Into<String>, timing: Timing) -> Arc<Self> {
        let (status, _) = watch::channel(Status::Away);
        Arc::new(Self { name: name.into(), timing, state: Mutex::default(), status })
    }

    /// Waits until the agent has an open session.
    pub async fn wait_connected(&self, limit: Duration) -> Result<(), Unreachable> {
        let mut status = self.status.subscribe();
        let settled = timeout(limit, status.wait_for(|status| *status != Status::Away)).await;
        match settled.as_ref().map(|status| status.as_deref()) {
            Ok(Ok(Status::Failed(message))) => Err(Unreachable { message: message.clone() }),
            Ok(_) => Ok(()),
            Err(_) => {
                let message =
                    format!("{} is not connected (waited {} s)", self.name, limit.as_secs_f32());
                Err(Unreachable { message })
            }
        }
    }

    /// Whether the agent has an open session.
    pub fn is_connected(&self) -> bool {
        *self.status.borrow() == Status::Connected
    }

    /// The agent will never come back: plans end at once, as unreachable for this reason.
    pub fn fail(&self, message: impl Into<String>) {
        let message = message.into();
        self.status.send_replace(Status::Failed(message));
    }

    /// Ends the open session, if there is one. The agent is told why.
    pub fn close(&self, goodbye: Goodbye) {
        if let Some(connection) = &self.state().connection {
            // A full queue holds a goodbye already.
            let _ = connection.close.try_send(goodbye);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a session begin, in place of an older one of the same machine.
    async fn attach(&self, attach: Attach<'_>) -> Result<Attached, Goodbye> {
        self.check_clone(&attach.hello.boot_id).await?;
        let mut state = self.state();
        let (close, closed) = mpsc::channel(1);
        state.attached += 1;
        let number = state.attached;
        let connection = Connection {
            number,
            boot_id: attach.hello.boot_id.clone(),
            out: attach.out.clone(),
            close,
            heard: attach.heard,
        };
        // The first message of a new queue: there is room. It must precede what runs send once they see the session.
        let _ = attach.out.try_send(Ok(attach.welcome.into()));
        if let Some(old) = state.connection.replace(connection) {
            let _ = old.close.try_send(Goodbye {
                reason: GoodbyeReason::Replaced,
                message: "the same agent has connected again".into(),
                retry_after: Duration::from_secs(1),
            });
        }
        let messages = state.greet(attach.hello);
        self.turn(&state, &Status::Away, Status::Connected);
        drop(state);
        Ok(Attached { number, close: closed, messages })
    }

    /// Refuses a second machine with the same identity. The first may also just have been started anew, its old
    /// connection not yet noticed as dead: it is asked for a sign of life.
    async fn check_clone(&self, boot_id: &str) -> Result<(), Goodbye> {
        let mut heard = {
            let state = self.state();
            let Some(old) = state.connection.as_ref().filter(|old| old.boot_id != boot_id) else {
                return Ok(());
            };
            let mut heard = old.heard.clone();
            heard.mark_unchanged();
            let _ = old.out.try_send(Ok(What::Ping(v1::Ping { nonce: 0 }).into()));
            heard
        };
        if !matches!(timeout(self.timing.probe, heard.changed()).await, Ok(Ok(()))) {
            return Ok(());
        }
        tracing::warn!(
            agent = self.name,
            "its identity is in use on two machines at once: was the disk cloned? \
             revoke it and enrol both anew"
        );
        Err(Goodbye {
            reason: GoodbyeReason::Clone,
            message: "this identity is in use on another machine: was the disk cloned? \
                      remove it here and enrol this host anew"
                .into(),
            retry_after: Duration::from_mins(1),
        })
    }

    /// A session has ended.
    fn detach(&self, number: u64) {
        let mut state = self.state();
        if state.connection.as_ref().is_none_or(|connection| connection.number != number) {
            return;
        }
        state.connection = None;
        self.turn(&state, &Status::Connected, Status::Away);
    }

    /// Changes the status. The state is locked, so that the two cannot disagree: a session that ends while the next one
    /// begins must not have the last word.
    fn turn(&self, _state: &MutexGuard<'_, State>, from: &Status, to: Status) {
        self.status.send_if_modified(|status| {
            let is_due = status == from;
            if is_due {
                *status = to;
            }
            is_due
        });
    }

    /// Passes a report on to the run that waits for it, if there is one. Repeated reports are not passed on.
    fn hear(&self, report: Report) {
        let mut state = self.state();
        let Some(plan) = state.plans.get_mut(&report.plan) else { return };
        plan.hear(report.body);
    }

    fn refuse(&self, plan: PlanId, reason: String) {
        if let Some(plan) = self.state().plans.get(&plan) {
            // Nobody waits any more: nothing to say.
            let _ = plan.said.send(Said::Refused(reason));
        }
    }

    /// Ends when the agent is given up.
    async fn lost(&self) -> Unreachable {
        let mut status = self.status.subscribe();
        loop {
            let now = status.borrow_and_update().clone();
            match now {
                Status::Failed(message) => return Unreachable { message },
                Status::Connected => {
                    // The sender is in `self`: it cannot be gone.
                    let _ = status.changed().await;
                }
                Status::Away => {
                    let grace = self.timing.grace;
                    let back = status.wait_for(|status| *status != Status::Away);
                    if timeout(grace, back).await.is_err() {
                        let message = format!(
                            "lost the connection to {} in the middle of a plan, and it did not \
                             come back within {} s",
                            self.name,
                            grace.as_secs_f32()
                        );
                        return Unreachable { message };
                    }
                }
            }
        }
    }

    /// Makes a plan known, and sends it if the agent is there. If not, the next session begins with it.
    async fn submit(&self, wire: v1::Plan, plan: &DeployPlan) -> Waiting<'_> {
        let (said, receiver) = mpsc::unbounded_channel();
        let output = Arc::new(AtomicU64::new(0));
        let entry = Plan {
            wire: wire.clone(),
            steps: plan.steps.len() as u32,
            started: HashSet::new(),
            finished: HashSet::new(),
            said,
            output: output.clone(),
        };
        let waiting = Waiting { link: self, plan: plan.id, said: receiver, output, is_over: false };
        let out = {
            let mut state = self.state();
            state.cancelled.remove(&plan.id);
            state.plans.insert(plan.id, entry);
            state.connection.as_ref().map(|connection| connection.out.clone())
        };
        if let Some(out) = out {
            // If the session ends meanwhile, the next one sends the plan.
            let _ = out.send(Ok(What::Plan(wire).into())).await;
        }
        waiting
    }
}

#[async_trait]
impl Link for AgentLink {
    async fn run(
        &self,
        plan: DeployPlan,
        reports: mpsc::Sender<StepReport>,
    ) -> Result<(), Unreachable> {
        let wire = encode_plan(&plan).map_err(|error| Unreachable {
            message: format!("the plan cannot be sent: {error}"),
        })?;
        let mut waiting = self.submit(wire, &plan).await;
        let mut lost = pin!(self.lost());
        loop {
            let said = tokio::select! {
                biased;
                said = waiting.next() => said,
                unreachable = &mut lost => return Err(unreachable),
            };
            match said {
                Said::Report(report) => {
                    // A run that does not listen any more waits for the end all the same.
                    let _ = reports.send(report).await;
                }
                Said::Ended => {
                    waiting.is_over = true;
                    return Ok(());
                }
                Said::Refused(reason) => {
                    waiting.is_over = true;
                    let message = format!("{} refused the plan: {reason}", self.name);
                    return Err(Unreachable { message });
                }
            }
        }
    }
}

impl State {
    /// What an agent must hear when it comes back: plans that it does not have, and which of its plans nobody wants.
    fn greet(&mut self, hello: &Hello) -> Vec<v1::ControllerMessage> {
        let open: HashSet<PlanId> = hello.open_plans.iter().copied().collect();
        let cancelled = std::mem::take(&mut self.cancelled);
        let cancels = cancelled.intersection(&open).map(|plan| cancel(*plan));
        let missing = self.plans.iter().filter(|(id, _)| !open.contains(id));
        cancels.chain(missing.map(|(_, plan)| What::Plan(plan.wire.clone()).into())).collect()
    }
}

fn cancel(plan: PlanId) -> v1::ControllerMessage {
    What::Cancel(v1::Cancel { plan: plan.to_string() }).into()
}

impl Plan {
    fn hear(&mut self, body: ReportBody) {
        let said = match body {
            ReportBody::Ended => Said::Ended,
            ReportBody::Step(report) => {
                let (step, is_news) = match &report {
                    StepReport::Started(step) => (step.0, self.started.insert(step.0)),
                    StepReport::Finished { step, .. } => (step.0, self.finished.insert(step.0)),
                    StepReport::Output { step, .. } => {
                        let has_room = self.output.load(Ordering::Relaxed) < OUTPUT_WAITING;
                        (step.0, has_room)
                    }
                };
                if step >= self.steps || !is_news {
                    return;
                }
                if matches!(report, StepReport::Output { .. }) {
                    self.output.fetch_add(1, Ordering::Relaxed);
                }
                Said::Report(report)
            }
        };
        // Nobody waits any more: nothing to say.
        let _ = self.said.send(said);
    }
}

/// A run's end of a plan; dropped before the plan's end, it cancels the plan.
struct Waiting<'a> {
    link: &'a AgentLink,
    plan: PlanId,
    said: mpsc::UnboundedReceiver<Said>,
    output: Arc<AtomicU64>,
    is_over: bool,
}

impl Waiting<'_> {
    async fn next(&mut self) -> Said {
        let said = self.said.recv().await.expect("the sender stays until `self` is dropped");
        if matches!(said, Said::Report(StepReport::Output { .. })) {
            self.output.fetch_sub(1, Ordering::Relaxed);
        }
        said
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.link.state();
        state.plans.remove(&self.plan);
        if self.is_over {
            return;
        }
        let is_told = state
            .connection
            .as_ref()
            .is_some_and(|connection| connection.out.try_send(Ok(cancel(self.plan))).is_ok());
        if !is_told && state.cancelled.len() < CANCELLED_KEPT {
            state.cancelled.insert(self.plan);
        }
    }
}
