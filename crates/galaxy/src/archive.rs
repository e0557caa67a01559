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
            Component::ParentDir if !out.pop() => return None,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of members as they are written: nothing is made harmless on the way in.
    fn archive(members: &[(&str, EntryType, &str)]) -> tempfile::NamedTempFile {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, kind, content) in members {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(if name.contains("run") { 0o4755 } else { 0o600 });
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            let is_file = *kind == EntryType::Regular;
            if !is_file {
                header.as_gnu_mut().unwrap().linkname[..content.len()]
                    .copy_from_slice(content.as_bytes());
            }
            let content = if is_file { content.as_bytes() } else { b"" };
            header.set_size(content.len() as u64);
            header.set_cksum();
            tar.append(&header, content).unwrap();
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), tar.into_inner().unwrap()).unwrap();
        file
    }

    #[test]
    fn nothing_leaves_the_destination() {
        use EntryType::{Link, Regular, Symlink};

        for members in [
            &[("r/../../out", Regular, "x")][..],
            &[("../out", Regular, "x")],
            &[("r/link", Symlink, "/etc")],
            &[("r/link", Symlink, "../out")],
            &[("r/here", Symlink, "."), ("r/d/link", Symlink, "../here/../../out")],
            &[("r/d", Symlink, "."), ("r/d/file", Regular, "x")],
            &[("r/hard", Link, "/etc/passwd")],
            &[("r/hard", Link, "other/file")],
            &[("r/a", Symlink, "nothing"), ("r/hard", Link, "r/a")],
        ] {
            let scratch = tempfile::tempdir().unwrap();
            let target = scratch.path().join("roles/mine");
            let file = archive(members);
            let error = place(&target, |fresh| unpack(file.path(), Path::new("r"), fresh, "role"))
                .unwrap_err();
            let text = error.to_string();
            let is_told =
                text.contains("is not a subpath of the role") || text.contains("is no directory");
            assert!(is_told || text.contains("cannot read"), "{members:?}: {text}");
            let left: Vec<_> = fs::read_dir(scratch.path().join("roles")).unwrap().collect();
            assert!(left.is_empty() && !scratch.path().join("roles/out").exists(), "{left:?}");
        }
    }

    #[test]
    fn what_was_there_stays_until_the_new_is_whole() {
        use EntryType::{Regular, Symlink};

        let scratch = tempfile::tempdir().unwrap();
        let target = scratch.path().join("mine");
        let put = |members: &[(&str, EntryType, &str)]| {
            let file = archive(members);
            place(&target, |fresh| unpack(file.path(), Path::new("r"), fresh, "role"))
        };
        put(&[("r/run.sh", Regular, "old"), ("r/link", Symlink, "run.sh")]).unwrap();
        put(&[("r/new", Regular, "x"), ("r/bad", Symlink, "/")]).unwrap_err();
        assert_eq!(fs::read_to_string(target.join("link")).unwrap(), "old");
        let mode = fs::metadata(target.join("run.sh")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
        put(&[("r/new", Regular, "x"), ("/r/abs", Regular, "y")]).unwrap();
        assert!(!target.join("run.sh").exists() && target.join("abs").is_file());
    }

    #[test]
    fn archives_that_break_off_are_refused() {
        let whole = archive(&[("r/file", EntryType::Regular, &"x".repeat(5000))]);
        let bytes = fs::read(whole.path()).unwrap();
        for length in [600, 3000] {
            fs::write(whole.path(), &bytes[..length]).unwrap();
            let scratch = tempfile::tempdir().unwrap();
            let target = scratch.path().join("mine");
            let result =
                place(&target, |fresh| unpack(whole.path(), Path::new("r"), fresh, "role"));
            assert!(result.is_err() && !target.exists(), "{length}");
        }
    }
}
