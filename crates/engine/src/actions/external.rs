//! Modules that came with the content: how such a program wants its arguments, and what runs it.

use std::path::Path;

use model::{Args, Outcome, Verdict};
use serde_json::{Value, json};

use super::{Attempt, Call, Draft, Prepared, failure, io_failure};
use crate::attributes::Attributes;
use crate::talk::Way;

/// How the text of a program says that its arguments are to be put into it.
const JSON_ARGUMENTS: &str = "<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>";

/// A program, ready to be sent.
struct Program {
    args: Args,
    text: Option<String>,
    /// It says by itself what it would do.
    knows_check_mode: bool,
}

/// The step that runs the module in a file.
pub(super) fn run(call: &Call<'_>, path: &Path) -> Attempt<Prepared> {
    let bytes =
        jinja::read_regular(path).map_err(|error| io_failure("read module", path, &error))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let program = program(call, path, &name, &bytes)?;
    let blobs = call.world.blobs.clone();
    let verbosity = call.world.options.verbosity;
    Ok(Prepared::Talk(Box::new(move |way| {
        Box::pin(async move {
            let check = way.attributes.mode.check;
            if check && !program.knows_check_mode {
                let message = format!("remote module ({name}) does not support check mode");
                let mut outcome = Outcome::skipped(&message);
                outcome.result.insert("msg".into(), message.into());
                return Ok((outcome, Vec::new()));
            }
            let mut args = program.args;
            let own = json!({
                "_ansible_check_mode": check,
                "_ansible_diff": way.attributes.mode.diff,
                "_ansible_no_log": way.no_log,
                "_ansible_verbosity": verbosity,
                "_ansible_debug": false,
                "_ansible_module_name": name,
                "_ansible_version": "2.19.0",
            });
            let mut given = args.get("_arguments").cloned().unwrap_or_else(|| json!({}));
            if let (Some(given), Value::Object(own)) = (given.as_object_mut(), own) {
                given.extend(own);
            }
            let content = match program.text {
                Some(text) => text.replace(JSON_ARGUMENTS, &given.to_string()).into_bytes(),
                None => bytes,
            };
            let digest = match blobs.add(&content) {
                Ok(digest) => digest,
                Err(error) => {
                    let message = format!("cannot keep the module: {error}");
                    return Ok((Outcome::failed(message), Vec::new()));
                }
            };
            args.insert("_blob".into(), digest.to_string().into());
            args.insert("_arguments".into(), given);
            // The program is told of check mode and keeps to it: it must run to say what it would do.
            let mut attributes: Attributes = way.attributes.clone();
            attributes.mode.check = false;
            let way = Way { attributes: &attributes, ..*way };
            let draft = Draft { module: "external_module".into(), args };
            Ok(super::single(vec![judged(way.ask_once(draft).await?)]))
        })
    })))
}

/// A module may say that it skipped itself.
fn judged(mut outcome: Outcome) -> Outcome {
    outcome.result.shift_remove("invocation");
    if outcome.result.get("skipped") == Some(&Value::Bool(true)) && !outcome.is_failed() {
        let reason = outcome.result.get("msg").and_then(Value::as_str).unwrap_or_default();
        outcome.verdict = Verdict::Skipped { reason: reason.to_owned() };
    }
    outcome
}

fn program(call: &Call<'_>, path: &Path, name: &str, bytes: &[u8]) -> Attempt<Program> {
    let mut args = Args::new();
    args.insert("name".into(), name.into());
    args.insert("_arguments".into(), Value::Object(call.json_args()?));
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    let Some(text) = text else {
        args.insert("_style".into(), "json".into());
        return Ok(Program { args, text: None, knows_check_mode: contains(bytes, b"check_mode") });
    };
    if imports_module_utils(text) {
        return Err(failure(format!(
            "the module `{name}` ({}) is written in Python with ansible.module_utils, which cannot be run yet",
            path.display()
        )));
    }
    let style = if text.contains(JSON_ARGUMENTS) {
        "inside"
    } else if text.contains("WANT_JSON") {
        "json"
    } else {
        "words"
    };
    args.insert("_style".into(), style.into());
    let line = text.lines().next().and_then(|line| line.strip_prefix("#!")).ok_or_else(|| {
        failure(format!("module ({}) is missing interpreter line", path.display()))
    })?;
    let (interpreters, options) = interpreters(call, line)?;
    args.insert("_interpreters".into(), interpreters.into());
    args.insert("_options".into(), options.into());
    Ok(Program {
        args,
        text: (style == "inside").then(|| text.to_owned()),
        knows_check_mode: text.contains("check_mode"),
    })
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

/// Whether a program in Python needs what Ansible packs with modules.
fn imports_module_utils(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| {
        let is_import = line.starts_with("from ") || line.starts_with("import ");
        is_import && (line.contains("ansible.module_utils") || line.contains(".module_utils."))
    })
}

/// What may run a program whose first line this is: what `ansible_NAME_interpreter` says, else what the line says and,
/// for Python, whichever there is.
fn interpreters(call: &Call<'_>, line: &str) -> Attempt<(Vec<String>, Vec<String>)> {
    let mut words = line.split_whitespace();
    let mut program = words.next().unwrap_or_default().to_owned();
    if program.ends_with("/env") {
        program = words.next().unwrap_or_default().to_owned();
    }
    let options: Vec<String> = words.map(str::to_owned).collect();
    let base = program.rsplit('/').next().unwrap_or_default().to_owned();
    let is_python = base.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') == "python";
    let names = [base.as_str(), if is_python { "python" } else { "" }];
    for name in names.into_iter().filter(|name| !name.is_empty()) {
        let value = call.templar.variable(&format!("ansible_{name}_interpreter"))?;
        if !value.is_undefined() && !value.is_none() && !value.to_string().starts_with("auto") {
            return Ok((vec![value.to_string()], options));
        }
    }
    let mut found = vec![program];
    if is_python {
        found.extend(["python3".to_owned(), "/usr/bin/python3".to_owned(), "python".to_owned()]);
    }
    Ok((found, options))
}

#[cfg(test)]
mod tests {
    use super::imports_module_utils;

    #[test]
    fn imports_are_told() {
        for (text, wanted) in [
            ("from ansible.module_utils.basic import AnsibleModule\n", true),
            ("    import ansible.module_utils.basic as b\n", true),
            ("from ansible.module_utils import basic\n", true),
            ("from ..module_utils.x import y\n", true),
            ("# needs ansible.module_utils\nimport json\n", false),
        ] {
            assert_eq!(imports_module_utils(text), wanted, "{text}");
        }
    }
}
