//! What an agent says while it carries out a plan.

use serde::{Deserialize, Serialize};

use crate::{Outcome, StepId};

/// A message about one step, in the order in which things happened on the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum StepReport {
    /// The step began.
    Started(StepId),
    /// What a command printed; pieces may be dropped under load, verdicts never are.
    Output {
        /// The step.
        step: StepId,
        /// Where it was printed.
        stream: OutputStream,
        /// The bytes, not necessarily whole lines or characters.
        bytes: Vec<u8>,
    },
    /// The step ended.
    Finished {
        /// The step.
        step: StepId,
        /// What came of it.
        outcome: Box<Outcome>,
    },
}

/// Where a text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The agent itself, about how it carries out the step.
    Agent,
}
