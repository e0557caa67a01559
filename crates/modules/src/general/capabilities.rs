//! `capabilities`: what a program may do without being root, by the mark on its file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::{Args, Diff};
use serde_json::json;
use system::{Command, Probe, System};

use crate::arguments::{Presence, arguments};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

arguments! {
    /// Gives files capabilities, and takes them away.
    pub struct Capabilities {
        /// The file.
        pub path: PathBuf { aliases: ["key"] },
        /// The capability, with sign and flags if it shall be there: `cap_net_raw+ep`.
        pub capability: String { aliases: ["cap"] },
        /// Whether the file has it.
        pub state: Presence { default: "present" },
    }
}

/// Capabilities with their flags, sorted.
type Held = BTreeMap<String, String>;

/// The call that sets them, and both sides.
pub(crate) struct Work {
    command: Command,
    before: String,
    after: String,
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let side = |text: &str| json!({ "capabilities": text });
        Ok(vec![diff::state("capabilities", side(&self.before), side(&self.after))])
    }
}

const SIGNS: [char; 3] = ['=', '-', '+'];

/// The flags of one set with those of another, or without them, in a fixed order.
fn merged(old: &str, sign: char, flags: &str) -> String {
    let holds = |flag: &char| match sign {
        '=' => flags.contains(*flag),
        '+' => old.contains(*flag) || flags.contains(*flag),
        _ => old.contains(*flag) && !flags.contains(*flag),
    };
    ['e', 'i', 'p'].iter().filter(|flag| holds(flag)).collect()
}

/// What `getcap` says, in its old form (`= cap_a,cap_b+ep`) and its new one (`cap_a,cap_b=ep`).
fn told(text: &str) -> Held {
    let mut held = Held::new();
    for clause in text.split_whitespace().filter(|word| *word != "=") {
        let mut rest = clause.trim_start_matches('=');
        let names = rest.split(SIGNS).next().unwrap_or_default();
        rest = &rest[names.len()..];
        while let Some(sign) = rest.chars().next() {
            let flags = rest[1..].split(SIGNS).next().unwrap_or_default();
            rest = &rest[1 + flags.len()..];
            for name in names.split(',').filter(|name| !name.is_empty()) {
                let old = held.entry(name.to_owned()).or_default();
                *old = merged(old, sign, flags);
            }
        }
    }
    held
}

/// As `setcap` reads them.
fn written(held: &Held) -> String {
    let clauses: Vec<_> = held.iter().map(|(name, flags)| format!("{name}={flags}")).collect();
    clauses.join(" ")
}

impl Module for Capabilities {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        let given = self.capability.trim().to_lowercase();
        let (name, flags) = given.split_at(given.find(SIGNS).unwrap_or(given.len()));
        let is_wanted = self.state.is_present();
        if is_wanted && flags.is_empty() {
            return Err(Failure::new("Couldn't find operator (one of: ('=', '-', '+'))"));
        }
        if name.is_empty() || flags.chars().skip(1).any(|flag| !"eip".contains(flag)) {
            return Err(Failure::new(format!(
                "`{given}` is no capability with flags of e, i and p"
            )));
        }
        result.insert("state".into(), self.state.as_str().into());
        let before = self.held(host)?;
        let mut after = before.clone();
        if is_wanted {
            let sign = flags.chars().next().unwrap_or('=');
            let old = after.entry(name.to_owned()).or_default();
            *old = merged(old, sign, &flags[1..]);
        } else {
            after.remove(name);
        }
        after.retain(|_, flags| !flags.is_empty());
        if after == before {
            return Ok(Check::InSync);
        }
        result.insert("msg".into(), "capabilities changed".into());
        let path = self.path.to_string_lossy().into_owned();
        let first = if after.is_empty() { "-r".to_owned() } else { written(&after) };
        let command = Command::new("setcap", [first, path]);
        Ok(Check::Drift(Work { command, before: written(&before), after: written(&after) }))
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let output = host.run(&work.command)?;
        if !output.is_success() {
            let message = format!("Unable to set capabilities of {}: ", self.path.display());
            return Err(tool::failure(&output, &message));
        }
        result.insert("stdout".into(), output.stdout_text().into());
        Ok(())
    }
}

impl Capabilities {
    fn held(&self, host: &dyn Probe) -> Result<Held, Failure> {
        let path = self.path.to_string_lossy().into_owned();
        let fault = |stdout: String, stderr: String| {
            let failure = Failure::new(format!("Unable to get capabilities of {path}"));
            Err(failure.with("stdout", stdout).with("stderr", stderr))
        };
        if host.stat(&self.path, true)?.is_none() {
            return fault(String::new(), format!("{path} (No such file or directory)"));
        }
        let output = host.query(&Command::new("getcap", ["-v", &path]))?;
        let (stdout, stderr) = (output.stdout_text(), output.stderr_text());
        match stdout.trim().strip_prefix(&*path) {
            Some(rest) if output.is_success() && stderr.is_empty() => Ok(told(rest)),
            _ => fault(stdout, stderr),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_getcap_are_read() {
        let both =
            [" = cap_net_raw,cap_chown+ep cap_kill+i", " cap_chown,cap_net_raw=pe cap_kill=i"];
        for text in both {
            assert_eq!(written(&told(text)), "cap_chown=ep cap_kill=i cap_net_raw=ep");
        }
        assert!(told("").is_empty());
        assert_eq!(written(&told(" cap_kill=ep-e")), "cap_kill=p");
    }
}
