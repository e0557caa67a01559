//! One task on one host: items, conditions, rendering, the way to the host, and the judgement of what came of it.
//!
//! A task reads a snapshot of the play's state and returns effects; it changes nothing itself. Rendering and judging
//! are plain functions; only [`run`] waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use jinja::{Error, Templar, Value};
use language::{Layer, Level, Scope};
use model::{
    Args, DeployPlan, EventKind, HostName, HostResult, Item, Mode, Outcome, PlanId, Step, StepId,
    StepReport, Verdict,
};
use serde_json::json;
use tokio::sync::mpsc;

use crate::actions::{self, Call, Draft, Effect, Prepared};
use crate::attributes::{Attributes, Keywords, Tolerance, count, seconds};
use crate::cursor::Leaf;
use crate::events::{Events, diagnostic_of};
use crate::link::{Connection, Target, Unreachable};
use crate::loops::{self, LoopItem};
use crate::scope::{PlayScope, TaskFiles};
use crate::walk::Planned;
use crate::world::World;

/// What all hosts of a task share.
pub(crate) struct TaskCx {
    pub(crate) world: Arc<World>,
    pub(crate) play: Arc<PlayScope>,
    pub(crate) leaf: Arc<Leaf<Planned>>,
    pub(crate) events: Events,
    /// `role : name`, rendered for the first host.
    pub(crate) name: String,
}

/// What came of a task on a host, for the director.
pub(crate) struct TaskDone {
    pub(crate) host: HostName,
    pub(crate) result: HostResult,
    pub(crate) looped: bool,
    /// The variable and value to register.
    pub(crate) register: Option<(String, Value)>,
    pub(crate) effects: Vec<Effect>,
    /// Names of handlers and topics, when something changed.
    pub(crate) notify: Vec<String>,
    /// The host did not answer.
    pub(crate) unreachable: Option<Unreachable>,
    pub(crate) tolerance: Tolerance,
}

/// One item (or the whole task, without a loop) on its way.
struct Work {
    item: Option<LoopItem>,
    scope: Scope,
    what: What,
    outcome: Option<Outcome>,
    effects: Vec<Effect>,
    diagnostic: Option<String>,
    took: Duration,
}

enum What {
    /// Nothing is left to do but to judge, or not even that.
    Done { judge: bool },
    /// Steps for a host.
    Steps {
        target: Box<Target>,
        delegated: Option<HostName>,
        attributes: Box<Attributes>,
        drafts: Vec<Draft>,
        join: actions::Join,
    },
    /// No more steps, but the link was used: the host that the steps went to.
    Ran { delegated: Option<HostName> },
}

/// Runs a task on a host.
pub(crate) async fn run(cx: Arc<TaskCx>, host: HostName) -> TaskDone {
    let start = Instant::now();
    let default = cx.world.links.default_connection(&host).await;
    let mut task = HostTask::new(&cx, &host, default);
    let works = task.prepare();
    let (mut works, looped) = match works {
        Ok(works) => works,
        Err(error) => return task.finish_with_error(&error, start.elapsed()),
    };
    let mut unreachable = None;
    if task.until.is_empty() {
        unreachable = task.execute(&mut works).await.err();
    } else {
        for work in &mut works {
            if let Err(error) = task.repeat(work).await {
                unreachable = Some(error);
                break;
            }
        }
    }
    task.finish(works, looped, unreachable, start.elapsed())
}

/// A task on its host.
struct HostTask<'a> {
    cx: &'a TaskCx,
    planned: &'a Planned,
    host: &'a HostName,
    default: Connection,
    scope: Scope,
    files: TaskFiles,
    tolerance: Tolerance,
    until: Vec<Value>,
    register: Option<String>,
}

type Attempt<T> = Result<T, Error>;

impl<'a> HostTask<'a> {
    fn new(cx: &'a TaskCx, host: &'a HostName, default: Connection) -> Self {
        let planned = &cx.leaf.task;
        let scope = cx.world.hosts.with(host, |state| cx.play.of_task(&cx.world, planned, state));
        Self {
            cx,
            planned,
            host,
            default,
            scope,
            files: TaskFiles::new(Some(planned), &cx.play.directory),
            tolerance: Tolerance::default(),
            until: planned.task.until.clone(),
            register: None,
        }
    }

    fn templar<'s>(&'s self, scope: &'s Scope) -> Templar<'s> {
        Templar::new(&self.cx.world.environment, scope, &self.files)
    }

    /// Everything that is decided before a host is asked.
    fn prepare(&mut self) -> Attempt<(Vec<Work>, bool)> {
        let templar = self.templar(&self.scope);
        let register = match &self.planned.task.register {
            Some(raw) => Some(templar.resolve(raw)?.to_string()),
            None => None,
        };
        let items = loops::items(&self.planned.task, &self.planned.chain, &templar)?;
        drop(templar);
        self.register = register;
        let Some(items) = items else {
            let work = self.prepare_item(None, self.scope.clone());
            return Ok((vec![work], false));
        };
        let label = self.planned.task.loop_control.label.clone();
        let works = items.into_iter().map(|mut item| {
            let scope =
                self.scope.with(Arc::new(Layer::new(Level::Magic, "loop", item.vars.clone())));
            if let Some(raw) = &label
                && let Ok(shown) = self.templar(&scope).resolve(raw)
            {
                item.label = shown.to_json().unwrap_or_default();
            }
            self.prepare_item(Some(item), scope)
        });
        Ok((works.collect(), true))
    }

    fn prepare_item(&mut self, item: Option<LoopItem>, scope: Scope) -> Work {
        let mut work = Work {
            item,
            scope,
            what: What::Done { judge: false },
            outcome: None,
            effects: Vec::new(),
            diagnostic: None,
            took: Duration::ZERO,
        };
        if let Err(error) = self.decide(&mut work) {
            self.fail(&mut work, &error);
        }
        work
    }

    fn fail(&self, work: &mut Work, error: &Error) {
        work.what = What::Done { judge: false };
        work.outcome = Some(Outcome::failed(format!("Task failed: {}", error.message())));
        work.diagnostic = Some(diagnostic_of(error, &self.planned.task.span));
    }

    /// Whether the item runs, and what it then does.
    fn decide(&mut self, work: &mut Work) -> Attempt<()> {
        let scope = work.scope.clone();
        let cx = self.cx;
        let files = self.files.clone();
        let templar = Templar::new(&cx.world.environment, &scope, &files);
        let keywords = Keywords { planned: self.planned, templar: &templar };
        for condition in self.planned.gathered(|c| &c.when) {
            if !templar.condition(condition)? {
                let mut outcome = Outcome::skipped("Conditional result was False");
                outcome.result.insert("false_condition".into(), shown(condition));
                work.outcome = Some(outcome);
                return Ok(());
            }
        }
        self.tolerance = keywords.tolerance()?;
        let attributes = keywords.attributes(&cx.world.options)?;
        let args = actions::arguments(self.planned, &templar)?;
        let call = Call {
            world: &cx.world,
            planned: self.planned,
            scope: &scope,
            templar: &templar,
            files: &self.files,
            item: work.item.as_ref(),
            args,
        };
        match actions::prepare(&call)? {
            Prepared::Done(outcome, effects) => {
                work.outcome = Some(outcome);
                work.effects = effects;
                work.what = What::Done { judge: true };
            }
            Prepared::Steps(drafts, join) => {
                let delegated = keywords.delegate_to()?.filter(|target| target != self.host);
                let target = match &delegated {
                    Some(name) => self.delegated_target(name)?,
                    None => keywords.target(self.host, &cx.world.options, self.default)?,
                };
                work.what = What::Steps {
                    target: Box::new(target),
                    delegated,
                    attributes: Box::new(attributes),
                    drafts,
                    join,
                };
            }
        }
        Ok(())
    }

    /// The way to another host: its own connection variables, not those of the host that delegates.
    fn delegated_target(&self, name: &HostName) -> Attempt<Target> {
        let world = &self.cx.world;
        if world.state(name.as_str()).is_none() {
            return Ok(world.unlisted_target(name));
        }
        let scope =
            world.hosts.with(name, |state| self.cx.play.of_task(world, self.planned, state));
        let templar = self.templar(&scope);
        Keywords { planned: self.planned, templar: &templar }.target(
            name,
            &world.options,
            self.default,
        )
    }

    /// Sends the steps of all items, as few plans as there are targets in a row, and judges what comes back.
    async fn execute(&mut self, works: &mut [Work]) -> Result<(), Unreachable> {
        let mut first = 0;
        while first < works.len() {
            let What::Steps { target, .. } = &works[first].what else {
                self.conclude(&mut works[first]);
                first += 1;
                continue;
            };
            let target = target.clone();
            let same = |work: &Work| matches!(&work.what, What::Steps { target: other, .. } if *other == target);
            let count = works[first..].iter().take_while(|work| same(work)).count();
            self.send(&target, &mut works[first..first + count]).await?;
            first += count;
        }
        Ok(())
    }

    /// One plan for consecutive items of one target.
    async fn send(&mut self, target: &Target, works: &mut [Work]) -> Result<(), Unreachable> {
        let link = self.cx.world.links.open(target).await?;
        let (plan, owners) = self.plan(works);
        let mut waiting: HashMap<usize, (usize, Vec<Outcome>)> = HashMap::new();
        for owner in &owners {
            waiting.entry(*owner).or_insert((0, Vec::new())).0 += 1;
        }
        let (sender, mut reports) = mpsc::channel(256);
        let run = link.run(plan, sender);
        tokio::pin!(run);
        let mut begun = Instant::now();
        let mut ended = None;
        loop {
            let report = tokio::select! {
                biased;
                report = reports.recv() => report,
                end = &mut run, if ended.is_none() => { ended = Some(end); continue; }
            };
            match report {
                Some(StepReport::Started(_)) => begun = Instant::now(),
                Some(StepReport::Output { stream, bytes, .. }) => {
                    if !self.tolerance.no_log {
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        self.cx.events.send(EventKind::Output {
                            host: self.host.clone(),
                            stream,
                            text,
                        });
                    }
                }
                Some(StepReport::Finished { step, outcome }) => {
                    let Some(owner) = owners.get(step.0 as usize).copied() else { continue };
                    let (expected, outcomes) = waiting.get_mut(&owner).expect("every owner waits");
                    outcomes.push(*outcome);
                    if outcomes.len() == *expected {
                        let outcomes = std::mem::take(outcomes);
                        works[owner].took = begun.elapsed();
                        self.arrived(&mut works[owner], outcomes);
                    }
                }
                None => break,
            }
        }
        let ended = match ended {
            Some(end) => end,
            None => run.await,
        };
        // Steps behind a failed one of the same item were not run: judge what there is.
        for (owner, (_, outcomes)) in waiting {
            if !outcomes.is_empty() {
                self.arrived(&mut works[owner], outcomes);
            }
        }
        ended
    }

    fn plan(&self, works: &[Work]) -> (DeployPlan, Vec<usize>) {
        let (mut steps, mut owners) = (Vec::new(), Vec::new());
        for (owner, work) in works.iter().enumerate() {
            let What::Steps { attributes, drafts, .. } = &work.what else { continue };
            for draft in drafts {
                let id =
                    StepId(u32::try_from(steps.len()).expect("a plan has less than 2^32 steps"));
                steps.push(step(id, draft, attributes, self.tolerance.no_log));
                owners.push(owner);
            }
        }
        (
            DeployPlan { id: PlanId::generate(), digest: None, steps, keep_going: works.len() > 1 },
            owners,
        )
    }

    fn arrived(&mut self, work: &mut Work, outcomes: Vec<Outcome>) {
        let What::Steps { delegated, join, .. } =
            std::mem::replace(&mut work.what, What::Done { judge: true })
        else {
            return;
        };
        let (outcome, effects) = join(outcomes);
        work.outcome = Some(outcome);
        work.effects = effects;
        work.what = What::Ran { delegated };
        self.conclude(work);
    }

    /// Judges an item and reports it.
    fn conclude(&mut self, work: &mut Work) {
        if !matches!(work.what, What::Done { judge: false })
            && let Err(error) = self.judge(work)
        {
            self.fail(work, &error);
        }
        self.report_item(work);
    }

    /// `changed_when` and `failed_when`, with the result under the name of `register`.
    fn judge(&self, work: &mut Work) -> Attempt<()> {
        let task = &self.planned.task;
        if task.changed_when.is_empty() && task.failed_when.is_empty() {
            return Ok(());
        }
        let Some(outcome) = &mut work.outcome else { return Ok(()) };
        if matches!(outcome.verdict, Verdict::Skipped { .. } | Verdict::Unknown { .. }) {
            return Ok(());
        }
        let scope = self.with_result(&work.scope, outcome);
        let templar = self.templar(&scope);
        let all = |conditions: &[Value]| -> Attempt<bool> {
            for condition in conditions {
                if !templar.condition(condition)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        if !task.changed_when.is_empty() {
            let changed = all(&task.changed_when)?;
            outcome.result.insert("changed".into(), changed.into());
            if !outcome.is_failed() {
                outcome.verdict = if changed { Verdict::Changed } else { Verdict::Ok };
            }
        }
        if !task.failed_when.is_empty() {
            let failed = all(&task.failed_when)?;
            outcome.result.insert("failed_when_result".into(), failed.into());
            if failed && !outcome.is_failed() {
                let message =
                    outcome.result.get("msg").and_then(|msg| msg.as_str()).unwrap_or_default();
                outcome.verdict = Verdict::Failed { message: message.to_owned() };
            } else if !failed && outcome.is_failed() {
                let changed = outcome.is_changed();
                if let Verdict::Failed { message } = &outcome.verdict {
                    outcome.result.entry("msg").or_insert(message.clone().into());
                }
                outcome.verdict = if changed { Verdict::Changed } else { Verdict::Ok };
            }
        }
        Ok(())
    }

    fn with_result(&self, scope: &Scope, outcome: &Outcome) -> Scope {
        let Some(name) = &self.register else { return scope.clone() };
        let vars =
            IndexMap::from([(Arc::from(name.as_str()), Value::from_object(outcome.to_args()))]);
        scope.with(Arc::new(Layer::new(Level::Magic, "register", vars)))
    }

    /// `until`: tries until the condition holds or the retries are used up.
    async fn repeat(&mut self, work: &mut Work) -> Result<(), Unreachable> {
        let (retries, delay) = match self.retries(work) {
            Ok(both) => both,
            Err(error) => {
                self.fail(work, &error);
                return Ok(());
            }
        };
        let mut attempt = 1;
        loop {
            let item = work.item.take();
            let again = self.prepare_item(item, work.scope.clone());
            *work = again;
            if matches!(
                work.outcome.as_ref().map(|outcome| &outcome.verdict),
                Some(Verdict::Skipped { .. })
            ) {
                self.conclude(work);
                return Ok(());
            }
            self.attempt(work).await?;
            let holds = self.holds_until(work);
            if let Some(outcome) = &mut work.outcome {
                outcome.result.insert("attempts".into(), attempt.into());
            }
            match holds {
                Err(error) => self.fail(work, &error),
                Ok(true) => {}
                Ok(false) if attempt <= retries => {
                    let left = retries - attempt + 1;
                    let name = self.cx.name.clone();
                    self.cx.events.send(EventKind::Retried { host: self.host.clone(), name, left });
                    tokio::time::sleep(delay).await;
                    attempt += 1;
                    continue;
                }
                Ok(false) => give_up(work),
            }
            self.report_item(work);
            return Ok(());
        }
    }

    /// One attempt, judged but not yet reported.
    async fn attempt(&mut self, work: &mut Work) -> Result<(), Unreachable> {
        let item = work.item.take();
        let outcome = if let What::Steps { target, .. } = &work.what {
            let target = target.clone();
            self.send(&target, std::slice::from_mut(work)).await
        } else {
            if let Err(error) = self.judge(work) {
                self.fail(work, &error);
            }
            Ok(())
        };
        work.item = item;
        outcome
    }

    /// The items of an include are reported by what they include.
    fn report_item(&self, work: &Work) {
        let is_include = work.effects.iter().any(|effect| matches!(effect, Effect::Include(_)));
        if let Some(item) = work.item.as_ref().filter(|_| !is_include) {
            let result = self.host_result(work, work.took);
            self.cx
                .events
                .send(EventKind::ItemFinished { result, item: Item { label: item.label.clone() } });
        }
    }

    fn retries(&self, work: &Work) -> Attempt<(u32, Duration)> {
        let templar = self.templar(&work.scope);
        let task = &self.planned.task;
        let retries = match &task.retries {
            Some(raw) => count("retries", &templar.resolve(raw)?)?,
            None => 3,
        };
        let delay = match &task.delay {
            Some(raw) => seconds("delay", &templar.resolve(raw)?)?,
            None => Duration::from_secs(5),
        };
        Ok((retries, delay))
    }

    fn holds_until(&self, work: &Work) -> Attempt<bool> {
        let Some(outcome) = &work.outcome else { return Ok(true) };
        if matches!(outcome.verdict, Verdict::Unknown { .. }) || work.diagnostic.is_some() {
            return Ok(true);
        }
        let scope = self.with_result(&work.scope, outcome);
        let templar = self.templar(&scope);
        for condition in &self.until {
            if !templar.condition(condition)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn host_result(&self, work: &Work, took: Duration) -> HostResult {
        let outcome =
            work.outcome.clone().unwrap_or_else(|| Outcome::failed("the host did not answer"));
        let delegated_to = match &work.what {
            What::Ran { delegated } | What::Steps { delegated, .. } => delegated.clone(),
            What::Done { .. } => None,
        };
        Events::host_result(crate::events::Draft {
            host: self.host,
            delegated_to,
            task: &self.cx.name,
            planned: self.planned,
            outcome,
            diagnostic: work.diagnostic.clone(),
            tolerance: self.tolerance,
            took,
        })
    }

    fn finish(
        self,
        works: Vec<Work>,
        looped: bool,
        unreachable: Option<Unreachable>,
        took: Duration,
    ) -> TaskDone {
        let mut effects: Vec<Effect> = Vec::new();
        let (registered, summary) = if looped {
            summarise(&works)
        } else {
            let outcome = works[0]
                .outcome
                .clone()
                .unwrap_or_else(|| Outcome::failed("the host did not answer"));
            (outcome.to_args(), outcome)
        };
        let diagnostic = if looped { None } else { works[0].diagnostic.clone() };
        let delegated_to = works.iter().find_map(|work| match &work.what {
            What::Ran { delegated } => delegated.clone(),
            _ => None,
        });
        let changed = summary.is_changed() && !summary.is_failed();
        let notify = if changed { self.notify(&works) } else { Vec::new() };
        for work in works {
            effects.extend(work.effects);
        }
        let register = self.register.clone().map(|name| (name, Value::from_object(registered)));
        let result = Events::host_result(crate::events::Draft {
            host: self.host,
            delegated_to,
            task: &self.cx.name,
            planned: self.planned,
            outcome: summary,
            diagnostic,
            tolerance: self.tolerance,
            took,
        });
        TaskDone {
            host: self.host.clone(),
            result,
            looped,
            register,
            effects,
            notify,
            unreachable,
            tolerance: self.tolerance,
        }
    }

    fn notify(&self, works: &[Work]) -> Vec<String> {
        let scope = works.first().map_or(&self.scope, |work| &work.scope);
        let templar = self.templar(scope);
        let mut names = Vec::new();
        for raw in self.planned.gathered(|c| &c.notify) {
            if let Ok(value) = templar.resolve(raw) {
                match value.sequence() {
                    Some(values) if value.as_str().is_none() => {
                        names.extend(values.iter().map(ToString::to_string));
                    }
                    _ => names.push(value.to_string()),
                }
            }
        }
        names
    }

    fn finish_with_error(mut self, error: &Error, took: Duration) -> TaskDone {
        let mut work = Work {
            item: None,
            scope: self.scope.clone(),
            what: What::Done { judge: false },
            outcome: None,
            effects: Vec::new(),
            diagnostic: None,
            took,
        };
        self.tolerance = self.early_tolerance();
        self.fail(&mut work, error);
        self.finish(vec![work], false, None, took)
    }

    /// The tolerance of a task whose loop or name could not be evaluated.
    fn early_tolerance(&self) -> Tolerance {
        let templar = self.templar(&self.scope);
        Keywords { planned: self.planned, templar: &templar }.tolerance().unwrap_or_default()
    }
}

/// All retries are used up and `until` does not hold.
fn give_up(work: &mut Work) {
    let Some(outcome) = &mut work.outcome else { return };
    if !outcome.is_failed() {
        let message = outcome.result.get("msg").and_then(|msg| msg.as_str()).unwrap_or_default();
        outcome.verdict = Verdict::Failed { message: message.to_owned() };
    }
}

fn step(id: StepId, draft: &Draft, attributes: &Attributes, no_log: bool) -> Step {
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

/// The result of a loop: what `register` stores, and the outcome of the whole.
fn summarise(works: &[Work]) -> (Args, Outcome) {
    let outcomes: Vec<&Outcome> = works.iter().filter_map(|work| work.outcome.as_ref()).collect();
    let results: Vec<serde_json::Value> = works
        .iter()
        .filter_map(|work| {
            let mut args = work.outcome.as_ref()?.to_args();
            if let Some(item) = &work.item {
                args.extend(item.result.clone());
            }
            Some(args.into())
        })
        .collect();
    let verdict = if works.is_empty() {
        Verdict::Skipped { reason: "No items in the list".into() }
    } else if let Some(unknown) =
        outcomes.iter().find(|o| matches!(o.verdict, Verdict::Unknown { .. }))
    {
        unknown.verdict.clone()
    } else if outcomes.iter().any(|outcome| outcome.is_failed()) {
        Verdict::Failed { message: "One or more items failed".into() }
    } else if outcomes.iter().all(|outcome| outcome.is_skipped()) {
        Verdict::Skipped { reason: "All items skipped".into() }
    } else if outcomes.iter().any(|outcome| outcome.is_changed()) {
        Verdict::Changed
    } else {
        Verdict::Ok
    };
    let mut result = Args::new();
    result.insert("results".into(), results.into());
    if matches!(verdict, Verdict::Ok | Verdict::Changed) {
        result.insert("msg".into(), json!("All items completed"));
    }
    let any_changed = outcomes.iter().any(|outcome| outcome.is_changed());
    let mut outcome = Outcome::new(verdict, result);
    if any_changed {
        outcome.result.insert("changed".into(), true.into());
    }
    (outcome.to_args(), outcome)
}

fn shown(condition: &Value) -> serde_json::Value {
    condition.to_json().unwrap_or_default()
}
