//! `iptables`: rules of the kernel's packet filter, as they are now; nothing is saved for the next boot.

mod rule;

use model::{Args, Diff};
use serde_json::json;
use system::{Command, Probe, System};

use crate::arguments::{Presence, arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

choices! {
    /// Where a new rule goes.
    pub enum Action {
        /// Behind the others.
        Append = "append",
        /// Before the others, or at `rule_num`.
        Insert = "insert",
    }
}

choices! {
    /// Which version of the Internet protocol.
    pub enum Version {
        /// 4.
        V4 = "ipv4",
        /// 6.
        V6 = "ipv6",
        /// 4 and 6.
        Both = "both",
    }
}

choices! {
    /// The SYN bit of TCP packets.
    pub enum Syn {
        /// Does not matter.
        Ignore = "ignore",
        /// It is set, ACK and RST are not.
        Match = "match",
        /// The opposite.
        Negate = "negate",
    }
}

choices! {
    /// What happens to packets that no rule of a built-in chain takes.
    pub enum Policy {
        /// They pass.
        Accept = "ACCEPT",
        /// They vanish.
        Drop = "DROP",
        /// They are handed to a program.
        Queue = "QUEUE",
        /// The calling chain goes on.
        Return = "RETURN",
    }
}

arguments! {
    /// Makes sure that a rule is, or is not, in a chain of the packet filter; makes and removes chains, empties them, sets
    /// their policies.
    pub struct Iptables {
        /// The table.
        pub table: String { default: "filter" },
        /// Whether the rule, or with `chain_management` the chain, shall be there.
        pub state: Presence { default: "present" },
        /// Where a new rule goes.
        pub action: Action { default: "append" },
        /// The place of a new rule, with `action: insert`.
        pub rule_num: Option<String>,
        /// For which version of the Internet protocol.
        pub ip_version: Version { default: "ipv4" },
        /// The chain.
        pub chain: Option<String>,
        /// The protocol; `!` before it inverts.
        pub protocol: Option<String>,
        /// Where packets come from; `!` before it inverts.
        pub source: Option<String>,
        /// Where packets go to; `!` before it inverts.
        pub destination: Option<String>,
        /// Flags of TCP: those to look at (`flags`), and those that are set (`flags_set`).
        pub tcp_flags: Args,
        /// Extensions that test packets.
        pub r#match: Vec<String> { named: "match" },
        /// What happens to packets that match.
        pub jump: Option<String>,
        /// Where copies of packets go, with `jump: TEE`.
        pub gateway: Option<String>,
        /// What log lines begin with, with `jump: LOG`.
        pub log_prefix: Option<String>,
        /// The level of log lines, with `jump: LOG`.
        pub log_level: Option<String>,
        /// A chain that goes on, without a way back.
        pub goto: Option<String>,
        /// The interface that packets came in by; `!` before it inverts.
        pub in_interface: Option<String>,
        /// The interface that packets go out by; `!` before it inverts.
        pub out_interface: Option<String>,
        /// Second and further fragments of packets.
        pub fragment: Option<String>,
        /// What the counters of the rule begin with.
        pub set_counters: Option<String>,
        /// The port, or range of ports, that packets come from.
        pub source_port: Option<String>,
        /// The port, or range of ports, that packets go to.
        pub destination_port: Option<String>,
        /// Several ports that packets go to.
        pub destination_ports: Vec<String>,
        /// The ports that packets are sent to, with `jump: REDIRECT`.
        pub to_ports: Option<String>,
        /// The address that packets are sent to, with `jump: DNAT`.
        pub to_destination: Option<String>,
        /// The address that packets seem to come from, with `jump: SNAT`.
        pub to_source: Option<String>,
        /// The SYN bit of TCP packets.
        pub syn: Syn { default: "ignore" },
        /// The mark for quality of service that packets get.
        pub set_dscp_mark: Option<String>,
        /// The same by the name of a class.
        pub set_dscp_mark_class: Option<String>,
        /// A remark on the rule.
        pub comment: Option<String>,
        /// States of connections.
        pub ctstate: Vec<String>,
        /// A range of addresses that packets come from.
        pub src_range: Option<String>,
        /// A range of addresses that packets go to.
        pub dst_range: Option<String>,
        /// A set of `ipset`; `!` before it inverts.
        pub match_set: Option<String>,
        /// Which addresses are looked up in it.
        pub match_set_flags: Option<String>,
        /// How many packets match at most, e.g. `5/second`.
        pub limit: Option<String>,
        /// How many match before that limit holds.
        pub limit_burst: Option<String>,
        /// The user whose packets match; `!` before it inverts.
        pub uid_owner: Option<String>,
        /// The group whose packets match.
        pub gid_owner: Option<String>,
        /// The answer to packets that are refused.
        pub reject_with: Option<String>,
        /// The type of ICMP.
        pub icmp_type: Option<String>,
        /// Remove all rules of the chain, or of all chains.
        pub flush: bool { default: false },
        /// Set the policy of the chain.
        pub policy: Option<Policy>,
        /// Seconds to wait for others that change rules.
        pub wait: Option<String>,
        /// Make and remove chains.
        pub chain_management: bool { default: false },
        /// Do not look up names when rules are listed.
        pub numeric: bool { default: false },
    }
    mutually_exclusive: [&["set_dscp_mark", "set_dscp_mark_class"], &["flush", "policy"]];
    required_together: [&["match_set", "match_set_flags"]];
    required_if: [("jump", "TEE", &["gateway"])];
}

/// Command lines, with what they do in words.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    list: Vec<Command>,
    before: Vec<String>,
    after: Vec<String>,
}

impl Change for Commands {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state("iptables", json!(self.before), json!(self.after))])
    }
}

impl Module for Iptables {
    type Change = Commands;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Commands>, Failure> {
        let rule = self.rule()?;
        if !self.flush && self.chain.is_none() {
            return Err(Failure::new("Either chain or flush parameter must be specified."));
        }
        for (key, value) in [
            ("ip_version", json!(self.ip_version.as_str())),
            ("table", json!(self.table)),
            ("chain", json!(self.chain)),
            ("flush", json!(self.flush)),
            ("rule", json!(rule.join(" "))),
            ("state", json!(self.state.as_str())),
            ("chain_management", json!(self.chain_management)),
        ] {
            result.insert(key.to_owned(), value);
        }
        let programs: &[&str] = match self.ip_version {
            Version::V4 => &["iptables"],
            Version::V6 => &["ip6tables"],
            Version::Both => &["iptables", "ip6tables"],
        };
        let mut commands = Commands::default();
        for program in programs {
            self.decide(program, &rule, host, &mut commands)?;
        }
        Ok(match (commands.list.is_empty(), self.flush) {
            (true, _) => Check::InSync,
            // Nobody counts what is thrown away.
            (false, true) => Check::Act(commands),
            (false, false) => Check::Drift(commands),
        })
    }

    fn apply(&self, commands: Commands, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        commands.list.iter().try_for_each(|command| tool::run(host, command).map(drop))
    }
}

impl Iptables {
    fn decide(
        &self,
        program: &str,
        rule: &[String],
        host: &dyn Probe,
        commands: &mut Commands,
    ) -> Result<(), Failure> {
        let chain = self.chain.as_deref().unwrap_or_default();
        if self.flush {
            commands.list.push(self.command(program, "-F", &[]));
            return Ok(());
        }
        if let Some(policy) = self.policy {
            let current = self.policy_of(program, host)?;
            if current.as_deref() != Some(policy.as_str()) {
                commands.list.push(self.command(program, "-P", &[policy.as_str().to_owned()]));
                commands.before.push(format!("{chain}: {}", current.unwrap_or_default()));
                commands.after.push(format!("{chain}: {}", policy.as_str()));
            }
            return Ok(());
        }
        let has_chain = !self.chain_management || self.has_chain(program, host)?;
        let is_present = self.state.is_present();
        if self.chain_management && rule.is_empty() && is_present != has_chain {
            commands.list.push(self.command(program, if is_present { "-N" } else { "-X" }, &[]));
            let side = if is_present { &mut commands.after } else { &mut commands.before };
            side.push(format!("chain {chain}"));
            return Ok(());
        }
        if self.chain_management && rule.is_empty() {
            return Ok(());
        }
        if self.chain_management && is_present && !has_chain {
            commands.list.push(self.command(program, "-N", &[]));
            commands.after.push(format!("chain {chain}"));
        }
        let is_there = has_chain && host.query(&self.command(program, "-C", rule))?.is_success();
        let shown = format!("{chain}: {}", rule.join(" "));
        match (is_present, is_there) {
            (true, false) => {
                let (verb, place) = match self.action {
                    Action::Append => ("-A", None),
                    Action::Insert => ("-I", self.rule_num.clone()),
                };
                let words: Vec<String> = place.into_iter().chain(rule.iter().cloned()).collect();
                commands.list.push(self.command(program, verb, &words));
                commands.after.push(shown);
            }
            (false, true) => {
                commands.list.push(self.command(program, "-D", rule));
                commands.before.push(shown);
            }
            _ => {}
        }
        Ok(())
    }

    /// `iptables [-w N] -t TABLE VERB [CHAIN] WORDS`.
    fn command(&self, program: &str, verb: &str, words: &[String]) -> Command {
        let mut args: Vec<String> = Vec::new();
        if let Some(wait) = &self.wait {
            args.extend(["-w".to_owned(), wait.clone()]);
        }
        args.extend(["-t", &self.table, verb].map(str::to_owned));
        args.extend(self.chain.clone());
        args.extend(words.iter().cloned());
        Command::new(program, args)
    }

    fn listing(&self) -> Vec<String> {
        if self.numeric { vec!["--numeric".to_owned()] } else { Vec::new() }
    }

    fn has_chain(&self, program: &str, host: &dyn Probe) -> Result<bool, Failure> {
        Ok(host.query(&self.command(program, "-L", &self.listing()))?.is_success())
    }

    fn policy_of(&self, program: &str, host: &dyn Probe) -> Result<Option<String>, Failure> {
        let output = host.query(&self.command(program, "-L", &self.listing()))?;
        if !output.is_success() {
            return Err(tool::failure(&output, ""));
        }
        let text = output.stdout_text();
        let policy =
            text.split_once("(policy ").and_then(|(_, rest)| rest.split([' ', ')']).next());
        Ok(policy.map(str::to_owned))
    }
}
