//! The vocabulary of Muster: plain data, no input or output, no async, and no knowledge of any other crate.
//!
//! Every word here is the word of the glossary in ARCHITECTURE.md. Wire and table forms are converted by hand in
//! `proto` and `store`; only [`Event`] is serialisable as it stands, because it *is* the published JSON output.

mod event;
mod id;
mod outcome;
mod plan;
mod recap;
mod report;
mod secret;

pub use event::{Cause, Event, EventKind, HostResult, Item, JobState, Place, RunStatus};
pub use id::{AgentId, Digest, HostName, ParseIdError, PlanId, RunId, StepId};
pub use outcome::{Diff, DiffContent, Outcome, Verdict};
pub use plan::{BecomeMethod, DeployPlan, Mode, RunAs, Step};
pub use recap::{HostRecap, Recap};
pub use report::{OutputStream, StepReport};
pub use secret::Secret;

/// Arguments of a module call, results and facts: JSON objects that keep the order of their keys.
pub type Args = serde_json::Map<String, serde_json::Value>;
