//! The program that a become worker is: this very program, wherever the other user can execute it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};

/// This process's program, even after its file was replaced by an upgrade.
const SELF: &str = "/proc/self/exe";

/// The word that makes a program of ours a worker, whatever name it was started under: no command, pattern or file.
pub const WORKER: &str = "--become-worker";

/// Whether this process is the other end of a become worker: its `main` then is [`crate::worker_main`].
pub fn is_worker() -> bool {
    std::env::args_os().nth(1).is_some_and(|word| word == WORKER)
}

/// A program that calls [`crate::worker_main`] when it is started with these arguments.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its file; `None`: the running program.
    pub path: Option<PathBuf>,
    /// What makes it a worker.
    pub args: Vec<OsString>,
}

impl Default for Program {
    /// The running program with the argument [`WORKER`].
    fn default() -> Self {
        Self { path: None, args: vec![WORKER.into()] }
    }
}

impl Program {
    /// The path to execute after a plain `setuid`, which needs no permission on the directories above it.
    pub(crate) fn for_direct(&self) -> PathBuf {
        self.path.clone().unwrap_or_else(|| SELF.into())
    }

    /// The running program's own file, or a copy of it in `shelter` when another user could not execute that.
    pub(crate) fn for_others(&self, shelter: &Shelter) -> io::Result<PathBuf> {
        let path = match &self.path {
            Some(path) => path.clone(),
            None => std::env::current_exe()?,
        };
        if is_executable_by_all(&path) { Ok(path) } else { shelter.copy_of(&self.for_direct()) }
    }
}

/// Whether everyone may read and execute a file, all directories above it included.
fn is_executable_by_all(path: &Path) -> bool {
    let has = |path: &Path, bits: u32| fs::metadata(path).is_ok_and(|it| it.mode() & bits == bits);
    has(path, 0o005) && path.ancestors().skip(1).all(|directory| has(directory, 0o001))
}

/// A directory that everyone may enter and only we may write, made when it is first needed, removed with its owner.
#[derive(Debug, Default)]
pub(crate) struct Shelter(std::sync::Mutex<Option<tempfile::TempDir>>);

impl Shelter {
    fn copy_of(&self, program: &Path) -> io::Result<PathBuf> {
        let mut made = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(directory) = &*made {
            return Ok(directory.path().join("muster-worker"));
        }
        let directory = make_shelter()?;
        let copy = directory.path().join("muster-worker");
        fs::copy(program, &copy)?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
        *made = Some(directory);
        Ok(copy)
    }
}

fn make_shelter() -> io::Result<tempfile::TempDir> {
    let places = ["/var/tmp", "/tmp", "/dev/shm", "/run"];
    let place = places
        .iter()
        .find(|place| {
            nix::unistd::access(**place, nix::unistd::AccessFlags::W_OK).is_ok()
                && statvfs(**place).is_ok_and(|it| !it.flags().contains(FsFlags::ST_NOEXEC))
        })
        .ok_or_else(|| {
            io::Error::other(format!(
                "the other user cannot execute this program where it is, and none of {} is writable and \
                 mounted without `noexec`",
                places.join(", ")
            ))
        })?;
    let directory = tempfile::Builder::new().prefix("muster-").tempdir_in(place)?;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711))?;
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_in_a_private_directory_is_copied_once_and_removed() {
        let home = tempfile::tempdir().expect("made");
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).expect("set");
        let path = home.path().join("program");
        fs::write(&path, "#!/bin/sh\n").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
        let program = Program { path: Some(path), args: vec![] };
        let shelter = Shelter::default();
        let copy = program.for_others(&shelter).expect("copied");
        assert!(is_executable_by_all(&copy), "{}", copy.display());
        assert_eq!(program.for_others(&shelter).expect("kept"), copy);
        drop(shelter);
        assert!(!copy.exists());
    }

    #[test]
    fn a_program_that_all_can_execute_stays_where_it_is() {
        let program = Program { path: Some("/bin/sh".into()), args: vec![] };
        let path = program.for_others(&Shelter::default()).expect("there");
        assert_eq!(path, Path::new("/bin/sh"));
    }
}
