//! What a module that is not ours printed, read as a result.

use model::{Args, Diff, DiffContent, Outcome, Verdict};
use serde_json::{Value, json};
use system::Output;

use crate::contract::{Failure, WARNINGS};

/// The result.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) result: Args,
    pub(super) warnings: Vec<String>,
    /// It failed, and says why.
    pub(super) failure: Option<String>,
}

/// What was printed, as the outcome of a step.
pub(super) fn outcome(output: &Output, diff: bool) -> Outcome {
    let Answer { result, warnings, failure } = match parse(output) {
        Ok(answer) => answer,
        Err(failure) => {
            let mut outcome = Outcome::failed(failure.message);
            outcome.result = failure.result;
            return outcome;
        }
    };
    let skipped = result.get("skipped").is_some_and(is_true);
    let verdict = match failure {
        Some(message) => Verdict::Failed { message },
        None if skipped => {
            let reason = result.get("msg").and_then(Value::as_str).unwrap_or_default().to_owned();
            Verdict::Skipped { reason }
        }
        None if result.get("changed") == Some(&Value::Bool(true)) => Verdict::Changed,
        None => Verdict::Ok,
    };
    let mut outcome = Outcome::new(verdict, Args::new());
    outcome.warnings = warnings;
    // It stays in the result as the module gave it, and is shown as all differences are.
    outcome.diff = result.get("diff").filter(|_| diff).and_then(diffs).unwrap_or_default();
    outcome.result = result;
    outcome
}

/// Differences in the form in which modules return them; `None` for what has no such form.
fn diffs(value: &Value) -> Option<Vec<Diff>> {
    let list = match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let text = |diff: &Value, key: &str| diff.get(key).and_then(Value::as_str).map(str::to_owned);
    let side = |diff: &Value, key: &str| match diff.get(key) {
        None | Some(Value::Null) => DiffContent::Text(String::new()),
        Some(Value::String(text)) => DiffContent::Text(text.clone()),
        Some(state) => DiffContent::State(state.clone()),
    };
    list.iter()
        .map(|diff| {
            diff.get("before").or(diff.get("after"))?;
            Some(Diff {
                before_header: text(diff, "before_header").unwrap_or_default(),
                after_header: text(diff, "after_header").unwrap_or_default(),
                before: side(diff, "before"),
                after: side(diff, "after"),
            })
        })
        .collect()
}

/// Finds the JSON object in what was printed.
pub(super) fn parse(output: &Output) -> Result<Answer, Failure> {
    let (stdout, stderr) = (output.stdout_text(), output.stderr_text());
    let garbled = |reason: &str| {
        Failure::new(format!("Module result deserialization failed: {reason}"))
            .with("module_stdout", stdout.clone())
            .with("module_stderr", stderr.clone())
            .with("rc", output.status)
    };
    if output.timed_out {
        return Err(garbled("it did not end in time"));
    }
    let (json, junk) = object_in(&stdout).ok_or_else(|| garbled("No start of json char found"))?;
    let value: Value = serde_json::from_str(json).map_err(|error| garbled(&error.to_string()))?;
    let Value::Object(mut result) = value else {
        return Err(garbled("it is no object"));
    };
    let mut answer = Answer::default();
    if !junk.is_empty() {
        answer.warnings.push(format!("Module invocation had junk after the JSON data: {junk}"));
    }
    if let Some(Value::Array(list)) = result.shift_remove(WARNINGS) {
        answer.warnings.extend(list.iter().filter_map(message_of));
    }
    if let Some(Value::Array(list)) = result.get_mut("deprecations") {
        list.iter_mut().for_each(plain_deprecation);
    }
    let raised = result.shift_remove("_muster_raised").is_some();
    result.retain(|name, _| !name.starts_with("_ansible_"));
    for name in ["stdout", "stderr"] {
        if let Some(text) = result.get(name).and_then(Value::as_str) {
            let lines: Vec<Value> = text.lines().map(Value::from).collect();
            result.entry(format!("{name}_lines")).or_insert(lines.into());
        }
    }
    let failed = match result.shift_remove("failed") {
        Some(failed) => is_true(&failed),
        None => result.get("rc").is_some_and(|rc| *rc != 0 && *rc != "0"),
    };
    let changed = result.get("changed").is_some_and(is_true);
    result.insert("changed".into(), changed.into());
    if failed {
        let message = result.get("msg").and_then(Value::as_str);
        let message = message.unwrap_or("the module failed and did not say why").to_owned();
        if raised {
            result.insert("msg".into(), format!("Task failed: Module failed: {message}").into());
        }
        answer.failure = Some(message);
    }
    answer.result = result;
    Ok(answer)
}

/// The text of a warning, which newer modules wrap.
fn message_of(warning: &Value) -> Option<String> {
    let text = warning.as_str().or_else(|| warning.get("event")?.get("msg")?.as_str())?;
    Some(text.to_owned())
}

/// A deprecation in the form that playbooks know, whichever form the module gave it.
fn plain_deprecation(deprecation: &mut Value) {
    let Some(message) = message_of(deprecation) else { return };
    let mut plain = Args::new();
    let deprecator = deprecation.get("deprecator");
    let resolved = deprecator.and_then(|by| by.get("resolved_name")).and_then(Value::as_str);
    let collection: Option<String> =
        resolved.map(|name| name.split('.').take(2).collect::<Vec<_>>().join("."));
    plain.insert("msg".into(), message.into());
    if let Some(deprecator) = deprecator.filter(|by| !by.is_null()) {
        let kind = deprecator.get("type").and_then(|kind| kind.get("value"));
        plain.insert("deprecator".into(), json!({ "resolved_name": resolved, "type": kind }));
    }
    for key in ["version", "date"] {
        if let Some(value) = deprecation.get(key).filter(|value| !value.is_null()) {
            plain.insert(key.into(), value.clone());
        }
    }
    plain.insert("collection_name".into(), collection.into());
    *deprecation = plain.into();
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        Value::String(text) => matches!(text.to_lowercase().as_str(), "yes" | "true" | "1" | "on"),
        Value::Number(number) => number.as_f64() != Some(0.0),
        _ => false,
    }
}

/// The lines from the first that begins with a brace to the last that ends with one, and what comes behind.
fn object_in(text: &str) -> Option<(&str, &str)> {
    let mut places = text.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line))
    });
    let start = places.find(|(_, line)| line.trim_start().starts_with('{'))?.0;
    let rest = &text[start..];
    let mut end = rest.len();
    for line in rest.split_inclusive('\n').rev() {
        if line.trim_end().ends_with('}') {
            let end = end - (line.len() - line.trim_end().len());
            return Some((&rest[..end], rest[end..].trim()));
        }
        end -= line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stdout: &str, status: i32) -> Result<Answer, Failure> {
        parse(&Output { stdout: stdout.into(), status, ..Output::default() })
    }

    #[test]
    fn the_object_is_found_among_other_lines() {
        let answer = said("motd\n{\"changed\": true,\n \"a\": 1}\nbye\n", 0).expect("an object");
        assert_eq!(answer.result["a"], 1);
        assert_eq!(answer.warnings, ["Module invocation had junk after the JSON data: bye"]);
    }

    #[test]
    fn failures_are_told_by_flag_or_status() {
        for (text, failure) in [
            ("{\"failed\": true, \"msg\": \"no\"}", Some("no")),
            ("{\"failed\": \"yes\", \"msg\": \"no\"}", Some("no")),
            ("{\"rc\": 3, \"msg\": \"no\"}", Some("no")),
            ("{\"rc\": 3, \"failed\": false}", None),
            ("{\"rc\": 0}", None),
        ] {
            assert_eq!(said(text, 0).expect("an object").failure.as_deref(), failure, "{text}");
        }
    }

    #[test]
    fn what_is_no_object_is_shown() {
        let failure = said("Traceback\n", 1).expect_err("no object");
        assert_eq!(
            failure.message,
            "Module result deserialization failed: No start of json char found"
        );
        assert_eq!(
            (&failure.result["module_stdout"], &failure.result["rc"]),
            (&"Traceback\n".into(), &1.into())
        );
        assert!(said("{broken}\n", 0).is_err());
    }
}
