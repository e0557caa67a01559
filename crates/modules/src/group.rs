//! `group`: groups of the user database.

use std::path::Path;

use model::{Args, Diff};
use serde_json::{Value, json};
use system::{Command, GroupEntry, Probe, System};

use crate::arguments::{Presence, arguments};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

arguments! {
    /// Creates, changes and removes groups.
    pub struct Group {
        /// The group's name.
        pub name: String,
        /// The group's number.
        pub gid: Option<u32>,
        /// Whether it exists.
        pub state: Presence { default: "present" },
        /// Delete it even when it is a user's primary group.
        pub force: bool { default: false },
        /// A new group gets a number of the range for system groups.
        pub system: bool { default: false },
        /// Look only at /etc/group, not at directories on the network.
        pub local: bool { default: false },
        /// Allow a number that another group has already.
        pub non_unique: bool { default: false },
        /// The lowest number for a new group.
        pub gid_min: Option<u32>,
        /// The highest number for a new group.
        pub gid_max: Option<u32>,
    }
    required_if: [("non_unique", "True", &["gid"])];
}

/// What a group needs.
#[derive(Debug)]
pub(crate) enum GroupChange {
    Create(Value),
    SetGid { from: u32, to: u32 },
    Delete(String),
}

impl Change for GroupChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let (before, after) = match self {
            Self::Create(after) => (json!({}), after.clone()),
            Self::SetGid { from, to } => (json!({"gid": from}), json!({"gid": to})),
            Self::Delete(name) => (json!({"name": name, "state": "present"}), json!({})),
        };
        Ok(vec![diff::state("group", before, after)])
    }
}

impl Module for Group {
    type Change = GroupChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<GroupChange>, Failure> {
        for (name, given) in [("gid_min", self.gid_min), ("gid_max", self.gid_max)] {
            if self.local && given.is_some() {
                return Err(Failure::new(format!("'{name}' can not be used with 'local'")));
            }
        }
        result.insert("name".to_owned(), self.name.clone().into());
        result.insert("state".to_owned(), self.state.as_str().into());
        let found = self.find(host)?;
        Ok(match (self.state, found) {
            (Presence::Absent, None) => Check::InSync,
            (Presence::Absent, Some(_)) => Check::Drift(GroupChange::Delete(self.name.clone())),
            (Presence::Present, None) => {
                let after = json!({"name": self.name, "gid": self.gid, "state": "present"});
                Check::Drift(GroupChange::Create(after))
            }
            (Presence::Present, Some(group)) => {
                self.tell(&group, result);
                match self.gid.filter(|gid| *gid != group.gid) {
                    Some(to) => Check::Drift(GroupChange::SetGid { from: group.gid, to }),
                    None => Check::InSync,
                }
            }
        })
    }

    fn apply(
        &self,
        change: GroupChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        let (program, args) = match &change {
            GroupChange::Create(_) => ("groupadd", self.create_args()),
            GroupChange::SetGid { .. } => ("groupmod", self.gid_args()),
            GroupChange::Delete(_) if self.force => ("groupdel", vec!["-f".to_owned()]),
            GroupChange::Delete(_) => ("groupdel", Vec::new()),
        };
        let args = args.into_iter().chain(["--".to_owned(), self.name.clone()]);
        let command = Command::new(program, args);
        tool::run(host, &command)?;
        if self.state.is_present() {
            let group = self.find(host)?.ok_or_else(|| {
                Failure::new(format!("{program} succeeded, but there is no group {}", self.name))
            })?;
            self.tell(&group, result);
        }
        Ok(())
    }
}

impl Group {
    fn find(&self, host: &dyn Probe) -> Result<Option<GroupEntry>, Failure> {
        if !self.local {
            return Ok(host.group(&self.name)?);
        }
        let text = host.read(Path::new("/etc/group"), LOCAL_LIMIT)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        Ok(local_groups(&text).find(|group| group.name == self.name))
    }

    fn tell(&self, group: &GroupEntry, result: &mut Args) {
        result.insert("system".to_owned(), self.system.into());
        result.insert("gid".to_owned(), group.gid.into());
    }

    fn gid_args(&self) -> Vec<String> {
        let mut args = Vec::new();
        if let Some(gid) = self.gid {
            args.extend(["-g".to_owned(), gid.to_string()]);
            if self.non_unique {
                args.push("-o".to_owned());
            }
        }
        args
    }

    fn create_args(&self) -> Vec<String> {
        let mut args = self.gid_args();
        if self.system {
            args.push("-r".to_owned());
        }
        for (name, value) in [("GID_MIN", self.gid_min), ("GID_MAX", self.gid_max)] {
            if let Some(value) = value {
                args.extend(["-K".to_owned(), format!("{name}={value}")]);
            }
        }
        args
    }
}

/// Of /etc/group and /etc/passwd.
pub(crate) const LOCAL_LIMIT: u64 = 16 << 20;

/// The lines of /etc/group.
pub(crate) fn local_groups(text: &str) -> impl Iterator<Item = GroupEntry> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
        let gid = fields.nth(1)?.parse().ok()?;
        let members = fields.next().unwrap_or_default().split(',');
        let members = members.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Some(GroupEntry { name, gid, members })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_group_file_are_read() {
        let text = "root:x:0:\nusers:x:100:anna,ben\n+:::\nbroken\nneg:x:-1:\n";
        let groups: Vec<_> = local_groups(text).map(|group| (group.name, group.members)).collect();
        let users = ("users".to_owned(), vec!["anna".to_owned(), "ben".to_owned()]);
        assert_eq!(groups, [("root".to_owned(), vec![]), users]);
    }
}
