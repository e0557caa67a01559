//! `service`: services under whatever manages them here; systemd's are those of the `systemd` module.

mod script;

use model::{Args, Diff};
use serde_json::json;
use system::{Probe, System};

use crate::arguments::arguments;
use crate::contract::{Change, Check, Failure, Module, warn};
use crate::diff;
use crate::systemd::{Scope, State, Systemd, UnitChange, refuse_option};

use script::{Levels, Script};

arguments! {
    /// Starts, stops, restarts and enables services.
    pub struct Service {
        /// The service.
        pub name: String,
        /// What it does.
        pub state: Option<State>,
        /// Whether it starts with the machine.
        pub enabled: Option<bool>,
        /// Seconds between stop and start when it is restarted, for services that stop slowly.
        pub sleep: Option<u64>,
        /// A text in the command line of a running process that shows that it runs, for scripts without `status`.
        pub pattern: Option<String>,
        /// Words that follow on the command line of the script.
        pub arguments: Option<String> { aliases: ["args"] },
        /// The runlevel, where there are some.
        pub runlevel: String { default: "default" },
        /// The runlevels that it shall, or shall not, start in, where they have numbers.
        pub levels: Vec<String> { named: "runlevels" },
        /// With systemd: read the unit files again first.
        pub daemon_reload: bool { default: false, aliases: ["daemon-reload"] },
        /// With systemd: replace the manager's own process first.
        pub daemon_reexec: bool { default: false, aliases: ["daemon-reexec"] },
        /// With systemd: overwrite links of other units.
        pub force: bool { default: false },
        /// With systemd: whether it cannot be started at all.
        pub masked: Option<bool>,
        /// With systemd: do not wait.
        pub no_block: bool { default: false },
        /// With systemd: whose manager.
        pub scope: Scope { default: "system" },
        /// What manages services; found out when not said.
        pub manager: String { named: "use", default: "auto" },
    }
    required_one_of: [&["state", "enabled"]];
}

/// What a service needs.
#[derive(Debug)]
pub(crate) enum ServiceChange {
    Unit(UnitChange),
    Script(ScriptChange),
}

/// What a service of scripts needs: the words for its script, and whether to switch its start with the machine.
#[derive(Debug, Default)]
pub(crate) struct ScriptChange {
    /// `start`, or `stop` and `start`.
    words: Vec<&'static str>,
    enable: Option<bool>,
    was_running: bool,
}

impl Change for ServiceChange {
    fn diff(&self, host: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        match self {
            Self::Unit(change) => change.diff(host),
            Self::Script(change) => {
                let runs = change.words.last().map_or(change.was_running, |word| *word != "stop");
                let mut before = json!({"running": change.was_running});
                let mut after = json!({"running": runs});
                if let Some(enable) = change.enable {
                    before["enabled"] = (!enable).into();
                    after["enabled"] = enable.into();
                }
                Ok(vec![diff::state("service", before, after)])
            }
        }
    }
}

impl Module for Service {
    type Change = ServiceChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<ServiceChange>, Failure> {
        refuse_option(&self.name)?;
        if self.is_systemd(host) {
            self.warn_unused(result);
            return Ok(match self.unit().check(host, result)? {
                Check::InSync => Check::InSync,
                Check::Drift(change) => Check::Drift(ServiceChange::Unit(change)),
                Check::Upkeep(change) => Check::Upkeep(ServiceChange::Unit(change)),
                Check::Act(change) => Check::Act(ServiceChange::Unit(change)),
                Check::CannotTell(change) => Check::CannotTell(ServiceChange::Unit(change)),
            });
        }
        self.check_script(&Script::find(host, &self.name)?, host, result)
    }

    fn apply(
        &self,
        change: ServiceChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        match change {
            ServiceChange::Unit(change) => self.unit().apply(change, host, result),
            ServiceChange::Script(change) => self.apply_script(&change, host),
        }
    }
}

impl Service {
    /// One that is managed by its script.
    pub(crate) fn of_script(
        name: &str,
        state: Option<State>,
        enabled: Option<bool>,
        levels: &[String],
    ) -> Self {
        Self {
            name: name.to_owned(),
            state,
            enabled,
            levels: levels.to_vec(),
            sleep: None,
            pattern: None,
            arguments: None,
            runlevel: "default".to_owned(),
            daemon_reload: false,
            daemon_reexec: false,
            force: false,
            masked: None,
            no_block: false,
            scope: Scope::System,
            manager: "sysvinit".to_owned(),
        }
    }

    fn levels(&self) -> Levels<'_> {
        if self.levels.is_empty() {
            Levels::Named(&self.runlevel)
        } else {
            Levels::Of(&self.levels)
        }
    }

    fn is_systemd(&self, host: &dyn Probe) -> bool {
        match self.manager.as_str() {
            "auto" => facts::service_manager(host) == "systemd",
            manager => matches!(manager.rsplit('.').next(), Some("systemd" | "systemd_service")),
        }
    }

    fn unit(&self) -> Systemd {
        Systemd {
            name: Some(self.name.clone()),
            state: self.state,
            enabled: self.enabled,
            force: self.force,
            masked: self.masked,
            daemon_reload: self.daemon_reload,
            daemon_reexec: self.daemon_reexec,
            scope: self.scope,
            no_block: self.no_block,
        }
    }

    fn warn_unused(&self, result: &mut Args) {
        let given = [
            ("sleep", self.sleep.is_some()),
            ("pattern", self.pattern.is_some()),
            ("arguments", self.arguments.is_some()),
        ];
        for (name, _) in given.iter().filter(|(_, given)| *given) {
            warn(result, format!("Ignoring \"{name}\" as it is not used in \"systemd\""));
        }
    }

    fn check_script(
        &self,
        script: &Script,
        host: &dyn Probe,
        result: &mut Args,
    ) -> Result<Check<ServiceChange>, Failure> {
        result.insert("name".to_owned(), self.name.clone().into());
        let mut change = ScriptChange::default();
        if let Some(wanted) = self.enabled {
            result.insert("enabled".to_owned(), wanted.into());
            change.enable =
                (script.is_enabled(host, &self.levels(), wanted)? != wanted).then_some(wanted);
        }
        let Some(state) = self.state else {
            return Ok(if change.enable.is_some() {
                Check::Drift(ServiceChange::Script(change))
            } else {
                Check::InSync
            });
        };
        change.was_running = match &self.pattern {
            Some(pattern) => script::process_matches(host, pattern)?,
            None => script.is_running(host)?,
        };
        change.words = match (state, change.was_running) {
            (State::Started, true) | (State::Stopped, false) => Vec::new(),
            (State::Started | State::Reloaded, false) => vec!["start"],
            (State::Stopped, true) => vec!["stop"],
            (State::Restarted, _) => vec!["stop", "start"],
            (State::Reloaded, true) => vec!["reload"],
        };
        let after = if state == State::Stopped { State::Stopped } else { State::Started };
        result.insert("state".to_owned(), after.as_str().into());
        let acts = matches!(state, State::Restarted | State::Reloaded);
        let is_drift = change.enable.is_some() || !change.words.is_empty();
        let change = ServiceChange::Script(change);
        Ok(match (acts, is_drift) {
            (true, _) => Check::Act(change),
            (false, true) => Check::Drift(change),
            (false, false) => Check::InSync,
        })
    }

    fn apply_script(&self, change: &ScriptChange, host: &dyn System) -> Result<(), Failure> {
        let script = Script::find(host, &self.name)?;
        if let Some(enable) = change.enable {
            script.enable(host, enable, &self.levels())?;
        }
        let extra = self.arguments.as_deref().unwrap_or_default();
        let extra = shlex::split(extra)
            .ok_or_else(|| Failure::new(format!("arguments `{extra}` have an open quote")))?;
        for (index, word) in change.words.iter().enumerate() {
            if index > 0 {
                host.sleep(std::time::Duration::from_secs(self.sleep.unwrap_or(1)))?;
            }
            // One that does not run cannot be stopped, and some scripts call that an error.
            let may_fail = *word == "stop" && change.words.len() > 1;
            script.act(host, word, &extra, may_fail)?;
        }
        Ok(())
    }
}
