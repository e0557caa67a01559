//! `subversion`: working copies and exports of a Subversion repository.

use std::path::PathBuf;

use model::{Args, Diff, Secret};
use serde_json::{Value, json};
use system::{Command, Output, Probe, System};

use crate::arguments::arguments;
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

arguments! {
    /// Checks out, updates or exports a Subversion repository.
    pub struct Subversion {
        /// The address of the repository.
        pub repo: String { aliases: ["name", "repository"] },
        /// Where it is put.
        pub dest: Option<PathBuf>,
        /// The revision.
        pub revision: String { default: "HEAD", aliases: ["rev", "version"] },
        /// Discard what was modified. Without it, modified files are a failure.
        pub force: bool { default: false },
        /// Make a directory that is there, and is no working copy, into one.
        pub in_place: bool { default: false },
        /// Who asks.
        pub username: Option<String>,
        /// The password.
        pub password: Option<Secret<String>>,
        /// svn's program, if it is not in the path.
        pub executable: Option<PathBuf>,
        /// Check out what is not there.
        pub checkout: bool { default: true },
        /// Bring in new revisions.
        pub update: bool { default: true },
        /// Only the files, without what makes them a working copy.
        pub export: bool { default: false },
        /// Switch a working copy to `repo`, if it is of another address.
        pub switch: bool { default: true },
        /// Refuse certificates that cannot be verified.
        pub validate_certs: bool { default: false },
    }
}

/// What svn is to do, in this order.
pub(crate) struct Work {
    commands: Vec<Command>,
    /// What `svn info` said before; `None`: there was no working copy.
    before: Option<Info>,
    after: Value,
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let before = self.before.as_ref().map_or(Value::Null, Info::lines);
        Ok(vec![diff::state("subversion", before, self.after.clone())])
    }
}

/// What `svn info` says.
#[derive(Debug, Clone, PartialEq)]
struct Info {
    revision: String,
    url: String,
}

impl Info {
    fn parse(output: &Output) -> Option<Self> {
        let text = output.stdout_text();
        let line = |key: &str| text.lines().find(|line| line.starts_with(key)).map(str::to_owned);
        Some(Self { revision: line("Revision: ")?, url: line("URL: ")? })
    }

    fn lines(&self) -> Value {
        json!([self.revision, self.url])
    }
}

impl Module for Subversion {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        self.validate(host)?;
        let Some(dest) = &self.dest else {
            result.insert("after".into(), self.offered(host)?.revision.into());
            return Ok(Check::InSync);
        };
        let place = dest.to_string_lossy().into_owned();
        let is_there = host.stat(dest, true)?.is_some();
        if self.export || !is_there {
            return self.fetch(&place, host, result);
        }
        let info = host.query(&self.command(&["info", &place]))?;
        let Some(info) = Info::parse(&info).filter(|_| info.is_success()) else {
            if !self.in_place {
                return Err(Failure::new(format!(
                    "ERROR: {place} folder already exists, but its not a subversion repository."
                )));
            }
            let words = ["checkout", "--force", "-r", &self.revision, "--", &self.repo, &place];
            return Ok(drift(vec![self.command(&words)], None, &self.offered(host)?));
        };
        if !self.update {
            return Ok(Check::InSync);
        }
        self.bring_up_to_date(&place, info, host, result)
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let mut has_changed = false;
        for command in &work.commands {
            let output = tool::run(host, command)?;
            has_changed |= output.stdout_text().lines().any(tells_change);
        }
        if self.export {
            return Ok(());
        }
        let place = self.dest.as_ref().map(|path| path.to_string_lossy()).unwrap_or_default();
        let info = host.query(&self.command(&["info", &place]))?;
        let Some(info) = Info::parse(&info).filter(|_| info.is_success()) else {
            return Err(tool::failure(&info, &format!("svn does not tell what {place} is: ")));
        };
        if let Some(before) = &work.before {
            let has_moved = before.url != info.url;
            result.insert("changed".into(), (has_changed || has_moved).into());
        }
        let before = work.before.as_ref().map_or(Value::Null, Info::lines);
        result.insert("before".into(), before);
        result.insert("after".into(), info.lines());
        Ok(())
    }
}

/// Whether a line is about a file that was added, changed or removed: `U    trunk/file`, `Reverted 'file'`.
fn tells_change(line: &str) -> bool {
    let letter = line.chars().next().unwrap_or(' ');
    let is_file = "ABCDEGRU".contains(letter) && line.chars().nth(1) == Some(' ');
    is_file || line.starts_with("Reverted ") || line.starts_with("Restored ")
}

impl Subversion {
    fn validate(&self, host: &dyn Probe) -> Result<(), Failure> {
        if self.dest.is_none() && (self.checkout || self.update || self.export) {
            return Err(Failure::new(
                "the destination directory must be specified unless checkout=no, update=no, and export=no",
            ));
        }
        for (name, text) in [("repo", &self.repo), ("revision", &self.revision)] {
            if text.is_empty() || text.starts_with('-') {
                return Err(Failure::new(format!("{name} `{text}` is none that svn knows")));
            }
        }
        if self.password.is_none() {
            return Ok(());
        }
        let output = host.query(&self.bare(&["--version", "--quiet"]))?;
        let version = output.stdout_text().trim().to_owned();
        let mut numbers = version.split('.').map(|word| word.parse::<u32>().unwrap_or(0));
        let known = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if known >= (1, 10) {
            return Ok(());
        }
        Err(Failure::new(format!(
            "svn {version} cannot be given a password that others on the host do not see. To securely pass credentials, upgrade svn to version 1.10.0 or greater."
        )))
    }

    /// An export, or a working copy where nothing is.
    fn fetch(
        &self,
        place: &str,
        host: &dyn Probe,
        result: &mut Args,
    ) -> Result<Check<Work>, Failure> {
        if self.export {
            let mut words = vec!["export"];
            words.extend(self.force.then_some("--force"));
            words.extend(["-r", &self.revision, "--", &self.repo, place]);
            let commands = vec![self.command(&words)];
            let after = json!({ "exported": self.repo });
            return Ok(Check::Act(Work { commands, before: None, after }));
        }
        if self.checkout {
            let offered = self.offered(host)?;
            let words = ["checkout", "-r", &self.revision, "--", &self.repo, place];
            return Ok(drift(vec![self.command(&words)], None, &offered));
        }
        if !self.update {
            result.insert("after".into(), self.offered(host)?.revision.into());
        }
        Ok(Check::InSync)
    }

    fn bring_up_to_date(
        &self,
        place: &str,
        info: Info,
        host: &dyn Probe,
        result: &mut Args,
    ) -> Result<Check<Work>, Failure> {
        let output =
            host.query(&self.command(&["status", "--quiet", "--ignore-externals", place]))?;
        if !output.is_success() {
            return Err(tool::failure(&output, ""));
        }
        let is_entry = |line: &str| {
            let states = line.get(..7).unwrap_or_default();
            // The fourth to sixth say how it is kept, not whether it differs; externals are not ours.
            line.len() > 8 && states.chars().take(2).any(|state| !" X".contains(state))
        };
        let is_modified = output.stdout_text().lines().any(is_entry);
        if is_modified && !self.force {
            return Err(Failure::new("ERROR: modified files exist in the repository."));
        }
        let source = if self.switch { self.repo.clone() } else { info.url[5..].to_owned() };
        let offered = self.offered_at(&source, host)?;
        result.insert("before".into(), info.lines());
        result.insert("after".into(), offered.lines());
        if !is_modified && offered == info {
            return Ok(Check::InSync);
        }
        let mut commands = Vec::new();
        if is_modified {
            commands.push(self.command(&["revert", "-R", place]));
        }
        let switch = ["switch", "--revision", &self.revision, "--", &self.repo, place];
        let update = ["update", "-r", &self.revision, place];
        let is_elsewhere = offered.url != info.url;
        commands.push(self.command(if is_elsewhere { &switch } else { &update }));
        if !is_modified && !is_elsewhere && !self.differs(&source, &info, host)? {
            let after = offered.lines();
            return Ok(Check::Upkeep(Work { commands, before: Some(info), after }));
        }
        Ok(drift(commands, Some(info), &offered))
    }

    /// Whether the files of the wanted revision are others than those of the working copy's.
    fn differs(&self, url: &str, info: &Info, host: &dyn Probe) -> Result<bool, Failure> {
        let old = info.revision.trim_start_matches("Revision: ");
        let range = format!("{old}:{}", self.revision);
        let words = ["diff", "--summarize", "-r", &range, "--", url];
        let output = host.query(&self.command(&words))?;
        if output.is_success() {
            return Ok(!output.stdout.trim_ascii().is_empty());
        }
        Err(tool::failure(&output, ""))
    }

    fn offered(&self, host: &dyn Probe) -> Result<Info, Failure> {
        self.offered_at(&self.repo, host)
    }

    /// What the repository has under the revision that is wanted.
    fn offered_at(&self, url: &str, host: &dyn Probe) -> Result<Info, Failure> {
        let output = host.query(&self.command(&["info", "-r", &self.revision, "--", url]))?;
        match Info::parse(&output).filter(|_| output.is_success()) {
            Some(info) => Ok(info),
            None => Err(tool::failure(&output, "")),
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut all = vec!["--non-interactive", "--no-auth-cache"];
        all.extend((!self.validate_certs).then_some("--trust-server-cert"));
        if let Some(name) = &self.username {
            all.extend(["--username", name]);
        }
        all.extend(self.password.as_ref().map(|_| "--password-from-stdin"));
        all.extend(words);
        let mut command = self.bare(&all);
        command.stdin = self
            .password
            .as_ref()
            .map(|password| Secret::new(format!("{}\n", password.reveal()).into_bytes()));
        command
    }

    fn bare(&self, words: &[&str]) -> Command {
        let program = match &self.executable {
            Some(path) => path.to_string_lossy().into_owned(),
            None => "svn".to_owned(),
        };
        let mut command = Command::new(program, words.to_vec());
        // Not `C`, in which svn refuses names outside ASCII.
        command.environment.insert("LC_ALL".to_owned(), "C.UTF-8".to_owned());
        command.environment.insert("LANGUAGE".to_owned(), "C".to_owned());
        command
    }
}
/// What is done where the working copy is not as the repository has it.
fn drift(commands: Vec<Command>, before: Option<Info>, offered: &Info) -> Check<Work> {
    Check::Drift(Work { commands, before, after: offered.lines() })
}
