//! How large a file system is and how large it could be, and the command that lets it grow.

use std::path::Path;

use system::{Command, FileKind, Probe};

use super::Fs;
use crate::contract::Failure;
use crate::general::lvm;
use crate::tool;

/// A file system that is smaller than its device.
pub(super) struct Growth {
    pub(super) command: Command,
    /// Its size, for people.
    pub(super) before: String,
    /// The size that it could have.
    pub(super) after: String,
}

/// How it can grow; `None`: it uses the whole device.
pub(super) fn growth(host: &dyn Probe, kind: Fs, device: &Path) -> Result<Option<Growth>, Failure> {
    let name = device.to_string_lossy().into_owned();
    let (size, possible, command) = match kind {
        Fs::Ext2 | Fs::Ext3 | Fs::Ext4 | Fs::Ext4dev => {
            let text = ask(host, "tune2fs", &["-l", &name])?;
            let field = |key: &str| number_after(&text, key);
            let (blocks, block) = (field("Block count:"), field("Block size:"));
            let (Some(blocks), Some(block)) = (blocks, block) else {
                return Err(unclear("tune2fs", &name));
            };
            sizes(host, device, blocks, block, Command::new("resize2fs", [name]))?
        }
        Fs::Xfs => {
            let place = mount_point(host, &name)?;
            let text = ask(host, "xfs_info", &[place.as_ref().unwrap_or(&name)])?;
            let data = text.lines().find(|line| line.starts_with("data ")).unwrap_or_default();
            let field = |key: &str| number_after(data, key);
            let (Some(blocks), Some(block)) = (field("blocks="), field("bsize=")) else {
                return Err(unclear("xfs_info", &name));
            };
            let target = place.clone().unwrap_or_default();
            let found = sizes(host, device, blocks, block, Command::new("xfs_growfs", [target]))?;
            if found.0 < found.1 && place.is_none() {
                return Err(not_mounted(&name, "XFS"));
            }
            found
        }
        Fs::Btrfs => {
            let place = mount_point(host, &name)?.ok_or_else(|| not_mounted(&name, "Btrfs"))?;
            let text = ask(host, "btrfs", &["filesystem", "usage", "-b", &place])?;
            let size =
                number_after(&text, "Device size:").ok_or_else(|| unclear("btrfs", &name))?;
            // It counts whole sectors.
            let command = Command::new("btrfs", ["filesystem", "resize", "max", &place]);
            sizes(host, device, size / 4096, 4096, command)?
        }
        Fs::Lvm => match lvm::growth(host, &name)? {
            Some((size, possible)) => (size, possible, Command::new("pvresize", [name])),
            None => return Ok(None),
        },
        Fs::Vfat => {
            let text = ask(host, "fatresize", &["--info", &name])?;
            let size = number_after(&text, "Size:").ok_or_else(|| unclear("fatresize", &name))?;
            let whole = device_size(host, device)?.to_string();
            let command = Command::new("fatresize", ["-s", &whole, &name]);
            // What FAT rounds off is not worth a resize.
            sizes(host, device, size / (1 << 20), 1 << 20, command)?
        }
        Fs::Bcachefs | Fs::F2fs | Fs::Ocfs2 | Fs::Reiserfs | Fs::Swap | Fs::Ufs => {
            return Err(Failure::new(format!(
                "module does not support resizing {} filesystem yet.",
                kind.as_str()
            )));
        }
    };
    let told = |bytes: u64| format!("{bytes} bytes");
    Ok((size < possible).then(|| Growth { command, before: told(size), after: told(possible) }))
}

/// The size in bytes, and that of the device in whole blocks.
fn sizes(
    host: &dyn Probe,
    device: &Path,
    blocks: u64,
    block: u64,
    command: Command,
) -> Result<(u64, u64, Command), Failure> {
    let block = block.max(1);
    let possible = device_size(host, device)? / block * block;
    Ok((blocks.saturating_mul(block), possible, command))
}

fn device_size(host: &dyn Probe, device: &Path) -> Result<u64, Failure> {
    let shown = device.to_string_lossy();
    if let Some(stat) = host.stat(device, true)?.filter(|stat| stat.kind == FileKind::File) {
        return Ok(stat.size);
    }
    let text = ask(host, "blockdev", &["--getsize64", &shown])?;
    text.trim().parse().map_err(|_| unclear("blockdev", &shown))
}

fn mount_point(host: &dyn Probe, device: &str) -> Result<Option<String>, Failure> {
    let words = ["--noheadings", "--first-only", "--output", "TARGET", "--source", device];
    let output = host.query(&Command::new("findmnt", words))?;
    let place = output.stdout_text().trim_end().to_owned();
    Ok((!place.is_empty()).then_some(place))
}

fn ask(host: &dyn Probe, program: &str, words: &[&str]) -> Result<String, Failure> {
    let mut command = Command::new(program, words.to_vec());
    command.environment.insert("LC_ALL".to_owned(), "C".to_owned());
    let output = host.query(&command)?;
    if output.is_success() {
        Ok(output.stdout_text())
    } else {
        Err(tool::failure(&output, &format!("{program}: ")))
    }
}

fn number_after(text: &str, key: &str) -> Option<u64> {
    let (_, rest) = text.split_once(key)?;
    let digits = rest.trim_start();
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

fn unclear(program: &str, device: &str) -> Failure {
    Failure::new(format!("unable to process {program} output for {device}"))
}

fn not_mounted(device: &str, kind: &str) -> Failure {
    Failure::new(format!("{device} needs to be mounted for {kind} operations"))
}
