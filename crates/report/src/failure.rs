//! Why a task failed, as Ansible 2.19 words it: the whole story in a line, then each step with its place and an excerpt.

use std::fmt::Write as _;

use model::{Cause, HostResult, Place};

use crate::Options;
use crate::result::{CENSORED, short};
use crate::text::harmless;

/// Why a task failed, with places and excerpts.
pub(crate) fn failure(result: &HostResult, message: &str, options: &Options) -> String {
    let message = if result.no_log { CENSORED } else { message };
    let causes = if result.causes.is_empty() || result.no_log {
        vec![Cause { message: outline(result, message), place: result.place.clone(), hint: None }]
    } else {
        merged(&result.causes)
    };
    let told = causes.iter().map(|cause| cause.message.as_str()).collect::<Vec<_>>().join(": ");
    let mut text = harmless(&told).into_owned();
    if let [cause] = &*causes {
        write_place(&mut text, cause, options);
        return text;
    }
    for (index, cause) in causes.iter().enumerate() {
        text.push_str(if index == 0 { "\n\n" } else { "\n<<< caused by >>>\n\n" });
        text.push_str(&harmless(&cause.message));
        let is_last = index + 1 == causes.len();
        if !is_last && !cause.message.ends_with(['.', '!', '?']) {
            text.push('.');
        }
        write_place(&mut text, cause, options);
        if cause.place.is_none() {
            text.push('\n');
        }
    }
    text
}

/// The one line of a result that says that it failed.
fn outline(result: &HostResult, message: &str) -> String {
    if message.starts_with("Task failed") {
        return message.to_owned();
    }
    let is_judged = result.outcome.result.contains_key("failed_when_result");
    let by = if is_judged || runs_on_controller(&result.action) { "Action" } else { "Module" };
    match message {
        "" => format!("Task failed: {by} failed."),
        message => format!("Task failed: {by} failed: {message}"),
    }
}

/// Steps at one place are told as one.
fn merged(causes: &[Cause]) -> Vec<Cause> {
    let mut merged: Vec<Cause> = Vec::with_capacity(causes.len());
    for cause in causes {
        match merged.last_mut() {
            Some(last) if cause.place.is_none() || cause.place == last.place => {
                last.message.extend([": ", &cause.message]);
                last.hint.clone_from(&cause.hint);
            }
            _ => merged.push(cause.clone()),
        }
    }
    merged
}

/// Where a step is written, with up to three lines of the file, and what may have been meant.
fn write_place(text: &mut String, cause: &Cause, options: &Options) {
    if let Some(place) = &cause.place {
        text.push('\n');
        text.push_str(&origin(place, options));
    }
    if let Some(hint) = &cause.hint {
        let _ = write!(text, "\n{}\n", harmless(hint));
    }
}

/// `Origin: file:line:column` and up to three lines of the file.
pub(crate) fn origin(place: &Place, options: &Options) -> String {
    let Place { file, line, column } = place;
    let mut text = format!("Origin: {}:{line}:{column}", harmless(file));
    let Some(source) = (options.read_source)(file) else { return text };
    let last = *line as usize;
    let first = last.saturating_sub(2).max(1);
    let width = last.to_string().len();
    let lines = source.lines().enumerate().skip(first - 1).take(last + 1 - first);
    let mut excerpt = String::new();
    for (index, line) in lines {
        let line = format!("{:>width$} {}", index + 1, harmless(line));
        excerpt.push('\n');
        excerpt.push_str(line.trim_end());
    }
    if !excerpt.is_empty() {
        let before = width + *column as usize;
        let _ = write!(text, "\n{excerpt}\n{:before$}^ column {column}\n", "");
    }
    text
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
