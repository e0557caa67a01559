//! `stat`: everything there is to know about a file.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use model::Args;
use serde_json::Value;
use system::{Command, FileKind, FileStat, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Check, Failure, Module};
use crate::files::marks::letters;
use crate::files::{each_piece, path_value, real_path};

choices! {
    /// The algorithm of a checksum.
    pub enum Algorithm {
        /// MD5; not against attackers.
        Md5 = "md5",
        /// SHA-1; not against attackers.
        Sha1 = "sha1",
        /// SHA-224.
        Sha224 = "sha224",
        /// SHA-256.
        Sha256 = "sha256",
        /// SHA-384.
        Sha384 = "sha384",
        /// SHA-512.
        Sha512 = "sha512",
    }
}

arguments! {
    /// Reports what is at a path: kind, size, times, owner, permissions, checksum.
    pub struct Stat {
        /// The path.
        pub path: PathBuf { aliases: ["dest", "name"] },
        /// When it is a symbolic link, report what it points to.
        pub follow: bool { default: false },
        /// Count the checksum of a regular file.
        pub get_checksum: bool { default: true },
        /// With this algorithm.
        pub checksum_algorithm: Algorithm {
            default: "sha1",
            aliases: ["checksum", "checksum_algo"],
        },
        /// Ask `file` for the kind of content, where that program is installed.
        pub get_mime: bool { default: true, aliases: ["mime", "mime_type", "mime-type"] },
        /// Tell the flags that `lsattr` shows, where the file system has any.
        pub get_attributes: bool { default: true, aliases: ["attr", "attributes"] },
        /// Report SELinux contexts. Nothing is reported yet.
        pub get_selinux_context: bool { default: false },
    }
}

impl Module for Stat {
    type Change = Infallible;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Infallible>, Failure> {
        let mut args = Args::new();
        match host.stat(&self.path, self.follow)? {
            None => {
                args.insert("exists".into(), false.into());
            }
            Some(stat) => self.report(host, &stat, &mut args)?,
        }
        result.insert("stat".into(), args.into());
        Ok(Check::InSync)
    }

    fn apply(&self, change: Infallible, _: &dyn System, _: &mut Args) -> Result<(), Failure> {
        match change {}
    }
}

impl Stat {
    fn report(&self, host: &dyn Probe, stat: &FileStat, args: &mut Args) -> Result<(), Failure> {
        args.insert("exists".into(), true.into());
        args.insert("path".into(), path_value(&self.path));
        describe(host, stat, args)?;
        for (key, mode) in [("readable", 4), ("writeable", 2), ("executable", 1)] {
            args.insert(key.into(), host.access(&self.path, mode).into());
        }
        if stat.kind == FileKind::Symlink {
            args.insert("lnk_target".into(), path_value(&host.read_link(&self.path)?));
            // One that leads to itself has no end.
            let end = real_path(host, &self.path).unwrap_or_else(|_| self.path.clone());
            args.insert("lnk_source".into(), path_value(&end));
        }
        if stat.kind == FileKind::File && self.get_checksum && host.access(&self.path, 4) {
            let sum = checksum(host, &self.path, self.checksum_algorithm)?;
            args.insert("checksum".into(), sum.into());
        }
        if self.get_mime {
            self.mime(host, args)?;
        }
        if self.get_attributes && matches!(stat.kind, FileKind::File | FileKind::Directory) {
            self.flags(host, args);
        }
        Ok(())
    }

    fn mime(&self, host: &dyn Probe, args: &mut Args) -> Result<(), Failure> {
        let path = self.path.to_string_lossy();
        let words = ["--mime-type", "--mime-encoding", "--", &path];
        let output = ask(host, "/usr/bin/file", words)?;
        // `PATH: text/plain; charset=us-ascii`; the path itself may have colons in it.
        let answer = output
            .as_deref()
            .and_then(|text| text.trim_end().rsplit_once(": "))
            .and_then(|(_, answer)| answer.trim().split_once("; charset="));
        if let Some((kind, charset)) = answer {
            args.insert("mimetype".into(), kind.into());
            args.insert("charset".into(), charset.into());
        }
        Ok(())
    }

    /// What may not be read is left out, as are file systems without flags.
    fn flags(&self, host: &dyn Probe, args: &mut Args) {
        let Ok(Some(flags)) = host.flags(&self.path) else { return };
        let letters = letters(flags);
        let names: Vec<Value> = letters.chars().map(|flag| flag_name(flag).into()).collect();
        if let Ok(Some(version)) = host.generation(&self.path) {
            args.insert("version".into(), version.to_string().into());
        }
        args.insert("attr_flags".into(), letters.into());
        args.insert("attributes".into(), names.into());
    }
}

/// What a tool says, where it is installed and can tell.
fn ask<const N: usize>(
    host: &dyn Probe,
    tool: &str,
    words: [&str; N],
) -> Result<Option<String>, Failure> {
    if host.stat(Path::new(tool), true)?.is_none() {
        return Ok(None);
    }
    let output = host.query(&Command::new(tool, words))?;
    Ok(output.is_success().then(|| output.stdout_text()))
}

/// What can be told without looking again: numbers, permissions, kind, owners.
pub(crate) fn describe(host: &dyn Probe, stat: &FileStat, args: &mut Args) -> Result<(), Failure> {
    numbers(stat, args);
    permissions(stat.mode, args);
    let kinds = [
        ("isdir", FileKind::Directory),
        ("ischr", FileKind::CharDevice),
        ("isblk", FileKind::BlockDevice),
        ("isreg", FileKind::File),
        ("isfifo", FileKind::Fifo),
        ("islnk", FileKind::Symlink),
        ("issock", FileKind::Socket),
    ];
    for (key, kind) in kinds {
        args.insert(key.into(), (stat.kind == kind).into());
    }
    if let Some(user) = host.user_by_id(stat.uid)? {
        args.insert("pw_name".into(), user.name.into());
    }
    if let Some(group) = host.group_by_id(stat.gid)? {
        args.insert("gr_name".into(), group.name.into());
    }
    Ok(())
}

fn numbers(stat: &FileStat, args: &mut Args) {
    let seconds = |time: SystemTime| match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    };
    let pairs: [(&str, Value); 14] = [
        ("mode", crate::files::mode_text(stat.mode).into()),
        ("uid", stat.uid.into()),
        ("gid", stat.gid.into()),
        ("size", stat.size.into()),
        ("inode", stat.inode.into()),
        ("dev", stat.device.into()),
        ("nlink", stat.links.into()),
        ("atime", seconds(stat.accessed).into()),
        ("mtime", seconds(stat.modified).into()),
        ("ctime", seconds(stat.changed).into()),
        ("blocks", stat.blocks.into()),
        ("block_size", stat.block_size.into()),
        ("device_type", stat.rdev.into()),
        ("isuid", (stat.mode & 0o4000 != 0).into()),
    ];
    args.extend(pairs.map(|(key, value)| (key.to_owned(), value)));
    args.insert("isgid".into(), (stat.mode & 0o2000 != 0).into());
}

fn permissions(mode: u32, args: &mut Args) {
    for (shift, who) in [(6, "usr"), (3, "grp"), (0, "oth")] {
        for (bit, what) in [(4, "r"), (2, "w"), (1, "x")] {
            args.insert(format!("{what}{who}"), (mode >> shift & bit != 0).into());
        }
    }
}

/// The checksum of a file, in hexadecimal digits.
pub(crate) fn checksum(
    host: &dyn Probe,
    path: &Path,
    algorithm: Algorithm,
) -> Result<String, Failure> {
    fn sum<D: sha2::Digest>(host: &dyn Probe, path: &Path) -> Result<String, Failure> {
        let mut hash = D::new();
        each_piece(host, path, |bytes| hash.update(bytes))?;
        Ok(hex::encode(hash.finalize()))
    }
    match algorithm {
        Algorithm::Md5 => sum::<md5::Md5>(host, path),
        Algorithm::Sha1 => sum::<sha1::Sha1>(host, path),
        Algorithm::Sha224 => sum::<sha2::Sha224>(host, path),
        Algorithm::Sha256 => sum::<sha2::Sha256>(host, path),
        Algorithm::Sha384 => sum::<sha2::Sha384>(host, path),
        Algorithm::Sha512 => sum::<sha2::Sha512>(host, path),
    }
}

/// Ansible's word for a flag of `lsattr`.
fn flag_name(flag: char) -> String {
    let name = match flag {
        'A' => "noatime",
        'a' => "append",
        'c' => "compressed",
        'C' => "nocow",
        'd' => "nodump",
        'D' => "dirsync",
        'e' => "extents",
        'E' => "encrypted",
        'h' => "blocksize",
        'i' => "immutable",
        'I' => "indexed",
        'j' => "journalled",
        'N' => "inline",
        's' => "zero",
        'S' => "synchronous",
        't' => "notail",
        'T' => "blockroot",
        'u' => "undelete",
        'X' => "compressedraw",
        'Z' => "compresseddirty",
        other => return other.to_string(),
    };
    name.to_owned()
}
