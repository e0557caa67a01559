//! Processors, from /proc/cpuinfo as Ansible counts them.

use std::collections::BTreeMap;

use model::Args;
use serde_json::{Value, json};

use crate::host::Host;

pub(crate) fn cpu(host: &Host<'_>, facts: &mut Args) {
    let Some(text) = host.text("/proc/cpuinfo") else { return };
    let machine = nix::sys::utsname::uname()
        .map(|name| name.machine().to_string_lossy().into_owned())
        .unwrap_or_default();
    // The affinity mask says how many this process may use.
    let usable = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let is_xen = host.exists("/proc/xen");
    facts.extend(parse(&text, &machine, is_xen, usable));
}

/// What counting the lines of /proc/cpuinfo gives.
#[derive(Default)]
struct Count {
    descriptions: Vec<Value>,
    flags: Option<Vec<Value>>,
    entries: usize,
    vendors: usize,
    models: usize,
    processors: usize,
    /// Cores by socket, threads by core.
    sockets: BTreeMap<String, usize>,
    siblings: BTreeMap<String, usize>,
    paravirtual: bool,
}

fn parse(cpuinfo: &str, machine: &str, is_xen: bool, usable: usize) -> Args {
    let count = count(cpuinfo, is_xen);
    let mut entries = count.entries;
    if count.vendors > 0 && count.vendors == count.models {
        entries = count.vendors;
    }
    if ["armv", "aarch", "ppc"].iter().any(|arm| machine.starts_with(arm)) {
        entries = count.processors;
    }
    let first = |of: &BTreeMap<String, usize>| of.values().next().copied().filter(|n| *n > 0);
    let (sockets, cores, threads) = if count.paravirtual {
        (entries, entries, 1)
    } else {
        let sockets = if count.sockets.is_empty() { entries } else { count.sockets.len() };
        let cores = first(&count.sockets).unwrap_or(1);
        let threads = first(&count.siblings).map_or(1, |siblings| siblings / cores).max(1);
        (sockets, cores, threads)
    };
    let vcpus = if count.paravirtual { entries } else { threads * sockets * cores };
    let mut facts = Args::new();
    facts.insert("processor".to_owned(), count.descriptions.into());
    if let Some(flags) = count.flags {
        facts.insert("flags".to_owned(), flags.into());
    }
    for (name, number) in [
        ("processor_count", sockets),
        ("processor_cores", cores),
        ("processor_threads_per_core", threads),
        ("processor_vcpus", vcpus),
        ("processor_nproc", if usable == 0 { count.processors } else { usable }),
    ] {
        facts.insert(name.to_owned(), json!(number));
    }
    facts
}

fn count(cpuinfo: &str, is_xen: bool) -> Count {
    let mut count = Count::default();
    let (mut socket, mut core) = (String::new(), String::new());
    for line in cpuinfo.lines() {
        let (key, value) = line.split_once(':').unwrap_or((line, ""));
        let (key, value) = (key.trim(), value.trim());
        match key {
            "flags" | "Features" if count.flags.is_none() => {
                count.paravirtual = is_xen && !value.split(' ').any(|flag| flag == "vme");
                if key == "flags" {
                    count.flags = Some(value.split_whitespace().map(Value::from).collect());
                }
            }
            "model name" | "Processor" | "vendor_id" | "cpu" | "Vendor" | "processor" => {
                count.descriptions.push(value.into());
                count.entries += 1;
                count.vendors += usize::from(key == "vendor_id");
                count.models += usize::from(key == "model name");
                count.processors += usize::from(key == "processor");
            }
            "physical id" => {
                value.clone_into(&mut socket);
                count.sockets.entry(socket.clone()).or_insert(1);
            }
            "core id" => {
                value.clone_into(&mut core);
                count.siblings.entry(core.clone()).or_insert(1);
            }
            "cpu cores" => {
                count.sockets.insert(socket.clone(), value.parse().unwrap_or(1));
            }
            "siblings" => {
                count.siblings.insert(core.clone(), value.parse().unwrap_or(1));
            }
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intel(processor: u32, socket: u32, core: u32) -> String {
        format!(
            "processor\t: {processor}\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon\n\
             physical id\t: {socket}\nsiblings\t: 4\ncore id\t\t: {core}\ncpu cores\t: 2\nflags\t\t: fpu vme\n\n"
        )
    }

    #[test]
    fn sockets_cores_and_threads_are_counted() {
        let text: String = (0..8).map(|n| intel(n, n / 4, n % 2)).collect();
        let facts = parse(&text, "x86_64", false, 8);
        let number = |name: &str| facts[name].as_u64().expect("a number");
        assert_eq!(number("processor_count"), 2);
        assert_eq!(number("processor_cores"), 2);
        assert_eq!(number("processor_threads_per_core"), 2);
        assert_eq!(number("processor_vcpus"), 8);
        assert_eq!(facts["processor"].as_array().expect("a list").len(), 24);
        assert_eq!(facts["flags"], json!(["fpu", "vme"]));
    }

    #[test]
    fn arm_counts_processors() {
        let text = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\n\nprocessor\t: 1\n";
        let facts = parse(text, "aarch64", false, 0);
        assert_eq!(facts["processor_vcpus"], json!(2));
        assert_eq!(facts["processor_nproc"], json!(2));
        assert_eq!(facts["processor"], json!(["0", "1"]));
    }

    #[test]
    fn nonsense_divides_by_nothing() {
        let facts = parse("cpu cores : 0\nsiblings: x\nphysical id", "x86_64", true, 0);
        assert_eq!(facts["processor_cores"], json!(1));
    }
}
