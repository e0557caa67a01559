//! The way to a host and back: plans of steps, reports of what became of them.

use std::collections::HashMap;
use std::time::Instant;

use model::{DeployPlan, EventKind, Item, Mode, Outcome, PlanId, Step, StepId, StepReport};
use tokio::sync::mpsc;

use super::{HostTask, What, Work};
use crate::actions::{Draft, Effect};
use crate::attributes::Attributes;
use crate::link::{Target, Unreachable};
use crate::talk::Way;

/// What of an item's steps has come back.
struct Waiting {
    expected: usize,
    outcomes: Vec<Outcome>,
}

impl HostTask<'_> {
    /// Sends the steps of all items, as few plans as there are targets in a row, and judges what comes back.
    pub(super) async fn execute(&mut self, works: &mut [Work]) {
        let mut first = 0;
        while first < works.len() {
            if let What::Talk { .. } = works[first].what {
                self.talk(&mut works[first]).await;
            }
            let What::Steps { target, .. } = &works[first].what else {
                self.conclude(&mut works[first]);
                first += 1;
                continue;
            };
            let target = target.clone();
            let same = |work: &Work| match &work.what {
                What::Steps { target: other, .. } => *other == target,
                What::Done { .. } => true,
                What::Talk { .. } => false,
            };
            let count = works[first..].iter().take_while(|work| same(work)).count();
            let group = &mut works[first..first + count];
            self.exchange(&target, group).await;
            first += count;
        }
    }

    /// Goes back and forth with the host of an item.
    async fn talk(&self, work: &mut Work) {
        let done = What::Done { judge: true };
        let What::Talk { target, attributes, talk } = std::mem::replace(&mut work.what, done)
        else {
            return;
        };
        let begun = Instant::now();
        let way = Way {
            links: &*self.cx.world.links,
            target: &target,
            attributes: &attributes,
            no_log: work.tolerance.no_log,
        };
        match talk(&way).await {
            Ok((outcome, effects)) => {
                work.outcome = Some(outcome);
                work.effects = effects;
            }
            Err(unreachable) => work.lose(&unreachable.message),
        }
        work.took = begun.elapsed();
    }

    /// One plan for consecutive items of one target; those without steps are concluded in their turn.
    async fn exchange(&mut self, target: &Target, works: &mut [Work]) {
        let mut next = 0;
        if let Err(unreachable) = self.send(target, works, &mut next).await {
            for work in works.iter_mut().filter(|work| work.has_steps()) {
                work.lose(&unreachable.message);
            }
        }
        self.conclude_finished(works, &mut next);
    }

    /// Concludes items in their order, up to the first that still has steps.
    fn conclude_finished(&self, works: &mut [Work], next: &mut usize) {
        while let Some(work) = works.get_mut(*next).filter(|work| !work.has_steps()) {
            self.conclude(work);
            *next += 1;
        }
    }

    async fn send(
        &self,
        target: &Target,
        works: &mut [Work],
        next: &mut usize,
    ) -> Result<(), Unreachable> {
        let (plan, owners) = plan(works);
        let mut waiting: HashMap<usize, Waiting> = HashMap::new();
        for owner in &owners {
            let empty = Waiting { expected: 0, outcomes: Vec::new() };
            waiting.entry(*owner).or_insert(empty).expected += 1;
        }
        let mut begun = Instant::now();
        let ended = self
            .converse(target, plan, |report| match report {
                StepReport::Started(_) => begun = Instant::now(),
                StepReport::Output { step, stream, bytes } => {
                    let owner = owners.get(step.0 as usize).map(|owner| &works[*owner]);
                    if owner.is_some_and(|work| !work.tolerance.no_log) {
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        let host = self.host.clone();
                        self.send_event(EventKind::Output { host, stream, text });
                    }
                }
                StepReport::Finished { step, outcome } => {
                    let Some(owner) = owners.get(step.0 as usize).copied() else { return };
                    let wait = waiting.get_mut(&owner).expect("every owner waits");
                    wait.outcomes.push(*outcome);
                    if wait.outcomes.len() == wait.expected {
                        let outcomes = std::mem::take(&mut wait.outcomes);
                        works[owner].took = begun.elapsed();
                        arrived(&mut works[owner], outcomes);
                        self.conclude_finished(works, next);
                    }
                }
            })
            .await;
        // Steps behind a failed one of the same item were not run: judge what there is.
        for (owner, wait) in waiting {
            if !wait.outcomes.is_empty() {
                arrived(&mut works[owner], wait.outcomes);
            }
        }
        ended
    }

    /// Sends a plan and hears what is reported of it, to the end.
    pub(super) async fn converse(
        &self,
        target: &Target,
        plan: DeployPlan,
        mut hear: impl FnMut(StepReport),
    ) -> Result<(), Unreachable> {
        let link = self.cx.world.links.open(target).await?;
        let (sender, mut reports) = mpsc::channel(256);
        let run = link.run(plan, sender);
        tokio::pin!(run);
        let mut ended = None;
        loop {
            let report = tokio::select! {
                biased;
                report = reports.recv() => report,
                end = &mut run, if ended.is_none() => { ended = Some(end); continue; }
            };
            let Some(report) = report else { break };
            hear(report);
        }
        match ended {
            Some(end) => end,
            None => run.await,
        }
    }

    /// Sends an event of this task.
    pub(super) fn send_event(&self, event: EventKind) {
        self.cx.world.events.send_in(&self.cx.announcement, event);
    }

    /// The items of an include are reported by what they include.
    pub(super) fn report_item(&self, work: &mut Work) {
        Self::tell(work);
        self.label(work);
        let is_include = work.effects.iter().any(|effect| matches!(effect, Effect::Include(_)));
        if let Some(item) = work.item.as_ref().filter(|_| !is_include) {
            let mut result = self.host_result(work);
            if !result.no_log {
                result.outcome.result.extend(item.result.clone());
            }
            self.send_event(EventKind::ItemFinished {
                result,
                item: Item { label: item.label.clone() },
            });
        }
    }
}

fn plan(works: &[Work]) -> (DeployPlan, Vec<usize>) {
    let (mut steps, mut owners) = (Vec::new(), Vec::new());
    for (owner, work) in works.iter().enumerate() {
        let What::Steps { attributes, drafts, .. } = &work.what else { continue };
        for draft in drafts {
            let id = StepId(u32::try_from(steps.len()).expect("a plan has less than 2^32 steps"));
            steps.push(step(id, draft, attributes, work.tolerance.no_log));
            owners.push(owner);
        }
    }
    let keep_going = works.len() > 1;
    (DeployPlan { id: PlanId::generate(), digest: None, steps, keep_going }, owners)
}

fn arrived(work: &mut Work, outcomes: Vec<Outcome>) {
    let What::Steps { join, .. } = std::mem::replace(&mut work.what, What::Done { judge: true })
    else {
        return;
    };
    let (outcome, effects) = join(outcomes);
    work.outcome = Some(outcome);
    work.effects = effects;
}

/// A step of a plan.
pub(crate) fn step(id: StepId, draft: &Draft, attributes: &Attributes, no_log: bool) -> Step {
    let Mode { check, diff } = attributes.mode;
    Step {
        id,
        module: draft.module.clone(),
        args: draft.args.clone(),
        mode: Mode { check, diff: diff && !no_log },
        run_as: attributes.run_as.clone(),
        environment: attributes.environment.clone(),
        timeout: attributes.timeout,
        no_log,
    }
}
