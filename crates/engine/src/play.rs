//! The director: plays a play on a batch of hosts. The only writer of play state.
//!
//! Strategy `linear`: of all hosts' next tasks the first in the order of the play runs, on every host that stands there.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use jinja::{Templar, Value};
use language::Play;
use model::{EventKind, HostName, Outcome, Verdict};
use tokio::task::JoinSet;
use yaml::Diagnostic;

use crate::actions::{Effect, Include};
use crate::attributes::{Keywords, to_bool};
use crate::cursor::{BlockNode, Cursor, Key, Leaf, Node};
use crate::includes;
use crate::scope::{PlayScope, TaskFiles};
use crate::state::{Fate, read, write};
use crate::tags;
use crate::task::{self, TaskCx, TaskDone};
use crate::walk::{Builder, Planned};
use crate::world::World;

/// How a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchEnd {
    /// Go on with the next batch or play.
    Done,
    /// `meta: end_play`, or so many hosts failed that the play stops.
    EndPlay,
    /// Every host of the batch failed, or too many: the run stops.
    EndRun,
}

/// A play on a batch of hosts.
pub(crate) struct Batch<'a> {
    pub(crate) world: &'a Arc<World>,
    pub(crate) play: &'a Arc<Play>,
    pub(crate) scope: Arc<PlayScope>,
    pub(crate) builder: Builder,
    cursors: IndexMap<HostName, Cursor<Planned>>,
    settings: Settings,
    /// Hosts that failed in this batch, for `max_fail_percentage`.
    failed: usize,
    end: BatchEnd,
    /// How many times tasks were inserted: makes the keys of inserted tasks distinct.
    inserted: usize,
}

/// The play's own keywords, resolved once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) any_errors_fatal: bool,
    pub(crate) force_handlers: bool,
    pub(crate) max_fail_percentage: Option<f64>,
}

type Place = Arc<Leaf<Planned>>;

impl<'a> Batch<'a> {
    pub(crate) fn new(
        world: &'a Arc<World>,
        play: &'a Arc<Play>,
        scope: PlayScope,
        builder: Builder,
        root: Arc<BlockNode<Planned>>,
        hosts: &[HostName],
        settings: Settings,
    ) -> Self {
        let cursors = hosts.iter().map(|host| (host.clone(), Cursor::new(root.clone()))).collect();
        Self {
            world,
            play,
            scope: Arc::new(scope),
            builder,
            cursors,
            settings,
            failed: 0,
            end: BatchEnd::Done,
            inserted: 0,
        }
    }

    /// Plays to the end.
    pub(crate) async fn run(mut self) -> Result<BatchEnd, Diagnostic> {
        while self.end == BatchEnd::Done {
            let Some((leaf, hosts)) = self.next() else { break };
            self.play_leaf(&leaf, hosts).await?;
            self.check_failures();
        }
        let all_failed = self.cursors.keys().all(|host| self.fate(host) != Fate::Alive);
        Ok(if all_failed && !self.cursors.is_empty() { BatchEnd::EndRun } else { self.end })
    }

    fn fate(&self, host: &HostName) -> Fate {
        self.world.hosts.with(host, |state| state.fate)
    }

    /// The next task in the order of the play, and the hosts that stand there.
    fn next(&mut self) -> Option<(Place, Vec<HostName>)> {
        let mut best: Option<(Place, Vec<HostName>)> = None;
        let hosts: Vec<HostName> = self.cursors.keys().cloned().collect();
        for host in hosts {
            let Some(leaf) = self.peek(&host) else { continue };
            match &mut best {
                Some((other, hosts)) if other.key == leaf.key => hosts.push(host),
                Some((other, _)) if other.key < leaf.key => {}
                _ => best = Some((leaf, vec![host])),
            }
        }
        best
    }

    fn peek(&mut self, host: &HostName) -> Option<Place> {
        let (world, scope) = (self.world, &self.scope);
        let notified = world.hosts.with(host, |state| state.notified.clone());
        let wanted = |planned: &Planned| match planned.handler {
            Some(number) => notified.contains(&number),
            None => is_chosen(world, scope, host, planned),
        };
        let cursor = self.cursors.get_mut(host)?;
        let next = cursor.peek(wanted);
        if next.is_none() && cursor.is_failed() && self.fate(host) == Fate::Alive {
            return self.host_failed(host);
        }
        next
    }

    /// A host's walk ended by a failure: with `force_handlers` its handlers still run.
    fn host_failed(&mut self, host: &HostName) -> Option<Place> {
        self.failed += 1;
        self.world.hosts.change(host, |state| state.fate = Fate::Failed);
        if !self.settings.force_handlers {
            return None;
        }
        let block = self.builder.flush(&Key::last());
        let cursor = self.cursors.get_mut(host)?;
        *cursor = Cursor::new(block);
        let notified = self.world.hosts.with(host, |state| state.notified.clone());
        cursor.peek(|planned| planned.handler.is_some_and(|number| notified.contains(&number)))
    }

    /// `any_errors_fatal` is dealt with where a task fails; this is `max_fail_percentage` and the end of all hosts.
    fn check_failures(&mut self) {
        if let Some(most) = self.settings.max_fail_percentage {
            let gone = self.cursors.keys().filter(|host| self.fate(host) != Fate::Alive).count();
            if gone > 0 && (gone as f64) * 100.0 / (self.cursors.len() as f64) > most {
                self.world.events.warn(format!(
                    "{gone} of {} hosts failed, more than max_fail_percentage ({most}) allows: the run stops",
                    self.cursors.len()
                ));
                self.end = BatchEnd::EndRun;
            }
        }
    }

    async fn play_leaf(&mut self, leaf: &Place, hosts: Vec<HostName>) -> Result<(), Diagnostic> {
        let planned = &leaf.task;
        if &*planned.task.action.name == "meta" {
            return self.meta(leaf, &hosts);
        }
        let run_once = self.is_run_once(planned, &hosts[0]);
        let chosen: Vec<HostName> = if run_once { vec![hosts[0].clone()] } else { hosts.clone() };
        let name = self.task_name(planned, &hosts[0]);
        self.world.events.send(EventKind::TaskStarted {
            name: name.clone(),
            action: planned.task.action.written.to_string(),
            handler: planned.handler.is_some(),
            place: Some(crate::events::place(&planned.task.span)),
        });
        let cx = Arc::new(TaskCx {
            world: self.world.clone(),
            play: self.scope.clone(),
            leaf: leaf.clone(),
            events: self.world.events.clone(),
            name,
        });
        let mut includes = Vec::new();
        let forks = self.world.options.forks.unwrap_or(chosen.len()).max(1);
        let mut queue = chosen.into_iter();
        let mut running = JoinSet::new();
        for host in queue.by_ref().take(forks) {
            running.spawn(task::run(cx.clone(), host));
        }
        while let Some(done) = running.join_next().await {
            let done = done.map_err(|error| {
                Diagnostic::error(format!("a task of the engine failed: {error}"))
            })?;
            if let Some(host) = queue.next() {
                running.spawn(task::run(cx.clone(), host));
            }
            self.take(planned, done, if run_once { &hosts } else { &[] }, &mut includes)?;
        }
        self.insert_includes(leaf, includes)
    }

    /// Takes in what a task did on a host. `shared`: the hosts that share the result of `run_once`.
    fn take(
        &mut self,
        planned: &Planned,
        done: TaskDone,
        shared: &[HostName],
        includes: &mut Vec<(HostName, Include)>,
    ) -> Result<(), Diagnostic> {
        let host = done.host.clone();
        let receivers: Vec<HostName> =
            if shared.is_empty() { vec![host.clone()] } else { shared.to_vec() };
        if let Some(number) = planned.handler {
            for receiver in &receivers {
                self.world.hosts.change(receiver, |state| state.notified.remove(&number));
            }
        }
        if let Some(unreachable) = &done.unreachable {
            self.take_unreachable(&done, &unreachable.message);
            return Ok(());
        }
        for receiver in &receivers {
            if let Some((name, value)) = &done.register {
                self.world.hosts.change(receiver, |state| state.set(name, value.clone()));
            }
            for effect in &done.effects {
                self.apply(planned, receiver, effect, includes)?;
            }
        }
        let notify = done.notify.clone();
        self.advance(planned, done, &receivers);
        notify.iter().try_for_each(|name| self.notify(planned, &host, name, &receivers))
    }

    fn take_unreachable(&mut self, done: &TaskDone, message: &str) {
        let host = &done.host;
        let ignored = done.tolerance.ignore_unreachable;
        self.world.events.send(EventKind::HostUnreachable {
            host: host.clone(),
            message: message.to_owned(),
            ignored,
        });
        if let Some((name, _)) = &done.register {
            let result =
                serde_json::json!({ "unreachable": true, "changed": false, "msg": message });
            self.world.hosts.change(host, |state| state.set(name, Value::from_json(result)));
        }
        let cursor = &mut self.cursors[host];
        if ignored {
            cursor.advance();
        } else {
            cursor.stop();
            self.world.hosts.change(host, |state| state.fate = Fate::Unreachable);
        }
    }

    /// Reports the result and moves the hosts on.
    fn advance(&mut self, planned: &Planned, done: TaskDone, receivers: &[HostName]) {
        let TaskDone { mut result, looped, host, .. } = done;
        let is_include = done.effects.iter().any(|effect| matches!(effect, Effect::Include(_)));
        let failed = result.outcome.is_failed() && !result.ignored;
        let unknown = matches!(result.outcome.verdict, Verdict::Unknown { .. });
        result.rescued = failed && !unknown && self.cursors[&host].would_rescue();
        let failure = failed.then(|| (result.task.clone(), result.outcome.clone()));
        if !is_include || failed {
            self.world.events.send(EventKind::TaskFinished { result, looped });
        }
        let Some((task, outcome)) = failure else {
            for receiver in receivers {
                self.cursors[receiver].advance();
            }
            return;
        };
        if unknown {
            self.cursors[&host].stop();
            self.world.hosts.change(&host, |state| state.fate = Fate::Unreachable);
            return;
        }
        let fatal = self.settings.any_errors_fatal || self.is_fatal(planned, &host);
        let victims: Vec<HostName> =
            if fatal { self.cursors.keys().cloned().collect() } else { receivers.to_vec() };
        for victim in victims {
            self.fail_host(&victim, &task, &outcome);
        }
    }

    fn fail_host(&mut self, host: &HostName, task: &str, outcome: &Outcome) {
        self.world.hosts.change(host, |state| {
            state.set("ansible_failed_task", Value::from_json(serde_json::json!({ "name": task })));
            state.set("ansible_failed_result", Value::from_object(outcome.to_args()));
        });
        self.cursors[host].fail();
    }

    fn apply(
        &self,
        planned: &Planned,
        host: &HostName,
        effect: &Effect,
        includes: &mut Vec<(HostName, Include)>,
    ) -> Result<(), Diagnostic> {
        match effect {
            Effect::Facts(facts) => {
                let gathered = matches!(&*planned.task.action.name, "setup" | "gather_facts");
                self.world.hosts.change(host, |state| {
                    state.learn(facts);
                    state.gathered |= gathered;
                });
                if gathered {
                    let facts = facts.clone().into();
                    self.world.events.send(EventKind::FactsLearned { host: host.clone(), facts });
                }
            }
            Effect::SetFact(name, value) => {
                self.world.hosts.change(host, |state| state.set(name, value.clone()));
            }
            Effect::IncludeVar(name, value) => {
                self.world.hosts.change(host, |state| state.include(name, value.clone()));
            }
            Effect::AddHost { name, groups, vars } => {
                write(&self.world.inventory)
                    .add_host(name, groups, vars.clone())
                    .map_err(|diagnostic| diagnostic.or_at(&planned.task.span))?;
                self.world.refresh(name);
            }
            Effect::GroupBy { group, parents } => {
                write(&self.world.inventory)
                    .group_host(host, group, parents)
                    .map_err(|diagnostic| diagnostic.or_at(&planned.task.span))?;
                self.world.refresh(host);
            }
            Effect::Include(include) => includes.push((host.clone(), (**include).clone())),
        }
        Ok(())
    }

    /// Marks the handlers of a name, or of a topic they listen to.
    fn notify(
        &self,
        planned: &Planned,
        by: &HostName,
        name: &str,
        receivers: &[HostName],
    ) -> Result<(), Diagnostic> {
        let numbers = self.handlers_named(name);
        if numbers.is_empty() {
            return Err(self.no_such_handler(planned, name));
        }
        for receiver in receivers {
            self.world.hosts.change(receiver, |state| state.notified.extend(&numbers));
        }
        self.world
            .events
            .send(EventKind::HandlerNotified { name: name.to_owned(), host: by.clone() });
        Ok(())
    }

    fn no_such_handler(&self, planned: &Planned, name: &str) -> Diagnostic {
        let error = Diagnostic::error(format!(
            "The requested handler '{name}' was not found in either the main handlers list nor in the listening \
             handlers list"
        ))
        .at(&planned.task.span);
        let known: Vec<String> = self
            .builder
            .handlers
            .iter()
            .flat_map(|handler| self.handler_names(&handler.leaf.task))
            .collect();
        match crate::actions::nearest(name, known.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean '{near}'?")),
            None => error,
        }
    }

    fn handlers_named(&self, wanted: &str) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut named = None;
        for (number, handler) in self.builder.handlers.iter().enumerate() {
            let planned = &handler.leaf.task;
            let names = self.handler_names(planned);
            if names.iter().any(|name| name == wanted) {
                named = Some(number);
            }
            let topics = planned.task.listen.iter();
            if topics.into_iter().any(|topic| topic.as_str() == Some(wanted)) {
                found.insert(number);
            }
        }
        found.extend(named);
        found
    }

    /// `name`, and `role : name`.
    fn handler_names(&self, planned: &Planned) -> Vec<String> {
        let Some(first) = self.cursors.keys().next() else { return Vec::new() };
        let Some(name) = self.own_name(planned, first) else { return Vec::new() };
        match &planned.role {
            Some(played) => vec![format!("{} : {name}", played.role.name), name],
            None => vec![name],
        }
    }

    fn own_name(&self, planned: &Planned, host: &HostName) -> Option<String> {
        let raw = planned.task.common.name.as_ref()?;
        if !raw.is_template() {
            return Some(raw.to_string());
        }
        let rendered = self.with_templar(planned, host, |templar| templar.resolve(raw));
        Some(rendered.map_or_else(|_| raw.to_string(), |name| name.to_string()))
    }

    /// As shown to people: `role : name`, or the action when the task has no name.
    fn task_name(&self, planned: &Planned, host: &HostName) -> String {
        let name =
            self.own_name(planned, host).unwrap_or_else(|| planned.task.action.written.to_string());
        match &planned.role {
            Some(played) => format!("{} : {name}", played.role.name),
            None => name,
        }
    }

    fn with_templar<T>(
        &self,
        planned: &Planned,
        host: &HostName,
        look: impl FnOnce(&Templar<'_>) -> T,
    ) -> T {
        with_templar(self.world, &self.scope, host, planned, look)
    }

    fn is_run_once(&self, planned: &Planned, host: &HostName) -> bool {
        self.flag(planned, host, "run_once", |c| c.run_once.as_ref())
    }

    fn is_fatal(&self, planned: &Planned, host: &HostName) -> bool {
        self.flag(planned, host, "any_errors_fatal", |c| c.any_errors_fatal.as_ref())
    }

    fn flag(
        &self,
        planned: &Planned,
        host: &HostName,
        name: &str,
        pick: impl Fn(&language::Common) -> Option<&Value>,
    ) -> bool {
        if planned.inherited(&pick).is_none() {
            return false;
        }
        self.with_templar(planned, host, |templar| {
            let keywords = Keywords { planned, templar };
            keywords.flag(name, &pick).ok().flatten().unwrap_or(false)
        })
    }

    fn meta(&mut self, leaf: &Place, hosts: &[HostName]) -> Result<(), Diagnostic> {
        let planned = &leaf.task;
        let word =
            planned.task.action.free_form.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut taking = Vec::new();
        for host in hosts {
            let holds = self.with_templar(planned, host, |templar| {
                planned
                    .gathered(|c| &c.when)
                    .map(|when| templar.condition(when))
                    .collect::<Result<Vec<_>, _>>()
            });
            let holds = holds.map_err(|error| Diagnostic::from(error).or_at(&planned.task.span))?;
            self.cursors[host].advance();
            if holds.into_iter().all(|holds| holds) {
                taking.push(host.clone());
            }
        }
        match word.trim() {
            "flush_handlers" => {
                let block = self.builder.flush(&leaf.key);
                for host in &taking {
                    self.cursors[host].insert(block.clone());
                }
            }
            "end_play" if !taking.is_empty() => self.end = BatchEnd::EndPlay,
            "end_batch" if !taking.is_empty() => self.cursors.values_mut().for_each(Cursor::stop),
            "end_host" => taking.iter().for_each(|host| self.cursors[host].stop()),
            "clear_facts" => {
                for host in &taking {
                    self.world.hosts.change(host, crate::state::HostState::forget_facts);
                }
            }
            "clear_host_errors" => self.world.forgive(),
            "noop" | "reset_connection" | "end_play" | "end_batch" | "refresh_inventory" => {}
            other => {
                let known = [
                    "flush_handlers",
                    "end_play",
                    "end_batch",
                    "end_host",
                    "clear_facts",
                    "clear_host_errors",
                    "noop",
                    "reset_connection",
                    "refresh_inventory",
                ];
                let error = Diagnostic::error(format!("invalid meta action requested: {other}"))
                    .at(&planned.task.span);
                return Err(match crate::actions::nearest(other, known.into_iter()) {
                    Some(name) => error.hint(format!("did you mean `{name}`?")),
                    None => error,
                });
            }
        }
        Ok(())
    }

    /// Reads what hosts included and inserts it; hosts that included the same walk the same nodes.
    fn insert_includes(
        &mut self,
        leaf: &Place,
        mut wanted: Vec<(HostName, Include)>,
    ) -> Result<(), Diagnostic> {
        wanted.sort_by_key(|(host, _)| self.cursors.get_index_of(host));
        let mut read: Vec<(Include, Arc<BlockNode<Planned>>, Vec<HostName>)> = Vec::new();
        let mut blocks: IndexMap<HostName, Vec<Node<Planned>>> = IndexMap::new();
        for (host, include) in wanted {
            let known = read.iter().position(|(other, ..)| *other == include);
            let index = match known {
                Some(index) => index,
                None => {
                    self.inserted += 1;
                    let key = leaf.key.child(self.inserted);
                    let block = includes::load(
                        self.world,
                        &mut self.builder,
                        &self.play.directory,
                        &leaf.task,
                        &include,
                        &key,
                    )?;
                    read.push((include, Arc::new(block), Vec::new()));
                    read.len() - 1
                }
            };
            read[index].2.push(host.clone());
            blocks.entry(host).or_default().push(Node::Block(read[index].1.clone()));
        }
        for (include, _, hosts) in &read {
            let file = include.what.name();
            self.world.events.send(EventKind::Included { file, hosts: hosts.clone() });
        }
        for (host, nodes) in blocks {
            self.cursors[&host].insert(Arc::new(BlockNode::plain(nodes)));
        }
        self.publish_roles();
        Ok(())
    }

    /// Roles included with `public` show their variables to the rest of the play.
    fn publish_roles(&mut self) {
        if self.builder.public.len() != self.scope.roles.len() {
            Arc::make_mut(&mut self.scope).roles = self.builder.public.clone();
        }
    }
}

fn with_templar<T>(
    world: &World,
    scope: &PlayScope,
    host: &HostName,
    planned: &Planned,
    look: impl FnOnce(&Templar<'_>) -> T,
) -> T {
    let seen = world.hosts.with(host, |state| scope.of_task(world, planned, state));
    let files = TaskFiles::new(Some(planned), &scope.directory);
    look(&Templar::new(&world.environment, &seen, &files))
}

/// Whether `--tags` and `--skip-tags` choose a task. Tags that cannot be rendered count as written.
fn is_chosen(world: &World, scope: &PlayScope, host: &HostName, planned: &Planned) -> bool {
    let options = &world.options;
    *planned.chosen.get_or_init(|| {
        let mut tags = BTreeSet::new();
        for raw in planned.gathered(|c| &c.tags) {
            let value = if raw.is_template() {
                with_templar(world, scope, host, planned, |templar| templar.resolve(raw))
                    .unwrap_or_else(|_| raw.clone())
            } else {
                raw.clone()
            };
            let parts = value.as_list().map_or_else(|| vec![value.clone()], jinja::List::snapshot);
            for part in parts {
                tags.extend(
                    part.to_string()
                        .split(',')
                        .map(|tag| tag.trim().to_owned())
                        .filter(|tag| !tag.is_empty()),
                );
            }
        }
        tags::chosen(&tags, &options.tags, &options.skip_tags)
    })
}

/// A keyword of the play itself.
pub(crate) fn play_flag(
    templar: &Templar<'_>,
    name: &str,
    raw: Option<&Value>,
) -> Result<Option<bool>, Diagnostic> {
    raw.map(|raw| {
        templar.resolve(raw).and_then(|value| to_bool(name, &value)).map_err(Diagnostic::from)
    })
    .transpose()
}

/// The hosts of the run that have not failed, in the order of `hosts`.
pub(crate) fn alive(world: &World, hosts: &[HostName]) -> Vec<HostName> {
    let is_alive = |host: &&HostName| {
        world.state(host.as_str()).is_some_and(|state| read(&state).fate == Fate::Alive)
    };
    hosts.iter().filter(is_alive).cloned().collect()
}
