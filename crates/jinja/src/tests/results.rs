//! Tests of a task's registered result.

use super::PLAIN;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::eval::access::missing;
use crate::filters::truth_of;
use crate::value::{Marks, Value};

pub(super) fn register(environment: &mut Environment) {
    for (names, key, wanted) in [
        (&["failed", "failure"][..], "failed", true),
        (&["succeeded", "success", "successful"], "failed", false),
        (&["skipped", "skip"], "skipped", true),
        (&["unreachable"], "unreachable", true),
        (&["reachable"], "unreachable", false),
        (&["timedout"], "timedout", true),
        (&["started"], "started", true),
        (&["finished"], "finished", true),
    ] {
        for name in names {
            environment.test(name, PLAIN, move |scope, value, args| {
                args.finish()?;
                let result = dict(&value, key)?;
                Ok((flag(scope, result, key, name)? == wanted).into())
            });
        }
    }
    for name in ["changed", "change"] {
        environment.test(name, PLAIN, |scope, value, args| {
            args.finish()?;
            let result = dict(&value, "changed")?;
            if result.get("changed").is_some() || result.marks().has(Marks::PARTIAL) {
                return flag(scope, result, "changed", "changed").map(Value::from);
            }
            // A loop's result says it of its items.
            let items = result.get("results").map(|items| scope.iterate(&items)).transpose()?;
            let mut any = false;
            for item in items.unwrap_or_default() {
                any |= item.as_dict().is_some() && flag(scope, &item, "changed", "changed")?;
            }
            Ok(any.into())
        });
    }
}

fn dict<'v>(value: &'v Value, name: &str) -> Result<&'v Value, Error> {
    match value.as_dict() {
        Some(_) => Ok(value),
        None => Err(Error::type_error(format!("The '{name}' test expects a dictionary"))),
    }
}

fn flag(scope: &Scope<'_>, result: &Value, key: &str, name: &str) -> Result<bool, Error> {
    let Some(found) = result.get(key) else {
        return match (key, name) {
            ("failed" | "changed", _) if result.marks().has(Marks::PARTIAL) => {
                missing(result, &Value::from(key)).map(|_| false)
            }
            // A task that does not run in the background has started and finished.
            ("started" | "finished", _) => Ok(true),
            _ => Ok(false),
        };
    };
    let found = scope.force(found)?;
    Ok(truth_of(&found).unwrap_or_else(|| found.is_true()))
}
