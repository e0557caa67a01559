//! What the modules that make files have in common: owner and mode as arguments, the difference to what is there, the
//! keys of results, checksums.

pub(crate) mod marks;

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use model::Args;
use serde_json::Value;
use sha2::Digest as _;
use system::{Attributes, FileKind, FileStat, Probe};

use crate::arguments::{FileMode, arguments};
use crate::contract::Failure;

arguments! {
    /// Owner, group and mode of files.
    pub struct FileAttributes {
        /// The user that shall own it: a name or a number.
        pub owner: Option<String>,
        /// The group that shall own it: a name or a number.
        pub group: Option<String>,
        /// The permissions: octal digits in quotes (`"0644"`) or symbolic (`u=rw,g=r,o=`).
        pub mode: Option<FileMode>,
        /// Flags as `chattr` knows them: the letters of those that it shall have alone, or behind `+` or `-` those that are
        /// added or taken away.
        pub attributes: Option<String> { aliases: ["attr"] },
        /// The user part of the SELinux context. Without SELinux it is ignored, as are the next three.
        pub seuser: Option<String>,
        /// The role part of the SELinux context.
        pub serole: Option<String>,
        /// The type part of the SELinux context.
        pub setype: Option<String>,
        /// The level part of the SELinux context.
        pub selevel: Option<String>,
        /// Where the file cannot be replaced atomically (a mount point, say), write into it all the same. What is not given
        /// is taken from the variable `ANSIBLE_UNSAFE_WRITES` of the task's environment.
        pub unsafe_writes: bool { default: false, environment: "ANSIBLE_UNSAFE_WRITES" },
    }
}

/// Owner and mode that are not as wanted, with both sides for people.
#[derive(Debug, Clone, Default)]
pub(crate) struct AttributeDrift {
    /// What has to be set; `None`: is right or does not matter.
    pub set: Attributes,
    /// As it is.
    pub before: Args,
    /// As it shall be.
    pub after: Args,
}

impl AttributeDrift {
    pub(crate) fn is_none(&self) -> bool {
        self.set == Attributes::default()
    }
}

impl FileAttributes {
    /// Nothing is wanted.
    pub(crate) fn none() -> Self {
        Self {
            owner: None,
            group: None,
            mode: None,
            attributes: None,
            seuser: None,
            serole: None,
            setype: None,
            selevel: None,
            unsafe_writes: false,
        }
    }

    /// The wanted owner, group and mode in numbers, for something that is `current` now, or will be made as a directory
    /// or file.
    pub(crate) fn resolve(
        &self,
        host: &dyn Probe,
        current: Option<&FileStat>,
        is_directory: bool,
    ) -> Result<Attributes, Failure> {
        let umask = host.umask();
        let fresh = if is_directory { 0o777 } else { 0o666 } & !umask;
        let mode = current.map_or(fresh, |stat| stat.mode);
        Ok(Attributes {
            mode: match &self.mode {
                None | Some(FileMode::Preserve) => None,
                Some(wanted) => Some(wanted.resolve(mode, is_directory, umask)),
            },
            uid: self.owner.as_deref().map(|owner| uid_of(host, owner)).transpose()?,
            gid: self.group.as_deref().map(|group| gid_of(host, group)).transpose()?,
            flags: self.flags()?,
            label: self.label(host)?,
        })
    }

    /// What has to be set on something that is there.
    pub(crate) fn drift(
        &self,
        host: &dyn Probe,
        path: &Path,
        current: &FileStat,
    ) -> Result<AttributeDrift, Failure> {
        let is_directory = current.kind == FileKind::Directory;
        let wanted = self.resolve(host, Some(current), is_directory)?;
        let mut drift = AttributeDrift::default();
        // Symbolic links have no mode of their own.
        let mode = wanted.mode.filter(|_| current.kind != FileKind::Symlink);
        if let Some(mode) = mode.filter(|mode| *mode != current.mode) {
            drift.set.mode = Some(mode);
            drift.before.insert("mode".into(), mode_text(current.mode).into());
            drift.after.insert("mode".into(), mode_text(mode).into());
        }
        if let Some(uid) = wanted.uid.filter(|uid| *uid != current.uid) {
            drift.set.uid = Some(uid);
            drift.before.insert("owner".into(), current.uid.into());
            drift.after.insert("owner".into(), uid.into());
        }
        if let Some(gid) = wanted.gid.filter(|gid| *gid != current.gid) {
            drift.set.gid = Some(gid);
            drift.before.insert("group".into(), current.gid.into());
            drift.after.insert("group".into(), gid.into());
        }
        Self::drift_of_marks(host, path, current, wanted, &mut drift)?;
        Ok(drift)
    }
}

/// A user's number, from a name or digits.
pub(crate) fn uid_of(host: &dyn Probe, owner: &str) -> Result<u32, Failure> {
    if let Some(account) = host.user(owner)? {
        return Ok(account.uid);
    }
    number(owner)
        .ok_or_else(|| Failure::new(format!("chown failed: failed to look up user {owner}")))
}

/// A group's number, from a name or digits.
pub(crate) fn gid_of(host: &dyn Probe, group: &str) -> Result<u32, Failure> {
    if let Some(entry) = host.group(group)? {
        return Ok(entry.gid);
    }
    number(group)
        .ok_or_else(|| Failure::new(format!("chgrp failed: failed to look up group {group}")))
}

/// `-1` (and its unsigned twin) means "leave as it is" to the system: it is nobody's number.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| *number != u32::MAX)
}

/// Permissions as Ansible writes them.
pub(crate) fn mode_text(mode: u32) -> String {
    format!("0{mode:03o}")
}

/// Ansible's word for what is at a path.
pub(crate) fn state_word(stat: Option<&FileStat>) -> &'static str {
    match stat {
        None => "absent",
        Some(stat) => match stat.kind {
            FileKind::Symlink => "link",
            FileKind::Directory => "directory",
            _ if stat.links > 1 => "hard",
            _ => "file",
        },
    }
}

/// Adds the keys that every result about a file has: owner, group, mode, size, state.
pub(crate) fn describe(host: &dyn Probe, path: &Path, result: &mut Args) -> Result<(), Failure> {
    let stat = host.stat(path, false)?;
    result.insert("state".into(), state_word(stat.as_ref()).into());
    let Some(stat) = stat else { return Ok(()) };
    let owner = host.user_by_id(stat.uid)?.map_or(stat.uid.to_string(), |user| user.name);
    let group = host.group_by_id(stat.gid)?.map_or(stat.gid.to_string(), |group| group.name);
    result.insert("uid".into(), stat.uid.into());
    result.insert("gid".into(), stat.gid.into());
    result.insert("owner".into(), owner.into());
    result.insert("group".into(), group.into());
    result.insert("mode".into(), mode_text(stat.mode).into());
    result.insert("size".into(), stat.size.into());
    Ok(())
}

/// A path as a value of a result.
pub(crate) fn path_value(path: &Path) -> Value {
    path.to_string_lossy().into_owned().into()
}

/// The path without `.`, doubled and trailing slashes. `..` stays: it may lead through a link.
pub(crate) fn tidy(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

/// Where the symbolic links at the end of a path lead; the path itself when there are none.
pub(crate) fn end_of_links(host: &dyn Probe, path: &Path) -> Result<PathBuf, Failure> {
    const FOLLOWED_AT_MOST: usize = 40;
    let mut place = path.to_owned();
    for _ in 0..FOLLOWED_AT_MOST {
        match host.stat(&place, false)? {
            Some(stat) if stat.kind == FileKind::Symlink => {
                place = host.follow_link(&place)?;
            }
            _ => return Ok(place),
        }
    }
    Err(Failure::new(format!("too many levels of symbolic links at {}", path.display())))
}

/// Where a path leads when every link on the way is followed and nothing of `.` and `..` is left; what is not there is taken
/// as it is named.
pub(crate) fn real_path(host: &dyn Probe, path: &Path) -> Result<PathBuf, Failure> {
    const FOLLOWED_AT_MOST: usize = 40;
    let mut followed = 0;
    let mut real = PathBuf::from("/");
    let mut rest: Vec<PathBuf> =
        path.components().rev().map(|part| part.as_os_str().into()).collect();
    while let Some(part) = rest.pop() {
        match part.components().next() {
            Some(Component::ParentDir) => {
                real.pop();
            }
            Some(Component::Normal(name)) => {
                let place = real.join(name);
                if host.stat(&place, false)?.is_none_or(|stat| stat.kind != FileKind::Symlink) {
                    real = place;
                    continue;
                }
                followed += 1;
                if followed > FOLLOWED_AT_MOST {
                    let text = format!("too many levels of symbolic links at {}", path.display());
                    return Err(Failure::new(text));
                }
                host.follow_link(&place)?;
                let target = host.read_link(&place)?;
                rest.extend(target.components().rev().map(|part| part.as_os_str().into()));
            }
            Some(Component::RootDir) => real = PathBuf::from("/"),
            _ => {}
        }
    }
    Ok(real)
}

/// Calls a function with each piece of a file's content; false when there is no such file.
pub(crate) fn each_piece(
    host: &dyn Probe,
    path: &Path,
    mut take: impl FnMut(&[u8]),
) -> Result<bool, Failure> {
    let Some(mut reader) = host.open(path)? else { return Ok(false) };
    let mut buffer = vec![0; 128 * 1024];
    loop {
        host.keep_going()?;
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(count) => take(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(Failure::new(format!("cannot read {}: {error}", path.display())));
            }
        }
    }
}

/// The checksums of a content: those that results carry, and the one that names blobs.
#[derive(Default, Clone)]
pub(crate) struct Checksums {
    sha1: sha1::Sha1,
    md5: md5::Md5,
    sha256: sha2::Sha256,
}

impl Checksums {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha1.update(bytes);
        self.md5.update(bytes);
        self.sha256.update(bytes);
    }

    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        let mut sums = Self::default();
        sums.update(bytes);
        sums
    }

    /// Those of a file; `None` when it is not there.
    pub(crate) fn of_file(host: &dyn Probe, path: &Path) -> Result<Option<Self>, Failure> {
        let mut sums = Self::default();
        let is_there = each_piece(host, path, |bytes| sums.update(bytes))?;
        Ok(is_there.then_some(sums))
    }

    pub(crate) fn sha1(&self) -> String {
        hex::encode(self.sha1.clone().finalize())
    }

    pub(crate) fn md5(&self) -> String {
        hex::encode(self.md5.clone().finalize())
    }

    pub(crate) fn digest(&self) -> model::Digest {
        model::Digest(self.sha256.clone().finalize().into())
    }

    /// Adds them to a result.
    pub(crate) fn describe(&self, result: &mut Args) {
        result.insert("checksum".into(), self.sha1().into());
        result.insert("md5sum".into(), self.md5().into());
    }
}

/// The name under which `backup: true` keeps the old version.
pub(crate) fn backup_path(host: &dyn Probe, path: &Path) -> PathBuf {
    let now = jiff::Timestamp::try_from(host.now()).unwrap_or_default();
    let local = now.to_zoned(jiff::tz::TimeZone::system());
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.{}~", std::process::id(), local.strftime("%Y-%m-%d@%H:%M:%S")));
    PathBuf::from(name)
}
