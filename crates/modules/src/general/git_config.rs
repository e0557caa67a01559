//! `git_config` and `git_config_info`: settings of git, through `git config`.

use std::path::PathBuf;

use model::{Args, Diff};
use serde_json::{Value, json};
use system::{Command, Output, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

choices! {
    /// Whether the setting is there.
    pub enum Wanted {
        /// It has the value.
        Present = "present",
        /// It is not set.
        Absent = "absent",
    }
}

choices! {
    /// What becomes of other values of the setting.
    pub enum AddMode {
        /// They stay.
        Add = "add",
        /// They go.
        ReplaceAll = "replace-all",
    }
}

choices! {
    /// Which configuration is meant.
    pub enum Scope {
        /// A file.
        File = "file",
        /// That of a repository.
        Local = "local",
        /// The user's.
        Global = "global",
        /// The host's.
        System = "system",
    }
}

arguments! {
    /// Sets and removes settings of git.
    pub struct GitConfig {
        /// The setting, e.g. `user.email`.
        pub name: String,
        /// The repository, for the scope `local`.
        pub repo: Option<PathBuf>,
        /// The file, for the scope `file`.
        pub file: Option<PathBuf>,
        /// What becomes of other values of the setting.
        pub add_mode: AddMode { default: "replace-all" },
        /// Which configuration is meant: the host's, if nothing is said.
        pub scope: Option<Scope>,
        /// Whether the setting is there.
        pub state: Wanted { default: "present" },
        /// Its value.
        pub value: Option<String>,
    }
    required_if: [
        ("scope", "local", &["repo"]), ("scope", "file", &["file"]), ("state", "present", &["value"])
    ];
}

arguments! {
    /// Reads settings of git.
    pub struct GitConfigInfo {
        /// The setting; without it, all of them.
        pub name: Option<String>,
        /// The repository or file, for the scopes `local` and `file`.
        pub path: Option<PathBuf>,
        /// Which configuration is meant.
        pub scope: Scope { default: "system" },
    }
    required_if: [("scope", "local", &["path"]), ("scope", "file", &["path"])];
}

/// The beginning of a call of `git config`.
fn command(scope: Scope, path: Option<&PathBuf>, words: &[&str]) -> Command {
    let mut all = vec!["config".to_owned(), "--includes".to_owned()];
    let mut directory = None;
    match (scope, path) {
        (Scope::File, Some(path)) => {
            all.extend(["-f".to_owned(), path.to_string_lossy().into_owned()]);
        }
        (scope, path) => {
            all.push(format!("--{}", scope.as_str()));
            directory = path.cloned().filter(|_| scope == Scope::Local);
        }
    }
    all.extend(words.iter().map(|word| (*word).to_owned()));
    let mut command = Command::new("git", all);
    command.directory = directory;
    command
}

/// The values that git tells, each ended by a zero byte.
fn parts(output: &Output) -> Vec<String> {
    output.stdout_text().split_terminator('\0').map(str::to_owned).collect()
}

/// What git says that is no answer.
fn check_output(command: &Command, output: &Output) -> Result<(), Failure> {
    if output.status < 2 || (output.status == 128 && says_nothing_is_there(output)) {
        return Ok(());
    }
    let line = format!("git {}", command.args.join(" "));
    Err(Failure::new(output.stderr_text()).with("rc", output.status).with("cmd", line))
}

fn says_nothing_is_there(output: &Output) -> bool {
    let said = output.stderr_text();
    said.contains("unable to read config file") && said.contains("No such file or directory")
}

/// The call that changes something, and the values on both sides.
pub(crate) struct Work {
    command: Command,
    before: Vec<String>,
    after: Vec<String>,
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let side = |values: &[String]| match values {
            [] => json!("\n"),
            [value] => json!(format!("{value}\n")),
            values => json!(values),
        };
        Ok(vec![diff::state("git config", side(&self.before), side(&self.after))])
    }
}

impl Module for GitConfig {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        if self.name.starts_with('-') || self.name.is_empty() {
            return Err(Failure::new(format!("`{}` is no name of a setting", self.name)));
        }
        let value = self.value.as_deref().filter(|_| self.state == Wanted::Present);
        if value == Some("") {
            return Err(Failure::new(
                "If state=present, a value must be specified. Use the community.general.git_config_info module to \
                 read a config value.",
            ));
        }
        let question = self.command(&["--null", "--get-all", &self.name]);
        let output = host.query(&question)?;
        check_output(&question, &output)?;
        let before = parts(&output);
        let (words, after): (Vec<&str>, Vec<String>) = match value {
            None if before.is_empty() => {
                result.insert("msg".into(), "no setting to unset".into());
                return Ok(Check::InSync);
            }
            None => (vec!["--unset-all", &self.name], Vec::new()),
            Some(value) => {
                let is_there = before.iter().any(|old| old == value);
                let adds = self.add_mode == AddMode::Add;
                if is_there && (adds || before.len() == 1) {
                    result.insert("msg".into(), "".into());
                    return Ok(Check::InSync);
                }
                let flag = if adds { "--add" } else { "--replace-all" };
                let mut after = if adds { before.clone() } else { Vec::new() };
                after.push(value.to_owned());
                (vec![flag, &self.name, value], after)
            }
        };
        result.insert("msg".into(), "setting changed".into());
        let command = self.command(&words);
        Ok(Check::Drift(Work { command, before, after }))
    }

    fn apply(&self, work: Work, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        let output = host.run(&work.command)?;
        if output.is_success() { Ok(()) } else { Err(tool::failure(&output, "")) }
    }
}

impl GitConfig {
    fn command(&self, words: &[&str]) -> Command {
        let scope = self.scope.unwrap_or(Scope::System);
        let path = if scope == Scope::File { &self.file } else { &self.repo };
        command(scope, path.as_ref(), words)
    }
}

impl Module for GitConfigInfo {
    type Change = std::convert::Infallible;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Self::Change>, Failure> {
        let words = match &self.name {
            Some(name) => vec!["--null", "--get-all", name],
            None => vec!["--null", "--list"],
        };
        let question = command(self.scope, self.path.as_ref(), &words);
        let output = host.query(&question)?;
        check_output(&question, &output)?;
        let mut settings = serde_json::Map::new();
        for part in parts(&output) {
            let (name, value) = match &self.name {
                Some(name) => (name.clone(), part),
                None => part
                    .split_once('\n')
                    .map_or((part.clone(), String::new()), |(a, b)| (a.to_owned(), b.to_owned())),
            };
            let list = settings.entry(name).or_insert_with(|| json!([]));
            if let Value::Array(list) = list {
                list.push(value.into());
            }
        }
        if let Some(name) = &self.name {
            let first = settings.get(name).and_then(|list| list.get(0)).cloned();
            result.insert("config_value".into(), first.unwrap_or_else(|| "".into()));
            settings.entry(name.clone()).or_insert_with(|| json!([]));
        }
        result.insert("config_values".into(), settings.into());
        Ok(Check::InSync)
    }

    fn apply(&self, change: Self::Change, _: &dyn System, _: &mut Args) -> Result<(), Failure> {
        match change {}
    }
}
