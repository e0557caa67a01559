//! Memberships of an account.

use std::collections::BTreeSet;
use std::path::Path;

use system::{Account, GroupEntry, Probe};

use super::User;
use crate::contract::Failure;
use crate::group::{LOCAL_LIMIT, local_groups};

/// A group by name or number, which must exist.
pub(super) fn find(host: &dyn Probe, group: &str) -> Result<GroupEntry, Failure> {
    let by_name = host.group(group)?;
    let found = match group.parse::<u32>() {
        Ok(gid) if by_name.is_none() => host.group_by_id(gid)?,
        _ => by_name,
    };
    found.ok_or_else(|| Failure::new(format!("Group {group} does not exist")))
}

/// The groups that are asked for, by name.
pub(super) fn wanted(user: &User, host: &dyn Probe) -> Result<Option<Vec<GroupEntry>>, Failure> {
    let Some(names) = &user.groups else { return Ok(None) };
    let names = names.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
    names.map(|name| find(host, name)).collect::<Result<_, _>>().map(Some)
}

/// The memberships to set with `usermod -G`, when they differ; the primary group counts as one that is there.
pub(super) fn difference(
    user: &User,
    account: &Account,
    primary: u32,
    host: &dyn Probe,
) -> Result<Option<Vec<String>>, Failure> {
    let Some(wanted) = wanted(user, host)? else { return Ok(None) };
    let is_member = |group: &GroupEntry| group.members.contains(&account.name);
    let missing = wanted.iter().any(|group| group.gid != primary && !is_member(group));
    let names: BTreeSet<String> = wanted.iter().map(|group| group.name.clone()).collect();
    let too_many = !user.append && {
        let text = host.read(Path::new("/etc/group"), LOCAL_LIMIT)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        local_groups(&text)
            .any(|group| is_member(&group) && group.gid != primary && !names.contains(&group.name))
    };
    Ok((missing || too_many).then(|| names.into_iter().collect()))
}
