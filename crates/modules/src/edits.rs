//! Changes to files as data: found by a check, carried out one by one.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use model::{Args, Diff};
use serde_json::Value;
use system::{Attributes, Probe, System, WriteFile};

use crate::contract::{Change, Failure};
use crate::diff;
use crate::files::AttributeDrift;

/// One change to a file.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    /// Makes a directory whose parent is there by then.
    MakeDirectory { path: PathBuf, attributes: Attributes },
    /// Makes an empty file.
    MakeFile { path: PathBuf, attributes: Attributes },
    /// Makes a symbolic link, or puts it in the place of what is not a directory.
    Symlink { target: PathBuf, path: PathBuf },
    /// The same with a hard link.
    HardLink { target: PathBuf, path: PathBuf },
    /// Removes what is there.
    Remove(PathBuf),
    /// Sets owner and mode of what is there, not of what a link names.
    SetAttributes { path: PathBuf, attributes: Attributes },
    /// Sets times.
    SetTimes { path: PathBuf, accessed: Option<SystemTime>, modified: Option<SystemTime> },
}

impl Edit {
    /// Carries it out.
    pub(crate) fn apply(self, host: &dyn System) -> Result<(), Failure> {
        match self {
            Self::MakeDirectory { path, attributes } => host.make_directory(&path, attributes),
            Self::MakeFile { path, attributes } => host.write(WriteFile {
                path: &path,
                content: &mut io::empty(),
                attributes,
                validate: None,
                in_place: false,
            }),
            Self::Symlink { target, path } => host.symlink(&target, &path),
            Self::HardLink { target, path } => host.hard_link(&target, &path),
            Self::Remove(path) => host.remove(&path),
            Self::SetAttributes { path, attributes } => {
                host.set_attributes(&path, attributes, false)
            }
            Self::SetTimes { path, accessed, modified } => {
                host.set_times(&path, accessed, modified)
            }
        }
        .map_err(Failure::from)
    }
}

/// The directories that a new file lacks, outermost first.
pub(crate) fn missing_directories(host: &dyn Probe, path: &Path) -> Result<Vec<Edit>, Failure> {
    let mut edits = Vec::new();
    for place in path.ancestors().skip(1) {
        if place.as_os_str().is_empty() || host.stat(place, true)?.is_some() {
            break;
        }
        edits.push(Edit::MakeDirectory {
            path: place.to_owned(),
            attributes: Attributes::default(),
        });
    }
    edits.reverse();
    Ok(edits)
}

/// Changes to files, with the state before and after for people.
#[derive(Debug)]
pub(crate) struct Edits {
    path: PathBuf,
    list: Vec<Edit>,
    before: Args,
    after: Args,
}

impl Edits {
    /// None yet, about what is at a path.
    pub(crate) fn of(path: &Path) -> Self {
        let mut side = Args::new();
        side.insert("path".into(), crate::files::path_value(path));
        Self { path: path.to_owned(), list: Vec::new(), before: side.clone(), after: side }
    }

    /// What they are about.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn push(&mut self, edit: Edit) {
        self.list.push(edit);
    }

    /// Notes what changes, for people.
    pub(crate) fn note(&mut self, key: &str, before: impl Into<Value>, after: impl Into<Value>) {
        self.before.insert(key.to_owned(), before.into());
        self.after.insert(key.to_owned(), after.into());
    }

    /// Owner and mode of what is at a path.
    pub(crate) fn set_attributes(&mut self, path: &Path, drift: AttributeDrift) {
        if drift.is_none() {
            return;
        }
        self.push(Edit::SetAttributes { path: path.to_owned(), attributes: drift.set });
        if path == self.path {
            self.before.extend(drift.before);
            self.after.extend(drift.after);
        }
    }

    /// Carries them out in order.
    pub(crate) fn apply(self, host: &dyn System) -> Result<(), Failure> {
        self.list.into_iter().try_for_each(|edit| {
            host.keep_going()?;
            edit.apply(host)
        })
    }
}

impl Change for Edits {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let name = self.path.display().to_string();
        let state = |args: &Args| Value::Object(args.clone());
        Ok(vec![diff::state(&name, state(&self.before), state(&self.after))])
    }
}
