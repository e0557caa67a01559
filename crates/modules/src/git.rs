//! `git`: a working copy of a repository.

mod archive;
mod refs;
mod signature;
mod submodules;

use std::path::{Path, PathBuf};

use model::{Args, Diff};
use serde_json::{Value, json};
use system::{Attributes, Command, FileStat, Output, Probe, System};

use crate::arguments::arguments;
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};
use refs::{Found, Refs};

arguments! {
    /// Checks out a repository, and keeps the copy at a version.
    pub struct Git {
        /// The repository.
        pub repo: String { aliases: ["name"] },
        /// Where the copy is; not needed with `clone: false`, which then tells what the repository has.
        pub dest: Option<PathBuf>,
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
        /// With its submodules at the newest commits of their branches instead of those that the version names.
        pub track_submodules: bool { default: false },
        /// Refuse a version that has no good signature.
        pub verify_commit: bool { default: false },
        /// Fingerprints of the keys whose signatures are good; all that GnuPG trusts when there are none.
        pub gpg_allowlist: Vec<String> { aliases: ["gpg_whitelist"] },
        /// A file that the version is packed into: `.zip`, `.tar`, `.tgz` or `.tar.gz`.
        pub archive: Option<PathBuf>,
        /// What all names in that file begin with.
        pub archive_prefix: Option<String>,
        /// The repository's own directory is here, and not in the copy.
        pub separate_git_dir: Option<PathBuf>,
        /// The umask for what is checked out, in octal digits.
        pub umask: Option<String>,
    }
    mutually_exclusive: [&["separate_git_dir", "bare"], &["accept_hostkey", "accept_newhostkey"]];
}

/// What has to be done.
#[derive(Debug)]
pub(crate) enum GitChange {
    /// Nothing: it was only asked what the repository has, which counts as a change.
    Told,
    /// The copy becomes the version, then the archive is made.
    Copy(CopyChange),
    /// The copy is as it shall be; a tag may be missing, and the archive is made, which may be what is there.
    Extras { fetches: bool },
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
    /// The repository's own directory is elsewhere.
    moves_git_dir: bool,
}

impl Change for GitChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let Self::Copy(change) = self else { return Ok(Vec::new()) };
        let line = |commit: &Option<String>| match commit {
            Some(commit) => format!("{commit}\n"),
            None => String::new(),
        };
        let (before, after) = (line(&change.before), line(&change.found.commit));
        let name = PathBuf::from("HEAD");
        Ok(vec![diff::file(&name, Some(before.as_bytes()), Some(after.as_bytes()))])
    }
}

impl Module for Git {
    type Change = GitChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<GitChange>, Failure> {
        self.refuse_options()?;
        if self.executable.is_none() && tool::find(host, "git").is_none() {
            return Err(Failure::new("Failed to find required executable \"git\""));
        }
        let Some(dest) = &self.dest else {
            if self.clone {
                let message = "the destination directory must be specified unless clone=no";
                return Err(Failure::new(message));
            }
            return self.tell(host, result);
        };
        let marker = dest.join(if self.bare { "config" } else { ".git" });
        let is_there = host.stat(&marker, true)?.is_some();
        if !is_there && !self.clone {
            return self.tell(host, result);
        }
        let before = if is_there { self.head(host)? } else { None };
        result.insert("before".into(), json!(before));
        result.insert("after".into(), json!(before));
        result.insert("remote_url_changed".into(), false.into());
        let moves_git_dir = self.moves_git_dir(is_there, host)?;
        let mut change = CopyChange {
            before,
            found: Found::default(),
            is_there,
            remote: None,
            is_dirty: false,
            moves_git_dir,
        };
        if is_there && !self.update {
            return self.settle(change, host);
        }
        change.is_dirty = is_there && !self.bare && self.is_dirty(host)?;
        if change.is_dirty && !self.force {
            return Err(Failure::new(format!(
                "Local modifications exist in the destination: {} (force=no).",
                dest.display()
            )));
        }
        change.remote = if is_there { self.wrong_remote(host)? } else { None };
        change.found = self.look_up(is_there, host)?;
        result.insert("after".into(), json!(change.found.commit));
        let is_current = change.before.is_some() && change.before == change.found.commit;
        let settled = is_current && !change.is_dirty && change.remote.is_none();
        if settled && !(self.recursive && self.has_stale_submodules(host)?) {
            if self.verify_commit {
                self.verify(&change.found, host)?;
            }
            return self.settle(change, host);
        }
        Ok(Check::Drift(GitChange::Copy(change)))
    }

    fn apply(
        &self,
        change: GitChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        let change = match change {
            GitChange::Told => return Ok(()),
            GitChange::Extras { fetches } => {
                if fetches {
                    self.fetch(host)?;
                }
                if self.make_archive(host, result)? {
                    result.insert("changed".into(), true.into());
                }
                return Ok(());
            }
            GitChange::Copy(change) => change,
        };
        if change.moves_git_dir {
            self.move_git_dir(host)?;
        }
        let has_version = change.found != Found::default();
        if !change.is_there {
            self.clone_copy(&change, host)?;
        } else if has_version {
            self.update_copy(&change, host)?;
        }
        if has_version {
            if self.verify_commit {
                self.verify(&change.found, host)?;
            }
            self.switch(&change, host)?;
        }
        let after = self.head(host)?;
        result.insert("remote_url_changed".into(), change.remote.is_some().into());
        result.insert("after".into(), after.map_or(Value::Null, Value::from));
        self.make_archive(host, result).map(drop)
    }
}

impl Git {
    /// Without a copy: what the repository has.
    fn tell(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<GitChange>, Failure> {
        result.insert("before".into(), Value::Null);
        result.insert("after".into(), json!(self.look_up(false, host)?.commit));
        Ok(Check::Act(GitChange::Told))
    }

    /// The answer when the copy is at its version.
    fn settle(&self, change: CopyChange, host: &dyn Probe) -> Result<Check<GitChange>, Failure> {
        if change.moves_git_dir {
            return Ok(Check::Drift(GitChange::Copy(CopyChange {
                found: Found::default(),
                ..change
            })));
        }
        let fetches = self.lacks_tag(&change.found, host)?;
        Ok(match &self.archive {
            None if !fetches => Check::InSync,
            Some(path) if host.stat(path, true)?.is_none() => {
                Check::Act(GitChange::Extras { fetches })
            }
            _ => Check::Upkeep(GitChange::Extras { fetches }),
        })
    }

    /// Whether the version is a tag that the copy does not know by name.
    fn lacks_tag(&self, found: &Found, host: &dyn Probe) -> Result<bool, Failure> {
        if !found.is_named || found.branch.is_some() {
            return Ok(false);
        }
        let tag = format!("refs/tags/{}", self.version.trim_start_matches("refs/tags/"));
        Ok(!host.query(&self.within(["rev-parse", "--verify", "-q", &tag])?)?.is_success())
    }

    /// The version, as the repository has it.
    fn look_up(&self, is_there: bool, host: &dyn Probe) -> Result<Found, Failure> {
        let output = host.query(&self.git(["ls-remote", "--symref", "--", &self.repo])?)?;
        let mut found =
            Refs::parse(&succeeded(&output, "Failed to list remote refs: ")?).find(&self.version);
        if found.commit.is_none() && is_there {
            // The beginning of a commit's name, perhaps.
            let name = format!("{}^{{commit}}", self.version);
            let known = host.query(&self.within(["rev-parse", "--verify", "-q", &name])?)?;
            found.commit = known.is_success().then(|| known.stdout_text().trim().to_owned());
        }
        Ok(found)
    }

    /// Whether the repository's own directory is in another place than it shall be.
    fn moves_git_dir(&self, is_there: bool, host: &dyn Probe) -> Result<bool, Failure> {
        let Some(wanted) = &self.separate_git_dir else { return Ok(false) };
        let taken = || {
            let path = wanted.display();
            Failure::new(format!("Separate-git-dir path {path} already exists."))
        };
        let exists = host.stat(wanted, true)?.is_some();
        if !is_there {
            return if exists { Err(taken()) } else { Ok(false) };
        }
        let output = host.query(&self.within(["rev-parse", "--absolute-git-dir"])?)?;
        let current = PathBuf::from(succeeded(&output, "")?.trim_end_matches('\n'));
        let same = |a: &FileStat, b: &FileStat| (a.device, a.inode) == (b.device, b.inode);
        match (host.stat(&current, true)?, host.stat(wanted, true)?) {
            (Some(current), Some(wanted)) if same(&current, &wanted) => Ok(false),
            (_, Some(_)) => Err(taken()),
            (_, None) => Ok(true),
        }
    }

    fn move_git_dir(&self, host: &dyn System) -> Result<(), Failure> {
        let wanted = self.separate_git_dir.as_deref().unwrap_or(Path::new("")).to_string_lossy();
        run(host, &self.within(["init", "--quiet", "--separate-git-dir", &wanted])?)
    }

    /// Names that git would take for options.
    fn refuse_options(&self) -> Result<(), Failure> {
        let names = [("repo", &self.repo), ("version", &self.version), ("remote", &self.remote)];
        let more = self.refspec.iter().map(|text| ("refspec", text));
        if self.archive_prefix.is_some() && self.archive.is_none() {
            return Err(Failure::new("missing parameter(s) required by 'archive_prefix': archive"));
        }
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
        command.directory.clone_from(&self.dest);
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

    fn clone_copy(&self, change: &CopyChange, host: &dyn System) -> Result<(), Failure> {
        let Some(dest) = &self.dest else { return Ok(()) };
        let missing: Vec<_> = dest.ancestors().skip(1).collect();
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
        if let Some(path) = &self.separate_git_dir {
            more(&["--separate-git-dir", &path.to_string_lossy()]);
        }
        more(&["--", &self.repo, &dest.to_string_lossy()]);
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
        self.fetch(host)?;
        if change.remote.is_some() && !self.bare {
            // Its default branch may be another one. It may also have none, which is no failure.
            host.run(&self.within(["remote", "set-head", &self.remote, "--auto"])?)?;
        }
        Ok(())
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
        if self.recursive { self.update_submodules(host) } else { Ok(()) }
    }
}

fn run(host: &dyn System, command: &Command) -> Result<(), Failure> {
    tool::run(host, command).map(drop)
}

fn succeeded(output: &Output, prefix: &str) -> Result<String, Failure> {
    if output.is_success() { Ok(output.stdout_text()) } else { Err(tool::failure(output, prefix)) }
}
