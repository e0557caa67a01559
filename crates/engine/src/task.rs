//! One task on one host: items, conditions, rendering, the way to the host, and the judgement of what came of it.
//!
//! A task reads a snapshot of the play's state and returns effects; it changes nothing itself. Rendering and judging
//! are plain functions; only what asks a host waits.

mod background;
mod decide;
mod exchange;
mod judge;
mod repeat;
mod summary;
mod unknown;

use std::sync::Arc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use jinja::{Error, Templar, Value};
use language::{Layer, Level, Scope};
use model::{Cause, HostName, HostResult, Outcome, Verdict};

use yaml::Span;

use crate::actions::{self, Draft, Effect};
use crate::attributes::{Attributes, Keywords, Tolerance};
use crate::cursor::Leaf;
use crate::events::{Announcement, TASK_FAILED, causes_of};
use crate::link::Target;
use crate::loops::{self, LoopItem};
use crate::scope::{PlayScope, TaskFiles};
use crate::talk::Talk;
use crate::walk::Planned;
use crate::world::World;

pub(crate) use exchange::step;

/// What all hosts of a task share.
pub(crate) struct TaskCx {
    pub(crate) world: Arc<World>,
    pub(crate) play: Arc<PlayScope>,
    pub(crate) leaf: Arc<Leaf<Planned>>,
    pub(crate) announcement: Arc<Announcement>,
}

/// What came of a task on a host, for the director.
pub(crate) struct TaskDone {
    pub(crate) host: HostName,
    pub(crate) announcement: Arc<Announcement>,
    pub(crate) result: HostResult,
    pub(crate) looped: bool,
    /// The variable and value to register.
    pub(crate) register: Option<(String, Value)>,
    pub(crate) effects: Vec<TaskEffect>,
    /// Names of handlers and topics, when something changed.
    pub(crate) notify: Vec<String>,
    /// The host, or one that the task was delegated to, did not answer.
    pub(crate) unreachable: Option<Lost>,
    /// It included something.
    pub(crate) included: bool,
    /// People have seen the result.
    pub(crate) reported: bool,
}

/// An effect, and the host that it is for when that is not the task's own (`delegate_facts`).
pub(crate) struct TaskEffect {
    pub(crate) of: Option<HostName>,
    pub(crate) effect: Effect,
}

/// A host did not answer.
pub(crate) struct Lost {
    pub(crate) message: String,
    pub(crate) ignored: bool,
}

/// One item (or the whole task, without a loop) on its way.
struct Work {
    item: Option<LoopItem>,
    scope: Scope,
    what: What,
    /// `delegate_to`, when that is another host.
    delegated: Option<HostName>,
    /// Facts are those of the host that the task was delegated to.
    delegated_facts: bool,
    tolerance: Tolerance,
    outcome: Option<Outcome>,
    effects: Vec<Effect>,
    causes: Vec<Cause>,
    /// What evaluating the task's own templates had to say.
    notes: Notes,
    /// In a run in check mode, where the task is written: an item that skips has not done what it does, and its result
    /// is not known.
    undone: Option<Arc<Span>>,
    /// Which attempt this is, of a task that is tried several times.
    attempt: Option<u32>,
    took: Duration,
}

/// What templates had to say.
#[derive(Default)]
struct Notes {
    warnings: Vec<String>,
    deprecations: Vec<String>,
}

impl Notes {
    fn take(&mut self, templar: &Templar<'_>) {
        self.warnings.extend(templar.take_notes());
        self.deprecations.extend(templar.take_deprecations());
    }
}

enum What {
    /// Nothing is left to do but to judge, or not even that.
    Done { judge: bool },
    /// Steps for a host.
    Steps {
        target: Box<Target>,
        attributes: Box<Attributes>,
        drafts: Vec<Draft>,
        join: actions::Join,
        /// The steps start a job, which is then asked after until it is done.
        job: Option<Job>,
    },
    /// Steps for a host, each after the answer to the one before.
    Talk { target: Box<Target>, attributes: Box<Attributes>, talk: Talk },
}

/// A job in the background (`async`) that the task waits for.
#[derive(Debug, Clone)]
struct Job {
    /// How often it is asked after (`poll`).
    poll: Duration,
    /// How long it may take (`async`).
    limit: Duration,
    /// Where it leaves its result.
    directory: String,
}

impl Work {
    fn new(item: Option<LoopItem>, scope: Scope) -> Self {
        Self {
            item,
            scope,
            what: What::Done { judge: false },
            delegated: None,
            delegated_facts: false,
            tolerance: Tolerance::default(),
            outcome: None,
            effects: Vec::new(),
            causes: Vec::new(),
            notes: Notes::default(),
            undone: None,
            attempt: None,
            took: Duration::ZERO,
        }
    }

    /// In a run in check mode, what it did not do there.
    fn is_undone(&self) -> bool {
        self.undone.is_some() && self.is_skipped()
    }

    fn is_skipped(&self) -> bool {
        self.outcome.as_ref().is_some_and(Outcome::is_skipped)
    }

    fn has_steps(&self) -> bool {
        matches!(self.what, What::Steps { .. })
    }

    /// The host did not answer: no module said so, the link did.
    fn lose(&mut self, message: &str) {
        let verdict = Verdict::Failed { message: message.to_owned() };
        let result = model::Args::from_iter([("unreachable".to_owned(), true.into())]);
        self.outcome = Some(Outcome::new(verdict, result));
        self.what = What::Done { judge: false };
    }
}

/// Whether an outcome says that the host did not answer.
fn is_unreachable(outcome: &Outcome) -> bool {
    outcome.result.get("unreachable") == Some(&serde_json::Value::Bool(true))
}

/// Whether a raw value has a name somewhere in its text.
fn mentions(value: &Value, name: &str) -> bool {
    if let Some(text) = value.as_str() {
        return text.contains(name);
    }
    if let Some(list) = value.as_list() {
        return list.snapshot().iter().any(|value| mentions(value, name));
    }
    value.as_dict().is_some_and(|dict| dict.read().iter().any(|(_, value)| mentions(value, name)))
}

/// Runs a task on a host.
pub(crate) async fn run(mut cx: Arc<TaskCx>, host: HostName) -> TaskDone {
    let start = Instant::now();
    if cx.leaf.task.task.action.name.contains("{{") {
        match decide::with_action(&cx, &host) {
            Ok(resolved) => cx = Arc::new(resolved),
            Err(error) => {
                return HostTask::new(&cx, &host).finish_with_error(&error, start.elapsed());
            }
        }
    }
    let mut task = HostTask::new(&cx, &host);
    match task.work().await {
        Ok((works, looped)) => task.finish(works, looped, start.elapsed()),
        Err(error) => task.finish_with_error(&error, start.elapsed()),
    }
}

/// A task on its host.
struct HostTask<'a> {
    cx: &'a TaskCx,
    planned: &'a Planned,
    host: &'a HostName,
    scope: Scope,
    files: TaskFiles,
    register: Option<String>,
    /// What earlier items of the loop set: facts, and the result under its registered name.
    overlay: IndexMap<Arc<str>, Value>,
    /// What earlier items of the loop want changed in the play.
    earlier: Vec<Effect>,
}

type Attempt<T> = Result<T, Error>;

impl<'a> HostTask<'a> {
    fn new(cx: &'a TaskCx, host: &'a HostName) -> Self {
        let planned = &cx.leaf.task;
        let scope = cx.world.hosts.with(host, |state| cx.play.of_task(&cx.world, planned, state));
        let files = TaskFiles::new(Some(planned), &cx.play.directory);
        Self {
            cx,
            planned,
            host,
            scope,
            files,
            register: None,
            overlay: IndexMap::new(),
            earlier: Vec::new(),
        }
    }

    fn templar<'s>(&'s self, scope: &'s Scope) -> Templar<'s> {
        Templar::new(&self.cx.world.environment, scope, &self.files)
    }

    /// Does everything; an error is one of the task as a whole.
    async fn work(&mut self) -> Attempt<(Vec<Work>, bool)> {
        self.register = {
            let templar = self.templar(&self.scope);
            let register = self.planned.task.register.as_ref();
            register.map(|raw| Ok::<_, Error>(templar.resolve(raw)?.to_string())).transpose()?
        };
        let items = {
            let templar = self.templar(&self.scope);
            loops::items(&self.planned.task, &self.planned.chain, &templar)?
        };
        let Some(items) = items else {
            let mut works = vec![Work::new(None, self.scope.clone())];
            self.attempt_all(&mut works).await;
            return Ok((works, false));
        };
        self.warn_of_collision(items.first());
        Ok((self.all_items(items).await?, true))
    }

    /// The items of a loop: as many at once as need not know of each other.
    async fn all_items(&mut self, items: Vec<LoopItem>) -> Attempt<Vec<Work>> {
        let control = &self.planned.task.loop_control;
        let pause = {
            let templar = self.templar(&self.scope);
            loops::pause(control, &templar)?
        };
        let in_order = pause.is_some() || !control.break_when.is_empty() || self.is_in_order();
        let mut works: Vec<Work> = Vec::with_capacity(items.len());
        if !in_order {
            works.extend(items.into_iter().map(|item| self.item_work(item)));
            self.attempt_all(&mut works).await;
            return Ok(works);
        }
        for (index, item) in items.into_iter().enumerate() {
            if let Some(pause) = pause.filter(|_| index > 0) {
                tokio::time::sleep(pause).await;
            }
            let mut work = self.item_work(item);
            self.attempt_all(std::slice::from_mut(&mut work)).await;
            self.remember(&work);
            let stop = self.breaks(&work)?;
            works.push(work);
            if stop {
                break;
            }
        }
        Ok(works)
    }

    fn item_work(&self, item: LoopItem) -> Work {
        let layer = |name: &str, vars| Arc::new(Layer::new(Level::Magic, name, vars));
        let mut scope = self.scope.clone();
        if !self.overlay.is_empty() {
            scope = scope.with(layer("earlier items", self.overlay.clone()));
        }
        let scope = scope.with(layer("loop", item.vars.clone()));
        Work::new(Some(item), scope)
    }

    /// Whether an item may depend on what came of those before it: facts, or the registered result.
    fn is_in_order(&self) -> bool {
        let task = &self.planned.task;
        let name = &*task.action.name;
        let is_action = actions::is_action(name) && !actions::only_prepares(name);
        if is_action || name == "setup" || name.ends_with("_facts") {
            return true;
        }
        let Some(register) = &self.register else { return false };
        let mentions = |value: &Value| mentions(value, register);
        let action = &task.action;
        action.args.values().chain(&action.free_form).chain(&action.args_template).any(mentions)
            || self.planned.chain.iter().any(|common| {
                let lists = [&common.when, &common.environment, &common.notify];
                lists.into_iter().flatten().chain(common.vars.values()).any(mentions)
            })
    }

    /// What later items see of an item: its facts and its result.
    fn remember(&mut self, work: &Work) {
        self.earlier.extend(work.effects.iter().cloned());
        for effect in &work.effects {
            if let Effect::SetFact(name, value) | Effect::IncludeVar(name, value) = effect {
                self.overlay.insert(name.as_str().into(), value.clone());
            }
        }
        if let (Some(name), Some(outcome)) = (&self.register, &work.outcome) {
            let result = summary::registered_value(work, outcome);
            self.overlay.insert(name.as_str().into(), result);
        }
    }

    /// `loop_control.break_when`.
    fn breaks(&self, work: &Work) -> Attempt<bool> {
        let conditions = &self.planned.task.loop_control.break_when;
        if conditions.is_empty() || work.outcome.is_none() {
            return Ok(false);
        }
        let scope = self.with_result(work);
        let templar = self.templar(&scope);
        for condition in conditions {
            if !templar.condition(condition)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn warn_of_collision(&self, item: Option<&LoopItem>) {
        let Some(item) = item else { return };
        for name in item.vars.keys().filter(|name| !name.starts_with("ansible_")) {
            if jinja::Variables::get(&self.scope, name).is_some() {
                self.cx.world.events.warn_once(&format!(
                    "{}: The loop variable '{name}' is already in use. You should set the `loop_var` value in the \
                     `loop_control` option for the task to something else to avoid variable collisions and \
                     unexpected behavior.",
                    self.cx.announcement.name
                ));
            }
        }
    }

    /// Decides and does some items. What needs several attempts is done one item at a time.
    async fn attempt_all(&mut self, works: &mut [Work]) {
        let task = &self.planned.task;
        if task.until.is_empty() && task.retries.is_none() {
            for work in works.iter_mut() {
                self.decide(work, true).await;
            }
            self.perform(works).await;
            return;
        }
        for work in works {
            self.repeat(work).await;
        }
    }

    fn fail(&self, work: &mut Work, error: &Error) {
        work.what = What::Done { judge: false };
        if error.is_unknown() {
            return unknown::skip(work, &self.planned.task, error);
        }
        let message = error.whole_message();
        // What an action says of its own accord is its result; a mistake in the content is the task's.
        let is_plain = error.place().is_none() && error.causes().count() == 1;
        let told = if is_plain { message } else { format!("{TASK_FAILED}: {message}") };
        work.outcome = Some(Outcome::failed(told));
        work.causes = causes_of(error, &self.planned.task.span);
    }

    fn finish_with_error(self, error: &Error, took: Duration) -> TaskDone {
        let mut work = Work::new(None, self.scope.clone());
        work.tolerance = {
            let templar = self.templar(&self.scope);
            let keywords = Keywords { planned: self.planned, templar: &templar };
            keywords.tolerance().unwrap_or_default()
        };
        self.fail(&mut work, error);
        self.finish(vec![work], false, took)
    }
}
