//! The software that manages software: package manager, init, and which Python there is.

use model::Args;
use serde_json::json;
use system::{Command, Probe};

use crate::distribution::{Distribution, distribution};
use crate::host::Host;

/// Package managers by the program that shows them; a later one wins unless the family says otherwise.
const PACKAGE_MANAGERS: &[(&str, &str)] = &[
    ("/usr/bin/rpm-ostree", "atomic_container"),
    ("/usr/bin/yum", "yum"),
    ("/usr/bin/dnf-3", "dnf"),
    ("/usr/bin/dnf", "dnf"),
    ("/usr/bin/dnf5", "dnf5"),
    ("/usr/bin/apt-get", "apt"),
    ("/usr/bin/zypper", "zypper"),
    ("/usr/sbin/urpmi", "urpmi"),
    ("/usr/bin/pacman", "pacman"),
    ("/bin/opkg", "opkg"),
    ("/usr/bin/swupd", "swupd"),
    ("/usr/bin/emerge", "portage"),
    ("/usr/bin/xbps-install", "xbps"),
    ("/usr/sbin/pkgtool", "pkgtool"),
    ("/usr/sbin/slackpkg", "slackpkg"),
    ("/sbin/apk", "apk"),
    ("/usr/sbin/apk", "apk"),
    ("/run/current-system/sw/bin/nix-env", "nix"),
];

pub(crate) fn pkg_mgr(host: &Host<'_>, facts: &mut Args) {
    let found = package_manager(host.probe, &distribution(host.probe));
    facts.insert("pkg_mgr".to_owned(), found.into());
}

/// The package manager of a host, as `pkg_mgr` names it; `unknown` when there is none.
pub fn package_manager(probe: &dyn Probe, distribution: &Distribution) -> &'static str {
    let exists = |path: &str| {
        probe.stat(std::path::Path::new(path), true).is_ok_and(|found| found.is_some())
    };
    let installed: Vec<&str> =
        PACKAGE_MANAGERS.iter().filter(|(path, _)| exists(path)).map(|(_, name)| *name).collect();
    choose(&installed, distribution)
}

fn choose(installed: &[&'static str], distribution: &Distribution) -> &'static str {
    let preferred: &[&str] = match distribution.family.as_str() {
        "Debian" => &["apt"],
        "RedHat" if installed.contains(&"atomic_container") => &["atomic_container"],
        "RedHat" if is_old(distribution) => &["yum"],
        "RedHat" if is_dnf5(distribution) => &["dnf5", "dnf"],
        "RedHat" => &["dnf", "dnf5", "yum"],
        "Suse" => &["zypper"],
        "Archlinux" => &["pacman"],
        "Alpine" => &["apk"],
        _ => &[],
    };
    let of_family = preferred.iter().find_map(|name| installed.iter().find(|have| *have == name));
    of_family.or(installed.last()).copied().unwrap_or("unknown")
}

fn major(distribution: &Distribution) -> u32 {
    distribution.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
}

/// Systems whose package manager is yum.
fn is_old(distribution: &Distribution) -> bool {
    match distribution.name.as_str() {
        "Fedora" => major(distribution) < 23,
        "Amazon" => major(distribution) < 2022 || distribution.version.starts_with("2018"),
        _ => major(distribution) < 8,
    }
}

fn is_dnf5(distribution: &Distribution) -> bool {
    distribution.name == "Fedora" && major(distribution) >= 41
}

pub(crate) fn service_mgr(host: &Host<'_>, facts: &mut Args) {
    facts.insert("service_mgr".to_owned(), service_manager(host.probe).into());
}

/// `systemd 252 (252.39-1~deb12u1)`, and the features that it was built with.
pub(crate) fn systemd(host: &Host<'_>, facts: &mut Args) {
    let said = ["/usr/bin/systemctl", "/bin/systemctl"]
        .into_iter()
        .filter(|path| host.exists(path))
        .find_map(|path| host.output(&Command::new(path, ["--version"])));
    let Some(said) = said else { return };
    let mut lines = said.lines();
    let version = lines.next().and_then(|line| line.split_whitespace().nth(1)).map(str::parse);
    if let Some(Ok::<u64, _>(version)) = version {
        let features = lines.next().unwrap_or_default();
        facts.insert("systemd".to_owned(), json!({ "features": features, "version": version }));
    }
}

/// What manages services on a host, as `service_mgr` names it.
pub fn service_manager(probe: &dyn Probe) -> String {
    let host = Host::new(probe);
    let first = host.line("/proc/1/comm").unwrap_or_default();
    let known = match first.as_str() {
        "procd" => "openwrt_init",
        "runit-init" => "runit",
        "svscan" => "svc",
        "openrc-init" => "openrc",
        "" | "init" | "COMMAND" => "",
        name if name.ends_with("sh") => "",
        name => name,
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let systemctl = ["/usr/bin/systemctl", "/bin/systemctl"].iter().any(|path| host.exists(path));
    let booted = ["/run/systemd/system", "/dev/.run/systemd", "/dev/.systemd"];
    let guess = if systemctl && booted.iter().any(|path| host.exists(path)) {
        "systemd"
    } else if host.exists("/sbin/initctl") && host.exists("/etc/init") {
        "upstart"
    } else if host.exists("/sbin/openrc") {
        "openrc"
    } else if systemctl && host.link_name("/sbin/init").as_deref() == Some("systemd") {
        "systemd"
    } else if host.exists("/etc/init.d") {
        "sysvinit"
    } else {
        "service"
    };
    guess.to_owned()
}

/// The system's Python, as far as the name of its program tells: nothing here needs one.
pub(crate) fn python(host: &Host<'_>, facts: &mut Args) {
    let path = "/usr/bin/python3";
    let name = host.link_name(path).unwrap_or_default();
    let minor = name.strip_prefix("python3.").and_then(|minor| minor.parse::<u32>().ok());
    let Some(minor) = minor else { return };
    facts.insert("python_version".to_owned(), format!("3.{minor}").into());
    facts.insert(
        "python".to_owned(),
        json!({
            "executable": path,
            "type": "cpython",
            "version": {"major": 3, "minor": minor},
            "version_info": [3, minor],
            "has_sslcontext": true,
        }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_chooses_the_package_manager() {
        for (os, installed, expected) in [
            ("debian", &["dnf", "apt", "apk"][..], "apt"),
            ("debian", &["dnf"], "dnf"),
            ("rocky\nVERSION_ID=9.3", &["yum", "dnf"], "dnf"),
            ("centos\nVERSION_ID=7", &["yum", "dnf"], "yum"),
            ("fedora\nVERSION_ID=41", &["yum", "dnf", "dnf5"], "dnf5"),
            ("fedora\nVERSION_ID=40", &["yum", "dnf", "dnf5"], "dnf"),
            ("amzn\nVERSION_ID=2", &["yum"], "yum"),
            ("alpine", &["apk"], "apk"),
            ("frobnix", &[], "unknown"),
        ] {
            let distribution = crate::distribution::from_os_release(&format!("ID={os}\n"));
            assert_eq!(choose(installed, &distribution), expected, "{os}");
        }
    }
}
