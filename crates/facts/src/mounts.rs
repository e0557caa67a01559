//! Mounted file systems, with their sizes.

use std::sync::mpsc;
use std::time::Duration;

use model::Args;
use nix::sys::statvfs::statvfs;
use serde_json::{Value, json};

use crate::devices::uuids;
use crate::host::Host;

/// A line of /proc/mounts.
#[derive(Debug, PartialEq)]
struct Mount {
    device: String,
    path: String,
    fstype: String,
    options: String,
    dump: u32,
    pass: u32,
}

pub(crate) fn mounts(host: &Host<'_>, facts: &mut Args) {
    let text = host.text("/proc/mounts").or_else(|| host.text("/etc/mtab")).unwrap_or_default();
    let binds = bind_mounts(&host.text("/proc/self/mountinfo").unwrap_or_default());
    let uuids = uuids(host);
    let (send, receive) = mpsc::channel();
    let mut waiting = 0;
    let mut found: Vec<Args> = Vec::new();
    for mount in parse(&text) {
        let mut facts = describe(&mount, binds.contains(&mount.path));
        let device = mount.device.rsplit('/').next().unwrap_or_default();
        let uuid = uuids.get(device).cloned().unwrap_or_else(|| "N/A".to_owned());
        facts.insert("uuid".to_owned(), uuid.into());
        if is_remote(&mount.fstype) {
            waiting += 1;
            let (send, path, index) = (send.clone(), mount.path, found.len());
            std::thread::spawn(move || {
                // Nobody listens any more when it comes too late.
                drop(send.send((index, sizes(&path))));
            });
        } else {
            facts.extend(sizes(&mount.path));
        }
        found.push(facts);
    }
    // A dead server makes `statvfs` wait for ever.
    let until = std::time::Instant::now() + host.patience;
    for _ in 0..waiting {
        let left = until.saturating_duration_since(std::time::Instant::now());
        let Ok((index, sizes)) = receive.recv_timeout(left) else { break };
        found[index].extend(sizes);
    }
    let found: Vec<Value> = found.into_iter().map(with_note).collect();
    facts.insert("mounts".to_owned(), found.into());
}

/// Says so when no size came in time.
fn with_note(mut mount: Args) -> Value {
    if !mount.contains_key("size_total") {
        mount.insert("note".to_owned(), "Could not get extra information".into());
    }
    mount.into()
}

fn is_remote(fstype: &str) -> bool {
    let remote =
        ["nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "9p", "afs", "glusterfs", "ncpfs"];
    remote.contains(&fstype) || fstype.starts_with("fuse.")
}

/// Those that are on a device or a server; the kernel's own file systems are left out.
fn parse(text: &str) -> Vec<Mount> {
    let of_line = |line: &str| {
        let mut words = line.split(' ').map(unescaped);
        let (device, path, fstype) = (words.next()?, words.next()?, words.next()?);
        let on_device = device.starts_with(['/', '\\']) || device.contains(":/");
        if !on_device || fstype == "none" {
            return None;
        }
        let options = words.next()?;
        let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        Some(Mount { device, path, fstype, options, dump: number(), pass: number() })
    };
    text.lines().filter_map(of_line).collect()
}

/// Mount points that show only a part of a file system.
fn bind_mounts(mountinfo: &str) -> Vec<String> {
    let of_line = |line: &str| {
        let mut words = line.split(' ').skip(3);
        let (root, path) = (words.next()?, words.next()?);
        (root != "/").then(|| unescaped(path))
    };
    mountinfo.lines().filter_map(of_line).collect()
}

/// Sizes of what is mounted at a path: none when nothing is there, `None` when they are not known in time (a dead server
/// makes the system wait for ever).
pub fn mount_sizes(path: &str, patience: Option<Duration>) -> Option<Args> {
    let Some(patience) = patience else { return Some(sizes(path)) };
    let (send, receive) = mpsc::channel();
    let path = path.to_owned();
    std::thread::spawn(move || {
        // Nobody listens any more when it comes too late.
        drop(send.send(sizes(&path)));
    });
    receive.recv_timeout(patience).ok()
}

/// A word of fstab and its relatives: `\040` is a space.
pub fn unescaped(word: &str) -> String {
    let bytes = word.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octal = (bytes[at] == b'\\')
            .then(|| word.get(at + 1..at + 4))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(octal.unwrap_or(bytes[at]));
        at += if octal.is_some() { 4 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn describe(mount: &Mount, is_bind: bool) -> Args {
    let mut options = mount.options.clone();
    if is_bind && !options.split(',').any(|option| option == "bind") {
        options.push_str(",bind");
    }
    let pairs = [
        ("mount", json!(mount.path)),
        ("device", json!(mount.device)),
        ("fstype", json!(mount.fstype)),
        ("options", json!(options)),
        ("dump", json!(mount.dump)),
        ("passno", json!(mount.pass)),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn sizes(path: &str) -> Args {
    let Ok(stat) = statvfs(path) else { return Args::new() };
    let (size, total, free) = (stat.fragment_size(), stat.blocks(), stat.blocks_available());
    let pairs = [
        ("size_total", size.saturating_mul(total)),
        ("size_available", size.saturating_mul(free)),
        ("block_size", stat.block_size()),
        ("block_total", total),
        ("block_available", free),
        ("block_used", total.saturating_sub(free)),
        ("inode_total", stat.files()),
        ("inode_available", stat.files_available()),
        ("inode_used", stat.files().saturating_sub(stat.files_available())),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_servers_are_mounts() {
        let text = "proc /proc proc rw 0 0\n/dev/sda1 / ext4 rw,relatime 0 1\n\
                    srv:/data /mnt/my\\040data nfs4 ro 0 0\ntmpfs /run tmpfs rw 0 0\n//w/share /s cifs rw\n/dev/x\n";
        let found: Vec<_> = parse(text).into_iter().map(|m| (m.device, m.path, m.pass)).collect();
        let expected =
            [("/dev/sda1", "/", 1), ("srv:/data", "/mnt/my data", 0), ("//w/share", "/s", 0)];
        let expected = expected.map(|(a, b, pass)| (a.to_owned(), b.to_owned(), pass));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_part_of_a_file_system_is_a_bind_mount() {
        let info = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 8:1 /srv /mnt/b\\040c rw - ext4 /dev/sda1 rw\n";
        assert_eq!(bind_mounts(info), ["/mnt/b c"]);
        assert_eq!(unescaped("a\\04"), "a\\04");
    }
}
