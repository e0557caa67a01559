//! Filters that change how data is nested: flatten, subelements, extract.

use super::{LAZY, STRUCTURAL};
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::value::{MAX_DEPTH, Value};

pub(super) fn register(environment: &mut Environment) {
    environment.filter("flatten", STRUCTURAL, flatten);
    environment.filter("subelements", STRUCTURAL, subelements);
    environment.filter("extract", LAZY, extract);
}

fn flatten(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let levels = args.int("levels")?;
    let skip_nulls = args.flag("skip_nulls", true);
    args.finish()?;
    let mut flat = Vec::new();
    flatten_into(scope, &value, levels, skip_nulls, &mut flat, 0)?;
    Ok(Value::list(flat))
}

fn flatten_into(
    scope: &Scope<'_>,
    value: &Value,
    levels: Option<i64>,
    skip_nulls: bool,
    flat: &mut Vec<Value>,
    depth: usize,
) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::value_error("the list is nested too deeply to flatten"));
    }
    for item in scope.iterate(value)? {
        let is_null = item.is_none() || matches!(item.as_str(), Some("None" | "null"));
        if skip_nulls && is_null {
            continue;
        }
        let deeper = item.sequence().is_some() && levels.is_none_or(|levels| levels >= 1);
        if deeper {
            let levels = levels.map(|levels| levels - 1);
            flatten_into(scope, &item, levels, skip_nulls, flat, depth + 1)?;
        } else {
            flat.push(item);
        }
    }
    Ok(())
}

fn subelements(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let path = args.required("subelements")?;
    let skip_missing = args.flag("skip_missing", false);
    args.finish()?;
    subelements_of(scope, &value, &path, skip_missing)
}

/// Pairs of each element and each of its sub-elements; the lookup of that name does the same.
pub(crate) fn subelements_of(
    scope: &Scope<'_>,
    value: &Value,
    path: &Value,
    skip_missing: bool,
) -> Result<Value, Error> {
    let items = match scope.entries(value)? {
        Some(entries) => entries.into_iter().map(|(_, item)| item).collect(),
        None if value.sequence().is_some() => scope.iterate(value)?,
        None => return Err(Error::type_error("obj must be a list of dicts or a nested dict")),
    };
    let steps: Vec<Value> = match path.as_str() {
        Some(path) => path.split('.').map(Value::from).collect(),
        None => path
            .sequence()
            .ok_or_else(|| Error::type_error("subelements must be a list or a string"))?,
    };
    let mut pairs = Vec::new();
    for item in items {
        let mut current = item.clone();
        let (mut within, mut missing) = (item.clone(), Value::none());
        for (at, step) in steps.iter().enumerate() {
            if current.is_none() && at > 0 && skip_missing {
                current = Value::undefined("");
                break;
            }
            if current.as_dict().is_none() && at > 0 {
                return Err(Error::type_error(format!(
                    "the key {step} should point to a dictionary, got '{current}'"
                )));
            }
            if current.as_dict().is_none() {
                return Err(Error::type_error(format!(
                    "subelements lookup expects a dictionary, got '{current}'"
                )));
            }
            let found = scope.item(&current, step)?;
            (within, missing) = (current, step.clone());
            current = found;
            if current.is_undefined() {
                break;
            }
        }
        if current.is_undefined() {
            if skip_missing {
                continue;
            }
            return Err(Error::value_error(format!(
                "could not find '{missing}' key in iterated item {}",
                within.repr()
            )));
        }
        if current.sequence().is_none() {
            return Err(Error::type_error(format!(
                "the key {} should point to a list, got '{current}'",
                steps.last().map(ToString::to_string).unwrap_or_default()
            )));
        }
        for sub in scope.iterate(&current)? {
            pairs.push(Value::tuple(vec![item.clone(), sub]));
        }
    }
    Ok(Value::list(pairs))
}

fn extract(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let container = args.required("container")?;
    let more = args.take("morekeys").filter(|more| !more.is_none());
    args.finish()?;
    let mut current = scope.item(&container, &scope.force(value)?)?;
    let keys = match more {
        None => Vec::new(),
        Some(more) => match more.sequence() {
            Some(_) => scope.iterate(&more)?,
            None => vec![more],
        },
    };
    for key in keys {
        current = scope.item(&current, &key)?;
    }
    Ok(current)
}
