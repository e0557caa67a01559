//! What collectors read the host through: bounded, lossy, and silent about what is not there.

use std::path::Path;
use std::time::Duration;

use system::{Command, Probe};

/// More than any file of /proc, /sys or /etc that facts read needs.
const LIMIT: u64 = 4 << 20;

/// A host to look at.
pub(crate) struct Host<'a> {
    pub(crate) probe: &'a dyn Probe,
    pub(crate) fact_path: &'a Path,
    /// For each kind of slow fact.
    pub(crate) patience: Duration,
}

impl<'a> Host<'a> {
    pub(crate) fn new(probe: &'a dyn Probe) -> Self {
        Self { probe, fact_path: Path::new(crate::FACT_PATH), patience: crate::PATIENCE }
    }

    /// A file's text, or `None` when there is none to be had.
    pub(crate) fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let bytes = self.probe.read(path.as_ref(), LIMIT).ok()??;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A file's text without the white space around it; `None` also when nothing is left.
    pub(crate) fn line(&self, path: impl AsRef<Path>) -> Option<String> {
        let text = self.text(path)?;
        let line = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// A file's number.
    pub(crate) fn number(&self, path: impl AsRef<Path>) -> Option<i64> {
        self.line(path)?.parse().ok()
    }

    pub(crate) fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.probe.stat(path.as_ref(), true).is_ok_and(|found| found.is_some())
    }

    /// The names in a directory, sorted; none when there is no such directory.
    pub(crate) fn names(&self, path: impl AsRef<Path>) -> Vec<String> {
        let names = self.probe.list(path.as_ref()).unwrap_or_default();
        names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect()
    }

    /// The last part of what a symbolic link names.
    pub(crate) fn link_name(&self, path: impl AsRef<Path>) -> Option<String> {
        let target = self.probe.read_link(path.as_ref()).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// What a program prints, when it succeeds.
    pub(crate) fn output(&self, command: &Command) -> Option<String> {
        let output = self.probe.query(command).ok()?;
        output.is_success().then(|| output.stdout_text())
    }
}
