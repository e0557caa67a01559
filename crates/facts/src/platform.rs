//! The machine's name, kernel and architecture, and how it was booted.

use std::path::Path;
use std::time::Duration;

use model::Args;
use nix::sys::utsname::uname;
use serde_json::{Map, Value};
use system::Command;

use crate::host::Host;

pub(crate) fn platform(host: &Host<'_>, facts: &mut Args) {
    let Ok(name) = uname() else { return };
    let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
    let node = text(name.nodename());
    let machine = text(name.machine());
    let fqdn = fqdn(host, &node);
    let domain = fqdn.split_once('.').map_or("", |(_, domain)| domain).to_owned();
    let mut set = |key: &str, value: String| facts.insert(key.to_owned(), value.into());
    set("system", text(name.sysname()));
    set("kernel", text(name.release()));
    set("kernel_version", text(name.version()));
    set("architecture", architecture(&machine));
    set("userspace_bits", usize::BITS.to_string());
    set("userspace_architecture", architecture(std::env::consts::ARCH));
    set("machine", machine);
    set("hostname", node.split('.').next().unwrap_or_default().to_owned());
    set("nodename", node);
    set("fqdn", fqdn);
    set("domain", domain);
    let id = host.line("/var/lib/dbus/machine-id").or_else(|| host.line("/etc/machine-id"));
    if let Some(id) = id {
        set("machine_id", id);
    }
}

/// All 32-bit Intel machines are `i386`.
fn architecture(machine: &str) -> String {
    let bytes = machine.as_bytes();
    let is_x86 = bytes.len() == 4 && bytes[0] == b'i' && machine.ends_with("86");
    if is_x86 || machine == "x86" { "i386".to_owned() } else { machine.to_owned() }
}

/// The full name: from /etc/hosts as the resolver reads it, else what `hostname --fqdn` learns.
fn fqdn(host: &Host<'_>, node: &str) -> String {
    if node.contains('.') {
        return node.to_owned();
    }
    let hosts = host.text("/etc/hosts").unwrap_or_default();
    if let Some(name) = name_in_hosts(&hosts, node) {
        return name;
    }
    let mut command = Command::new("hostname", ["--fqdn"]);
    // It asks DNS, which may be away.
    command.timeout = Some(Duration::from_secs(2));
    let answer = host.output(&command).map(|name| name.trim().to_owned());
    answer.filter(|name| !name.is_empty()).unwrap_or_else(|| node.to_owned())
}

/// The first name with a dot, or else the first name, on the line of the host's address.
fn name_in_hosts(hosts: &str, node: &str) -> Option<String> {
    let lines: Vec<Vec<&str>> = hosts
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().split_whitespace().collect())
        .filter(|words: &Vec<&str>| words.len() > 1)
        .collect();
    let own = |words: &&Vec<&str>| words[1..].iter().any(|name| name.eq_ignore_ascii_case(node));
    let address = lines
        .iter()
        .filter(own)
        .find(|words| !words[0].contains(':'))
        .or_else(|| lines.iter().find(own))?[0];
    let names = &lines.iter().find(|words| words[0] == address)?[1..];
    Some((*names.iter().find(|name| name.contains('.')).unwrap_or(&names[0])).to_owned())
}

/// `cmdline` (a repeated name keeps its last value) and `proc_cmdline` (it becomes a list).
pub(crate) fn cmdline(host: &Host<'_>, facts: &mut Args) {
    let Some(text) = host.text("/proc/cmdline") else { return };
    let (last, all) = parse_cmdline(&text);
    facts.insert("cmdline".to_owned(), last.into());
    facts.insert("proc_cmdline".to_owned(), all.into());
}

fn parse_cmdline(text: &str) -> (Args, Args) {
    let (mut last, mut all) = (Map::new(), Map::new());
    for word in words(text) {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Value::from(value)),
            None => (word.clone(), Value::Bool(true)),
        };
        last.insert(name.clone(), value.clone());
        match all.get_mut(&name) {
            None => {
                all.insert(name, value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    (last, all)
}

/// Words in which double quotes keep spaces together.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(String::new()),
            c => words.last_mut().expect("never empty").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `is_chroot`: our root is not that of process 1; where that is not readable, not the root of a file system.
pub(crate) fn chroot(host: &Host<'_>, facts: &mut Args) {
    let stat = |path: &str| host.probe.stat(Path::new(path), true).ok().flatten();
    let Some(own) = stat("/") else { return };
    let is_chroot = if host.probe.variable("debian_chroot").is_some() {
        true
    } else if let Some(first) = stat("/proc/1/root/.") {
        (own.inode, own.device) != (first.inode, first.device)
    } else {
        !matches!(own.inode, 2 | 128 | 256)
    };
    facts.insert("is_chroot".to_owned(), is_chroot.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn full_names_come_from_the_hosts_file() {
        for (hosts, expected) in [
            ("127.0.0.1 localhost\n127.0.1.1 web.example.com web\n", Some("web.example.com")),
            ("127.0.0.1 localhost web\n", Some("localhost")),
            ("127.0.0.1 localhost\n127.0.0.1 web\n", Some("localhost")),
            (
                "::1 web6.example.com web\n10.0.0.1 WEB web.example.org # web.no\n",
                Some("web.example.org"),
            ),
            ("::1 web6.example.com web\n", Some("web6.example.com")),
            ("127.0.0.1 localhost\n#10.0.0.1 web\n", None),
            ("10.0.0.1\n", None),
        ] {
            assert_eq!(name_in_hosts(hosts, "web").as_deref(), expected, "{hosts}");
        }
    }

    #[test]
    fn the_kernel_command_line_is_read() {
        let (last, all) =
            parse_cmdline("quiet console=tty0 root=UUID=1-2 console=ttyS0 x=\"a b\"\n");
        assert_eq!(
            Value::from(last),
            json!({"quiet": true, "console": "ttyS0", "root": "UUID=1-2", "x": "a b"})
        );
        assert_eq!(all["console"], json!(["tty0", "ttyS0"]));
    }

    #[test]
    fn intel_has_one_name() {
        assert_eq!(architecture("i686"), "i386");
        assert_eq!(architecture("aarch64"), "aarch64");
    }
}
