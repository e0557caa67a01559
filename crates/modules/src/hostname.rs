//! `hostname`: the host's name, now and after the next boot.

use std::path::Path;

use model::{Args, Diff};
use serde_json::{Value, json};
use system::{Attributes, Command, Probe, System, WriteFile};

use crate::arguments::arguments;
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

arguments! {
    /// Sets the host's name.
    pub struct Hostname {
        /// The name.
        pub name: String,
        /// How it is set. On every Linux it is /etc/hostname and the kernel's own name here.
        pub _strategy: Option<String> { named: "use" },
    }
}

const FILE: &str = "/etc/hostname";
const KERNEL: &str = "/proc/sys/kernel/hostname";
const LIMIT: u64 = 4096;

/// The names that differ.
#[derive(Debug)]
pub(crate) struct NameChange {
    current: String,
    wanted: String,
    permanent: String,
}

impl Change for NameChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let before = format!(
            "hostname = {}\n",
            if self.current == self.wanted { &self.permanent } else { &self.current }
        );
        let after = format!("hostname = {}\n", self.wanted);
        Ok(vec![diff::file(Path::new(FILE), Some(before.as_bytes()), Some(after.as_bytes()))])
    }
}

impl Module for Hostname {
    type Change = NameChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<NameChange>, Failure> {
        self.validate()?;
        let read = |path: &str| -> Result<String, Failure> {
            let text = host.read(Path::new(path), LIMIT)?.unwrap_or_default();
            Ok(String::from_utf8_lossy(&text).trim().to_owned())
        };
        let change = NameChange {
            current: read(KERNEL)?,
            wanted: self.name.clone(),
            permanent: read(FILE)?,
        };
        result.insert("name".to_owned(), self.name.clone().into());
        result.insert("ansible_facts".to_owned(), self.facts());
        let is_drift = change.current != self.name || change.permanent != self.name;
        Ok(if is_drift { Check::Drift(change) } else { Check::InSync })
    }

    fn apply(&self, change: NameChange, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        if change.permanent != self.name {
            host.write(WriteFile {
                path: Path::new(FILE),
                content: &mut format!("{}\n", self.name).as_bytes(),
                attributes: Attributes { mode: Some(0o644), ..Attributes::default() },
                validate: None,
                // In containers it is often a mount point.
                in_place: true,
            })?;
        }
        if change.current != self.name {
            tool::run(host, &Command::new("hostname", ["--", self.name.as_str()]))?;
        }
        Ok(())
    }
}

impl Hostname {
    fn validate(&self) -> Result<(), Failure> {
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        };
        if self.name.len() > 64 {
            return Err(Failure::new(
                "name cannot be longer than 64 characters on Linux servers, try a shorter name",
            ));
        }
        if !self.name.split('.').all(is_label) {
            let name = self.name.escape_debug();
            return Err(Failure::new(format!(
                "`{name}` is not a host name: letters, digits and hyphens, in parts separated by dots"
            )));
        }
        Ok(())
    }

    fn facts(&self) -> Value {
        let (short, domain) = self.name.split_once('.').unwrap_or((&self.name, ""));
        json!({
            "ansible_hostname": short,
            "ansible_nodename": self.name,
            "ansible_fqdn": self.name,
            "ansible_domain": domain,
        })
    }
}
