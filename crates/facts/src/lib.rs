//! Facts: what a host is, in the names and values that Ansible's `setup` gives.
//!
//! Each file collects one part. Parsers are pure (text in, data out) and stand apart from the reading, so that a table
//! of other machines' files tests them. Everything that comes from the host is bounded and taken as lossy UTF-8; a fact
//! that cannot be had is absent, and gathering never fails. This crate must not know modules or the network protocol.

mod clock;
mod cpu;
mod devices;
mod distribution;
mod filter;
mod firmware;
mod host;
mod local;
mod memory;
mod mounts;
mod network;
mod platform;
mod security;
mod software;
mod subset;
mod text;
mod user;
mod virtualization;

use std::path::Path;
use std::time::Duration;

use model::Args;
use system::Probe;

pub use devices::device_uuids;
pub use distribution::{Distribution, distribution};
pub use filter::glob_matches;
pub use mounts::{mount_sizes, unescaped};
pub use software::{package_manager, service_manager};
pub use subset::{BadSubset, Subset};

use host::Host;

/// Where local facts are looked for when a playbook does not say.
pub const FACT_PATH: &str = "/etc/ansible/facts.d";

/// How long slow facts (dead file servers, programs of local facts) are waited for.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The facts of a host, with `ansible_` before each name, as `setup` returns them under `ansible_facts`.
pub fn gather(probe: &dyn Probe, subset: &Subset) -> Args {
    gather_with(probe, subset, Path::new(FACT_PATH), PATIENCE)
}

/// [`gather`], with local facts from another directory and other patience.
pub fn gather_with(
    probe: &dyn Probe,
    subset: &Subset,
    fact_path: &Path,
    patience: Duration,
) -> Args {
    let host = Host { fact_path, patience, ..Host::new(probe) };
    let mut facts = Args::new();
    for collector in subset.collectors() {
        let mut found = Args::new();
        (collector.collect)(&host, &mut found);
        for (name, value) in found {
            facts.insert(format!("ansible_{}", name.replace(['-', ':'], "_")), value);
        }
    }
    facts.insert("gather_subset".to_owned(), subset.words().into());
    facts.insert("module_setup".to_owned(), true.into());
    facts
}

/// Only the facts that one of the patterns names, with or without `ansible_`; all when there is no pattern.
pub fn filtered(facts: Args, patterns: &[String]) -> Args {
    let patterns: Vec<&String> = patterns.iter().filter(|pattern| !pattern.is_empty()).collect();
    if patterns.is_empty() || patterns.iter().any(|pattern| *pattern == "*") {
        return facts;
    }
    let wanted = |name: &str| {
        patterns.iter().any(|pattern| {
            glob_matches(pattern, name) || glob_matches(&format!("ansible_{pattern}"), name)
        })
    };
    facts.into_iter().filter(|(name, _)| wanted(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use system::RealSystem;

    #[test]
    fn this_machine_is_told() {
        let start = std::time::Instant::now();
        let facts = gather(&RealSystem::default(), &Subset::all());
        println!("{} facts in {:?}", facts.len(), start.elapsed());
        for name in [
            "ansible_distribution",
            "ansible_os_family",
            "ansible_hostname",
            "ansible_memtotal_mb",
            "ansible_processor_vcpus",
            "ansible_date_time",
            "ansible_user_id",
            "ansible_interfaces",
            "ansible_lo",
            "ansible_env",
            "ansible_pkg_mgr",
            "ansible_service_mgr",
            "gather_subset",
        ] {
            assert!(facts.contains_key(name), "{name}");
        }
        let wanted = ["ansible_os_*".to_owned(), "lo".to_owned()];
        let few = filtered(facts, &wanted);
        assert_eq!(few.keys().collect::<Vec<_>>(), ["ansible_os_family", "ansible_lo"]);
    }
}
