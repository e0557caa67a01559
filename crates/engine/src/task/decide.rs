//! Whether an item runs, where, as whom, and what it then does.

use std::sync::Arc;

use indexmap::IndexMap;
use jinja::{Templar, Value};
use language::{Layer, Level, Scope};
use model::{HostName, Outcome};

use super::{Attempt, HostTask, TaskCx, What, Work};
use crate::actions::{self, Call, Draft, Prepared};
use crate::attributes::{Attributes, Keywords};
use crate::cursor::Leaf;
use crate::link::{Connection, Target};
use crate::scope::{self, TaskFiles};
use crate::state::HostState;

impl HostTask<'_> {
    /// Decides what an item does; errors become its outcome. `conditions`: look at `when` (not in later attempts).
    pub(super) async fn decide(&self, work: &mut Work, conditions: bool) {
        let delegated = self.delegated(&work.scope);
        if let Ok(Some(name)) = &delegated {
            let layer = scope::delegated_vars(&self.cx.world, &self.cx.play, self.host, name);
            work.scope = work.scope.with(layer);
        }
        let delegated = delegated.map(|name| name.filter(|name| name != self.host));
        let there = match &delegated {
            Ok(Some(name)) => name,
            _ => self.host,
        };
        let default = self.cx.world.links.default_connection(there).await;
        if let Err(error) = self.try_decide(work, delegated, default, conditions) {
            self.fail(work, &error);
        }
    }

    fn delegated(&self, scope: &Scope) -> Attempt<Option<HostName>> {
        if self.planned.inherited(|c| c.delegate_to.as_ref()).is_none() {
            return Ok(None);
        }
        let templar = self.templar(scope);
        let name = Keywords { planned: self.planned, templar: &templar }.delegate_to()?;
        if name.as_ref().is_some_and(|name| name.as_str().is_empty()) {
            return Err(actions::failure("Empty hostname produced from delegate_to: \"\""));
        }
        Ok(name)
    }

    fn try_decide(
        &self,
        work: &mut Work,
        delegated: Attempt<Option<HostName>>,
        default: Connection,
        conditions: bool,
    ) -> Attempt<()> {
        let scope = work.scope.clone();
        let templar = self.templar(&scope);
        let decided = self.decide_with(work, delegated, default, conditions, (&scope, &templar));
        work.notes.take(&templar);
        decided
    }

    fn decide_with(
        &self,
        work: &mut Work,
        delegated: Attempt<Option<HostName>>,
        default: Connection,
        conditions: bool,
        (scope, templar): (&Scope, &Templar<'_>),
    ) -> Attempt<()> {
        let keywords = Keywords { planned: self.planned, templar };
        // A condition that cannot be evaluated may be ignored as any failure.
        work.tolerance = keywords.tolerance().unwrap_or(work.tolerance);
        work.delegated = delegated?;
        for condition in self.planned.gathered(|c| &c.when).filter(|_| conditions) {
            if !templar.condition(condition)? {
                let mut outcome = Outcome::skipped("Conditional result was False");
                outcome.result.insert("false_condition".into(), shown(condition));
                work.outcome = Some(outcome);
                return Ok(());
            }
        }
        keywords.check_modes()?;
        work.delegated_facts = work.delegated.is_some()
            && keywords.flag("delegate_facts", |c| c.delegate_facts.as_ref())?.unwrap_or(false);
        let args = actions::arguments(self.planned, templar, &self.cx.world.loader)?;
        let call = Call {
            world: &self.cx.world,
            planned: self.planned,
            scope,
            templar,
            files: &self.files,
            item: work.item.as_ref(),
            earlier: &self.earlier,
            args,
        };
        let prepared = actions::prepare(&call)?;
        if self.cx.world.options.check {
            work.undone = Some(Arc::new(self.planned.task.span.clone()));
        }
        match prepared {
            Prepared::Done(mut outcome, effects) => {
                let hidden = outcome.result.shift_remove(actions::HIDDEN);
                work.tolerance.no_log |= hidden == Some(true.into());
                work.outcome = Some(outcome);
                work.effects = effects;
                work.what = What::Done { judge: true };
            }
            Prepared::Steps(mut drafts, join) => {
                let (target, attributes) = self.way(work, &keywords, default, &mut drafts)?;
                let (drafts, join, job) = self.as_job(&keywords, drafts, join)?;
                work.what = What::Steps { target, attributes, drafts, join, job };
            }
            Prepared::Talk(talk) => {
                let (target, attributes) = self.way(work, &keywords, default, &mut [])?;
                work.what = What::Talk { target, attributes, talk };
            }
        }
        Ok(())
    }

    /// Where the steps go, and how they run there. What depends on that host's variables is settled in them.
    fn way(
        &self,
        work: &Work,
        keywords: &Keywords<'_>,
        default: Connection,
        drafts: &mut [Draft],
    ) -> Attempt<(Box<Target>, Box<Attributes>)> {
        let scope = work.delegated.as_ref().map(|name| self.scope_of(name, work));
        let there = scope.as_ref().map(|scope| self.templar(scope));
        let there =
            Keywords { planned: self.planned, templar: there.as_ref().unwrap_or(keywords.templar) };
        actions::choose_interpreters(drafts, there.templar)?;
        let host = work.delegated.as_ref().unwrap_or(self.host);
        let options = &self.cx.world.options;
        Ok((
            Box::new(there.target(host, options, default)?),
            Box::new(keywords.attributes(options, &there)?),
        ))
    }

    /// What the task sees on the host that it is delegated to: that host's connection variables, not its own host's.
    fn scope_of(&self, name: &HostName, work: &Work) -> Scope {
        let world = &self.cx.world;
        let scope = if world.state(name.as_str()).is_some() {
            world.hosts.with(name, |state| self.cx.play.of_task(world, self.planned, state))
        } else {
            self.cx.play.of_task(world, self.planned, &unlisted(name))
        };
        match &work.item {
            Some(item) => scope.with(Arc::new(Layer::new(Level::Magic, "loop", item.vars.clone()))),
            None => scope,
        }
    }
}

/// The same task with its action's name rendered for a host.
pub(super) fn with_action(cx: &TaskCx, host: &HostName) -> Attempt<TaskCx> {
    let planned = &cx.leaf.task;
    let scope = cx.world.hosts.with(host, |state| cx.play.of_task(&cx.world, planned, state));
    let files = TaskFiles::new(Some(planned), &cx.play.directory);
    let templar = Templar::new(&cx.world.environment, &scope, &files);
    let name = Value::trusted(&*planned.task.action.name, None);
    let name = templar.resolve(&name)?.to_string();
    let mut task = (*planned.task).clone();
    let trail = cx.world.loader.resolve_action(&name, &task.collections);
    let trail = trail.map_err(|error| actions::failure(error.message()))?;
    task.action.name = language::canonical_action(trail.end()).into();
    task.action.trail = trail.names;
    task.action.written = name.as_str().into();
    Ok(TaskCx {
        world: cx.world.clone(),
        play: cx.play.clone(),
        leaf: Arc::new(Leaf { key: cx.leaf.key.clone(), task: planned.with_task(Arc::new(task)) }),
        announcement: cx.announcement.clone(),
    })
}

/// A host that is not in the inventory: `localhost` is this machine.
fn unlisted(name: &HostName) -> HostState {
    let mut vars = IndexMap::new();
    if matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1") {
        vars.insert(Arc::from("ansible_connection"), Value::from("local"));
    }
    let layer = Arc::new(Layer::new(Level::InventoryHost, "implicit host", vars));
    HostState::new(name.clone(), vec![layer])
}

fn shown(condition: &Value) -> serde_json::Value {
    condition.to_json().unwrap_or_default()
}
