//! What people and programs see of a run: reporters, each of which turns the stream of events into one form.
//!
//! A reporter knows events and writers, and nothing else: no files, no network, no engine. A stored run replays through
//! the same reporters. A reporter that fails is the caller's to warn about; it never fails the run.

mod adhoc;
mod console;
mod diff;
mod document;
mod failure;
mod json_lines;
mod junit;
mod options;
mod profile;
mod result;
mod screen;
mod several;
#[cfg(test)]
mod tests;
mod text;
mod tree;
mod yaml_form;

use std::io;

use model::Event;

pub use adhoc::{Minimal, OneLine};
pub use console::Console;
pub use document::Document;
pub use json_lines::JsonLines;
pub use junit::{JUnit, JUnitOptions};
pub use options::{Format, Options};
pub use profile::{Profile, Sum, Timer};
pub use several::Several;
pub use tree::{Keep, Tree};

/// Sees the events of one run, in their order, and makes something of them.
pub trait Reporter: Send {
    /// Takes one event in.
    fn see(&mut self, event: &Event) -> io::Result<()>;

    /// No event follows: writes what is left to write.
    fn finish(self: Box<Self>) -> io::Result<()>;
}
