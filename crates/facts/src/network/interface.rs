//! One interface, from /sys/class/net.

use model::Args;
use serde_json::{Value, json};

use crate::host::Host;

const PROMISCUOUS: u32 = 0x100;

pub(super) fn describe(host: &Host<'_>, name: &str) -> Args {
    let folder = format!("/sys/class/net/{name}");
    let line = |file: &str| host.line(format!("{folder}/{file}"));
    let mut facts = Args::new();
    let mut set = |key: &str, value: Value| facts.insert(key.to_owned(), value);
    set("device", name.into());
    if let Some(address) = line("address").filter(|address| !is_empty_address(address)) {
        set("macaddress", address.into());
    }
    if let Some(mtu) = host.number(format!("{folder}/mtu")) {
        set("mtu", mtu.into());
    }
    if let Some(state) = line("operstate") {
        set("active", (state != "down").into());
    }
    if let Some(module) = host.link_name(format!("{folder}/device/driver/module")) {
        set("module", module.into());
    }
    let kind = line("type").unwrap_or_default();
    set("type", kind_of(&kind).into());
    if let Some(id) = host.link_name(format!("{folder}/device")) {
        set("pciid", id.into());
    }
    if let Some(speed) = host.number(format!("{folder}/speed")) {
        set("speed", speed.into());
    }
    if let Some(flags) = line("flags") {
        let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or(0);
        set("promisc", (flags & PROMISCUOUS != 0).into());
    }
    if host.exists(format!("{folder}/bridge")) {
        facts.extend(bridge(host, &folder));
    } else if host.exists(format!("{folder}/bonding")) {
        facts.extend(bond(host, &folder));
    } else if let Some(address) = line("bonding_slave/perm_hwaddr") {
        facts.insert("perm_macaddress".to_owned(), address.into());
    }
    facts
}

fn is_empty_address(address: &str) -> bool {
    address.chars().all(|c| matches!(c, '0' | ':'))
}

/// ARPHRD numbers by name.
fn kind_of(number: &str) -> &'static str {
    match number {
        "1" => "ether",
        "32" => "infiniband",
        "512" => "ppp",
        "772" => "loopback",
        "65534" => "tunnel",
        _ => "unknown",
    }
}

fn bridge(host: &Host<'_>, folder: &str) -> Args {
    let line = |file: &str| host.line(format!("{folder}/bridge/{file}"));
    Args::from_iter([
        ("type".to_owned(), json!("bridge")),
        ("interfaces".to_owned(), json!(host.names(format!("{folder}/brif")))),
        ("id".to_owned(), json!(line("bridge_id").unwrap_or_default())),
        ("stp".to_owned(), json!(line("stp_state").as_deref() == Some("1"))),
    ])
}

fn bond(host: &Host<'_>, folder: &str) -> Args {
    let line = |file: &str| host.line(format!("{folder}/bonding/{file}")).unwrap_or_default();
    let first = |file: &str| line(file).split(' ').next().unwrap_or_default().to_owned();
    let slaves: Vec<String> = line("slaves").split_whitespace().map(str::to_owned).collect();
    let mut facts = Args::from_iter([
        ("type".to_owned(), json!("bonding")),
        ("slaves".to_owned(), json!(slaves)),
        ("mode".to_owned(), json!(first("mode"))),
        ("miimon".to_owned(), json!(first("miimon"))),
        ("lacp_rate".to_owned(), json!(first("lacp_rate"))),
    ]);
    let primary = line("primary");
    if !primary.is_empty() {
        facts.insert("primary".to_owned(), primary.into());
        facts.insert("all_slaves_active".to_owned(), (line("all_slaves_active") == "1").into());
    }
    facts
}
