//! Modules that came with the content: how such a program wants its arguments, and what runs it.

use std::path::Path;

use jinja::Templar;
use model::{Args, Outcome, Verdict};
use serde_json::{Value, json};

use super::{Attempt, Call, Draft, Prepared, failure, io_failure};
use crate::python::{self, Content};

/// How the text of a program says that its arguments are to be put into it.
const JSON_ARGUMENTS: &str = "<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>";
/// What runs modules in Python where nothing says what does, in Ansible's order.
const PYTHONS: [&str; 8] = [
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "python3.9",
    "python3.8",
    "/usr/bin/python3",
    "python3",
];

/// The step that runs a program, and the one that runs a module in Python.
const PROGRAM: &str = "external_module";
const PYTHON: &str = "python_module";
/// An argument until the host is known: the names under which its variables may say what runs the program.
const NAMES: &str = "_interpreter_names";
const INTERPRETERS: &str = "_interpreters";

/// The step that runs the module in a file.
pub(super) fn run(call: &Call<'_>, path: &Path) -> Attempt<Prepared> {
    let draft = draft(call, path, &call.planned.task.action.written, call.json_args()?)?;
    let is_program = draft.module == PROGRAM;
    let join = move |outcomes: Vec<Outcome>| {
        let judged = outcomes.into_iter().map(|outcome| judged(outcome, is_program));
        super::single(judged.collect())
    };
    Ok(Prepared::Steps(vec![draft], Box::new(join)))
}

/// The step of the content's own module that takes the place of one of ours which an action asks for.
pub(super) fn in_place_of(call: &Call<'_>, name: &str, arguments: Value) -> Attempt<Option<Draft>> {
    let Some(path) = call.world.loader.module_file(name) else { return Ok(None) };
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    let mut drafts = [draft(call, &path, name, arguments)?];
    choose_interpreters(&mut drafts, call.templar)?;
    let [draft] = drafts;
    Ok(Some(draft))
}

fn draft(call: &Call<'_>, path: &Path, written: &str, mut arguments: Args) -> Attempt<Draft> {
    let bytes = std::fs::read(path).map_err(|error| io_failure("read module", path, &error))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let own = json!({
        "_ansible_debug": false,
        "_ansible_ignore_unknown_opts": false,
        "_ansible_keep_remote_files": false,
        "_ansible_module_name": written,
        "_ansible_remote_tmp": "~/.ansible/tmp",
        "_ansible_selinux_special_fs": ["fuse", "nfs", "vboxsf", "ramfs", "9p", "vfat"],
        "_ansible_shell_executable": "/bin/sh",
        "_ansible_socket": null,
        "_ansible_syslog_facility": "LOG_USER",
        "_ansible_target_log_info": null,
        "_ansible_tmpdir": null,
        "_ansible_tracebacks_for": [],
        "_ansible_verbosity": call.world.options.verbosity,
        "_ansible_version": call.world.packages.version(),
    });
    if let Value::Object(own) = own {
        arguments.extend(own);
    }
    let text = std::str::from_utf8(&bytes).ok().filter(|text| !text.contains('\0'));
    let (module, mut args) = match text {
        Some(text) if python::imports_module_utils(text) => {
            (PYTHON, python_module(call, path, written, text)?)
        }
        text => (PROGRAM, program(call, path, &bytes, text)?),
    };
    args.insert("name".into(), name.into());
    args.insert("_arguments".into(), Value::Object(arguments));
    Ok(Draft { module: module.to_owned(), args })
}

/// Names the interpreters that a host's variables choose for the programs among the steps.
pub(crate) fn choose_interpreters(drafts: &mut [Draft], templar: &Templar<'_>) -> Attempt<()> {
    for draft in drafts {
        let Some(Value::Array(names)) = draft.args.shift_remove(NAMES) else { continue };
        for name in names.iter().filter_map(Value::as_str) {
            let value = templar.variable(&format!("ansible_{name}_interpreter"))?;
            if value.is_undefined() || value.is_none() || value.to_string().starts_with("auto") {
                continue;
            }
            draft.args.insert(INTERPRETERS.into(), json!([value.to_string()]));
            break;
        }
    }
    Ok(())
}

/// A module may say that it skipped itself.
fn judged(mut outcome: Outcome, is_program: bool) -> Outcome {
    if is_program {
        // How it was started is nobody's business; its own arguments are not known to it.
        outcome.result.shift_remove("invocation");
    }
    if outcome.result.get("skipped") == Some(&Value::Bool(true)) && !outcome.is_failed() {
        let reason = outcome.result.get("msg").and_then(Value::as_str).unwrap_or_default();
        outcome.verdict = Verdict::Skipped { reason: reason.to_owned() };
    }
    outcome
}

/// A module in Python with all that it imports.
fn python_module(call: &Call<'_>, path: &Path, written: &str, text: &str) -> Attempt<Args> {
    let loader = &call.world.loader;
    let module = python::name_of(loader, path);
    let content = Content {
        file: path,
        module: &module,
        module_utils: loader.module_utils(),
        collections: loader.collections().roots(),
    };
    let digest = call
        .world
        .packages
        .digest(&content, text, &call.world.blobs)
        .map_err(|problem| failure(format!("the module `{written}`: {problem}")))?;
    let mut args = Args::new();
    args.insert("_blob".into(), digest.to_string().into());
    args.insert(NAMES.into(), json!(["python"]));
    let interpreters = match &call.world.options.python_interpreter {
        Some(set) => vec![set.clone()],
        None => PYTHONS.map(str::to_owned).to_vec(),
    };
    args.insert(INTERPRETERS.into(), interpreters.into());
    Ok(args)
}

/// Any other program: how it wants its arguments, and what runs it.
fn program(call: &Call<'_>, path: &Path, bytes: &[u8], text: Option<&str>) -> Attempt<Args> {
    let mut args = Args::new();
    let digest = call.world.blobs.add(bytes);
    let digest = digest.map_err(|error| io_failure("keep module", path, &error))?;
    args.insert("_blob".into(), digest.to_string().into());
    let knows_check_mode = contains(bytes, b"check_mode");
    args.insert("_knows_check_mode".into(), knows_check_mode.into());
    let Some(text) = text else {
        args.insert("_style".into(), "json".into());
        return Ok(args);
    };
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
    interpreters(&mut args, line);
    Ok(args)
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

/// What may run a program whose first line this is: what `ansible_NAME_interpreter` says, else what the line says and,
/// for Python, whichever there is.
fn interpreters(args: &mut Args, line: &str) {
    let mut words = line.split_whitespace();
    let mut program = words.next().unwrap_or_default().to_owned();
    if program.ends_with("/env") {
        program = words.next().unwrap_or_default().to_owned();
    }
    let options: Vec<String> = words.map(str::to_owned).collect();
    let base = program.rsplit('/').next().unwrap_or_default().to_owned();
    let is_python = base.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') == "python";
    let mut found = vec![program];
    let mut names = vec![base];
    if is_python {
        names.push("python".to_owned());
        found.extend(["python3".to_owned(), "/usr/bin/python3".to_owned(), "python".to_owned()]);
    }
    names.retain(|name| !name.is_empty());
    args.insert(NAMES.into(), names.into());
    args.insert(INTERPRETERS.into(), found.into());
    args.insert("_options".into(), options.into());
}
