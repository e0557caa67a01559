//! What guards the host: SELinux, AppArmor, FIPS, capabilities, and its SSH keys.

use model::Args;
use serde_json::{Value, json};

use crate::host::Host;

pub(crate) fn apparmor(host: &Host<'_>, facts: &mut Args) {
    let enabled = host.exists("/sys/kernel/security/apparmor");
    let status = if enabled { "enabled" } else { "disabled" };
    facts.insert("apparmor".to_owned(), json!({ "status": status }));
}

pub(crate) fn selinux(host: &Host<'_>, facts: &mut Args) {
    facts.insert("selinux_python_present".to_owned(), true.into());
    let value = match host.number("/sys/fs/selinux/enforce") {
        None => json!({"status": "disabled"}),
        Some(enforce) => {
            let config = host.text("/etc/selinux/config").unwrap_or_default();
            json!({
                "status": "enabled",
                "policyvers": host.number("/sys/fs/selinux/policyvers"),
                "config_mode": setting(&config, "SELINUX").unwrap_or("unknown"),
                "mode": if enforce == 1 { "enforcing" } else { "permissive" },
                "type": setting(&config, "SELINUXTYPE").unwrap_or("unknown"),
            })
        }
    };
    facts.insert("selinux".to_owned(), value);
}

fn setting<'t>(config: &'t str, name: &str) -> Option<&'t str> {
    config.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('=')).map(str::trim)
}

pub(crate) fn fips(host: &Host<'_>, facts: &mut Args) {
    let enabled = host.line("/proc/sys/crypto/fips_enabled").as_deref() == Some("1");
    facts.insert("fips".to_owned(), enabled.into());
}

/// The kernel's names of capabilities, by number.
const CAPABILITIES: &[&str] = &[
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

pub(crate) fn capabilities(host: &Host<'_>, facts: &mut Args) {
    let status = host.text("/proc/self/status").unwrap_or_default();
    let last = host.number("/proc/sys/kernel/cap_last_cap");
    let last = last.and_then(|last| usize::try_from(last).ok()).unwrap_or(CAPABILITIES.len() - 1);
    let (enforced, names) = match effective(&status, last) {
        None => ("NA", Vec::new()),
        Some(Effective::All) => ("False", Vec::new()),
        Some(Effective::These(names)) => ("True", names),
    };
    facts.insert("system_capabilities_enforced".to_owned(), enforced.into());
    facts.insert("system_capabilities".to_owned(), names.into());
}

/// The capabilities of this process.
#[derive(Debug, PartialEq)]
enum Effective {
    All,
    These(Vec<String>),
}

fn effective(status: &str, last: usize) -> Option<Effective> {
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    let has = |bit: usize| bit < 64 && mask >> bit & 1 == 1;
    if (0..=last.min(63)).all(has) {
        return Some(Effective::All);
    }
    let name = |bit: usize| match CAPABILITIES.get(bit) {
        Some(name) => format!("cap_{name}"),
        None => bit.to_string(),
    };
    Some(Effective::These((0..64).filter(|bit| has(*bit)).map(name).collect()))
}

/// The public halves of the host's SSH keys.
pub(crate) fn ssh_host_keys(host: &Host<'_>, facts: &mut Args) {
    for kind in ["dsa", "rsa", "ecdsa", "ed25519"] {
        let file = format!("ssh_host_{kind}_key.pub");
        let folders = ["/etc/ssh", "/etc/openssh", "/etc"];
        let Some(text) = folders.iter().find_map(|folder| host.line(format!("{folder}/{file}")))
        else {
            continue;
        };
        let mut words = text.split_whitespace();
        if let (Some(keytype), Some(key)) = (words.next(), words.next()) {
            facts.insert(format!("ssh_host_key_{kind}_public"), Value::from(key));
            facts.insert(format!("ssh_host_key_{kind}_public_keytype"), Value::from(keytype));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_have_names() {
        assert_eq!(effective("CapEff:\t000001ffffffffff\n", 40), Some(Effective::All));
        let some = effective("CapPrm: 0\nCapEff:\t0000000000003000\n", 40).expect("a mask");
        let names = ["cap_net_admin", "cap_net_raw"].map(str::to_owned);
        assert_eq!(some, Effective::These(names.to_vec()));
        assert_eq!(effective("CapEff:\tfffg\n", 40), None);
    }

    #[test]
    fn selinux_settings_are_read() {
        let config = "# SELINUX=no\nSELINUX=permissive\nSELINUXTYPE=targeted \n";
        assert_eq!(setting(config, "SELINUX"), Some("permissive"));
        assert_eq!(setting(config, "SELINUXTYPE"), Some("targeted"));
    }
}
