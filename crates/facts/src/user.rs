//! Who gathers these facts, and with what environment.

use model::Args;
use nix::unistd::{getegid, getgid, getuid};

use crate::host::Host;

pub(crate) fn user(host: &Host<'_>, facts: &mut Args) {
    let uid = host.probe.own_uid();
    let mut set = |name: &str, value: serde_json::Value| facts.insert(name.to_owned(), value);
    if let Ok(Some(account)) = host.probe.user_by_id(uid) {
        set("user_id", account.name.into());
        set("user_uid", account.uid.into());
        set("user_gid", account.gid.into());
        set("user_gecos", account.gecos.into());
        set("user_dir", account.home.to_string_lossy().into());
        set("user_shell", account.shell.to_string_lossy().into());
    }
    set("real_user_id", getuid().as_raw().into());
    set("effective_user_id", uid.into());
    set("real_group_id", getgid().as_raw().into());
    set("effective_group_id", getegid().as_raw().into());
}

pub(crate) fn environment(host: &Host<'_>, facts: &mut Args) {
    let variables: Args =
        host.probe.variables().into_iter().map(|(name, value)| (name, value.into())).collect();
    facts.insert("env".to_owned(), variables.into());
}
