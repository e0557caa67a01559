//! The stream of events: results are redacted here, once, before anybody sees them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jinja::Error;
use model::{
    Args, Cause, EventKind, HostName, HostRecap, HostResult, Outcome, Place, Recap, Verdict,
};
use tokio::sync::mpsc;
use yaml::Span;

use crate::attributes::Tolerance;
use crate::walk::Planned;

/// How the message of a task begins that could not be carried out.
pub(crate) const TASK_FAILED: &str = "Task failed";

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
    /// How many events there were.
    sent: u64,
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
    pub(crate) check: bool,
}

impl Announcement {
    fn event(&self) -> EventKind {
        EventKind::TaskStarted {
            name: self.name.clone(),
            action: self.action.clone(),
            handler: self.handler,
            place: Some(self.place.clone()),
            check: self.check,
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
    pub(crate) causes: Vec<Cause>,
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
        self.pass(&mut self.shared(), kind);
    }

    fn pass(&self, shared: &mut Shared, kind: EventKind) {
        shared.recap.add(&kind);
        shared.sent += 1;
        let _ = self.sender.send(kind);
    }

    /// How many events have been sent.
    pub(crate) fn sent(&self) -> u64 {
        self.shared().sent
    }

    /// What has been counted of a host.
    pub(crate) fn counted(&self, host: &HostName) -> HostRecap {
        self.shared().recap.hosts.get(host).copied().unwrap_or_default()
    }

    /// Takes back what has been counted of a host since.
    pub(crate) fn recount(&self, host: &HostName, counted: HostRecap) {
        self.shared().recap.hosts.insert(host.clone(), counted);
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
            self.pass(&mut shared, task.event());
        }
        self.pass(&mut shared, kind);
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
        let Draft { host, delegated_to, task, planned, outcome, causes, tolerance, took } = draft;
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
            verbose_always: causes.is_empty() && is_shown_whole(&action.name, &outcome),
            causes: if tolerance.no_log { Vec::new() } else { causes },
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
    let changed = outcome.is_changed();
    let verdict = match outcome.verdict {
        Verdict::Failed { message } => Verdict::Failed { message: hide(message) },
        Verdict::Unknown { message } => Verdict::Unknown { message: hide(message) },
        other => other,
    };
    let mut result = Args::from_iter([("censored".to_owned(), CENSORED.into())]);
    if changed {
        result.insert("changed".to_owned(), true.into());
    }
    Outcome::new(verdict, result)
}

/// A place as events name it.
pub(crate) fn place(span: &Span) -> Place {
    Place { file: span.path().display().to_string(), line: span.line, column: span.column }
}

/// An evaluation error as people see it: from the task to the mistake.
pub(crate) fn causes_of(error: &Error, task: &Span) -> Vec<Cause> {
    let cause = |message: &str, span: Option<&Span>| Cause {
        message: message.to_owned(),
        place: span.map(place),
        hint: None,
    };
    let mut causes = vec![cause(TASK_FAILED, Some(task))];
    causes.extend(error.causes().map(|(message, span)| cause(message, span)));
    if let Some(last) = causes.last_mut() {
        last.hint = error.hint().map(ToOwned::to_owned);
    }
    causes
}
