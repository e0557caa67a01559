//! What a run in check mode does not know: results of what it did not do. What rests on them says so, instead of failing
//! or taking something for granted.

use std::sync::Arc;

use jinja::{Error, Value};
use language::Task;
use model::Outcome;

use super::Work;
use crate::actions::Effect;

/// What is known of a result all the same.
const KNOWN: [&str; 5] = ["skipped", "skip_reason", "msg", "cmd", "unknown"];

/// An item that needs what is not known does not run; what it would set is not known either.
pub(super) fn skip(work: &mut Work, task: &Task, error: &Error) {
    let mut outcome = Outcome::skipped(error.message());
    outcome.result.insert("unknown".into(), true.into());
    work.outcome = Some(outcome);
    let span = Arc::new(task.span.clone());
    if &*task.action.name == "set_fact" {
        let names = task.action.args.keys().filter(|name| &***name != "cacheable");
        let unknown = Value::unknown(&task.action.name, Some(span.clone()));
        let set = names.map(|name| Effect::SetFact(name.to_string(), unknown.clone()));
        work.effects = set.collect();
    }
    work.undone = Some(span);
}

/// A result as `register` stores it, without what is not known.
pub(super) fn registered(work: &Work, result: Value) -> Value {
    let Some(span) = work.undone.as_ref().filter(|_| work.is_undone()) else { return result };
    let mut known = result.as_dict().map(jinja::Dict::snapshot).unwrap_or_default();
    known.retain(|key, _| key.as_str().is_some_and(|key| KNOWN.contains(&key)));
    Value::dict(known).partial(Some(span.clone()))
}

/// The result of a loop: it is not known whether it changed or failed when that of an item is not.
pub(super) fn registered_loop(works: &[Work], result: Value) -> Value {
    let Some(undone) = works.iter().find(|work| work.is_undone()) else { return result };
    let mut known = result.as_dict().map(jinja::Dict::snapshot).unwrap_or_default();
    known.retain(|key, _| !matches!(key.as_str(), Some("changed" | "failed")));
    Value::dict(known).partial(undone.undone.clone())
}
