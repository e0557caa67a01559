//! Makes an outcome small enough for a message: shows less of what only people read, and refuses to cut data.

use model::{DiffContent, Outcome, Verdict};
use prost::Message as _;
use proto::{MAX_MESSAGE, v1};
use serde_json::Value;

/// Room for what is around an outcome in a message.
const LIMIT: usize = MAX_MESSAGE - (16 << 10);
/// What a command printed, which is bounded anyway.
const PRINTED: [&str; 4] = ["stdout", "stderr", "stdout_lines", "stderr_lines"];
/// What is left of each of these.
const PRINTED_LIMIT: usize = 256 << 10;

/// The outcome, or as much of it as fits.
pub(crate) fn fit(mut outcome: Outcome) -> Outcome {
    let size = encoded_len(&outcome);
    if size <= LIMIT {
        return outcome;
    }
    for diff in &mut outcome.diff {
        for side in [&mut diff.before, &mut diff.after] {
            if let DiffContent::Text(text) = side {
                *side = DiffContent::TooLarge(text.len() as u64);
            }
        }
    }
    if encoded_len(&outcome) <= LIMIT {
        return outcome;
    }
    for (key, value) in &mut outcome.result {
        if PRINTED.contains(&key.as_str()) {
            shorten(value);
        }
    }
    if encoded_len(&outcome) <= LIMIT {
        outcome.warnings.push(format!("The output was cut: the result had {size} bytes"));
        return outcome;
    }
    too_large(outcome, size)
}

fn encoded_len(outcome: &Outcome) -> usize {
    v1::Outcome::from(outcome).encoded_len()
}

/// Keeps the last part: that is where errors are.
fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > PRINTED_LIMIT => {
            let from = text.len() - PRINTED_LIMIT;
            let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or_default();
            *text = format!("[{from} bytes not shown]\n{}", &text[from..]);
        }
        Value::Array(lines) => {
            let mut room = PRINTED_LIMIT;
            let fits = |line: &&Value| {
                let length = line.as_str().map_or(8, str::len);
                let fits = length <= room;
                room = room.saturating_sub(length);
                fits
            };
            let kept = lines.iter().rev().take_while(fits).count();
            let dropped = lines.len() - kept;
            if dropped > 0 {
                lines.splice(..dropped, [format!("[{dropped} lines not shown]").into()]);
            }
        }
        _ => {}
    }
}

/// What happened is told; that its result is missing is a failure, because half of it would be taken for the whole.
fn too_large(outcome: Outcome, size: usize) -> Outcome {
    let small = |value: &Value| {
        !matches!(value, Value::String(text) if text.len() > 1024)
            && !matches!(value, Value::Array(_) | Value::Object(_))
    };
    let changed = outcome.is_changed();
    let mut result: model::Args = outcome.result.into_iter().filter(|(_, it)| small(it)).collect();
    result.insert("changed".to_owned(), changed.into());
    let message = format!(
        "the step ran, but its result has {size} bytes, and a message at most {MAX_MESSAGE}"
    );
    Outcome { warnings: outcome.warnings, ..Outcome::new(Verdict::Failed { message }, result) }
}

#[cfg(test)]
mod tests {
    use model::{Args, Diff};

    use super::*;

    fn outcome(key: &str, value: Value) -> Outcome {
        let result = Args::from_iter([("rc".to_owned(), 0.into()), (key.to_owned(), value)]);
        Outcome::changed(result)
    }

    #[test]
    fn small_outcomes_stay_as_they_are() {
        let small = outcome("stdout", "x".repeat(1 << 20).into());
        assert_eq!(fit(small.clone()), small);
    }

    #[test]
    fn large_diffs_go_first() {
        let text = || DiffContent::Text("x".repeat(3 << 20));
        let diff = Diff {
            before_header: "before".into(),
            after_header: "after".into(),
            before: text(),
            after: text(),
        };
        let fitted = fit(Outcome { diff: vec![diff], ..outcome("path", "/x".into()) });
        assert_eq!(fitted.diff[0].before, DiffContent::TooLarge(3 << 20));
        assert_eq!((fitted.verdict, fitted.result.len()), (Verdict::Changed, 2));
    }

    #[test]
    fn output_is_cut_and_data_is_not() {
        let long = "ä".repeat(2600 << 10);
        let mut printed = outcome("stdout", long.clone().into());
        let lines = Value::Array(vec!["line".repeat(10).into(); 10_000]);
        printed.result.insert("stdout_lines".into(), lines);
        let fitted = fit(printed);
        assert_eq!(fitted.verdict, Verdict::Changed);
        assert!(encoded_len(&fitted) < 1 << 20 && fitted.warnings.len() == 1);
        assert_eq!(fitted.result["rc"], 0);

        let fitted = fit(outcome("content", long.into()));
        assert!(matches!(fitted.verdict, Verdict::Failed { .. }), "{:?}", fitted.verdict);
        assert!(fitted.is_changed() && fitted.result["rc"] == 0);
        assert!(encoded_len(&fitted) < 1000);
    }
}
