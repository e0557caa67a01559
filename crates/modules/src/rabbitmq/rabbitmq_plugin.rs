//! `rabbitmq_plugin`: plugins of RabbitMQ, enabled and disabled.

use std::collections::BTreeSet;

use model::{Args, Diff};
use serde_json::json;
use system::{Command, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

choices! {
    /// Whether plugins shall be enabled.
    pub enum Enabled {
        /// They shall not.
        Disabled = "disabled",
        /// They shall.
        Enabled = "enabled",
    }
}

choices! {
    /// Whether the broker runs.
    pub enum BrokerState {
        /// It need not.
        Offline = "offline",
        /// It does.
        Online = "online",
    }
}

arguments! {
    /// Enables and disables plugins of RabbitMQ.
    pub struct RabbitmqPlugin {
        /// The plugins.
        pub names: Vec<String> { aliases: ["name"], required },
        /// Only enable those that are missing: leave others enabled.
        pub new_only: bool { default: false },
        /// Whether they shall be enabled.
        pub state: Enabled { default: "enabled" },
        /// Whether the broker is told, or reads it when it starts.
        pub broker_state: BrokerState { default: "online" },
        /// Where RabbitMQ is installed.
        pub prefix: Option<String>,
    }
}

/// Plugins to be changed.
pub(crate) struct PluginChange {
    enable: Vec<String>,
    disable: Vec<String>,
    before: BTreeSet<String>,
}

impl Change for PluginChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let mut after = self.before.clone();
        after.extend(self.enable.iter().cloned());
        after.retain(|name| !self.disable.contains(name));
        Ok(vec![diff::state("plugins", json!(self.before), json!(after))])
    }
}

impl Module for RabbitmqPlugin {
    type Change = PluginChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<PluginChange>, Failure> {
        let names: BTreeSet<String> =
            self.names.iter().map(|name| name.trim().to_owned()).collect();
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let is_name = |name: &&String| {
            !name.is_empty() && !name.starts_with('-') && name.chars().all(is_word)
        };
        if let Some(odd) = names.iter().find(|name| !is_name(name)) {
            return Err(Failure::new(format!("`{odd}` is no name of a plugin")));
        }
        let before = self.enabled(host)?;
        let (enable, disable): (Vec<String>, Vec<String>) = match self.state {
            Enabled::Enabled => (
                names.difference(&before).cloned().collect(),
                before.difference(&names).filter(|_| !self.new_only).cloned().collect(),
            ),
            Enabled::Disabled => (Vec::new(), before.intersection(&names).cloned().collect()),
        };
        result.insert("enabled".into(), json!(enable));
        result.insert("disabled".into(), json!(disable));
        if enable.is_empty() && disable.is_empty() {
            return Ok(Check::InSync);
        }
        Ok(Check::Drift(PluginChange { enable, disable, before }))
    }

    fn apply(&self, change: PluginChange, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        for (verb, names) in [("enable", change.enable), ("disable", change.disable)] {
            for name in names {
                let state = format!("--{}", self.broker_state.as_str());
                tool::run(host, &self.command([verb, state.as_str(), name.as_str()]))?;
            }
        }
        Ok(())
    }
}

impl RabbitmqPlugin {
    fn command<const N: usize>(&self, words: [&str; N]) -> Command {
        let program = match &self.prefix {
            Some(prefix) => format!("{}/sbin/rabbitmq-plugins", prefix.trim_end_matches('/')),
            None => "rabbitmq-plugins".to_owned(),
        };
        Command::new(program, words)
    }

    /// The plugins that were enabled by name.
    fn enabled(&self, host: &dyn Probe) -> Result<BTreeSet<String>, Failure> {
        let output = host.query(&self.command(["list", "-E", "-m"]))?;
        if !output.is_success() {
            return Err(tool::failure(&output, ""));
        }
        let text = output.stdout_text();
        let is_name = |line: &&str| !line.is_empty() && !line.contains(char::is_whitespace);
        Ok(text.lines().map(str::trim).filter(is_name).map(str::to_owned).collect())
    }
}
