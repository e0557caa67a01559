//! The task debugger: a person looks at what a task did on a host, changes its arguments or variables, and has it done
//! again. The commands are those of Ansible's debugger, with template expressions in place of Python's.

use std::sync::Arc;

use indexmap::IndexMap;
use jinja::{Error, Object, Templar, Value};
use language::{Layer, Level, Scope};
use model::{HostName, Verdict};

use super::{Batch, BatchEnd};
use crate::cursor::Leaf;
use crate::person::{Answer, Question};
use crate::scope::TaskFiles;
use crate::state::read;
use crate::task::{self, TaskCx, TaskDone};
use crate::walk::Planned;
use crate::world::{World, magic};

const HELP: &str = "p EXPRESSION          print: task, task.args, task_vars, host, result._result
task.args[KEY] = EXPRESSION
task_vars[KEY] = EXPRESSION
u                     make the task anew from its changed variables
r                     do the task again
c                     go on with this result
q                     end the run";

/// What a person typed.
#[derive(Debug, PartialEq, Eq)]
enum Command<'a> {
    Nothing,
    Help,
    Print(&'a str),
    Assign { place: Place, key: Option<&'a str>, value: &'a str },
    Update,
    Redo,
    Continue,
    Quit,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Args,
    Vars,
}

/// What the person changed.
#[derive(Debug, Default)]
struct Changes {
    args: IndexMap<Arc<str>, Value>,
    vars: IndexMap<Arc<str>, Value>,
}

impl Batch<'_> {
    /// Shows a result and asks what to do with it, where the task or a setting says so. `None`: it is done again.
    pub(super) async fn debug(&mut self, id: usize, mut done: TaskDone) -> Option<TaskDone> {
        let cx = self.rounds[&id].cx_of(&done.host);
        let planned = &cx.leaf.task;
        if self.end != BatchEnd::Done || !self.wants_debugger(planned, &done) {
            return Some(done);
        }
        let Some(person) = self.world.options.person.clone() else {
            self.world
                .events
                .warn_once("the debugger has nobody to ask; the run goes on without it");
            return Some(done);
        };
        let host = done.host.clone();
        let events = &self.world.events;
        let counted = events.counted(&host);
        self.report(&mut done);
        let mut changes = Changes { args: planned.task.action.args.clone(), vars: IndexMap::new() };
        let name = &done.result.task;
        let prompt = format!("[{host}] TASK: {name} (debug)> ");
        let mut text = prompt.clone();
        loop {
            let line = match person.ask(Question::line(&text), events.sent()).await {
                Answer::Text(line) => Some(line),
                _ => None,
            };
            let said = match line.as_deref().map_or(Command::Quit, command) {
                Command::Quit => {
                    self.end = BatchEnd::Quit;
                    return Some(done);
                }
                Command::Continue => return Some(done),
                Command::Redo => break,
                Command::Nothing | Command::Update => None,
                Command::Help => Some(HELP.to_owned()),
                Command::Unknown => {
                    Some("That is neither a command nor an assignment.\n".to_owned() + HELP)
                }
                Command::Print(expression) => {
                    Some(self.evaluate(&cx, &done, &changes, expression).map_or_else(
                        |error| format!("***{}", error.message()),
                        |value| value.repr(),
                    ))
                }
                Command::Assign { place, key, value } => {
                    let given = self.evaluate(&cx, &done, &changes, value);
                    let key = key.map(|key| self.evaluate(&cx, &done, &changes, key)).transpose();
                    let put = given.and_then(|value| changes.put(place, key?.as_ref(), value));
                    put.err().map(|error| format!("***{}", error.message()))
                }
            };
            text = said.map_or_else(|| prompt.clone(), |said| format!("{said}\n{prompt}"));
        }
        events.recount(&host, counted);
        self.again(id, &cx, &host, changes);
        None
    }

    /// The task once more, with the changes, for the round that it belongs to.
    fn again(&mut self, id: usize, cx: &TaskCx, host: &HostName, changes: Changes) {
        let mut task = (*cx.leaf.task.task).clone();
        task.action.args = changes.args;
        let mut planned = cx.leaf.task.with_task(Arc::new(task));
        if !changes.vars.is_empty() {
            let layer = Layer::new(Level::TaskVars, "debugger", changes.vars);
            planned.params.insert(0, Arc::new(layer));
        }
        let cx = Arc::new(TaskCx {
            world: cx.world.clone(),
            play: cx.play.clone(),
            leaf: Arc::new(Leaf { key: cx.leaf.key.clone(), task: planned }),
            announcement: cx.announcement.clone(),
        });
        let round = self.rounds.get_mut(&id).expect("the round is under way");
        round.running += 1;
        round.revised.insert(host.clone(), cx.clone());
        let host = host.clone();
        self.running.spawn(async move { (id, task::run(cx, host).await) });
    }

    fn wants_debugger(&self, planned: &Planned, done: &TaskDone) -> bool {
        let options = &self.world.options;
        let is_ignored = !options.debug_ignored && done.result.ignored;
        let is_lost = done.unreachable.is_some();
        let is_failed = done.result.outcome.is_failed() && !is_lost && !is_ignored;
        let is_skipped = matches!(done.result.outcome.verdict, Verdict::Skipped { .. });
        let when = planned.inherited(|common| common.debugger.as_ref()).map(ToString::to_string);
        match when.as_deref() {
            Some("always") => true,
            Some("never") => false,
            Some("on_failed") if is_failed => true,
            Some("on_unreachable") if is_lost => true,
            Some("on_skipped") if is_skipped => true,
            _ => (options.task_debugger || self.settings.debug) && (is_failed || is_lost),
        }
    }

    /// An expression that a person typed, with what the debugger knows beside the task's own variables.
    fn evaluate(
        &self,
        cx: &TaskCx,
        done: &TaskDone,
        changes: &Changes,
        expression: &str,
    ) -> Result<Value, Error> {
        let planned = &cx.leaf.task;
        let scope = {
            let state = read(&self.walkers[&done.host].state);
            self.scope.of_task(self.world, planned, &state)
        };
        let typed = Layer::new(Level::TaskVars, "debugger", changes.vars.clone());
        let scope = scope.with(Arc::new(typed));
        let files = TaskFiles::new(Some(planned), &self.scope.directory);
        let vars =
            TaskVars { world: self.world.clone(), scope: scope.clone(), files: files.clone() };
        let args: Result<model::Args, Error> = changes
            .args
            .iter()
            .map(|(name, value)| Ok((name.to_string(), value.to_json()?)))
            .collect();
        let known = serde_json::json!({
            "task": {
                "name": done.result.task,
                "action": &*planned.task.action.written,
                "args": args?,
            },
            "result": { "_result": done.result.outcome.to_args() },
        });
        let mut layer: IndexMap<Arc<str>, Value> = IndexMap::new();
        for name in ["task", "result"] {
            layer.insert(name.into(), Value::from_json(known[name].clone()));
        }
        layer.insert("host".into(), Value::from(done.host.as_str()));
        layer.insert("task_vars".into(), Value::object(Arc::new(vars)));
        let scope = scope.with(magic("debugger", layer));
        Templar::new(&self.world.environment, &scope, &files).expression(expression, None)
    }
}

impl Changes {
    fn put(&mut self, place: Place, key: Option<&Value>, value: Value) -> Result<(), Error> {
        let map = match place {
            Place::Args => &mut self.args,
            Place::Vars => &mut self.vars,
        };
        // A person's own words may be templates, as those of the playbook.
        let trusted = |value: &Value| match value.as_str() {
            Some(text) => Value::trusted(text, None),
            None => value.clone(),
        };
        if let Some(key) = key {
            map.insert(key.to_string().into(), trusted(&value));
            return Ok(());
        }
        let Some(dict) = value.as_dict() else {
            return Err(crate::actions::failure("only a dictionary can take the place of all"));
        };
        *map = dict
            .snapshot()
            .iter()
            .map(|(key, value)| (key.to_string().into(), trusted(value)))
            .collect();
        Ok(())
    }
}

/// `task_vars`: each variable is evaluated when it is asked for.
struct TaskVars {
    world: Arc<World>,
    scope: Scope,
    files: TaskFiles,
}

impl Object for TaskVars {
    fn type_name(&self) -> &'static str {
        "dict"
    }

    fn get(&self, key: &Value) -> Option<Result<Value, Error>> {
        let name = key.as_str()?;
        jinja::Variables::get(&self.scope, name)?;
        let templar = Templar::new(&self.world.environment, &self.scope, &self.files);
        Some(templar.variable(name))
    }

    fn keys(&self) -> Option<Vec<Value>> {
        let names = jinja::Variables::names(&self.scope);
        Some(names.iter().map(|name| Value::from(&**name)).collect())
    }
}

fn command(line: &str) -> Command<'_> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match word {
        "" => Command::Nothing,
        "h" | "help" | "?" => Command::Help,
        "p" | "pprint" if !rest.is_empty() => Command::Print(rest.trim()),
        "u" | "update_task" => Command::Update,
        "r" | "redo" => Command::Redo,
        "c" | "continue" => Command::Continue,
        "q" | "quit" => Command::Quit,
        _ => assignment(line).unwrap_or(Command::Unknown),
    }
}

/// `task.args[KEY] = VALUE`, `task_vars[KEY] = VALUE`, or without a key.
fn assignment(line: &str) -> Option<Command<'_>> {
    let (place, rest) = line
        .strip_prefix("task.args")
        .map(|rest| (Place::Args, rest))
        .or_else(|| line.strip_prefix("task_vars").map(|rest| (Place::Vars, rest)))?;
    let value_of = |rest: &'_ str| {
        let value = rest.trim_start().strip_prefix('=')?.trim();
        (!value.is_empty() && !value.starts_with('=')).then_some(value.len())
    };
    let tail = |length: usize| &line[line.trim_end().len() - length..];
    if let Some(length) = value_of(rest) {
        return Some(Command::Assign { place, key: None, value: tail(length) });
    }
    let within = rest.trim_start().strip_prefix('[')?;
    within.match_indices(']').find_map(|(at, _)| {
        let length = value_of(&within[at + 1..])?;
        let key = within[..at].trim();
        Some(Command::Assign { place, key: Some(key), value: tail(length) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let assign = |place, key, value| Command::Assign { place, key, value };
        for (line, expected) in [
            ("", Command::Nothing),
            ("  r ", Command::Redo),
            ("continue", Command::Continue),
            ("p task.args ", Command::Print("task.args")),
            ("p", Command::Unknown),
            ("task.args[\"that\"] = []", assign(Place::Args, Some("\"that\""), "[]")),
            ("task_vars['a]b']='x = y'", assign(Place::Vars, Some("'a]b'"), "'x = y'")),
            ("task.args = {'a': 1}", assign(Place::Args, None, "{'a': 1}")),
            ("task.args['a'] == 1", Command::Unknown),
            ("task.args[", Command::Unknown),
            ("import os", Command::Unknown),
        ] {
            assert_eq!(command(line), expected, "{line}");
        }
    }
}
