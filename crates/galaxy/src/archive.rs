//! Archives that strangers made: read with bounds, unpacked so that nothing leaves the destination, placed whole or not at
//! all. Knows nothing of what is in them.

use std::fs::{self, File};
use std::io::{self, Read, Seek as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use tar::EntryType;

use crate::{Error, Result};

/// More than any role or collection holds, less than a disk.
const BYTES: u64 = 4 << 30;
const MEMBERS: usize = 400_000;

/// A member's place in its archive, without what makes it absolute; `None`: it climbs out.
pub(crate) fn normal(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => out.push(part),
            Component::ParentDir => {
                if !out.pop() {
                    return None;
                }
            }
            _ => {}
        }
    }
    Some(out)
}

/// Opens an archive, whatever it is compressed with.
pub(crate) fn open(path: &Path) -> Result<tar::Archive<Box<dyn Read>>> {
    let fail = |error: io::Error| Error::io("read", path, &error);
    let mut file = File::open(path).map_err(fail)?;
    let mut magic = [0; 6];
    let length = file.read(&mut magic).map_err(fail)?;
    file.rewind().map_err(fail)?;
    let reader: Box<dyn Read> = match &magic[..length] {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(file)),
        [b'B', b'Z', b'h', ..] => Box::new(bzip2::read::MultiBzDecoder::new(file)),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => {
            Box::new(liblzma::read::XzDecoder::new_multi_decoder(file))
        }
        _ => Box::new(file),
    };
    Ok(tar::Archive::new(Box::new(reader.take(BYTES)) as Box<dyn Read>))
}

/// The places of all members.
pub(crate) fn names(path: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error: io::Error| {
        Error::failed(format!("the file {} is no readable tar archive: {error}", path.display()))
    };
    let mut names = Vec::new();
    for entry in open(path)?.entries().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        names.push(entry.path().map_err(unreadable)?.into_owned());
        if names.len() > MEMBERS {
            return Err(Error::failed(format!(
                "{} has more than {MEMBERS} members",
                path.display()
            )));
        }
    }
    Ok(names)
}

/// Unpacks what lies below `inside` of the archive into the directory `destination`, which is `what` for messages.
pub(crate) fn unpack(archive: &Path, inside: &Path, destination: &Path, what: &str) -> Result<()> {
    let unreadable = |error: io::Error| {
        Error::failed(format!("{} cannot be unpacked: {error}", archive.display()))
    };
    let mut left = BYTES;
    for entry in open(archive)?.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let path = entry.path().map_err(unreadable)?.into_owned();
        let escaped = |kind: &str, path: &Path| {
            Error::failed(format!(
                "Invalid {kind} for tarfile member: path {} is not a subpath of the {what} {}",
                path.display(),
                destination.display()
            ))
        };
        let Some(place) = normal(&path) else { return Err(escaped("name", &path)) };
        // What climbs and comes back may have meant another place before links were made.
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(escaped("name", &path));
        }
        let Ok(place) = place.strip_prefix(inside) else { continue };
        if place.as_os_str().is_empty() {
            continue;
        }
        let target = destination.join(place);
        match entry.header().entry_type() {
            EntryType::Directory => directories(destination, place)?,
            EntryType::Regular | EntryType::Continuous => {
                parents(destination, place)?;
                left = left.checked_sub(entry.size()).ok_or_else(|| {
                    Error::failed(format!("{} is too large unpacked", archive.display()))
                })?;
                let mode = entry.header().mode().unwrap_or(0o644);
                write(&mut entry, &target, mode)
                    .map_err(|error| Error::io("write", &target, &error))?;
            }
            EntryType::Symlink => {
                let link = entry.link_name().map_err(unreadable)?.unwrap_or_default().into_owned();
                if escapes(place, &link) {
                    let shown = if link.is_absolute() {
                        link
                    } else {
                        target.with_file_name("").join(link)
                    };
                    return Err(escaped("linkname", &shown));
                }
                parents(destination, place)?;
                remove(&target)?;
                symlink(&link, &target).map_err(|error| Error::io("write", &target, &error))?;
            }
            EntryType::Link => {
                let link = entry.link_name().map_err(unreadable)?.unwrap_or_default().into_owned();
                let place =
                    normal(&link).and_then(|link| Some(link.strip_prefix(inside).ok()?.to_owned()));
                let source = place
                    .map(|place| destination.join(place))
                    .ok_or_else(|| escaped("linkname", &link))?;
                let metadata = fs::symlink_metadata(&source)
                    .map_err(|error| Error::io("read", &source, &error))?;
                if !metadata.is_file() {
                    return Err(escaped("linkname", &source));
                }
                parents(destination, target.strip_prefix(destination).unwrap_or(&target))?;
                remove(&target)?;
                fs::copy(&source, &target).map_err(|error| Error::io("write", &target, &error))?;
            }
            // Devices and pipes are no content; the rest are headers of the format.
            _ => {}
        }
    }
    Ok(())
}

/// Whether a relative link at `place` may lead out. One that climbs after it went down does, through a link on its way.
pub(crate) fn escapes(place: &Path, link: &Path) -> bool {
    let directory = place.parent().unwrap_or(Path::new(""));
    let climbs = |part: &Component<'_>| matches!(part, Component::ParentDir);
    let parts: Vec<_> = link.components().filter(|part| *part != Component::CurDir).collect();
    let first = parts.iter().take_while(|part| climbs(part)).count();
    link.is_absolute()
        || first > directory.components().count()
        || parts[first..].iter().any(climbs)
}

fn parents(destination: &Path, place: &Path) -> Result<()> {
    place.parent().map_or(Ok(()), |parent| directories(destination, parent))
}

/// Makes directories, none of which may be a link: it could lead anywhere.
fn directories(destination: &Path, place: &Path) -> Result<()> {
    let mut path = destination.to_owned();
    for part in place.components() {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => {
                return Err(Error::failed(format!(
                    "Invalid name for tarfile member: {} is no directory",
                    path.display()
                )));
            }
            Err(_) => fs::create_dir(&path).map_err(|error| Error::io("make", &path, &error))?,
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("replace", path, &error))
        }
        _ => Ok(()),
    }
}

fn write(content: &mut impl Read, target: &Path, mode: u32) -> io::Result<()> {
    let _ = fs::remove_file(target);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(target)?;
    io::copy(content, &mut file)?;
    let mode = if mode & 0o100 == 0 { 0o644 } else { 0o755 };
    file.set_permissions(fs::Permissions::from_mode(mode))
}

/// Makes a directory whole before it is seen: `fill` fills one beside it, which then takes the name. What had the name is
/// gone only then.
pub(crate) fn place<T>(target: &Path, fill: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let parent = target.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|error| Error::io("make", parent, &error))?;
    let fail = |error: io::Error| Error::io("make", target, &error);
    let staging = tempfile::Builder::new().prefix(".muster-").tempdir_in(parent).map_err(fail)?;
    let fresh = staging.path().join("new");
    fs::create_dir(&fresh).map_err(fail)?;
    let result = fill(&fresh)?;
    if fs::symlink_metadata(target).is_ok() {
        fs::rename(target, staging.path().join("old")).map_err(fail)?;
    }
    if let Err(error) = fs::rename(&fresh, target) {
        let _ = fs::rename(staging.path().join("old"), target);
        return Err(fail(error));
    }
    Ok(result)
}
