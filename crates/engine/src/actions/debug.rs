//! `debug`: prints a message or the value of an expression.

use jinja::Value;
use model::{Args, Outcome};

use super::{Attempt, Call, Prepared, failure};

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    call.only(&["msg", "var", "verbosity"])?;
    if call.args.contains_key("msg") && call.args.contains_key("var") {
        return Err(failure("parameters are mutually exclusive: msg|var"));
    }
    if let Some(value) = call.args.get("verbosity") {
        let wanted = crate::attributes::count("verbosity", value)?;
        if wanted > u32::from(call.world.options.verbosity) {
            return Ok(Prepared::Done(
                Outcome::skipped("Verbosity threshold not met."),
                Vec::new(),
            ));
        }
    }
    let mut result = Args::new();
    match call.args.get("var") {
        Some(expression) => {
            let (name, value) = expression_value(call, expression)?;
            result.insert(name, value.to_json()?);
        }
        None => {
            let message =
                call.args.get("msg").cloned().unwrap_or_else(|| Value::from("Hello world!"));
            result.insert("msg".into(), message.to_json()?);
        }
    }
    Ok(Prepared::Done(Outcome::ok(result), Vec::new()))
}

fn expression_value(call: &Call<'_>, expression: &Value) -> Attempt<(String, Value)> {
    let Some(text) = expression.as_str() else {
        return Err(failure(format!(
            "argument 'var' is of type {} and we were unable to convert to str: '{expression}' is not a string and \
             conversion is not allowed",
            expression.type_name()
        )));
    };
    if !expression.marks().has(jinja::Marks::TRUSTED) {
        return Err(failure(
            "Error while resolving `var` expression: Encountered untrusted template or expression.",
        )
        .hinted(Some(
            "Templates and expressions must be defined by trusted sources such as playbooks or roles, not untrusted \
             sources such as module results."
                .to_owned(),
        )));
    }
    let shown = call.templar.shown(text, expression.origin().cloned())?;
    Ok((text.to_owned(), shown))
}
