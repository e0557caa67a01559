//! Which facts to gather: `gather_subset`, and the table of everything that collects.

use std::collections::BTreeSet;

use model::Args;

use crate::host::Host;
use crate::{
    clock, cpu, devices, distribution, firmware, local, memory, mounts, network, platform,
    security, software, user, virtualization,
};

/// One part of the facts.
pub(crate) struct Collector {
    name: &'static str,
    /// The group (`hardware`, `network`, `virtual`) or `""`.
    group: &'static str,
    /// Gathered unless `!min` is asked for.
    minimal: bool,
    /// Names of facts that also select it.
    aliases: &'static [&'static str],
    pub(crate) collect: fn(&Host<'_>, &mut Args),
}

const fn minimal(
    name: &'static str,
    aliases: &'static [&'static str],
    collect: fn(&Host<'_>, &mut Args),
) -> Collector {
    Collector { name, group: "", minimal: true, aliases, collect }
}

const fn part(
    group: &'static str,
    name: &'static str,
    aliases: &'static [&'static str],
    collect: fn(&Host<'_>, &mut Args),
) -> Collector {
    Collector { name, group, minimal: false, aliases, collect }
}

static COLLECTORS: &[Collector] = &[
    minimal(
        "platform",
        &[
            "system",
            "kernel",
            "kernel_version",
            "machine",
            "architecture",
            "nodename",
            "hostname",
            "domain",
            "fqdn",
            "machine_id",
            "python_version",
            "userspace_architecture",
            "userspace_bits",
        ],
        platform::platform,
    ),
    minimal(
        "distribution",
        &[
            "distribution_version",
            "distribution_release",
            "distribution_major_version",
            "os_family",
        ],
        distribution::collect,
    ),
    minimal("lsb", &[], distribution::lsb),
    minimal("python", &[], software::python),
    minimal("apparmor", &[], security::apparmor),
    minimal("selinux", &[], security::selinux),
    minimal("fips", &[], security::fips),
    minimal("caps", &["system_capabilities"], security::capabilities),
    minimal("cmdline", &["proc_cmdline"], platform::cmdline),
    minimal("date_time", &[], clock::date_time),
    minimal("dns", &[], network::dns),
    minimal("env", &[], user::environment),
    minimal("local", &[], local::local),
    minimal("pkg_mgr", &[], software::pkg_mgr),
    minimal("service_mgr", &[], software::service_mgr),
    minimal(
        "ssh_pub_keys",
        &[
            "ssh_host_pub_keys",
            "ssh_host_key_dsa_public",
            "ssh_host_key_rsa_public",
            "ssh_host_key_ecdsa_public",
            "ssh_host_key_ed25519_public",
        ],
        security::ssh_host_keys,
    ),
    minimal(
        "user",
        &[
            "user_id",
            "user_uid",
            "user_gid",
            "user_gecos",
            "user_dir",
            "user_shell",
            "real_user_id",
            "effective_user_id",
            "real_group_id",
            "effective_group_id",
            "effective_group_ids",
        ],
        user::user,
    ),
    minimal("systemd", &[], software::systemd),
    part("", "chroot", &["is_chroot"], platform::chroot),
    part("", "loadavg", &[], memory::loadavg),
    part(
        "hardware",
        "processor",
        &["processor_cores", "processor_count", "processor_vcpus", "processor_nproc"],
        cpu::cpu,
    ),
    part("hardware", "memory", &["memtotal_mb", "memory_mb", "swaptotal_mb"], memory::memory),
    part("hardware", "uptime_seconds", &[], memory::uptime),
    part("hardware", "firmware", &["product_name", "bios_version"], firmware::firmware),
    part("hardware", "devices", &["device_links"], devices::devices),
    part("hardware", "mounts", &[], mounts::mounts),
    part(
        "network",
        "interfaces",
        &[
            "default_ipv4",
            "default_ipv6",
            "all_ipv4_addresses",
            "all_ipv6_addresses",
            "locally_reachable_ips",
        ],
        network::interfaces,
    ),
    part("network", "fibre_channel_wwn", &[], devices::fibre_channel),
    part("network", "iscsi", &[], devices::iscsi),
    part("network", "nvme", &["hostnqn"], devices::nvme),
    part(
        "virtual",
        "virtualization_type",
        &["virtualization_role", "virtualization_tech_guest", "virtualization_tech_host"],
        virtualization::virtualization,
    ),
];

/// Words that select nothing here: facts of other programs.
const IGNORED: &[&str] = &["facter", "ohai"];

/// Which facts to gather.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subset {
    words: Vec<String>,
    chosen: BTreeSet<usize>,
}

/// A word of `gather_subset` that names nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Bad subset '{word}' given to Ansible. gather_subset options allowed: all, {}", allowed.join(", "))]
pub struct BadSubset {
    word: String,
    allowed: Vec<&'static str>,
}

impl Subset {
    /// Everything.
    pub fn all() -> Self {
        Self { words: vec!["all".to_owned()], chosen: (0..COLLECTORS.len()).collect() }
    }

    /// The words of `gather_subset`: `all`, `min`, `network`, `!hardware`, or the name of a fact. The minimal set is
    /// part of each choice unless `!min` is one of the words.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, BadSubset> {
        if words.is_empty() {
            return Ok(Self::all());
        }
        let mut chosen = collectors_of("min");
        let mut excluded = BTreeSet::new();
        let mut named = BTreeSet::new();
        for word in words.iter().map(AsRef::as_ref) {
            match word.strip_prefix('!') {
                Some("all") => excluded.extend(&collectors_of("all") - &collectors_of("min")),
                Some(word) => excluded.extend(collectors_of(word)),
                None if IGNORED.contains(&word) => {}
                None => {
                    let found = collectors_of(word);
                    if found.is_empty() {
                        return Err(BadSubset { word: word.to_owned(), allowed: allowed() });
                    }
                    if !matches!(word, "all" | "min") {
                        named.extend(&found);
                    }
                    chosen.extend(found);
                }
            }
        }
        let chosen = &chosen - &(&excluded - &named);
        Ok(Self { words: words.iter().map(|word| word.as_ref().to_owned()).collect(), chosen })
    }

    pub(crate) fn collectors(&self) -> impl Iterator<Item = &'static Collector> {
        self.chosen.iter().map(|index| &COLLECTORS[*index])
    }

    pub(crate) fn words(&self) -> Vec<String> {
        self.words.clone()
    }
}

/// The collectors that a word selects.
fn collectors_of(word: &str) -> BTreeSet<usize> {
    let selects = |collector: &Collector| match word {
        "all" => true,
        "min" => collector.minimal,
        "" => false,
        word => {
            collector.name == word || collector.group == word || collector.aliases.contains(&word)
        }
    };
    COLLECTORS.iter().enumerate().filter(|(_, c)| selects(c)).map(|(index, _)| index).collect()
}

fn allowed() -> Vec<&'static str> {
    let mut words: Vec<&str> = vec!["min"];
    for collector in COLLECTORS {
        words.extend([collector.name, collector.group]);
        words.extend(collector.aliases);
    }
    words.extend(IGNORED);
    words.retain(|word| !word.is_empty());
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> Vec<&'static str> {
        Subset::parse(words).expect("known words").collectors().map(|c| c.name).collect()
    }

    #[test]
    fn words_choose() {
        assert_eq!(names(&["all"]).len(), COLLECTORS.len());
        assert_eq!(names(&["!all", "!min"]), Vec::<&str>::new());
        assert_eq!(names(&["!min"]), Vec::<&str>::new());
        assert_eq!(names(&["!all", "!min", "kernel"]), ["platform"]);
        assert_eq!(names(&["!all"]), names(&["min"]));
        assert_eq!(names(&["!network"]), names(&["min"]), "the minimal set is where it starts");
        assert!(names(&["all", "!network"]).iter().all(|name| *name != "interfaces"));
        assert!(names(&["network"]).contains(&"interfaces"));
        assert_eq!(names(&["!hardware", "mounts", "!min"]), ["mounts"], "a name beats a group");
        assert_eq!(names(&["!nosuch", "facter"]), names(&["min"]));
    }

    #[test]
    fn unknown_words_are_refused() {
        let error = Subset::parse(&["kernal"]).expect_err("not a subset").to_string();
        assert!(error.starts_with("Bad subset 'kernal' given"), "{error}");
        assert!(error.contains(", kernel, "), "{error}");
    }
}
