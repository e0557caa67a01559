//! `sysvinit`: services that are scripts in /etc/init.d, whatever else manages services here.

use model::Args;
use system::{Probe, System};

use crate::arguments::arguments;
use crate::contract::{Check, Failure, Module};
use crate::service::{Service, ServiceChange};
use crate::systemd::State;

arguments! {
    /// Starts, stops, restarts and enables services by their scripts.
    pub struct Sysvinit {
        /// The service.
        pub name: String { aliases: ["service"] },
        /// What it does.
        pub state: Option<State>,
        /// Whether it starts with the machine.
        pub enabled: Option<bool>,
        /// Seconds between stop and start when it is restarted.
        pub sleep: u64 { default: 1 },
        /// A text in the command line of a running process that shows that it runs, for scripts without `status`.
        pub pattern: Option<String>,
        /// The runlevels that it shall, or shall not, start in.
        pub runlevels: Vec<String>,
        /// Words that follow on the command line of the script.
        pub arguments: Option<String> { aliases: ["args"] },
        /// Accepted: what a script leaves running is never waited for.
        pub daemonize: bool { default: false },
    }
    required_one_of: [&["state", "enabled"]];
}

impl Module for Sysvinit {
    type Change = ServiceChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<ServiceChange>, Failure> {
        self.service().check(host, result)
    }

    fn apply(
        &self,
        change: ServiceChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        self.service().apply(change, host, result)
    }
}

impl Sysvinit {
    fn service(&self) -> Service {
        Service {
            sleep: Some(self.sleep),
            pattern: self.pattern.clone(),
            arguments: self.arguments.clone(),
            ..Service::of_script(&self.name, self.state, self.enabled, &self.runlevels)
        }
    }
}
