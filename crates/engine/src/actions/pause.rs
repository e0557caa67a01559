//! `pause`: waits for a time, or for a person where there is one.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use model::{Args, Outcome};
use serde_json::json;

use super::{Attempt, Call, Prepared, failure};

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    call.only(&["echo", "minutes", "prompt", "seconds"])?;
    let echo = call.flag("echo", true).map_err(|_| {
        let given = call.text("echo").unwrap_or_default();
        failure(format!(
            "argument 'echo' is of type str and we were unable to convert to bool: The value '{given}' is not a valid \
             boolean."
        ))
    })?;
    let given = |name: &str| call.args.get(name).filter(|value| !value.is_none());
    let (unit, length) = match (given("minutes"), given("seconds")) {
        (Some(_), Some(_)) => {
            return Err(failure("parameters are mutually exclusive: minutes|seconds"));
        }
        (Some(value), None) => ("minutes", Some(whole("minutes", value)?.saturating_mul(60))),
        (None, Some(value)) => ("seconds", Some(whole("seconds", value)?)),
        (None, None) => ("minutes", None),
    };
    let length = length.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
    Ok(Prepared::Talk(Box::new(move |_| {
        Box::pin(async move {
            let start = jiff::Zoned::now();
            let begun = Instant::now();
            let mut warnings = Vec::new();
            match length {
                // Less than a second is a second.
                Some(length) => tokio::time::sleep(length.max(Duration::from_secs(1))).await,
                None if std::io::stdin().is_terminal() => {
                    warnings.push("Not waiting for response to prompt: pausing for a person is not built in yet".to_owned());
                }
                None => warnings.push(
                    "Not waiting for response to prompt as stdin is not interactive".to_owned(),
                ),
            }
            let took = begun.elapsed();
            let divisor = if unit == "minutes" { 60.0 } else { 1.0 };
            let length = (took.as_secs_f64() / divisor * 100.0).round() / 100.0;
            let text = |time: &jiff::Zoned| time.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string();
            let shown =
                if length.fract() == 0.0 { format!("{length:.1}") } else { length.to_string() };
            let result = json!({
                "stdout": format!("Paused for {shown} {unit}"),
                "stderr": "",
                "rc": 0,
                "start": text(&start),
                "stop": text(&jiff::Zoned::now()),
                "delta": took.as_secs(),
                "echo": echo,
                "user_input": "",
            });
            let result: Args = result.as_object().cloned().unwrap_or_default();
            let mut outcome = Outcome::ok(result);
            outcome.warnings = warnings;
            Ok((outcome, Vec::new()))
        })
    })))
}

/// A whole number, with what is behind the point cut off as Python does.
fn whole(name: &str, value: &jinja::Value) -> Attempt<i64> {
    let text = value.to_string();
    if let Ok(number) = text.trim().parse::<i64>() {
        return Ok(number);
    }
    text.trim().parse::<f64>().ok().filter(|_| value.as_str().is_none()).map_or_else(
        || {
            Err(failure(format!(
                "argument '{name}' is of type {} and we were unable to convert to int: invalid literal for int() with base 10: {}",
                value.type_name(),
                value.repr()
            )))
        },
        |number| Ok(number as i64),
    )
}
