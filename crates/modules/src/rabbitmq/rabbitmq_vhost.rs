//! `rabbitmq_vhost`: virtual hosts of RabbitMQ.

use std::path::PathBuf;

use model::{Args, Diff, Secret};
use serde_json::{Value, json};
use system::{Command, Probe, System};

use crate::arguments::{Presence, arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

choices! {
    /// How the management API is reached.
    pub enum Protocol {
        /// In the clear.
        Http = "http",
        /// With TLS.
        Https = "https",
    }
}

arguments! {
    /// Adds, traces and deletes virtual hosts, through `rabbitmqctl` on the broker's host.
    pub struct RabbitmqVhost {
        /// Its name.
        pub name: String { aliases: ["vhost"] },
        /// The name of the broker's node.
        pub node: String { default: "rabbit" },
        /// Whether its messages are traced.
        pub tracing: bool { aliases: ["trace"], default: false },
        /// Whether it shall be there.
        pub state: Presence { default: "present" },
        /// The host of a management API: not supported.
        pub login_host: Option<String>,
        /// Its port.
        pub login_port: String { default: "15672" },
        /// How it is reached.
        pub login_protocol: Protocol { default: "http" },
        /// Its user.
        pub login_user: Option<String>,
        /// Its user's password.
        pub login_password: Option<Secret<String>>,
        /// The authority of its certificate.
        pub ca_cert: Option<PathBuf>,
        /// A certificate of one's own.
        pub client_cert: Option<PathBuf>,
        /// The key of that.
        pub client_key: Option<PathBuf>,
    }
}

/// What is to be done, in order.
pub(crate) struct VhostChange {
    steps: Vec<Vec<String>>,
    before: Value,
    after: Value,
}

impl Change for VhostChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state("vhost", self.before.clone(), self.after.clone())])
    }
}

impl Module for RabbitmqVhost {
    type Change = VhostChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<VhostChange>, Failure> {
        if self.login_host.is_some() {
            return Err(Failure::new(
                "login_host: the management API is not supported; run the task on the broker's host without it",
            ));
        }
        if self.name.is_empty() || self.name.contains(char::is_control) {
            return Err(Failure::new("the name of a virtual host is one line and not empty"));
        }
        result.insert("name".into(), self.name.clone().into());
        result.insert("state".into(), self.state.as_str().into());
        let tracing = self.tracing_now(host)?;
        let side = |tracing: Option<bool>| match tracing {
            Some(tracing) => json!({ "name": self.name, "tracing": tracing }),
            None => json!({}),
        };
        let step = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let name = self.name.as_str();
        let mut steps = Vec::new();
        if self.state.is_present() {
            if tracing.is_none() {
                steps.push(step(&["add_vhost", "--", name]));
            }
            if tracing.unwrap_or(false) != self.tracing {
                let verb = if self.tracing { "trace_on" } else { "trace_off" };
                steps.push(vec![verb.to_owned(), format!("--vhost={name}")]);
            }
        } else if tracing.is_some() {
            steps.push(step(&["delete_vhost", "--", name]));
        }
        if steps.is_empty() {
            return Ok(Check::InSync);
        }
        let after = side(self.state.is_present().then_some(self.tracing));
        Ok(Check::Drift(VhostChange { steps, before: side(tracing), after }))
    }

    fn apply(&self, change: VhostChange, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        change.steps.into_iter().try_for_each(|words| {
            host.keep_going()?;
            tool::run(host, &self.command(words)).map(drop)
        })
    }
}

impl RabbitmqVhost {
    fn command(&self, words: Vec<String>) -> Command {
        let own = ["-q".to_owned(), "-n".to_owned(), self.node.clone()];
        Command::new("rabbitmqctl", own.into_iter().chain(words))
    }

    /// Whether its messages are traced; `None`: it is not there.
    fn tracing_now(&self, host: &dyn Probe) -> Result<Option<bool>, Failure> {
        let words = ["list_vhosts", "name", "tracing"].map(str::to_owned).to_vec();
        let output = host.query(&self.command(words))?;
        if !output.is_success() {
            return Err(tool::failure(&output, ""));
        }
        let text = output.stdout_text();
        let found = text.lines().find_map(|line| {
            let (name, tracing) = line.rsplit_once('\t')?;
            (name == self.name).then_some(tracing.trim() == "true")
        });
        Ok(found)
    }
}
