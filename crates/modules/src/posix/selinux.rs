//! `selinux`: the mode and policy of SELinux, in its configuration and now.

use std::path::{Path, PathBuf};

use model::{Args, Diff};
use serde_json::Value;
use system::{Command, Probe, System};

use crate::arguments::{arguments, choices};
use crate::content::{Put, Target};
use crate::contract::{Change, Check, Failure, Module, warn};
use crate::tool;

choices! {
    /// A mode of SELinux.
    pub enum Mode {
        /// It does not run.
        Disabled = "disabled",
        /// What the policy does not allow is refused.
        Enforcing = "enforcing",
        /// What the policy does not allow is logged.
        Permissive = "permissive",
    }
}

arguments! {
    /// Sets the mode and the policy of SELinux. What needs a restart is done at the next one.
    pub struct Selinux {
        /// The mode.
        pub state: Mode,
        /// The policy; needed unless SELinux shall be disabled.
        pub policy: Option<String>,
        /// The configuration.
        pub configfile: PathBuf { default: "/etc/selinux/config", aliases: ["conf", "file"] },
        /// Also tell the kernel at its next start, with grubby.
        pub update_kernel_param: bool { default: false },
    }
}

const LIMIT: u64 = 1 << 20;
const ENFORCE: &str = "/sys/fs/selinux/enforce";

/// What has to be done.
pub(crate) struct Work {
    put: Option<Put>,
    commands: Vec<Command>,
}

impl Change for Work {
    fn diff(&self, host: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        self.put.iter().map(|put| put.diff(host)).collect()
    }
}

impl Module for Selinux {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        let target = Target::find(host, &self.configfile)?;
        let shown = self.configfile.display();
        let bytes = host.read(&target.path, LIMIT)?.ok_or_else(|| {
            Failure::new(format!("Unable to find file {shown}: is SELinux installed here?"))
        })?;
        let before = String::from_utf8(bytes)
            .map_err(|_| Failure::new(format!("{shown} is not text in UTF-8")))?;
        let policy = self.policy(&before)?;
        if let Some(policy) = policy.as_deref().filter(|_| self.policy.is_some()) {
            let folder = Path::new("/etc/selinux").join(policy);
            if host.stat(&folder, true)?.is_none() {
                return Err(Failure::new(format!(
                    "Policy {policy} does not exist in /etc/selinux/"
                )));
            }
        }
        let (wanted, mode) = (self.state.as_str(), value(&before, "SELINUX").unwrap_or_default());
        let old_policy = value(&before, "SELINUXTYPE").unwrap_or_default();
        let mut after = with(&before, "SELINUX", wanted);
        let mut said = Vec::new();
        if mode != wanted {
            said.push(format!("Config SELinux state changed from '{mode}' to '{wanted}'"));
        }
        if let Some(policy) = &policy {
            after = with(&after, "SELINUXTYPE", policy);
            if *policy != old_policy {
                said.push(format!(
                    "SELinux policy configuration in '{shown}' changed from '{old_policy}' to '{policy}'"
                ));
            }
        }
        let mut work = Work { put: None, commands: Vec::new() };
        work.put = (after != before).then(|| Put::text(target.path, after));
        let needs_restart = self.now(host, result, &mut work, &mut said)?;
        if self.update_kernel_param {
            self.kernel(host, &mut work, &mut said)?;
        }
        result.insert("msg".into(), said.join(", ").into());
        result.insert("configfile".into(), self.configfile.to_string_lossy().into());
        result.insert("policy".into(), policy.map_or(Value::Null, Value::from));
        result.insert("state".into(), wanted.into());
        let is_new_policy = said.iter().any(|text| text.starts_with("SELinux policy"));
        result.insert("reboot_required".into(), (needs_restart || is_new_policy).into());
        let is_done = work.put.is_none() && work.commands.is_empty();
        Ok(if is_done { Check::InSync } else { Check::Drift(work) })
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        if let Some(put) = work.put {
            put.apply(host, result)?;
        }
        work.commands.iter().try_for_each(|command| tool::run(host, command).map(drop))
    }
}

impl Selinux {
    /// The policy that shall be in the configuration.
    fn policy(&self, config: &str) -> Result<Option<String>, Failure> {
        match &self.policy {
            Some(policy) if policy.is_empty() || policy.contains(['/', '\n', '\0']) => {
                Err(Failure::new(format!("`{policy}` cannot be the name of a policy")))
            }
            Some(policy) => Ok(Some(policy.clone())),
            None if self.state == Mode::Disabled => Ok(value(config, "SELINUXTYPE")),
            None => Err(Failure::new("Policy is required if state is not 'disabled'")),
        }
    }

    /// The mode that SELinux runs in, changed as far as it can be; true when the rest needs a restart.
    fn now(
        &self,
        host: &dyn Probe,
        result: &mut Args,
        work: &mut Work,
        said: &mut Vec<String>,
    ) -> Result<bool, Failure> {
        let Some(enforces) = host.read(Path::new(ENFORCE), 16)? else {
            // It does not run, and starts with the machine.
            let needs_restart = self.state != Mode::Disabled;
            if needs_restart {
                warn(
                    result,
                    "Reboot is required to set SELinux state to 'enforcing' or 'permissive'"
                        .to_owned(),
                );
            }
            return Ok(needs_restart);
        };
        let mode = if enforces.starts_with(b"1") { Mode::Enforcing } else { Mode::Permissive };
        let (wanted, needs_restart) = match self.state {
            // It cannot be stopped: until the restart it only logs.
            Mode::Disabled => (Mode::Permissive, true),
            wanted => (wanted, false),
        };
        if mode != wanted {
            let number = if wanted == Mode::Enforcing { "1" } else { "0" };
            work.commands.push(Command::new("setenforce", [number]));
            let (from, to) = (mode.as_str(), wanted.as_str());
            said.push(if needs_restart {
                format!("SELinux state temporarily changed from '{from}' to 'permissive'. State change will take effect next reboot.")
            } else {
                format!("SELinux state changed from '{from}' to '{to}'")
            });
        }
        if needs_restart {
            warn(result, "SELinux state change will take effect next reboot".to_owned());
        }
        Ok(needs_restart)
    }

    /// The kernel's own switch, which decides before the configuration is read.
    fn kernel(
        &self,
        host: &dyn Probe,
        work: &mut Work,
        said: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let output = host.query(&Command::new("grubby", ["--info=ALL"]))?;
        if !output.is_success() {
            return Err(tool::failure(
                &output,
                "could not ask grubby for the kernel's parameters: ",
            ));
        }
        let text = output.stdout_text();
        let is_off = text.lines().any(|line| {
            let is_args = line.starts_with("args=");
            is_args
                && line
                    .split([' ', '"', '='])
                    .zip(line.split([' ', '"', '=']).skip(1))
                    .any(|pair| pair == ("selinux", "0"))
        });
        let wants_off = self.state == Mode::Disabled;
        if is_off != wants_off {
            let verb = if wants_off { "--args" } else { "--remove-args" };
            work.commands.push(Command::new("grubby", ["--update-kernel=ALL", verb, "selinux=0"]));
            let word = if wants_off { "disabled" } else { "enabled" };
            said.push(format!("Kernel SELinux state changed to '{word}'"));
        }
        Ok(())
    }
}

fn of_key<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.trim_start().strip_prefix(key)?.trim_start().strip_prefix('=').map(str::trim)
}

fn value(config: &str, key: &str) -> Option<String> {
    config.lines().rev().find_map(|line| of_key(line, key)).map(str::to_owned)
}

/// The configuration with a key set, where it stood or at the end.
fn with(config: &str, key: &str, wanted: &str) -> String {
    let is_it = |line: &str| of_key(line, key).is_some();
    if value(config, key).as_deref() == Some(wanted) {
        return config.to_owned();
    }
    let set = format!("{key}={wanted}");
    let lines = config.lines().map(|line| if is_it(line) { set.as_str() } else { line });
    let mut lines: Vec<&str> = lines.collect();
    if !config.lines().any(is_it) {
        lines.push(&set);
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}
