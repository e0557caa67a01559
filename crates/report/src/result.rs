//! What is shown of a result: which keys, whether at all, and why it failed.

use std::fmt::Write as _;

use model::{Args, HostResult, Place, Verdict};
use serde_json::Value;

use crate::Options;
use crate::text::{Layout, harmless, json, python};

const CENSORED: &str =
    "the output has been hidden due to the fact that 'no_log: true' was specified for this result";

/// The action's name without its collection, when that is the builtin one.
pub(crate) fn short(action: &str) -> &str {
    action
        .strip_prefix("ansible.builtin.")
        .or_else(|| action.strip_prefix("ansible.legacy."))
        .unwrap_or(action)
}

/// The keys of a result that people see.
pub(crate) fn shown(result: &HostResult, looped: bool, options: &Options) -> Args {
    if result.no_log {
        return censored(result);
    }
    let outcome = &result.outcome;
    let mut args = outcome.to_args();
    args.retain(|key, _| !key.starts_with("_ansible_"));
    for key in ["failed", "skipped", "warnings", "deprecations", "exception"] {
        args.remove(key);
    }
    if options.verbosity < 3 {
        args.remove("invocation");
        args.remove("diff");
    }
    if looped {
        args.remove("results");
        if let Verdict::Skipped { reason } = &outcome.verdict
            && !outcome.result.contains_key("skipped_reason")
        {
            args.remove("skip_reason");
            args.entry("msg").or_insert(reason.clone().into());
        }
    }
    if says_its_own(result) {
        args.remove("changed");
        args.remove("invocation");
    } else if never_ran(&outcome.verdict) && !outcome.result.contains_key("changed") {
        args.remove("changed");
    }
    args
}

fn censored(result: &HostResult) -> Args {
    let mut args = Args::new();
    args.insert("censored".into(), CENSORED.into());
    if !says_its_own(result) {
        args.insert("changed".into(), result.outcome.is_changed().into());
    }
    args
}

fn says_its_own(result: &HostResult) -> bool {
    short(&result.action) == "debug" && !result.outcome.is_failed()
}

/// An error in the task itself, before any module ran.
fn never_ran(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Failed { message } if message.starts_with("Task failed"))
}

/// Whether the result of a task that did not fail is shown.
pub(crate) fn is_shown(result: &HostResult, options: &Options) -> bool {
    let is_facts = matches!(short(&result.action), "setup" | "gather_facts");
    (options.verbosity > 0 || result.verbose_always) && !is_facts
}

/// The result as JSON, laid out as the verbosity asks.
pub(crate) fn dump(result: &HostResult, looped: bool, options: &Options) -> String {
    let pretty = options.verbosity >= 3 || (result.verbose_always && !result.no_log);
    let layout = if pretty { Layout::Pretty } else { Layout::Line };
    json(&Value::Object(shown(result, looped, options)), layout)
}

/// ` => (item=...)`, without the arrow.
pub(crate) fn item(label: &Value, no_log: bool) -> String {
    if no_log {
        return "(item=(censored due to no_log))".to_owned();
    }
    format!("(item={})", harmless(&python(label)))
}

/// `host`, or `host -> target` for a delegated task.
pub(crate) fn host_label(result: &HostResult) -> String {
    match &result.delegated_to {
        Some(target) => harmless(&format!("{} -> {target}", result.host)).into_owned(),
        None => harmless(result.host.as_str()).into_owned(),
    }
}

/// Why a task failed, with its place and an excerpt.
pub(crate) fn failure(result: &HostResult, message: &str, options: &Options) -> String {
    let message = if result.no_log { CENSORED } else { message };
    let text = if message.starts_with("Task failed") {
        harmless(message).into_owned()
    } else {
        let by = if runs_on_controller(&result.action) { "Action" } else { "Module" };
        format!("Task failed: {by} failed: {}", harmless(message))
    };
    match (&result.diagnostic, &result.place) {
        (Some(diagnostic), _) if !result.no_log => {
            // Its first line is the message again.
            let (title, excerpt) = diagnostic.split_once('\n').unwrap_or((diagnostic, ""));
            let title = title.strip_prefix("error: ").unwrap_or(title);
            let told = if message.contains(title) { excerpt } else { diagnostic };
            format!("{text}\n{}\n", harmless(told))
        }
        (_, Some(place)) => format!("{text}\n{}", origin(place, options)),
        (_, None) => text,
    }
}

fn runs_on_controller(action: &str) -> bool {
    const ACTIONS: [&str; 18] = [
        "add_host",
        "assert",
        "async_status",
        "debug",
        "fail",
        "fetch",
        "gather_facts",
        "group_by",
        "include_role",
        "include_tasks",
        "include_vars",
        "pause",
        "raw",
        "reboot",
        "script",
        "set_fact",
        "set_stats",
        "wait_for_connection",
    ];
    ACTIONS.contains(&short(action))
}

/// `Origin: file:line:column` and up to three lines of the file.
fn origin(place: &Place, options: &Options) -> String {
    let Place { file, line, column } = place;
    let mut text = format!("Origin: {}:{line}:{column}", harmless(file));
    let Some(source) = (options.read_source)(file) else { return text };
    let last = *line as usize;
    let first = last.saturating_sub(2).max(1);
    let width = last.to_string().len();
    let lines = source.lines().enumerate().skip(first - 1).take(last + 1 - first);
    let mut excerpt = String::new();
    for (index, line) in lines {
        let _ = write!(excerpt, "\n{:>width$} {}", index + 1, harmless(line));
    }
    if !excerpt.is_empty() {
        let before = width + *column as usize;
        let _ = write!(text, "\n{excerpt}\n{:before$}^ column {column}\n", "");
    }
    text
}
