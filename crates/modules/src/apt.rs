//! `apt`: packages of Debian and its relatives. What is installed is read from dpkg's database; apt itself is asked only
//! when something may have to be done. Locks are waited for, never removed.

mod cache;
mod command;
mod deb;
pub(crate) mod dpkg;
mod names;
mod output;
mod policy;
mod version;

use model::{Args, Diff, DiffContent};
use system::{Output, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::tool;

pub(crate) use cache::retry;
use command::Call;
pub(crate) use command::quiet;
use dpkg::Database;
use names::Request;
use output::Summary;

choices! {
    /// What is wanted of the packages.
    pub enum State {
        /// Not installed.
        Absent = "absent",
        /// What they need to be built is installed.
        BuildDep = "build-dep",
        /// Installed in the newest version that there is.
        Latest = "latest",
        /// Installed.
        Present = "present",
        /// Broken dependencies are repaired, and they are installed.
        Fixed = "fixed",
    }
}

choices! {
    /// How the whole system is upgraded.
    pub enum Upgrade {
        /// Also where packages must be removed.
        Dist = "dist",
        /// Also where packages must be removed.
        Full = "full",
        /// Not.
        No = "no",
        /// Without removing any.
        Safe = "safe",
        /// Without removing any.
        Yes = "yes",
    }
}

arguments! {
    /// Installs, upgrades and removes packages with apt.
    pub struct Apt {
        /// The packages: `name`, `name=version`, `name>=version`, `name:architecture`, or a pattern.
        pub name: Vec<String> { named: "package", aliases: ["name", "pkg"] },
        /// What is wanted of them.
        pub state: State { default: "present" },
        /// Fetch the lists of packages first.
        pub update_cache: Option<bool> { aliases: ["update-cache"] },
        /// How often that is tried.
        pub update_cache_retries: u32 { default: 5 },
        /// The longest pause between tries, in seconds.
        pub update_cache_retry_max_delay: u64 { default: 12 },
        /// Do not fetch the lists when they are younger than so many seconds.
        pub cache_valid_time: u64 { default: 0 },
        /// Remove configuration files, too.
        pub purge: bool { default: false },
        /// The release that packages are taken from.
        pub default_release: Option<String> { aliases: ["default-release"] },
        /// Whether recommended packages are installed; the system's setting when not said.
        pub install_recommends: Option<bool> { aliases: ["install-recommends"] },
        /// Allow everything that apt asks about.
        pub force: bool { default: false },
        /// Remove all packages from apt's cache.
        pub clean: bool { default: false },
        /// Install packages whose origin cannot be verified.
        pub allow_unauthenticated: bool { default: false, aliases: ["allow-unauthenticated"] },
        /// Allow older versions than are installed.
        pub allow_downgrade: bool {
            default: false, aliases: ["allow-downgrade", "allow_downgrades", "allow-downgrades"]
        },
        /// Change packages that are on hold.
        pub allow_change_held_packages: bool { default: false },
        /// Upgrade the whole system.
        pub upgrade: Upgrade { default: "no" },
        /// Options for dpkg, separated by commas.
        pub dpkg_options: String { default: "force-confdef,force-confold" },
        /// A package in a file on the host, or at a URL.
        pub deb: Option<String>,
        /// Remove packages that nothing needs any more.
        pub autoremove: bool { default: false },
        /// Remove packages from apt's cache that cannot be fetched any more.
        pub autoclean: bool { default: false },
        /// Let services that packages start answer with this number instead: 101 starts none.
        pub policy_rc_d: Option<i64>,
        /// Only upgrade packages that are installed.
        pub only_upgrade: bool { default: false },
        /// Fail rather than remove packages.
        pub fail_on_autoremove: bool { default: false },
        /// Always apt-get, which is what this module uses.
        pub _force_apt_get: bool { named: "force_apt_get", default: false },
        /// Seconds to wait for locks of other package managers.
        pub lock_timeout: u64 { default: 60 },
        /// For modules in Python; nothing is needed here.
        pub _auto_install: bool { named: "auto_install_module_deps", default: true },
    }
    mutually_exclusive: [&["deb", "package", "upgrade"]];
}

/// What is to be done.
#[derive(Debug, Default)]
pub(crate) struct AptChange {
    update_cache: bool,
    calls: Vec<Call>,
    /// A package at a URL.
    fetch: Option<String>,
    /// What apt says that it would do.
    prepared: String,
}

impl Change for AptChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        if self.prepared.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![Diff {
            before_header: "packages".to_owned(),
            after_header: "packages".to_owned(),
            before: DiffContent::Text(String::new()),
            after: DiffContent::Text(self.prepared.clone()),
        }])
    }
}

impl Module for Apt {
    type Change = AptChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<AptChange>, Failure> {
        let age = cache::Age::read(host)?;
        let mut change =
            AptChange { update_cache: age.needs_update(self, host), ..AptChange::default() };
        let asks_for_nothing = self.asks_for_nothing();
        age.tell(change.update_cache, result);
        if change.update_cache && asks_for_nothing {
            return Ok(Check::Drift(change));
        }
        if let Some(deb) = &self.deb {
            return self.check_deb(deb, change, host);
        }
        let calls = self.calls(host)?;
        let mut is_drift = false;
        for call in calls {
            let simulated = host.query(&call.simulated(self))?;
            let Some(is_work) = call.is_work(&simulated, change.update_cache) else {
                return Err(call.failure(&simulated));
            };
            change.prepared.push_str(&output::changes(&simulated.stdout_text()));
            if is_work && !is_drift {
                tool::show(result, &simulated);
            }
            is_drift |= is_work;
            // After an update there may be more to do than is known now.
            if is_work || (change.update_cache && call.depends_on_lists()) {
                change.calls.push(call);
            }
        }
        Ok(match (is_drift, change.update_cache) {
            (true, _) => Check::Drift(change),
            (false, true) => Check::Upkeep(change),
            (false, false) => Check::InSync,
        })
    }

    fn apply(
        &self,
        change: AptChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        if change.update_cache {
            cache::update(self, host)?;
            cache::Age::read(host)?.tell(true, result);
            result.insert("changed".to_owned(), self.asks_for_nothing().into());
        }
        let calls = match &change.fetch {
            Some(url) => deb::fetched(self, url, host)?.into_iter().collect(),
            None => change.calls,
        };
        let policy = policy::Policy::lay(self.policy_rc_d, host)?;
        let mut done = Ok(());
        let mut is_changed = false;
        for call in &calls {
            match self.carry_out(call, host, result) {
                Ok(changed) => is_changed |= changed,
                Err(failure) => {
                    done = Err(failure);
                    break;
                }
            }
        }
        policy.lift(host)?;
        done?;
        if !self.asks_for_nothing() {
            result.insert("changed".to_owned(), is_changed.into());
        }
        Ok(())
    }
}

impl Apt {
    /// Only the lists are asked for.
    fn asks_for_nothing(&self) -> bool {
        self.name.is_empty()
            && self.deb.is_none()
            && !self.upgrade.is_asked()
            && !self.autoremove
            && !self.autoclean
            && !self.clean
            && !matches!(self.state, State::Fixed)
    }

    fn check_deb(
        &self,
        deb: &str,
        mut change: AptChange,
        host: &dyn Probe,
    ) -> Result<Check<AptChange>, Failure> {
        if deb.contains("://") {
            change.fetch = Some(deb.to_owned());
            return Ok(Check::CannotTell(change));
        }
        if !deb::is_wanted(self, deb, host)? {
            return Ok(if change.update_cache { Check::Upkeep(change) } else { Check::InSync });
        }
        let call = Call::install_file(deb);
        let simulated = host.query(&call.simulated(self))?;
        if !simulated.is_success() {
            return Err(call.failure(&simulated));
        }
        change.prepared = output::changes(&simulated.stdout_text());
        change.calls.push(call);
        Ok(Check::Drift(change))
    }

    /// The calls of apt that may have something to do, as dpkg's database shows.
    fn calls(&self, host: &dyn Probe) -> Result<Vec<Call>, Failure> {
        let mut calls = Vec::new();
        let whole_system = self.name.iter().any(|name| name == "*") && self.state == State::Latest;
        match self.upgrade {
            Upgrade::No if whole_system => calls.push(Call::upgrade()),
            Upgrade::No => {}
            Upgrade::Safe | Upgrade::Yes => calls.push(Call::upgrade()),
            Upgrade::Dist | Upgrade::Full => calls.push(Call::dist_upgrade()),
        }
        if self.state == State::Fixed {
            calls.push(Call::fix());
        }
        if !self.name.is_empty() && !whole_system {
            let database = Database::read(host)?;
            let requests = names::requests(self, &database, host)?;
            calls.extend(self.package_calls(&requests, &database, host)?);
        }
        if self.autoremove && self.name.is_empty() {
            calls.push(Call::autoremove());
        }
        if self.autoclean {
            calls.push(Call::autoclean());
        }
        if self.clean && cache::has_archives(host)? {
            calls.push(Call::clean());
        }
        Ok(calls)
    }

    fn package_calls(
        &self,
        requests: &[Request],
        database: &Database,
        host: &dyn Probe,
    ) -> Result<Option<Call>, Failure> {
        let mut words = Vec::new();
        for request in requests {
            let is_wanted = match self.state {
                State::Absent => request.is_there(database, self.purge),
                State::BuildDep => true,
                State::Latest => !request.is_only_provided(database, host)?,
                State::Present | State::Fixed => {
                    let is_skipped = self.only_upgrade && !request.is_installed(database);
                    !is_skipped
                        && !request.is_satisfied(database)
                        && !request.is_only_provided(database, host)?
                }
            };
            if is_wanted {
                words.push(match self.state {
                    State::Absent | State::BuildDep => request.name.clone(),
                    _ => request.word(host)?,
                });
            }
        }
        Ok((!words.is_empty()).then(|| match self.state {
            State::Absent => Call::remove(words),
            State::BuildDep => Call::build_dep(words),
            _ => Call::install(words),
        }))
    }

    /// Runs apt; true when it did something.
    fn carry_out(
        &self,
        call: &Call,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<bool, Failure> {
        let output: Output = host.run(&call.command(self))?;
        if !output.is_success() {
            return Err(call.failure(&output));
        }
        tool::show(result, &output);
        let summary = Summary::parse(&output.stdout_text());
        Ok(summary.is_none_or(Summary::is_work))
    }
}
