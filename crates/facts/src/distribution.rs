//! Which distribution this is, with the names and quirks that playbooks have come to rely on.

use std::collections::BTreeMap;

use model::Args;
use serde_json::{Value, json};

use crate::host::Host;
use crate::text::assignments;

/// What is written about the distribution, by file.
#[derive(Debug, Default)]
struct Release {
    os: BTreeMap<String, String>,
    /// Content of other release files by path, where they exist.
    files: BTreeMap<&'static str, String>,
}

/// The distribution in Ansible's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// E.g. `Debian`, `RedHat`.
    pub name: String,
    /// E.g. `12.11`; `n/a` for rolling ones.
    pub version: String,
    /// The code name, e.g. `bookworm`.
    pub release: String,
    /// What stands after the point, where Ansible tells it.
    pub minor_version: Option<String>,
    /// The family that decides how packages and services work, e.g. `Debian`.
    pub family: String,
    /// The file that told, and its kind.
    file: (&'static str, &'static str),
    /// What was looked for in that file to recognise it.
    search_string: Option<&'static str>,
}

const OS_RELEASE: &str = "/etc/os-release";
const FILES: &[&str] = &[
    "/etc/debian_version",
    "/etc/redhat-release",
    "/etc/oracle-release",
    "/etc/centos-release",
    "/etc/alpine-release",
    "/etc/arch-release",
    "/etc/slackware-version",
    "/etc/openwrt_release",
];

/// What distribution a host runs.
pub fn distribution(probe: &dyn system::Probe) -> Distribution {
    identify(&read(&Host::new(probe)))
}

pub(crate) fn collect(host: &Host<'_>, facts: &mut Args) {
    describe(&identify(&read(host)), facts);
}

fn read(host: &Host<'_>) -> Release {
    let os = host.text(OS_RELEASE).or_else(|| host.text("/usr/lib/os-release"));
    let os = assignments(&os.unwrap_or_default());
    let files = FILES.iter().filter_map(|path| Some((*path, host.text(path)?))).collect();
    Release { os, files }
}

/// The distribution that os-release alone tells.
#[cfg(test)]
pub(crate) fn from_os_release(text: &str) -> Distribution {
    identify(&Release { os: assignments(text), ..Release::default() })
}

fn describe(found: &Distribution, facts: &mut Args) {
    let major = match found.version.split('.').next() {
        Some(major) if !major.is_empty() => major,
        _ => "NA",
    };
    let (path, variety) = found.file;
    let mut set = |name: &str, value: Value| facts.insert(name.to_owned(), value);
    set("distribution", json!(found.name));
    set("distribution_version", json!(found.version));
    set("distribution_major_version", json!(major));
    set("distribution_release", json!(found.release));
    if let Some(minor) = &found.minor_version {
        set("distribution_minor_version", json!(minor));
    }
    set("distribution_file_path", json!(path));
    set("distribution_file_variety", json!(variety));
    if variety != "Archlinux" {
        set("distribution_file_parsed", json!(true));
    }
    if let Some(text) = found.search_string {
        set("distribution_file_search_string", json!(text));
    }
    set("os_family", json!(found.family));
}

fn identify(release: &Release) -> Distribution {
    let os = |name: &str| release.os.get(name).map(String::as_str);
    let id = os("ID").unwrap_or_default();
    let name = name_of(id, os("NAME"));
    let mut found = Distribution {
        family: family_of(&name).unwrap_or(&name).to_owned(),
        version: os("VERSION_ID").filter(|v| !v.is_empty()).unwrap_or("n/a").to_owned(),
        release: code_name(os("VERSION_CODENAME"), os("VERSION")),
        minor_version: None,
        file: (OS_RELEASE, variety_of(id)),
        search_string: None,
        name,
    };
    refine(&mut found, id, release);
    found
}

/// What other files than os-release know better.
fn refine(found: &mut Distribution, id: &str, release: &Release) {
    let file = |path: &str| release.files.get(path).map(|text| text.trim());
    match id {
        "debian" | "raspbian" => {
            let numbers = file("/etc/debian_version").and_then(|text| text.split_once('.'));
            if let Some((major, minor)) = numbers.filter(|(major, _)| is_number(major)) {
                found.minor_version = Some(minor.to_owned());
                if id == "debian" {
                    found.version = format!("{major}.{minor}");
                }
            }
        }
        "amzn" => {
            let minor = found.version.split_once('.').map_or("NA", |(_, minor)| minor);
            found.minor_version = Some(minor.to_owned());
        }
        "centos" if file("/etc/centos-release").is_some_and(|text| text.contains("Stream")) => {
            "Stream".clone_into(&mut found.release);
            found.file = ("/etc/centos-release", "CentOS");
            return;
        }
        "centos" => {
            // os-release says 7 where the release file says 7.9.2009.
            let words = file("/etc/redhat-release").unwrap_or_default().split_whitespace();
            let version = words.rev().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
            if let Some(version) = version {
                let parts: Vec<&str> = version.split('.').take(2).collect();
                found.version = parts.join(".");
            }
        }
        _ if found.family == "Suse" || id == "sle-micro" => {
            let minor = found.version.split_once('.').map_or("", |(_, minor)| minor);
            found.release = minor.to_owned();
        }
        _ => {}
    }
    for (path, variety, search) in [
        ("/etc/oracle-release", "OracleLinux", Some("Oracle Linux")),
        ("/etc/slackware-version", "Slackware", None),
        ("/etc/openwrt_release", "OpenWrt", None),
        ("/etc/alpine-release", "Alpine", None),
        ("/etc/redhat-release", "RedHat", None),
        ("/etc/arch-release", "Archlinux", None),
    ] {
        if file(path).is_none() {
            continue;
        }
        found.file = (path, variety);
        found.search_string = search;
        match variety {
            "RedHat" if id == "rhel" => found.search_string = Some("Red Hat"),
            "Archlinux" => {
                "Archlinux".clone_into(&mut found.name);
                "Archlinux".clone_into(&mut found.family);
            }
            _ => {}
        }
        return;
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// VERSION_CODENAME, also when empty; else the name in brackets of VERSION.
fn code_name(code_name: Option<&str>, version: Option<&str>) -> String {
    if let Some(name) = code_name {
        return name.to_owned();
    }
    let in_brackets = version
        .and_then(|version| version.split_once('('))
        .and_then(|(_, rest)| rest.split_once(')'))
        .map(|(name, _)| name)
        .filter(|name| !name.is_empty() && !name.contains(|c: char| c.is_ascii_digit()));
    in_brackets.unwrap_or("n/a").to_owned()
}

fn name_of(id: &str, name: Option<&str>) -> String {
    let known = match id {
        "debian" | "raspbian" => "Debian",
        "ubuntu" => "Ubuntu",
        "rhel" => "RedHat",
        "centos" => "CentOS",
        "fedora" => "Fedora",
        "rocky" => "Rocky",
        "almalinux" => "AlmaLinux",
        "amzn" => "Amazon",
        "ol" => "OracleLinux",
        "virtuozzo" => "Virtuozzo",
        "alpine" => "Alpine",
        "arch" => "Archlinux",
        "kali" => "Kali",
        "devuan" => "Devuan",
        "parrot" => "Parrot",
        "flatcar" => "Flatcar",
        "cumulus-linux" => "Cumulus Linux",
        _ => match name {
            Some(name) if !name.is_empty() => name,
            _ if id.is_empty() => "Linux",
            _ => id,
        },
    };
    known.to_owned()
}

fn variety_of(id: &str) -> &'static str {
    match id {
        "debian" | "ubuntu" | "raspbian" | "kali" | "linuxmint" | "devuan" | "parrot" | "uos"
        | "deepin" | "cumulus-linux" | "steamos" => "Debian",
        "amzn" => "Amazon",
        "flatcar" => "Flatcar",
        id if id.starts_with("opensuse") || id.starts_with("sle") => "SUSE",
        _ => "NA",
    }
}

/// Distributions by family; one that is in none is its own.
const FAMILIES: &[(&str, &[&str])] = &[
    (
        "RedHat",
        &[
            "RedHat",
            "RHEL",
            "Fedora",
            "CentOS",
            "Scientific",
            "SLC",
            "Ascendos",
            "CloudLinux",
            "PSBM",
            "OracleLinux",
            "OVS",
            "OEL",
            "Amazon",
            "Amzn",
            "Virtuozzo",
            "XenServer",
            "Alibaba",
            "EulerOS",
            "openEuler",
            "AlmaLinux",
            "Rocky",
            "TencentOS",
            "EuroLinux",
            "Kylin Linux Advanced Server",
            "MIRACLE",
        ],
    ),
    (
        "Debian",
        &[
            "Debian",
            "Ubuntu",
            "Raspbian",
            "Neon",
            "KDE neon",
            "Linux Mint",
            "SteamOS",
            "Devuan",
            "Kali",
            "Cumulus Linux",
            "Pop!_OS",
            "Parrot",
            "Pardus GNU/Linux",
            "Uos",
            "Deepin",
            "OSMC",
        ],
    ),
    (
        "Suse",
        &[
            "SuSE",
            "SLES",
            "SLED",
            "openSUSE",
            "openSUSE Tumbleweed",
            "SLES_SAP",
            "SUSE_LINUX",
            "openSUSE Leap",
            "ALP-Dolomite",
            "SL-Micro",
            "openSUSE MicroOS",
        ],
    ),
    ("Archlinux", &["Archlinux", "Antergos", "Manjaro", "Manjaro Linux"]),
    ("Mandrake", &["Mandrake", "Mandriva"]),
    ("Gentoo", &["Gentoo", "Funtoo"]),
    ("ClearLinux", &["Clear Linux OS", "Clear Linux Mix"]),
    ("Altlinux", &["Altlinux"]),
];

fn family_of(name: &str) -> Option<&'static str> {
    FAMILIES.iter().find(|(_, names)| names.contains(&name)).map(|(family, _)| *family)
}

/// `lsb`: from /etc/lsb-release, or as `lsb_release` would answer where that is installed.
pub(crate) fn lsb(host: &Host<'_>, facts: &mut Args) {
    let os = || assignments(&host.text(OS_RELEASE).unwrap_or_default());
    let lsb = match host.text("/etc/lsb-release") {
        Some(text) => lsb_from_file(&assignments(&text)),
        None if host.exists("/usr/bin/lsb_release") => lsb_from_os(&os()),
        None => Args::new(),
    };
    facts.insert("lsb".to_owned(), lsb.into());
}

fn lsb_from_file(lsb: &BTreeMap<String, String>) -> Args {
    let pairs = [
        ("id", "DISTRIB_ID"),
        ("release", "DISTRIB_RELEASE"),
        ("description", "DISTRIB_DESCRIPTION"),
        ("codename", "DISTRIB_CODENAME"),
    ];
    let values = pairs.iter().filter_map(|(key, name)| Some((*key, lsb.get(*name)?.clone())));
    with_major_release(values)
}

fn lsb_from_os(os: &BTreeMap<String, String>) -> Args {
    let get = |name: &str| os.get(name).cloned().unwrap_or_else(|| "n/a".to_owned());
    let id = name_of(&get("ID"), os.get("NAME").map(String::as_str));
    with_major_release([
        ("id", id),
        ("release", get("VERSION_ID")),
        ("description", get("PRETTY_NAME")),
        ("codename", get("VERSION_CODENAME")),
    ])
}

fn with_major_release(values: impl IntoIterator<Item = (&'static str, String)>) -> Args {
    let mut lsb: Args =
        values.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    if let Some(release) = lsb.get("release").and_then(Value::as_str) {
        let major = release.split('.').next().unwrap_or_default().to_owned();
        lsb.insert("major_release".to_owned(), major.into());
    }
    lsb
}

#[cfg(test)]
#[path = "distribution/tests.rs"]
mod tests;
