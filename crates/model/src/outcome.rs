//! What came of a step: always data, also when it failed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Args;

/// The answer of a module or action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// The keys that the module returns, as `register` will see them, without `changed`, `failed`, `skipped`, `msg`,
    /// `diff` and `warnings`, which [`Outcome::to_args`] adds.
    pub result: Args,
    /// What changed, or would change in check mode. Empty unless the step asked for diffs.
    pub diff: Vec<Diff>,
    /// For the person who runs the playbook.
    pub warnings: Vec<String>,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Nothing had to change.
    Ok,
    /// Something changed, or would in check mode.
    Changed,
    /// The step did not run.
    Skipped {
        /// Why.
        reason: String,
    },
    /// The step failed.
    Failed {
        /// What went wrong, for people.
        message: String,
    },
    /// The step may or may not have run, and nothing can tell: the agent died in the middle of it.
    Unknown {
        /// What is known, for people.
        message: String,
    },
}

/// Before and after of one thing, usually a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diff {
    /// What the left side is, e.g. `before: /etc/motd`.
    pub before_header: String,
    /// What the right side is.
    pub after_header: String,
    /// The left side.
    pub before: DiffContent,
    /// The right side.
    pub after: DiffContent,
}

/// One side of a diff.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiffContent {
    /// The text; empty for a thing that does not exist.
    Text(String),
    /// State that is not text, e.g. the attributes of a file.
    State(Value),
    /// Bytes that are not text, by their size.
    Binary(u64),
    /// Text over the size that is shown, by its size in bytes.
    TooLarge(u64),
}

impl Outcome {
    /// Nothing had to change.
    pub fn ok(result: Args) -> Self {
        Self::new(Verdict::Ok, result)
    }

    /// Something changed.
    pub fn changed(result: Args) -> Self {
        Self::new(Verdict::Changed, result)
    }

    /// Failed with a message and nothing else.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Verdict::Failed { message: message.into() }, Args::new())
    }

    /// Did not run.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self::new(Verdict::Skipped { reason: reason.into() }, Args::new())
    }

    /// May have run.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(Verdict::Unknown { message: message.into() }, Args::new())
    }

    /// An outcome without diffs and warnings.
    pub fn new(verdict: Verdict, result: Args) -> Self {
        Self { verdict, result, diff: Vec::new(), warnings: Vec::new() }
    }

    /// Whether something changed.
    pub fn is_changed(&self) -> bool {
        matches!(self.verdict, Verdict::Changed)
            || self.result.get("changed") == Some(&Value::Bool(true))
    }

    /// Whether it failed or may have.
    pub fn is_failed(&self) -> bool {
        matches!(self.verdict, Verdict::Failed { .. } | Verdict::Unknown { .. })
    }

    /// Whether nobody can tell if it ran.
    pub fn is_unknown(&self) -> bool {
        matches!(self.verdict, Verdict::Unknown { .. })
    }

    /// Whether it did not run.
    pub fn is_skipped(&self) -> bool {
        matches!(self.verdict, Verdict::Skipped { .. })
    }

    /// The dictionary that `register` stores, in Ansible's words.
    pub fn to_args(&self) -> Args {
        let mut args = self.result.clone();
        args.insert("changed".into(), self.is_changed().into());
        match &self.verdict {
            Verdict::Ok | Verdict::Changed => {
                args.entry("failed").or_insert(false.into());
            }
            Verdict::Skipped { reason } => {
                args.insert("skipped".into(), true.into());
                args.entry("skip_reason").or_insert(reason.clone().into());
            }
            Verdict::Failed { message } => {
                args.insert("failed".into(), true.into());
                args.entry("msg").or_insert(message.clone().into());
            }
            Verdict::Unknown { message } => {
                args.insert("failed".into(), true.into());
                args.insert("unknown".into(), true.into());
                args.entry("msg").or_insert(message.clone().into());
            }
        }
        match self.diff.as_slice() {
            [] => {}
            // Attributes alone are one dictionary, contents are a list: that is how playbooks know them.
            [diff] if matches!(diff.after, DiffContent::State(_)) => {
                args.entry("diff").or_insert_with(|| diff.to_json());
            }
            diffs => {
                let list = || diffs.iter().map(Diff::to_json).collect();
                args.entry("diff").or_insert_with(list);
            }
        }
        if !self.warnings.is_empty() {
            args.insert("warnings".into(), self.warnings.clone().into());
        }
        args
    }
}

impl Diff {
    fn to_json(&self) -> Value {
        let side = |content: &DiffContent| match content {
            DiffContent::Text(text) => Value::from(text.clone()),
            DiffContent::State(state) => state.clone(),
            DiffContent::Binary(size) => Value::from(format!("({size} bytes of binary data)")),
            DiffContent::TooLarge(size) => {
                Value::from(format!("({size} bytes, too large to show)"))
            }
        };
        serde_json::json!({
            "before_header": self.before_header,
            "after_header": self.after_header,
            "before": side(&self.before),
            "after": side(&self.after),
        })
    }
}
