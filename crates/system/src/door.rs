//! The two traits: looking, and touching.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use model::{Digest, Secret};

use crate::{Command, FlagChange, LabelChange, Output};

/// An error of the door, with what was being done and to which path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call on a path failed.
    #[error("cannot {doing} {}", path.display())]
    Path {
        /// What was being done, e.g. `write`.
        doing: &'static str,
        /// The path.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A program could not be started (not: it failed).
    #[error("cannot run `{program}`")]
    Run {
        /// The program.
        program: String,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A blob could not be had, or was not what its digest says.
    #[error("cannot get blob {digest}: {reason}")]
    Blob {
        /// The blob.
        digest: Digest,
        /// Why.
        reason: String,
    },
    /// The step's time is up, or the run was cancelled.
    #[error("{0}")]
    Stopped(String),
    /// Anything else, e.g. a path that leads through a symbolic link of another user.
    #[error("{0}")]
    Refused(String),
}

/// Results of the door.
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FileKind {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    BlockDevice,
    CharDevice,
}

impl FileKind {
    /// In words, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symbolic link",
            Self::Fifo => "FIFO",
            Self::Socket => "socket",
            Self::BlockDevice => "block device",
            Self::CharDevice => "character device",
        }
    }
}

/// What `stat(2)` says.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields of stat(2)")]
pub struct FileStat {
    pub kind: FileKind,
    /// Permission bits with setuid, setgid and sticky: `0o7777` at most.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// In bytes.
    pub size: u64,
    pub device: u64,
    pub rdev: u64,
    pub inode: u64,
    pub links: u64,
    pub blocks: u64,
    pub block_size: u64,
    pub accessed: SystemTime,
    pub modified: SystemTime,
    pub changed: SystemTime,
}

/// An entry of the user database (NSS, so LDAP and sssd work).
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of passwd(5)")]
pub struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub gecos: String,
    pub home: PathBuf,
    pub shell: PathBuf,
}

/// An entry of the group database.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of group(5)")]
pub struct GroupEntry {
    pub name: String,
    pub gid: u32,
    pub members: Vec<String>,
}

/// Owner, mode, flags and label to set; `None` leaves as it is (on a new file: the process's own, `0666 & !umask`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Attributes {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub flags: Option<FlagChange>,
    pub label: Option<LabelChange>,
}

/// Judges a complete file before it becomes visible.
pub type Validate<'a> = dyn FnMut(&Path) -> Result<()> + 'a;

/// A whole-file write.
pub struct WriteFile<'a> {
    /// The target. A symbolic link at its end is replaced, never followed.
    pub path: &'a Path,
    /// The new content, streamed.
    pub content: &'a mut dyn Read,
    /// Owner and mode; what is `None` is kept from the existing file.
    pub attributes: Attributes,
    /// Checked before the new content becomes visible: called with the path of the complete temporary file; an error
    /// stops the write and removes the file (`validate:`).
    pub validate: Option<&'a mut Validate<'a>>,
    /// Where the file cannot be replaced (it is a mount point, say), write into it instead, which a reader may see
    /// half-done (`unsafe_writes:`).
    pub in_place: bool,
}

/// What a program on a terminal gets in answer to what it printed.
#[derive(Debug)]
pub enum Reply {
    /// Nothing, for now.
    Wait,
    /// These bytes, as if they were typed.
    Type(Secret<Vec<u8>>),
    /// It is ended.
    Stop,
}

/// Hears what a program prints, piece by piece, and answers. An empty piece means that some time has passed.
pub type Dialogue<'a> = dyn FnMut(&[u8]) -> Reply + 'a;

/// Where the content of blobs comes from: the controller, over the link that brought the plan.
pub trait BlobSource: Send + Sync {
    /// The blob's bytes, verified against the digest before the last byte is handed out.
    fn open(&self, digest: Digest) -> Result<Box<dyn Read + Send>>;
}

/// May look, may not touch.
pub trait Probe {
    /// What a path names, or `None` when nothing is there. `follow`: look through a symbolic link at its end.
    fn stat(&self, path: &Path, follow: bool) -> Result<Option<FileStat>>;
    /// A reader of a regular file, or `None` when nothing is there. Never blocks on a FIFO or device: those are refused.
    fn open(&self, path: &Path) -> Result<Option<Box<dyn Read>>>;
    /// Where a symbolic link points.
    fn read_link(&self, path: &Path) -> Result<PathBuf>;
    /// Where a symbolic link leads, one step on, as a path; refused where its owner leads to what is not theirs.
    fn follow_link(&self, path: &Path) -> Result<PathBuf>;
    /// The names in a directory, sorted.
    fn list(&self, path: &Path) -> Result<Vec<std::ffi::OsString>>;
    /// Whether the process may read, write or execute a path: `access(2)` with `libc::{R_OK, W_OK, X_OK}`.
    fn access(&self, path: &Path, mode: i32) -> bool;
    /// The flags of a file or directory as the file system keeps them (`lsattr`); `None` where there are none.
    fn flags(&self, path: &Path) -> Result<Option<u32>>;
    /// The version of a file or directory that its file system counts (`lsattr -v`); `None` where there is none.
    fn generation(&self, path: &Path) -> Result<Option<u32>>;
    /// An extended attribute.
    fn xattr(&self, path: &Path, name: &str) -> Result<Option<Vec<u8>>>;
    /// Runs a program that only looks (`dpkg-query`, `systemctl show`). The caller vouches for that.
    fn query(&self, command: &Command) -> Result<Output>;
    /// A user by name.
    fn user(&self, name: &str) -> Result<Option<Account>>;
    /// A user by number.
    fn user_by_id(&self, uid: u32) -> Result<Option<Account>>;
    /// A group by name.
    fn group(&self, name: &str) -> Result<Option<GroupEntry>>;
    /// A group by number.
    fn group_by_id(&self, gid: u32) -> Result<Option<GroupEntry>>;
    /// The user that the step runs as.
    fn own_uid(&self) -> u32;
    /// The bits that new files and directories do not get.
    fn umask(&self) -> u32;
    /// A variable of the step's environment (the process's, with the step's own laid over it).
    fn variable(&self, name: &str) -> Option<String>;
    /// All variables of that environment, for the facts.
    fn variables(&self) -> std::collections::BTreeMap<String, String>;
    /// The clock.
    fn now(&self) -> SystemTime;
    /// The content of a blob named in the step's arguments.
    fn blob(&self, digest: Digest) -> Result<Box<dyn Read + Send>>;
    /// An error when the step's time is up or the run was cancelled; long loops ask it.
    fn keep_going(&self) -> Result<()>;
    /// Waits, and returns early with an error when the step's time is up.
    fn sleep(&self, duration: std::time::Duration) -> Result<()>;

    /// At most `length` bytes of a regular file, those behind the first `offset`; `None` when nothing is there.
    fn read_at(&self, path: &Path, offset: u64, length: u64) -> Result<Option<Vec<u8>>> {
        let failed = |source| Error::Path { doing: "read", path: path.to_owned(), source };
        let Some(mut reader) = self.open(path)? else { return Ok(None) };
        std::io::copy(&mut (&mut reader).take(offset), &mut std::io::sink()).map_err(failed)?;
        let mut bytes = Vec::new();
        reader.take(length).read_to_end(&mut bytes).map_err(failed)?;
        Ok(Some(bytes))
    }

    /// A small file whole, at most `limit` bytes; `None` when nothing is there; more is an error.
    fn read(&self, path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(reader) = self.open(path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        reader.take(limit + 1).read_to_end(&mut bytes).map_err(|source| Error::Path {
            doing: "read",
            path: path.to_owned(),
            source,
        })?;
        if bytes.len() as u64 > limit {
            return Err(Error::Refused(format!("{} has more than {limit} bytes", path.display())));
        }
        Ok(Some(bytes))
    }
}

/// May also touch. Every verb is durable when it returns: what it changed is fsynced, file and directory.
pub trait System: Probe {
    /// Replaces or creates a file atomically: a temporary file beside it, owner and mode set before the rename, file and
    /// directory fsynced; extended attributes of the old file are kept. Always the old or the new version, never a part.
    fn write(&self, file: WriteFile<'_>) -> Result<()>;
    /// Creates one directory; its parent must exist.
    fn make_directory(&self, path: &Path, attributes: Attributes) -> Result<()>;
    /// Creates a symbolic link, replacing what non-directory is there atomically.
    fn symlink(&self, target: &Path, path: &Path) -> Result<()>;
    /// Creates a hard link, replacing what non-directory is there atomically.
    fn hard_link(&self, target: &Path, path: &Path) -> Result<()>;
    /// Renames on one file system, atomically.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// Removes a file, link, or directory with all that is in it; never follows links.
    fn remove(&self, path: &Path) -> Result<()>;
    /// Sets owner and mode. `follow`: of what a symbolic link at the end names.
    fn set_attributes(&self, path: &Path, attributes: Attributes, follow: bool) -> Result<()>;
    /// Sets access and modification time. `None` leaves one as it is.
    fn set_times(
        &self,
        path: &Path,
        accessed: Option<SystemTime>,
        modified: Option<SystemTime>,
    ) -> Result<()>;
    /// A private empty directory for the step (mode 0700), removed when the step ends.
    fn scratch(&self) -> Result<PathBuf>;
    /// Runs a program.
    fn run(&self, command: &Command) -> Result<Output>;
    /// Runs a program on a terminal of its own and talks to it. What it prints is the output's `stdout`. `echo`: the
    /// terminal shows what is typed.
    fn converse(
        &self,
        command: &Command,
        echo: bool,
        dialogue: &mut Dialogue<'_>,
    ) -> Result<Output>;
}
