//! The door to the operating system: the only crate through which modules look at and change a host.
//!
//! [`Probe`] may look and may not touch; [`System`] may also touch. A module's check is handed a `Probe`, so check mode
//! cannot write. This crate knows nothing of modules, the network protocol or async.

mod command;
mod door;
mod fake;
mod labels;
mod real;
mod trust;

pub use command::{Command, Output};
pub use door::{
    Account, Attributes, BlobSource, Dialogue, Error, FileKind, FileStat, GroupEntry, Probe, Reply,
    Result, System, Validate, WriteFile,
};
pub use fake::{Answer, FakeFile, FakeSystem, Then, command_line};
pub use labels::{FLAGS, FlagChange, LABEL, LabelChange};
pub use real::{Context, OutputSink, RealSystem};

/// The directory that a path lies in; that of a bare name is the working directory.
pub fn parent_of(path: &std::path::Path) -> &std::path::Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => std::path::Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn a_bare_name_lies_in_the_working_directory() {
        for (path, parent) in [("name", "."), ("a/name", "a"), ("/name", "/"), ("/", "/")] {
            assert_eq!(super::parent_of(Path::new(path)), Path::new(parent));
        }
    }
}
