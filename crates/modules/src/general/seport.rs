//! `seport`: which type SELinux's policy gives to network ports.

use std::path::Path;

use model::{Args, Diff};
use serde_json::json;
use system::{Command, Probe, System};

use crate::arguments::{Presence, arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

choices! {
    /// Protocols.
    pub enum Protocol {
        /// TCP.
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
    }
}

arguments! {
    /// Gives network ports a type in SELinux's policy, for good.
    pub struct Seport {
        /// Ports and ranges of ports.
        pub ports: Vec<String> { required },
        /// The protocol.
        pub proto: Protocol,
        /// The type.
        pub setype: String,
        /// Whether they shall have it.
        pub state: Presence { default: "present" },
        /// Load the policy when it is changed.
        pub reload: bool { default: true },
        /// Where SELinux cannot be asked, e.g. in a chroot.
        pub ignore_selinux_state: bool { default: false },
        /// Look only at what was changed on this host.
        pub local: bool { default: false },
    }
}

/// What semanage is to do.
pub(crate) struct Work {
    commands: Vec<Command>,
    setype: String,
    before: Vec<String>,
    after: Vec<String>,
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state(&self.setype, json!(self.before), json!(self.after))])
    }
}

/// Ports of one type and protocol.
struct Entry {
    setype: String,
    proto: String,
    ports: Vec<String>,
}

impl Module for Seport {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        let ports = self.validate()?;
        let runs = host.stat(Path::new("/sys/fs/selinux/enforce"), true)?.is_some();
        if !runs && !self.ignore_selinux_state {
            return Err(Failure::new("SELinux is disabled on this host."));
        }
        result.insert("ports".into(), json!(ports));
        result.insert("proto".into(), self.proto.as_str().into());
        result.insert("setype".into(), self.setype.clone().into());
        result.insert(
            "state".into(),
            if self.state.is_present() { "present" } else { "absent" }.into(),
        );
        let entries = self.entries(host)?;
        let of_proto = || entries.iter().filter(|entry| entry.proto == self.proto.as_str());
        let before: Vec<String> = of_proto()
            .filter(|entry| entry.setype == self.setype)
            .flat_map(|entry| entry.ports.clone())
            .collect();
        let mut after = before.clone();
        let mut commands = Vec::new();
        for port in ports {
            let has_it = before.iter().any(|known| covers(known, &port));
            if self.state.is_present() && !has_it {
                // Within the range of another type it is an entry of its own.
                let is_other = of_proto().any(|entry| entry.ports.contains(&port));
                let verb = if is_other { "-m" } else { "-a" };
                commands.push(self.command(&[verb, "-t", &self.setype], &port));
                after.push(port);
            } else if !self.state.is_present() && before.contains(&port) {
                commands.push(self.command(&["-d"], &port));
                after.retain(|known| *known != port);
            }
        }
        if commands.is_empty() {
            return Ok(Check::InSync);
        }
        Ok(Check::Drift(Work { commands, setype: self.setype.clone(), before, after }))
    }

    fn apply(&self, work: Work, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        for command in &work.commands {
            let output = host.run(command)?;
            if !output.is_success() {
                return Err(tool::failure(
                    &output,
                    &format!("semanage {}: ", command.args.join(" ")),
                ));
            }
        }
        Ok(())
    }
}

/// Whether a port or range lies in another.
fn covers(outer: &str, inner: &str) -> bool {
    match (range(outer), range(inner)) {
        (Some((low, high)), Some((first, last))) => low <= first && last <= high,
        _ => false,
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some((first, last))
}

impl Seport {
    fn validate(&self) -> Result<Vec<String>, Failure> {
        let is_letter = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if self.setype.is_empty()
            || self.setype.starts_with('-')
            || !self.setype.chars().all(is_letter)
        {
            return Err(Failure::new(format!("`{}` cannot be a type of SELinux", self.setype)));
        }
        let ports: Vec<String> = self.ports.iter().map(|port| port.trim().to_owned()).collect();
        match ports.iter().find(|port| range(port).is_none()) {
            Some(port) => {
                Err(Failure::new(format!("`{port}` is neither a port nor a range of them")))
            }
            None => Ok(ports),
        }
    }

    /// The policy's ports: `type proto port, port-port, ...` a line.
    fn entries(&self, host: &dyn Probe) -> Result<Vec<Entry>, Failure> {
        let mut words = vec!["port", "-l", "-n"];
        words.extend(self.local.then_some("-C"));
        let output = host.query(&Command::new("semanage", words))?;
        if !output.is_success() {
            return Err(tool::failure(&output, "Failed to list SELinux ports: "));
        }
        let entry = |line: &str| {
            let mut words = line.split_whitespace();
            let (setype, proto) = (words.next()?.to_owned(), words.next()?.to_owned());
            let rest: String = words.collect();
            let ports = rest.split(',').map(str::to_owned).collect();
            Some(Entry { setype, proto, ports })
        };
        Ok(output.stdout_text().lines().filter_map(entry).collect())
    }

    fn command(&self, verb: &[&str], port: &str) -> Command {
        let mut words = vec!["port"];
        words.extend((!self.reload).then_some("-N"));
        words.extend(verb);
        words.extend(["-p", self.proto.as_str(), port]);
        Command::new("semanage", words)
    }
}
