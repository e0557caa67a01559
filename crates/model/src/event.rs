//! Events: the one published language. Console, JSON lines, JUnit, store, audit, web and exit code derive from it.
//!
//! Owned, versioned and already redacted: what a `no_log` task said is not in here.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{HostName, Outcome, OutputStream, Recap, RunId};

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The run.
    pub run: RunId,
    /// Its number in the run, from 1, without gaps.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
}

/// What happened. New kinds are added; existing ones only ever gain optional fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum EventKind {
    /// The run began.
    RunStarted {
        /// The playbooks, as given on the command line; for an ad hoc run, the module.
        playbooks: Vec<String>,
        /// Check mode.
        check: bool,
    },
    /// A playbook of the run began.
    PlaybookStarted {
        /// Its path, as given.
        path: String,
        /// How many plays it has.
        plays: usize,
    },
    /// A play began (with `serial`, a batch of it).
    PlayStarted {
        /// The play's name, or its host pattern.
        name: String,
        /// The hosts of this batch.
        hosts: Vec<HostName>,
        /// Check mode.
        #[serde(default)]
        check: bool,
    },
    /// No host of the inventory matches the play (or `--limit`).
    NoHostsMatched {
        /// The play's name.
        name: String,
    },
    /// A task (or handler) began on the hosts of the batch.
    TaskStarted {
        /// `role : name`, as Ansible shows it.
        name: String,
        /// The module or action, full name.
        action: String,
        /// It is a handler.
        handler: bool,
        /// Where the task stands.
        place: Option<Place>,
        /// Check mode.
        #[serde(default)]
        check: bool,
    },
    /// A command printed something while it ran.
    Output {
        /// The host.
        host: HostName,
        /// Standard output or error.
        stream: OutputStream,
        /// Lossy text.
        text: String,
    },
    /// An item of a loop ended on a host.
    ItemFinished {
        /// The result.
        result: HostResult,
        /// The item.
        item: Item,
    },
    /// `until` was not met and the task is tried again.
    Retried {
        /// The host.
        host: HostName,
        /// The task's name.
        name: String,
        /// Tries left.
        left: u32,
    },
    /// A job in the background was asked after.
    JobPolled {
        /// The host.
        host: HostName,
        /// The job's id.
        job: String,
        /// How it stands.
        state: JobState,
    },
    /// A task ended on a host. For a loop: after its items, with their union as result.
    TaskFinished {
        /// The result.
        result: HostResult,
        /// The task was a loop: its items were reported one by one.
        looped: bool,
    },
    /// A host did not answer.
    HostUnreachable {
        /// The host.
        host: HostName,
        /// What was tried and how it failed.
        message: String,
        /// `ignore_unreachable`.
        ignored: bool,
    },
    /// Tasks were read for some hosts by `include_tasks` or `include_role`.
    Included {
        /// The file, or the role's name.
        file: String,
        /// The hosts.
        hosts: Vec<HostName>,
        /// The item, when it was included in a loop.
        #[serde(default)]
        item: Option<Item>,
    },
    /// A handler was notified.
    HandlerNotified {
        /// The handler.
        name: String,
        /// By a task on this host.
        host: HostName,
    },
    /// A host's facts were gathered.
    FactsLearned {
        /// The host.
        host: HostName,
        /// `ansible_facts`, without the `ansible_` prefix.
        facts: Value,
    },
    /// A `meta` task was done, or its conditions did not hold.
    MetaFinished {
        /// The host; for what is done once, the first host of the batch.
        host: HostName,
        /// `flush_handlers`, `end_host`...
        word: String,
        /// What was done, for people.
        message: String,
        /// Its conditions did not hold.
        skipped: bool,
        /// No file holds it: the flush of handlers between the stages of a play.
        implicit: bool,
    },
    /// `meta: clear_host_errors`: what happened to these hosts in this play so far is no failure of the run.
    HostsForgiven {
        /// The hosts that had failed or did not answer.
        hosts: Vec<HostName>,
    },
    /// More hosts failed than the play allows (`max_fail_percentage`): it stops.
    NoHostsLeft,
    /// What `set_stats` collected in the run.
    CustomStats {
        /// By host; `_run` is what belongs to no host.
        stats: Value,
    },
    /// Something the person should know.
    Warned {
        /// The text.
        message: String,
    },
    /// The run cannot go on: an error in the content or in the controller.
    Aborted {
        /// The whole diagnostic, as shown to people.
        message: String,
    },
    /// The run ended.
    RunFinished {
        /// Counts by host, in the order of the inventory.
        recap: Recap,
        /// How.
        status: RunStatus,
    },
}

/// How a job in the background stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It is not done.
    Running,
    /// It went well.
    Done,
    /// It failed.
    Failed,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It is going on.
    Running,
    /// Every host did all of it.
    Succeeded,
    /// A host failed or did not answer.
    Failed,
    /// An error in the content or the controller ended it.
    Aborted,
    /// A person stopped it.
    Cancelled,
    /// The controller stopped in the middle of it; every step's status has since been collected.
    Interrupted,
}

/// What came of a task, or of one item of its loop, on one host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostResult {
    /// The host.
    pub host: HostName,
    /// `delegate_to`, when that is another host.
    pub delegated_to: Option<HostName>,
    /// The task's name as in [`EventKind::TaskStarted`].
    pub task: String,
    /// The module or action, full name.
    pub action: String,
    /// What came of it; `no_log` results hold only `censored`.
    pub outcome: Outcome,
    /// It failed and `ignore_errors` is set.
    pub ignored: bool,
    /// It failed inside a block with `rescue`.
    pub rescued: bool,
    /// The task is `no_log`.
    pub no_log: bool,
    /// An error in the content that made it fail: from the task to the mistake.
    #[serde(default)]
    pub causes: Vec<Cause>,
    /// `debug` and its like: the result is shown whole whatever the verbosity.
    pub verbose_always: bool,
    /// Where the task stands.
    pub place: Option<Place>,
    /// How long it took, queueing in the controller not included.
    pub took: Duration,
}

/// A step on the way to a mistake in the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// What went wrong, or what was being done.
    pub message: String,
    /// Where that is written.
    pub place: Option<Place>,
    /// What may have been meant.
    #[serde(default)]
    pub hint: Option<String>,
}

/// An item of a loop as shown to people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// `loop_control.label`, or the item itself.
    pub label: Value,
}

/// A place in a playbook or role file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file's path.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}
