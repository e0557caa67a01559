//! Whether this is a guest or a host of virtual machines or containers, and of which kind.

use std::collections::BTreeSet;

use model::Args;
use serde_json::json;

use crate::host::Host;

/// What the system shows of its virtualization, read once.
#[derive(Debug, Default)]
struct Signs {
    /// cgroups of process 1.
    cgroups: String,
    has_dockerenv: bool,
    has_containerenv: bool,
    /// `container=` of process 1's environment.
    container: Option<String>,
    /// /run/systemd/container.
    systemd_container: Option<String>,
    has_vz: bool,
    has_lve: bool,
    has_bc: bool,
    has_xen: bool,
    xen_capabilities: String,
    product_name: String,
    product_family: String,
    system_vendor: String,
    bios_vendor: String,
    chassis_vendor: String,
    cpuinfo: String,
    modules: String,
    has_kvm_device: bool,
    own_status: String,
}

#[derive(Debug, Default, PartialEq)]
struct Found {
    /// The first kind seen, with the role in it.
    kind: Option<(String, &'static str)>,
    guests: BTreeSet<String>,
    hosts: BTreeSet<String>,
}

impl Found {
    fn guest(&mut self, kind: &str) {
        self.guests.insert(kind.to_owned());
        self.kind.get_or_insert_with(|| (kind.to_owned(), "guest"));
    }

    fn container(&mut self, kind: &str) {
        self.guest(kind);
        self.guests.insert("container".to_owned());
    }

    fn host(&mut self, kind: &str) {
        self.hosts.insert(kind.to_owned());
        self.kind.get_or_insert_with(|| (kind.to_owned(), "host"));
    }
}

pub(crate) fn virtualization(host: &Host<'_>, facts: &mut Args) {
    let found = judge(&signs(host));
    let (kind, role) = found.kind.unwrap_or_else(|| ("NA".to_owned(), "NA"));
    facts.insert("virtualization_type".to_owned(), kind.into());
    facts.insert("virtualization_role".to_owned(), role.into());
    facts.insert("virtualization_tech_guest".to_owned(), json!(found.guests));
    facts.insert("virtualization_tech_host".to_owned(), json!(found.hosts));
}

fn signs(host: &Host<'_>) -> Signs {
    let text = |path: &str| host.text(path).unwrap_or_default();
    let dmi =
        |name: &str| host.line(format!("/sys/devices/virtual/dmi/id/{name}")).unwrap_or_default();
    let environment = text("/proc/1/environ");
    let container = environment.split('\0').find_map(|pair| pair.strip_prefix("container="));
    Signs {
        cgroups: text("/proc/1/cgroup"),
        has_dockerenv: host.exists("/.dockerenv") || host.exists("/.dockerinit"),
        has_containerenv: host.exists("/run/.containerenv"),
        container: container.filter(|kind| !kind.is_empty()).map(str::to_owned),
        systemd_container: host.line("/run/systemd/container"),
        has_vz: host.exists("/proc/vz"),
        has_lve: host.exists("/proc/lve"),
        has_bc: host.exists("/proc/bc"),
        has_xen: host.exists("/proc/xen"),
        xen_capabilities: text("/proc/xen/capabilities"),
        product_name: dmi("product_name"),
        product_family: dmi("product_family"),
        system_vendor: dmi("sys_vendor"),
        bios_vendor: dmi("bios_vendor"),
        chassis_vendor: dmi("chassis_vendor"),
        cpuinfo: text("/proc/cpuinfo"),
        modules: text("/proc/modules"),
        has_kvm_device: host.exists("/dev/kvm"),
        own_status: text("/proc/self/status"),
    }
}

/// Containers first, since they share the machine's firmware; then machines; then what this one can host.
fn judge(signs: &Signs) -> Found {
    let mut found = Found::default();
    containers(signs, &mut found);
    machines(signs, &mut found);
    hosts(signs, &mut found);
    found
}

fn containers(signs: &Signs, found: &mut Found) {
    let in_cgroup = |part: &str| signs.cgroups.contains(part);
    if in_cgroup("/docker/") || in_cgroup("/docker-") || signs.has_dockerenv {
        found.container("docker");
    }
    if in_cgroup("/lxc/") || in_cgroup("/lxc.payload") {
        found.container("lxc");
    }
    if signs.has_containerenv || in_cgroup("/libpod-") {
        found.container("podman");
    }
    for kind in [&signs.container, &signs.systemd_container].into_iter().flatten() {
        found.container(kind);
    }
    if signs.has_vz && !signs.has_lve {
        if signs.has_bc { found.host("openvz") } else { found.container("openvz") }
    }
    let vserver = signs.own_status.lines().find_map(|line| line.strip_prefix("VxID:"));
    match vserver.map(str::trim) {
        Some("0") => found.host("linux_vserver"),
        Some(_) => found.guest("linux_vserver"),
        None => {}
    }
}

fn machines(signs: &Signs, found: &mut Found) {
    if signs.has_xen {
        if signs.xen_capabilities.contains("control_d") {
            found.host("xen");
        } else {
            found.guest("xen");
        }
    }
    let product = signs.product_name.as_str();
    let vendor = signs.system_vendor.as_str();
    let kind = match (product, vendor, signs.bios_vendor.as_str()) {
        ("RHV" | "oVirt Node", ..) | (_, "oVirt", _) => Some("RHEV"),
        _ if signs.product_family == "RHV" => Some("RHV"),
        ("OpenStack Compute" | "OpenStack Nova", ..) | (_, "OpenStack Foundation", _) => {
            Some("openstack")
        }
        ("KVM" | "KVM Server" | "Bochs" | "AHV" | "Google Compute Engine", ..)
        | (_, "QEMU" | "Amazon EC2" | "DigitalOcean" | "Hetzner" | "Linode" | "KubeVirt", _)
        | (_, _, "Amazon EC2") => Some("kvm"),
        (product, ..) if product.starts_with("VMware") => Some("VMware"),
        ("VirtualBox", ..) | (_, "innotek GmbH", _) | (_, _, "innotek GmbH") => Some("virtualbox"),
        ("Virtual Machine", "Microsoft Corporation", _) => Some("VirtualPC"),
        (_, "Parallels Software International Inc." | "Parallels International GmbH.", _) => {
            Some("parallels")
        }
        ("HVM domU", ..) | (_, "Xen", _) | (_, _, "Xen") => Some("xen"),
        (_, "OpenBSD", _) => Some("OpenBSD"),
        _ => None,
    };
    if let Some(kind) = kind {
        found.guest(kind);
    } else if signs.chassis_vendor == "QEMU" {
        found.guest("kvm");
    }
    for line in signs.cpuinfo.lines() {
        let (key, value) = line.split_once(':').unwrap_or((line, ""));
        match (key.trim(), value.trim()) {
            ("model name", model) if model.contains("QEMU Virtual CPU") => found.guest("kvm"),
            ("vendor_id", vendor) if vendor.contains("User Mode Linux") => found.guest("uml"),
            ("vendor_id", vendor) if vendor.contains("PowerVM Lx86") => found.guest("powervm_lx86"),
            ("vendor_id", vendor) if vendor.contains("IBM/S390") => found.guest("PR/SM"),
            _ => {}
        }
    }
}

fn hosts(signs: &Signs, found: &mut Found) {
    let modules: BTreeSet<&str> =
        signs.modules.lines().filter_map(|line| line.split(' ').next()).collect();
    if signs.has_kvm_device || modules.contains("kvm") {
        found.host("kvm");
    }
    if modules.contains("vboxdrv") {
        found.host("virtualbox");
    }
    if found.kind.is_none() && modules.contains("virtio") {
        found.guest("kvm");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(signs: Signs) -> String {
        let found = judge(&signs);
        found.kind.map_or("NA".to_owned(), |(kind, role)| format!("{kind} {role}"))
    }

    #[test]
    fn kinds_are_told_apart() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(kind(Signs::default()), "NA");
        assert_eq!(
            kind(Signs { cgroups: "0::/docker/0af\n".into(), ..Signs::default() }),
            "docker guest"
        );
        assert_eq!(kind(Signs { container: some("lxc"), ..Signs::default() }), "lxc guest");
        assert_eq!(
            kind(Signs { systemd_container: some("systemd-nspawn"), ..Signs::default() }),
            "systemd-nspawn guest"
        );
        assert_eq!(
            kind(Signs { product_name: "VMware7,1".into(), ..Signs::default() }),
            "VMware guest"
        );
        assert_eq!(kind(Signs { system_vendor: "QEMU".into(), ..Signs::default() }), "kvm guest");
        assert_eq!(kind(Signs { has_kvm_device: true, ..Signs::default() }), "kvm host");
        assert_eq!(kind(Signs { has_vz: true, has_bc: true, ..Signs::default() }), "openvz host");
        assert_eq!(kind(Signs { has_xen: true, ..Signs::default() }), "xen guest");
    }

    #[test]
    fn a_container_on_a_machine_that_hosts_is_all_three() {
        let signs = Signs { has_dockerenv: true, has_kvm_device: true, ..Signs::default() };
        let found = judge(&signs);
        assert_eq!(found.kind, Some(("docker".to_owned(), "guest")));
        assert_eq!(found.guests, BTreeSet::from(["container".to_owned(), "docker".to_owned()]));
        assert_eq!(found.hosts, BTreeSet::from(["kvm".to_owned()]));
    }
}
