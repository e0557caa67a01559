//! `package`: packages through whatever manages them here.

use model::{Outcome, Step};
use serde_json::Value;
use system::System;

use crate::apt::Apt;
use crate::arguments::arguments;
use crate::dnf::{Dnf, Dnf5};
use crate::runner::{Examined, Purpose, run_module};

arguments! {
    /// Installs and removes packages with the system's own package manager, whose other arguments it also takes.
    pub struct Package {
        /// The packages.
        pub name: Vec<String> { required },
        /// What is wanted of them: `present`, `absent`, `latest`, or what else the package manager knows.
        pub state: String { required },
        /// The package manager; found out when not said.
        pub manager: String { named: "use", default: "auto" },
    }
}

/// Runs the step as one of the package manager's own module.
pub(crate) fn run(step: &Step, system: &dyn System, purpose: Purpose) -> Examined {
    let mut step = step.clone();
    let given = step.args.shift_remove("use");
    let found = match given.as_ref().and_then(Value::as_str) {
        None | Some("auto") => facts::package_manager(system, &facts::distribution(system)),
        Some(manager) => manager.rsplit('.').next().unwrap_or(manager),
    };
    let message = match found {
        "apt" => return run_module::<Apt>(&step, system, purpose),
        "dnf" | "yum" | "dnf4" | "yum4" => return run_module::<Dnf>(&step, system, purpose),
        "dnf5" => return run_module::<Dnf5>(&step, system, purpose),
        "unknown" => "Could not detect which package manager to use. Try gathering facts or setting the \"use\" option.".to_owned(),
        other => format!("the package manager `{other}` is not supported yet"),
    };
    Examined { outcome: Outcome::failed(message), answer: None }
}
