//! `add_host`: a host in the inventory of this run.

use language::Vars;
use model::{Args, HostName, Outcome};

use super::{Attempt, Call, Effect, Prepared, failure};
use crate::state::read;

const NAMES: &[&str] = &["name", "hostname", "host"];
const GROUPS: &[&str] = &["groups", "groupname", "group"];

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    let first = |names: &[&str]| names.iter().find_map(|name| call.args.get(*name));
    let name = first(NAMES).map(ToString::to_string).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| failure("name, host or hostname needs to be provided"))?;
    let groups = match first(GROUPS) {
        Some(value) => match value.as_list() {
            Some(list) => {
                list.snapshot().iter().map(|group| group.to_string().trim().to_owned()).collect()
            }
            None => value.to_string().split(',').map(|group| group.trim().to_owned()).collect(),
        },
        None => Vec::new(),
    };
    let known = |key: &str| NAMES.contains(&key) || GROUPS.contains(&key);
    let mut vars: Vars = call
        .args
        .iter()
        .filter(|(key, _)| !known(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let (host, port) = split_port(&name);
    if let Some(port) = port {
        vars.entry("ansible_ssh_port".into()).or_insert_with(|| i64::from(port).into());
    }
    let name = HostName::new(host);
    let mut result = Args::new();
    let mut shown = Args::new();
    for (name, value) in &vars {
        shown.insert(name.to_string(), value.to_json()?);
    }
    result.insert(
        "add_host".into(),
        serde_json::json!({ "host_name": host, "groups": groups, "host_vars": shown }),
    );
    let added = |effect: &Effect| matches!(effect, Effect::AddHost { name: other, groups: of, vars: with } if *other == name && *of == groups && *with == vars);
    let changes =
        !call.earlier.iter().any(added) && read(&call.world.inventory).lacks(&name, &groups, &vars);
    let outcome = if changes { Outcome::changed(result) } else { Outcome::ok(result) };
    let effect = Effect::AddHost { name, groups, vars };
    Ok(Prepared::Done(outcome, vec![effect]))
}

/// `host:port`, where the host is no IPv6 address.
fn split_port(name: &str) -> (&str, Option<u16>) {
    match name.split_once(':') {
        Some((host, port)) if !port.contains(':') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (name, None),
        },
        _ => (name, None),
    }
}
