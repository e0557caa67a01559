//! `assert`: fails unless all expressions hold.

use jinja::Value;
use model::{Args, Outcome, Verdict};

use super::{Attempt, Call, Prepared, failure};

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    call.only(&["that", "fail_msg", "msg", "success_msg", "quiet"])?;
    let Some(that) = call.args.get("that") else {
        return Err(failure("missing required arguments: that"));
    };
    if that.is_none() {
        return Err(failure("Empty conditional expressions are not allowed."));
    }
    let quiet = call.flag("quiet", false)?;
    let failed = call.args.get("fail_msg").or(call.args.get("msg"));
    let conditions = conditions(call, that)?;
    for condition in &conditions {
        if call.templar.condition(condition)? {
            continue;
        }
        let mut result = Args::new();
        result.insert("evaluated_to".into(), false.into());
        result.insert("assertion".into(), condition.to_json()?);
        let message = match failed {
            Some(message) => message.to_json()?,
            None => "Assertion failed".into(),
        };
        result.insert("msg".into(), message.clone());
        let message = message.as_str().map_or_else(|| message.to_string(), ToOwned::to_owned);
        return Ok(Prepared::Done(Outcome::new(Verdict::Failed { message }, result), Vec::new()));
    }
    let mut result = Args::new();
    if !quiet {
        let message = call
            .args
            .get("success_msg")
            .map_or_else(|| Ok("All assertions passed".into()), Value::to_json)?;
        result.insert("msg".into(), message);
    }
    Ok(Prepared::Done(Outcome::ok(result), Vec::new()))
}

/// One expression, or a list of them, or a template that gives the list.
fn conditions(call: &Call<'_>, that: &Value) -> Attempt<Vec<Value>> {
    if let Some(list) = that.as_list() {
        return Ok(list.snapshot());
    }
    if that.is_template() {
        let resolved = call.templar.outermost(that)?;
        if let Some(list) = resolved.as_list() {
            return Ok(list.snapshot());
        }
    }
    Ok(vec![that.clone()])
}
