//! Finds what a path names without being led astray by other users of the host.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{Mode, fstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

use super::replace::through_proc;
use super::{accounts, failed, file_stat, is_absent};
use crate::trust::{is_led_astray, is_open_to, led_astray};
use crate::{Error, FileKind, FileStat, Result};

/// As many as Linux itself follows.
const FOLLOWED_AT_MOST: u32 = 40;
/// To hold something, whatever it is, without opening it.
const HOLD: OFlag = OFlag::O_PATH.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Opens a directory by a path; `how`: `O_RDONLY` or `O_PATH`.
pub(super) fn directory(path: &Path, how: OFlag) -> std::result::Result<OwnedFd, Stray> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | how;
    let straight = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    match openat2(AT_FDCWD, path, straight) {
        // There is a link on the way, or this kernel or its sandbox does not know the call.
        Err(Errno::ELOOP | Errno::ENOSYS | Errno::EPERM) => {}
        answer => return Ok(answer?),
    }
    let held = Walk::default().to(None, path)?;
    Ok(openat(&held, ".", flags, Mode::empty())?)
}

/// Where the symbolic link with a path leads: the path of that.
pub(super) fn next_of(path: &Path) -> std::result::Result<PathBuf, Stray> {
    let parent = directory(crate::parent_of(path), OFlag::O_PATH)?;
    let name = Path::new(path.file_name().ok_or(Errno::EINVAL)?);
    let link = Reached::at(&parent, name.as_os_str())?;
    let target = PathBuf::from(readlinkat(&link.descriptor, "")?);
    match Walk::default().through(&parent, &link.descriptor, &link.stat, name) {
        Ok(_) => {}
        // Nothing is there yet: what counts is the directory in which it would be.
        Err(Stray::Errno(errno)) if is_absent(errno) => {
            match Walk::default().to(Some(&parent), crate::parent_of(&target)) {
                Ok(there) => refuse_astray(&parent, &link.stat, &there, name, &target)?,
                Err(Stray::Errno(errno)) if is_absent(errno) => {}
                Err(stray) => return Err(stray),
            }
        }
        Err(stray) => return Err(stray),
    }
    Ok(crate::parent_of(path).join(target))
}

/// What a path names, held.
pub(super) struct Reached {
    pub descriptor: OwnedFd,
    pub stat: FileStat,
    /// The directory that it lies in.
    directory: FileStat,
}

impl Reached {
    /// Holds what a path names. `follow`: a symbolic link at its end is followed, too.
    pub(super) fn by(path: &Path, follow: bool) -> std::result::Result<Self, Stray> {
        let mut walk = Walk::default();
        let Some(name) = path.file_name() else {
            let descriptor = walk.to(None, path)?;
            let stat = file_stat(&fstat(&descriptor)?);
            return Ok(Self { directory: stat.clone(), descriptor, stat });
        };
        let parent = directory(crate::parent_of(path), OFlag::O_PATH)?;
        let mut reached = Self::at(&parent, name)?;
        if follow && reached.stat.kind == FileKind::Symlink {
            let Self { descriptor, stat, .. } = &reached;
            reached.descriptor = walk.through(&parent, descriptor, stat, Path::new(name))?;
            reached.stat = file_stat(&fstat(&reached.descriptor)?);
            reached.directory = walk.directory.unwrap_or(reached.directory);
        }
        Ok(reached)
    }

    /// Holds what has a name in a directory.
    pub(super) fn at(directory: &OwnedFd, name: &OsStr) -> nix::Result<Self> {
        let descriptor = openat(directory, name, HOLD, Mode::empty())?;
        let stat = file_stat(&fstat(&descriptor)?);
        Ok(Self { descriptor, stat, directory: file_stat(&fstat(directory)?) })
    }

    /// A path that leads to just this, whatever stands under its name by now.
    pub(super) fn by_descriptor(&self) -> PathBuf {
        through_proc(self.descriptor.as_fd())
    }

    /// A file with several names may be one that another user has linked to where it is not expected.
    pub(super) fn refuse_planted(&self, path: &Path) -> Result<()> {
        let Self { stat, directory, .. } = self;
        let owner_may = stat.uid == directory.uid && directory.mode & 0o002 == 0;
        if stat.kind != FileKind::File
            || stat.links < 2
            || owner_may
            || !is_open_to_others(directory)
        {
            return Ok(());
        }
        Err(Error::Refused(format!(
            "refused to touch {}: it is a hard link to a file of {}, in a directory that others can write to",
            path.display(),
            name_of(stat.uid)
        )))
    }
}

fn is_open_to_others(directory: &FileStat) -> bool {
    is_open_to(directory, nix::unistd::geteuid().as_raw())
}

/// Why nothing was reached.
pub(super) enum Stray {
    Errno(Errno),
    /// A link of another user leads to what is not theirs: the link, in words, and its owner.
    Led {
        link: String,
        owner: u32,
    },
}

impl From<Errno> for Stray {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl Stray {
    /// As an error of the door.
    pub(super) fn at(self, doing: &'static str, path: &Path) -> Error {
        match self {
            Self::Errno(errno) => failed(doing, path)(errno),
            Self::Led { link, owner } => led_astray(path, &link, &name_of(owner)),
        }
    }
}

/// A user, for people.
fn name_of(uid: u32) -> String {
    match accounts::user_by_id(uid) {
        Ok(Some(account)) => account.name,
        _ => format!("the user with the number {uid}"),
    }
}

/// A walk along a path, one name after the other.
#[derive(Default)]
struct Walk {
    followed: u32,
    /// Where the last name was found that is no link.
    directory: Option<FileStat>,
}

impl Walk {
    /// Where a path leads when each link is followed.
    fn to(&mut self, from: Option<&OwnedFd>, path: &Path) -> std::result::Result<OwnedFd, Stray> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut here = match from {
            Some(from) if path.is_relative() => openat(from, ".", flags, Mode::empty())?,
            None if path.is_relative() => openat(AT_FDCWD, ".", flags, Mode::empty())?,
            _ => openat(AT_FDCWD, "/", flags, Mode::empty())?,
        };
        for part in path.components() {
            here = match part {
                Component::Normal(name) => {
                    let next = openat(&here, name, HOLD, Mode::empty())?;
                    let stat = file_stat(&fstat(&next)?);
                    if stat.kind == FileKind::Symlink {
                        self.through(&here, &next, &stat, Path::new(name))?
                    } else {
                        self.directory = Some(file_stat(&fstat(&here)?));
                        next
                    }
                }
                Component::ParentDir => openat(&here, "..", flags, Mode::empty())?,
                _ => here,
            };
        }
        Ok(here)
    }

    /// Follows a link, if its owner may lead there.
    fn through(
        &mut self,
        directory: &OwnedFd,
        link: &OwnedFd,
        stat: &FileStat,
        name: &Path,
    ) -> std::result::Result<OwnedFd, Stray> {
        self.followed += 1;
        if self.followed > FOLLOWED_AT_MOST {
            return Err(Errno::ELOOP.into());
        }
        // The kernel's own links lead where their text does not say.
        if fstatfs(link)?.filesystem_type() == PROC_SUPER_MAGIC {
            let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
            return Ok(openat(directory, name, flags, Mode::empty())?);
        }
        let target = readlinkat(link, "")?;
        let reached = self.to(Some(directory), Path::new(&target))?;
        refuse_astray(directory, stat, &reached, name, Path::new(&target))?;
        Ok(reached)
    }
}

/// Refuses a link in a directory that leads from its owner to what is not theirs.
fn refuse_astray(
    directory: &OwnedFd,
    link: &FileStat,
    reached: &OwnedFd,
    name: &Path,
    target: &Path,
) -> std::result::Result<(), Stray> {
    let [here, there] = [file_stat(&fstat(directory)?), file_stat(&fstat(reached)?)];
    if !is_led_astray(&here, link, &there, nix::unistd::geteuid().as_raw()) {
        return Ok(());
    }
    let words = format!("{} -> {}", name.display(), target.display());
    Err(Stray::Led { link: words, owner: link.uid })
}
