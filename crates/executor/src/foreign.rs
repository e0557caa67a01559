//! Modules that came with the content are told what a step knows besides their arguments: they keep to check mode
//! themselves, so they run in it.

use model::{Args, Outcome, Step};
use serde_json::{Value, json};

/// The step that runs a program.
pub(crate) const MODULE: &str = "external_module";

/// Adds what Ansible tells every module.
pub(crate) fn tell(arguments: &mut Args, step: &Step) {
    let own = json!({
        "_ansible_check_mode": step.mode.check,
        "_ansible_diff": step.mode.diff,
        "_ansible_no_log": step.no_log,
    });
    if let Value::Object(own) = own {
        arguments.extend(own);
    }
}

/// The step as a program gets it; in check mode the outcome of one that knows nothing of that.
pub(crate) fn prepare(step: &Step) -> Result<Step, Box<Outcome>> {
    let mut step = step.clone();
    let knows = step.args.shift_remove("_knows_check_mode") == Some(Value::Bool(true));
    if step.mode.check && !knows {
        let name = step.args.get("name").and_then(Value::as_str).unwrap_or(MODULE);
        let message = format!("remote module ({name}) does not support check mode");
        let mut outcome = Outcome::skipped(&message);
        outcome.result.insert("msg".into(), message.into());
        return Err(Box::new(outcome));
    }
    let mut arguments = match step.args.shift_remove("_arguments") {
        Some(Value::Object(arguments)) => arguments,
        _ => Args::new(),
    };
    tell(&mut arguments, &step);
    step.args.insert("_arguments".into(), arguments.into());
    step.mode.check = false;
    Ok(step)
}
