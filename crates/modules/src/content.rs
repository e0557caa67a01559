//! Putting content into a file: where it comes from, whether it is there already, backup, validation, the diff. What
//! `copy`, `lineinfile`, `get_url` and their like have in common.

use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use model::{Args, Diff, Digest};
use system::{Attributes, Command, FileKind, FileStat, Probe, System, WriteFile};

use crate::arguments::arguments;
use crate::contract::{Change, Check, Failure};
use crate::diff;
use crate::edits::{Edit, Edits};
use crate::files::{self, Checksums, FileAttributes, end_of_links, path_value, tidy};

arguments! {
    /// How a file gets new content.
    pub struct Writing {
        /// Keep the old version beside the file.
        pub backup: bool { default: false },
        /// A command that must approve of the new file; `%s` is its path.
        pub validate: Option<String>,
        pub attributes: FileAttributes,
    }
}

/// A file that may get new content.
pub(crate) struct Target {
    /// Its path, behind the symbolic links at its end.
    pub path: PathBuf,
    /// What is there.
    pub current: Option<FileStat>,
}

impl Target {
    /// Looks.
    pub(crate) fn find(host: &dyn Probe, path: &Path) -> Result<Self, Failure> {
        let path = end_of_links(host, &tidy(path))?;
        let current = host.stat(&path, true)?;
        Ok(Self { path, current })
    }
}

impl Writing {
    /// What it takes to give a file this content; `None`: it has its content, owner and mode are looked at.
    pub(crate) fn changes(
        &self,
        host: &dyn Probe,
        target: &Target,
        source: Option<Source>,
    ) -> Result<Contents, Failure> {
        let mut contents = Contents::of(&target.path);
        match (source, &target.current) {
            (Some(source), current) => contents.puts.push(Put {
                source,
                path: target.path.clone(),
                attributes: self.attributes.resolve(host, current.as_ref(), false)?,
                backup: self.backup,
                validate: self.validate.clone(),
                in_place: self.attributes.unsafe_writes,
                title: None,
            }),
            (None, Some(stat)) => {
                contents
                    .then
                    .set_attributes(&target.path, self.attributes.drift(host, &target.path, stat)?);
            }
            (None, None) => {}
        }
        Ok(contents)
    }
}

/// Where content comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// It came with the arguments, or the module made it.
    Bytes(Vec<u8>),
    /// The controller has it.
    Blob {
        /// Its name.
        digest: Digest,
        /// Its size, when the controller said it.
        size: Option<u64>,
    },
    /// A file on the host.
    File(PathBuf),
}

impl Source {
    fn open(&self, host: &dyn Probe) -> Result<Box<dyn Read>, Failure> {
        match self {
            Self::Bytes(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
            Self::Blob { digest, .. } => {
                Ok(host.blob(*digest).map(|reader| reader as Box<dyn Read>)?)
            }
            Self::File(path) => host
                .open(path)?
                .ok_or_else(|| Failure::new(format!("Source {} not found", path.display()))),
        }
    }

    fn size(&self, host: &dyn Probe) -> Result<Option<u64>, Failure> {
        Ok(match self {
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::Blob { size, .. } => *size,
            Self::File(path) => host.stat(path, true)?.map(|stat| stat.size),
        })
    }

    /// The checksums of a file that has this content already; `None` when it has another.
    pub(crate) fn found_in(
        &self,
        host: &dyn Probe,
        path: &Path,
        stat: &FileStat,
    ) -> Result<Option<Checksums>, Failure> {
        if self.size(host)?.is_some_and(|size| size != stat.size) {
            return Ok(None);
        }
        let Some(found) = Checksums::of_file(host, path)? else { return Ok(None) };
        let wanted = match self {
            Self::Bytes(bytes) => Digest::of(bytes),
            Self::Blob { digest, .. } => *digest,
            Self::File(source) => match Checksums::of_file(host, source)? {
                Some(sums) => sums.digest(),
                None => return Ok(None),
            },
        };
        Ok((found.digest() == wanted).then_some(found))
    }

    /// The content for people, if it is small enough to be shown.
    fn show(&self, host: &dyn Probe) -> Result<model::DiffContent, Failure> {
        if let Some(size) = self.size(host)?.filter(|size| *size > diff::LIMIT) {
            return Ok(model::DiffContent::TooLarge(size));
        }
        shown(self.open(host)?)
    }
}

fn shown(reader: Box<dyn Read>) -> Result<model::DiffContent, Failure> {
    let mut bytes = Vec::new();
    reader
        .take(diff::LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(format!("cannot read the content for the diff: {error}")))?;
    Ok(diff::content(&bytes, bytes.len() as u64))
}

/// New content for a file.
#[derive(Debug)]
pub(crate) struct Put {
    /// The content.
    pub source: Source,
    /// The file.
    pub path: PathBuf,
    /// Owner and mode; what is not said stays.
    pub attributes: Attributes,
    /// Keep the old version beside it.
    pub backup: bool,
    /// A command that must approve of the new file; `%s` stands for its path.
    pub validate: Option<String>,
    /// Write into the file where it cannot be replaced.
    pub in_place: bool,
    /// What the new side of the diff is called; `None`: as the file.
    pub title: Option<String>,
}

impl Put {
    /// A text that the module made, for a file that keeps its owner and mode.
    pub(crate) fn text(path: PathBuf, text: String) -> Self {
        Self {
            source: Source::Bytes(text.into_bytes()),
            path,
            attributes: Attributes::default(),
            backup: false,
            validate: None,
            in_place: false,
            title: None,
        }
    }

    /// Writes the file and returns the checksums of what it wrote.
    pub(crate) fn apply(&self, host: &dyn System, result: &mut Args) -> Result<Checksums, Failure> {
        let mut reader = Tee { reader: self.source.open(host)?, sums: Checksums::default() };
        if self.backup {
            keep_backup(host, &self.path, result)?;
        }
        let mut verdict = None;
        let mut validate = |path: &Path| {
            let Some(command) = &self.validate else { return Ok(()) };
            run_validate(host, command, path).map_err(|failure| {
                let message = failure.message.clone();
                verdict = Some(failure);
                system::Error::Refused(message)
            })
        };
        let written = host.write(WriteFile {
            path: &self.path,
            content: &mut reader,
            attributes: self.attributes.clone(),
            validate: Some(&mut validate),
            in_place: self.in_place,
        });
        match (written, verdict) {
            (_, Some(failure)) => Err(failure),
            (written, None) => {
                written?;
                Ok(reader.sums)
            }
        }
    }

    /// Before and after of the content.
    pub(crate) fn diff(&self, host: &dyn Probe) -> Result<Diff, Failure> {
        let stat = host.stat(&self.path, true)?.filter(|stat| stat.kind == FileKind::File);
        let before = match stat {
            None => model::DiffContent::Text(String::new()),
            Some(stat) if stat.size > diff::LIMIT => model::DiffContent::TooLarge(stat.size),
            Some(_) => Source::File(self.path.clone()).show(host)?,
        };
        let name = self.path.display().to_string();
        Ok(Diff {
            before_header: name.clone(),
            after_header: self.title.clone().unwrap_or(name),
            before,
            after: self.source.show(host)?,
        })
    }
}

/// A copy of the file beside it, if it is there.
pub(crate) fn keep_backup(
    host: &dyn System,
    path: &Path,
    result: &mut Args,
) -> Result<(), Failure> {
    let Some(stat) = host.stat(path, true)?.filter(|stat| stat.kind == FileKind::File) else {
        return Ok(());
    };
    let Some(mut content) = host.open(path)? else { return Ok(()) };
    let backup = files::backup_path(host, path);
    host.write(WriteFile {
        path: &backup,
        content: &mut content,
        attributes: Attributes {
            mode: Some(stat.mode),
            uid: Some(stat.uid),
            gid: Some(stat.gid),
            ..Attributes::default()
        },
        validate: None,
        in_place: false,
    })?;
    host.set_times(&backup, Some(stat.accessed), Some(stat.modified))?;
    result.insert("backup_file".into(), path_value(&backup));
    Ok(())
}

fn run_validate(host: &dyn System, command: &str, path: &Path) -> Result<(), Failure> {
    let words = shlex::split(command)
        .ok_or_else(|| Failure::new(format!("validate: unbalanced quotes in `{command}`")))?;
    let path = path.to_string_lossy();
    let mut words = words.into_iter().map(|word| word.replace("%s", &path));
    let program = words.next().unwrap_or_default();
    let output = host.run(&Command::new(program, words))?;
    if output.is_success() {
        return Ok(());
    }
    Err(Failure::new(format!("failed to validate: {}", output.stderr_text().trim_end()))
        .with("exit_status", output.status)
        .with("stdout", output.stdout_text())
        .with("stderr", output.stderr_text()))
}

/// A `validate` without a place for the path would validate nothing.
pub(crate) fn check_validate(validate: Option<&str>) -> Result<(), Failure> {
    match validate {
        Some(command) if !command.contains("%s") => {
            Err(Failure::new(format!("validate must contain %s: {command}")))
        }
        _ => Ok(()),
    }
}

/// Reads, and counts checksums on the way.
struct Tee {
    reader: Box<dyn Read>,
    sums: Checksums,
}

impl Read for Tee {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.sums.update(&buffer[..count]);
        Ok(count)
    }
}

/// New contents and the edits around them.
#[derive(Debug)]
pub(crate) struct Contents {
    /// Directories that have to be there first.
    pub first: Vec<Edit>,
    /// The files.
    pub puts: Vec<Put>,
    /// Attributes of what is there already.
    pub then: Edits,
}

impl Change for Contents {
    fn diff(&self, host: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let mut diffs = Vec::new();
        for put in &self.puts {
            diffs.push(put.diff(host)?);
        }
        if !self.then.is_empty() {
            diffs.extend(self.then.diff(host)?);
        }
        Ok(diffs)
    }
}

impl Contents {
    /// None yet, about a path.
    pub(crate) fn of(path: &Path) -> Self {
        Self { first: Vec::new(), puts: Vec::new(), then: Edits::of(path) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.puts.is_empty() && self.then.is_empty()
    }

    /// The answer of a check that found these.
    pub(crate) fn into_check(self) -> Check<Self> {
        if self.is_empty() { Check::InSync } else { Check::Drift(self) }
    }

    /// Does it all and tells of the file. The checksums are those of the last file.
    pub(crate) fn apply_to(
        self,
        path: &Path,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<Option<Checksums>, Failure> {
        let sums = self.apply(host, result)?;
        files::describe(host, path, result)?;
        Ok(sums)
    }

    /// Does it all. The checksums are those of the last file.
    pub(crate) fn apply(
        self,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<Option<Checksums>, Failure> {
        for edit in self.first {
            edit.apply(host)?;
        }
        let mut sums = None;
        for put in self.puts {
            host.keep_going()?;
            sums = Some(put.apply(host, result)?);
        }
        self.then.apply(host)?;
        Ok(sums)
    }
}
