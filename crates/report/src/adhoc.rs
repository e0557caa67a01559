//! What `ansible` (ad hoc) prints: the `minimal` and the `oneline` form.

use std::io::{self, Write};

use model::{Event, EventKind, HostName, HostResult, OutputStream, RunStatus, Verdict};
use serde_json::Value;

use crate::screen::{Screen, Tone};
use crate::text::{Layout, harmless, json};
use crate::{Options, Reporter, diff, failure, result};

/// Writes results as `host | SUCCESS => {...}`, and the output of commands as it was.
pub struct Minimal {
    screen: Screen,
    options: Options,
}

/// Writes one line a host.
pub struct OneLine {
    screen: Screen,
    options: Options,
}

/// `SUCCESS`, `CHANGED`, `FAILED`... and the tone of the line.
fn word(result: &HostResult) -> (&'static str, Tone) {
    match &result.outcome.verdict {
        Verdict::Failed { .. } => ("FAILED", Tone::Error),
        Verdict::Unknown { .. } => ("UNKNOWN", Tone::Error),
        Verdict::Skipped { .. } => ("SKIPPED", Tone::Skipped),
        _ if result.outcome.is_changed() => ("CHANGED", Tone::Changed),
        _ => ("SUCCESS", Tone::Ok),
    }
}

/// The modules whose output is shown as text.
fn is_command(result: &HostResult) -> bool {
    matches!(result::short(&result.action), "command" | "shell" | "raw" | "script")
        && !result.no_log
        && !result.outcome.result.contains_key("ansible_job_id")
}

fn text_of<'a>(result: &'a HostResult, key: &str) -> &'a str {
    result.outcome.result.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A command without a code of its own failed before it ran.
fn return_code(result: &HostResult) -> String {
    result.outcome.result.get("rc").map_or_else(|| "-1".to_owned(), Value::to_string)
}

fn message(result: &HostResult) -> &str {
    match &result.outcome.verdict {
        Verdict::Failed { message } | Verdict::Unknown { message } => message,
        _ => text_of(result, "msg"),
    }
}

/// What both forms do alike: failures are explained, warnings go to standard error.
fn explain(screen: &mut Screen, result: &HostResult, options: &Options) -> io::Result<()> {
    if !result.no_log {
        result.outcome.warnings.iter().try_for_each(|warning| screen.warning(warning))?;
    }
    if result.outcome.is_failed() {
        let text = failure::failure(result, message(result), options);
        screen.task_error(&text, options.failed_to_stderr)?;
    }
    if options.show_diff && result.outcome.is_changed() && !result.no_log {
        let text = diff::render(&result.outcome.diff, screen);
        if !text.is_empty() {
            screen.line(&text, Tone::Plain)?;
        }
    }
    Ok(())
}

/// Events that are neither results nor unreachable hosts.
fn see_other(screen: &mut Screen, options: &Options, event: &EventKind) -> io::Result<()> {
    match event {
        EventKind::Warned { message } => screen.warning(message),
        EventKind::Aborted { message } => screen.error(message),
        EventKind::NoHostsMatched { .. } => screen.warning("No hosts matched, nothing to do"),
        EventKind::Output { stream: OutputStream::Agent, host, text } => {
            if options.verbosity < 3 {
                return Ok(());
            }
            screen.line(&harmless(&format!("<{host}> {text}")), Tone::Debug)
        }
        EventKind::Output { host, text, .. } if options.verbosity > 0 => {
            text.lines().try_for_each(|line| {
                let line = format!("{} | {}", harmless(host.as_str()), harmless(line));
                screen.line(&line, Tone::Debug)
            })
        }
        EventKind::RunFinished { status: RunStatus::Cancelled, .. } => {
            screen.error("User interrupted execution")
        }
        _ => Ok(()),
    }
}

impl Minimal {
    /// Results go to `out`, warnings and errors to `err`.
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, options: Options) -> Self {
        Self { screen: Screen::new(out, err, &options), options }
    }

    fn finished(&mut self, result: &HostResult) -> io::Result<()> {
        explain(&mut self.screen, result, &self.options)?;
        let (word, tone) = word(result);
        let host = harmless(result.host.as_str());
        if result.outcome.is_skipped() {
            return self.screen.line(&format!("{host} | {word}"), tone);
        }
        if is_command(result) {
            let rc = return_code(result);
            let [stdout, stderr] = ["stdout", "stderr"].map(|key| text_of(result, key));
            let text = format!("{stdout}{stderr}{}", message(result));
            let text = harmless(text.strip_suffix('\n').unwrap_or(&text)).into_owned();
            return self.screen.line(&format!("{host} | {word} | rc={rc} >>\n{text}"), tone);
        }
        let mark = if result.outcome.is_failed() { "!" } else { "" };
        let args = Value::Object(result::shown(result, false, &self.options));
        let dump = json(&args, Layout::Pretty);
        self.screen.line(&format!("{host} | {word}{mark} => {dump}"), tone)
    }

    fn unreachable(&mut self, host: &HostName, message: &str) -> io::Result<()> {
        let host = harmless(host.as_str());
        self.screen.task_error(
            &format!("Task failed: {}", harmless(message)),
            self.options.failed_to_stderr,
        )?;
        let args = serde_json::json!({"changed": false, "msg": message, "unreachable": true});
        let dump = json(&args, Layout::Pretty);
        self.screen.line(&format!("{host} | UNREACHABLE! => {dump}"), Tone::Unreachable)
    }
}

impl Reporter for Minimal {
    fn see(&mut self, event: &Event) -> io::Result<()> {
        match &event.kind {
            EventKind::TaskFinished { result, .. } => self.finished(result)?,
            EventKind::HostUnreachable { host, message, .. } => self.unreachable(host, message)?,
            other => see_other(&mut self.screen, &self.options, other)?,
        }
        self.screen.flush()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.screen.flush()
    }
}

impl OneLine {
    /// Results go to `out`, warnings and errors to `err`.
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, options: Options) -> Self {
        Self { screen: Screen::new(out, err, &options), options }
    }

    fn finished(&mut self, result: &HostResult) -> io::Result<()> {
        explain(&mut self.screen, result, &self.options)?;
        let (word, tone) = word(result);
        let host = harmless(result.host.as_str());
        if result.outcome.is_skipped() {
            return self.screen.line(&format!("{host} | {word}"), tone);
        }
        if is_command(result) {
            let [stdout, stderr] = ["stdout", "stderr"].map(|key| {
                let text = text_of(result, key).trim_end_matches('\n').replace('\n', "\\n");
                harmless(&text.replace('\r', "\\r")).into_owned()
            });
            let stderr = if stderr.is_empty() { stderr } else { format!(" (stderr) {stderr}") };
            let rc = return_code(result);
            let line = format!("{host} | {word} | rc={rc} | (stdout) {stdout}{stderr}");
            return self.screen.line(&line, tone);
        }
        let mark = if result.outcome.is_failed() { "!" } else { "" };
        let args = Value::Object(result::shown(result, false, &self.options));
        let dump = json(&args, Layout::Tight);
        self.screen.line(&format!("{host} | {word}{mark} => {dump}"), tone)
    }
}

impl Reporter for OneLine {
    fn see(&mut self, event: &Event) -> io::Result<()> {
        match &event.kind {
            EventKind::TaskFinished { result, .. } => self.finished(result)?,
            EventKind::HostUnreachable { host, message, .. } => {
                let text = format!("{host} | UNREACHABLE!: {message}");
                self.screen.line(&harmless(&text).replace('\n', "\\n"), Tone::Unreachable)?;
            }
            other => see_other(&mut self.screen, &self.options, other)?,
        }
        self.screen.flush()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.screen.flush()
    }
}
