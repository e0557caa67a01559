//! The receiver's side: everything in an archive is looked at before it is written.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use tar::EntryType;

use super::{BundleError, MAX_BYTES, MAX_ENTRIES, stays_inside};

/// Unpacks an archive into a directory that is made for it, and that only its owner can look into.
pub(crate) fn unpack(archive: impl Read, directory: &Path) -> Result<(), BundleError> {
    let failed = |source| BundleError::Io { path: directory.display().to_string(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let decoder = zstd::Decoder::new(archive).map_err(BundleError::Damaged)?;
    // Headers and padding count too: an archive of nothing but headers ends as well.
    let limit = MAX_BYTES + (MAX_ENTRIES as u64) * 2048;
    let mut archive = tar::Archive::new(decoder.take(limit));
    let mut links = Vec::new();
    let (mut bytes, mut count) = (0, 0);
    for entry in archive.entries().map_err(BundleError::Damaged)? {
        let mut entry = entry.map_err(BundleError::Damaged)?;
        let path = entry.path().map_err(BundleError::Damaged)?.into_owned();
        let refused = |what| BundleError::Refused { what, path: path.display().to_string() };
        count += 1;
        bytes += entry.size();
        if bytes > MAX_BYTES || count > MAX_ENTRIES {
            return Err(refused("it is larger than a project may be"));
        }
        if !is_below(&path) {
            return Err(refused("its path leads out of the project"));
        }
        match entry.header().entry_type() {
            EntryType::Directory => make_directory(directory, &path)?,
            EntryType::Regular => {
                let mode = entry.header().mode().unwrap_or(0o600);
                write_file(directory, &path, mode, &mut entry)?;
            }
            EntryType::Symlink => {
                let target = entry.link_name().map_err(BundleError::Damaged)?;
                let target = target.ok_or_else(|| refused("it is a link to nowhere"))?;
                if !stays_inside(&path, &target) {
                    return Err(refused("it is a link out of the project"));
                }
                links.push((path, target.into_owned()));
            }
            _ => return Err(refused("it is neither a file nor a directory nor a link")),
        }
    }
    make_links(directory, links)
}

/// Links come last, so that nothing is written through one.
fn make_links(directory: &Path, links: Vec<(PathBuf, PathBuf)>) -> Result<(), BundleError> {
    for (path, target) in links {
        let place = directory.join(&path);
        let made = match place.parent() {
            // A directory on the way that is a link by now: two entries that contradict each other.
            Some(parent) if has_link(directory, parent) => Err(io::ErrorKind::InvalidInput.into()),
            Some(parent) => fs::create_dir_all(parent).and_then(|()| symlink(&target, &place)),
            None => Err(io::ErrorKind::InvalidInput.into()),
        };
        made.map_err(|source| BundleError::Io { path: place.display().to_string(), source })?;
    }
    Ok(())
}

fn has_link(root: &Path, path: &Path) -> bool {
    path.ancestors()
        .take_while(|ancestor| *ancestor != root)
        .any(|ancestor| fs::symlink_metadata(ancestor).is_ok_and(|it| it.is_symlink()))
}

fn make_directory(root: &Path, path: &Path) -> Result<(), BundleError> {
    let place = root.join(path);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&place)
        .map_err(|source| BundleError::Io { path: place.display().to_string(), source })
}

fn write_file(
    root: &Path,
    path: &Path,
    mode: u32,
    content: &mut impl Read,
) -> Result<(), BundleError> {
    if let Some(parent) = path.parent() {
        make_directory(root, parent)?;
    }
    let place = root.join(path);
    // Inventory programs stay programs; `mode: preserve` needs the rest.
    File::options()
        .write(true)
        .create_new(true)
        .mode(mode & 0o777)
        .open(&place)
        .and_then(|mut file| io::copy(content, &mut file))
        .map(drop)
        .map_err(|source| BundleError::Io { path: place.display().to_string(), source })
}

/// Only names, no way up, no root.
fn is_below(path: &Path) -> bool {
    let mut components = path.components().peekable();
    components.peek().is_some()
        && components.all(|component| matches!(component, Component::Normal(_)))
}
