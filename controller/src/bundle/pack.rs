//! The sender's side: which files, and the archive of them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{BundleError, MAX_BYTES, MAX_ENTRIES, stays_inside};

/// What is never part of a project.
const LEFT_OUT: [&str; 3] = [".git", ".hg", ".svn"];

/// Collects files, each once, and writes them.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    /// Absolute paths.
    entries: BTreeSet<PathBuf>,
    bytes: u64,
    /// Links that point elsewhere and were left out, for people.
    pub(crate) warnings: Vec<String>,
}

impl Packer {
    /// Adds a file or a directory with everything in it. What does not exist is not added: who needs it will say so.
    pub(crate) fn add(&mut self, path: &Path) -> Result<(), BundleError> {
        let path = canonical(path)?;
        let Some(path) = path else { return Ok(()) };
        self.add_entry(&path, &path)
    }

    fn add_entry(&mut self, path: &Path, top: &Path) -> Result<(), BundleError> {
        let failed = |source| BundleError::Io { path: path.display().to_string(), source };
        let metadata = fs::symlink_metadata(path).map_err(failed)?;
        if metadata.is_symlink() {
            return self.add_link(path, top);
        }
        if !metadata.is_dir() && !metadata.is_file() {
            return Ok(());
        }
        if !self.entries.insert(path.to_owned()) && metadata.is_file() {
            return Ok(());
        }
        self.bytes += if metadata.is_file() { metadata.len() } else { 0 };
        if self.bytes > MAX_BYTES || self.entries.len() > MAX_ENTRIES {
            return Err(BundleError::TooLarge { directory: top.display().to_string() });
        }
        if metadata.is_dir() {
            for entry in fs::read_dir(path).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                if !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
                    self.add_entry(&entry.path(), top)?;
                }
            }
        }
        Ok(())
    }

    /// A link is kept when it stays below the directory that is packed; none is followed out of it.
    fn add_link(&mut self, path: &Path, top: &Path) -> Result<(), BundleError> {
        let target = fs::read_link(path)
            .map_err(|source| BundleError::Io { path: path.display().to_string(), source })?;
        let inside = path.strip_prefix(top).is_ok_and(|below| stays_inside(below, &target));
        if inside {
            self.entries.insert(path.to_owned());
        } else {
            self.warnings.push(format!(
                "{} is a link to {}, out of the project: it is not sent to the controller",
                path.display(),
                target.display()
            ));
        }
        Ok(())
    }

    /// Writes the archive: tar, compressed with zstd.
    pub(crate) fn write(&self, out: impl Write) -> Result<(), BundleError> {
        let mut encoder = zstd::Encoder::new(out, 0).map_err(BundleError::Damaged)?;
        let mut archive = tar::Builder::new(&mut encoder);
        archive.follow_symlinks(false);
        for path in &self.entries {
            let name = path.strip_prefix("/").unwrap_or(path);
            if name.as_os_str().is_empty() {
                continue;
            }
            append(&mut archive, path, name)
                .map_err(|source| BundleError::Io { path: path.display().to_string(), source })?;
        }
        archive.finish().map_err(BundleError::Damaged)?;
        drop(archive);
        encoder.finish().map_err(BundleError::Damaged)?;
        Ok(())
    }
}

fn append(archive: &mut tar::Builder<impl Write>, path: &Path, name: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_file() {
        let mut file = File::open(path)?;
        archive.append_file(name, &mut file)
    } else {
        archive.append_path_with_name(path, name)
    }
}

/// The absolute path with the links of its directory resolved; `None`: there is nothing.
fn canonical(path: &Path) -> Result<Option<PathBuf>, BundleError> {
    match fs::canonicalize(path) {
        Ok(path) => Ok(Some(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(BundleError::Io { path: path.display().to_string(), source }),
    }
}
