//! `archive`: files of the host packed into one, or a single one compressed.

mod compare;
mod pack;
mod select;

use std::path::{Path, PathBuf};

use model::{Args, Diff};
use serde_json::json;
use system::{Attributes, FileKind, FileStat, Probe, System, WriteFile};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::diff;
use crate::edits::{Edit, Edits};
use crate::files::{self, FileAttributes, path_value, tidy};
use pack::Packer;
use select::Selection;

choices! {
    /// How an archive is packed.
    pub enum Packing {
        /// bzip2.
        Bz2 = "bz2",
        /// gzip.
        Gz = "gz",
        /// tar alone.
        Tar = "tar",
        /// xz.
        Xz = "xz",
        /// zip.
        Zip = "zip",
    }
}

arguments! {
    /// Packs files of the host into an archive on the host. A single file is compressed only.
    pub struct Archive {
        /// The files and directories; `*`, `?` and `[...]` stand for several.
        pub path: Vec<PathBuf> { required },
        /// How it is packed.
        pub format: Packing { default: "gz" },
        /// The archive. Without it, a single file gets one beside it.
        pub dest: Option<PathBuf>,
        /// Paths that are left out, with wildcards as in `path`.
        pub exclude_path: Vec<PathBuf>,
        /// Patterns of names within the archive that are left out (`*` stands for slashes, too).
        pub exclusion_patterns: Vec<String>,
        /// Pack a single file into an archive, too.
        pub force_archive: bool { default: false },
        /// Remove what was packed.
        pub remove: bool { default: false },
        pub attributes: FileAttributes,
    }
}

/// One thing that is packed.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its name in the archive.
    pub(crate) name: PathBuf,
    pub(crate) stat: FileStat,
}

/// The shape of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) packing: Packing,
    /// An archive, not one compressed file.
    pub(crate) is_archive: bool,
}

/// What has to be done.
#[derive(Debug)]
pub(crate) struct Work {
    shape: Shape,
    dest: PathBuf,
    /// What is packed; `None`: the archive is there already.
    items: Option<Vec<Item>>,
    attributes: Attributes,
    in_place: bool,
    then: Edits,
    removals: Vec<PathBuf>,
}

impl Change for Work {
    fn diff(&self, host: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let mut diffs = Vec::new();
        if let Some(items) = &self.items {
            let names: Vec<_> = items.iter().map(|item| path_value(&item.name)).collect();
            let before = json!({ "removed": [] });
            let after = json!({ "packed": names, "removed": self.removals });
            diffs.push(diff::state(&self.dest.display().to_string(), before, after));
        }
        if !self.then.is_empty() {
            diffs.extend(self.then.diff(host)?);
        }
        Ok(diffs)
    }
}

impl Module for Archive {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        let selection = Selection::of(host, &self.path, &self.exclude_path)?;
        let list =
            |paths: &[PathBuf]| paths.iter().map(|path| path_value(path)).collect::<Vec<_>>();
        let is_archive = self.force_archive
            || selection.paths.len() > 1
            || selection.has_directory
            || matches!(self.format, Packing::Tar | Packing::Zip);
        let needs_dest = self.force_archive || selection.paths.len() > 1 || selection.has_directory;
        let dest = self.dest(&selection, needs_dest)?;
        let items = selection.items(host, &dest, &self.exclusion_patterns)?;
        let archived = items.iter().map(|item| path_value(&item.path)).collect::<Vec<_>>();
        let current = host.stat(&dest, true)?;
        if current.as_ref().is_some_and(|stat| stat.kind != FileKind::File) {
            return Err(Failure::new(format!("{} is no file", dest.display())));
        }
        let state = match (selection.found.is_empty(), is_archive) {
            (true, _) if current.is_none() => "absent",
            (_, false) => "compress",
            (false, true) if !selection.missing.is_empty() => "incomplete",
            _ => "archive",
        };
        for (key, value) in [
            ("archived", json!(archived)),
            ("arcroot", json!(selection.root)),
            ("dest", path_value(&dest)),
            ("dest_state", json!(state)),
            ("missing", json!(list(&selection.missing))),
            ("expanded_paths", json!(list(&selection.expanded))),
            ("expanded_exclude_paths", json!(list(&selection.excluded))),
        ] {
            result.insert(key.into(), value);
        }
        let shape = Shape { packing: self.format, is_archive };
        let work = self.work(host, shape, dest, current.as_ref(), &selection, items)?;
        let is_done = work.items.is_none() && work.then.is_empty() && work.removals.is_empty();
        files::describe(host, &work.dest, result)?;
        Ok(if is_done { Check::InSync } else { Check::Drift(work) })
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        if let Some(items) = work.items {
            let mut packer = Packer::new(host, work.shape, items);
            let written = host.write(WriteFile {
                path: &work.dest,
                content: &mut packer,
                attributes: work.attributes,
                validate: None,
                in_place: work.in_place,
            });
            // Why reading failed is better known to the packer.
            if let Some(failure) = packer.take_failure() {
                return Err(failure);
            }
            written?;
        }
        work.then.apply(host)?;
        for path in work.removals {
            host.keep_going()?;
            Edit::Remove(path).apply(host)?;
        }
        files::describe(host, &work.dest, result)
    }
}

impl Archive {
    fn dest(&self, selection: &Selection, needs_dest: bool) -> Result<PathBuf, Failure> {
        match (&self.dest, selection.paths.first()) {
            (Some(dest), _) => Ok(tidy(dest)),
            (None, Some(path)) if !needs_dest => {
                let mut name = tidy(path).into_os_string();
                name.push(format!(".{}", self.format.as_str()));
                Ok(name.into())
            }
            _ => Err(Failure::new(
                "Error, must specify \"dest\" when archiving multiple files or trees",
            )),
        }
    }

    fn work(
        &self,
        host: &dyn Probe,
        shape: Shape,
        dest: PathBuf,
        current: Option<&FileStat>,
        selection: &Selection,
        items: Vec<Item>,
    ) -> Result<Work, Failure> {
        let mut work = Work {
            shape,
            attributes: self.attributes.resolve(host, current, false)?,
            in_place: self.attributes.unsafe_writes,
            then: Edits::of(&dest),
            dest,
            items: None,
            removals: Vec::new(),
        };
        // Nothing is there any more, or only directories of what was packed and removed: the archive stays.
        let is_directory = |item: &Item| item.stat.kind == FileKind::Directory;
        let is_gone = self.remove && current.is_some() && items.iter().all(is_directory);
        let is_same = selection.found.is_empty()
            || is_gone
            || (current.is_some() && compare::is_same(host, shape, &work.dest, &items)?);
        if self.remove {
            work.removals = selection.removals(host, &items, &work.dest)?;
        }
        if !is_same {
            let directory = system::parent_of(&work.dest);
            if host.stat(directory, true)?.is_none_or(|stat| stat.kind != FileKind::Directory) {
                let directory = Path::display(directory);
                return Err(Failure::new(format!(
                    "there is no directory {directory} for the archive"
                )));
            }
            work.items = Some(items);
        } else if let Some(stat) = current {
            work.then
                .set_attributes(&work.dest.clone(), self.attributes.drift(host, &work.dest, stat)?);
        }
        Ok(work)
    }
}
