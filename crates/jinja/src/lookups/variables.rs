//! Lookups of variables by name.

use super::{failed, terms_of};
use crate::args::Args;
use crate::environment::Environment;
use crate::error::{Error, nearest};
use crate::eval::Scope;
use crate::regexes::{self, Anchor, Flags, regex};
use crate::value::Value;

pub(super) fn register(environment: &mut Environment) {
    environment.lookup("vars", vars);
    environment.lookup("varnames", var_names);
}

fn vars(scope: &Scope<'_>, terms: Value, mut args: Args) -> Result<Value, Error> {
    let default = args.take_named("default");
    args.finish()?;
    let values = terms_of(&terms).into_iter().map(|term| {
        let Some(name) = term.as_str() else {
            return Err(failed(format!("Variable name must be 'str' not '{}'.", term.type_name())));
        };
        let found = scope.variable(name)?;
        match (found.as_undefined(), &default) {
            (Some(_), Some(default)) => Ok(default.clone()),
            (Some(_), None) => {
                let known = scope.templar().names();
                let hint = nearest(name, known.iter().map(AsRef::as_ref));
                Err(Error::from_undefined(name, format!("No variable named '{name}' was found."))
                    .hinted(hint))
            }
            (None, _) => scope.force(found),
        }
    });
    values.collect::<Result<_, Error>>().map(Value::list)
}

fn var_names(scope: &Scope<'_>, terms: Value, args: Args) -> Result<Value, Error> {
    args.finish()?;
    let names = scope.templar().names();
    let mut found = Vec::new();
    for term in terms_of(&terms) {
        let pattern = term.as_str().ok_or_else(|| {
            failed(format!(
                "Invalid setting identifier, \"{term}\" is not a string, it is a <class '{}'>",
                term.type_name()
            ))
        })?;
        let pattern = regex(pattern, Flags::default(), Anchor::None).map_err(|error| {
            failed(format!("Unable to use \"{term}\" as a search parameter: {error}"))
        })?;
        for name in &names {
            if pattern.is_match(&**name).map_err(|error| regexes::failed(&error))? {
                found.push(Value::from(name.clone()));
            }
        }
    }
    Ok(Value::list(found))
}
