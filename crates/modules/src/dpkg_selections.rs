//! `dpkg_selections`: what dpkg shall do with a package: install, hold, deinstall or purge it.

use model::{Args, Diff, Secret};
use serde_json::json;
use system::{Command, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

choices! {
    /// What is wanted for a package.
    pub enum Selection {
        /// It is to be removed, its configuration stays.
        Deinstall = "deinstall",
        /// It is kept as it is.
        Hold = "hold",
        /// It is to be installed.
        Install = "install",
        /// It is to be removed with its configuration.
        Purge = "purge",
    }
}

arguments! {
    /// Changes what is wanted for a package, e.g. keeps it from being upgraded.
    pub struct DpkgSelections {
        /// The package.
        pub name: String,
        /// What is wanted for it.
        pub selection: Selection { required },
    }
}

/// What was wanted before.
#[derive(Debug)]
pub(crate) struct SelectionChange {
    name: String,
    before: String,
    after: &'static str,
}

impl Change for SelectionChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let (before, after) = (json!({"selection": self.before}), json!({"selection": self.after}));
        Ok(vec![diff::state(&self.name, before, after)])
    }
}

impl Module for DpkgSelections {
    type Change = SelectionChange;

    fn check(
        &self,
        host: &dyn Probe,
        result: &mut Args,
    ) -> Result<Check<SelectionChange>, Failure> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "+-.:".contains(c);
        if self.name.starts_with('-') || !self.name.chars().all(is_name) {
            return Err(Failure::new(format!("`{}` is no name of a package", self.name)));
        }
        let output = host.query(&Command::new("dpkg", ["--get-selections", &self.name]))?;
        if !output.is_success() {
            return Err(tool::failure(&output, ""));
        }
        let text = output.stdout_text();
        let after = self.selection.as_str();
        let Some(before) = text.split_whitespace().nth(1).map(str::to_owned) else {
            return Err(Failure::new(format!(
                "Failed to find package '{}' to perform selection '{after}'.",
                self.name
            )));
        };
        result.insert("before".into(), before.clone().into());
        result.insert("after".into(), after.into());
        if before == after {
            return Ok(Check::InSync);
        }
        Ok(Check::Drift(SelectionChange { name: self.name.clone(), before, after }))
    }

    fn apply(
        &self,
        change: SelectionChange,
        host: &dyn System,
        _: &mut Args,
    ) -> Result<(), Failure> {
        let mut command = Command::new("dpkg", ["--set-selections"]);
        let line = format!("{} {}\n", change.name, change.after);
        command.stdin = Some(Secret::new(line.into_bytes()));
        let output = tool::run(host, &command)?;
        // It also succeeds for packages that it does not know.
        if output.stderr_text().contains("not in database") {
            return Err(tool::failure(&output, ""));
        }
        Ok(())
    }
}
