//! The formats: from bytes to entries, one after the other.

use std::io::{self, Read, Seek as _};
use std::path::{Path, PathBuf};

use model::Digest;
use tar::EntryType;

use crate::contract::Failure;

/// An entry of an archive.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// As the archive names it.
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    /// Without setuid, setgid and sticky bits.
    pub(crate) mode: Option<u32>,
    /// Seconds since 1970.
    pub(crate) mtime: u64,
}

/// What it is. Devices, FIFOs and sockets are refused while reading.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Directory,
    File { size: u64, digest: Option<Digest> },
    Symlink(PathBuf),
    HardLink(PathBuf),
}

impl Kind {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File { .. } => "file",
            Self::Symlink(_) => "symlink",
            Self::HardLink(_) => "hard link",
        }
    }
}

impl Entry {
    /// Without its first components; `None` when nothing is left.
    pub(crate) fn stripped(mut self, count: usize) -> Option<Self> {
        let strip = |path: &Path| {
            path.components()
                .filter(|part| *part != std::path::Component::CurDir)
                .skip(count)
                .collect()
        };
        self.path = strip(&self.path);
        if let Kind::HardLink(target) = &self.kind {
            self.kind = Kind::HardLink(strip(target));
        }
        (!self.path.as_os_str().is_empty()).then_some(self)
    }
}

/// The formats that are known, by their first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Tar,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
    Zip,
}

impl Format {
    pub(crate) fn of(reader: &mut dyn Read, src: &Path) -> Result<Self, Failure> {
        let mut head = Vec::new();
        reader
            .take(512)
            .read_to_end(&mut head)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", src.display())))?;
        let starts = |magic: &[u8]| head.starts_with(magic);
        if starts(b"\x1f\x8b") {
            Ok(Self::Gzip)
        } else if starts(b"BZh") {
            Ok(Self::Bzip2)
        } else if starts(b"\xfd7zXZ\0") {
            Ok(Self::Xz)
        } else if starts(b"\x28\xb5\x2f\xfd") {
            Ok(Self::Zstd)
        } else if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") {
            Ok(Self::Zip)
        } else if is_tar(&head) {
            Ok(Self::Tar)
        } else {
            Err(Failure::new(format!(
                "Failed to find handler for \"{}\": it is neither a tar archive (plain, gzip, bzip2, xz, zstd) nor a zip archive",
                src.display()
            )))
        }
    }

    /// Ansible's name of what handles it.
    pub(crate) fn handler(self) -> &'static str {
        match self {
            Self::Tar => "TarArchive",
            Self::Gzip => "TgzArchive",
            Self::Bzip2 => "TarBzipArchive",
            Self::Xz => "TarXzArchive",
            Self::Zstd => "TarZstdArchive",
            Self::Zip => "ZipArchive",
        }
    }
}

/// A header whose checksum is right: tar of before 1988 has no magic.
fn is_tar(head: &[u8]) -> bool {
    if head.len() < 512 {
        return false;
    }
    let field = String::from_utf8_lossy(&head[148..156]);
    let stored = u32::from_str_radix(field.trim_matches(['\0', ' ']), 8).ok();
    let sum: u32 = head
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum();
    stored == Some(sum)
}

type Visit<'v> = dyn FnMut(Entry, &mut dyn Read) -> Result<(), Failure> + 'v;

/// What is packed, unpacked: of one file, or a tar archive.
pub(crate) fn decoded(reader: Box<dyn Read>, format: Format) -> Result<Box<dyn Read>, Failure> {
    Ok(match format {
        Format::Gzip => Box::new(flate2::read::MultiGzDecoder::new(reader)),
        Format::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(reader)),
        Format::Xz => Box::new(liblzma::read::XzDecoder::new_multi_decoder(reader)),
        Format::Zstd => Box::new(zstd::Decoder::new(reader).map_err(|error| damaged(&error))?),
        Format::Tar | Format::Zip => reader,
    })
}

/// Visits all entries with their content.
pub(crate) fn each_entry(
    reader: Box<dyn Read>,
    format: Format,
    visit: &mut Visit<'_>,
) -> Result<(), Failure> {
    match format {
        Format::Zip => each_of_zip(reader, visit),
        _ => each_of_tar(decoded(reader, format)?, visit),
    }
}

fn damaged(error: &io::Error) -> Failure {
    Failure::new(format!("the archive is damaged: {error}"))
}

fn each_of_tar(reader: impl Read, visit: &mut Visit<'_>) -> Result<(), Failure> {
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().map_err(|error| damaged(&error))? {
        let mut entry = entry.map_err(|error| damaged(&error))?;
        let path = entry.path().map_err(|error| damaged(&error))?.into_owned();
        let link =
            entry.link_name().map_err(|error| damaged(&error))?.map(std::borrow::Cow::into_owned);
        let kind = match (entry.header().entry_type(), link) {
            (EntryType::Directory, _) => Kind::Directory,
            (EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse, _) => {
                Kind::File { size: entry.size(), digest: None }
            }
            (EntryType::Symlink, Some(target)) => Kind::Symlink(target),
            (EntryType::Link, Some(target)) => Kind::HardLink(target),
            (EntryType::XGlobalHeader | EntryType::XHeader, _) => continue,
            (other, _) => {
                return Err(Failure::new(format!(
                    "the archive is refused: entry {:?} is a special file ({other:?})",
                    path.display().to_string()
                )));
            }
        };
        let mode = entry.header().mode().ok().map(|mode| mode & 0o777);
        let mtime = entry.header().mtime().unwrap_or(0);
        visit(Entry { path, kind, mode, mtime }, &mut entry)?;
    }
    Ok(())
}

/// A zip archive is read from its end: it is kept in a file without a name meanwhile.
fn each_of_zip(mut reader: Box<dyn Read>, visit: &mut Visit<'_>) -> Result<(), Failure> {
    const KIND: u32 = 0o170_000;
    const SYMLINK: u32 = 0o120_000;
    const PLAIN: [u32; 3] = [0, 0o040_000, 0o100_000];
    const LINK_LIMIT: u64 = 4096;
    let bad =
        |error: zip::result::ZipError| Failure::new(format!("the archive is damaged: {error}"));
    let mut file = tempfile::tempfile().map_err(|error| damaged(&error))?;
    io::copy(&mut reader, &mut file).map_err(|error| damaged(&error))?;
    file.rewind().map_err(|error| damaged(&error))?;
    let mut archive = zip::ZipArchive::new(file).map_err(bad)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(bad)?;
        let path = PathBuf::from(entry.name());
        let unix = entry.unix_mode();
        let kind = if entry.is_dir() {
            Kind::Directory
        } else if unix.is_some_and(|mode| mode & KIND == SYMLINK) {
            let mut target = String::new();
            entry
                .by_ref()
                .take(LINK_LIMIT)
                .read_to_string(&mut target)
                .map_err(|error| damaged(&error))?;
            Kind::Symlink(target.into())
        } else if unix.is_some_and(|mode| !PLAIN.contains(&(mode & KIND))) {
            return Err(Failure::new(format!(
                "the archive is refused: entry {:?} is a special file",
                entry.name()
            )));
        } else {
            Kind::File { size: entry.size(), digest: None }
        };
        let mode = unix.map(|mode| mode & 0o777).filter(|mode| *mode != 0);
        visit(Entry { path, kind, mode, mtime: 0 }, &mut entry)?;
    }
    Ok(())
}
