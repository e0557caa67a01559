//! Whether an archive has in it what would be packed. An archive that cannot be read has not.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use system::{FileKind, Probe};

use super::{Item, Packing, Shape};
use crate::contract::Failure;
use crate::files::tidy;
use crate::unarchive::entries::{Entry, Format, Kind, decoded, each_entry};

const CHUNK: usize = 64 << 10;

fn format_of(packing: Packing) -> Format {
    match packing {
        Packing::Bz2 => Format::Bzip2,
        Packing::Gz => Format::Gzip,
        Packing::Tar => Format::Tar,
        Packing::Xz => Format::Xz,
        Packing::Zip => Format::Zip,
    }
}

/// Whether the archive at a path holds these things and no others.
pub(super) fn is_same(
    host: &dyn Probe,
    shape: Shape,
    dest: &Path,
    items: &[Item],
) -> Result<bool, Failure> {
    let Some(reader) = host.open(dest)? else { return Ok(false) };
    let format = format_of(shape.packing);
    if !shape.is_archive {
        let Some(item) = items.first() else { return Ok(false) };
        let Some(mut source) = host.open(&item.path)? else { return Ok(false) };
        let Ok(mut packed) = decoded(reader, format) else { return Ok(false) };
        return has_same_bytes(host, &mut *source, &mut *packed);
    }
    let mut left: BTreeMap<PathBuf, &Item> =
        items.iter().map(|item| (item.name.clone(), item)).collect();
    let mut differs = false;
    let mut stopped = None;
    let read = each_entry(reader, format, &mut |entry, content| {
        let Some(item) = left.remove(&tidy(&entry.path)).filter(|_| !differs) else {
            differs = true;
            return Ok(());
        };
        match fits(host, shape, item, &entry, content) {
            Ok(is_so) => differs |= !is_so,
            Err(failure) => stopped = Some(failure),
        }
        Ok(())
    });
    match stopped {
        Some(failure) => Err(failure),
        None => Ok(read.is_ok() && !differs && left.is_empty()),
    }
}

fn fits(
    host: &dyn Probe,
    shape: Shape,
    item: &Item,
    entry: &Entry,
    content: &mut dyn Read,
) -> Result<bool, Failure> {
    let mtime = item.stat.modified.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let is_zip = shape.packing == Packing::Zip;
    // zip counts times in pairs of seconds and local time, and knows no links here.
    if !is_zip && (mtime != entry.mtime || entry.mode != Some(item.stat.mode & 0o777)) {
        return Ok(false);
    }
    match (&entry.kind, item.stat.kind) {
        (Kind::Directory, FileKind::Directory) => Ok(true),
        (Kind::Symlink(target), FileKind::Symlink) => Ok(host.read_link(&item.path)? == *target),
        (Kind::File { size, .. }, FileKind::File) if *size != item.stat.size => Ok(false),
        (Kind::File { .. }, FileKind::File) => match host.open(&item.path)? {
            Some(mut source) => has_same_bytes(host, &mut *source, content),
            None => Ok(false),
        },
        (Kind::File { .. }, FileKind::Symlink) if is_zip => {
            let target = crate::files::end_of_links(host, &item.path)?;
            match host.open(&target)? {
                Some(mut source) => has_same_bytes(host, &mut *source, content),
                None => Ok(false),
            }
        }
        _ => Ok(false),
    }
}

/// Whether two readers have the same in them. One that fails has not.
fn has_same_bytes(
    host: &dyn Probe,
    one: &mut dyn Read,
    other: &mut dyn Read,
) -> Result<bool, Failure> {
    loop {
        host.keep_going()?;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let limit = CHUNK as u64;
        if (&mut *one).take(limit).read_to_end(&mut first).is_err()
            || (&mut *other).take(limit).read_to_end(&mut second).is_err()
            || first != second
        {
            return Ok(false);
        }
        if first.is_empty() {
            return Ok(true);
        }
    }
}
