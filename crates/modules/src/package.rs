//! `package`: packages through whatever manages them here.

use model::Args;
use system::{Probe, System};

use crate::apt::{Apt, AptChange};
use crate::arguments::arguments;
use crate::contract::{Check, Failure, Module};

arguments! {
    /// Installs and removes packages with the system's own package manager, whose other arguments it also takes.
    pub struct Package {
        /// The package manager; found out when not said.
        pub manager: String { named: "use", default: "auto" },
        pub apt: Apt,
    }
}

impl Module for Package {
    type Change = AptChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<AptChange>, Failure> {
        let found = match self.manager.as_str() {
            "auto" => facts::package_manager(host, &facts::distribution(host)),
            manager => manager.rsplit('.').next().unwrap_or(manager),
        };
        match found {
            "apt" => self.apt.check(host, result),
            "unknown" => Err(Failure::new(
                "Could not detect which package manager to use. Try gathering facts or setting the \"use\" option.",
            )),
            other => {
                Err(Failure::new(format!("the package manager `{other}` is not supported yet")))
            }
        }
    }

    fn apply(
        &self,
        change: AptChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        self.apt.apply(change, host, result)
    }
}
