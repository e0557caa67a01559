//! `sudoers`: a rule of sudo in a file of its own.

use std::path::PathBuf;

use model::{Args, Diff, Secret};
use system::{Attributes, Command, Probe, System};

use crate::arguments::{arguments, choices};
use crate::content::Put;
use crate::contract::{Change, Check, Failure, Module};
use crate::edits::Edit;
use crate::{diff, tool};

choices! {
    /// Whether the rule is there.
    pub enum Wanted {
        /// It is there.
        Present = "present",
        /// It is not there.
        Absent = "absent",
    }
}

choices! {
    /// Whether `visudo` looks at the rule before it is put in place.
    pub enum Validation {
        /// It does not.
        Absent = "absent",
        /// It does where it is installed.
        Detect = "detect",
        /// It does, and must be installed.
        Required = "required",
    }
}

arguments! {
    /// Puts a rule of sudo into a file of its own.
    pub struct Sudoers {
        /// The rule's name, which is the file's.
        pub name: String,
        /// The commands that it allows, or `ALL`.
        pub commands: Option<Vec<String>>,
        /// The group that may run them.
        pub group: Option<String>,
        /// The host that it is for.
        pub host: String { default: "ALL" },
        /// The commands may not start others.
        pub noexec: bool { default: false },
        /// No password is asked for.
        pub nopassword: bool { default: true },
        /// The user that the commands run as.
        pub runas: Option<String>,
        /// The caller's environment may be kept.
        pub setenv: bool { default: false },
        /// Whether the rule is there.
        pub state: Wanted { default: "present" },
        /// The directory of such files.
        pub sudoers_path: PathBuf { default: "/etc/sudoers.d" },
        /// The user that may run them.
        pub user: Option<String>,
        /// Whether `visudo` looks at the rule before it is put in place.
        pub validation: Validation { default: "detect" },
    }
    mutually_exclusive: [&["user", "group"]];
    required_if: [("state", "present", &["commands"])];
}

const LIMIT: u64 = 1 << 20;
const MODE: u32 = 0o440;

/// What becomes of the file.
pub(crate) enum Work {
    /// It gets a rule.
    Write(Put),
    /// It is replaced or goes, or gets its mode.
    Edit(PathBuf, Edit, &'static str),
}

impl Change for Work {
    fn diff(&self, host: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![match self {
            Self::Write(put) => put.diff(host)?,
            Self::Edit(path, _, after) => diff::state(
                &path.display().to_string(),
                serde_json::json!({ "path": path }),
                serde_json::json!({ "path": path, "is": after }),
            ),
        }])
    }
}

impl Module for Sudoers {
    type Change = Work;

    fn check(&self, host: &dyn Probe, _: &mut Args) -> Result<Check<Work>, Failure> {
        if self.name.is_empty() || self.name.contains(['/', '\0']) || self.name.starts_with("..") {
            return Err(Failure::new(format!("`{}` is no name of a file", self.name)));
        }
        let path = self.sudoers_path.join(&self.name);
        let stat = host.stat(&path, false)?;
        if self.state == Wanted::Absent {
            let removal = stat.map(|_| Work::Edit(path.clone(), Edit::Remove(path), "absent"));
            return Ok(removal.map_or(Check::InSync, Check::Drift));
        }
        let rule = self.rule()?;
        self.validate(host, &rule)?;
        let current = host.read(&path, LIMIT)?;
        if current.as_deref() != Some(rule.as_bytes()) {
            let mut put = Put::text(path, rule);
            put.attributes.mode = Some(MODE);
            return Ok(Check::Drift(Work::Write(put)));
        }
        if stat.is_some_and(|stat| stat.mode == MODE) {
            return Ok(Check::InSync);
        }
        let attributes = Attributes { mode: Some(MODE), ..Attributes::default() };
        let edit = Edit::SetAttributes { path: path.clone(), attributes };
        Ok(Check::Drift(Work::Edit(path, edit, "mode 0440")))
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        match work {
            Work::Write(put) => put.apply(host, result).map(drop),
            Work::Edit(_, edit, _) => edit.apply(host),
        }
    }
}

impl Sudoers {
    /// The rule as sudo reads it.
    fn rule(&self) -> Result<String, Failure> {
        let owner = match (&self.user, &self.group) {
            (Some(user), _) => user.clone(),
            (None, Some(group)) => format!("%{group}"),
            (None, None) => return Err(Failure::new("one of `user` and `group` is needed")),
        };
        let runas = self.runas.as_ref().map(|user| format!("({user}) ")).unwrap_or_default();
        let tags: String =
            [(self.noexec, "NOEXEC:"), (self.nopassword, "NOPASSWD:"), (self.setenv, "SETENV:")]
                .into_iter()
                .filter_map(|(is_set, tag)| is_set.then_some(tag))
                .collect();
        let tags = if tags.is_empty() { tags } else { format!("{tags} ") };
        let commands = self.commands.iter().flatten().map(String::as_str).collect::<Vec<_>>();
        let rule = format!("{owner} {}={runas}{tags}{}", self.host, commands.join(", "));
        if rule.contains('\n') {
            return Err(Failure::new("a rule of sudo is one line"));
        }
        Ok(format!("{rule}\n"))
    }

    fn validate(&self, host: &dyn Probe, rule: &str) -> Result<(), Failure> {
        if self.validation == Validation::Absent {
            return Ok(());
        }
        let Some(program) = tool::find(host, "visudo") else {
            return match self.validation {
                Validation::Required => {
                    Err(Failure::new("Failed to find required executable \"visudo\" in paths"))
                }
                _ => Ok(()),
            };
        };
        let mut command = Command::new(program.to_string_lossy(), ["-c", "-f", "-"]);
        command.stdin = Some(Secret::new(rule.as_bytes().to_vec()));
        let output = host.query(&command)?;
        if output.is_success() {
            return Ok(());
        }
        let (stdout, stderr) = (output.stdout_text(), output.stderr_text());
        let said = if stdout.is_empty() { &stderr } else { &stdout };
        let failure = Failure::new(format!("Failed to validate sudoers rule:\n{said}"));
        Err(failure.with("stdout", stdout.clone()).with("stderr", stderr))
    }
}
