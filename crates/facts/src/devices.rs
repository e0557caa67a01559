//! Block devices and the names that storage networks know this host by.

use std::collections::BTreeMap;

use model::Args;
use serde_json::{Value, json};

use system::Probe;

use crate::host::Host;
use crate::text::human_size;

/// Kinds of links below /dev/disk, with the names of the facts.
const LINK_KINDS: &[(&str, &str)] =
    &[("ids", "/dev/disk/by-id"), ("uuids", "/dev/disk/by-uuid"), ("labels", "/dev/disk/by-label")];

/// By kind, by device: the links to it.
type Links = BTreeMap<&'static str, BTreeMap<String, Vec<String>>>;

pub(crate) fn devices(host: &Host<'_>, facts: &mut Args) {
    let links = links(host);
    let mut devices = Args::new();
    for name in host.names("/sys/block") {
        let device = device(host, &name, &links);
        devices.insert(name, device);
    }
    facts.insert("devices".to_owned(), devices.into());
    facts.insert("device_links".to_owned(), json!(links));
}

/// The file-system UUID of each device, by its name below /dev.
pub(crate) fn uuids(host: &Host<'_>) -> BTreeMap<String, String> {
    let names = host.names("/dev/disk/by-uuid").into_iter();
    names
        .filter_map(|uuid| Some((host.link_name(format!("/dev/disk/by-uuid/{uuid}"))?, uuid)))
        .collect()
}

/// The UUID of the file system on each device, by the device's name below /dev.
pub fn device_uuids(probe: &dyn Probe) -> BTreeMap<String, String> {
    uuids(&Host::new(probe))
}

fn links(host: &Host<'_>) -> Links {
    let mut links = Links::from([("masters", BTreeMap::new())]);
    for (kind, folder) in LINK_KINDS {
        let of_kind = links.entry(kind).or_default();
        for name in host.names(folder) {
            if let Some(device) = host.link_name(format!("{folder}/{name}")) {
                of_kind.entry(device).or_default().push(name);
            }
        }
    }
    let masters = links.entry("masters").or_default();
    for master in host.names("/sys/block") {
        for slave in host.names(format!("/sys/block/{master}/slaves")) {
            masters.entry(slave).or_default().push(master.clone());
        }
    }
    links
}

fn links_of(links: &Links, device: &str) -> Value {
    let of =
        |kind: &str| links.get(kind).and_then(|by| by.get(device)).cloned().unwrap_or_default();
    json!({
        "ids": of("ids"), "uuids": of("uuids"), "labels": of("labels"), "masters": of("masters"),
    })
}

fn device(host: &Host<'_>, name: &str, links: &Links) -> Value {
    let folder = format!("/sys/block/{name}");
    let line = |file: &str| host.line(format!("{folder}/{file}"));
    let mut partitions = Args::new();
    let inside = host.names(&folder).into_iter().filter(|entry| {
        entry.starts_with(name) && host.exists(format!("{folder}/{entry}/partition"))
    });
    for partition in inside {
        let value = self::partition(host, &format!("{folder}/{partition}"), &partition, links);
        partitions.insert(partition, value);
    }
    let sector_size = sector_size(host, &folder);
    let bytes = host.number(format!("{folder}/size")).unwrap_or(0).saturating_mul(512);
    let mut device = json!({
        "virtual": 1,
        "links": links_of(links, name),
        "vendor": line("device/vendor"),
        "model": line("device/model"),
        "sas_address": line("device/sas_address"),
        "sas_device_handle": line("device/sas_device_handle"),
        "removable": line("removable"),
        "rotational": line("queue/rotational"),
        "support_discard": line("queue/discard_granularity"),
        "scheduler_mode": scheduler(&line("queue/scheduler").unwrap_or_default()),
        "partitions": partitions,
        "sectors": bytes / sector_size,
        "sectorsize": sector_size.to_string(),
        "size": human_size(bytes as f64),
        "host": "",
        "holders": holders(host, &folder),
    });
    if let Some(serial) = line("device/serial").or_else(|| line("serial")) {
        device["serial"] = serial.into();
    }
    if let Some(wwn) = line("device/wwid").or_else(|| line("wwid")) {
        device["wwn"] = wwn.into();
    }
    device
}

fn partition(host: &Host<'_>, folder: &str, name: &str, links: &Links) -> Value {
    let number = |file: &str| host.number(format!("{folder}/{file}")).unwrap_or(0);
    let bytes = number("size").saturating_mul(512);
    let size = sector_size(host, folder.rsplit_once('/').map_or(folder, |(device, _)| device));
    let links = links_of(links, name);
    json!({
        "uuid": links["uuids"].get(0).cloned(),
        "links": links,
        "start": number("start").to_string(),
        "sectors": bytes / size,
        "sectorsize": size,
        "size": human_size(bytes as f64),
        "holders": holders(host, folder),
    })
}

fn sector_size(host: &Host<'_>, folder: &str) -> i64 {
    let size = host.number(format!("{folder}/queue/logical_block_size"));
    size.filter(|size| *size > 0).unwrap_or(512)
}

/// `[none] mq-deadline` → `none`.
fn scheduler(text: &str) -> &str {
    text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(name, _)| name)
}

/// Who sits on top: device-mapper devices by `kernel-friendly` names.
fn holders(host: &Host<'_>, folder: &str) -> Vec<String> {
    let names = host.names(format!("{folder}/holders")).into_iter();
    names
        .map(|name| match host.line(format!("/sys/block/{name}/dm/name")) {
            Some(friendly) => format!("{name}-{friendly}"),
            None => name,
        })
        .collect()
}

pub(crate) fn fibre_channel(host: &Host<'_>, facts: &mut Args) {
    let ports = host.names("/sys/class/fc_host").into_iter();
    let names: Vec<String> = ports
        .filter_map(|port| host.line(format!("/sys/class/fc_host/{port}/port_name")))
        .map(|name| name.trim_start_matches("0x").to_owned())
        .collect();
    facts.insert("fibre_channel_wwn".to_owned(), names.into());
}

pub(crate) fn iscsi(host: &Host<'_>, facts: &mut Args) {
    let text = host.text("/etc/iscsi/initiatorname.iscsi").unwrap_or_default();
    let name = text.lines().find_map(|line| line.trim().strip_prefix("InitiatorName="));
    facts.insert("iscsi_iqn".to_owned(), name.unwrap_or_default().into());
}

pub(crate) fn nvme(host: &Host<'_>, facts: &mut Args) {
    let text = host.text("/etc/nvme/hostnqn").unwrap_or_default();
    let name = text.lines().map(str::trim).find(|line| line.starts_with("nqn."));
    facts.insert("hostnqn".to_owned(), name.unwrap_or_default().into());
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_chosen_scheduler_stands_in_brackets() {
        assert_eq!(super::scheduler("none [mq-deadline] bfq"), "mq-deadline");
        assert_eq!(super::scheduler("none"), "");
    }
}
