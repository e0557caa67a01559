//! Programs to run: words, never shell text.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use model::Secret;

/// A program with its arguments. Nothing in here is interpreted by a shell.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// The program: a path, or a name looked up in `PATH`.
    pub program: String,
    /// Its arguments, without the program itself.
    pub args: Vec<String>,
    /// Where it runs; `None`: where the agent runs steps (`/`, or the home of the `become` user).
    pub directory: Option<PathBuf>,
    /// Added to the step's own environment.
    pub environment: BTreeMap<String, String>,
    /// What it reads on standard input; `None`: `/dev/null`.
    pub stdin: Option<Secret<Vec<u8>>>,
    /// Killed after this long, besides the deadline of the step.
    pub timeout: Option<Duration>,
    /// `umask` of the child.
    pub umask: Option<u32>,
    /// Show what it prints while it runs, as live output of the step (`command`, `shell`; not a module's own tools).
    pub live: bool,
}

impl Command {
    /// A command from its words.
    pub fn new<S: Into<String>>(
        program: impl Into<String>,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }
}

/// What came of a program.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// The exit status; 128 + N after signal N.
    pub status: i32,
    /// Standard output: the first and last part of it when it exceeded the limit, with a line between that says how much is missing.
    pub stdout: Vec<u8>,
    /// Standard error, bounded in the same way.
    pub stderr: Vec<u8>,
    /// Ended by this signal.
    pub signal: Option<i32>,
    /// Killed because its time was up.
    pub timed_out: bool,
}

impl Output {
    /// Whether it exited with status 0.
    pub fn is_success(&self) -> bool {
        self.status == 0 && !self.timed_out
    }

    /// Standard output as text, replacing what is not UTF-8.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text, replacing what is not UTF-8.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}
