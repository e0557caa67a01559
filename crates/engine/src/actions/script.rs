//! `script`: the controller's half. Finds the script and names it by digest; the host fetches it when it must run.

use jinja::SearchKind;
use model::{Outcome, Verdict};

use super::{Attempt, Call, Draft, Effect, Prepared, copy, failure};

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    if call.planned.task.r#async.is_some() {
        let message = "This action (script) does not support async.";
        return Ok(Prepared::Done(Outcome::failed(message), Vec::new()));
    }
    call.only(&["_raw_params", "cmd", "chdir", "creates", "removes", "executable", "decrypt"])?;
    let line = match (call.text("_raw_params"), call.text("cmd")) {
        (Some(_), Some(_)) => return Err(failure("only command or cmd can be given, not both")),
        (Some(line), None) | (None, Some(line)) if !line.trim().is_empty() => line,
        _ => return Err(failure("one of the following is required: _raw_params, cmd")),
    };
    let line = line.trim();
    let words = shlex::split(line)
        .ok_or_else(|| failure(format!("the quotes of the command line do not match: {line}")))?;
    let path = call.find(SearchKind::Files, words.first().map_or("", String::as_str))?;
    let mut args = call.json_args()?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    args.insert("_original_basename".into(), name.into());
    args.insert("_arguments".into(), behind_first_word(line).into());
    copy::add_file(call, &mut args, &path)?;
    args.shift_remove("_size");
    Ok(Prepared::Steps(vec![Draft { module: "script".into(), args }], Box::new(judge)))
}

/// What the host found no reason to do is skipped.
fn judge(outcomes: Vec<Outcome>) -> (Outcome, Vec<Effect>) {
    let (mut outcome, effects) = super::single(outcomes);
    if outcome.result.shift_remove("skipped").is_some() {
        let reason = outcome.result.get("msg").and_then(|msg| msg.as_str()).unwrap_or_default();
        outcome.verdict = Verdict::Skipped { reason: reason.to_owned() };
    }
    (outcome, effects)
}

/// The line without the script's name; its quotes stay, for the host's shell.
fn behind_first_word(line: &str) -> &str {
    let (mut quote, mut escaped) = (None, false);
    for (at, letter) in line.char_indices() {
        match (quote, letter) {
            _ if std::mem::take(&mut escaped) => {}
            (Some('"') | None, '\\') => escaped = true,
            (Some(open), _) if open == letter => quote = None,
            (None, '\'' | '"') => quote = Some(letter),
            (None, _) if letter.is_whitespace() => return line[at..].trim_start(),
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::behind_first_word;

    #[test]
    fn arguments_keep_their_quotes() {
        for (line, rest) in [
            ("s.sh", ""),
            ("s.sh -a 'b c'", "-a 'b c'"),
            ("'a b/s.sh'  \"x y\"", "\"x y\""),
            (r"a\ b.sh c", "c"),
        ] {
            assert_eq!(behind_first_word(line), rest, "{line}");
        }
    }
}
