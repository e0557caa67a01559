//! `set_fact`: variables of the host for the rest of the run.

use model::{Args, Outcome};

use super::{Attempt, Call, Effect, Prepared, failure};

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    let cacheable = call.flag("cacheable", false)?;
    let (mut facts, mut effects) = (Args::new(), Vec::new());
    for (name, value) in call.args.iter().filter(|(name, _)| &***name != "cacheable") {
        let name = variable_name(call, name)?;
        facts.insert(name.clone(), value.to_json()?);
        effects.push(Effect::SetFact(name, value.clone()));
    }
    if effects.is_empty() {
        return Err(failure(
            "No key/value pairs provided, at least one is required for this action to succeed",
        ));
    }
    if cacheable {
        effects.push(Effect::Facts(facts.clone()));
    }
    let mut result = Args::new();
    result.insert("ansible_facts".into(), facts.into());
    result.insert("_ansible_facts_cacheable".into(), cacheable.into());
    Ok(Prepared::Done(Outcome::ok(result), effects))
}

/// The name may itself be a template.
fn variable_name(call: &Call<'_>, name: &str) -> Attempt<String> {
    let value = if name.contains("{{") {
        call.templar.resolve(&jinja::Value::trusted(name, None))?
    } else {
        name.into()
    };
    valid_name(&value)
}

/// The name of a variable, or the error that Ansible gives.
pub(super) fn valid_name(value: &jinja::Value) -> Attempt<String> {
    match value.as_str() {
        Some(name) if language::is_variable_name(name) => Ok(name.to_owned()),
        Some(name) => Err(failure(format!("Invalid variable name '{name}'.")).hinted(Some(
            "Variable names must be strings starting with a letter or underscore character, and contain only letters, \
             numbers and underscores."
                .to_owned(),
        ))),
        None => Err(failure(format!(
            "Invalid variable name '{value}' of type '{}'.",
            value.type_name()
        ))),
    }
}
