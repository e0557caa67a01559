//! Filters on dates and times.

use super::PLAIN;
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::globals::{DateTime, at_epoch, strftime, strptime};
use crate::value::Value;

pub(super) fn register(environment: &mut Environment) {
    environment.filter("strftime", PLAIN, format);
    environment.filter("to_datetime", PLAIN, |_, value, mut args| {
        let format = args.text("format")?.unwrap_or_else(|| "%Y-%m-%d %H:%M:%S".into());
        args.finish()?;
        let text = value.as_str().ok_or_else(|| {
            Error::type_error(format!(
                "strptime() argument 1 must be str, not {}",
                value.type_name()
            ))
        })?;
        strptime(text, &format).map(DateTime::value)
    });
}

fn format(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let second = args.take("second").filter(|second| !second.is_none());
    let utc = args.flag("utc", false);
    args.finish()?;
    let seconds = match second {
        None => {
            scope.templar().mark_volatile();
            jiff::Timestamp::now().as_nanosecond() as f64 / 1e9
        }
        Some(given) => {
            let text = given.to_string();
            given.as_f64().or_else(|| text.trim().parse().ok()).ok_or_else(|| {
                Error::value_error(format!(
                    "Invalid value for epoch value ({})",
                    given.repr().trim_matches('\'')
                ))
            })?
        }
    };
    strftime(&value.to_string(), &at_epoch(seconds, utc)?).map(Value::from)
}
