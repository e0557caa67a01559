//! Calls of `apt-get`: the words, simulated or for real.

use system::{Command, Output};

use super::output::{self, Summary};
use super::{Apt, Upgrade};
use crate::contract::Failure;
use crate::tool;

/// One call of `apt-get`.
#[derive(Debug, Clone)]
pub(super) struct Call {
    verb: &'static str,
    options: Vec<&'static str>,
    words: Vec<String>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Ends with a summary; what it does depends on the lists of packages.
    Install,
    /// Ends with a summary; what it does depends only on what is installed.
    Remove,
    /// Prints a line for each file that it deletes.
    Tidy,
    /// Deletes what is known to be there.
    Clean,
}

impl Call {
    fn new(verb: &'static str, options: &[&'static str], words: Vec<String>, kind: Kind) -> Self {
        Self { verb, options: options.to_vec(), words, kind }
    }

    pub(super) fn install(words: Vec<String>) -> Self {
        Self::new("install", &[], words, Kind::Install)
    }

    /// `./` or `/` in front makes apt take a word for a file.
    pub(super) fn install_file(path: &str) -> Self {
        let is_plain = path.starts_with('/') || path.starts_with("./");
        let word = if is_plain { path.to_owned() } else { format!("./{path}") };
        Self::new("install", &[], vec![word], Kind::Install)
    }

    pub(super) fn build_dep(words: Vec<String>) -> Self {
        Self::new("build-dep", &[], words, Kind::Install)
    }

    pub(super) fn fix() -> Self {
        Self::new("install", &["--fix-broken"], Vec::new(), Kind::Install)
    }

    pub(super) fn upgrade() -> Self {
        Self::new("upgrade", &["--with-new-pkgs"], Vec::new(), Kind::Install)
    }

    pub(super) fn dist_upgrade() -> Self {
        Self::new("dist-upgrade", &[], Vec::new(), Kind::Install)
    }

    pub(super) fn remove(words: Vec<String>) -> Self {
        Self::new("remove", &[], words, Kind::Remove)
    }

    pub(super) fn autoremove() -> Self {
        Self::new("autoremove", &[], Vec::new(), Kind::Remove)
    }

    pub(super) fn autoclean() -> Self {
        Self::new("autoclean", &[], Vec::new(), Kind::Tidy)
    }

    pub(super) fn clean() -> Self {
        Self::new("clean", &[], Vec::new(), Kind::Clean)
    }

    /// Whether fresher lists of packages may change what it does.
    pub(super) fn depends_on_lists(&self) -> bool {
        self.kind == Kind::Install
    }

    /// The call for real.
    pub(super) fn command(&self, apt: &Apt) -> Command {
        self.with(apt, &[])
    }

    /// The call that only says what it would do; needs no lock.
    pub(super) fn simulated(&self, apt: &Apt) -> Command {
        self.with(apt, &["--simulate"])
    }

    fn with(&self, apt: &Apt, more: &[&str]) -> Command {
        let mut args: Vec<String> = vec!["-y".to_owned()];
        let mut option = |text: String| args.extend(["-o".to_owned(), text]);
        for name in apt.dpkg_options.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            option(format!("Dpkg::Options::=--{name}"));
        }
        option(format!("DPkg::Lock::Timeout={}", apt.lock_timeout));
        if let Some(recommends) = apt.install_recommends {
            let word = if recommends { "yes" } else { "no" };
            option(format!("APT::Install-Recommends={word}"));
        }
        let flags = [
            ("--only-upgrade", apt.only_upgrade),
            ("--no-remove", apt.fail_on_autoremove),
            ("--auto-remove", apt.autoremove && self.verb != "autoremove"),
            ("--purge", apt.purge),
            ("--allow-unauthenticated", apt.allow_unauthenticated || apt.force),
            ("--allow-downgrades", apt.allow_downgrade || apt.force),
            ("--allow-change-held-packages", apt.allow_change_held_packages || apt.force),
            ("--allow-remove-essential", apt.force),
        ];
        if matches!(self.kind, Kind::Install | Kind::Remove) {
            args.extend(flags.iter().filter(|(_, on)| *on).map(|(flag, _)| (*flag).to_owned()));
            if let Some(release) = &apt.default_release {
                args.extend(["-t".to_owned(), release.clone()]);
            }
        }
        args.extend(self.options.iter().chain(more).map(|word| (*word).to_owned()));
        args.push(self.verb.to_owned());
        if !self.words.is_empty() {
            args.push("--".to_owned());
            args.extend(self.words.iter().cloned());
        }
        quiet(Command::new("apt-get", args))
    }

    /// Whether a simulation shows work. `None`: it failed; but when the lists of packages are about to be updated, that
    /// may be because a package is not known yet.
    pub(super) fn is_work(&self, simulated: &Output, lists_are_old: bool) -> Option<bool> {
        let text = simulated.stdout_text();
        if !simulated.is_success() {
            return (lists_are_old && self.depends_on_lists()).then_some(true);
        }
        Some(match self.kind {
            Kind::Install | Kind::Remove => Summary::parse(&text).is_some_and(Summary::is_work),
            Kind::Tidy => output::deletes(&text),
            Kind::Clean => true,
        })
    }

    /// The failure of this call.
    pub(super) fn failure(&self, output: &Output) -> Failure {
        if let Some(package) = output::unknown_package(&output.stderr_text()) {
            let message = format!("No package matching '{package}' is available");
            let (stdout, stderr) = (output.stdout_text(), output.stderr_text());
            return Failure::new(message)
                .with("rc", output.status)
                .with("stdout", stdout)
                .with("stderr", stderr);
        }
        let words = if self.words.is_empty() {
            String::new()
        } else {
            format!(" {}", self.words.join(" "))
        };
        tool::failure(output, &format!("'apt-get {}{words}' failed: ", self.verb))
    }
}

impl Upgrade {
    /// Whether the system is to be upgraded.
    pub(super) fn is_asked(self) -> bool {
        !matches!(self, Self::No)
    }
}

/// Nothing asks, and everything speaks English.
pub(crate) fn quiet(mut command: Command) -> Command {
    for (name, value) in [
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DEBIAN_PRIORITY", "critical"),
        ("APT_LISTCHANGES_FRONTEND", "none"),
        ("LANG", "C.UTF-8"),
        ("LC_ALL", "C.UTF-8"),
        ("LC_MESSAGES", "C"),
    ] {
        command.environment.insert(name.to_owned(), value.to_owned());
    }
    command
}
