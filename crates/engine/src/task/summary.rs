//! What the whole task came to: the result to register and report, what it notifies.

use std::time::Duration;

use jinja::{Map, Value};
use model::{Args, HostResult, Outcome, Verdict};

use super::{HostTask, Lost, TaskDone, TaskEffect, Work, is_unreachable, unknown};
use crate::actions::Effect;
use crate::attributes::Tolerance;
use crate::events::Events;

impl HostTask<'_> {
    pub(super) fn finish(self, works: Vec<Work>, looped: bool, took: Duration) -> TaskDone {
        let (registered, summary) = if looped {
            let (args, summary) = summarise(&works);
            (unknown::registered_loop(&works, with_results(args, &works)), summary)
        } else {
            let outcome = works[0].outcome.clone().expect("an item that was done has an outcome");
            (registered_value(&works[0], &outcome), outcome)
        };
        let unreachable = lost(&works, &summary);
        let changed = summary.is_changed() && !summary.is_failed();
        let notify = if changed { self.notify(&works) } else { Vec::new() };
        let register = self.register.clone().map(|name| (name, registered));
        let first = works.first();
        let causes = first.filter(|_| !looped).map(|work| work.causes.clone()).unwrap_or_default();
        let result = Events::host_result(crate::events::Draft {
            host: self.host,
            delegated_to: works.iter().find_map(|work| work.delegated.clone()),
            task: &self.cx.announcement.name,
            planned: self.planned,
            outcome: summary,
            causes,
            tolerance: tolerance(&works),
            took,
        });
        let included = works
            .iter()
            .any(|work| work.effects.iter().any(|effect| matches!(effect, Effect::Include(_))));
        TaskDone {
            host: self.host.clone(),
            announcement: self.cx.announcement.clone(),
            result,
            looped,
            register,
            effects: works.into_iter().flat_map(effects).collect(),
            notify,
            unreachable,
            reported: false,
            included,
        }
    }

    pub(super) fn host_result(&self, work: &Work) -> HostResult {
        Events::host_result(crate::events::Draft {
            host: self.host,
            delegated_to: work.delegated.clone(),
            task: &self.cx.announcement.name,
            planned: self.planned,
            outcome: work.outcome.clone().expect("an item that was done has an outcome"),
            causes: work.causes.clone(),
            tolerance: work.tolerance,
            took: work.took,
        })
    }

    /// The names and topics that a change notifies, for each item.
    fn notify(&self, works: &[Work]) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for work in works {
            let templar = self.templar(&work.scope);
            for raw in self.planned.gathered(|c| &c.notify) {
                let Ok(value) = templar.resolve(raw) else { continue };
                let found = match value.sequence() {
                    Some(values) if value.as_str().is_none() => values,
                    _ => vec![value],
                };
                let found = found.iter().map(ToString::to_string);
                found.for_each(|name| {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                });
            }
        }
        names
    }
}

fn effects(work: Work) -> Vec<TaskEffect> {
    let of = work.delegated.filter(|_| work.delegated_facts);
    let is_fact = |effect: &Effect| {
        matches!(effect, Effect::Facts(_) | Effect::SetFact(..) | Effect::IncludeVar(..))
    };
    work.effects
        .into_iter()
        .map(|effect| TaskEffect { of: of.clone().filter(|_| is_fact(&effect)), effect })
        .collect()
}

/// What becomes of failures of the whole: ignored when every item that failed says so.
fn tolerance(works: &[Work]) -> Tolerance {
    let failed = |work: &&Work| work.outcome.as_ref().is_some_and(Outcome::is_failed);
    let mut failures = works.iter().filter(failed).peekable();
    Tolerance {
        no_log: works.iter().any(|work| work.tolerance.no_log),
        ignore_errors: failures.peek().is_some()
            && failures.all(|work| work.tolerance.ignore_errors),
        ignore_unreachable: false,
    }
}

fn lost(works: &[Work], summary: &Outcome) -> Option<Lost> {
    let mut lost =
        works.iter().filter(|work| work.outcome.as_ref().is_some_and(is_unreachable)).peekable();
    let first = lost.peek()?.outcome.as_ref()?;
    let message = match (&first.verdict, &summary.verdict) {
        (Verdict::Failed { message }, _) | (_, Verdict::Failed { message }) => message.clone(),
        _ => String::new(),
    };
    Some(Lost { message, ignored: lost.all(|work| work.tolerance.ignore_unreachable) })
}

/// What `register` stores of an outcome. A host that did not answer did not fail.
pub(super) fn registered(outcome: &Outcome) -> Args {
    let mut args = outcome.to_args();
    // What the module was called with is for reports, not for variables.
    args.remove("invocation");
    if outcome.is_failed() {
        args.entry("exception").or_insert("(traceback unavailable)".into());
    }
    if is_unreachable(outcome) {
        args.remove("failed");
    }
    args
}

/// What `register` stores of an item's outcome as a value: what came from the content keeps its marks, all else is data.
pub(super) fn registered_value(work: &Work, outcome: &Outcome) -> Value {
    let value = unknown::registered(work, Value::from_object(registered(outcome)));
    let mut facts = Map::new();
    for effect in &work.effects {
        if let Effect::SetFact(name, value) | Effect::IncludeVar(name, value) = effect {
            facts.insert(name.as_str().into(), value.clone());
        }
    }
    match value.get("ansible_facts") {
        Some(known) if !facts.is_empty() => {
            let mut all = known.as_dict().map(jinja::Dict::snapshot).unwrap_or_default();
            all.extend(facts);
            with_entry(&value, "ansible_facts", Value::dict(all))
        }
        _ => value,
    }
}

fn with_entry(dict: &Value, name: &str, value: Value) -> Value {
    let mut entries = dict.as_dict().map(jinja::Dict::snapshot).unwrap_or_default();
    entries.insert(name.into(), value);
    Value::dict(entries)
}

/// The registered result of a loop, with the items and what came of them as they were.
fn with_results(args: Args, works: &[Work]) -> Value {
    let results = works.iter().filter_map(|work| {
        let result = registered_value(work, work.outcome.as_ref()?);
        let Some(item) = &work.item else { return Some(result) };
        let mut entries = result.as_dict().map(jinja::Dict::snapshot).unwrap_or_default();
        for (name, json) in &item.result {
            let known = item.vars.get(name.as_str()).cloned();
            let value = known.unwrap_or_else(|| Value::from_json(json.clone()));
            entries.insert(name.as_str().into(), value);
        }
        Some(Value::dict(entries).marked(result.marks()).with_origin(result.origin().cloned()))
    });
    let results = results.collect();
    with_entry(&Value::from_object(args), "results", results)
}

/// The result of a loop: what `register` stores, and the outcome of the whole.
fn summarise(works: &[Work]) -> (Args, Outcome) {
    let outcomes: Vec<&Outcome> = works.iter().filter_map(|work| work.outcome.as_ref()).collect();
    let results: Vec<serde_json::Value> = works
        .iter()
        .filter_map(|work| {
            let mut args = registered(work.outcome.as_ref()?);
            if let Some(item) = &work.item {
                args.extend(item.result.clone());
            }
            Some(args.into())
        })
        .collect();
    let any = |is: fn(&Outcome) -> bool| outcomes.iter().any(|outcome| is(outcome));
    let failed = |outcome: &Outcome| outcome.is_failed() && !is_unreachable(outcome);
    let unknown = outcomes.iter().find(|outcome| outcome.is_unknown());
    let mut result = Args::new();
    let (verdict, message) = if works.is_empty() {
        result.insert("skipped_reason".into(), "No items in the list".into());
        (Verdict::Skipped { reason: "No items in the list".into() }, None)
    } else if let Some(unknown) = unknown {
        (unknown.verdict.clone(), None)
    } else if any(failed) {
        let message = "One or more items failed";
        (Verdict::Failed { message: message.into() }, Some(message))
    } else if outcomes.iter().all(|outcome| outcome.is_skipped()) {
        (Verdict::Skipped { reason: "All items skipped".into() }, Some("All items skipped"))
    } else if any(Outcome::is_changed) {
        (Verdict::Changed, Some("All items completed"))
    } else {
        (Verdict::Ok, Some("All items completed"))
    };
    if any(is_unreachable) {
        result.insert("unreachable".into(), true.into());
    }
    if any(Outcome::is_changed) {
        result.insert("changed".into(), true.into());
    }
    result.insert("results".into(), results.into());
    result.extend(message.map(|message| ("msg".to_owned(), message.into())));
    let mut outcome = Outcome::new(verdict, result);
    let mut args = outcome.to_args();
    if outcome.is_skipped() {
        args.shift_remove("skip_reason");
        outcome.result.shift_remove("msg");
    } else {
        args.insert("skipped".into(), false.into());
        if !outcome.is_failed() {
            args.shift_remove("failed");
        }
    }
    (args, outcome)
}
