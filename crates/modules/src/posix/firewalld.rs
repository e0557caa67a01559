//! `firewalld`: services, ports and other settings of firewalld's zones, through `firewall-cmd`; through
//! `firewall-offline-cmd` while firewalld does not run.

use model::{Args, Diff};
use serde_json::json;
use system::{Command, Output, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

choices! {
    /// What is wanted of a setting, or of a zone.
    pub enum State {
        /// The zone is not there.
        Absent = "absent",
        /// The setting does not hold.
        Disabled = "disabled",
        /// The setting holds.
        Enabled = "enabled",
        /// The zone is there.
        Present = "present",
    }
}

choices! {
    /// What becomes of what no setting allows.
    pub enum Target {
        /// What firewalld does by itself.
        Default = "default",
        /// It is let in.
        Accept = "ACCEPT",
        /// It is forgotten.
        Drop = "DROP",
        /// It is refused.
        Reject = "%%REJECT%%",
    }
}

arguments! {
    /// Manages services, ports and other settings of firewalld's zones.
    pub struct Firewalld {
        /// What is wanted.
        pub state: State,
        /// The zone; the default zone when not said.
        pub zone: Option<String>,
        /// A service that firewalld knows.
        pub service: Option<String>,
        /// A port or a range of ports: `80/tcp`, `161-162/udp`.
        pub port: Option<String>,
        /// A protocol.
        pub protocol: Option<String>,
        /// Addresses that belong to the zone.
        pub source: Option<String>,
        /// An interface that belongs to the zone.
        pub interface: Option<String>,
        /// A rule in firewalld's rich language.
        pub rich_rule: Option<String>,
        /// A kind of ICMP message that is blocked.
        pub icmp_block: Option<String>,
        /// Block all kinds but those.
        pub icmp_block_inversion: Option<bool>,
        /// Hide addresses behind the zone's own.
        pub masquerade: Option<bool>,
        /// Forward inside of the zone.
        pub forward: Option<bool>,
        /// A port that is forwarded: `port`, `proto`, `toport` and perhaps `toaddr`.
        pub port_forward: Vec<Args>,
        /// What becomes of what no setting allows.
        pub target: Option<Target>,
        /// In the configuration that outlives a restart.
        pub permanent: bool { default: false },
        /// In the running firewalld; so, too, when it is not permanent.
        pub immediate: bool { default: false },
        /// Leave the running firewalld out when none runs.
        pub offline: bool { default: false },
        /// Seconds after which it ends, when it is not permanent.
        pub timeout: u32 { default: 0 },
    }
    mutually_exclusive: [&[
        "icmp_block", "icmp_block_inversion", "service", "protocol", "port", "port_forward", "rich_rule",
        "interface", "forward", "masquerade", "source", "target"
    ]];
}

/// One of the two configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The running one.
    Runtime,
    /// The one in files, through firewalld.
    Permanent,
    /// The one in files, while firewalld does not run.
    Offline,
}

/// What is managed.
enum Setting {
    /// Something that is added and removed: firewalld's word, its value, and what it is called in messages.
    Entry {
        word: &'static str,
        value: Option<String>,
        is_wanted: bool,
        shown: String,
    },
    Target(Target),
    Zone {
        is_wanted: bool,
    },
}

/// Commands, and what they change.
pub(crate) struct Work {
    commands: Vec<Command>,
    before: String,
    after: String,
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state("firewalld", json!(self.before), json!(self.after))])
    }
}

impl Module for Firewalld {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        let setting = self.setting()?;
        let sides = self.sides(host, &setting)?;
        let operation = match sides.as_slice() {
            [_, _] => "Permanent and Non-Permanent(immediate) operation",
            [Side::Runtime] => "Non-permanent operation",
            _ => "Permanent operation",
        };
        let mut message = operation.to_owned();
        let mut work = Work { commands: Vec::new(), before: String::new(), after: String::new() };
        for side in sides {
            work.commands.extend(self.repair(&setting, side, host)?);
        }
        if work.commands.is_empty() {
            result.insert("msg".into(), message.into());
            return Ok(Check::InSync);
        }
        let (name, before, after) = self.words(&setting);
        message.push_str(&format!(", Changed {name} to {after}"));
        result.insert("msg".into(), message.into());
        (work.before, work.after) = (format!("{name}: {before}"), format!("{name}: {after}"));
        Ok(Check::Drift(work))
    }

    fn apply(&self, work: Work, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        for command in &work.commands {
            let output = host.run(command)?;
            if !output.is_success() {
                return Err(failure(&output));
            }
        }
        Ok(())
    }
}

fn failure(output: &Output) -> Failure {
    tool::failure(output, "ERROR: Exception caught: ")
}

impl Firewalld {
    fn setting(&self) -> Result<Setting, Failure> {
        let is_wanted = matches!(self.state, State::Enabled | State::Present);
        let entry = |word, value: &Option<String>, name: &str| {
            value.clone().map(|value| {
                let shown = format!("{name} {value}");
                Setting::Entry { word, value: Some(value), is_wanted, shown }
            })
        };
        let flag = |word: &'static str, value: Option<bool>, name: &str| {
            let value = value?;
            let is_wanted = is_wanted == value;
            Some(Setting::Entry { word, value: None, is_wanted, shown: name.to_owned() })
        };
        let found = entry("service", &self.service, "service")
            .or_else(|| entry("port", &self.port, "port"))
            .or_else(|| entry("protocol", &self.protocol, "protocol"))
            .or_else(|| entry("source", &self.source, "source"))
            .or_else(|| entry("interface", &self.interface, "interface"))
            .or_else(|| entry("rich-rule", &self.rich_rule, "rich_rule"))
            .or_else(|| entry("icmp-block", &self.icmp_block, "icmp-block"))
            .or_else(|| {
                flag("icmp-block-inversion", self.icmp_block_inversion, "icmp-block-inversion")
            })
            .or_else(|| flag("masquerade", self.masquerade, "masquerade"))
            .or_else(|| flag("forward", self.forward, "forward"));
        let found = match found {
            Some(found) => Some(found),
            None => self.forwarded(is_wanted)?,
        };
        if let Some(found) = found {
            if matches!(self.state, State::Absent | State::Present) {
                return Err(Failure::new(
                    "absent and present state can only be used in zone level operations",
                ));
            }
            self.validate(&found)?;
            return Ok(found);
        }
        if let Some(target) = self.target {
            return Ok(Setting::Target(if is_wanted { target } else { Target::Default }));
        }
        match (self.state, &self.zone) {
            (State::Present | State::Absent, Some(_)) => Ok(Setting::Zone { is_wanted }),
            _ => Err(Failure::new(
                "say a setting (service, port, ...), or a zone with state `present` or `absent`",
            )),
        }
    }

    fn validate(&self, setting: &Setting) -> Result<(), Failure> {
        if let Some(port) = self.port.as_deref().filter(|port| !is_port(port)) {
            return Err(Failure::new(format!(
                "improper port format (missing protocol?): `{port}` is not PORT/PROTOCOL or PORT-PORT/PROTOCOL"
            )));
        }
        let Setting::Entry { value: Some(value), .. } = setting else { return Ok(()) };
        if value.is_empty() || value.contains(['\n', '\0']) {
            return Err(Failure::new(format!("`{value}` is no setting of firewalld")));
        }
        if self.timeout > 0 && self.permanent {
            return Err(Failure::new("what is permanent has no timeout"));
        }
        Ok(())
    }

    fn forwarded(&self, is_wanted: bool) -> Result<Option<Setting>, Failure> {
        let rule = match self.port_forward.as_slice() {
            [] => return Ok(None),
            [rule] => rule,
            _ => return Err(Failure::new("Only one port forward supported at a time")),
        };
        let text = |key: &str| rule.get(key).map(crate::arguments::python_text);
        let needed = |key: &str| {
            text(key)
                .ok_or_else(|| Failure::new(format!("{key} must be specified for port forward")))
        };
        let (port, proto, to) = (needed("port")?, needed("proto")?, needed("toport")?);
        let mut value = format!("port={port}:proto={proto}:toport={to}");
        if let Some(address) = text("toaddr") {
            value.push_str(&format!(":toaddr={address}"));
        }
        let shown = format!("port_forward {value}");
        Ok(Some(Setting::Entry { word: "forward-port", value: Some(value), is_wanted, shown }))
    }

    /// The configurations that are meant.
    fn sides(&self, host: &dyn Probe, setting: &Setting) -> Result<Vec<Side>, Failure> {
        if !matches!(setting, Setting::Entry { .. }) && (!self.permanent || self.immediate) {
            return Err(Failure::new(match setting {
                Setting::Target(_) => "Zone target operations must be permanent, and not immediate",
                _ => {
                    "Zone operations must be permanent. Make sure you didn't set the 'permanent' flag to 'false' or the 'immediate' flag to 'true'."
                }
            }));
        }
        let wants_now = self.immediate || !self.permanent;
        let is_running = host.query(&Command::new("firewall-cmd", ["--state"]))?.is_success();
        if is_running {
            let sides = [(self.permanent, Side::Permanent), (wants_now, Side::Runtime)];
            return Ok(sides.iter().filter(|(on, _)| *on).map(|(_, side)| *side).collect());
        }
        if wants_now && !(self.permanent && self.offline) {
            return Err(Failure::new(
                "firewalld is not currently running, unable to perform immediate actions without a running firewall daemon",
            ));
        }
        Ok(vec![Side::Offline])
    }

    fn in_zone(&self, word: String) -> Vec<String> {
        self.zone.iter().map(|zone| format!("--zone={zone}")).chain([word]).collect()
    }

    /// What a configuration needs to be as it shall be.
    fn repair(
        &self,
        setting: &Setting,
        side: Side,
        host: &dyn Probe,
    ) -> Result<Option<Command>, Failure> {
        let ask = |words: &[String]| Ok::<_, Failure>(host.query(&command(side, words))?);
        match setting {
            Setting::Entry { word, value, is_wanted, .. } => {
                let option = |verb: &str| match value {
                    Some(value) => format!("--{verb}-{word}={value}"),
                    None => format!("--{verb}-{word}"),
                };
                let output = ask(&self.in_zone(option("query")))?;
                let holds = match output.status {
                    0 => true,
                    1 => false,
                    _ => return Err(failure(&output)),
                };
                if holds == *is_wanted {
                    return Ok(None);
                }
                let verb = match is_wanted {
                    // It may belong to another zone by now.
                    true if *word == "interface" => "change",
                    true => "add",
                    false => "remove",
                };
                let mut words = self.in_zone(option(verb));
                if self.timeout > 0 && *is_wanted && side == Side::Runtime {
                    words.push(format!("--timeout={}", self.timeout));
                }
                Ok(Some(command(side, &words)))
            }
            Setting::Target(target) => {
                let output = ask(&self.in_zone("--get-target".to_owned()))?;
                if !output.is_success() {
                    return Err(failure(&output));
                }
                let word = target.as_str();
                let is_set = output.stdout_text().trim() == word;
                let words = self.in_zone(format!("--set-target={word}"));
                Ok((!is_set).then(|| command(side, &words)))
            }
            Setting::Zone { is_wanted } => {
                let output = ask(&["--get-zones".to_owned()])?;
                if !output.is_success() {
                    return Err(failure(&output));
                }
                let zone = self.zone.as_deref().unwrap_or_default();
                let is_there = output.stdout_text().split_whitespace().any(|known| known == zone);
                let verb = if *is_wanted { "new" } else { "delete" };
                let word = format!("--{verb}-zone={zone}");
                Ok((is_there != *is_wanted).then(|| command(side, &[word])))
            }
        }
    }

    /// What the setting is called, and both of its states.
    fn words(&self, setting: &Setting) -> (String, &'static str, &'static str) {
        let zone = self.zone.as_deref().unwrap_or("default");
        match setting {
            Setting::Entry { shown, is_wanted: true, .. } => (shown.clone(), "disabled", "enabled"),
            Setting::Entry { shown, .. } => (shown.clone(), "enabled", "disabled"),
            Setting::Target(target) => (format!("target of zone {zone}"), "other", target.as_str()),
            Setting::Zone { is_wanted: true } => (format!("zone {zone}"), "absent", "present"),
            Setting::Zone { .. } => (format!("zone {zone}"), "present", "absent"),
        }
    }
}

fn command(side: Side, words: &[String]) -> Command {
    let program = if side == Side::Offline { "firewall-offline-cmd" } else { "firewall-cmd" };
    let mut args = Vec::new();
    if side == Side::Permanent {
        args.push("--permanent".to_owned());
    }
    args.extend_from_slice(words);
    let mut command = Command::new(program, args);
    command.environment.insert("LC_ALL".to_owned(), "C.UTF-8".to_owned());
    command
}

/// `80/tcp`, `161-162/udp`.
fn is_port(text: &str) -> bool {
    let Some((ports, protocol)) = text.split_once('/') else { return false };
    let is_number = |text: &str| text.parse::<u16>().is_ok();
    !protocol.is_empty()
        && match ports.split_once('-') {
            Some((first, last)) => is_number(first) && is_number(last),
            None => is_number(ports),
        }
}
