//! Replacing files: always the old or the new version, never a part of one, also after a crash.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat};

use super::walk::{self, Reached, Stray};
use super::{RealSystem, failed, file_stat, is_absent, labels};
use crate::{Attributes, Error, FileKind, Probe, Result, System, WriteFile};

/// A directory held open, so that nobody can swap it for another, and a name in it.
pub(super) struct Place<'a> {
    pub path: &'a Path,
    pub directory: OwnedFd,
    pub name: &'a OsStr,
    can_sync: bool,
}

impl<'a> Place<'a> {
    pub(super) fn of(doing: &'static str, path: &'a Path) -> Result<Self> {
        let Some(name) = path.file_name() else {
            return Err(Error::Refused(format!("{} does not name a file", path.display())));
        };
        let parent = crate::parent_of(path);
        let (directory, can_sync) = match walk::directory(parent, OFlag::O_RDONLY) {
            Ok(directory) => (directory, true),
            // A directory that may be searched and written but not read.
            Err(Stray::Errno(Errno::EACCES)) => {
                let held = walk::directory(parent, OFlag::O_PATH);
                (held.map_err(|stray| stray.at(doing, path))?, false)
            }
            Err(stray) => return Err(stray.at(doing, path)),
        };
        Ok(Self { path, directory, name, can_sync })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// What stands there now.
    pub(super) fn held(&self) -> Result<Option<Reached>> {
        match Reached::at(&self.directory, self.name) {
            Ok(reached) => Ok(Some(reached)),
            Err(errno) if is_absent(errno) => Ok(None),
            Err(errno) => Err(failed("look at", self.path)(errno)),
        }
    }

    /// Makes sure that the name survives a crash.
    pub(super) fn sync(&self, doing: &'static str) -> Result<()> {
        if self.can_sync {
            nix::unistd::fsync(&self.directory).map_err(failed(doing, self.path))?;
        }
        Ok(())
    }

    /// Moves the temporary name over the real one.
    pub(super) fn put_in_place(&self, temporary: &OsStr) -> nix::Result<()> {
        renameat(&self.directory, temporary, &self.directory, self.name)
    }

    pub(super) fn forget(&self, temporary: &OsStr) {
        let _ = unlinkat(&self.directory, temporary, UnlinkatFlags::NoRemoveDir);
    }
}

/// A name for a temporary file beside `name`: nobody can guess it, and it fits where `name` fits.
pub(super) fn temporary_name(name: &OsStr) -> OsString {
    const LONGEST: usize = 255;
    let random = RandomState::new().hash_one(name.as_bytes());
    let ending = format!(".{random:016x}.muster");
    let kept = name.len().min(LONGEST - ending.len() - 1);
    let mut temporary = vec![b'.'];
    temporary.extend(&name.as_bytes()[..kept]);
    temporary.extend(ending.as_bytes());
    OsString::from_vec(temporary)
}

impl RealSystem {
    pub(super) fn replace(&self, file: WriteFile<'_>) -> Result<()> {
        let WriteFile { path, content, attributes, validate, in_place } = file;
        let place = Place::of("write", path)?;
        let old = place.held()?;
        if let Some(old) = &old {
            refuse_to_replace(path, old.stat.kind)?;
        }
        let old = old.filter(|old| old.stat.kind == FileKind::File);
        let temporary = temporary_name(place.name);
        let create = |place: &Place<'_>| {
            let flags = OFlag::O_WRONLY
                | OFlag::O_CREAT
                | OFlag::O_EXCL
                | OFlag::O_NOFOLLOW
                | OFlag::O_CLOEXEC;
            openat(&place.directory, temporary.as_os_str(), flags, Mode::from_bits_truncate(0o600))
        };
        let beside;
        let (descriptor, aside) = match create(&place) {
            Ok(descriptor) => (descriptor, None),
            // A file in a directory that takes no new ones: its content is collected elsewhere.
            Err(errno) if in_place && old.is_some() && is_refusal(errno) => {
                beside = self.scratch()?.join(&temporary);
                let elsewhere = Place::of("write", &beside)?;
                let descriptor = create(&elsewhere);
                (descriptor.map_err(failed("create", &beside))?, Some(elsewhere))
            }
            Err(errno) => return Err(failed("create a temporary file beside", path)(errno)),
        };
        let done = self
            .fill(path, &mut File::from(descriptor), content, &attributes, old.as_ref())
            .and_then(|()| match (validate, &aside) {
                (Some(validate), None) => validate(&path.with_file_name(&temporary)),
                (Some(validate), Some(aside)) => validate(aside.path),
                (None, _) => Ok(()),
            })
            .and_then(|()| match &aside {
                Some(aside) => self.write_into(aside, &temporary, &place, &attributes),
                None => match place.put_in_place(&temporary) {
                    Ok(()) => Ok(()),
                    Err(errno) if in_place && is_refusal(errno) => {
                        self.write_into(&place, &temporary, &place, &attributes)
                    }
                    Err(errno) => Err(cannot_replace(path, errno)),
                },
            });
        if let Err(error) = done {
            aside.as_ref().unwrap_or(&place).forget(&temporary);
            return Err(error);
        }
        if let Some(change) = attributes.flags {
            let how = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
            let file = openat(&place.directory, place.name, how, Mode::empty())
                .map_err(failed("set the flags of", path))?;
            labels::Flags::begin(path, File::from(file), change)?.finish()?;
        }
        place.sync("write")
    }

    /// Everything that is done to the new file before anybody can see it under its name.
    fn fill(
        &self,
        path: &Path,
        new: &mut File,
        content: &mut dyn Read,
        wanted: &Attributes,
        old: Option<&Reached>,
    ) -> Result<()> {
        self.copy(path, content, new)?;
        let before = old.map(|old| &old.stat);
        let uid = wanted.uid.or(before.map(|old| old.uid));
        let gid = wanted.gid.or(before.map(|old| old.gid));
        let mine = file_stat(&nix::sys::stat::fstat(&*new).map_err(failed("look at", path))?);
        let uid = uid.filter(|uid| *uid != mine.uid).map(Uid::from_raw);
        let gid = gid.filter(|gid| *gid != mine.gid).map(Gid::from_raw);
        if uid.is_some() || gid.is_some() {
            match fchown(&*new, uid, gid) {
                // Who may replace a file of another may not give the new one to them: it is theirs then.
                Err(Errno::EPERM) if wanted.uid.is_none() && wanted.gid.is_none() => {}
                answer => answer.map_err(failed("set the owner of", path))?,
            }
        }
        if let Some(old) = old {
            keep_xattrs(path, old, new, self.own_uid() == 0)?;
        }
        if let Some(label) = &wanted.label {
            labels::set_label(path, &through_proc(new.as_fd()), label)?;
        }
        let mode =
            wanted.mode.or(before.map(|old| old.mode)).unwrap_or_else(|| 0o666 & !self.umask());
        fchmod(&*new, Mode::from_bits_truncate(mode)).map_err(failed("set the mode of", path))?;
        new.sync_all().map_err(failed("write", path))
    }

    fn copy(&self, path: &Path, from: &mut dyn Read, to: &mut File) -> Result<()> {
        let mut buffer = vec![0; 128 * 1024];
        loop {
            self.keep_going()?;
            match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => to.write_all(&buffer[..count]).map_err(failed("write", path))?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed("read the new content of", path)(error)),
            }
        }
    }

    /// The way out where a rename cannot replace the file (`unsafe_writes`): its content is overwritten.
    fn write_into(
        &self,
        source: &Place<'_>,
        temporary: &OsStr,
        place: &Place<'_>,
        wanted: &Attributes,
    ) -> Result<()> {
        let open = |directory: &OwnedFd, name: &OsStr, how: OFlag| {
            let how = how | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            openat(directory, name, how, Mode::empty())
                .map(File::from)
                .map_err(failed("write", place.path))
        };
        let mut from = open(&source.directory, temporary, OFlag::O_RDONLY)?;
        if let Some(old) = place.held()? {
            old.refuse_planted(place.path)?;
        }
        let mut to = open(&place.directory, place.name, OFlag::O_WRONLY | OFlag::O_TRUNC)?;
        self.copy(place.path, &mut from, &mut to)?;
        to.sync_all().map_err(failed("write", place.path))?;
        source.forget(temporary);
        let others = Attributes { flags: None, ..wanted.clone() };
        if others == Attributes::default() {
            return Ok(());
        }
        self.set_attributes(place.path, others, false)
    }
}

/// The answers to a rename, or to a new file, that leave writing into the old one as a way.
fn is_refusal(errno: Errno) -> bool {
    matches!(errno, Errno::EBUSY | Errno::EXDEV | Errno::EPERM | Errno::EACCES | Errno::EROFS)
}

fn refuse_to_replace(path: &Path, kind: FileKind) -> Result<()> {
    match kind {
        FileKind::File | FileKind::Symlink => Ok(()),
        FileKind::Directory => Err(failed("write", path)(Errno::EISDIR)),
        other => Err(Error::Refused(format!(
            "cannot write {}: it is a {}, not a regular file",
            path.display(),
            other.name()
        ))),
    }
}

fn cannot_replace(path: &Path, errno: Errno) -> Error {
    if errno == Errno::EBUSY {
        return Error::Refused(format!(
            "cannot replace {}: it is a mount point; `unsafe_writes: true` would write into it",
            path.display()
        ));
    }
    failed("replace", path)(errno)
}

/// Access control lists, capabilities and labels go with the file's name, not with the content of one version.
fn keep_xattrs(path: &Path, old: &Reached, new: &File, is_root: bool) -> Result<()> {
    const DOING: &str = "read the attributes of";
    let unsupported = |error: &io::Error| error.raw_os_error() == Some(Errno::ENOTSUP as i32);
    let by_descriptor = old.by_descriptor();
    let names = match xattr::list_deref(&by_descriptor) {
        Ok(names) => names,
        Err(error) if unsupported(&error) => return Ok(()),
        Err(error) => return Err(failed(DOING, path)(error)),
    };
    for name in names {
        let value = xattr::get_deref(&by_descriptor, &name).map_err(failed(DOING, path))?;
        let Some(value) = value else { continue };
        let system_owned =
            name.as_bytes().starts_with(b"security.") || name.as_bytes().starts_with(b"trusted.");
        match xattr::FileExt::set_xattr(new, &name, &value) {
            Ok(()) => {}
            Err(error) if unsupported(&error) || (system_owned && !is_root) => {}
            Err(error) => return Err(failed("keep the attributes of", path)(error)),
        }
    }
    Ok(())
}

/// The path of an entry by way of an open directory, for calls that take only paths.
pub(super) fn through_proc(descriptor: BorrowedFd<'_>) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
}
