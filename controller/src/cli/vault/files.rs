//! Files that are encrypted and decrypted: read whole, replaced at once, never open to others for a moment.

use std::fmt;
use std::fs::{self, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use crate::error::CliError;

/// A file, or standard input and output.
pub(super) enum Place {
    File(PathBuf),
    Stream,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Stream => f.write_str("-"),
        }
    }
}

/// The content of a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    fs::read(&path).map_err(|error| {
        CliError::failed(format!("Unable to read source file ({}): {error}", path.display()))
    })
}

impl Place {
    /// `-` is a stream.
    pub(super) fn of(path: &Path) -> Self {
        if path == Path::new("-") { Self::Stream } else { Self::File(path.to_owned()) }
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::Stream)
    }

    pub(super) fn read(&self) -> Result<Vec<u8>, CliError> {
        let Self::File(path) = self else {
            let mut content = Vec::new();
            io::stdin().lock().read_to_end(&mut content)?;
            return Ok(content);
        };
        read(path)
    }

    /// An error where the result could not be written, before anybody is asked for a password.
    pub(super) fn check_writable(&self) -> Result<(), CliError> {
        let Self::File(path) = self else { return Ok(()) };
        let directory = directory_of(path);
        let directory = std::path::absolute(&directory).unwrap_or(directory);
        match access(&directory, AccessFlags::W_OK) {
            Ok(()) => Ok(()),
            Err(_) => {
                let directory = directory.display();
                Err(CliError::failed(format!("Destination '{directory}' not writable")))
            }
        }
    }

    /// Writes a result that only its owner can read.
    pub(super) fn write(&self, content: &[u8]) -> Result<(), CliError> {
        self.put(content, |_| 0o600)
    }

    /// Writes another version of what is there, with its mode.
    pub(super) fn replace(&self, content: &[u8]) -> Result<(), CliError> {
        self.put(content, |before| before.map_or(0o600, |before| before.mode() & 0o7777))
    }

    fn put(
        &self,
        content: &[u8],
        mode: impl Fn(Option<&fs::Metadata>) -> u32,
    ) -> Result<(), CliError> {
        let Self::File(path) = self else {
            let mut out = io::stdout().lock();
            out.write_all(content)?;
            return Ok(out.flush()?);
        };
        // A link stays one: what it leads to is replaced.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let before = target.metadata().ok();
        let failed = |error: io::Error| {
            CliError::failed(format!("cannot write {}: {error}", path.display()))
        };
        let directory = directory_of(&target);
        let mut file = tempfile::Builder::new()
            .prefix(".muster-vault-")
            .tempfile_in(&directory)
            .map_err(failed)?;
        file.write_all(content).map_err(failed)?;
        if let Some(before) = &before {
            // Not everybody may give files away; the mode protects it all the same.
            let _ = chown(file.path(), Some(before.uid()), Some(before.gid()));
        }
        let mode = Permissions::from_mode(mode(before.as_ref()));
        file.as_file().set_permissions(mode).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&target).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Makes the directory that a new file is put into.
    pub(super) fn create_directory(&self) -> Result<(), CliError> {
        let Self::File(path) = self else { return Ok(()) };
        let directory = directory_of(path);
        fs::create_dir_all(&directory).map_err(|error| {
            CliError::failed(format!("cannot make {}: {error}", directory.display()))
        })
    }
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_and_modes_are_right() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        let mode = || fs::metadata(&file).unwrap().mode() & 0o7777;
        Place::of(&link).replace(b"new").unwrap();
        assert_eq!((fs::read(&file).unwrap(), mode()), (b"new".to_vec(), 0o640));
        Place::of(&link).write(b"newer").unwrap();
        assert_eq!((fs::read(&file).unwrap(), mode()), (b"newer".to_vec(), 0o600));
        assert!(link.is_symlink() && fs::read_dir(directory.path()).unwrap().count() == 2);
    }

    #[test]
    fn what_cannot_be_read_or_written_is_named() {
        let text = |error: CliError| error.render(yaml::Style::Plain);
        let missing = Place::of(Path::new("/nowhere/file"));
        let said = text(missing.read().unwrap_err());
        assert!(said.starts_with("Unable to read source file (/nowhere/file): "), "{said}");
        let said = text(missing.check_writable().unwrap_err());
        assert_eq!(said, "Destination '/nowhere' not writable");
        assert!(text(missing.write(b"").unwrap_err()).contains("cannot write /nowhere/file"));
    }
}
