//! Calls of dnf and its relatives: the words, simulated or for real.

use std::time::Duration;

use system::{Command, Output, Probe, System};

use super::Dnf;
use super::table::{self, Entry};
use crate::contract::Failure;
use crate::tool;

/// Which of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// dnf 4.
    Dnf4,
    /// dnf 5.
    Dnf5,
    /// yum before it was dnf.
    Yum,
}

impl Program {
    /// Its names, the surest one first.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Dnf4 => &["dnf-3", "dnf"],
            Self::Dnf5 => &["dnf5"],
            Self::Yum => &["yum"],
        }
    }
}

/// One call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub verb: &'static str,
    pub words: Vec<String>,
}

/// What dnf exits with when another one has its lock, having been told not to wait.
const LOCKED: i32 = 200;

impl Call {
    pub(super) fn new(verb: &'static str, words: Vec<String>) -> Self {
        Self { verb, words }
    }

    /// Says what it would do.
    pub(super) fn simulate(
        &self,
        dnf: &Dnf,
        program: Program,
        host: &dyn Probe,
    ) -> Result<Vec<Entry>, Failure> {
        let command = self.command(dnf, program, host, "--assumeno");
        let output = patiently(dnf, host, || Ok(host.query(&command)?))?;
        let entries = table::entries(&output.stdout_text());
        let said = format!("{}{}", output.stdout_text(), output.stderr_text());
        let has_nothing = said.contains("No packages marked for upgrade")
            || (self.verb == "remove" && said.contains("No packages marked for removal"));
        if entries.is_empty() && !output.is_success() && !has_nothing {
            return Err(self.failure(&output));
        }
        Ok(entries)
    }

    /// Does it, and says what it did.
    pub(super) fn carry_out(
        &self,
        dnf: &Dnf,
        program: Program,
        host: &dyn System,
    ) -> Result<Vec<Entry>, Failure> {
        let command = self.command(dnf, program, host, "--assumeyes");
        let output = patiently(dnf, host, || Ok(host.run(&command)?))?;
        if !output.is_success() {
            return Err(self.failure(&output));
        }
        Ok(table::entries(&output.stdout_text()))
    }

    pub(super) fn command(
        &self,
        dnf: &Dnf,
        program: Program,
        host: &dyn Probe,
        answer: &str,
    ) -> Command {
        let name = program.names().iter().find(|name| tool::find(host, name).is_some());
        let name = name.unwrap_or(&program.names()[0]);
        let mut args = vec![answer.to_owned(), "--setopt=exit_on_lock=1".to_owned()];
        args.extend(options(dnf, program));
        if self.verb == "remove" {
            let flag = if dnf.autoremove { "1" } else { "0" };
            args.push(format!("--setopt=clean_requirements_on_remove={flag}"));
        } else if self.verb == "install" || self.verb == "upgrade" {
            args.extend(transaction_options(dnf, program, self.verb));
        }
        args.push(self.verb.to_owned());
        if !self.words.is_empty() {
            args.push("--".to_owned());
            args.extend(self.words.iter().cloned());
        }
        let mut command = Command::new(*name, args);
        command.environment.insert("LC_ALL".to_owned(), "C.UTF-8".to_owned());
        command
    }

    fn failure(&self, output: &Output) -> Failure {
        let said = format!("{}\n{}", output.stdout_text(), output.stderr_text());
        let unknown: Vec<String> = said.lines().filter_map(unknown_package).collect();
        if !unknown.is_empty() {
            let message = "Failed to install some of the specified packages";
            return Failure::new(message).with("failures", unknown).with("rc", 1);
        }
        let group = said.lines().find_map(|line| {
            let rest = line.strip_prefix("Module or Group '")?;
            rest.split_once('\'').map(|(group, _)| group)
        });
        if let Some(group) = group {
            return Failure::new(format!("No group {group} available.")).with("rc", 1);
        }
        if let Some(line) = said.lines().find(|line| line.contains("Could not open: ")) {
            let message = format!("Error occurred attempting remote rpm operation: {line}");
            return Failure::new(message).with("rc", 1);
        }
        tool::failure(output, &format!("`{}` of packages failed: ", self.verb))
    }
}

/// What dnf says of a package that it does not have, in Ansible's words.
fn unknown_package(line: &str) -> Option<String> {
    let name = line
        .strip_prefix("No match for argument: ")
        .or_else(|| line.strip_prefix("No package ")?.strip_suffix(" available."))?;
    Some(format!("No package {} available.", name.trim()))
}

/// Asks again while another dnf has the lock, until the time for that is up.
fn patiently(
    dnf: &Dnf,
    host: &dyn Probe,
    mut ask: impl FnMut() -> Result<Output, Failure>,
) -> Result<Output, Failure> {
    let mut left = dnf.lock_timeout;
    loop {
        let output = ask()?;
        if output.status != LOCKED {
            return Ok(output);
        }
        if left <= 0 {
            let seconds = dnf.lock_timeout;
            let message =
                format!("dnf lockfile is held by another process (waited {seconds} seconds)");
            return Err(Failure::new(message).with("rc", LOCKED));
        }
        left -= 1;
        host.sleep(Duration::from_secs(1))?;
    }
}

/// Options of every call: which configuration, repositories and root.
fn options(dnf: &Dnf, program: Program) -> Vec<String> {
    let is_new = program == Program::Dnf5;
    let mut args = Vec::new();
    let mut set = |name: &str, value: &str| args.push(format!("--{name}={value}"));
    if let Some(file) = &dnf.conf_file {
        set("config", file);
    }
    if dnf.installroot != "/" {
        set("installroot", &dnf.installroot);
    }
    if let Some(release) = &dnf.releasever {
        set("releasever", release);
    }
    let pick = |new, old| if is_new { new } else { old };
    for plugin in &dnf.enable_plugin {
        set(pick("enable-plugin", "enableplugin"), plugin);
    }
    for plugin in &dnf.disable_plugin {
        set(pick("disable-plugin", "disableplugin"), plugin);
    }
    // Disabling comes first, so that `disablerepo: "*"` leaves those that are enabled.
    for repository in &dnf.disablerepo {
        set(pick("disable-repo", "disablerepo"), repository);
    }
    for repository in &dnf.enablerepo {
        set(pick("enable-repo", "enablerepo"), repository);
    }
    for package in &dnf.exclude {
        set("exclude", package);
    }
    if let Some(excludes) = &dnf.disable_excludes {
        let old = format!("--disableexcludes={excludes}");
        let new = if excludes == "all" { "*" } else { excludes };
        args.push(if is_new { format!("--setopt=disable_excludes={new}") } else { old });
    }
    let flags = [
        (dnf.cacheonly, "--cacheonly"),
        (dnf.update_cache && program != Program::Yum, "--refresh"),
        (!dnf.sslverify || !dnf.validate_certs, "--setopt=sslverify=0"),
        (dnf.disable_gpg_check, if is_new { "--no-gpgchecks" } else { "--nogpgcheck" }),
    ];
    args.extend(flags.iter().filter(|(on, _)| *on).map(|(_, flag)| (*flag).to_owned()));
    args
}

/// Options of calls that bring packages.
fn transaction_options(dnf: &Dnf, program: Program, verb: &str) -> Vec<String> {
    let mut args = Vec::new();
    let best = dnf.best.or(dnf.nobest.map(|no| !no));
    if let Some(best) = best {
        args.push(format!("--setopt=best={}", u8::from(best)));
    }
    let is_dnf = program != Program::Yum;
    let flags = [
        (dnf.allowerasing && is_dnf, "--allowerasing"),
        (!dnf.install_weak_deps && is_dnf, "--setopt=install_weak_deps=0"),
        (dnf.skip_broken, "--skip-broken"),
        (dnf.skip_broken && program == Program::Dnf5, "--skip-unavailable"),
        (dnf.skip_broken && program == Program::Dnf4, "--setopt=strict=0"),
        (dnf.security && verb == "upgrade", "--security"),
        (dnf.bugfix && verb == "upgrade", "--bugfix"),
        (dnf.download_only, "--downloadonly"),
    ];
    args.extend(flags.iter().filter(|(on, _)| *on).map(|(_, flag)| (*flag).to_owned()));
    if let Some(folder) = dnf.download_dir.as_ref().filter(|_| dnf.download_only) {
        let folder = folder.display();
        args.push(match program {
            Program::Dnf5 => format!("--setopt=destdir={folder}"),
            _ => format!("--downloaddir={folder}"),
        });
    }
    args
}
