//! `wait_for`: waits until a port, a file or connections are as wanted.

mod target;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use model::Args;
use pyregex::Regex;
use serde_json::Value;
use system::{Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Check, Failure, Module};

use target::Target;

choices! {
    /// What to wait for.
    pub enum State {
        /// The port is open, or the file exists; with `search_regex`, that it is found there.
        Started = "started",
        /// As `started`, usual for files.
        Present = "present",
        /// The port is closed.
        Stopped = "stopped",
        /// The file does not exist; with `search_regex`, or does not contain it.
        Absent = "absent",
        /// No connection to the port is active.
        Drained = "drained",
    }
}

arguments! {
    /// Waits until a port is open or closed, a file exists or is gone, a text shows up in either, or connections have
    /// drained. Without `port` and `path` it waits for `timeout` seconds.
    pub struct WaitFor {
        /// The host of the port.
        pub host: String { default: "127.0.0.1" },
        /// At most so many seconds.
        pub timeout: u64 { default: 300 },
        /// Seconds for each attempt to connect.
        pub connect_timeout: u64 { default: 5 },
        /// Seconds to wait before the first look.
        pub delay: u64 { default: 0 },
        /// The port.
        pub port: Option<u16>,
        /// States of a connection that count as active, for `drained`.
        pub active_connection_states: Vec<String> {
            default: ["ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "SYN_RECV", "SYN_SENT", "TIME_WAIT"]
        },
        /// What to wait for.
        pub state: State { default: "started" },
        /// The file.
        pub path: Option<PathBuf>,
        /// A regular expression to look for in the file, or in what the port sends.
        pub search_regex: Option<String>,
        /// Hosts whose connections do not count, for `drained`.
        pub exclude_hosts: Vec<String>,
        /// Seconds between looks.
        pub sleep: u64 { default: 1 },
        /// The message of the failure when the time is up.
        pub msg: Option<String>,
    }
}

/// What was found: the groups of the regular expression.
#[derive(Debug, Default)]
struct Found {
    groups: Vec<Value>,
    named: Args,
}

impl Module for WaitFor {
    type Change = ();

    fn check(&self, _: &dyn Probe, _: &mut Args) -> Result<Check<()>, Failure> {
        self.validate()?;
        Ok(Check::CannotTell(()))
    }

    fn apply(&self, (): (), host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let start = host.now();
        let elapsed = |now: SystemTime| now.duration_since(start).unwrap_or_default().as_secs();
        result.insert("changed".to_owned(), false.into());
        let found = self.wait(host, start);
        result.insert("elapsed".to_owned(), elapsed(host.now()).into());
        let Some(found) = found? else {
            return Err(Failure::new(self.msg.clone().unwrap_or_else(|| self.timeout_message())));
        };
        let path = self.path.as_ref().map(|path| path.to_string_lossy().into_owned());
        for (key, value) in [
            ("state", Value::from(self.state.as_str())),
            ("port", self.port.into()),
            ("search_regex", self.search_regex.clone().into()),
            ("match_groups", found.groups.into()),
            ("match_groupdict", found.named.into()),
            ("path", path.into()),
        ] {
            result.insert(key.to_owned(), value);
        }
        if let Some(path) = self.path.as_ref().filter(|_| self.state != State::Absent) {
            crate::files::describe(host, path, result)?;
        }
        Ok(())
    }

    fn is_repeatable(&self) -> bool {
        true
    }
}

impl WaitFor {
    fn validate(&self) -> Result<(), Failure> {
        let fault = match (self.port, &self.path, self.state) {
            (Some(_), Some(_), _) => "port and path parameter can not both be passed to wait_for",
            (_, Some(_), State::Stopped) => {
                "state=stopped should only be used for checking a port in the wait_for module"
            }
            (_, Some(_), State::Drained) | (None, _, State::Drained) => {
                "state=drained should only be used for checking a port in the wait_for module"
            }
            _ if !self.exclude_hosts.is_empty() && self.state != State::Drained => {
                "exclude_hosts should only be with state=drained"
            }
            _ => {
                let known = |state: &String| target::STATES.iter().any(|(name, _)| name == state);
                let unknown = self.active_connection_states.iter().find(|state| !known(state));
                return match unknown {
                    Some(state) => Err(Failure::new(format!(
                        "unknown active_connection_state ({state}) defined"
                    ))),
                    None => self.regex().map(|_| ()),
                };
            }
        };
        Err(Failure::new(fault))
    }

    fn regex(&self) -> Result<Option<Regex>, Failure> {
        let compile = |pattern: &String| {
            Regex::new(&format!("(?m){pattern}")).map_err(|error| {
                Failure::new(format!(
                    "search_regex `{pattern}` is not a regular expression: {error}"
                ))
            })
        };
        self.search_regex.as_ref().map(compile).transpose()
    }

    /// Looks until it is as wanted; `None` when the time is up.
    fn wait(&self, host: &dyn System, start: SystemTime) -> Result<Option<Found>, Failure> {
        let target = Target { wanted: self, regex: self.regex()?, host };
        host.sleep(Duration::from_secs(self.delay))?;
        if self.port.is_none() && self.path.is_none() {
            host.sleep(Duration::from_secs(self.timeout))?;
            return Ok(Some(Found::default()));
        }
        let end = start + Duration::from_secs(self.timeout);
        loop {
            let left = end.duration_since(host.now()).unwrap_or_default();
            let found = target.look(left)?;
            if found.is_some() || left.is_zero() {
                return Ok(found);
            }
            let left = end.duration_since(host.now()).unwrap_or_default();
            host.sleep(Duration::from_secs(self.sleep).min(left))?;
        }
    }

    fn timeout_message(&self) -> String {
        let place = match (&self.path, self.port) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(port)) => format!("{}:{port}", self.host),
            (None, None) => self.host.clone(),
        };
        match (self.state, &self.search_regex) {
            (State::Stopped | State::Absent, _) if self.path.is_none() => {
                format!("Timeout when waiting for {place} to stop.")
            }
            (State::Stopped | State::Absent, _) => {
                format!("Timeout when waiting for {place} to be absent.")
            }
            (State::Drained, _) => format!("Timeout when waiting for {place} to drain"),
            (_, Some(regex)) => {
                format!("Timeout when waiting for search string {regex} in {place}")
            }
            (_, None) if self.path.is_some() => format!("Timeout when waiting for file {place}"),
            (_, None) => format!("Timeout when waiting for {place}"),
        }
    }
}
