//! `pause`: waits for a time, or for a person where there is one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Outcome;
use serde_json::json;

use super::{Attempt, Call, Prepared, failure};
use crate::person::{Answer, Person, Question, Until};

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
    // Less than a second is a second.
    let length =
        length.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0).max(1)));
    let wait = Wait {
        length,
        question: question(call, length, given("prompt").map(ToString::to_string), echo),
        person: call.world.options.person.clone().filter(|person| person.is_there()),
        shown: call.world.events.sent(),
    };
    Ok(Prepared::Talk(Box::new(move |_| {
        Box::pin(async move {
            let start = jiff::Zoned::now();
            let begun = Instant::now();
            let input = match wait.done().await {
                Waited::Over(input) => input,
                Waited::Alone => {
                    let warning = "Not waiting for response to prompt as stdin is not interactive";
                    return Ok((paused(&start, begun, unit, echo, "", Some(warning)), Vec::new()));
                }
                Waited::Aborted => {
                    return Ok((Outcome::failed("user requested abort!"), Vec::new()));
                }
            };
            Ok((paused(&start, begun, unit, echo, &input, None), Vec::new()))
        })
    })))
}

/// The wait itself.
struct Wait {
    length: Option<Duration>,
    question: String,
    person: Option<Arc<dyn Person>>,
    /// How many events come before the question.
    shown: u64,
}

/// How a wait ended.
enum Waited {
    /// The time is over, or a person went on, having typed this.
    Over(String),
    /// Nobody is there to go on.
    Alone,
    /// A person ends the play.
    Aborted,
}

impl Wait {
    async fn done(self) -> Waited {
        let Self { length, question, person, shown } = self;
        let Some(person) = person else {
            let Some(length) = length else { return Waited::Alone };
            tokio::time::sleep(length).await;
            return Waited::Over(String::new());
        };
        let begun = Instant::now();
        let is_hidden = question.ends_with(HIDDEN);
        let mut text = question;
        loop {
            let until = match length {
                Some(length) => Until::Over(length.saturating_sub(begun.elapsed())),
                None => Until::Enter,
            };
            let asked = Question { text: std::mem::take(&mut text), until, is_hidden };
            match person.ask(asked, shown).await {
                Answer::Text(input) => return Waited::Over(input),
                Answer::TimeOver => return Waited::Over(String::new()),
                Answer::Nobody => return Waited::Alone,
                Answer::Interrupted => {}
            }
            let text = "Press 'C' to continue the play or 'A' to abort \n".to_owned();
            let asked = Question { text, until: Until::Key, is_hidden: true };
            match person.ask(asked, shown).await {
                Answer::Text(key) if key.eq_ignore_ascii_case("c") => {
                    return Waited::Over(String::new());
                }
                Answer::Text(key) if !key.eq_ignore_ascii_case("a") => {}
                _ => return Waited::Aborted,
            }
        }
    }
}

/// Ends the question when what is typed is not shown.
const HIDDEN: &str = " (output is hidden):";

/// What a person is told.
fn question(
    call: &Call<'_>,
    length: Option<Duration>,
    prompt: Option<String>,
    echo: bool,
) -> String {
    let name = call.planned.task.common.name.as_ref();
    let name = name.map(|raw| call.templar.resolve(raw).unwrap_or_else(|_| raw.clone()));
    let name =
        name.map_or_else(|| call.planned.task.action.written.to_string(), |it| it.to_string());
    let end = if echo { ":" } else { HIDDEN };
    let mut text = String::new();
    if let Some(length) = length {
        text = format!(
            "Pausing for {} seconds{}\n(ctrl+C then 'C' = continue early, ctrl+C then 'A' = abort)\n",
            length.as_secs(),
            if echo { "" } else { " (output is hidden)" }
        );
    }
    match (prompt, length) {
        (Some(prompt), _) => text + &format!("[{name}]\n{prompt}{end}"),
        (None, None) => format!("[{name}]\nPress enter to continue, Ctrl+C to interrupt{end}"),
        (None, Some(_)) => text,
    }
}

fn paused(
    start: &jiff::Zoned,
    begun: Instant,
    unit: &str,
    echo: bool,
    input: &str,
    warning: Option<&str>,
) -> Outcome {
    let took = begun.elapsed();
    let divisor = if unit == "minutes" { 60.0 } else { 1.0 };
    let length = (took.as_secs_f64() / divisor * 100.0).round() / 100.0;
    let text = |time: &jiff::Zoned| time.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string();
    let shown = if length.fract() == 0.0 { format!("{length:.1}") } else { length.to_string() };
    let result = json!({
        "stdout": format!("Paused for {shown} {unit}"),
        "stderr": "",
        "rc": 0,
        "start": text(start),
        "stop": text(&jiff::Zoned::now()),
        "delta": took.as_secs(),
        "echo": echo,
        "user_input": input,
    });
    let mut outcome = Outcome::ok(result.as_object().cloned().unwrap_or_default());
    outcome.warnings.extend(warning.map(ToOwned::to_owned));
    outcome
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
