//! `ufw`: rules and policies of the uncomplicated firewall.

use std::path::Path;

use model::{Args, Diff};
use serde_json::{Value, json};
use system::{Command, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

choices! {
    /// What becomes of packets.
    pub enum Policy {
        /// They pass.
        Allow = "allow",
        /// They are dropped.
        Deny = "deny",
        /// They are refused, and the sender hears of it.
        Reject = "reject",
    }
}

choices! {
    /// What becomes of packets that a rule meets.
    pub enum Rule {
        /// They pass.
        Allow = "allow",
        /// They are dropped.
        Deny = "deny",
        /// They pass, but for senders that try too often.
        Limit = "limit",
        /// They are refused, and the sender hears of it.
        Reject = "reject",
    }
}

choices! {
    /// The way of packets.
    pub enum Direction {
        /// To this host.
        In = "in",
        /// To this host, of a policy.
        Incoming = "incoming",
        /// From this host.
        Out = "out",
        /// From this host, of a policy.
        Outgoing = "outgoing",
        /// Through this host.
        Routed = "routed",
    }
}

choices! {
    /// What number a rule is counted from.
    pub enum Origin {
        /// The first rule for IPv4.
        FirstIpv4 = "first-ipv4",
        /// The first rule for IPv6.
        FirstIpv6 = "first-ipv6",
        /// The last rule for IPv4.
        LastIpv4 = "last-ipv4",
        /// The last rule for IPv6.
        LastIpv6 = "last-ipv6",
        /// The beginning.
        Zero = "zero",
    }
}

choices! {
    /// How much is logged.
    pub enum Logging {
        /// As much as before, or a little.
        On = "on",
        /// Nothing.
        Off = "off",
        /// Refused packets.
        Low = "low",
        /// New connections, too.
        Medium = "medium",
        /// All packets, with a limit.
        High = "high",
        /// All packets.
        Full = "full",
    }
}

choices! {
    /// The firewall as a whole.
    pub enum State {
        /// It is off, also when the machine starts.
        Disabled = "disabled",
        /// It is on, also when the machine starts.
        Enabled = "enabled",
        /// It reads its rules again.
        Reloaded = "reloaded",
        /// It is off, and has no rules.
        Reset = "reset",
    }
}

choices! {
    /// The protocol.
    pub enum Protocol {
        /// Any.
        Any = "any",
        /// TCP.
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
        /// IPv6 in IPv4.
        Ipv6 = "ipv6",
        /// ESP, of IPsec.
        Esp = "esp",
        /// AH, of IPsec.
        Ah = "ah",
        /// GRE.
        Gre = "gre",
        /// IGMP.
        Igmp = "igmp",
        /// VRRP.
        Vrrp = "vrrp",
    }
}

arguments! {
    /// Sets up the uncomplicated firewall.
    pub struct Ufw {
        /// The firewall as a whole.
        pub state: Option<State>,
        /// What becomes of packets that no rule meets.
        pub default: Option<Policy> { aliases: ["policy"] },
        /// The way of packets: of a rule `in` or `out`, of a policy `incoming`, `outgoing` or `routed`.
        pub direction: Option<Direction>,
        /// How much is logged.
        pub logging: Option<Logging>,
        /// Where the rule is inserted, counted from 1.
        pub insert: Option<i64>,
        /// What `insert` is counted from.
        pub insert_relative_to: Origin { default: "zero" },
        /// What becomes of the packets that the rule meets.
        pub rule: Option<Rule>,
        /// It is for packets that pass through this host.
        pub route: bool { default: false },
        /// New connections that it meets are logged.
        pub log: bool { default: false },
        /// The address that packets come from.
        pub from_ip: String { default: "any", aliases: ["from", "src"] },
        /// The port that they come from.
        pub from_port: Option<String>,
        /// The address that they go to.
        pub to_ip: String { default: "any", aliases: ["dest", "to"] },
        /// The port that they go to: a number, a name, or a range (`60000:61000`).
        pub to_port: Option<String> { aliases: ["port"] },
        /// The protocol.
        pub proto: Option<Protocol> { aliases: ["protocol"] },
        /// A profile of `/etc/ufw/applications.d`.
        pub name: Option<String> { aliases: ["app"] },
        /// Remove the rule.
        pub delete: bool { default: false },
        /// The interface, for the way that `direction` says.
        pub interface: Option<String> { aliases: ["if"] },
        /// The interface that packets come in by.
        pub interface_in: Option<String> { aliases: ["if_in"] },
        /// The interface that packets go out by.
        pub interface_out: Option<String> { aliases: ["if_out"] },
        /// A comment beside the rule.
        pub comment: Option<String>,
    }
    mutually_exclusive: [
        &["name", "proto", "logging"],
        &["direction", "interface_in"], &["direction", "interface_out"],
        &["interface", "interface_in"], &["interface", "interface_out"]
    ];
    required_one_of: [&["state", "default", "rule", "logging"]];
}

const LIMIT: u64 = 64 << 20;

/// The calls to make.
pub(crate) struct Work {
    commands: Vec<Vec<String>>,
    before: Value,
    after: Value,
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state("ufw", self.before.clone(), self.after.clone())])
    }
}

fn call<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new("ufw", words);
    command.environment.insert("LC_ALL".to_owned(), "C.UTF-8".to_owned());
    command
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The value of a setting in one of ufw's files.
fn setting(host: &dyn Probe, file: &str, name: &str) -> Result<String, Failure> {
    let bytes = host.read(Path::new(file), LIMIT)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let value =
        text.lines().rev().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
    Ok(value.unwrap_or_default().trim().trim_matches('"').to_lowercase())
}

/// The rules in a text of ufw's, each as ufw writes it down for itself.
fn tuples(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("### tuple ###")).collect()
}

impl Module for Ufw {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        if self.interface.is_some() && self.direction.is_none() {
            return Err(Failure::new("missing parameter(s) required by 'interface': direction"));
        }
        let status = tool::told(host, &call(["status", "verbose"]))?;
        result.insert("msg".into(), status.trim_end().into());
        let is_active = status.lines().any(|line| line.trim() == "Status: active");
        let mut commands = Vec::new();
        let mut acts = false;
        match self.state {
            Some(State::Enabled) if !is_active => commands.push(strings(&["-f", "enable"])),
            Some(State::Disabled) if is_active => commands.push(strings(&["-f", "disable"])),
            Some(state @ (State::Reloaded | State::Reset)) => {
                acts = true;
                let word = if state == State::Reset { "reset" } else { "reload" };
                commands.push(strings(&["-f", word]));
            }
            _ => {}
        }
        commands.extend(self.logging(host)?);
        commands.extend(self.policy(host)?);
        let mut rules = (Vec::new(), Vec::new());
        if let Some(rule) = self.rule {
            let words = self.words(rule, host)?;
            rules = rehearse(host, &words)?;
            if rules.0 != rules.1 {
                commands.push(words);
            }
        }
        let shown: Vec<Value> =
            commands.iter().map(|words| format!("ufw {}", words.join(" ")).into()).collect();
        result.insert("commands".into(), shown.clone().into());
        let before = json!({ "active": is_active, "rules": rules.0 });
        let after = json!({ "does": shown, "rules": rules.1 });
        let work = Work { commands, before, after };
        Ok(match (work.commands.is_empty(), acts) {
            (true, _) => Check::InSync,
            (false, true) => Check::Act(work),
            (false, false) => Check::Drift(work),
        })
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        for words in work.commands {
            tool::run(host, &call(words))?;
        }
        let status = tool::told(host, &call(["status", "verbose"]))?;
        result.insert("msg".into(), status.trim_end().into());
        Ok(())
    }
}

impl Ufw {
    fn logging(&self, host: &dyn Probe) -> Result<Option<Vec<String>>, Failure> {
        let Some(wanted) = self.logging else { return Ok(None) };
        let level = setting(host, "/etc/ufw/ufw.conf", "LOGLEVEL")?;
        let is_so = match wanted {
            Logging::On => !matches!(level.as_str(), "" | "off"),
            other => level == other.as_str(),
        };
        Ok((!is_so).then(|| strings(&["logging", wanted.as_str()])))
    }

    fn policy(&self, host: &dyn Probe) -> Result<Option<Vec<String>>, Failure> {
        let Some(wanted) = self.default else { return Ok(None) };
        let (name, word) = match self.direction {
            None => ("INPUT", None),
            Some(Direction::Incoming) => ("INPUT", Some("incoming")),
            Some(Direction::Outgoing) => ("OUTPUT", Some("outgoing")),
            Some(Direction::Routed) => ("FORWARD", Some("routed")),
            // A rule beside it takes the direction in its own words.
            Some(_) => {
                return Err(Failure::new(
                    "For default, direction must be one of \"outgoing\", \"incoming\" and \"routed\", or direction must \
                     not be specified.",
                ));
            }
        };
        let setting = setting(host, "/etc/default/ufw", &format!("DEFAULT_{name}_POLICY"))?;
        let is_so = setting
            == match wanted {
                Policy::Allow => "accept",
                Policy::Deny => "drop",
                Policy::Reject => "reject",
            };
        let words = ["default", wanted.as_str()].into_iter().chain(word);
        Ok((!is_so).then(|| words.map(str::to_owned).collect()))
    }

    /// The rule in ufw's words.
    fn words(&self, rule: Rule, host: &dyn Probe) -> Result<Vec<String>, Failure> {
        let direction = match self.direction {
            None => None,
            Some(way @ (Direction::In | Direction::Out)) => Some(way.as_str()),
            Some(_) => {
                return Err(Failure::new(
                    "For rules, direction must be one of \"in\" and \"out\", or direction must not be specified.",
                ));
            }
        };
        let mut words: Vec<&str> = Vec::new();
        words.extend(self.route.then_some("route"));
        words.extend(self.delete.then_some("delete"));
        let number = self.number(host)?.map(|number| number.to_string());
        words.extend(number.iter().flat_map(|number| ["insert", number]));
        words.push(rule.as_str());
        words.extend(direction);
        words.extend(self.interface.iter().flat_map(|name| ["on", name]));
        words.extend(self.interface_in.iter().flat_map(|name| ["in", "on", name]));
        words.extend(self.interface_out.iter().flat_map(|name| ["out", "on", name]));
        words.extend(self.log.then_some("log"));
        words.extend(["from", self.from_ip.as_str()]);
        words.extend(self.from_port.iter().flat_map(|port| ["port", port]));
        words.extend(["to", self.to_ip.as_str()]);
        words.extend(self.to_port.iter().flat_map(|port| ["port", port]));
        words.extend(self.proto.iter().flat_map(|proto| ["proto", proto.as_str()]));
        words.extend(self.name.iter().flat_map(|name| ["app", name]));
        words.extend(self.comment.iter().flat_map(|text| ["comment", text]));
        Ok(strings(&words))
    }

    /// The number to insert the rule at; `None`: it goes to the end.
    fn number(&self, host: &dyn Probe) -> Result<Option<i64>, Failure> {
        let Some(given) = self.insert.filter(|_| !self.delete) else { return Ok(None) };
        if self.insert_relative_to == Origin::Zero {
            return Ok(Some(given));
        }
        let text = tool::told(host, &call(["status", "numbered"]))?;
        let numbered = text.lines().filter(|line| line.trim_start().starts_with('['));
        let is_ipv6: Vec<bool> = numbered.map(|line| line.contains("(v6)")).collect();
        let last = i64::try_from(is_ipv6.len()).unwrap_or(i64::MAX);
        let count_ipv4 = is_ipv6.iter().filter(|ipv6| !**ipv6).count();
        let ipv4 = i64::try_from(count_ipv4).unwrap_or(i64::MAX);
        let base = match self.insert_relative_to {
            Origin::Zero | Origin::FirstIpv4 => 1,
            Origin::LastIpv4 => ipv4.max(1),
            Origin::FirstIpv6 => ipv4 + 1,
            Origin::LastIpv6 => {
                if last > ipv4 {
                    last
                } else {
                    last + 1
                }
            }
        };
        let number = base + given;
        if number > last {
            return Ok(None);
        }
        Ok(Some(number.max(1)))
    }
}

/// The rules now, and as they would be: ufw itself is asked, and prints the files that it would write.
fn rehearse(host: &dyn Probe, words: &[String]) -> Result<(Vec<String>, Vec<String>), Failure> {
    let first = "--dry-run".to_owned();
    let told = tool::told(host, &call([first].into_iter().chain(words.iter().cloned())))?;
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
    for part in told.split("*filter").skip(1) {
        let is_ipv6 = part.contains(":ufw6-user-input");
        let file = if is_ipv6 { "user6.rules" } else { "user.rules" };
        for folder in ["/etc/ufw", "/lib/ufw", "/var/lib/ufw"] {
            let bytes = host.read(&Path::new(folder).join(file), LIMIT)?.unwrap_or_default();
            before.extend(owned(tuples(&String::from_utf8_lossy(&bytes))));
        }
        after.extend(owned(tuples(part)));
    }
    Ok((before, after))
}
