//! `seboolean`: switches of SELinux's policy.

use std::path::Path;

use model::{Args, Diff};
use serde_json::json;
use system::{Command, Probe, System};

use crate::arguments::arguments;
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

arguments! {
    /// Sets switches of SELinux's policy.
    pub struct Seboolean {
        /// The switch.
        pub name: String,
        /// On or off.
        pub state: bool,
        /// Also after a restart.
        pub persistent: bool { default: false },
        /// Where SELinux cannot be asked, e.g. in a chroot.
        pub ignore_selinux_state: bool { default: false },
    }
}

/// The switch is to be set.
pub(crate) struct Switch {
    command: Command,
    is_on: bool,
}

impl Change for Switch {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state("seboolean", json!(!self.is_on), json!(self.is_on))])
    }
}

impl Module for Seboolean {
    type Change = Switch;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Switch>, Failure> {
        let name = &self.name;
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
        if name.is_empty() || name.starts_with('-') || !name.chars().all(is_name) {
            return Err(Failure::new(format!("`{name}` cannot be the name of a SELinux boolean")));
        }
        let runs = host.stat(Path::new("/sys/fs/selinux/enforce"), true)?.is_some();
        if !runs && !self.ignore_selinux_state {
            return Err(Failure::new("SELinux is disabled on this host."));
        }
        result.insert("name".into(), name.clone().into());
        result.insert("persistent".into(), self.persistent.into());
        result.insert("state".into(), self.state.into());
        let is_now = if runs { Some(self.is_on_now(host)?) } else { None };
        let is_kept = if self.persistent { self.is_on_after_restart(host)? } else { None };
        let differs = |found: Option<bool>| found.is_some_and(|found| found != self.state);
        let is_unknown = self.persistent && is_kept.is_none();
        if !differs(is_now) && !differs(is_kept) && !is_unknown {
            return Ok(Check::InSync);
        }
        let value = if self.state { "on" } else { "off" };
        let mut words = Vec::new();
        if self.persistent {
            words.push("-P");
        }
        if !runs {
            words.push("-N");
        }
        words.extend([name.as_str(), value]);
        Ok(Check::Drift(Switch { command: Command::new("setsebool", words), is_on: self.state }))
    }

    fn apply(&self, switch: Switch, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        let output = host.run(&switch.command)?;
        if output.is_success() {
            return Ok(());
        }
        Err(tool::failure(&output, &format!("Failed to set boolean {}: ", self.name)))
    }
}

impl Seboolean {
    fn is_on_now(&self, host: &dyn Probe) -> Result<bool, Failure> {
        let output = host.query(&Command::new("getsebool", [self.name.as_str()]))?;
        let text = output.stdout_text();
        // A change that was made and not committed yet is shown behind the arrow's end.
        match text.split_whitespace().nth(2).filter(|_| output.is_success()) {
            Some("on") => Ok(true),
            Some("off") => Ok(false),
            _ => Err(tool::failure(
                &output,
                &format!("SELinux boolean {} does not exist: ", self.name),
            )),
        }
    }

    /// `None`: it is in no list, or there is no program that lists them.
    fn is_on_after_restart(&self, host: &dyn Probe) -> Result<Option<bool>, Failure> {
        if tool::find(host, "semanage").is_none() {
            return Ok(if self.ignore_selinux_state { None } else { Some(self.is_on_now(host)?) });
        }
        let output = host.query(&Command::new("semanage", ["boolean", "-l", "-n"]))?;
        if !output.is_success() {
            return Err(tool::failure(&output, "Failed to list SELinux booleans: "));
        }
        let text = output.stdout_text();
        // NAME (now , after a restart) description
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(&self.name));
        let states = line.and_then(|line| line.split_once('(')?.1.split_once(')'));
        let kept =
            states.and_then(|(states, _)| states.split_once(',')).map(|(_, kept)| kept.trim());
        Ok(kept.map(|word| word == "on"))
    }
}
