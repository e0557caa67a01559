//! `dnf`, `dnf5`, `yum`: packages of Fedora, Red Hat and their relatives. What is installed is asked of rpm; dnf itself only
//! when something may have to be done. Its lock is waited for, never removed.

mod call;
mod list;
mod rpm;
mod table;

use std::path::PathBuf;

use model::{Args, Diff, DiffContent};
use serde_json::json;
use system::{Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::tool;

use call::{Call, Program};
use table::{Entry, Verb};

choices! {
    /// What is wanted of the packages.
    pub enum State {
        /// Not installed.
        Absent = "absent",
        /// Installed.
        Installed = "installed",
        /// Installed in the newest version that there is.
        Latest = "latest",
        /// Installed.
        Present = "present",
        /// Not installed.
        Removed = "removed",
    }
}

choices! {
    /// Which program is used.
    pub enum Backend {
        /// The one that manages packages here.
        Auto = "auto",
        /// dnf 4.
        Dnf = "dnf",
        /// dnf 4.
        Dnf4 = "dnf4",
        /// dnf 5.
        Dnf5 = "dnf5",
        /// The one that manages packages here.
        Yum = "yum",
        /// dnf 4.
        Yum4 = "yum4",
    }
}

arguments! {
    /// Installs, upgrades, removes and lists packages and groups with dnf.
    pub struct Dnf {
        /// The packages: `name`, `name-version`, `name >= version`, a pattern, `@group`, a file or URL of a package, a file that
        /// a package has.
        pub name: Vec<String> { aliases: ["pkg"] },
        /// What is wanted of them: present when not said, absent with `autoremove`.
        pub state: Option<State>,
        /// Let an older version than is installed take its place.
        pub allow_downgrade: bool { default: false },
        /// Remove packages that are in the way.
        pub allowerasing: bool { default: false },
        /// Remove packages that only others needed, which are gone.
        pub autoremove: bool { default: false },
        /// The newest version or none; the system's setting when not said.
        pub best: Option<bool>,
        /// With `state: latest`, only upgrades that mend errors.
        pub bugfix: bool { default: false },
        /// Ask the cache alone.
        pub cacheonly: bool { default: false },
        /// Another configuration file.
        pub conf_file: Option<String>,
        /// Which excludes of the configuration do not count: `all`, `main`, or a repository's.
        pub disable_excludes: Option<String>,
        /// Do not look at signatures.
        pub disable_gpg_check: bool { default: false },
        /// Plugins not to use.
        pub disable_plugin: Vec<String>,
        /// Repositories not to use.
        pub disablerepo: Vec<String>,
        /// Where packages are put that are only downloaded.
        pub download_dir: Option<PathBuf>,
        /// Download, do not install.
        pub download_only: bool { default: false },
        /// Plugins to use.
        pub enable_plugin: Vec<String>,
        /// Repositories to use.
        pub enablerepo: Vec<String>,
        /// Packages to leave out.
        pub exclude: Vec<String>,
        /// Also packages that are recommended.
        pub install_weak_deps: bool { default: true },
        /// Install below this directory.
        pub installroot: String { default: "/" },
        /// Only look: `installed`, `available`, `updates`, `repos`, or a package.
        pub list: Option<String>,
        /// Seconds to wait for the lock of another dnf.
        pub lock_timeout: i64 { default: 30 },
        /// The opposite of `best`.
        pub nobest: Option<bool>,
        /// Packages of this release.
        pub releasever: Option<String>,
        /// With `state: latest`, only upgrades that concern security.
        pub security: bool { default: false },
        /// Leave out what cannot be had.
        pub skip_broken: bool { default: false },
        /// Check the certificates of repositories.
        pub sslverify: bool { default: true },
        /// Fetch what repositories have first.
        pub update_cache: bool { default: false, aliases: ["expire-cache"] },
        /// With `state: latest`, leave out what is not installed.
        pub update_only: bool { default: false },
        /// Check the certificates of servers that packages are fetched from.
        pub validate_certs: bool { default: true },
        /// Which program is used.
        pub use_backend: Backend { default: "auto", aliases: ["use"] },
        /// For modules in Python; nothing is needed here.
        pub _repoquery: bool { named: "install_repoquery", default: true },
        /// For modules in Python; nothing is needed here.
        pub _auto_install: bool { named: "auto_install_module_deps", default: true },
    }
    mutually_exclusive: [&["best", "nobest"], &["name", "list"]];
}

arguments! {
    /// Installs, upgrades, removes and lists packages and groups with dnf 5.
    pub struct Dnf5 {
        pub dnf: Dnf,
    }
    mutually_exclusive: [&["best", "nobest"], &["name", "list"]];
}

/// What is to be done.
#[derive(Debug)]
pub(crate) struct DnfChange {
    program: Program,
    calls: Vec<Call>,
    /// What the results will be.
    results: Vec<String>,
}

impl Change for DnfChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        if self.results.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![Diff {
            before_header: "packages".to_owned(),
            after_header: "packages".to_owned(),
            before: DiffContent::Text(String::new()),
            after: DiffContent::Text(self.results.join("\n") + "\n"),
        }])
    }
}

impl Module for Dnf {
    type Change = DnfChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<DnfChange>, Failure> {
        self.check_with(self.program(host)?, host, result)
    }

    fn apply(
        &self,
        change: DnfChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        for call in &change.calls {
            call.carry_out(self, change.program, host)?;
        }
        if !change.results.is_empty() {
            result.insert("msg".to_owned(), "".into());
        }
        Ok(())
    }
}

impl Module for Dnf5 {
    type Change = DnfChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<DnfChange>, Failure> {
        self.dnf.check_with(Program::Dnf5, host, result)
    }

    fn apply(
        &self,
        change: DnfChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        self.dnf.apply(change, host, result)
    }
}

impl Dnf {
    fn program(&self, host: &dyn Probe) -> Result<Program, Failure> {
        let has =
            |program: Program| program.names().iter().any(|name| tool::find(host, name).is_some());
        let managed = || facts::package_manager(host, &facts::distribution(host));
        match self.use_backend {
            Backend::Dnf | Backend::Dnf4 | Backend::Yum4 => Ok(Program::Dnf4),
            Backend::Dnf5 => Ok(Program::Dnf5),
            Backend::Auto | Backend::Yum => match managed() {
                "dnf" => Ok(Program::Dnf4),
                "dnf5" => Ok(Program::Dnf5),
                "yum" => Ok(Program::Yum),
                _ => [Program::Dnf4, Program::Dnf5, Program::Yum]
                    .into_iter()
                    .find(|program| has(*program))
                    .ok_or_else(|| Failure::new("there is none of dnf, dnf5 and yum on this host")),
            },
        }
    }

    fn is_absent(&self) -> bool {
        match self.state {
            None => self.autoremove,
            Some(state) => matches!(state, State::Absent | State::Removed),
        }
    }

    fn validate(&self) -> Result<(), Failure> {
        if self.autoremove && !self.is_absent() {
            return Err(Failure::new("Autoremove should be used alone or with state=absent"));
        }
        let lists = [&self.name, &self.exclude, &self.enablerepo, &self.disablerepo];
        let is_odd = |word: &&String| word.starts_with('-') || word.contains(['\n', '\0']);
        if let Some(word) = lists.into_iter().flatten().find(is_odd) {
            return Err(Failure::new(format!("`{word}` is neither a package nor a repository")));
        }
        Ok(())
    }

    fn check_with(
        &self,
        program: Program,
        host: &dyn Probe,
        result: &mut Args,
    ) -> Result<Check<DnfChange>, Failure> {
        self.validate()?;
        if let Some(what) = &self.list {
            result.insert("results".to_owned(), list::of(self, program, what, host)?.into());
            result.insert("msg".to_owned(), "".into());
            return Ok(Check::InSync);
        }
        result.insert("rc".to_owned(), 0.into());
        result.insert("results".to_owned(), json!([]));
        let words: Vec<&str> =
            self.name.iter().map(|word| word.trim()).filter(|word| !word.is_empty()).collect();
        let mut change = DnfChange { program, calls: Vec::new(), results: Vec::new() };
        if words.is_empty() && !self.autoremove {
            return Ok(self.without_names(change, result));
        }
        let mut notes = Vec::new();
        let is_asked = if self.is_absent() {
            self.removal(&words, &mut change, &mut notes, host)?
        } else {
            self.arrival(&words, &mut change, host)?
        };
        if change.calls.is_empty() {
            result.insert("results".to_owned(), notes.into());
            result.insert("msg".to_owned(), "Nothing to do".into());
            if !is_asked && self.update_cache && !self.is_absent() {
                change.calls.push(Call::new("makecache", Vec::new()));
                return Ok(Check::Upkeep(change));
            }
            return Ok(Check::InSync);
        }
        notes.extend(change.results.iter().cloned());
        result.insert("results".to_owned(), notes.into());
        let message = "Check mode: No changes made, but would have if not in check mode";
        result.insert("msg".to_owned(), message.into());
        // What was downloaded is not remembered.
        Ok(if self.download_only { Check::Act(change) } else { Check::Drift(change) })
    }

    fn without_names(&self, mut change: DnfChange, result: &mut Args) -> Check<DnfChange> {
        if !self.update_cache {
            result.insert("msg".to_owned(), "Nothing to do".into());
            return Check::InSync;
        }
        result.insert("msg".to_owned(), "Cache updated".into());
        change.calls.push(Call::new("makecache", Vec::new()));
        Check::Upkeep(change)
    }

    /// Calls that remove; true when dnf was asked.
    fn removal(
        &self,
        words: &[&str],
        change: &mut DnfChange,
        notes: &mut Vec<String>,
        host: &dyn Probe,
    ) -> Result<bool, Failure> {
        if words.is_empty() {
            self.simulate(Call::new("autoremove", Vec::new()), change, host)?;
            return Ok(true);
        }
        if let Some(file) = words.iter().find(|word| rpm::is_file(word)) {
            return Err(Failure::new(format!(
                "`{file}` is a file: say the name of the package that is to be removed"
            )));
        }
        let (special, names): (Vec<&str>, Vec<&str>) =
            words.iter().partition(|word| rpm::is_for_dnf(word));
        let missing = rpm::missing(self, host, &names)?;
        notes.extend(missing.iter().map(|word| format!("No match for argument: {word}")));
        let there = names.iter().filter(|word| !missing.contains(word)).chain(&special);
        let there: Vec<String> = there.map(|word| (*word).to_owned()).collect();
        if there.is_empty() {
            return Ok(false);
        }
        self.simulate(Call::new("remove", there), change, host)?;
        Ok(true)
    }

    /// Calls that install and upgrade; true when dnf was asked.
    fn arrival(
        &self,
        words: &[&str],
        change: &mut DnfChange,
        host: &dyn Probe,
    ) -> Result<bool, Failure> {
        let is_latest = self.state == Some(State::Latest);
        if is_latest && words.contains(&"*") {
            self.simulate(Call::new("upgrade", Vec::new()), change, host)?;
            return Ok(true);
        }
        let (special, names): (Vec<&str>, Vec<&str>) =
            words.iter().partition(|word| rpm::is_for_dnf(word));
        let mut missing = rpm::missing(self, host, &names)?;
        let there: Vec<&str> =
            names.iter().copied().filter(|word| !missing.contains(word)).collect();
        if self.download_only && !is_latest {
            missing.clone_from(&names);
        }
        if is_latest && self.update_only {
            missing.clear();
        }
        missing.extend(&special);
        let mut is_asked = !missing.is_empty();
        if !missing.is_empty() {
            self.install(&missing, change, host)?;
        }
        if is_latest {
            // A group that is installed may have become larger.
            let groups = special.iter().filter(|word| word.starts_with('@'));
            let is_new = !change.calls.is_empty();
            let upgraded = there.iter().chain(groups.filter(|_| !is_new));
            let upgraded: Vec<String> = upgraded.map(|word| (*word).to_owned()).collect();
            if !upgraded.is_empty() {
                is_asked = true;
                self.simulate(Call::new("upgrade", upgraded), change, host)?;
            }
        }
        Ok(is_asked)
    }

    /// A call of `install`, without what would put an older version in place of a newer one, unless that is allowed.
    fn install(
        &self,
        words: &[&str],
        change: &mut DnfChange,
        host: &dyn Probe,
    ) -> Result<(), Failure> {
        let call =
            |words: &[&str]| Call::new("install", words.iter().map(|w| (*w).into()).collect());
        let entries = call(words).simulate(self, change.program, host)?;
        let is_older = |word: &&&str| {
            !word.contains(['<', '>', '=', '@'])
                && entries.iter().any(|entry| {
                    entry.verb == Verb::Downgrade && word.starts_with(&format!("{}-", entry.name))
                })
        };
        if self.allow_downgrade || !words.iter().any(|word| is_older(&word)) {
            return self.note(call(words), &entries, change, host);
        }
        let kept: Vec<&str> = words.iter().filter(|word| !is_older(word)).copied().collect();
        if kept.is_empty() { Ok(()) } else { self.simulate(call(&kept), change, host) }
    }

    fn simulate(
        &self,
        call: Call,
        change: &mut DnfChange,
        host: &dyn Probe,
    ) -> Result<(), Failure> {
        let entries = call.simulate(self, change.program, host)?;
        self.note(call, &entries, change, host)
    }

    /// Adds a call that has something to do.
    fn note(
        &self,
        call: Call,
        entries: &[Entry],
        change: &mut DnfChange,
        host: &dyn Probe,
    ) -> Result<(), Failure> {
        if entries.is_empty() {
            return Ok(());
        }
        change.calls.push(call);
        let comes = |entry: &&Entry| entry.verb != Verb::Remove;
        let word = if self.download_only { "Downloaded" } else { "Installed" };
        let results = entries.iter().filter(comes).map(|entry| format!("{word}: {}", entry.nevra));
        change.results.extend(results);
        if self.download_only {
            return Ok(());
        }
        let replaced: Vec<&str> = entries
            .iter()
            .filter(|entry| matches!(entry.verb, Verb::Upgrade | Verb::Downgrade))
            .map(|entry| entry.name.as_str())
            .collect();
        let old = rpm::installed(self, host, &replaced)?;
        change.results.extend(old.iter().map(|nevra| format!("Removed: {nevra}")));
        let gone = entries.iter().filter(|entry| entry.verb == Verb::Remove);
        change.results.extend(gone.map(|entry| format!("Removed: {}", entry.nevra)));
        Ok(())
    }
}
