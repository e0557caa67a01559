//! `git`: a working copy of a repository.

mod refs;

use std::path::PathBuf;

use model::{Args, Diff};
use serde_json::{Value, json};
use system::{Attributes, Command, Output, Probe, System};

use crate::arguments::arguments;
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};
use refs::{Found, Refs};

arguments! {
    /// Checks out a repository, and keeps the copy at a version.
    pub struct Git {
        /// The repository.
        pub repo: String { aliases: ["name"] },
        /// Where the copy is.
        pub dest: PathBuf,
        /// A branch, a tag, a commit, or `HEAD`.
        pub version: String { default: "HEAD" },
        /// What the repository is called in the copy.
        pub remote: String { default: "origin" },
        /// What is fetched besides.
        pub refspec: Option<String>,
        /// How much history is fetched.
        pub depth: Option<u32>,
        /// Make the copy when it is not there.
        pub clone: bool { default: true },
        /// Fetch what is new.
        pub update: bool { default: true },
        /// Throw away changes that were made in the copy.
        pub force: bool { default: false },
        /// A repository without a working copy.
        pub bare: bool { default: false },
        /// With its submodules.
        pub recursive: bool { default: true },
        /// Only the history of the version.
        pub single_branch: bool { default: false },
        /// A repository on the host whose objects are used.
        pub reference: Option<String>,
        /// The program.
        pub executable: Option<PathBuf>,
        /// Trust the keys of all hosts.
        pub accept_hostkey: bool { default: false },
        /// Trust the keys of hosts that are new.
        pub accept_newhostkey: bool { default: false },
        /// The file with the private key.
        pub key_file: Option<PathBuf>,
        /// More options for `ssh`.
        pub ssh_opts: Option<String>,
        /// The umask for what is checked out, in octal digits.
        pub umask: Option<String>,
    }
    mutually_exclusive: [&["accept_hostkey", "accept_newhostkey"]];
}

/// What has to be done to the copy.
#[derive(Debug)]
pub(crate) struct CopyChange {
    before: Option<String>,
    found: Found,
    /// It is there; else it is cloned.
    is_there: bool,
    /// The remote is another one: set it, or add it.
    remote: Option<&'static str>,
    /// Somebody changed files.
    is_dirty: bool,
}

impl Change for CopyChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let line = |commit: &Option<String>| match commit {
            Some(commit) => format!("{commit}\n"),
            None => String::new(),
        };
        let (before, after) = (line(&self.before), line(&self.found.commit));
        let name = PathBuf::from("HEAD");
        Ok(vec![diff::file(&name, Some(before.as_bytes()), Some(after.as_bytes()))])
    }
}

impl Module for Git {
    type Change = CopyChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<CopyChange>, Failure> {
        self.refuse_options()?;
        if self.executable.is_none() && tool::find(host, "git").is_none() {
            return Err(Failure::new("Failed to find required executable \"git\""));
        }
        let marker = if self.bare { self.dest.join("config") } else { self.dest.join(".git") };
        let is_there = host.stat(&marker, true)?.is_some();
        let before = if is_there { self.head(host)? } else { None };
        result.insert("before".into(), json!(before));
        result.insert("after".into(), json!(before));
        result.insert("remote_url_changed".into(), false.into());
        if (!is_there && !self.clone) || (is_there && !self.update) {
            return Ok(Check::InSync);
        }
        let is_dirty = is_there && !self.bare && self.is_dirty(host)?;
        if is_dirty && !self.force {
            return Err(Failure::new(format!(
                "Local modifications exist in the destination: {} (force=no).",
                self.dest.display()
            )));
        }
        let remote = if is_there { self.wrong_remote(host)? } else { None };
        let output = host.query(&self.git(["ls-remote", "--symref", "--", &self.repo])?)?;
        let mut found =
            Refs::parse(&succeeded(&output, "Failed to list remote refs: ")?).find(&self.version);
        if found.commit.is_none() && is_there {
            // The beginning of a commit's name, perhaps.
            let name = format!("{}^{{commit}}", self.version);
            let known = host.query(&self.within(["rev-parse", "--verify", "-q", &name])?)?;
            found.commit = known.is_success().then(|| known.stdout_text().trim().to_owned());
        }
        result.insert("after".into(), json!(found.commit));
        let is_current = before.is_some() && before == found.commit;
        let settled = is_current && !is_dirty && remote.is_none();
        if settled && !(self.recursive && self.has_stale_submodules(host)?) {
            return Ok(Check::InSync);
        }
        Ok(Check::Drift(CopyChange { before, found, is_there, remote, is_dirty }))
    }

    fn apply(
        &self,
        change: CopyChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        if change.is_there {
            self.update_copy(&change, host)?;
        } else {
            self.clone_copy(&change, host)?;
        }
        self.switch(&change, host)?;
        let after = self.head(host)?;
        result.insert("remote_url_changed".into(), change.remote.is_some().into());
        result.insert("after".into(), after.map_or(Value::Null, Value::from));
        Ok(())
    }
}

impl Git {
    /// Names that git would take for options.
    fn refuse_options(&self) -> Result<(), Failure> {
        let names = [("repo", &self.repo), ("version", &self.version), ("remote", &self.remote)];
        let more = self.refspec.iter().map(|text| ("refspec", text));
        for (name, value) in names.into_iter().chain(more) {
            if value.starts_with('-') || value.is_empty() {
                return Err(Failure::new(format!("{name} cannot be `{value}`")));
            }
        }
        Ok(())
    }

    fn git<const N: usize>(&self, words: [&str; N]) -> Result<Command, Failure> {
        let program =
            self.executable.as_deref().map_or("git".into(), |path| path.to_string_lossy());
        let mut command = Command::new(program, words);
        command.environment.insert("GIT_TERMINAL_PROMPT".into(), "0".into());
        command.environment.insert("LC_ALL".into(), "C".into());
        let mut ssh = vec!["ssh".to_owned(), "-o".to_owned(), "BatchMode=yes".to_owned()];
        let trust = match (self.accept_hostkey, self.accept_newhostkey) {
            (true, _) => Some("no"),
            (false, true) => Some("accept-new"),
            (false, false) => None,
        };
        if let Some(trust) = trust {
            ssh.extend(["-o".to_owned(), format!("StrictHostKeyChecking={trust}")]);
        }
        if let Some(key) = &self.key_file {
            ssh.extend(["-i".to_owned(), key.to_string_lossy().into_owned()]);
            ssh.extend(["-o".to_owned(), "IdentitiesOnly=yes".to_owned()]);
        }
        let mut line = shlex::try_join(ssh.iter().map(String::as_str))
            .map_err(|error| Failure::new(error.to_string()))?;
        if let Some(options) = &self.ssh_opts {
            line.push(' ');
            line.push_str(options);
        }
        command.environment.insert("GIT_SSH_COMMAND".into(), line);
        command.umask = self
            .umask
            .as_ref()
            .map(|text| {
                u32::from_str_radix(text, 8)
                    .map_err(|_| Failure::new("umask must be an octal integer"))
            })
            .transpose()?;
        Ok(command)
    }

    /// In the copy.
    fn within<const N: usize>(&self, words: [&str; N]) -> Result<Command, Failure> {
        let mut command = self.git(words)?;
        command.directory = Some(self.dest.clone());
        Ok(command)
    }

    fn head(&self, host: &dyn Probe) -> Result<Option<String>, Failure> {
        let output = host.query(&self.within(["rev-parse", "HEAD"])?)?;
        Ok(output.is_success().then(|| output.stdout_text().trim().to_owned()))
    }

    fn is_dirty(&self, host: &dyn Probe) -> Result<bool, Failure> {
        let words = ["status", "--porcelain", "--untracked-files=no", "--ignore-submodules=none"];
        let output = host.query(&self.within(words)?)?;
        Ok(!succeeded(&output, "")?.trim().is_empty())
    }

    /// What is to be done about the remote: `set-url` or `add`.
    fn wrong_remote(&self, host: &dyn Probe) -> Result<Option<&'static str>, Failure> {
        let output = host.query(&self.within(["remote", "get-url", &self.remote])?)?;
        if !output.is_success() {
            return Ok(Some("add"));
        }
        Ok((output.stdout_text().trim() != self.repo).then_some("set-url"))
    }

    fn has_stale_submodules(&self, host: &dyn Probe) -> Result<bool, Failure> {
        if self.bare || host.stat(&self.dest.join(".gitmodules"), true)?.is_none() {
            return Ok(false);
        }
        let output = host.query(&self.within(["submodule", "status", "--recursive"])?)?;
        Ok(succeeded(&output, "")?.lines().any(|line| line.starts_with(['-', '+', 'U'])))
    }

    fn clone_copy(&self, change: &CopyChange, host: &dyn System) -> Result<(), Failure> {
        let missing: Vec<_> = self.dest.ancestors().skip(1).collect();
        for place in missing.into_iter().rev() {
            if host.stat(place, true)?.is_none() && !place.as_os_str().is_empty() {
                host.make_directory(place, Attributes::default())?;
            }
        }
        let mut command = self.git(["clone", "--origin", &self.remote])?;
        let mut more = |words: &[&str]| command.args.extend(words.iter().map(|w| (*w).to_owned()));
        if self.bare {
            // Bare copies have no remote-tracking branches to keep apart.
            more(&["--bare"]);
        }
        let name = change.found.branch.as_deref().unwrap_or(&self.version);
        if change.found.is_named {
            more(&["--branch", name.trim_start_matches("refs/tags/")]);
        }
        let depth = self.depth.filter(|_| change.found.is_named).map(|depth| depth.to_string());
        if let Some(depth) = &depth {
            more(&["--depth", depth]);
        }
        if self.single_branch && change.found.is_named {
            more(&["--single-branch"]);
        }
        if let Some(reference) = &self.reference {
            more(&["--reference", reference]);
        }
        let dest = self.dest.to_string_lossy();
        more(&["--", &self.repo, &dest]);
        run(host, &command)?;
        if self.refspec.is_some() {
            self.fetch(host)?;
        }
        Ok(())
    }

    fn update_copy(&self, change: &CopyChange, host: &dyn System) -> Result<(), Failure> {
        if let Some(word) = change.remote {
            run(host, &self.within(["remote", word, &self.remote, &self.repo])?)?;
        }
        if change.is_dirty {
            run(host, &self.within(["reset", "--hard", "HEAD"])?)?;
        }
        self.fetch(host)
    }

    fn fetch(&self, host: &dyn System) -> Result<(), Failure> {
        let mut command = self.within(["fetch", "--tags", "--force"])?;
        if let Some(depth) = self.depth {
            command.args.extend(["--depth".to_owned(), depth.to_string()]);
        }
        command.args.push(self.remote.clone());
        let place = if self.bare { String::new() } else { format!("remotes/{}/", self.remote) };
        let target = if self.bare { "heads/" } else { place.as_str() };
        command.args.push(format!("+refs/heads/*:refs/{target}*"));
        command.args.extend(self.refspec.clone());
        run(host, &command)
    }

    /// The working copy becomes the version.
    fn switch(&self, change: &CopyChange, host: &dyn System) -> Result<(), Failure> {
        if self.bare {
            return Ok(());
        }
        match &change.found.branch {
            Some(branch) => {
                let start = format!("{}/{branch}", self.remote);
                run(host, &self.within(["checkout", "--force", "-B", branch, &start])?)?;
            }
            None => {
                let name = change.found.commit.as_deref().unwrap_or(&self.version);
                run(host, &self.within(["checkout", "--force", "--detach", name])?).map_err(
                    |failure| {
                        let message = format!("Failed to checkout {}", self.version);
                        Failure { message, ..failure }
                    },
                )?;
            }
        }
        if self.recursive && host.stat(&self.dest.join(".gitmodules"), true)?.is_some() {
            run(host, &self.within(["submodule", "sync", "--recursive"])?)?;
            run(host, &self.within(["submodule", "update", "--init", "--recursive", "--force"])?)?;
        }
        Ok(())
    }
}

fn run(host: &dyn System, command: &Command) -> Result<(), Failure> {
    tool::run(host, command).map(drop)
}

fn succeeded(output: &Output, prefix: &str) -> Result<String, Failure> {
    if output.is_success() { Ok(output.stdout_text()) } else { Err(tool::failure(output, prefix)) }
}
