//! `composer`: what PHP projects depend on.

use std::path::PathBuf;

use model::Args;
use serde_json::Value;
use system::{Command, Output, Probe, System};

use crate::arguments::arguments;
use crate::contract::{Change, Check, Failure, Module};
use crate::tool;

arguments! {
    /// Runs Composer, which installs what PHP projects depend on.
    pub struct Composer {
        /// Composer's command.
        pub command: String { default: "install" },
        /// Arguments of the command, e.g. packages.
        pub arguments: String { default: "" },
        /// PHP's program, if it is not in the path.
        pub executable: Option<PathBuf> { aliases: ["php_path"] },
        /// The directory of the project.
        pub working_dir: Option<PathBuf>,
        /// For the user rather than a project.
        pub global_command: bool { default: false },
        /// Take sources of packages.
        pub prefer_source: bool { default: false },
        /// Take archives of packages.
        pub prefer_dist: bool { default: false },
        /// Leave out what development alone needs.
        pub no_dev: bool { default: true },
        /// Run no scripts of the project.
        pub no_scripts: bool { default: false },
        /// Load no plugins.
        pub no_plugins: bool { default: false },
        /// Make a faster autoloader.
        pub optimize_autoloader: bool { default: true },
        /// Load classes from the map alone.
        pub classmap_authoritative: bool { default: false },
        /// Keep in APCu which classes there are.
        pub apcu_autoloader: bool { default: false },
        /// Do not mind what the packages need of the host.
        pub ignore_platform_reqs: bool { default: false },
        /// Composer's program, if it is not in the path.
        pub composer_executable: Option<PathBuf>,
    }
    required_if: [("global_command", "False", &["working_dir"])];
}

/// Composer is to be run.
pub(crate) struct Run(Command);

impl Change for Run {}

impl Module for Composer {
    type Change = Run;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Run>, Failure> {
        let name = &self.command;
        if name.is_empty() || name.starts_with('-') || name.contains(char::is_whitespace) {
            return Err(Failure::new(
                "Use the 'arguments' param for passing arguments with the 'command'",
            ));
        }
        let known = self.options(host)?;
        let command = self.command(host, &known, false)?;
        if !known.iter().any(|option| option == "dry-run") {
            return Ok(Check::CannotTell(Run(command)));
        }
        let output = host.query(&self.command(host, &known, true)?)?;
        if !output.is_success() {
            return Err(tool::failure(&output, ""));
        }
        tool::show(result, &output);
        // Composer runs in any case: it makes the autoloader, and scripts of the project hear of it.
        let run = Run(command);
        Ok(if says_nothing(&output) { Check::Upkeep(run) } else { Check::Drift(run) })
    }

    fn apply(&self, run: Run, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let output = tool::run(host, &run.0)?;
        tool::show(result, &output);
        result.insert("changed".into(), (!says_nothing(&output)).into());
        Ok(())
    }
}

/// Whether it says that there was nothing to do.
fn says_nothing(output: &Output) -> bool {
    let text = output.stdout_text() + &output.stderr_text();
    ["Nothing to install or update", "Nothing to install, update or remove"]
        .iter()
        .any(|words| text.contains(words))
}

impl Composer {
    /// The options that the command has.
    fn options(&self, host: &dyn Probe) -> Result<Vec<String>, Failure> {
        let words = ["help", &self.command, "--no-interaction", "--format=json"];
        let output = host.query(&self.bare(host, words.map(str::to_owned).to_vec()))?;
        // Warnings may stand before it.
        let text = output.stdout_text();
        let json = text.find('{').map_or("", |start| &text[start..]);
        match serde_json::from_str::<Value>(json) {
            Ok(help) if output.is_success() => {
                let options = help["definition"]["options"].as_object();
                Ok(options.into_iter().flatten().map(|(name, _)| name.clone()).collect())
            }
            _ => Err(tool::failure(&output, &format!("composer help {}: ", self.command))),
        }
    }

    fn command(
        &self,
        host: &dyn Probe,
        known: &[String],
        is_trial: bool,
    ) -> Result<Command, Failure> {
        let flags = [
            (true, "no-ansi"),
            (true, "no-interaction"),
            (true, "no-progress"),
            (self.prefer_source, "prefer-source"),
            (self.prefer_dist, "prefer-dist"),
            (self.no_dev, "no-dev"),
            (self.no_scripts, "no-scripts"),
            (self.no_plugins, "no-plugins"),
            (self.optimize_autoloader, "optimize-autoloader"),
            (self.classmap_authoritative, "classmap-authoritative"),
            (self.apcu_autoloader, "apcu-autoloader"),
            (self.ignore_platform_reqs, "ignore-platform-reqs"),
            (is_trial, "dry-run"),
        ];
        let mut words = Vec::new();
        words.extend(self.global_command.then(|| "global".to_owned()));
        words.push(self.command.clone());
        let wanted =
            flags.iter().filter(|(is_set, name)| *is_set && known.iter().any(|k| k == name));
        words.extend(wanted.map(|(_, name)| format!("--{name}")));
        if let Some(path) = self.working_dir.as_ref().filter(|_| !self.global_command) {
            words.extend(["--working-dir".to_owned(), path.to_string_lossy().into_owned()]);
        }
        words.extend(shlex::split(&self.arguments).ok_or_else(|| {
            Failure::new(format!("a quote does not end in arguments: {}", self.arguments))
        })?);
        Ok(self.bare(host, words))
    }

    fn bare(&self, host: &dyn Probe, mut words: Vec<String>) -> Command {
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        let composer = self.composer_executable.as_ref().map(text);
        let Some(php) = &self.executable else {
            return Command::new(composer.unwrap_or_else(|| "composer".to_owned()), words);
        };
        // PHP does not search for what it runs.
        let found = || tool::find_program(host, "composer");
        words.insert(0, composer.or_else(found).unwrap_or_else(|| "composer".to_owned()));
        Command::new(text(php), words)
    }
}
