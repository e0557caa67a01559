//! The recap: counts by host, one fold over the events of a run.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::{EventKind, HostName, HostResult, Verdict};

/// Counts by host, in the order in which hosts first appear.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recap {
    /// One entry a host.
    pub hosts: IndexMap<HostName, HostRecap>,
}

/// Counts of one host, with Ansible's meaning of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecap {
    /// Tasks that ended well, changed ones included.
    pub ok: u32,
    /// Tasks that changed something.
    pub changed: u32,
    /// Times the host did not answer, or a step's fate is unknown.
    pub unreachable: u32,
    /// Of these, the ones that `meta: clear_host_errors` forgave.
    #[serde(default)]
    pub unreachable_ignored: u32,
    /// Tasks that failed, rescued and ignored ones not included.
    pub failed: u32,
    /// Of these, the ones that `meta: clear_host_errors` forgave.
    #[serde(default)]
    pub failed_forgiven: u32,
    /// Tasks that did not run.
    pub skipped: u32,
    /// Failures that a `rescue` took care of.
    pub rescued: u32,
    /// Failures under `ignore_errors`.
    pub ignored: u32,
}

impl Recap {
    /// Counts an event in.
    pub fn add(&mut self, event: &EventKind) {
        match event {
            EventKind::TaskFinished { result, .. } => self.add_result(result),
            EventKind::HostUnreachable { host, ignored: true, .. } => {
                let entry = self.entry(host);
                entry.ok += 1;
                entry.ignored += 1;
            }
            EventKind::HostUnreachable { host, .. } => self.entry(host).unreachable += 1,
            EventKind::HostsForgiven { hosts } => {
                for host in hosts {
                    let entry = self.entry(host);
                    entry.failed_forgiven = entry.failed;
                    entry.unreachable_ignored = entry.unreachable;
                }
            }
            EventKind::Included { hosts, .. } => {
                for host in hosts {
                    self.entry(host).ok += 1;
                }
            }
            _ => {}
        }
    }

    fn add_result(&mut self, result: &HostResult) {
        let entry = self.entry(&result.host);
        match &result.outcome.verdict {
            Verdict::Ok | Verdict::Changed => {
                entry.ok += 1;
                entry.changed += u32::from(result.outcome.is_changed());
            }
            Verdict::Skipped { .. } => entry.skipped += 1,
            Verdict::Failed { .. } if result.ignored => {
                entry.ok += 1;
                entry.ignored += 1;
                entry.changed += u32::from(result.outcome.is_changed());
            }
            Verdict::Failed { .. } if result.rescued => entry.rescued += 1,
            Verdict::Failed { .. } => entry.failed += 1,
            Verdict::Unknown { .. } => entry.unreachable += 1,
        }
    }

    fn entry(&mut self, host: &HostName) -> &mut HostRecap {
        self.hosts.entry(host.clone()).or_default()
    }

    /// The exit code of Ansible: 0 all well, 2 a host failed, 4 a host did not answer (which outweighs a failure).
    pub fn exit_code(&self) -> u8 {
        if self.hosts.values().any(|host| host.unreachable > host.unreachable_ignored) {
            4
        } else if self.hosts.values().any(|host| host.failed > host.failed_forgiven) {
            2
        } else {
            0
        }
    }
}
