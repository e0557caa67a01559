//! The stream of events: results are redacted here, once, before anybody sees them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jinja::Error;
use model::{Args, EventKind, HostName, HostResult, Outcome, Place, Recap, Verdict};
use tokio::sync::mpsc;
use yaml::{Diagnostic, Span, Style};

use crate::attributes::Tolerance;
use crate::walk::Planned;

const CENSORED: &str =
    "the output has been hidden due to the fact that 'no_log: true' was specified for this result";

/// Where events go; counts them into the recap on the way.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    sender: mpsc::UnboundedSender<EventKind>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    recap: Recap,
    /// The task that people see results of.
    announced: Option<Announcement>,
    /// Warnings that are given once.
    warned: BTreeSet<String>,
}

/// A task as its beginning is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// `role : name`, rendered for the first host.
    pub(crate) name: String,
    pub(crate) action: String,
    pub(crate) handler: bool,
    pub(crate) place: Place,
}

impl Announcement {
    fn event(&self) -> EventKind {
        EventKind::TaskStarted {
            name: self.name.clone(),
            action: self.action.clone(),
            handler: self.handler,
            place: Some(self.place.clone()),
        }
    }
}

/// A result before redaction.
pub(crate) struct Draft<'a> {
    pub(crate) host: &'a HostName,
    pub(crate) delegated_to: Option<HostName>,
    pub(crate) task: &'a str,
    pub(crate) planned: &'a Planned,
    pub(crate) outcome: Outcome,
    pub(crate) diagnostic: Option<String>,
    pub(crate) tolerance: Tolerance,
    pub(crate) took: Duration,
}

impl Events {
    pub(crate) fn new(sender: mpsc::UnboundedSender<EventKind>) -> Self {
        Self { sender, shared: Arc::default() }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counts so far, by host name.
    pub(crate) fn recap(&self) -> Recap {
        let mut recap = self.shared().recap.clone();
        recap.hosts.sort_keys();
        recap
    }

    /// Sends an event. Nobody listening is no reason to stop a run.
    pub(crate) fn send(&self, kind: EventKind) {
        self.shared().recap.add(&kind);
        let _ = self.sender.send(kind);
    }

    /// A task begins on all the hosts that do it together.
    pub(crate) fn announce(&self, task: &Announcement) {
        self.shared().announced = Some(task.clone());
        self.send(task.event());
    }

    /// Sends an event of a task. Where hosts go their own ways the task is announced again when another one was in
    /// between.
    pub(crate) fn send_in(&self, task: &Announcement, kind: EventKind) {
        let mut shared = self.shared();
        if shared.announced.as_ref() != Some(task) {
            shared.announced = Some(task.clone());
            let _ = self.sender.send(task.event());
        }
        shared.recap.add(&kind);
        let _ = self.sender.send(kind);
    }

    /// Warns, but not of the same thing again.
    pub(crate) fn warn_once(&self, message: &str) {
        if self.shared().warned.insert(message.to_owned()) {
            self.warn(message);
        }
    }

    pub(crate) fn warn(&self, message: impl Into<String>) {
        self.send(EventKind::Warned { message: message.into() });
    }

    /// A result as it may be shown.
    pub(crate) fn host_result(draft: Draft<'_>) -> HostResult {
        let Draft { host, delegated_to, task, planned, outcome, diagnostic, tolerance, took } =
            draft;
        let action = &planned.task.action;
        HostResult {
            host: host.clone(),
            delegated_to,
            task: task.to_owned(),
            action: action.name.to_string(),
            // What may have happened cannot be ignored.
            ignored: matches!(outcome.verdict, Verdict::Failed { .. }) && tolerance.ignore_errors,
            rescued: false,
            no_log: tolerance.no_log,
            diagnostic: diagnostic.filter(|_| !tolerance.no_log),
            verbose_always: is_shown_whole(&action.name, &outcome),
            place: Some(place(&planned.task.span)),
            took,
            outcome: if tolerance.no_log { censored(outcome) } else { outcome },
        }
    }
}

/// `debug` always, `assert` unless it is quiet.
fn is_shown_whole(action: &str, outcome: &Outcome) -> bool {
    action == "debug" || action == "assert" && outcome.result.contains_key("msg")
}

/// What of a `no_log` result may be shown: that it was hidden, and how it ended.
fn censored(outcome: Outcome) -> Outcome {
    let hide = |_: String| CENSORED.to_owned();
    let verdict = match outcome.verdict {
        Verdict::Failed { message } => Verdict::Failed { message: hide(message) },
        Verdict::Unknown { message } => Verdict::Unknown { message: hide(message) },
        other => other,
    };
    Outcome::new(verdict, Args::from_iter([("censored".to_owned(), CENSORED.into())]))
}

/// A place as events name it.
pub(crate) fn place(span: &Span) -> Place {
    Place { file: span.path().display().to_string(), line: span.line, column: span.column }
}

/// An evaluation error as people see it; without a place of its own it is shown at the task.
pub(crate) fn diagnostic_of(error: &Error, task: &Span) -> String {
    Diagnostic::from(error.clone()).or_at(task).render(Style::Plain)
}
