//! The door to the operating system: the only crate through which modules look at and change a host.
//!
//! [`Probe`] may look and may not touch; [`System`] may also touch. A module's check is handed a `Probe`, so check mode
//! cannot write. This crate knows nothing of modules, the network protocol or async.

mod command;
mod door;
mod fake;
mod real;

pub use command::{Command, Output};
pub use door::{
    Account, Attributes, BlobSource, Dialogue, Error, FileKind, FileStat, GroupEntry, Probe, Reply,
    Result, System, Validate, WriteFile,
};
pub use fake::{Answer, FakeFile, FakeSystem, Then, command_line};
pub use real::{Context, OutputSink, RealSystem};
