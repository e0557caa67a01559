//! The system's own programs as modules use them: found where administrators' tools are, and answered for when they fail.

use std::path::{Path, PathBuf};

use model::Args;
use system::{Command, Output, Probe, System};

use crate::contract::Failure;

/// Searched after `PATH`, since services often have a short one.
const FOLDERS: &[&str] =
    &["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];

/// Where a program is, for those that not every system has. The door finds programs by itself.
pub(crate) fn find(probe: &dyn Probe, name: &str) -> Option<PathBuf> {
    const EXECUTE: i32 = 1;
    let path = probe.variable("PATH").unwrap_or_default();
    let folders = path.split(':').filter(|folder| folder.starts_with('/'));
    folders
        .chain(FOLDERS.iter().copied())
        .map(|folder| Path::new(folder).join(name))
        .find(|path| probe.access(path, EXECUTE))
}

/// A program as a step would start it: the path itself, or where one of that name is.
pub fn find_program(probe: &dyn Probe, name: &str) -> Option<String> {
    const EXECUTE: i32 = 1;
    if name.contains('/') {
        return probe.access(Path::new(name), EXECUTE).then(|| name.to_owned());
    }
    find(probe, name).map(|path| path.to_string_lossy().into_owned())
}

/// Runs a program that must succeed; what it wrote to standard error becomes the message.
pub(crate) fn run(system: &dyn System, command: &Command) -> Result<Output, Failure> {
    let output = system.run(command)?;
    if output.is_success() { Ok(output) } else { Err(failure(&output, "")) }
}

/// The failure of a program, told by what it printed.
pub(crate) fn failure(output: &Output, prefix: &str) -> Failure {
    let (stdout, stderr) = (output.stdout_text(), output.stderr_text());
    let said = if stderr.trim().is_empty() { &stdout } else { &stderr };
    let said = if output.timed_out { "it did not end in time" } else { said.as_str() };
    let failure = Failure::new(format!("{prefix}{said}"));
    failure.with("rc", output.status).with("stdout", stdout.clone()).with("stderr", stderr)
}

/// Puts what a program printed into a result.
pub(crate) fn show(result: &mut Args, output: &Output) {
    result.insert("stdout".to_owned(), output.stdout_text().into());
    result.insert("stderr".to_owned(), output.stderr_text().into());
}

/// What a program that only looks says; it must succeed.
pub(crate) fn told(probe: &dyn Probe, command: &Command) -> Result<String, Failure> {
    let output = probe.query(command)?;
    if output.is_success() { Ok(output.stdout_text()) } else { Err(failure(&output, "")) }
}
