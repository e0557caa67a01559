//! `make`: targets of a Makefile.

use std::path::PathBuf;

use model::Args;
use serde_json::Value;
use system::{Command, Probe, System};

use crate::arguments::{arguments, python_text};
use crate::contract::{Check, Failure, Module};
use crate::tool;

arguments! {
    /// Makes targets of a Makefile; what is up to date is no change.
    pub struct Make {
        /// The directory to make them in.
        pub chdir: PathBuf,
        /// The Makefile, if it has another name.
        pub file: Option<PathBuf>,
        /// How many jobs run at once.
        pub jobs: Option<i64>,
        /// The program, if it is another: a name or a path.
        pub make: Option<PathBuf>,
        /// Variables (`NAME: value`) and options (`-s:` without value).
        pub params: Option<Args>,
        /// The target.
        pub target: Option<String>,
        /// The targets.
        pub targets: Option<Vec<String>>,
    }
    mutually_exclusive: [&["target", "targets"]];
}

impl Module for Make {
    type Change = Command;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Command>, Failure> {
        let program = match &self.make {
            Some(path) => path.to_string_lossy().into_owned(),
            None => ["gmake", "make"]
                .iter()
                .find_map(|name| tool::find_program(host, name))
                .ok_or_else(|| {
                    Failure::new("Failed to find required executable \"make\" in paths")
                })?,
        };
        let words = self.words();
        let mut question = self.command(&program, words.clone());
        question.args.push("-q".to_owned());
        let command = self.command(&program, words);
        let output = host.query(&question)?;
        tool::show(result, &output);
        let line = [command.program.clone()].into_iter().chain(command.args.iter().cloned());
        let shown = line.collect::<Vec<_>>().join(" ");
        result.insert("command".into(), shown.into());
        let path = |path: &PathBuf| Value::from(path.to_string_lossy());
        let given = [
            ("chdir", path(&self.chdir)),
            ("file", self.file.as_ref().map(path).into()),
            ("jobs", self.jobs.into()),
            ("params", self.params.clone().into()),
            ("target", self.target.clone().into()),
            ("targets", self.targets.clone().into()),
        ];
        result.extend(given.into_iter().map(|(key, value)| (key.to_owned(), value)));
        // A phony target is never up to date: it is made each time.
        Ok(if output.is_success() { Check::InSync } else { Check::Act(command) })
    }

    fn apply(&self, command: Command, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let output = host.run(&command)?;
        if !output.is_success() {
            return Err(tool::failure(&output, ""));
        }
        tool::show(result, &output);
        Ok(())
    }
}

impl Make {
    fn command(&self, program: &str, words: Vec<String>) -> Command {
        let mut command = Command::new(program, words);
        command.directory = Some(self.chdir.clone());
        command
    }

    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(jobs) = self.jobs {
            words.extend(["-j".to_owned(), jobs.to_string()]);
        }
        if let Some(file) = &self.file {
            words.extend(["-f".to_owned(), file.to_string_lossy().into_owned()]);
        }
        words.extend(self.target.iter().chain(self.targets.iter().flatten()).cloned());
        words.extend(self.params.iter().flatten().map(|(name, value)| match value {
            Value::Null => name.clone(),
            value => format!("{name}={}", python_text(value)),
        }));
        words
    }
}
