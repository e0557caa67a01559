//! Users and groups through the C library, so that every source in nsswitch.conf counts.

use std::io;

use nix::unistd::{Gid, Group, Uid, User};

use crate::{Account, Error, GroupEntry, Result};

pub(super) fn user(name: &str) -> Result<Option<Account>> {
    Ok(User::from_name(name).map_err(|errno| failed(name, errno))?.map(account))
}

pub(super) fn user_by_id(uid: u32) -> Result<Option<Account>> {
    let answer = User::from_uid(Uid::from_raw(uid));
    Ok(answer.map_err(|errno| failed(&uid.to_string(), errno))?.map(account))
}

pub(super) fn group(name: &str) -> Result<Option<GroupEntry>> {
    Ok(Group::from_name(name).map_err(|errno| failed(name, errno))?.map(entry))
}

pub(super) fn group_by_id(gid: u32) -> Result<Option<GroupEntry>> {
    let answer = Group::from_gid(Gid::from_raw(gid));
    Ok(answer.map_err(|errno| failed(&gid.to_string(), errno))?.map(entry))
}

fn failed(name: &str, errno: nix::errno::Errno) -> Error {
    Error::Refused(format!("cannot look up the user or group {name}: {}", io::Error::from(errno)))
}

fn account(user: User) -> Account {
    Account {
        name: user.name,
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        gecos: user.gecos.to_string_lossy().into_owned(),
        home: user.dir,
        shell: user.shell,
    }
}

fn entry(group: Group) -> GroupEntry {
    GroupEntry { name: group.name, gid: group.gid.as_raw(), members: group.mem }
}
