//! `unarchive`: unpacks an archive. Every entry is looked at before the first is written: an archive that would leave its
//! destination is refused whole.

pub(crate) mod entries;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use model::{Args, Digest};
use system::{Attributes, FileKind, Probe, System, WriteFile};

use crate::arguments::arguments;
use crate::contract::{Change, Check, Failure, Module};
use crate::files::{self, Checksums, FileAttributes, path_value, tidy};
use entries::{Entry, Format, Kind, each_entry};
use plan::Plan;

arguments! {
    /// Unpacks an archive: tar (plain, gzip, bzip2, xz, zstd) or zip.
    ///
    /// What is unpacked belongs to the user that the task runs as, unless `owner` and `group` say otherwise.
    pub struct Unarchive {
        /// The archive; with `remote_src`, a path on the host.
        pub src: PathBuf,
        /// The directory to unpack into. It must be there.
        pub dest: PathBuf,
        /// `src` is on the host already.
        pub remote_src: bool { default: false },
        /// Do nothing when this path exists.
        pub creates: Option<PathBuf>,
        /// Return the names of all entries as `files`.
        pub list_files: bool { default: false },
        /// Leave out entries that these patterns match.
        pub exclude: Vec<String>,
        /// Unpack only entries that these patterns match.
        pub include: Vec<String>,
        /// Do not replace files that are newer than those of the archive.
        pub keep_newer: bool { default: false },
        /// `--strip-components=N` is known.
        pub extra_opts: Vec<String>,
        /// Check the server's certificate, when `src` is a URL.
        pub validate_certs: bool { default: true },
        /// Decrypt vault files (done by the controller).
        pub decrypt: bool { default: true },
        pub attributes: FileAttributes,
        pub blob: Option<Digest> { named: "_blob", hidden },
        pub blob_size: Option<u64> { named: "_size", hidden },
        pub original_basename: Option<String> { named: "_original_basename", hidden },
    }
    mutually_exclusive: [&["include", "exclude"]];
}

/// The entries that have to be written.
#[derive(Debug)]
pub(crate) struct Unpack {
    format: Format,
    dest: PathBuf,
    todo: HashSet<PathBuf>,
}

impl Change for Unpack {}

/// What is set when all is written.
#[derive(Default)]
struct Last {
    times: Vec<(PathBuf, SystemTime)>,
    /// Until then their owner can write into them, whatever the archive says.
    directories: Vec<(PathBuf, Attributes)>,
}

impl Module for Unarchive {
    type Change = Unpack;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Unpack>, Failure> {
        let dest = tidy(&self.dest);
        result.insert("dest".into(), path_value(&dest));
        result.insert("src".into(), path_value(&self.src));
        if let Some(path) = &self.creates
            && host.stat(path, true)?.is_some()
        {
            result.insert("msg".into(), format!("skipped, since {} exists", path.display()).into());
            return Ok(Check::InSync);
        }
        if host.stat(&dest, true)?.is_none_or(|stat| stat.kind != FileKind::Directory) {
            return Err(Failure::new(format!("dest '{}' must be an existing dir", dest.display())));
        }
        let format = Format::of(&mut *self.open(host)?, &self.src)?;
        let plan = self.plan(host, format)?;
        result.insert("handler".into(), format.handler().into());
        if self.list_files {
            let names = plan.entries.iter().map(|entry| entry.path.to_string_lossy().into_owned());
            result.insert("files".into(), names.collect::<Vec<_>>().into());
        }
        let mut todo = HashSet::new();
        for entry in &plan.entries {
            host.keep_going()?;
            // A file that is replaced leaves its other names behind.
            let is_left_behind =
                matches!(&entry.kind, Kind::HardLink(target) if todo.contains(target));
            if !self.is_in_place(host, &dest, entry)? || is_left_behind {
                todo.insert(entry.path.clone());
            }
        }
        files::describe(host, &dest, result)?;
        Ok(if todo.is_empty() {
            Check::InSync
        } else {
            Check::Drift(Unpack { format, dest, todo })
        })
    }

    fn apply(&self, unpack: Unpack, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let mut last = Last::default();
        let strip = self.strip()?;
        // A file on the host may have been replaced since the check: it is judged again.
        let mut plan = Plan::of(self.packed(host)?);
        each_entry(self.open(host)?, unpack.format, &mut |entry, content| {
            host.keep_going()?;
            let admitted = plan.admit(entry, strip).map_err(|failure| {
                Failure::new(format!("the archive changed on the way: {}", failure.message))
            })?;
            let Some(entry) = admitted else { return Ok(()) };
            if unpack.todo.contains(&entry.path) {
                self.write(host, &unpack.dest, &entry, content, &mut last)?;
            }
            Ok(())
        })?;
        for (path, modified) in last.times {
            host.set_times(&path, None, Some(modified))?;
        }
        for (path, attributes) in last.directories.into_iter().rev() {
            host.keep_going()?;
            host.set_attributes(&path, attributes, false)?;
        }
        files::describe(host, &unpack.dest, result)
    }
}

impl Unarchive {
    fn open(&self, host: &dyn Probe) -> Result<Box<dyn Read>, Failure> {
        if let Some(digest) = self.blob {
            return Ok(host.blob(digest).map(|reader| reader as Box<dyn Read>)?);
        }
        if self.src.to_string_lossy().contains("://") {
            return Err(Failure::new(
                "src is a URL: download it with get_url first, so that its checksum can be checked",
            ));
        }
        if !self.remote_src {
            return Err(Failure::new(format!(
                "src {} is a path on the controller, which sent no content; for a path on this host, set remote_src",
                self.src.display()
            )));
        }
        host.open(&self.src)?.ok_or_else(|| {
            Failure::new(format!("Source '{}' does not exist on the host", self.src.display()))
        })
    }

    /// `--strip-components=N`; other options are refused, not forgotten.
    fn strip(&self) -> Result<usize, Failure> {
        let mut strip = 0;
        let mut words = self.extra_opts.iter().filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            let number = match word.strip_prefix("--strip-components") {
                Some("") => words.next().map(String::as_str),
                Some(rest) => rest.strip_prefix('='),
                None => None,
            };
            strip = number.and_then(|number| number.parse().ok()).ok_or_else(|| {
                Failure::new(format!(
                    "extra_opts: `{word}` is not supported; --strip-components=N is"
                ))
            })?;
        }
        Ok(strip)
    }

    fn plan(&self, host: &dyn Probe, format: Format) -> Result<Plan, Failure> {
        let strip = self.strip()?;
        let mut plan = Plan::of(self.packed(host)?);
        each_entry(self.open(host)?, format, &mut |entry, content| {
            host.keep_going()?;
            let Some(mut entry) = plan.admit(entry, strip)? else { return Ok(()) };
            if let Kind::File { digest, size } = &mut entry.kind {
                let mut sums = Checksums::default();
                *size = pump(content, |bytes| {
                    host.keep_going()?;
                    sums.update(bytes);
                    plan.count(bytes.len() as u64)
                })?;
                *digest = Some(sums.digest());
            }
            if self.is_chosen(&entry.path) {
                plan.entries.push(entry);
            }
            Ok(())
        })?;
        plan.settle();
        Ok(plan)
    }

    /// The size of the archive, when it is known.
    fn packed(&self, host: &dyn Probe) -> Result<Option<u64>, Failure> {
        match self.blob {
            Some(_) => Ok(self.blob_size),
            None => Ok(host.stat(&self.src, true)?.map(|stat| stat.size)),
        }
    }

    fn is_chosen(&self, path: &Path) -> bool {
        let name = path.to_string_lossy();
        let meets =
            |patterns: &[String]| patterns.iter().any(|pattern| plan::matches(pattern, &name));
        (self.include.is_empty() || meets(&self.include)) && !meets(&self.exclude)
    }

    /// Whether the host has an entry as it shall be.
    fn is_in_place(&self, host: &dyn Probe, dest: &Path, entry: &Entry) -> Result<bool, Failure> {
        let path = dest.join(&entry.path);
        refuse_links_on_the_way(host, dest, &entry.path)?;
        if let Kind::HardLink(target) = &entry.kind {
            refuse_unless_linkable(host, dest, target)?;
        }
        let Some(stat) = host.stat(&path, false)? else { return Ok(false) };
        let attributes_fit = || -> Result<bool, Failure> {
            let wanted = self.attributes_of(host, entry)?;
            Ok(wanted.mode.is_none_or(|mode| mode == stat.mode)
                && wanted.uid.is_none_or(|uid| uid == stat.uid)
                && wanted.gid.is_none_or(|gid| gid == stat.gid))
        };
        match (&entry.kind, stat.kind) {
            (Kind::Directory, FileKind::Directory) => attributes_fit(),
            (Kind::File { size, digest }, FileKind::File) => {
                if self.keep_newer && stat.modified > entry.modified() {
                    return Ok(true);
                }
                let same = *size == stat.size
                    && Checksums::of_file(host, &path)?.map(|sums| sums.digest()) == *digest;
                Ok(same && attributes_fit()?)
            }
            (Kind::Symlink(target), FileKind::Symlink) => Ok(host.read_link(&path)? == *target),
            (Kind::HardLink(target), FileKind::File) => {
                let other = host.stat(&dest.join(target), false)?;
                Ok(other
                    .is_some_and(|other| other.inode == stat.inode && other.device == stat.device))
            }
            (Kind::Directory, other) | (_, other @ FileKind::Directory) => Err(Failure::new(
                format!("cannot unpack {}: a {} is in its place", path.display(), other.name()),
            )),
            _ => Ok(false),
        }
    }

    fn attributes_of(&self, host: &dyn Probe, entry: &Entry) -> Result<Attributes, Failure> {
        let is_directory = matches!(entry.kind, Kind::Directory);
        let mut attributes = self.attributes.resolve(host, None, is_directory)?;
        attributes.mode = attributes.mode.or(entry.mode);
        Ok(attributes)
    }

    fn write(
        &self,
        host: &dyn System,
        dest: &Path,
        entry: &Entry,
        content: &mut dyn Read,
        last: &mut Last,
    ) -> Result<(), Failure> {
        let path = dest.join(&entry.path);
        refuse_links_on_the_way(host, dest, &entry.path)?;
        make_parents(host, dest, &entry.path)?;
        let attributes = self.attributes_of(host, entry)?;
        match &entry.kind {
            Kind::Directory => {
                if host.stat(&path, false)?.is_none() {
                    let private = Attributes { mode: Some(0o700), ..attributes.clone() };
                    host.make_directory(&path, private)?;
                }
                let fresh = 0o777 & !host.umask();
                let mode = Some(attributes.mode.unwrap_or(fresh));
                last.directories.push((path, Attributes { mode, ..attributes }));
            }
            Kind::File { .. } => {
                host.write(WriteFile {
                    path: &path,
                    content,
                    attributes,
                    validate: None,
                    in_place: false,
                })?;
                if entry.mtime > 0 {
                    last.times.push((path, entry.modified()));
                }
            }
            Kind::Symlink(target) => host.symlink(target, &path)?,
            Kind::HardLink(target) => {
                refuse_unless_linkable(host, dest, target)?;
                host.hard_link(&dest.join(target), &path)?;
            }
        }
        Ok(())
    }
}

impl Entry {
    fn modified(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.mtime)
    }
}

/// Archives often lack entries for directories.
fn make_parents(host: &dyn System, dest: &Path, path: &Path) -> Result<(), Failure> {
    let mut place = dest.to_owned();
    for part in path.parent().into_iter().flat_map(Path::components) {
        place.push(part);
        if host.stat(&place, false)?.is_none() {
            host.make_directory(&place, Attributes::default())?;
        }
    }
    Ok(())
}

/// What stands on the host may be a trap as well: nothing is written through symbolic links below the destination.
fn refuse_links_on_the_way(host: &dyn Probe, dest: &Path, path: &Path) -> Result<(), Failure> {
    let mut place = dest.to_owned();
    for part in path.parent().into_iter().flat_map(Path::components) {
        place.push(part);
        match host.stat(&place, false)? {
            None => return Ok(()),
            Some(stat) if stat.kind == FileKind::Directory => {}
            Some(stat) => {
                return Err(Failure::new(format!(
                    "cannot unpack {}: {} is a {}",
                    path.display(),
                    place.display(),
                    stat.kind.name()
                )));
            }
        }
    }
    Ok(())
}

/// A hard link is another name of a regular file below the destination, and of nothing else.
fn refuse_unless_linkable(host: &dyn Probe, dest: &Path, target: &Path) -> Result<(), Failure> {
    refuse_links_on_the_way(host, dest, target)?;
    match host.stat(&dest.join(target), false)? {
        Some(stat) if stat.kind != FileKind::File => Err(Failure::new(format!(
            "cannot make a hard link to {}: it is a {}",
            target.display(),
            stat.kind.name()
        ))),
        _ => Ok(()),
    }
}

/// Reads to the end; returns how much there was.
fn pump(
    content: &mut dyn Read,
    mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut buffer = vec![0; 64 << 10];
    let mut size = 0;
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(size),
            Ok(count) => {
                size += count as u64;
                take(&buffer[..count])?;
            }
            Err(error) => return Err(Failure::new(format!("the archive is damaged: {error}"))),
        }
    }
}
