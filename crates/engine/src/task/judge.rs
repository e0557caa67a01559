//! `changed_when` and `failed_when`.

use std::sync::Arc;

use indexmap::IndexMap;
use jinja::{Error, Value};
use language::{Layer, Level, Scope};
use model::{Outcome, Verdict};

use super::repeat::fail_as_it_is;
use super::{Attempt, HostTask, What, Work, is_unreachable, summary};
use crate::events::causes_of;

impl HostTask<'_> {
    /// Judges an item and reports it.
    pub(super) fn conclude(&self, work: &mut Work) {
        self.judge_or_fail(work);
        self.report_item(work);
    }

    pub(super) fn judge_or_fail(&self, work: &mut Work) {
        if let What::Done { judge: true } = work.what {
            self.judge(work);
        }
        work.what = What::Done { judge: false };
    }

    /// With the result under the name of `register`.
    fn judge(&self, work: &mut Work) {
        if let (Some(attempt), Some(outcome)) = (work.attempt, &mut work.outcome) {
            outcome.result.insert("attempts".into(), attempt.into());
        }
        let task = &self.planned.task;
        if task.changed_when.is_empty() && task.failed_when.is_empty() {
            return;
        }
        let Some(outcome) = &mut work.outcome else { return };
        let out_of_reach =
            matches!(outcome.verdict, Verdict::Skipped { .. } | Verdict::Unknown { .. });
        if out_of_reach || is_unreachable(outcome) {
            return;
        }
        let scope = self.with_result(work);
        let Some(outcome) = &mut work.outcome else { return };
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
            match all(&task.changed_when) {
                Ok(changed) => judged_changed(outcome, changed),
                Err(error) if error.is_unknown() => unjudged(outcome, "changed_when", &error),
                Err(error) => {
                    work.causes = causes_of(&error, &task.span);
                    return broken(outcome, "changed_when_result", &error);
                }
            }
        }
        if !task.failed_when.is_empty() {
            match all(&task.failed_when) {
                Ok(failed) => judged_failed(outcome, failed),
                Err(error) if error.is_unknown() => unjudged(outcome, "failed_when", &error),
                Err(error) => {
                    work.causes = causes_of(&error, &task.span);
                    broken(outcome, "failed_when_result", &error);
                }
            }
        }
    }

    /// What was said about the task's templates goes with the result.
    pub(super) fn tell(work: &mut Work) {
        let Some(outcome) = &mut work.outcome else { return };
        let notes = std::mem::take(&mut work.notes);
        outcome.warnings.extend(notes.warnings);
        if !notes.deprecations.is_empty() {
            let told =
                notes.deprecations.into_iter().map(|text| serde_json::json!({ "msg": text }));
            outcome.result.insert("deprecations".into(), told.collect());
        }
    }

    /// `loop_control.label`, which may say something of the item's result.
    pub(super) fn label(&self, work: &mut Work) {
        let Some(raw) = &self.planned.task.loop_control.label else { return };
        let scope = self.with_result(work);
        let (Some(item), Some(outcome)) = (&mut work.item, &mut work.outcome) else { return };
        match self.templar(&scope).resolve(raw) {
            Ok(shown) => item.label = shown.to_json().unwrap_or_default(),
            Err(error) => {
                let message =
                    format!("Failed to template loop_control.label: {}", error.whole_message());
                outcome.result.insert("msg".into(), message.clone().into());
                outcome.verdict = Verdict::Failed { message };
            }
        }
    }

    /// The scope in which an item's own result is seen under its registered name.
    pub(super) fn with_result(&self, work: &Work) -> Scope {
        let scope = &work.scope;
        let (Some(name), Some(outcome)) = (&self.register, &work.outcome) else {
            return scope.clone();
        };
        let result = summary::registered_value(work, outcome);
        let vars = IndexMap::from([(Arc::from(name.as_str()), result)]);
        scope.with(Arc::new(Layer::new(Level::Magic, "register", vars)))
    }
}

fn judged_changed(outcome: &mut Outcome, changed: bool) {
    outcome.result.insert("changed".into(), changed.into());
    if !outcome.is_failed() {
        outcome.verdict = if changed { Verdict::Changed } else { Verdict::Ok };
    }
}

fn judged_failed(outcome: &mut Outcome, failed: bool) {
    outcome.result.insert("failed_when_result".into(), failed.into());
    if failed && !outcome.is_failed() {
        fail_as_it_is(outcome);
    } else if !failed && outcome.is_failed() {
        let changed = outcome.is_changed();
        if let Verdict::Failed { message } = &outcome.verdict {
            outcome.result.entry("msg").or_insert(message.clone().into());
        }
        outcome.verdict = if changed { Verdict::Changed } else { Verdict::Ok };
        let exception = "(traceback unavailable)";
        outcome.result.insert("failed_when_suppressed_exception".into(), exception.into());
    }
}

/// A judgement that rests on what check mode does not know is not made.
fn unjudged(outcome: &mut Outcome, keyword: &str, error: &Error) {
    outcome.warnings.push(format!("{keyword} was not looked at: {}", error.message()));
}

/// A judgement that cannot be made fails the task; its result stays, and says why.
fn broken(outcome: &mut Outcome, key: &str, error: &Error) {
    let changed = outcome.is_changed();
    outcome.result.insert("changed".into(), changed.into());
    outcome.result.insert(key.into(), error.whole_message().into());
    fail_as_it_is(outcome);
}
