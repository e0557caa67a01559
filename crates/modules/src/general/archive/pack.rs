//! The packed bytes, made while they are read: no archive is ever whole in memory.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::time::UNIX_EPOCH;

use bzip2::write::BzEncoder;
use flate2::write::GzEncoder;
use liblzma::write::XzEncoder;
use system::{FileKind, Probe};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use super::{Item, Packing, Shape};
use crate::contract::Failure;
use crate::files::end_of_links;

const CHUNK: u64 = 64 << 10;
/// What tar counts in.
const BLOCK: u64 = 512;
const XZ_LEVEL: u32 = 6;

/// Where packed bytes wait to be read.
#[derive(Clone, Default)]
struct Pool(Rc<RefCell<Vec<u8>>>);

impl Write for Pool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Sink {
    Plain(Pool),
    Gz(GzEncoder<Pool>),
    Bz2(BzEncoder<Pool>),
    Xz(XzEncoder<Pool>),
    Zip(Box<ZipWriter<StreamWriter<Pool>>>),
}

impl Sink {
    fn new(packing: Packing, pool: Pool) -> Self {
        match packing {
            Packing::Tar => Self::Plain(pool),
            Packing::Gz => Self::Gz(GzEncoder::new(pool, flate2::Compression::best())),
            Packing::Bz2 => Self::Bz2(BzEncoder::new(pool, bzip2::Compression::best())),
            Packing::Xz => Self::Xz(XzEncoder::new(pool, XZ_LEVEL)),
            Packing::Zip => Self::Zip(Box::new(ZipWriter::new_stream(pool))),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(sink) => sink.write_all(bytes),
            Self::Gz(sink) => sink.write_all(bytes),
            Self::Bz2(sink) => sink.write_all(bytes),
            Self::Xz(sink) => sink.write_all(bytes),
            Self::Zip(sink) => sink.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Gz(sink) => sink.finish().map(drop),
            Self::Bz2(sink) => sink.finish().map(drop),
            Self::Xz(sink) => sink.finish().map(drop),
            Self::Zip(sink) => sink.finish().map(drop).map_err(io::Error::other),
        }
    }
}

/// A file that is being packed.
struct Content {
    reader: Box<dyn Read>,
    /// How much of it is still to come.
    left: u64,
    /// Zeros that tar wants behind it.
    padding: u64,
}

/// Reads as the packed archive.
pub(super) struct Packer<'a> {
    host: &'a dyn Probe,
    is_tar: bool,
    items: std::vec::IntoIter<Item>,
    pool: Pool,
    sink: Option<Sink>,
    current: Option<Content>,
    failure: Option<Failure>,
}

impl<'a> Packer<'a> {
    pub(super) fn new(host: &'a dyn Probe, shape: Shape, items: Vec<Item>) -> Self {
        let pool = Pool::default();
        Self {
            host,
            is_tar: shape.is_archive && shape.packing != Packing::Zip,
            items: items.into_iter(),
            sink: Some(Sink::new(shape.packing, pool.clone())),
            pool,
            current: None,
            failure: None,
        }
    }

    /// Why reading failed.
    pub(super) fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// Packs a little more.
    fn step(&mut self, mut sink: Sink) -> Result<Option<Sink>, Failure> {
        let failed = |error: io::Error| Failure::new(format!("cannot pack: {error}"));
        self.host.keep_going()?;
        if let Some(content) = &mut self.current {
            let mut piece = Vec::new();
            let limit = content.left.min(CHUNK);
            (&mut content.reader).take(limit).read_to_end(&mut piece).map_err(failed)?;
            sink.write(&piece).map_err(failed)?;
            content.left -= piece.len() as u64;
            if (piece.len() as u64) < limit || content.left == 0 {
                if self.is_tar && content.left > 0 {
                    return Err(Failure::new("a file became shorter while it was packed"));
                }
                let padding = usize::try_from(content.padding).unwrap_or(0);
                sink.write(&vec![0; padding]).map_err(failed)?;
                self.current = None;
            }
            return Ok(Some(sink));
        }
        let Some(item) = self.items.next() else {
            if self.is_tar {
                sink.write(&[0; 2 * 512]).map_err(failed)?;
            }
            sink.finish().map_err(failed)?;
            return Ok(None);
        };
        self.begin(&item, &mut sink)?;
        Ok(Some(sink))
    }

    /// Writes what stands before a thing's content, and opens it.
    fn begin(&mut self, item: &Item, sink: &mut Sink) -> Result<(), Failure> {
        let shown = item.path.display();
        let failed = |error: io::Error| Failure::new(format!("cannot pack {shown}: {error}"));
        let mut kind = item.stat.kind;
        let mut path = item.path.clone();
        if kind == FileKind::Symlink && !self.is_tar {
            path = end_of_links(self.host, &path)?;
            let stat = self.host.stat(&path, true)?;
            kind = stat.map_or(FileKind::File, |stat| stat.kind);
        }
        if self.is_tar {
            sink.write(&header(self.host, item)?).map_err(failed)?;
        } else if let Sink::Zip(writer) = sink {
            let name = item.name.to_string_lossy();
            let options = zip_options(item);
            let begun = if kind == FileKind::Directory {
                writer.add_directory(name, options)
            } else {
                writer.start_file(name, options)
            };
            begun.map_err(|error| failed(io::Error::other(error)))?;
        }
        if kind != FileKind::File {
            return Ok(());
        }
        let reader = self.host.open(&path)?;
        let reader = reader.ok_or_else(|| Failure::new(format!("{shown} is gone")))?;
        let left = if self.is_tar { item.stat.size } else { u64::MAX };
        let padding = if self.is_tar { left.next_multiple_of(BLOCK) - left } else { 0 };
        self.current = (left > 0).then_some(Content { reader, left, padding });
        Ok(())
    }
}

fn zip_options(item: &Item) -> SimpleFileOptions {
    let modified = jiff::Timestamp::try_from(item.stat.modified).unwrap_or_default();
    let local = modified.to_zoned(jiff::tz::TimeZone::system());
    let small = |number: i8| u8::try_from(number).unwrap_or(0);
    let time = zip::DateTime::from_date_and_time(
        u16::try_from(local.year()).unwrap_or(1980),
        small(local.month()),
        small(local.day()),
        small(local.hour()),
        small(local.minute()),
        small(local.second()),
    );
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .unix_permissions(item.stat.mode)
        .large_file(item.stat.size >= u64::from(u32::MAX))
        // A time before 1980 is none that zip knows.
        .last_modified_time(time.unwrap_or_default())
}

/// What tar writes before a thing's content, long names included.
fn header(host: &dyn Probe, item: &Item) -> Result<Vec<u8>, Failure> {
    let shown = item.path.display();
    let failed = |error: io::Error| Failure::new(format!("cannot pack {shown}: {error}"));
    let stat = &item.stat;
    let mut header = tar::Header::new_gnu();
    header.set_mode(stat.mode);
    header.set_uid(u64::from(stat.uid));
    header.set_gid(u64::from(stat.gid));
    header.set_mtime(stat.modified.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()));
    if let Some(user) = host.user_by_id(stat.uid)? {
        // A name that is too long is left out: the number counts.
        let _ = header.set_username(&user.name);
    }
    if let Some(group) = host.group_by_id(stat.gid)? {
        let _ = header.set_groupname(&group.name);
    }
    let mut builder = tar::Builder::new(Vec::new());
    match stat.kind {
        FileKind::Symlink => {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            let target = host.read_link(&item.path)?;
            builder.append_link(&mut header, &item.name, target).map_err(failed)?;
        }
        FileKind::Directory => {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            let name = item.name.join("");
            builder.append_data(&mut header, name, io::empty()).map_err(failed)?;
        }
        _ => {
            header.set_size(stat.size);
            builder.append_data(&mut header, &item.name, io::empty()).map_err(failed)?;
        }
    }
    Ok(builder.get_ref().clone())
}

impl Read for Packer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            {
                let mut waiting = self.pool.0.borrow_mut();
                if !waiting.is_empty() || buffer.is_empty() {
                    let count = waiting.len().min(buffer.len());
                    buffer[..count].copy_from_slice(&waiting[..count]);
                    waiting.drain(..count);
                    return Ok(count);
                }
            }
            let Some(sink) = self.sink.take() else { return Ok(0) };
            match self.step(sink) {
                Ok(sink) => self.sink = sink,
                Err(failure) => {
                    let error = io::Error::other(failure.message.clone());
                    self.failure = Some(failure);
                    return Err(error);
                }
            }
        }
    }
}
