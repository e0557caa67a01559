//! The real host, as the process's own user sees it. Usable from any blocking thread; one for each step.

mod accounts;
mod execute;
mod labels;
mod replace;
mod touch;
mod walk;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use model::{Digest, OutputStream};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::SFlag;
use nix::unistd::AccessFlags;

use walk::{Reached, Stray};

use crate::{
    Account, BlobSource, Command, Error, FileKind, FileStat, GroupEntry, Output, Probe, Result,
};

/// Takes what commands print while they run.
pub type OutputSink = Arc<dyn Fn(OutputStream, &[u8]) + Send + Sync>;

/// What a step may use, and how long.
#[derive(Clone, Default)]
pub struct Context {
    /// When its time is up.
    pub deadline: Option<Instant>,
    /// Set when the run was cancelled.
    pub cancelled: Arc<AtomicBool>,
    /// Takes live output.
    pub output: Option<OutputSink>,
    /// Laid over the process's environment.
    pub environment: BTreeMap<String, String>,
    /// Where blobs come from.
    pub blobs: Option<Arc<dyn BlobSource>>,
    /// Where commands run that do not say; `None`: `/`.
    pub directory: Option<PathBuf>,
}

/// The real host.
#[derive(Default)]
pub struct RealSystem {
    context: Context,
    scratch: OnceLock<tempfile::TempDir>,
}

impl RealSystem {
    /// The host, for a step with this context.
    pub fn new(context: Context) -> Self {
        Self { context, scratch: OnceLock::new() }
    }
}

/// Turns an error of a call on a path into one of the door.
fn failed<E: Into<io::Error>>(doing: &'static str, path: &Path) -> impl FnOnce(E) -> Error {
    move |source| Error::Path { doing, path: path.to_owned(), source: source.into() }
}

fn is_absent(errno: Errno) -> bool {
    matches!(errno, Errno::ENOENT | Errno::ENOTDIR)
}

/// A regular file, open; `None` when nothing is there.
fn open_regular(path: &Path) -> Result<Option<File>> {
    let reached = match Reached::by(path, true) {
        Ok(reached) => reached,
        Err(Stray::Errno(errno)) if is_absent(errno) => return Ok(None),
        Err(stray) => return Err(stray.at("open", path)),
    };
    refuse_unless_regular(path, reached.stat.kind)?;
    File::open(reached.by_descriptor()).map(Some).map_err(failed("open", path))
}

impl Probe for RealSystem {
    fn stat(&self, path: &Path, follow: bool) -> Result<Option<FileStat>> {
        let answer = if follow { nix::sys::stat::stat(path) } else { nix::sys::stat::lstat(path) };
        match answer {
            Ok(stat) => Ok(Some(file_stat(&stat))),
            // A link that leads to itself leads to nothing.
            Err(errno) if is_absent(errno) || (follow && errno == Errno::ELOOP) => Ok(None),
            Err(errno) => Err(failed("look at", path)(errno)),
        }
    }

    fn open(&self, path: &Path) -> Result<Option<Box<dyn Read>>> {
        Ok(open_regular(path)?.map(|file| Box::new(file) as Box<dyn Read>))
    }

    fn read_at(&self, path: &Path, offset: u64, length: u64) -> Result<Option<Vec<u8>>> {
        let Some(mut file) = open_regular(path)? else { return Ok(None) };
        file.seek(SeekFrom::Start(offset)).map_err(failed("read", path))?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes).map_err(failed("read", path))?;
        Ok(Some(bytes))
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf> {
        std::fs::read_link(path).map_err(failed("read the link", path))
    }

    fn follow_link(&self, path: &Path) -> Result<PathBuf> {
        walk::next_of(path).map_err(|stray| match stray {
            Stray::Errno(Errno::ELOOP) => {
                Error::Refused(format!("too many levels of symbolic links at {}", path.display()))
            }
            stray => stray.at("follow", path),
        })
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>> {
        let entries = std::fs::read_dir(path).map_err(failed("list", path))?;
        let mut names = entries
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<_>>>()
            .map_err(failed("list", path))?;
        names.sort();
        Ok(names)
    }

    fn access(&self, path: &Path, mode: i32) -> bool {
        let flags = AccessFlags::from_bits_truncate(mode);
        nix::unistd::faccessat(nix::fcntl::AT_FDCWD, path, flags, AtFlags::AT_EACCESS).is_ok()
    }

    fn flags(&self, path: &Path) -> Result<Option<u32>> {
        labels::flags_at(path)
    }

    fn generation(&self, path: &Path) -> Result<Option<u32>> {
        labels::generation_at(path)
    }

    fn xattr(&self, path: &Path, name: &str) -> Result<Option<Vec<u8>>> {
        match xattr::get_deref(path, name) {
            Ok(value) => Ok(value),
            Err(error) if error.raw_os_error() == Some(Errno::ENOTSUP as i32) => Ok(None),
            Err(error) => Err(failed("read an attribute of", path)(error)),
        }
    }

    fn query(&self, command: &Command) -> Result<Output> {
        self.execute(command)
    }

    fn user(&self, name: &str) -> Result<Option<Account>> {
        accounts::user(name)
    }

    fn user_by_id(&self, uid: u32) -> Result<Option<Account>> {
        accounts::user_by_id(uid)
    }

    fn group(&self, name: &str) -> Result<Option<GroupEntry>> {
        accounts::group(name)
    }

    fn group_by_id(&self, gid: u32) -> Result<Option<GroupEntry>> {
        accounts::group_by_id(gid)
    }

    fn own_uid(&self) -> u32 {
        nix::unistd::geteuid().as_raw()
    }

    fn umask(&self) -> u32 {
        // Asking by umask(2) would change it for every thread.
        const USUAL: u32 = 0o022;
        std::fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|status| {
                let line = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
                u32::from_str_radix(line.trim(), 8).ok()
            })
            .unwrap_or(USUAL)
    }

    fn variable(&self, name: &str) -> Option<String> {
        match self.context.environment.get(name) {
            Some(value) => Some(value.clone()),
            None => std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()),
        }
    }

    fn variables(&self) -> BTreeMap<String, String> {
        let lossy = |text: OsString| text.to_string_lossy().into_owned();
        let own = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)));
        let mut all: BTreeMap<String, String> = own.collect();
        all.extend(self.context.environment.clone());
        all
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn blob(&self, digest: Digest) -> Result<Box<dyn Read + Send>> {
        match &self.context.blobs {
            Some(source) => source.open(digest),
            None => Err(Error::Blob { digest, reason: "this link carries no blobs".into() }),
        }
    }

    fn keep_going(&self) -> Result<()> {
        if self.context.cancelled.load(Ordering::Relaxed) {
            return Err(Error::Stopped("the run was cancelled".into()));
        }
        if self.context.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Error::Stopped("the step's time is up".into()));
        }
        Ok(())
    }

    fn sleep(&self, duration: Duration) -> Result<()> {
        const NAP: Duration = Duration::from_millis(50);
        let end = Instant::now() + duration;
        loop {
            self.keep_going()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(NAP));
        }
    }
}

fn refuse_unless_regular(path: &Path, kind: FileKind) -> Result<()> {
    match kind {
        FileKind::File => Ok(()),
        FileKind::Directory => Err(failed("open", path)(Errno::EISDIR)),
        other => Err(Error::Refused(format!(
            "{} is a {}, not a regular file",
            path.display(),
            other.name()
        ))),
    }
}

#[expect(
    clippy::unnecessary_cast,
    reason = "the widths of these fields differ between architectures"
)]
fn file_stat(stat: &nix::sys::stat::FileStat) -> FileStat {
    let time = |seconds: i64, nanoseconds: i64| {
        let nanoseconds = Duration::from_nanos(nanoseconds.unsigned_abs());
        let since = Duration::from_secs(seconds.unsigned_abs());
        let whole = if seconds < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(since)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(since)
        };
        whole.and_then(|whole| whole.checked_add(nanoseconds)).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    FileStat {
        kind: file_kind(stat.st_mode),
        mode: stat.st_mode as u32 & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size: stat.st_size as u64,
        device: stat.st_dev as u64,
        rdev: stat.st_rdev as u64,
        inode: stat.st_ino as u64,
        links: stat.st_nlink as u64,
        blocks: stat.st_blocks as u64,
        block_size: stat.st_blksize as u64,
        accessed: time(stat.st_atime, stat.st_atime_nsec),
        modified: time(stat.st_mtime, stat.st_mtime_nsec),
        changed: time(stat.st_ctime, stat.st_ctime_nsec),
    }
}

fn file_kind(mode: nix::libc::mode_t) -> FileKind {
    match SFlag::from_bits_truncate(mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFDIR => FileKind::Directory,
        SFlag::S_IFLNK => FileKind::Symlink,
        SFlag::S_IFIFO => FileKind::Fifo,
        SFlag::S_IFSOCK => FileKind::Socket,
        SFlag::S_IFBLK => FileKind::BlockDevice,
        SFlag::S_IFCHR => FileKind::CharDevice,
        _ => FileKind::File,
    }
}
