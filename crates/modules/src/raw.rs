//! `raw`: a command line for the host's shell, with nothing around it.

use std::path::PathBuf;

use model::Args;
use system::{Command, Probe, System};

use crate::arguments::arguments;
use crate::command::conclude;
use crate::contract::{Check, Failure, Module};

arguments! {
    /// Gives a command line to the host's shell as it is.
    pub struct Raw {
        /// The command line.
        pub line: String { named: "_raw_params", aliases: ["free_form"] },
        /// The shell.
        pub executable: Option<PathBuf>,
    }
}

impl Module for Raw {
    type Change = Command;

    fn check(&self, _: &dyn Probe, _: &mut Args) -> Result<Check<Command>, Failure> {
        let shell =
            self.executable.as_ref().map_or("/bin/sh".into(), |path| path.to_string_lossy());
        let mut command = Command::new(shell, ["-c", &self.line]);
        command.live = true;
        Ok(Check::CannotTell(command))
    }

    fn apply(&self, command: Command, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        conclude(host.run(&command), false, result)
    }
}
