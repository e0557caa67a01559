//! `validate_argument_spec`: arguments against the specification of a role or module, with all errors at once.
//!
//! Values are data here: whatever could be a template has been resolved.

mod convert;
mod relations;

use std::collections::BTreeMap;

use jinja::{Map, Value};
use model::{Args, Outcome, Verdict};

use super::{Attempt, Call, Prepared, failure};
use crate::attributes::to_bool;

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    call.only(&["argument_spec", "provided_arguments", "validate_args_context"])?;
    let Some(spec) = call.args.get("argument_spec") else {
        return Err(failure("\"argument_spec\" arg is required in args"));
    };
    let dict = |name: &str, value: &Value| match value.as_dict() {
        Some(dict) => Ok(dict.snapshot()),
        None => Err(failure(format!(
            "Incorrect type for {name}, expected dict and got {}",
            value.type_name()
        ))),
    };
    let options = dict("argument_spec", spec)?;
    let mut given = match call.args.get("provided_arguments") {
        Some(value) => dict("provided_arguments", value)?,
        None => Map::new(),
    };
    for name in options.keys().filter_map(Value::as_str) {
        if !given.contains_key(&Value::from(name))
            && jinja::Variables::get(call.scope, name).is_some()
        {
            given.insert(name.into(), call.templar.variable(name)?);
        }
    }
    let mut errors = Vec::new();
    check(&Map::new(), &options, &mut given, None, &mut errors);
    let context = call.args.get("validate_args_context").cloned();
    let context = context.unwrap_or_else(|| Value::dict(Map::new())).to_json()?;
    let mut result = Args::new();
    result.insert("validate_args_context".into(), context);
    if errors.is_empty() {
        result.insert("msg".into(), "The arg spec validation passed".into());
        return Ok(Prepared::Done(Outcome::ok(result), Vec::new()));
    }
    let message = format!("Validation of arguments failed:\n{}", errors.join("\n"));
    result.insert("argument_errors".into(), errors.into());
    result.insert("argument_spec_data".into(), spec.to_json()?);
    Ok(Prepared::Done(Outcome::new(Verdict::Failed { message }, result), Vec::new()))
}

/// Checks one level: `spec` holds the relations between options, `options` the options by name. Defaults are filled in.
fn check(
    spec: &Map,
    options: &Map,
    given: &mut Map,
    within: Option<&str>,
    errors: &mut Vec<String>,
) {
    let place = within.map_or(String::new(), |path| format!(" found in {path}"));
    take_aliases(options, given);
    let unknown = unknown_names(options, given, within);
    let relations = relations::Relations { spec, place: &place };
    relations.exclusive(given, errors);
    let mut required: Vec<&str> = options
        .iter()
        .filter(|(_, option)| flag(option, "required"))
        .filter_map(|(name, _)| name.as_str())
        .filter(|name| is_absent(given, name))
        .collect();
    required.sort_unstable();
    if !required.is_empty() {
        errors.push(format!("missing required arguments: {}{place}", required.join(", ")));
    }
    for (name, option) in options {
        let Some(name) = name.as_str() else { continue };
        check_type(name, option, given, within, errors);
    }
    for (name, option) in options {
        let Some(name) = name.as_str() else { continue };
        check_choices(name, option, given, &place, errors);
    }
    relations.together(given, errors);
    for (name, option) in options {
        if let (Some(default), true) = (option.get("default"), !given.contains_key(name)) {
            given.insert(name.clone(), default);
        }
    }
    for (name, option) in options {
        let Some(name) = name.as_str() else { continue };
        check_inner(name, option, given, within, errors);
    }
    errors.extend(unknown);
}

fn is_absent(given: &Map, name: &str) -> bool {
    !given.contains_key(&Value::from(name))
}

fn flag(option: &Value, name: &str) -> bool {
    option.get(name).is_some_and(|value| to_bool(name, &value).unwrap_or(false))
}

fn aliases(option: &Value) -> Vec<String> {
    let list = option.get("aliases").and_then(|aliases| aliases.sequence()).unwrap_or_default();
    list.iter().map(ToString::to_string).collect()
}

fn take_aliases(options: &Map, given: &mut Map) {
    for (name, option) in options {
        for alias in aliases(option) {
            if let Some(value) = given.get(&Value::from(alias.as_str())).cloned() {
                given.insert(name.clone(), value);
            }
        }
    }
}

/// The error for names that no option has.
fn unknown_names(options: &Map, given: &Map, within: Option<&str>) -> Option<String> {
    let mut known: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, option) in options {
        known.insert(name.to_string(), aliases(option));
    }
    let mut unknown: Vec<String> = given
        .keys()
        .map(ToString::to_string)
        .filter(|name| !known.contains_key(name) && !known.values().flatten().any(|a| a == name))
        .map(|name| within.map_or(name.clone(), |path| format!("{path}.{name}")))
        .collect();
    unknown.sort();
    let all: Vec<String> = known.values().flatten().cloned().collect();
    let names: Vec<String> = known.into_keys().collect();
    let aliases = if all.is_empty() { String::new() } else { format!(" ({})", all.join(", ")) };
    (!unknown.is_empty()).then(|| {
        format!(
            "{}. Supported parameters include: {}{aliases}.",
            unknown.join(", "),
            names.join(", ")
        )
    })
}

/// Makes the value one of the wanted type, as lenient as modules are.
fn check_type(
    name: &str,
    option: &Value,
    given: &mut Map,
    within: Option<&str>,
    errors: &mut Vec<String>,
) {
    let Some(value) = given.get(&Value::from(name)).cloned() else { return };
    // Nothing stands for an option that may be left out, but not for one that must be there.
    let may_be_none =
        !flag(option, "required") && option.get("default").is_none_or(|value| value.is_none());
    if value.is_none() && may_be_none {
        return;
    }
    let found = within.map_or(String::new(), |path| format!(" found in '{path}'."));
    let wanted = option.get("type").map_or_else(|| "str".to_owned(), |kind| kind.to_string());
    let value = match convert::convert(&wanted, &value) {
        Ok(value) => value,
        Err(error) => {
            errors.push(format!(
                "argument '{name}' is of type {}{found} and we were unable to convert to {wanted}: {error}",
                value.type_name()
            ));
            return;
        }
    };
    let elements = option.get("elements").map(|elements| elements.to_string());
    let value = match (elements, value.as_list()) {
        (Some(wanted), Some(list)) => {
            let mut converted = Vec::new();
            for element in list.snapshot() {
                match convert::convert(&wanted, &element) {
                    Ok(element) => converted.push(element),
                    Err(error) => errors.push(format!(
                        "Elements value for option '{name}'{found} is of type {} and we were unable to convert to \
                         {wanted}: {error}",
                        element.type_name()
                    )),
                }
            }
            Value::list(converted)
        }
        _ => value,
    };
    given.insert(name.into(), value);
}

fn check_choices(name: &str, option: &Value, given: &Map, place: &str, errors: &mut Vec<String>) {
    let Some(choices) = option.get("choices").and_then(|choices| choices.sequence()) else {
        return;
    };
    let Some(value) = given.get(&Value::from(name)).filter(|value| !value.is_none()) else {
        return;
    };
    let listed = choices.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match value.as_list() {
        Some(list) => {
            let strange: Vec<String> = list
                .snapshot()
                .iter()
                .filter(|value| !choices.contains(value))
                .map(ToString::to_string)
                .collect();
            if !strange.is_empty() {
                errors.push(format!(
                    "value of {name} must be one or more of: {listed}. Got no match for: {}{place}",
                    strange.join(", ")
                ));
            }
        }
        None if choices.contains(value) => {}
        None => {
            errors.push(format!("value of {name} must be one of: {listed}, got: {value}{place}"));
        }
    }
}

/// Checks the options of a dictionary, or of each dictionary of a list.
fn check_inner(
    name: &str,
    option: &Value,
    given: &Map,
    within: Option<&str>,
    errors: &mut Vec<String>,
) {
    let Some(options) = option.get("options") else { return };
    let (Some(options), Some(spec)) = (options.as_dict(), option.as_dict()) else { return };
    let (options, spec) = (options.snapshot(), spec.snapshot());
    let path = within.map_or_else(|| name.to_owned(), |outer| format!("{outer} -> {name}"));
    let Some(value) = given.get(&Value::from(name)).filter(|value| !value.is_none()) else {
        return;
    };
    for value in value.as_list().map_or_else(|| vec![value.clone()], jinja::List::snapshot) {
        match value.as_dict() {
            Some(dict) => check(&spec, &options, &mut dict.snapshot(), Some(&path), errors),
            None => errors.push(format!("value of '{name}' must be of type dict or list of dicts")),
        }
    }
}
