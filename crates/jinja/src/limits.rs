//! What a single evaluation may cost before it is stopped.

use std::time::Duration;

/// The bounds of one evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of text or elements of a list that one evaluation may produce at once.
    pub output: usize,
    /// Statements, loop rounds and calls.
    pub steps: u64,
    /// Wall time.
    pub time: Duration,
    /// Nesting of variables, macros, includes and expressions.
    pub depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { output: 64 << 20, steps: 20_000_000, time: Duration::from_mins(1), depth: 240 }
    }
}
