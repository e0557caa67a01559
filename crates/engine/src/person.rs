//! The person at the terminal: who is asked while a run is under way. Knows nothing of terminals.

use std::time::Duration;

use async_trait::async_trait;

/// What is asked, and what ends the wait for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Shown first.
    pub text: String,
    /// What ends the wait.
    pub until: Until,
    /// What is typed is not shown.
    pub is_hidden: bool,
}

/// What ends the wait for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// A line of the standard input, whatever that is.
    Line,
    /// The Enter key, at a terminal; Ctrl-C interrupts.
    Enter,
    /// One key.
    Key,
    /// So much time; only Ctrl-C ends it earlier.
    Over(Duration),
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// What was typed, without its line feed.
    Text(String),
    /// Ctrl-C.
    Interrupted,
    /// The time is over.
    TimeOver,
    /// Nobody answers any more.
    Nobody,
}

/// Someone who may be asked.
#[async_trait]
pub trait Person: std::fmt::Debug + Send + Sync {
    /// Whether someone sits at a terminal: all but [`Until::Line`] is asked only then.
    fn is_there(&self) -> bool;

    /// Asks once the run's first `after` events have been shown.
    async fn ask(&self, question: Question, after: u64) -> Answer;
}

impl Question {
    /// A question for a line.
    pub(crate) fn line(text: impl Into<String>) -> Self {
        Self { text: text.into(), until: Until::Line, is_hidden: false }
    }
}
