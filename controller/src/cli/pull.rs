//! `muster pull` and `ansible-pull`: a repository is fetched, and its playbooks are applied to this machine.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Args;

use super::GlobalArgs;
use super::options::{ConnectionArgs, VaultArgs};
use crate::error::CliError;
use crate::settings::{Environment, Settings};
use crate::terminal;

/// `muster pull`.
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// The playbooks in the repository [default: FQDN.yml, HOST.yml or local.yml]
    #[arg(value_name = "PLAYBOOK")]
    playbooks: Vec<PathBuf>,
    /// The repository
    #[arg(short = 'U', long, value_name = "URL")]
    url: Option<String>,
    /// Where it is checked out [default: ~/.ansible/pull/HOST]
    #[arg(short, long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// Which branch, tag or commit [default: the repository's own]
    #[arg(short = 'C', long, value_name = "VERSION")]
    checkout: Option<String>,
    /// Only apply it when the repository has changed
    #[arg(short = 'o', long)]
    only_if_changed: bool,
    /// Apply it even when it could not be fetched
    #[arg(short, long)]
    force: bool,
    /// Throw local changes away
    #[arg(long)]
    clean: bool,
    /// Fetch the whole history
    #[arg(long)]
    full: bool,
    /// Remove the checkout in the end
    #[arg(long)]
    purge: bool,
    /// Wait for a random time of at most so long first
    #[arg(short, long, value_name = "SECONDS")]
    sleep: Option<u64>,
    /// Accept the host key of the repository's server when it is not known
    #[arg(long)]
    accept_host_key: bool,
    /// Only accept a commit with a good signature
    #[arg(long)]
    verify_commit: bool,
    /// Submodules follow their branches
    #[arg(long)]
    track_subs: bool,
    /// How it is fetched: git
    #[arg(short, long, default_value = "git", value_parser = ["git", "ansible.builtin.git"], hide = true)]
    module_name: String,
    /// Only say what would change
    #[arg(long)]
    check: bool,
    /// Show before and after of what changes
    #[arg(long)]
    diff: bool,
    /// Only tasks with one of these tags
    #[arg(short, long, value_name = "TAGS")]
    tags: Vec<String>,
    /// Not the tasks with one of these tags
    #[arg(long, value_name = "TAGS")]
    skip_tags: Vec<String>,
    #[command(flatten)]
    run: PullRun,
}

/// What is handed on to the playbooks' run.
#[derive(Debug, Args)]
struct PullRun {
    /// Set variables; may be given again
    #[arg(short, long = "extra-vars", value_name = "VARIABLES")]
    extra_vars: Vec<String>,
    /// Hosts; may be given again [default: localhost]
    #[arg(short, long = "inventory", visible_alias = "inventory-file", value_name = "SOURCE")]
    inventory: Vec<String>,
    /// Only these of the hosts
    #[arg(short, long, value_name = "PATTERN")]
    limit: Option<String>,
    /// Forget what is known of the hosts' facts
    #[arg(long)]
    flush_cache: bool,
    /// More directories with modules
    #[arg(short = 'M', long, value_name = "DIRECTORIES")]
    module_path: Vec<String>,
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Ask for the password of sudo
    #[arg(short = 'K', long)]
    ask_become_pass: bool,
    /// Take that password from this file
    #[arg(long, visible_alias = "become-pass-file", value_name = "FILE")]
    become_password_file: Option<PathBuf>,
    /// Show more
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// Fetches, and applies.
pub(crate) async fn pull(
    _: &GlobalArgs,
    args: PullArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let Some(url) = &args.url else {
        return Err(CliError::options("URL for repository not specified").hint("-U names it"));
    };
    let host = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
    let directory = args.place(environment, &host)?;
    if let Some(longest) = args.sleep.filter(|longest| *longest > 0) {
        // The host's name spreads the hosts of a fleet, and a host always waits alike.
        let digest = model::Digest::of(host.as_bytes()).0;
        let wait = u64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes"));
        tokio::time::sleep(std::time::Duration::from_secs(wait % (longest + 1))).await;
    }
    let changed = match args.fetch(url, &directory) {
        Ok(changed) => changed,
        Err(error) if args.force => {
            error.report();
            true
        }
        Err(error) => return Err(error),
    };
    if args.only_if_changed && !changed {
        terminal::print("Repository has not changed, quitting.\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let status = args.playbook_run(&directory, &host, environment)?.status()?;
    if args.purge {
        std::fs::remove_dir_all(&directory)?;
    }
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

impl PullArgs {
    fn place(&self, environment: &Environment, host: &str) -> Result<PathBuf, CliError> {
        let directory = match (&self.directory, environment.get("HOME")) {
            (Some(directory), _) => directory.clone(),
            (None, Some(home)) => Path::new(home).join(".ansible/pull").join(host),
            (None, None) => {
                return Err(CliError::options("there is no HOME: -d names a directory"));
            }
        };
        Ok(std::path::absolute(directory)?)
    }

    /// Brings the checkout to the wanted version; whether that changed it.
    fn fetch(&self, url: &str, directory: &Path) -> Result<bool, CliError> {
        let is_new = !directory.join(".git").exists();
        let depth = (!self.full).then_some("--depth=1");
        let before = if is_new { None } else { Some(self.git(directory, ["rev-parse", "HEAD"])?) };
        if is_new {
            std::fs::create_dir_all(directory)?;
            self.git(directory, ["init", "--quiet"])?;
            self.git(directory, ["remote", "add", "origin", url])?;
        } else {
            self.git(directory, ["remote", "set-url", "origin", url])?;
            if self.clean {
                self.git(directory, ["reset", "--hard", "--quiet"])?;
                self.git(directory, ["clean", "-ffdq"])?;
            }
        }
        let version = self.checkout.as_deref().unwrap_or("HEAD");
        let words = ["fetch", "--quiet", "--tags"].into_iter().chain(depth);
        // A name is never taken for a flag.
        self.git(directory, words.chain(["--", "origin", version]))?;
        if self.verify_commit {
            self.git(directory, ["verify-commit", "FETCH_HEAD"])?;
        }
        self.git(directory, ["checkout", "--quiet", "--detach", "FETCH_HEAD"])?;
        let update = ["submodule", "update", "--init", "--recursive", "--quiet"];
        self.git(directory, update.into_iter().chain(self.track_subs.then_some("--remote")))?;
        Ok(before != Some(self.git(directory, ["rev-parse", "HEAD"])?))
    }

    fn git<'a>(
        &self,
        directory: &Path,
        words: impl IntoIterator<Item = &'a str>,
    ) -> Result<String, CliError> {
        let words: Vec<&str> = words.into_iter().collect();
        let mut git = Command::new("git");
        git.arg("-C").arg(directory).args(&words).env("GIT_TERMINAL_PROMPT", "0");
        let mut ssh = "ssh".to_owned();
        if self.accept_host_key {
            ssh += " -o StrictHostKeyChecking=accept-new";
        }
        if let Some(key) = &self.run.connection.private_key {
            let key = std::path::absolute(key)?;
            ssh += &format!(" -o IdentitiesOnly=yes -i {}", quoted(&key.to_string_lossy())?);
        }
        git.env("GIT_SSH_COMMAND", ssh);
        let output =
            git.output().map_err(|error| CliError::failed(format!("cannot start git: {error}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(CliError::failed(format!("git {}: {said}", words.join(" "))));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The playbooks that are applied: those that were named, else the one of this host.
    fn chosen(&self, directory: &Path, host: &str) -> Result<Vec<PathBuf>, CliError> {
        let short = host.split('.').next().unwrap_or(host);
        let own: Vec<PathBuf> =
            [host, short, "local"].map(|name| format!("{name}.yml").into()).into();
        let (wanted, needed) = if self.playbooks.is_empty() {
            (own, 1)
        } else {
            (self.playbooks.clone(), self.playbooks.len())
        };
        let mut found =
            wanted.iter().map(|name| directory.join(name)).filter(|path| path.is_file());
        let found: Vec<PathBuf> = if self.playbooks.is_empty() {
            found.next().into_iter().collect()
        } else {
            found.collect()
        };
        if found.len() < needed {
            let names: Vec<_> = wanted.iter().map(|name| name.display().to_string()).collect();
            let names = names.join(", ");
            return Err(CliError::failed(format!(
                "Could not find a playbook to run among: {names}"
            )));
        }
        Ok(found)
    }

    /// A run of the playbooks by this same program.
    fn playbook_run(
        &self,
        directory: &Path,
        host: &str,
        environment: &Environment,
    ) -> Result<Command, CliError> {
        let short = host.split('.').next().unwrap_or(host);
        let run = &self.run;
        let mut words: Vec<OsString> = ["-c", "local"].map(OsString::from).into();
        let mut add = |name: &str, value: &dyn AsRef<std::ffi::OsStr>| {
            words.push(name.into());
            words.push(value.as_ref().to_owned());
        };
        run.extra_vars.iter().for_each(|text| add("-e", text));
        run.inventory.iter().for_each(|source| add("-i", source));
        let settings = Settings::resolve(environment, directory)?;
        if run.inventory.is_empty() && settings.inventory.is_empty() {
            add("-i", &"localhost,");
        }
        add(
            "-l",
            &run.limit.clone().unwrap_or_else(|| format!("localhost,{host},{short},127.0.0.1")),
        );
        self.tags.iter().for_each(|tags| add("-t", tags));
        self.skip_tags.iter().for_each(|tags| add("--skip-tags", tags));
        run.module_path.iter().for_each(|path| add("-M", path));
        run.vault.vault_id.iter().for_each(|id| add("--vault-id", id));
        run.vault.vault_password_file.iter().for_each(|path| add("--vault-password-file", path));
        run.connection
            .connection_password_file
            .iter()
            .for_each(|path| add("--connection-password-file", path));
        run.become_password_file.iter().for_each(|path| add("--become-password-file", path));
        for (flag, is_set) in [
            ("--check", self.check),
            ("--diff", self.diff),
            ("--flush-cache", run.flush_cache),
            ("--ask-pass", run.connection.ask_pass),
            ("--ask-become-pass", run.ask_become_pass),
            ("--ask-vault-password", run.vault.ask_vault_password),
        ] {
            words.extend(is_set.then(|| flag.into()));
        }
        words.extend(std::iter::repeat_n(OsString::from("-v"), run.verbose.into()));
        words.push("--".into());
        words.extend(self.chosen(directory, host)?.into_iter().map(OsString::from));
        let mut command = Command::new(std::env::current_exe()?);
        command.arg0("ansible-playbook").args(words).current_dir(directory);
        Ok(command)
    }
}

/// A word for the shell that git starts ssh with.
fn quoted(text: &str) -> Result<String, CliError> {
    shlex::try_quote(text)
        .map(std::borrow::Cow::into_owned)
        .map_err(|error| CliError::options(format!("the name of the key: {error}")))
}
