//! `changed_when` and `failed_when`.

use std::sync::Arc;

use indexmap::IndexMap;
use jinja::Value;
use language::{Layer, Level, Scope};
use model::{Outcome, Verdict};

use super::{Attempt, HostTask, What, Work, is_unreachable, summary};

impl HostTask<'_> {
    /// Judges an item and reports it.
    pub(super) fn conclude(&self, work: &mut Work) {
        self.judge_or_fail(work);
        self.report_item(work);
    }

    pub(super) fn judge_or_fail(&self, work: &mut Work) {
        if let What::Done { judge: true } = work.what
            && let Err(error) = self.judge(work)
        {
            let told = work.outcome.take().map(|outcome| outcome.result).unwrap_or_default();
            self.fail(work, &error);
            if let Some(outcome) = &mut work.outcome {
                outcome.result = told;
                outcome.result.remove("msg");
            }
        }
        work.what = What::Done { judge: false };
    }

    /// With the result under the name of `register`.
    fn judge(&self, work: &mut Work) -> Attempt<()> {
        if let (Some(attempt), Some(outcome)) = (work.attempt, &mut work.outcome) {
            outcome.result.insert("attempts".into(), attempt.into());
        }
        let task = &self.planned.task;
        if task.changed_when.is_empty() && task.failed_when.is_empty() {
            return Ok(());
        }
        let Some(outcome) = &mut work.outcome else { return Ok(()) };
        let out_of_reach =
            matches!(outcome.verdict, Verdict::Skipped { .. } | Verdict::Unknown { .. });
        if out_of_reach || is_unreachable(outcome) {
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
            let changed = all(&task.changed_when);
            let changed =
                changed.inspect_err(|error| say(outcome, "changed_when_result", error))?;
            outcome.result.insert("changed".into(), changed.into());
            if !outcome.is_failed() {
                outcome.verdict = if changed { Verdict::Changed } else { Verdict::Ok };
            }
        }
        if !task.failed_when.is_empty() {
            let failed = all(&task.failed_when);
            let failed = failed.inspect_err(|error| say(outcome, "failed_when_result", error))?;
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
                let exception = "(traceback unavailable)";
                outcome.result.insert("failed_when_suppressed_exception".into(), exception.into());
            }
        }
        Ok(())
    }

    /// The scope in which an item's own result is seen under its registered name.
    pub(super) fn with_result(&self, scope: &Scope, outcome: &Outcome) -> Scope {
        let Some(name) = &self.register else { return scope.clone() };
        let result = Value::from_object(summary::registered(outcome));
        let vars = IndexMap::from([(Arc::from(name.as_str()), result)]);
        scope.with(Arc::new(Layer::new(Level::Magic, "register", vars)))
    }
}

/// A condition that cannot be evaluated is told of where its result would stand.
fn say(outcome: &mut Outcome, name: &str, error: &jinja::Error) {
    outcome.result.insert(name.to_owned(), error.message().to_string().into());
}
