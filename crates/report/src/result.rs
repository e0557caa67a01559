//! What is shown of a result: which keys, whether at all, and why it failed.

use model::{Args, HostResult, Verdict};
use serde_json::Value;

use crate::text::{Layout, harmless, json, python};
use crate::{Format, Options, yaml_form};

pub(crate) const CENSORED: &str =
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
    if outcome.result.contains_key("skipped_reason") {
        args.remove("skip_reason");
    }
    if looped {
        args.remove("results");
        if let Verdict::Skipped { .. } = outcome.verdict
            && let Some(reason) = args.shift_remove("skip_reason")
        {
            args.entry("msg").or_insert(reason);
        }
    }
    if says_its_own(result) {
        args.remove("changed");
        args.remove("invocation");
        // The message speaks for itself.
        if args.contains_key("msg") {
            args.retain(|key, _| key == "msg");
        }
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

/// Whether it was skipped because it rests on what check mode did not do.
pub(crate) fn is_unknown(result: &HostResult) -> bool {
    result.outcome.result.get("unknown") == Some(&Value::Bool(true))
}

pub(crate) fn says_its_own(result: &HostResult) -> bool {
    short(&result.action) == "debug"
}

/// Whether the result of a task that did not fail is shown.
pub(crate) fn is_shown(result: &HostResult, options: &Options) -> bool {
    let is_facts = matches!(short(&result.action), "setup" | "gather_facts");
    (options.verbosity > 0 || result.verbose_always) && !is_facts
}

/// The result as JSON, laid out as the verbosity asks.
pub(crate) fn dump(result: &HostResult, looped: bool, options: &Options) -> String {
    let is_always =
        result.verbose_always && !looped && !result.no_log && !result.outcome.is_skipped();
    let pretty = options.verbosity >= 3 || is_always;
    let value = Value::Object(shown(result, looped, options));
    if options.format == Format::Yaml {
        return yaml_form::render(&value, options.pretty.unwrap_or(true));
    }
    let layout = if options.pretty.unwrap_or(pretty) { Layout::Pretty } else { Layout::Line };
    json(&value, layout)
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
