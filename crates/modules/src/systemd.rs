//! `systemd` (also `systemd_service`): units of systemd. One `systemctl show` answers every question.

mod show;

use std::path::Path;

use model::{Args, Diff};
use serde_json::{Value, json};
use system::{Command, Output, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module, warn};
use crate::{diff, tool};

use show::property;

choices! {
    /// What a service does.
    pub enum State {
        /// It runs; is started when it does not.
        Started = "started",
        /// It does not run.
        Stopped = "stopped",
        /// It is restarted each time.
        Restarted = "restarted",
        /// It is told to read its configuration again, each time.
        Reloaded = "reloaded",
    }
}

choices! {
    /// Whose manager is asked.
    pub enum Scope {
        /// The system's.
        System = "system",
        /// The user's own.
        User = "user",
        /// That of all users.
        Global = "global",
    }
}

arguments! {
    /// Starts, stops, enables and masks units of systemd.
    pub struct Systemd {
        /// The unit, with or without `.service`.
        pub name: Option<String> { aliases: ["service", "unit"] },
        /// What it does.
        pub state: Option<State>,
        /// Whether it starts with the machine.
        pub enabled: Option<bool>,
        /// Replace links that are in the way when enabling.
        pub force: bool { default: false },
        /// Whether it is masked: cannot be started at all.
        pub masked: Option<bool>,
        /// Make systemd read all unit files again, before anything else.
        pub daemon_reload: bool { default: false, aliases: ["daemon-reload"] },
        /// Make systemd execute itself again, before anything else.
        pub daemon_reexec: bool { default: false, aliases: ["daemon-reexec"] },
        /// Whose manager.
        pub scope: Scope { default: "system" },
        /// Do not wait until it has started or stopped.
        pub no_block: bool { default: false },
    }
    required_one_of: [&["state", "enabled", "masked", "daemon_reload", "daemon_reexec"]];
}

/// What a unit needs, in the order in which it is done.
#[derive(Debug, Default)]
pub(crate) struct UnitChange {
    actions: Vec<Action>,
    before: Args,
    after: Args,
}

#[derive(Debug)]
struct Action {
    /// `systemctl`'s words.
    words: Vec<&'static str>,
    /// Whether the unit's name follows.
    names_unit: bool,
    /// For the message when it fails: `start service`.
    doing: String,
}

impl Change for UnitChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        if self.before == self.after {
            return Ok(Vec::new());
        }
        let (before, after) = (self.before.clone().into(), self.after.clone().into());
        Ok(vec![diff::state("unit", before, after)])
    }
}

/// Where unit files are.
const UNIT_FOLDERS: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

impl Module for Systemd {
    type Change = UnitChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<UnitChange>, Failure> {
        result.insert("name".to_owned(), self.name.clone().into());
        result.insert("status".to_owned(), json!({}));
        let mut change = UnitChange::default();
        if self.daemon_reload {
            change.add(&["daemon-reload"], false, "reload daemon");
        }
        if self.daemon_reexec {
            change.add(&["daemon-reexec"], false, "reexec daemon");
        }
        let upkeep = change.actions.len();
        let mut acts = false;
        match &self.name {
            Some(unit) => acts = self.check_unit(unit, host, result, &mut change)?,
            None if self.state.is_some() || self.enabled.is_some() || self.masked.is_some() => {
                return Err(Failure::new(
                    "name is required when state, enabled or masked is given",
                ));
            }
            None => {}
        }
        Ok(match change.actions.len() {
            0 => Check::InSync,
            _ if acts => Check::Act(change),
            length if length > upkeep => Check::Drift(change),
            _ => Check::Upkeep(change),
        })
    }

    fn apply(&self, change: UnitChange, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        for action in &change.actions {
            let mut words = action.words.clone();
            let unit = action.names_unit.then_some(self.name.as_deref()).flatten();
            words.extend(unit);
            let output = host.run(&self.systemctl(host, &words))?;
            if !output.is_success() {
                let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
                return Err(tool::failure(&output, &format!("Unable to {}{unit}: ", action.doing)));
            }
        }
        Ok(())
    }
}

impl UnitChange {
    fn add(&mut self, words: &[&'static str], names_unit: bool, doing: &str) {
        let words = words.to_vec();
        self.actions.push(Action { words, names_unit, doing: doing.to_owned() });
    }

    fn tell(&mut self, key: &str, before: impl Into<Value>, after: impl Into<Value>) {
        self.before.insert(key.to_owned(), before.into());
        self.after.insert(key.to_owned(), after.into());
    }
}

impl Systemd {
    fn systemctl(&self, host: &dyn Probe, words: &[&str]) -> Command {
        let mut args = Vec::new();
        match self.scope {
            Scope::System => {}
            Scope::User => args.push("--user"),
            Scope::Global => args.push("--global"),
        }
        if self.no_block {
            args.push("--no-block");
        }
        if self.force {
            args.push("--force");
        }
        args.extend(words);
        let mut command = Command::new("systemctl", args);
        if self.scope == Scope::User && host.variable("XDG_RUNTIME_DIR").is_none() {
            let folder = format!("/run/user/{}", host.own_uid());
            command.environment.insert("XDG_RUNTIME_DIR".to_owned(), folder);
        }
        command
    }

    fn query(&self, host: &dyn Probe, words: &[&str]) -> Result<Output, Failure> {
        Ok(host.query(&self.systemctl(host, words))?)
    }

    /// Compares a unit with what is wanted; true when it is to be acted on in any case.
    fn check_unit(
        &self,
        unit: &str,
        host: &dyn Probe,
        result: &mut Args,
        change: &mut UnitChange,
    ) -> Result<bool, Failure> {
        refuse_option(unit)?;
        for glob in ['?', '*', '['].iter().filter(|glob| unit.contains(**glob)) {
            warn(
                result,
                format!("This systemd unit names a pattern with {glob}, which is not supported"),
            );
        }
        let shown = self.query(host, &["show", unit])?;
        let is_offline = !shown.is_success() && is_offline(host);
        if !shown.is_success() && !is_offline {
            return Err(tool::failure(&shown, "").with("cmd", "systemctl show"));
        }
        let status = if is_offline { Args::new() } else { show::parse(&shown.stdout_text()) };
        result.insert("status".to_owned(), status.clone().into());
        if is_offline {
            warn(
                result,
                "Target is a chroot or systemd is offline. This can lead to false positives or prevent the init system tools from working.",
            );
        }
        self.refuse_broken(unit, &status, host, is_offline)?;
        self.check_masked(&status, change);
        self.check_enabled(unit, &status, host, result, change)?;
        match self.state {
            Some(state) if !is_offline => {
                result.insert("state".to_owned(), state.as_str().into());
                Ok(check_state(state, &status, result, change))
            }
            _ => Ok(false),
        }
    }

    /// Refuses a unit that does not exist or cannot be loaded.
    fn refuse_broken(
        &self,
        unit: &str,
        status: &Args,
        host: &dyn Probe,
        is_offline: bool,
    ) -> Result<(), Failure> {
        let error = property(status, "LoadError");
        let is_missing = match property(status, "LoadState") {
            "not-found" => true,
            "error" | "bad-setting" if !error.is_empty() => {
                return Err(Failure::new(format!("Error loading unit file '{unit}': {error}")));
            }
            _ => false,
        };
        // What is to be read by `daemon_reload` is not known to systemd yet.
        let is_new = || self.daemon_reload && has_unit_file(host, unit);
        if is_missing && !is_offline && !is_new() && !has_init_script(host, unit) {
            return Err(Failure::new(format!("Could not find the requested service {unit}: host"))
                .with("name", unit)
                .with("status", status.clone()));
        }
        Ok(())
    }

    fn check_masked(&self, status: &Args, change: &mut UnitChange) {
        let is_masked = property(status, "LoadState") == "masked";
        match self.masked {
            Some(wanted) if wanted != is_masked => {
                let word = if wanted { "mask" } else { "unmask" };
                change.add(&[word], true, &format!("{word} service"));
                change.tell("masked", is_masked, wanted);
            }
            _ => {}
        }
    }

    fn check_enabled(
        &self,
        unit: &str,
        status: &Args,
        host: &dyn Probe,
        result: &mut Args,
        change: &mut UnitChange,
    ) -> Result<(), Failure> {
        let Some(wanted) = self.enabled else { return Ok(()) };
        result.insert("enabled".to_owned(), wanted.into());
        let enabled = match property(status, "UnitFileState") {
            "enabled" | "static" | "transient" => true,
            // It stands for others: where these are linked, more than the word is told.
            word @ ("alias" | "indirect") => {
                let output = self.query(host, &["is-enabled", unit, "-l"])?;
                output.is_success() && output.stdout_text().trim() != word
            }
            "enabled-runtime" | "disabled" | "masked" | "masked-runtime" | "linked" => false,
            // Generated from an init script, or systemd is offline: only this knows.
            _ => {
                let output = self.query(host, &["is-enabled", unit])?;
                output.is_success() && output.stdout_text().trim() != "enabled-runtime"
            }
        };
        if enabled != wanted {
            let word = if wanted { "enable" } else { "disable" };
            change.add(&[word], true, &format!("{word} service"));
            change.tell("enabled", enabled, wanted);
        }
        Ok(())
    }
}

/// True when the unit is to be acted on in any case.
fn check_state(state: State, status: &Args, result: &mut Args, change: &mut UnitChange) -> bool {
    let active = property(status, "ActiveState").to_owned();
    let is_running =
        matches!(active.as_str(), "active" | "activating" | "reloading" | "refreshing");
    let word = match state {
        State::Started if is_running => return false,
        State::Stopped if !is_running && active != "deactivating" => return false,
        State::Started => "start",
        State::Stopped => "stop",
        State::Restarted | State::Reloaded if !is_running => "start",
        State::Restarted => "restart",
        State::Reloaded => "reload",
    };
    if matches!(state, State::Restarted | State::Reloaded) {
        result.insert("state".to_owned(), State::Started.as_str().into());
    }
    change.add(&[word], true, &format!("{word} service"));
    let after = if word == "stop" { "inactive" } else { "active" };
    change.tell("active_state", active, after);
    matches!(state, State::Restarted | State::Reloaded)
}

/// A name that `systemctl` would take for an option.
pub(crate) fn refuse_option(unit: &str) -> Result<(), Failure> {
    if unit.starts_with('-') || unit.is_empty() || unit.contains(['/', '\n', '\0']) {
        return Err(Failure::new(format!(
            "`{}` cannot be the name of a service",
            unit.escape_debug()
        )));
    }
    Ok(())
}

fn is_offline(host: &dyn Probe) -> bool {
    let offline = host.variable("SYSTEMD_OFFLINE");
    if offline.is_some_and(|value| matches!(value.as_str(), "1" | "yes" | "true" | "on")) {
        return true;
    }
    let root = |path: &str| {
        let stat = host.stat(Path::new(path), true).ok().flatten()?;
        Some((stat.device, stat.inode))
    };
    host.variable("debian_chroot").is_some()
        || root("/proc/1/root/.").is_some_and(|first| root("/") != Some(first))
}

fn has_unit_file(host: &dyn Probe, unit: &str) -> bool {
    let file = if unit.contains('.') { unit.to_owned() } else { format!("{unit}.service") };
    // `name@instance.service` has its file under `name@.service`.
    let template = file
        .split_once('@')
        .and_then(|(name, rest)| Some(format!("{name}@.{}", rest.rsplit_once('.')?.1)));
    let exists = |file: &str| {
        UNIT_FOLDERS.iter().any(|folder| {
            host.stat(&Path::new(folder).join(file), true).is_ok_and(|found| found.is_some())
        })
    };
    exists(&file) || template.is_some_and(|template| exists(&template))
}

fn has_init_script(host: &dyn Probe, unit: &str) -> bool {
    let name = unit.strip_suffix(".service").unwrap_or(unit);
    host.stat(&Path::new("/etc/init.d").join(name), true).is_ok_and(|found| found.is_some())
}
