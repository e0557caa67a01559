//! The file that a module of this collection makes: its owner and mode, its backup, its removal; shown by what it says,
//! never by its content.

use std::path::Path;

use certificates::{Format, Key, Kind, openssh};
use model::{Args, Diff, Secret};
use serde_json::Value;
use system::{Attributes, FileKind, Probe, System, WriteFile};

use crate::arguments::FileMode;
use crate::content::{Target, keep_backup};
use crate::contract::{Change, Check, Failure};
use crate::diff;
use crate::edits::Edits;
use crate::files::FileAttributes;

/// Nothing that is read here is larger.
pub(crate) const LIMIT: u64 = 4 << 20;

/// What goes into the file.
pub(crate) enum New {
    /// These bytes.
    Bytes(Secret<Vec<u8>>),
    /// A key that is made when it is time.
    Key { kind: Kind, format: Format, passphrase: Option<Secret<String>> },
    /// The same as OpenSSH writes it.
    SshKey { kind: Kind, comment: String, passphrase: Option<Secret<String>> },
}

impl New {
    fn bytes(self) -> Result<Vec<u8>, Failure> {
        let made = match &self {
            Self::Bytes(bytes) => return Ok(bytes.reveal().clone()),
            Self::Key { kind, format, passphrase } => Key::generate(*kind)
                .and_then(|key| key.write(*format, revealed(passphrase.as_ref()))),
            Self::SshKey { kind, comment, passphrase } => Key::generate(*kind)
                .and_then(|key| openssh::write(&key, comment, revealed(passphrase.as_ref()))),
        };
        made.map_err(|error| Failure::new(format!("Error while generating key: {error}")))
    }
}

fn revealed(passphrase: Option<&Secret<String>>) -> Option<&[u8]> {
    passphrase.map(|text| text.reveal().as_bytes())
}

/// What has to be done to a file.
pub(crate) struct FileChange {
    target: Target,
    kind: Work,
    backup: bool,
    /// What it says now, for people.
    pub before: Value,
    /// What it shall say.
    pub after: Value,
}

enum Work {
    Write(New, Attributes, bool),
    Attributes(Edits),
    Remove,
}

impl Change for FileChange {
    fn diff(&self, host: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        if let Work::Attributes(edits) = &self.kind {
            return edits.diff(host);
        }
        let name = self.target.path.display().to_string();
        Ok(vec![diff::state(&name, self.before.clone(), self.after.clone())])
    }
}

impl FileChange {
    /// Does it.
    pub(crate) fn apply(self, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let path = &self.target.path;
        match self.kind {
            Work::Remove => {
                if self.backup {
                    keep_backup(host, path, result)?;
                }
                host.remove(path)?;
            }
            Work::Attributes(edits) => edits.apply(host)?,
            Work::Write(new, attributes, in_place) => {
                let bytes = new.bytes()?;
                host.keep_going()?;
                if self.backup {
                    keep_backup(host, path, result)?;
                }
                host.write(WriteFile {
                    path,
                    content: &mut bytes.as_slice(),
                    attributes,
                    validate: None,
                    in_place,
                })?;
            }
        }
        Ok(())
    }
}

/// A file of this collection.
pub(crate) struct Product<'a> {
    target: Target,
    file: &'a FileAttributes,
    backup: bool,
}

impl<'a> Product<'a> {
    /// Looks for it.
    pub(crate) fn find(
        host: &dyn Probe,
        path: &Path,
        file: &'a FileAttributes,
        backup: bool,
    ) -> Result<Self, Failure> {
        let target = Target::find(host, path)?;
        if let Some(stat) = target.current.as_ref().filter(|stat| stat.kind != FileKind::File) {
            return Err(Failure::new(format!("{} is a {}", path.display(), stat.kind.name())));
        }
        Ok(Self { target, file, backup })
    }

    /// What is in it.
    pub(crate) fn read(&self, host: &dyn Probe) -> Result<Option<Vec<u8>>, Failure> {
        Ok(host.read(&self.target.path, LIMIT)?)
    }

    /// It shall not be there.
    pub(crate) fn absent(self) -> Check<FileChange> {
        if self.target.current.is_none() {
            return Check::InSync;
        }
        Check::Drift(self.change(Work::Remove, Value::from("present"), Value::from("absent")))
    }

    /// It shall be there, with what is new, or as it is with the right owner and mode.
    pub(crate) fn present(
        self,
        host: &dyn Probe,
        new: Option<New>,
        usual_mode: Option<u32>,
        sides: (Value, Value),
    ) -> Result<Check<FileChange>, Failure> {
        let mut file = self.file.clone();
        if let (None, Some(mode)) = (&file.mode, usual_mode) {
            file.mode = Some(FileMode::Exact(mode));
        }
        let current = self.target.current.as_ref();
        if let Some(new) = new {
            let folder = system::parent_of(&self.target.path);
            let is_folder = host.stat(folder, true)?.is_some_and(|s| s.kind == FileKind::Directory);
            if !is_folder {
                return Err(Failure::new(format!(
                    "The directory '{}' does not exist or the file is not a directory",
                    folder.display()
                )));
            }
            let attributes = file.resolve(host, current, false)?;
            let work = Work::Write(new, attributes, file.unsafe_writes);
            return Ok(Check::Drift(self.change(work, sides.0, sides.1)));
        }
        let mut edits = Edits::of(&self.target.path);
        if let Some(stat) = current {
            edits.set_attributes(&self.target.path, file.drift(host, &self.target.path, stat)?);
        }
        if edits.is_empty() {
            return Ok(Check::InSync);
        }
        Ok(Check::Drift(self.change(Work::Attributes(edits), Value::Null, Value::Null)))
    }

    fn change(self, kind: Work, before: Value, after: Value) -> FileChange {
        FileChange { target: self.target, kind, backup: self.backup, before, after }
    }
}
