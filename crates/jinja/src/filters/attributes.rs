//! Filters that apply to each element: map, select, reject and their kin.

use super::{ANY, LAZY, PLAIN};
use crate::args::Args;
use crate::environment::Environment;
use crate::error::{Error, ErrorKind};
use crate::eval::Scope;
use crate::value::Value;

pub(super) fn register(environment: &mut Environment) {
    environment.filter("map", LAZY, map);
    for (name, wanted, by_attribute) in [
        ("select", true, false),
        ("reject", false, false),
        ("selectattr", true, true),
        ("rejectattr", false, true),
    ] {
        environment.filter(name, LAZY, move |scope, value, args| {
            select(scope, &value, args, wanted, by_attribute)
        });
    }
    environment.filter("attr", ANY, |scope, value, mut args| {
        let name = args.required("name")?;
        args.finish()?;
        scope.own_attribute(&value, &name)
    });
    environment.filter("sum", PLAIN, sum);
}

fn map(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let attribute = args.take_named("attribute");
    let items = scope.iterate(&value)?;
    let Some(path) = attribute else {
        let name = args
            .next_positional()
            .ok_or_else(|| Error::type_error("map requires a filter argument"))?
            .to_string();
        let mapped = items.into_iter().map(|item| {
            scope.step()?;
            scope.call_filter(&name, item, args.clone()).map_err(nameless)
        });
        return mapped.collect::<Result<_, _>>().map(Value::list);
    };
    let default = args.take_named("default");
    if let Some((name, _)) = args.rest_named().first() {
        return Err(Error::value_error(format!("Unexpected keyword argument '{name}'")));
    }
    args.finish()?;
    let mapped = items.into_iter().map(|item| {
        let found = scope.path(&item, &path)?;
        Ok(match (&default, found.is_undefined()) {
            (Some(default), true) => default.clone(),
            _ => found,
        })
    });
    mapped.collect::<Result<_, Error>>().map(Value::list)
}

fn select(
    scope: &Scope<'_>,
    value: &Value,
    mut args: Args,
    wanted: bool,
    by_attribute: bool,
) -> Result<Value, Error> {
    let path = if by_attribute {
        Some(
            args.next_positional()
                .ok_or_else(|| Error::type_error("missing parameter for attribute name"))?,
        )
    } else {
        None
    };
    let test = args.next_positional().map(|name| name.to_string());
    let mut kept = Vec::new();
    for item in scope.iterate(value)? {
        scope.step()?;
        let subject = match &path {
            Some(path) => scope.path(&item, path)?,
            None => item.clone(),
        };
        let holds = match &test {
            Some(name) => scope.call_test(name, subject, args.clone()).map_err(nameless)?,
            None => scope.force(subject)?.is_true(),
        };
        if holds == wanted {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
}

/// A name that only a running filter looks up is not part of the template's syntax.
fn nameless(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Syntax => {
            let message = error.message().to_owned();
            let message = message.strip_prefix("Syntax error in template: ").unwrap_or(&message);
            Error::value_error(message).hinted(error.hint().map(ToOwned::to_owned))
        }
        _ => error,
    }
}

fn sum(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let attribute = args.take("attribute").filter(|attribute| !attribute.is_none());
    let mut total = args.take("start").unwrap_or_else(|| Value::from(0));
    args.finish()?;
    for item in scope.iterate(&value)? {
        let item = match &attribute {
            Some(path) => scope.path(&item, path)?,
            None => item,
        };
        total = scope.add(&total, &scope.force(item)?)?;
    }
    Ok(total)
}
