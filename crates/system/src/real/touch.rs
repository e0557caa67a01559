//! The other verbs: directories, links, removal, attributes, times.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, UtimensatFlags, fchmod, fstat, mkdirat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{
    Gid, LinkatFlags, Uid, UnlinkatFlags, fchown, fchownat, linkat, symlinkat, unlinkat,
};

use super::replace::{Place, temporary_name, through_proc};
use super::walk::Reached;
use super::{RealSystem, failed, labels};
use crate::{Attributes, Command, Dialogue, FileKind, Output, Probe, Result, System, WriteFile};

impl System for RealSystem {
    fn write(&self, file: WriteFile<'_>) -> Result<()> {
        self.replace(file)
    }

    fn make_directory(&self, path: &Path, attributes: Attributes) -> Result<()> {
        const DOING: &str = "make directory";
        let place = Place::of(DOING, path)?;
        mkdirat(place.fd(), place.name, Mode::S_IRWXU).map_err(failed(DOING, path))?;
        let finish = || {
            let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let made = openat(place.fd(), place.name, flags, Mode::empty())?;
            let uid = attributes.uid.map(Uid::from_raw);
            let gid = attributes.gid.map(Gid::from_raw);
            if uid.is_some() || gid.is_some() {
                fchown(&made, uid, gid)?;
            }
            let mode = attributes.mode.unwrap_or_else(|| {
                // A setgid directory hands the bit on.
                let inherited = fstat(&made).map_or(0, |stat| stat.st_mode & 0o2000);
                (0o777 & !self.umask()) | inherited
            });
            fchmod(&made, Mode::from_bits_truncate(mode))?;
            nix::unistd::fsync(&made)?;
            Ok(made)
        };
        let labelled =
            finish().map_err(|errno: Errno| failed(DOING, path)(errno)).and_then(|made| {
                if let Some(label) = &attributes.label {
                    labels::set_label(path, &through_proc(made.as_fd()), label)?;
                }
                match attributes.flags {
                    Some(change) => labels::Flags::begin(path, File::from(made), change)?.finish(),
                    None => Ok(()),
                }
            });
        labelled.inspect_err(|_| {
            let _ = unlinkat(place.fd(), place.name, UnlinkatFlags::RemoveDir);
        })?;
        place.sync(DOING)
    }

    fn symlink(&self, target: &Path, path: &Path) -> Result<()> {
        const DOING: &str = "link";
        let place = Place::of(DOING, path)?;
        let temporary = temporary_name(place.name);
        symlinkat(target, place.fd(), temporary.as_os_str()).map_err(failed(DOING, path))?;
        place.put_in_place(&temporary).map_err(|errno| {
            place.forget(&temporary);
            failed(DOING, path)(errno)
        })?;
        place.sync(DOING)
    }

    fn hard_link(&self, target: &Path, path: &Path) -> Result<()> {
        const DOING: &str = "link";
        let place = Place::of(DOING, path)?;
        let source = Place::of(DOING, target)?;
        let temporary = temporary_name(place.name);
        linkat(source.fd(), source.name, place.fd(), temporary.as_os_str(), LinkatFlags::empty())
            .map_err(failed(DOING, path))?;
        let moved = place.put_in_place(&temporary);
        // Renaming one link of a file over another of it does nothing, and leaves both.
        place.forget(&temporary);
        moved.map_err(failed(DOING, path))?;
        place.sync(DOING)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        const DOING: &str = "rename";
        let old = Place::of(DOING, from)?;
        let new = Place::of(DOING, to)?;
        nix::fcntl::renameat(old.fd(), old.name, new.fd(), new.name)
            .map_err(failed(DOING, from))?;
        new.sync(DOING)?;
        old.sync(DOING)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        const DOING: &str = "remove";
        let place = Place::of(DOING, path)?;
        let Some(held) = place.held()? else { return Err(failed(DOING, path)(Errno::ENOENT)) };
        if held.stat.kind == FileKind::Directory {
            // Never follows links, also when somebody swaps entries meanwhile.
            let inside = through_proc(place.fd()).join(place.name);
            std::fs::remove_dir_all(inside).map_err(failed(DOING, path))?;
        } else {
            unlinkat(place.fd(), place.name, UnlinkatFlags::NoRemoveDir)
                .map_err(failed(DOING, path))?;
        }
        place.sync(DOING)
    }

    fn set_attributes(&self, path: &Path, attributes: Attributes, follow: bool) -> Result<()> {
        let reached =
            Reached::by(path, follow).map_err(|stray| stray.at("set attributes of", path))?;
        reached.refuse_planted(path)?;
        let by_descriptor = reached.by_descriptor();
        let Reached { descriptor: held, stat, .. } = reached;
        let flags = match attributes.flags.filter(|_| stat.kind != FileKind::Symlink) {
            None => None,
            Some(change) => {
                let file = labels::open(&by_descriptor).map_err(failed("open", path))?;
                Some(labels::Flags::begin(path, file, change)?)
            }
        };
        let uid = attributes.uid.map(Uid::from_raw);
        let gid = attributes.gid.map(Gid::from_raw);
        if uid.is_some() || gid.is_some() {
            fchownat(&held, "", uid, gid, AtFlags::AT_EMPTY_PATH)
                .map_err(failed("set the owner of", path))?;
        }
        if stat.kind == FileKind::Symlink {
            return Ok(());
        }
        // A change of owner takes setuid and setgid away: they are put back.
        if let Some(mode) =
            attributes.mode.or((uid.is_some() || gid.is_some()).then_some(stat.mode))
        {
            std::fs::set_permissions(&by_descriptor, std::fs::Permissions::from_mode(mode))
                .map_err(failed("set the mode of", path))?;
        }
        if let Some(label) = &attributes.label {
            labels::set_label(path, &by_descriptor, label)?;
        }
        if matches!(stat.kind, FileKind::File | FileKind::Directory) {
            // What may not be read cannot be synced either.
            if let Ok(file) = File::open(&by_descriptor) {
                file.sync_all().map_err(failed("set attributes of", path))?;
            }
        }
        flags.map_or(Ok(()), labels::Flags::finish)
    }

    fn set_times(
        &self,
        path: &Path,
        accessed: Option<SystemTime>,
        modified: Option<SystemTime>,
    ) -> Result<()> {
        const DOING: &str = "set times of";
        let place = Place::of(DOING, path)?;
        utimensat(
            place.fd(),
            place.name,
            &time_spec(accessed),
            &time_spec(modified),
            UtimensatFlags::NoFollowSymlink,
        )
        .map_err(failed(DOING, path))?;
        place.sync(DOING)
    }

    fn scratch(&self) -> Result<PathBuf> {
        if let Some(directory) = self.scratch.get() {
            return Ok(directory.path().to_owned());
        }
        let made = tempfile::Builder::new()
            .prefix("muster-")
            .tempdir()
            .map_err(failed("make a directory in", &std::env::temp_dir()))?;
        Ok(self.scratch.get_or_init(|| made).path().to_owned())
    }

    fn run(&self, command: &Command) -> Result<Output> {
        self.execute(command)
    }

    fn converse(
        &self,
        command: &Command,
        echo: bool,
        dialogue: &mut Dialogue<'_>,
    ) -> Result<Output> {
        self.talk(command, echo, dialogue)
    }
}

fn time_spec(time: Option<SystemTime>) -> TimeSpec {
    let Some(time) = time else { return TimeSpec::UTIME_OMIT };
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => TimeSpec::new(since.as_secs() as i64, i64::from(since.subsec_nanos())),
        Err(before) => TimeSpec::new(-(before.duration().as_secs() as i64), 0),
    }
}
