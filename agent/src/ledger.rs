//! The ledger: what this host was asked to do, what it is doing, and what it has not yet been heard about.
//!
//! A function of (state, event) → [`Decision`]; files, clocks, threads and connections are elsewhere. A decision's write
//! must be durable before the rest of it is carried out: that is what makes an *intent* of a `Started` report and a
//! *done* of a `Finished` one.
//!
//! ```text
//!            plan ──▶ intent 0 ──▶ running 0 ──▶ done 0, intent 1 ──▶ ... ──▶ done n, ended ──▶ acknowledged: forgotten
//! after a start:      in doubt: examined once,        next intent                 told again
//!                     never simply run again
//! ```

pub(crate) mod disk;
mod journal;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::NonZeroU64;
use std::sync::Arc;

use executor::goes_on_after;
use model::{DeployPlan, Outcome, PlanId, StepReport};
use proto::{Report, ReportBody};

/// Reports that wait for the controller, in bytes; new plans are refused beyond it. Verdicts are never dropped.
pub(crate) const SPOOL_LIMIT: usize = 256 << 20;
/// Plans remembered after they were forgotten, so that one that is sent again is not carried out again.
pub(crate) const RECENT_LIMIT: usize = 4096;

/// What to do next: first the write, durably, then the actions in order.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Decision {
    /// To make durable before anything else. When that fails, [`Ledger::write_failed`] says what to do instead.
    pub(crate) write: Option<Write>,
    /// To do then.
    pub(crate) then: Vec<Action>,
}

/// Something to make durable.
#[derive(Debug, PartialEq)]
pub(crate) struct Write {
    pub(crate) plan: PlanId,
    /// The plan itself, when it is new.
    pub(crate) new: Option<Arc<DeployPlan>>,
    pub(crate) reports: Vec<Report>,
}

/// Something to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    /// Begin a step. `in_doubt`: it may have run before; look first.
    Start { plan: Arc<DeployPlan>, step: usize, in_doubt: bool },
    /// Stop the running step of a plan.
    Stop(PlanId),
    /// Tell the controller, if it is connected.
    Send(Report),
    /// Tell the controller that a plan will not be carried out.
    Refuse { plan: PlanId, reason: String },
    /// The controller knows all of it: its file can go, once its id and last number are remembered.
    Forget { plan: PlanId, last: u64 },
}

/// A plan as it was found on disk.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) plan: Arc<DeployPlan>,
    pub(crate) reports: Vec<Report>,
    /// Its journal was damaged after these reports, and has been put aside.
    pub(crate) damage: Option<String>,
}

/// All that was found on disk.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) plans: Vec<Saved>,
    /// Plans whose record cannot be read at all.
    pub(crate) lost: Vec<(PlanId, String)>,
    /// Forgotten plans with their last numbers, oldest first.
    pub(crate) recent: Vec<(PlanId, u64)>,
    /// At most so many numbers were given out in what cannot be read.
    pub(crate) hidden: u64,
}

/// The state.
#[derive(Debug)]
pub(crate) struct Ledger {
    plans: HashMap<PlanId, Entry>,
    lost: HashMap<PlanId, String>,
    recent: VecDeque<PlanId>,
    next_seq: u64,
    spooled: usize,
    spool_limit: usize,
}

#[derive(Debug)]
struct Entry {
    plan: Arc<DeployPlan>,
    /// The step that is running; `None`: ended.
    running: Option<usize>,
    cancelled: bool,
    /// Not yet acknowledged, in order.
    reports: VecDeque<Report>,
    /// How many of the last reports belong to the decision that is being carried out.
    latest: usize,
    last_seq: u64,
}

impl Ledger {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self {
            plans: HashMap::new(),
            lost: HashMap::new(),
            recent: VecDeque::new(),
            next_seq: 1,
            spooled: 0,
            spool_limit: SPOOL_LIMIT,
        }
    }

    /// Takes up what was found on disk: every plan is where it was, and goes on.
    pub(crate) fn recover(found: Recovered) -> (Self, Vec<Decision>) {
        let mut ledger = Self::new();
        ledger.next_seq = next_seq_after(&found);
        for (plan, _) in &found.recent {
            ledger.remember(*plan);
        }
        ledger.lost.extend(found.lost);
        let decisions = found.plans.into_iter().map(|saved| ledger.take_up(saved)).collect();
        (ledger, decisions)
    }

    fn take_up(&mut self, saved: Saved) -> Decision {
        let Saved { plan, reports, damage } = saved;
        let id = plan.id;
        self.spooled += reports.iter().map(size_of).sum::<usize>();
        let last = reports.last().map(|report| report.body.clone());
        let last_seq = reports.iter().filter_map(|report| report.seq).map(NonZeroU64::get).max();
        let entry = Entry {
            plan: Arc::clone(&plan),
            running: None,
            cancelled: false,
            reports: reports.into(),
            latest: 0,
            last_seq: last_seq.unwrap_or_default(),
        };
        self.plans.insert(id, entry);
        if let Some(damage) = damage {
            return self.close_damaged(id, last.as_ref(), &damage);
        }
        match last {
            None => self.go_to(id, 0, Vec::new()),
            Some(ReportBody::Ended) => Decision::default(),
            Some(ReportBody::Step(StepReport::Started(step))) => self.doubt(id, step.0 as usize),
            Some(ReportBody::Step(StepReport::Finished { step, outcome })) => {
                let goes_on = goes_on_after(&plan, &outcome);
                self.after(id, step.0 as usize, goes_on, Vec::new())
            }
            Some(ReportBody::Step(StepReport::Output { .. })) => Decision::default(),
        }
    }

    /// A step that was running when the agent stopped: one more intent, then it is looked at. If the agent stopped while
    /// it looked as well, the step may be what stops it (it restarts the agent, it takes all memory): never again.
    fn doubt(&mut self, id: PlanId, step: usize) -> Decision {
        let entry = self.entry(id);
        let plan = Arc::clone(&entry.plan);
        let step_id = plan.steps[step].id;
        let intent = ReportBody::Step(StepReport::Started(step_id));
        let intents = entry.reports.iter().filter(|report| report.body == intent).count();
        entry.running = Some(step);
        if intents > 1 {
            let message = "the agent stopped twice while this step ran; whether it was carried out is not known";
            return self.step_ended(id, step, Outcome::unknown(message));
        }
        let reports = self.report(id, vec![intent]);
        let mut then: Vec<Action> = reports.iter().cloned().map(Action::Send).collect();
        then.push(Action::Start { plan, step, in_doubt: true });
        Decision { write: Some(Write { plan: id, new: None, reports }), then }
    }

    /// Its file is gone, so nothing of what follows can be written: it ends here, and what may have run is unknown.
    fn close_damaged(&mut self, id: PlanId, last: Option<&ReportBody>, damage: &str) -> Decision {
        let next = match last {
            Some(ReportBody::Ended) => return Decision::default(),
            Some(ReportBody::Step(StepReport::Finished { step, .. })) => step.0 as usize + 1,
            Some(ReportBody::Step(StepReport::Started(step))) => step.0 as usize,
            Some(ReportBody::Step(StepReport::Output { .. })) | None => 0,
        };
        let plan = Arc::clone(&self.entry(id).plan);
        let mut bodies = Vec::new();
        if let Some(step) = plan.steps.get(next) {
            let message = format!(
                "the agent's record of this plan is damaged ({damage}); this step and those after it may have run"
            );
            let outcome = Box::new(Outcome::unknown(message));
            bodies.push(ReportBody::Step(StepReport::Finished { step: step.id, outcome }));
        }
        bodies.push(ReportBody::Ended);
        let reports = self.report(id, bodies);
        Decision { write: None, then: reports.into_iter().map(Action::Send).collect() }
    }

    /// A plan came.
    pub(crate) fn plan(&mut self, plan: DeployPlan) -> Decision {
        let id = plan.id;
        let refuse = |reason: &str| Decision {
            write: None,
            then: vec![Action::Refuse { plan: id, reason: reason.to_owned() }],
        };
        if let Some(entry) = self.plans.get(&id) {
            let known = entry.reports.iter().cloned().map(Action::Send).collect();
            return Decision { write: None, then: known };
        }
        if let Some(damage) = self.lost.get(&id) {
            return refuse(&lost(damage));
        }
        if self.recent.contains(&id) {
            return refuse("this plan was carried out before, and its results were acknowledged");
        }
        if self.spooled >= self.spool_limit {
            return refuse(&format!(
                "{} MiB of results wait for the controller; no more plans until it has taken them",
                self.spooled >> 20
            ));
        }
        let plan = Arc::new(plan);
        let entry = Entry {
            plan: Arc::clone(&plan),
            running: None,
            cancelled: false,
            reports: VecDeque::new(),
            latest: 0,
            last_seq: 0,
        };
        self.plans.insert(id, entry);
        let mut decision = self.go_to(id, 0, Vec::new());
        if let Some(write) = &mut decision.write {
            write.new = Some(plan);
        }
        decision
    }

    /// A step ended.
    pub(crate) fn step_ended(&mut self, id: PlanId, step: usize, outcome: Outcome) -> Decision {
        let Some(entry) = self.plans.get(&id).filter(|entry| entry.running == Some(step)) else {
            return Decision::default();
        };
        let goes_on = goes_on_after(&entry.plan, &outcome) && !entry.cancelled;
        let step_id = entry.plan.steps[step].id;
        let done = StepReport::Finished { step: step_id, outcome: Box::new(outcome) };
        self.after(id, step, goes_on, vec![ReportBody::Step(done)])
    }

    /// The controller wants a plan to stop.
    pub(crate) fn cancel(&mut self, id: PlanId) -> Decision {
        let Some(entry) = self.plans.get_mut(&id).filter(|entry| entry.running.is_some()) else {
            return Decision::default();
        };
        entry.cancelled = true;
        Decision { write: None, then: vec![Action::Stop(id)] }
    }

    /// The controller has recorded every report up to this number.
    pub(crate) fn acknowledged(&mut self, up_to: u64) -> Decision {
        let is_heard = |report: &Report| report.seq.is_some_and(|seq| seq.get() <= up_to);
        let mut forgotten = BTreeMap::new();
        for (id, entry) in &mut self.plans {
            while let Some(report) = entry.reports.pop_front_if(|report| is_heard(report)) {
                self.spooled = self.spooled.saturating_sub(size_of(&report));
            }
            if entry.running.is_none() && entry.reports.is_empty() {
                forgotten.insert(*id, entry.last_seq);
            }
        }
        for id in forgotten.keys() {
            self.plans.remove(id);
            self.remember(*id);
        }
        let forget = |(plan, last)| Action::Forget { plan, last };
        Decision { write: None, then: forgotten.into_iter().map(forget).collect() }
    }

    /// A controller connected: everything that it has not acknowledged, in order.
    pub(crate) fn connected(&self) -> Vec<Action> {
        let mut reports: Vec<&Report> =
            self.plans.values().flat_map(|entry| &entry.reports).collect();
        reports.sort_by_key(|report| report.seq);
        let lost = self
            .lost
            .iter()
            .map(|(plan, damage)| Action::Refuse { plan: *plan, reason: lost(damage) });
        reports.into_iter().cloned().map(Action::Send).chain(lost).collect()
    }

    /// A decision's write failed; its actions must not be carried out, these instead.
    pub(crate) fn write_failed(&mut self, write: &Write, reason: &str) -> Vec<Action> {
        let id = write.plan;
        if write.new.is_some() {
            if let Some(entry) = self.plans.remove(&id) {
                self.spooled -= entry.reports.iter().map(size_of).sum::<usize>();
            }
            let reason = format!("the agent cannot record the plan, so it did not begin: {reason}");
            return vec![Action::Refuse { plan: id, reason }];
        }
        let entry = self.entry(id);
        let unsent = entry.reports.len() - entry.latest;
        if let Some(step) = entry.running.take() {
            let message =
                format!("the agent cannot record the step, so it did not begin: {reason}");
            let step = entry.plan.steps[step].id;
            let outcome = Box::new(Outcome::failed(message));
            let bodies =
                vec![ReportBody::Step(StepReport::Finished { step, outcome }), ReportBody::Ended];
            self.report(id, bodies);
        }
        self.entry(id).reports.iter().skip(unsent).cloned().map(Action::Send).collect()
    }

    /// Plans whose end has not been acknowledged.
    pub(crate) fn open_plans(&self) -> Vec<PlanId> {
        let mut open: Vec<PlanId> = self.plans.keys().chain(self.lost.keys()).copied().collect();
        open.sort_unstable();
        open
    }

    /// The number of the next new report.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Whether a step is running.
    pub(crate) fn is_busy(&self) -> bool {
        self.plans.values().any(|entry| entry.running.is_some())
    }

    /// What follows a step that has ended.
    fn after(
        &mut self,
        id: PlanId,
        step: usize,
        goes_on: bool,
        bodies: Vec<ReportBody>,
    ) -> Decision {
        let next = if goes_on { step + 1 } else { self.entry(id).plan.steps.len() };
        self.go_to(id, next, bodies)
    }

    /// Adds the intent of a step to what is to be written, or the end of the plan when there is no such step.
    fn go_to(&mut self, id: PlanId, step: usize, mut bodies: Vec<ReportBody>) -> Decision {
        let entry = self.entry(id);
        let plan = Arc::clone(&entry.plan);
        let next = plan.steps.get(step);
        entry.running = next.map(|_| step);
        bodies.push(match next {
            Some(next) => ReportBody::Step(StepReport::Started(next.id)),
            None => ReportBody::Ended,
        });
        let starts = next.is_some();
        let reports = self.report(id, bodies);
        let mut then: Vec<Action> = reports.iter().cloned().map(Action::Send).collect();
        if starts {
            then.push(Action::Start { plan, step, in_doubt: false });
        }
        Decision { write: Some(Write { plan: id, new: None, reports }), then }
    }

    /// Numbers reports and keeps them until they are acknowledged.
    fn report(&mut self, id: PlanId, bodies: Vec<ReportBody>) -> Vec<Report> {
        let first = self.next_seq;
        self.next_seq += bodies.len() as u64;
        let reports: Vec<Report> = (first..)
            .zip(bodies)
            .map(|(seq, body)| Report { seq: NonZeroU64::new(seq), plan: id, body })
            .collect();
        self.spooled += reports.iter().map(size_of).sum::<usize>();
        let last_seq = self.next_seq - 1;
        let entry = self.entry(id);
        entry.latest = reports.len();
        entry.last_seq = last_seq;
        entry.reports.extend(reports.iter().cloned());
        reports
    }

    fn entry(&mut self, id: PlanId) -> &mut Entry {
        self.plans.get_mut(&id).expect("callers have just seen it")
    }

    fn remember(&mut self, plan: PlanId) {
        if self.recent.len() == RECENT_LIMIT {
            self.recent.pop_front();
        }
        self.recent.push_back(plan);
    }
}

fn lost(damage: &str) -> String {
    format!("the agent's record of this plan cannot be read ({damage}); its steps may have run")
}

/// Above every number that was ever given out.
fn next_seq_after(found: &Recovered) -> u64 {
    let reported = found.plans.iter().flat_map(|saved| &saved.reports).filter_map(|it| it.seq);
    let known = reported.map(NonZeroU64::get).chain(found.recent.iter().map(|(_, last)| *last));
    known.max().unwrap_or(0) + found.hidden + 1
}

/// About what a report takes in memory and on disk.
fn size_of(report: &Report) -> usize {
    const SMALL: usize = 64;
    match &report.body {
        ReportBody::Step(StepReport::Finished { outcome, .. }) => SMALL + outcome_size(outcome),
        ReportBody::Step(_) | ReportBody::Ended => SMALL,
    }
}

fn outcome_size(outcome: &Outcome) -> usize {
    let result: usize =
        outcome.result.iter().map(|(key, value)| key.len() + json_size(value)).sum();
    result + outcome.diff.len() * 256 + outcome.warnings.iter().map(String::len).sum::<usize>()
}

fn json_size(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(json_size).sum(),
        Value::Object(members) => {
            members.iter().map(|(key, value)| key.len() + json_size(value)).sum()
        }
    }
}
