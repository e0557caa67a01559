//! The one way a module is run: parse, look, then show, do or skip. Check mode, diffs, secrets and bugs are dealt with
//! here, so that no module has to.

use std::panic::{AssertUnwindSafe, catch_unwind};

use model::{Args, Outcome, Step, Verdict};
use serde_json::Value;
use system::System;

use crate::arguments::{self, Parsed};
use crate::contract::{Change, Check, Failure, Module, WARNINGS};
use crate::registry;

/// Runs a step.
pub fn run(step: &Step, system: &dyn System) -> Outcome {
    examine(step, system, Purpose::Run).outcome
}

/// Runs a step of which nobody knows whether it ran before: looks again, and does what still has to be done. When
/// looking cannot tell, the outcome is [`Verdict::Unknown`] and nothing is done.
pub fn in_doubt(step: &Step, system: &dyn System) -> Outcome {
    examine(step, system, Purpose::InDoubt).outcome
}

/// Runs a step as `purpose` says and also tells what the module's check answered.
pub fn examine(step: &Step, system: &dyn System, purpose: Purpose) -> Examined {
    let Some(entry) = registry::find(&step.module) else {
        return Examined { outcome: unknown_module(&step.module), answer: None };
    };
    catch_unwind(AssertUnwindSafe(|| (entry.run)(step, system, purpose))).unwrap_or_else(|panic| {
        let message = format!(
            "bug in module `{}`: {}. Please report it",
            entry.name,
            panic_text(panic.as_ref())
        );
        Examined { outcome: Outcome::failed(message), answer: None }
    })
}

/// Why a step is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// For the first time.
    Run,
    /// It may have run before.
    InDoubt,
}

/// An outcome, and which way it came about.
#[derive(Debug)]
pub struct Examined {
    /// What came of it.
    pub outcome: Outcome,
    /// What the module's check answered; `None` when it did not get that far.
    pub answer: Option<Answer>,
}

/// The kinds of [`Check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// See [`Check::InSync`].
    InSync,
    /// See [`Check::Drift`].
    Drift,
    /// See [`Check::Upkeep`].
    Upkeep,
    /// See [`Check::Act`].
    Act,
    /// See [`Check::CannotTell`].
    CannotTell,
}

/// Runs a step with one module; `registry` has one instance of this for each.
pub(crate) fn run_module<M: Module>(
    step: &Step,
    system: &dyn System,
    purpose: Purpose,
) -> Examined {
    let Parsed { module, invocation, secrets, warnings } =
        match arguments::parse::<M>(&step.args, system) {
            Ok(parsed) => parsed,
            Err(failure) => {
                let mut outcome = Outcome::failed(failure.message);
                outcome.result = failure.result;
                return Examined { outcome, answer: None };
            }
        };
    let mut attempt = Attempt { step, system, purpose, answer: None, result: Args::new() };
    let (verdict, diff) = attempt.carry_out(&module);
    let Attempt { answer, mut result, .. } = attempt;

    let mut outcome = Outcome::new(verdict, Args::new());
    outcome.diff = diff;
    outcome.warnings = warnings;
    if let Some(Value::Array(list)) = result.remove(WARNINGS) {
        outcome.warnings.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    result.insert("invocation".into(), serde_json::json!({ "module_args": invocation }));
    outcome.result = result;
    secrets.mask_outcome(&mut outcome);
    Examined { outcome, answer }
}

/// One go at a step.
struct Attempt<'a> {
    step: &'a Step,
    system: &'a dyn System,
    purpose: Purpose,
    answer: Option<Answer>,
    result: Args,
}

impl Attempt<'_> {
    fn carry_out<M: Module>(&mut self, module: &M) -> (Verdict, Vec<model::Diff>) {
        match self.try_carry_out(module) {
            Ok(end) => end,
            Err(failure) => {
                // What was to be said had it gone well.
                self.result.shift_remove("msg");
                self.result.extend(failure.result);
                (Verdict::Failed { message: failure.message }, Vec::new())
            }
        }
    }

    fn try_carry_out<M: Module>(
        &mut self,
        module: &M,
    ) -> Result<(Verdict, Vec<model::Diff>), Failure> {
        let (answer, change) = match module.check(self.system, &mut self.result)? {
            Check::InSync => (Answer::InSync, None),
            Check::Drift(change) => (Answer::Drift, Some(change)),
            Check::Upkeep(change) => (Answer::Upkeep, Some(change)),
            Check::Act(change) => (Answer::Act, Some(change)),
            Check::CannotTell(change) => (Answer::CannotTell, Some(change)),
        };
        self.answer = Some(answer);
        let Some(change) = change else {
            let verdict = if M::Change::IS_NONE { self.in_sync() } else { self.found_in_sync() };
            return Ok((verdict, Vec::new()));
        };
        if answer == Answer::CannotTell {
            if self.step.mode.check {
                return Ok((self.skipped(), Vec::new()));
            }
            if self.purpose == Purpose::InDoubt && !module.is_repeatable() {
                let message = format!(
                    "the agent stopped while `{}` ran; it may or may not have been carried out, and was not tried again",
                    self.step.module
                );
                return Ok((Verdict::Unknown { message }, Vec::new()));
            }
        }
        if answer == Answer::Upkeep {
            return self.keep_up(module, change);
        }
        let diff = if self.step.mode.diff { change.diff(self.system)? } else { Vec::new() };
        if self.step.mode.check {
            return Ok((Verdict::Changed, diff));
        }
        module.apply(change, self.system, &mut self.result)?;
        match self.result.remove("changed") {
            Some(Value::Bool(false)) => Ok((Verdict::Ok, Vec::new())),
            _ => Ok((Verdict::Changed, diff)),
        }
    }

    /// Does work that counts as no change.
    fn keep_up<M: Module>(
        &mut self,
        module: &M,
        change: M::Change,
    ) -> Result<(Verdict, Vec<model::Diff>), Failure> {
        if self.step.mode.check {
            return Ok((self.in_sync(), Vec::new()));
        }
        module.apply(change, self.system, &mut self.result)?;
        match self.result.remove("changed") {
            Some(Value::Bool(true)) => Ok((Verdict::Changed, Vec::new())),
            _ => Ok((Verdict::Ok, Vec::new())),
        }
    }

    /// In doubt, what is as wanted may have been made so by this very step: handlers must hear of it once too often
    /// rather than never.
    fn found_in_sync(&mut self) -> Verdict {
        if self.purpose == Purpose::InDoubt && !self.step.mode.check {
            let warning = "the agent stopped while this step ran, and found everything as wanted afterwards; whether \
                           the step changed it is not known";
            crate::contract::warn(&mut self.result, warning);
            return Verdict::Changed;
        }
        self.in_sync()
    }

    fn in_sync(&mut self) -> Verdict {
        match self.result.remove("changed") {
            Some(Value::Bool(true)) => Verdict::Changed,
            _ => Verdict::Ok,
        }
    }

    fn skipped(&mut self) -> Verdict {
        let reason = self.result.get("msg").and_then(Value::as_str).map_or_else(
            || format!("remote module ({}) does not support check mode", self.step.module),
            str::to_owned,
        );
        self.result.insert("msg".into(), reason.clone().into());
        Verdict::Skipped { reason }
    }
}

fn unknown_module(name: &str) -> Outcome {
    let hint =
        registry::nearest(name).map(|near| format!(". Did you mean `{near}`?")).unwrap_or_default();
    Outcome::failed(format!("unknown module `{name}`{hint}"))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic")
}
