//! The contract of a module: look, say what would change, and change it. A module never learns whether this is check
//! mode, never prints, and knows nothing of templates or of the way its arguments came.
//!
//! Laws, proved for every module by its cases: *check writes nothing; check predicts apply; applied twice, it is in
//! sync* (but for [`Check::Act`] and [`Check::CannotTell`]).

use std::convert::Infallible;

use model::{Args, Diff};
use serde_json::Value;
use system::{Probe, System};

use crate::arguments::Arguments;

/// What a look at the host found.
#[derive(Debug)]
pub enum Check<C> {
    /// Nothing to do. Modules that only look (`stat`, `setup`) always answer this; `changed: true` in the result says that
    /// what they look at was a change (`async_status`).
    InSync,
    /// This differs from what is wanted, and would be repaired.
    Drift(C),
    /// In sync, with work beside it that counts as no change (refreshing a cache, `daemon_reload`): done, unless in check
    /// mode, and reported ok; `changed: true` left by `apply` says that it showed more to do after all.
    Upkeep(C),
    /// Acts each time it is asked (`state: restarted`, `state: touch`): changed, and exempt from the last law.
    Act(C),
    /// Only doing it would tell (`command` without `creates`): skipped in check mode.
    CannotTell(C),
}

/// A module: its arguments, with the two questions that a host is asked.
///
/// Both get the `result` that `register` will see: `check` fills in what it knows (in check mode and in sync that is
/// all), `apply` adds and overwrites. A failure keeps what is in it. Keys with a meaning to the runner:
/// `changed: false` left there by `apply` means that doing it changed nothing after all; [`warn`] adds a warning.
pub trait Module: Arguments {
    /// What `check` found to do, complete enough for `apply` not to look again.
    type Change: Change;

    /// Looks. Writes nothing; asks only programs that only look.
    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Self::Change>, Failure>;

    /// Does it.
    fn apply(
        &self,
        change: Self::Change,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure>;

    /// Whether a [`Check::CannotTell`] may be carried out again when nobody knows whether it was: doing it twice does no
    /// more than doing it once (waiting, a GET).
    fn is_repeatable(&self) -> bool {
        false
    }
}

/// What a module found to do.
pub trait Change {
    /// There is never anything to do: the module only looks.
    const IS_NONE: bool = false;

    /// Before and after, for people. Asked only when diffs are wanted, before the change is applied; see [`crate::diff`].
    fn diff(&self, host: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let _ = host;
        Ok(Vec::new())
    }
}

/// The change of modules that only look: there is none.
impl Change for Infallible {
    const IS_NONE: bool = true;
}

/// The change of modules that have nothing to hand over.
impl Change for () {}

/// A step that failed: the message that people read, and what else `register` shall see.
#[derive(Debug, Default)]
pub struct Failure {
    /// What went wrong: what was being done, to what, and the system's answer.
    pub message: String,
    /// Laid over the result collected so far.
    pub result: Args,
}

impl Failure {
    /// A failure with a message alone.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), result: Args::new() }
    }

    /// Adds a key that `register` will see.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.result.insert(key.to_owned(), value.into());
        self
    }
}

impl From<system::Error> for Failure {
    fn from(error: system::Error) -> Self {
        Self::new(chain(&error))
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Adds a warning to a result; the runner moves it to the outcome.
pub(crate) fn warn(result: &mut Args, warning: impl Into<String>) {
    let warnings = result.entry(WARNINGS).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(list) = warnings {
        list.push(Value::String(warning.into()));
    }
}

/// The key that [`warn`] collects under.
pub(crate) const WARNINGS: &str = "warnings";
