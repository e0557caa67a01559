//! The words of a rule. Pure.

use serde_json::Value;

use super::{Iptables, Syn};
use crate::contract::Failure;

/// Words, in the order in which they are said.
#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    /// A flag and its value; `!` at the value's beginning goes before the flag.
    fn add(&mut self, flag: &str, value: Option<&String>) {
        let Some(value) = value else { return };
        match value.strip_prefix('!') {
            Some(value) => self.0.extend(["!", flag, value.trim_start()].map(str::to_owned)),
            None => self.0.extend([flag, value].map(str::to_owned)),
        }
    }

    /// An extension that the task did not ask for by itself.
    fn extension(&mut self, name: &str, asked_for: &[String]) {
        if !asked_for.iter().any(|asked| asked == name) {
            self.0.extend(["-m", name].map(str::to_owned));
        }
    }
}

impl Iptables {
    /// What stands behind the chain on the command line.
    pub(super) fn rule(&self) -> Result<Vec<String>, Failure> {
        let mut words = Words::default();
        words.add("-p", self.protocol.as_ref());
        words.add("-s", self.source.as_ref());
        words.add("-d", self.destination.as_ref());
        for name in &self.r#match {
            words.add("-m", Some(name));
        }
        self.add_tcp_flags(&mut words)?;
        words.add("-j", self.target().as_ref());
        for (flag, value) in [
            ("--gateway", &self.gateway),
            ("--log-prefix", &self.log_prefix),
            ("--log-level", &self.log_level),
            ("--to-destination", &self.to_destination),
            ("--to-source", &self.to_source),
            ("-g", &self.goto),
            ("-i", &self.in_interface),
            ("-o", &self.out_interface),
            ("-f", &self.fragment),
            ("-c", &self.set_counters),
            ("--source-port", &self.source_port),
            ("--destination-port", &self.destination_port),
            ("--to-ports", &self.to_ports),
            ("--set-dscp", &self.set_dscp_mark),
            ("--set-dscp-class", &self.set_dscp_mark_class),
            ("--reject-with", &self.reject_with),
        ] {
            words.add(flag, value.as_ref());
        }
        match self.syn {
            Syn::Ignore => {}
            Syn::Match => words.0.push("--syn".to_owned()),
            Syn::Negate => words.0.extend(["!", "--syn"].map(str::to_owned)),
        }
        self.add_extensions(&mut words);
        Ok(words.0)
    }

    /// What happens to packets; some arguments say it without `jump`.
    fn target(&self) -> Option<String> {
        let implied = || {
            if self.set_dscp_mark.is_some() || self.set_dscp_mark_class.is_some() {
                Some("DSCP".to_owned())
            } else if self.reject_with.is_some() {
                Some("REJECT".to_owned())
            } else if self.log_prefix.is_some() || self.log_level.is_some() {
                Some("LOG".to_owned())
            } else {
                None
            }
        };
        self.jump.clone().or_else(implied)
    }

    fn add_tcp_flags(&self, words: &mut Words) -> Result<(), Failure> {
        if self.tcp_flags.is_empty() {
            return Ok(());
        }
        let list = |key: &str| -> Result<String, Failure> {
            let list = self.tcp_flags.get(key).and_then(Value::as_array).ok_or_else(|| {
                Failure::new(format!(
                    "tcp_flags needs the lists flags and flags_set; {key} is missing"
                ))
            })?;
            Ok(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","))
        };
        words.0.extend(["--tcp-flags".to_owned(), list("flags")?, list("flags_set")?]);
        Ok(())
    }

    /// What needs an extension of its own.
    fn add_extensions(&self, words: &mut Words) {
        let asked_for = &self.r#match;
        if !self.destination_ports.is_empty() {
            words.extension("multiport", asked_for);
            words.add("--dports", Some(&self.destination_ports.join(",")));
        }
        if !self.ctstate.is_empty() {
            let is_old = asked_for.iter().any(|name| name == "state");
            let (name, flag) =
                if is_old { ("state", "--state") } else { ("conntrack", "--ctstate") };
            words.extension(name, asked_for);
            words.add(flag, Some(&self.ctstate.join(",")));
        }
        if self.src_range.is_some() || self.dst_range.is_some() {
            words.extension("iprange", asked_for);
            words.add("--src-range", self.src_range.as_ref());
            words.add("--dst-range", self.dst_range.as_ref());
        }
        if let Some(set) = &self.match_set {
            words.extension("set", asked_for);
            words.add("--match-set", Some(set));
            words.0.extend(self.match_set_flags.clone());
        }
        if self.limit.is_some() || self.limit_burst.is_some() {
            words.extension("limit", asked_for);
            words.add("--limit", self.limit.as_ref());
            words.add("--limit-burst", self.limit_burst.as_ref());
        }
        if self.uid_owner.is_some() || self.gid_owner.is_some() {
            words.extension("owner", asked_for);
            words.add("--uid-owner", self.uid_owner.as_ref());
            words.add("--gid-owner", self.gid_owner.as_ref());
        }
        if self.icmp_type.is_some() {
            let is_v6 = self.ip_version == super::Version::V6;
            let flag = if is_v6 { "--icmpv6-type" } else { "--icmp-type" };
            words.add(flag, self.icmp_type.as_ref());
        }
        if self.comment.is_some() {
            words.extension("comment", asked_for);
            // A remark may begin with an exclamation mark.
            words.0.push("--comment".to_owned());
            words.0.extend(self.comment.clone());
        }
    }
}
