//! Tests on lists: subset, superset, any, all.

use super::{LAZY, PLAIN};
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::value::Value;

pub(super) fn register(environment: &mut Environment) {
    for name in ["subset", "issubset"] {
        environment.test(name, PLAIN, |scope, value, mut args| {
            let other = args.required("b")?;
            args.finish()?;
            is_subset(scope, &value, &other)
        });
    }
    for name in ["superset", "issuperset"] {
        environment.test(name, PLAIN, |scope, value, mut args| {
            let other = args.required("b")?;
            args.finish()?;
            is_subset(scope, &other, &value)
        });
    }
    for (name, all) in [("all", true), ("any", false)] {
        environment.test(name, LAZY, move |scope, value, args| {
            args.finish()?;
            for item in scope.iterate(&value)? {
                if scope.force(item)?.is_true() != all {
                    return Ok((!all).into());
                }
            }
            Ok(all.into())
        });
    }
}

fn is_subset(scope: &Scope<'_>, part: &Value, whole: &Value) -> Result<Value, Error> {
    let (part, whole) = (scope.iterate(part)?, scope.iterate(whole)?);
    Ok(part.iter().all(|item| whole.contains(item)).into())
}
