//! Runs that an earlier controller process left behind: their results are collected, and the runs closed.
//!
//! Agents carry their plans out whoever listens, keep the results, and report them when they are back. So a run that was
//! cut off is told to its end: what came of every plan that had left, and no more than that.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::{
    Args, Event, EventKind, HostName, HostResult, Item, Outcome, PlanId, RunId, RunStatus, Verdict,
};
use store::{Plan, StepRecord, Store};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::journal::Journal;
use super::records::Records;
use super::runs::Runs;
use crate::error::chain;

/// Between two looks for results.
const PAUSE: Duration = Duration::from_millis(250);

/// Events that are read at once.
const PAGE: u32 = 1000;

/// As the engine says it of results that nobody may see.
const CENSORED: &str =
    "the output has been hidden due to the fact that 'no_log: true' was specified for this result";

/// A run that was cut off.
pub(crate) struct CutOff {
    journal: Journal,
    run: RunId,
    /// A person does not want to wait any longer.
    cancel: CancellationToken,
}

/// Finds the runs that were cut off, and makes them known as going on: who follows one waits for its end.
pub(crate) async fn find(store: &Store, runs: &Runs) -> store::Result<Vec<CutOff>> {
    let mut found = Vec::new();
    for run in store.running().await? {
        let (journal, _, progress) = Journal::new(store.clone(), run.id, None);
        let cancel = runs.enter(run.id, progress);
        found.push(CutOff { journal, run: run.id, cancel });
    }
    Ok(found)
}

impl CutOff {
    /// Waits for the results, for a while, and closes the run.
    pub(crate) async fn close(
        mut self,
        store: Store,
        records: Arc<Records>,
        runs: Arc<Runs>,
        patience: Duration,
    ) {
        let run = self.run;
        tracing::info!(%run, "was cut off when the controller stopped; collecting its results");
        match self.collect(&store, &records, patience).await {
            Ok((events, kinds)) => {
                self.journal.replay(events);
                self.journal.write(kinds).await;
                self.journal.finish(RunStatus::Interrupted).await;
                tracing::info!(%run, "closed");
            }
            // The next start tries again.
            Err(error) => tracing::error!(%run, "cannot be closed: {}", chain(&error)),
        }
        runs.leave(run);
    }

    async fn collect(
        &self,
        store: &Store,
        records: &Records,
        patience: Duration,
    ) -> store::Result<(Vec<Event>, Vec<EventKind>)> {
        let deadline = Instant::now() + patience;
        let events = all_events(store, self.run).await?;
        loop {
            let plans = store.plans(self.run).await?;
            let open = untold(&events, plans.iter().map(|(plan, _)| plan));
            let is_awaited = |plan: &Plan| plan.agent.is_some_and(|it| records.is_standing(it));
            let has_ended = |id| plans.iter().any(|(plan, has_ended)| plan.id == id && *has_ended);
            let waits = open.iter().any(|plan| is_awaited(plan) && !has_ended(plan.id));
            if waits && Instant::now() < deadline && !self.cancel.is_cancelled() {
                tokio::select! {
                    () = sleep(PAUSE) => {}
                    () = sleep_until(deadline) => {}
                    () = self.cancel.cancelled() => {}
                }
                continue;
            }
            let mut left = Vec::new();
            for plan in open {
                left.push(Left {
                    plan,
                    has_ended: has_ended(plan.id),
                    steps: store.steps(plan.id).await?,
                });
            }
            let kinds = told(&events, &left);
            drop(left);
            return Ok((events, kinds));
        }
    }
}

async fn all_events(store: &Store, run: RunId) -> store::Result<Vec<Event>> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let last = events.last().map_or(0, |event| event.seq);
        let page = store.events(run, last, PAGE).await?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}

/// A plan whose end no event tells, and what is known of it.
struct Left<'a> {
    plan: &'a Plan,
    has_ended: bool,
    steps: Vec<StepRecord>,
}

/// The plans whose end no event tells.
fn untold<'a>(events: &[Event], plans: impl Iterator<Item = &'a Plan>) -> Vec<&'a Plan> {
    let mut told: HashMap<&HostName, u64> = HashMap::new();
    for event in events {
        let hosts = match &event.kind {
            EventKind::TaskFinished { result, .. } => {
                [Some(&result.host), result.delegated_to.as_ref()]
            }
            EventKind::HostUnreachable { host, .. } | EventKind::Retried { host, .. } => {
                [Some(host), None]
            }
            _ => [None, None],
        };
        for host in hosts.into_iter().flatten() {
            told.insert(host, event.seq);
        }
    }
    plans
        .filter(|plan| {
            let told = told.get(&plan.host).is_some_and(|seq| *seq > plan.after_seq);
            // A plan of one step is one item of a loop at most.
            let is_item = plan.steps == 1 && items(events, plan) > 0;
            !told && !is_item
        })
        .collect()
}

/// The items of a plan that events tell of.
fn items(events: &[Event], plan: &Plan) -> usize {
    let behind = events.iter().filter(|event| event.seq > plan.after_seq);
    behind
        .filter(|event| match &event.kind {
            EventKind::ItemFinished { result, .. } => {
                let is_here =
                    result.host == plan.host || result.delegated_to.as_ref() == Some(&plan.host);
                is_here && !result.outcome.is_skipped()
            }
            _ => false,
        })
        .count()
}

/// The events that tell what came of the plans.
fn told(events: &[Event], left: &[Left<'_>]) -> Vec<EventKind> {
    let mut kinds = Vec::new();
    for Left { plan, has_ended, steps } in left {
        let result = |outcome| host_result(events, plan, outcome);
        let outcomes: Vec<Outcome> =
            (0..plan.steps).filter_map(|step| outcome(plan.id, *has_ended, steps, step)).collect();
        let looped = plan.steps > 1;
        if looped {
            let numbered = outcomes.iter().enumerate().skip(items(events, plan));
            kinds.extend(numbered.map(|(index, outcome)| EventKind::ItemFinished {
                result: result(outcome.clone()),
                item: Item { label: format!("step {}", index + 1).into() },
            }));
        }
        let outcome = if looped { union(&outcomes) } else { outcomes.into_iter().next() };
        if let Some(outcome) = outcome {
            kinds.push(EventKind::TaskFinished { result: result(outcome), looped });
        }
    }
    kinds
}

/// What came of a step; `None`: it was not to run.
fn outcome(plan: PlanId, has_ended: bool, steps: &[StepRecord], step: u32) -> Option<Outcome> {
    let known = steps.iter().find(|record| record.plan == plan && record.step.0 == step);
    match known {
        Some(StepRecord { outcome: Some(outcome), .. }) => Some(outcome.clone()),
        Some(_) => Some(Outcome::unknown(
            "the step began, and its result did not arrive after the controller had stopped",
        )),
        // The host stopped at a failure before.
        None if has_ended => None,
        None => Some(Outcome::unknown(
            "the step was sent to the host, and nothing was heard of it after the controller had stopped",
        )),
    }
}

/// The outcome of a task from those of its items: the worst counts.
fn union(outcomes: &[Outcome]) -> Option<Outcome> {
    let worst = outcomes.iter().max_by_key(|outcome| match outcome.verdict {
        Verdict::Skipped { .. } => 0,
        Verdict::Ok => 1,
        Verdict::Changed => 2,
        Verdict::Failed { .. } => 3,
        Verdict::Unknown { .. } => 4,
    })?;
    let mut args = Args::new();
    let results = outcomes.iter().map(|outcome| outcome.to_args().into()).collect();
    args.insert("results".to_owned(), serde_json::Value::Array(results));
    Some(Outcome::new(worst.verdict.clone(), args))
}

/// The result of the task that was current when the plan left.
fn host_result(events: &[Event], plan: &Plan, mut outcome: Outcome) -> HostResult {
    let before = events.iter().rev().filter(|event| event.seq <= plan.after_seq);
    let task = before.map(|event| &event.kind).find_map(|kind| match kind {
        EventKind::TaskStarted { name, action, place, .. } => Some((name, action, place)),
        _ => None,
    });
    if plan.no_log {
        outcome.result = Args::from_iter([("censored".to_owned(), CENSORED.into())]);
    }
    HostResult {
        host: plan.host.clone(),
        delegated_to: None,
        task: task.map(|(name, ..)| name.clone()).unwrap_or_default(),
        action: task.map(|(_, action, _)| action.clone()).unwrap_or_default(),
        outcome,
        ignored: false,
        rescued: false,
        no_log: plan.no_log,
        causes: Vec::new(),
        verbose_always: false,
        place: task.and_then(|(.., place)| place.clone()),
        took: Duration::ZERO,
    }
}

#[cfg(test)]
mod tests;
