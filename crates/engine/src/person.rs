//! The person at the terminal: who is asked while a run is under way. Knows nothing of terminals.

use async_trait::async_trait;

/// Someone who may be asked.
#[async_trait]
pub trait Person: std::fmt::Debug + Send + Sync {
    /// Shows a text and waits for a line, without its line feed, once the run's first `after` events have been shown.
    /// `None`: nobody answers any more.
    async fn ask(&self, text: &str, after: u64) -> Option<String>;
}
