//! `sysctl`: parameters of the kernel, in a file that is read when the machine starts, and now.

use std::path::PathBuf;

use model::{Args, Diff};
use system::{Command, Probe, System};

use crate::arguments::{Presence, arguments};
use crate::content::{Put, Target};
use crate::contract::{Change, Check, Failure, Module};
use crate::tool;

arguments! {
    /// Sets parameters of the kernel in a file that is read when the machine starts, and at once.
    pub struct Sysctl {
        /// The parameter, e.g. `vm.swappiness`.
        pub name: String { aliases: ["key"] },
        /// Its value.
        pub value: Option<String> { aliases: ["val"] },
        /// Whether it is in the file.
        pub state: Presence { default: "present" },
        /// The file.
        pub sysctl_file: PathBuf { default: "/etc/sysctl.conf" },
        /// Have the kernel read the file when it was changed.
        pub reload: bool { default: true },
        /// Set the parameter now, too, when the kernel has another value.
        pub sysctl_set: bool { default: false },
        /// Parameters that the kernel does not know are no errors.
        pub ignoreerrors: bool { default: false },
    }
    required_if: [("state", "present", &["value"])];
}

const LIMIT: u64 = 4 << 20;

/// What has to be done, in this order.
pub(crate) struct Work {
    /// The kernel is told the value.
    set: Option<String>,
    /// The file gets its new content.
    put: Option<Put>,
}

impl Change for Work {
    fn diff(&self, host: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        self.put.iter().map(|put| put.diff(host)).collect()
    }
}

impl Module for Sysctl {
    type Change = Work;

    fn check(&self, host: &dyn Probe, _: &mut Args) -> Result<Check<Work>, Failure> {
        let value = self.wanted()?;
        let target = Target::find(host, &self.sysctl_file)?;
        let bytes = host.read(&target.path, LIMIT)?.unwrap_or_default();
        let path = target.path.display().to_string();
        let before = String::from_utf8(bytes)
            .map_err(|_| Failure::new(format!("{path} is not text in UTF-8")))?;
        let after = edited(&before, self.name.trim(), value.as_deref());
        let put = (before != after).then(|| Put::text(target.path, after));
        let set = match value {
            Some(value) if self.sysctl_set && !self.is_set(host, &value)? => {
                Some(format!("{}={value}", self.name.trim()))
            }
            _ => None,
        };
        let is_done = set.is_none() && put.is_none();
        Ok(if is_done { Check::InSync } else { Check::Drift(Work { set, put }) })
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        if let Some(assignment) = work.set {
            let output = host.run(&self.command(&["-w", &assignment]))?;
            // Some versions say that they could not, and end well.
            let failed = !output.is_success()
                || (output.stderr_text().contains("Invalid argument") && !self.ignoreerrors);
            if failed {
                return Err(tool::failure(&output, &format!("setting {} failed: ", self.name)));
            }
        }
        let Some(put) = work.put else { return Ok(()) };
        put.apply(host, result)?;
        if self.reload {
            let file = put.path.to_string_lossy();
            let output = host.run(&self.command(&["-p", &file]))?;
            if !output.is_success() {
                let said = format!("{}{}", output.stdout_text(), output.stderr_text());
                return Err(Failure::new(format!("Failed to reload sysctl: {said}")));
            }
        }
        Ok(())
    }
}

impl Sysctl {
    /// The value that is wanted in the file; `None`: none.
    fn wanted(&self) -> Result<Option<String>, Failure> {
        let name = self.name.trim();
        if name.is_empty() {
            return Err(Failure::new("name cannot be blank"));
        }
        if name.contains(['=', '\n', '\0']) || name.starts_with('-') {
            return Err(Failure::new(format!("`{name}` is no name of a parameter")));
        }
        if !self.state.is_present() {
            return Ok(None);
        }
        let value = self.value.as_deref().unwrap_or_default().trim();
        if value.is_empty() {
            return Err(Failure::new("value cannot be blank"));
        }
        if value.contains(['\n', '\0']) {
            return Err(Failure::new("value must be one line"));
        }
        Ok(Some(match value.to_lowercase().as_str() {
            "true" | "yes" | "on" | "y" | "t" => "1".to_owned(),
            "false" | "no" | "off" | "n" | "f" => "0".to_owned(),
            _ => value.to_owned(),
        }))
    }

    fn command(&self, words: &[&str]) -> Command {
        let flag = self.ignoreerrors.then_some("-e");
        let mut command = Command::new("sysctl", flag.iter().chain(words).copied());
        command.environment.insert("LC_ALL".to_owned(), "C.UTF-8".to_owned());
        command
    }

    /// Whether the kernel has the value; spaces between its words do not count.
    fn is_set(&self, host: &dyn Probe, value: &str) -> Result<bool, Failure> {
        let output = host.query(&Command::new("sysctl", ["-e", "-n", self.name.trim()]))?;
        let text = output.stdout_text();
        Ok(output.is_success() && text.split_whitespace().eq(value.split_whitespace()))
    }
}

/// The text with the parameter set once, where it stood first, or without it. Everything else stays as it is.
fn edited(text: &str, name: &str, value: Option<&str>) -> String {
    let mut after = String::new();
    let mut is_there = false;
    for line in text.lines() {
        let is_comment = line.trim_start().starts_with(['#', ';']);
        let found = line.split_once('=').filter(|(key, _)| !is_comment && key.trim() == name);
        let Some((_, old)) = found else {
            after.push_str(line);
            after.push('\n');
            continue;
        };
        let Some(value) = value.filter(|_| !is_there) else { continue };
        is_there = true;
        if old.trim() == value {
            after.push_str(line);
        } else {
            after.push_str(&format!("{name}={value}"));
        }
        after.push('\n');
    }
    if let Some(value) = value.filter(|_| !is_there) {
        after.push_str(&format!("{name}={value}\n"));
    }
    // Nothing but the end of the last line: not worth a change.
    if after.strip_suffix('\n') == Some(text) { text.to_owned() } else { after }
}
