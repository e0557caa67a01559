//! Flags and SELinux labels of files, by way of an open descriptor or a path of one.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::failed;
use crate::labels::label_text;
use crate::{Error, FlagChange, LABEL, LabelChange, Result};

#[expect(
    unsafe_code,
    reason = "three ioctls on a long that is ours; the kernel writes 32 bits of it"
)]
mod ioctl {
    nix::ioctl_read!(get_flags, b'f', 1, nix::libc::c_long);
    nix::ioctl_read!(get_version, b'v', 1, nix::libc::c_long);
    nix::ioctl_write_ptr!(set_flags, b'f', 2, nix::libc::c_long);

    pub(super) fn flags(descriptor: i32) -> nix::Result<u32> {
        let mut flags: nix::libc::c_long = 0;
        // SAFETY: `flags` outlives the call, and is at least as wide as what is written to it.
        unsafe { get_flags(descriptor, &raw mut flags)? };
        Ok(flags as u32)
    }

    pub(super) fn version(descriptor: i32) -> nix::Result<u32> {
        let mut version: nix::libc::c_long = 0;
        // SAFETY: `version` outlives the call, and is at least as wide as what is written to it.
        unsafe { get_version(descriptor, &raw mut version)? };
        Ok(version as u32)
    }

    pub(super) fn put_flags(descriptor: i32, flags: u32) -> nix::Result<()> {
        let flags = nix::libc::c_long::from(flags);
        // SAFETY: `flags` outlives the call, which only reads it.
        unsafe { set_flags(descriptor, &raw const flags)? };
        Ok(())
    }
}

/// File systems without flags answer with one of these.
fn has_none(errno: Errno) -> bool {
    matches!(errno, Errno::ENOTTY | Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ENOSYS)
}

/// A file or directory, to ask for its flags.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let how = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    File::options().read(true).custom_flags(how.bits()).open(path)
}

/// The flags of what a path names.
pub(super) fn flags_at(path: &Path) -> Result<Option<u32>> {
    ask("read the flags of", path, ioctl::flags)
}

/// The version of what a path names.
pub(super) fn generation_at(path: &Path) -> Result<Option<u32>> {
    ask("read the version of", path, ioctl::version)
}

fn ask(
    doing: &'static str,
    path: &Path,
    question: fn(i32) -> nix::Result<u32>,
) -> Result<Option<u32>> {
    let file = open(path).map_err(failed("open", path))?;
    match question(file.as_raw_fd()) {
        Ok(answer) => Ok(Some(answer)),
        Err(errno) if has_none(errno) => Ok(None),
        Err(errno) => Err(failed(doing, path)(errno)),
    }
}

/// What is left to do with flags once everything else is done.
pub(super) struct Flags<'a> {
    path: &'a Path,
    file: File,
    current: u32,
    change: FlagChange,
}

impl<'a> Flags<'a> {
    /// Takes away the flags that would keep the file from being changed.
    pub(super) fn begin(path: &'a Path, file: File, change: FlagChange) -> Result<Self> {
        let current = ioctl::flags(file.as_raw_fd()).map_err(|errno| without_flags(path, errno))?;
        let first = change.first(current);
        let flags = Self { path, file, current: first, change };
        if first != current {
            flags.put(first)?;
        }
        Ok(flags)
    }

    /// Sets the others.
    pub(super) fn finish(self) -> Result<()> {
        let wanted = self.change.over(self.current);
        if wanted == self.current { Ok(()) } else { self.put(wanted) }
    }

    fn put(&self, flags: u32) -> Result<()> {
        ioctl::put_flags(self.file.as_raw_fd(), flags)
            .map_err(|errno| without_flags(self.path, errno))?;
        // An immutable file can be synced, but what has no flags may not: the flags are set already.
        let _ = self.file.sync_all();
        Ok(())
    }
}

fn without_flags(path: &Path, errno: Errno) -> Error {
    if has_none(errno) {
        return Error::Refused(format!(
            "cannot set the flags of {}: its file system does not have them",
            path.display()
        ));
    }
    failed("set the flags of", path)(errno)
}

/// Lays a label over the one of an open file. `proc` is the path of its descriptor.
pub(super) fn set_label(path: &Path, proc: &Path, change: &LabelChange) -> Result<()> {
    let current = xattr::get_deref(proc, LABEL).map_err(failed("read the label of", path))?;
    let current = label_text(&current.unwrap_or_default());
    let Some(label) = change.over(&current) else {
        return Err(Error::Refused(format!(
            "{} has no SELinux label yet: user, role and type are all needed",
            path.display()
        )));
    };
    if label == current {
        return Ok(());
    }
    xattr::set_deref(proc, LABEL, label.as_bytes()).map_err(failed("set the label of", path))
}

#[cfg(test)]
mod tests {
    use crate::{Attributes, FlagChange, Probe, RealSystem, System, WriteFile};

    const NODUMP: u32 = 0x40;

    /// A file whose flags can be set, where the file system has any.
    #[test]
    fn flags_are_set_and_taken_away() {
        let folder = tempfile::tempdir().expect("made");
        let path = folder.path().join("f");
        let host = RealSystem::default();
        let flags = |add, remove| Attributes {
            flags: Some(FlagChange { add, remove }),
            ..Attributes::default()
        };
        std::fs::write(&path, "old").expect("written");
        let Some(before) = host.flags(&path).expect("asked") else { return };
        host.set_attributes(&path, flags(NODUMP, 0), false).expect("set");
        assert_eq!(host.flags(&path).expect("asked"), Some(before | NODUMP));
        host.set_attributes(&path, flags(0, NODUMP), false).expect("set");
        assert_eq!(host.flags(&path).expect("asked"), Some(before));
        host.write(WriteFile {
            path: &path,
            content: &mut "new".as_bytes(),
            attributes: flags(NODUMP, 0),
            validate: None,
            in_place: false,
        })
        .expect("written");
        assert_eq!(host.flags(&path).expect("asked"), Some(before | NODUMP));
    }
}
