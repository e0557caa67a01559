//! `file`: files, directories and links, their owner and mode.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use model::Args;
use system::{Attributes, FileKind, FileStat, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Check, Failure, Module, warn};
use crate::edits::{Edit, Edits};
use crate::files::{self, FileAttributes, end_of_links, path_value, state_word};

choices! {
    /// What shall be at the path.
    pub enum FileState {
        /// Nothing; a directory goes with all that is in it.
        Absent = "absent",
        /// A directory; missing parents are made, too.
        Directory = "directory",
        /// A file that is there already; only owner and mode are set.
        File = "file",
        /// A hard link to `src`.
        Hard = "hard",
        /// A symbolic link to `src`.
        Link = "link",
        /// A file, empty when it is made; its times are set.
        Touch = "touch",
    }
}

arguments! {
    /// Sets the owner, group and mode of files, makes directories, links and empty files, and removes them.
    pub struct File {
        /// The path.
        pub path: PathBuf { aliases: ["dest", "name"] },
        /// What shall be there. Without it: what is there now, else `file` (`directory` with `recurse`).
        pub state: Option<FileState>,
        /// What a link points to. A relative one is relative to the link.
        pub src: Option<String>,
        /// With `state: directory`: sets owner, group and mode of everything in it, too.
        pub recurse: bool { default: false },
        /// Make links although what they point to is not there, and put links in the place of files.
        pub force: bool { default: false },
        /// When the path is a symbolic link, mean what it points to.
        pub follow: bool { default: true },
        /// `preserve`, `now`, or a time in `modification_time_format`.
        pub modification_time: Option<String>,
        /// The format of `modification_time`, as strftime knows it.
        pub modification_time_format: String { default: "%Y%m%d%H%M.%S" },
        /// `preserve`, `now`, or a time in `access_time_format`.
        pub access_time: Option<String>,
        /// The format of `access_time`, as strftime knows it.
        pub access_time_format: String { default: "%Y%m%d%H%M.%S" },
        pub attributes: FileAttributes,
        pub original_basename: Option<String> { named: "_original_basename", hidden },
        pub diff_peek: Option<String> { named: "_diff_peek", hidden },
    }
}

impl Module for File {
    type Change = Edits;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Edits>, Failure> {
        let path = self.place(host)?;
        let current = host.stat(&path, false)?;
        let state = self.wanted_state(current.as_ref());
        if self.recurse && state != FileState::Directory {
            return Err(Failure::new("recurse option requires state to be 'directory'")
                .with("path", path_value(&path)));
        }
        if self.src.is_some() && !matches!(state, FileState::Link | FileState::Hard) {
            return Err(Failure::new("src option requires state to be 'link' or 'hard'")
                .with("path", path_value(&path)));
        }
        let key = match state {
            FileState::Link | FileState::Hard | FileState::Touch => "dest",
            _ => "path",
        };
        result.insert(key.into(), path_value(&path));
        let mut plan = Plan {
            file: self,
            host,
            edits: Edits::of(&path),
            path,
            current,
            now: host.now(),
            acts: false,
        };
        match state {
            FileState::Absent => plan.absent(),
            FileState::File => plan.file()?,
            FileState::Directory => plan.directory()?,
            FileState::Link => plan.link(result)?,
            FileState::Hard => plan.hard(result)?,
            FileState::Touch => plan.touch()?,
        }
        files::describe(host, &plan.path, result)?;
        Ok(match (plan.edits.is_empty(), plan.acts) {
            (true, _) => Check::InSync,
            (false, true) => Check::Act(plan.edits),
            (false, false) => Check::Drift(plan.edits),
        })
    }

    fn apply(&self, edits: Edits, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        edits.apply(host)?;
        let path = result.get("path").or(result.get("dest")).and_then(|value| value.as_str());
        let path = path.map_or_else(|| self.path.clone(), PathBuf::from);
        files::describe(host, &path, result)
    }
}

impl File {
    /// The path that is meant: in a directory, the name of the source.
    fn place(&self, host: &dyn Probe) -> Result<PathBuf, Failure> {
        let path = files::tidy(&self.path);
        if matches!(self.state, Some(FileState::Link | FileState::Absent)) {
            return Ok(path);
        }
        let name = match (&self.original_basename, &self.src) {
            (Some(name), _) => Some(name.as_str()),
            (None, Some(src)) => Path::new(src).file_name().and_then(|name| name.to_str()),
            (None, None) => None,
        };
        let is_directory = || -> Result<bool, Failure> {
            Ok(host.stat(&path, true)?.is_some_and(|stat| stat.kind == FileKind::Directory))
        };
        match name {
            Some(name) if is_directory()? => Ok(path.join(name)),
            _ => Ok(path),
        }
    }

    fn wanted_state(&self, current: Option<&FileStat>) -> FileState {
        if let Some(state) = self.state {
            return state;
        }
        match state_word(current) {
            "link" => FileState::Link,
            "directory" => FileState::Directory,
            "hard" => FileState::Hard,
            "absent" if self.recurse => FileState::Directory,
            _ => FileState::File,
        }
    }
}

/// The check, on its way.
struct Plan<'a> {
    file: &'a File,
    host: &'a dyn Probe,
    path: PathBuf,
    current: Option<FileStat>,
    edits: Edits,
    now: SystemTime,
    /// Something is done each time: a time is set to now.
    acts: bool,
}

impl Plan<'_> {
    fn word(&self) -> &'static str {
        state_word(self.current.as_ref())
    }

    fn fail(&self, message: String) -> Failure {
        Failure::new(message).with("path", path_value(&self.path)).with("state", self.word())
    }

    /// Means what the link points to, when the path is one and links are followed.
    fn follow(&mut self) -> Result<(), Failure> {
        let is_link = self.current.as_ref().is_some_and(|stat| stat.kind == FileKind::Symlink);
        if self.file.follow && is_link {
            self.path = end_of_links(self.host, &self.path)?;
            self.current = self.host.stat(&self.path, false)?;
            self.edits = Edits::of(&self.path);
        }
        Ok(())
    }

    fn absent(&mut self) {
        if self.current.is_some() {
            self.edits.note("state", self.word(), "absent");
            self.edits.push(Edit::Remove(self.path.clone()));
        }
    }

    fn file(&mut self) -> Result<(), Failure> {
        self.follow()?;
        match self.word() {
            "file" | "hard" => self.attributes_and_times("preserve"),
            word => {
                Err(self.fail(format!("file ({}) is {word}, cannot continue", self.path.display())))
            }
        }
    }

    fn directory(&mut self) -> Result<(), Failure> {
        self.follow()?;
        match self.word() {
            "absent" => self.make_directories(),
            "directory" => {
                self.attributes_and_times("preserve")?;
                if self.file.recurse { self.recurse() } else { Ok(()) }
            }
            word => Err(self.fail(format!("{} already exists as a {word}", self.path.display()))),
        }
    }

    fn make_directories(&mut self) -> Result<(), Failure> {
        let mut missing = Vec::new();
        // A relative path ends in nothing.
        for place in self.path.ancestors().filter(|place| !place.as_os_str().is_empty()) {
            match self.host.stat(place, true)? {
                None => missing.push(place.to_owned()),
                Some(stat) if stat.kind == FileKind::Directory => break,
                Some(_) => {
                    return Err(self.fail(format!(
                        "There was an issue creating {} as requested: {} is not a directory",
                        missing.last().unwrap_or(&self.path).display(),
                        place.display()
                    )));
                }
            }
        }
        let attributes = self.file.attributes.resolve(self.host, None, true)?;
        self.edits.note("state", "absent", "directory");
        for path in missing.into_iter().rev() {
            let attributes = attributes.clone();
            self.edits.push(Edit::MakeDirectory { path, attributes });
        }
        let times = self.times("preserve")?;
        self.set_times(times);
        Ok(())
    }

    /// Owner and mode of everything in the directory.
    fn recurse(&mut self) -> Result<(), Failure> {
        let mut seen = BTreeSet::new();
        let mut left = vec![self.path.clone()];
        while let Some(directory) = left.pop() {
            self.host.keep_going()?;
            let Some(stat) = self.host.stat(&directory, true)? else { continue };
            if !seen.insert((stat.device, stat.inode)) {
                continue;
            }
            for name in self.host.list(&directory)? {
                let path = directory.join(name);
                let Some(stat) = self.host.stat(&path, false)? else { continue };
                let (path, stat) = match stat.kind {
                    FileKind::Symlink if self.file.follow => {
                        self.set_attributes(&path, &stat)?;
                        let end = end_of_links(self.host, &path)?;
                        let Some(stat) = self.host.stat(&end, false)? else { continue };
                        (end, stat)
                    }
                    _ => (path, stat),
                };
                self.set_attributes(&path, &stat)?;
                if stat.kind == FileKind::Directory {
                    left.push(path);
                }
            }
        }
        Ok(())
    }

    fn set_attributes(&mut self, path: &Path, stat: &FileStat) -> Result<(), Failure> {
        let drift = self.file.attributes.drift(self.host, path, stat)?;
        self.edits.set_attributes(path, drift);
        Ok(())
    }

    fn link(&mut self, result: &mut Args) -> Result<(), Failure> {
        let is_link = self.word() == "link";
        let src = match &self.file.src {
            Some(src) => PathBuf::from(src),
            None if is_link => self.host.read_link(&self.path)?,
            None => {
                return Err(Failure::new("src is required for creating new symlinks")
                    .with("path", path_value(&self.path)));
            }
        };
        result.insert("src".into(), path_value(&src));
        // In a directory that becomes a link, relative means relative to the directory itself, as in Ansible.
        let base = match self.word() {
            "directory" => self.path.as_path(),
            _ => system::parent_of(&self.path),
        };
        let target = base.join(&src);
        let is_there = self.host.stat(&target, true)?.is_some();
        if !self.file.force && self.file.src.is_some() && !is_there {
            return Err(Failure::new(format!(
                "src file does not exist, use \"force=yes\" if you really want to create the link: {}",
                target.display()
            ))
            .with("path", path_value(&self.path))
            .with("src", path_value(&src)));
        }
        self.refuse_to_convert()?;
        if is_link {
            let old = self.host.read_link(&self.path)?;
            if old != src {
                self.edits.note("src", path_value(&old), path_value(&src));
                self.edits.push(Edit::Symlink { target: src, path: self.path.clone() });
            }
        } else {
            self.edits.note("state", self.word(), "link");
            if self.word() == "directory" {
                self.edits.push(Edit::Remove(self.path.clone()));
            }
            self.edits.push(Edit::Symlink { target: src, path: self.path.clone() });
        }
        // What a link that is there leads to was named by its owner, and not by the task.
        let named = if self.file.src.is_some() { target } else { self.path.clone() };
        self.attributes_of_link(&named, result)
    }

    fn refuse_to_convert(&self) -> Result<(), Failure> {
        let word = self.word();
        if matches!(word, "directory" | "file" | "hard") && !self.file.force {
            return Err(Failure::new(format!(
                "refusing to convert from {word} to symlink for {}",
                self.path.display()
            ))
            .with("path", path_value(&self.path)));
        }
        if word == "directory" && !self.host.list(&self.path)?.is_empty() {
            return Err(Failure::new(format!(
                "the directory {} is not empty, refusing to convert it",
                self.path.display()
            ))
            .with("path", path_value(&self.path)));
        }
        Ok(())
    }

    /// Owner and mode: of what the link points to, or of the link itself.
    fn attributes_of_link(&mut self, target: &Path, result: &mut Args) -> Result<(), Failure> {
        let wanted = self.file.attributes.resolve(self.host, None, false)?;
        if wanted == Attributes::default() {
            return Ok(());
        }
        if self.file.follow {
            let end = end_of_links(self.host, target)?;
            match self.host.stat(&end, false)? {
                Some(stat) => self.set_attributes(&end, &stat)?,
                None => warn(
                    result,
                    "Cannot set fs attributes on a non-existent symlink target. follow should be set to False to avoid this.",
                ),
            }
            return Ok(());
        }
        let path = self.path.clone();
        match self.current.clone().filter(|stat| stat.kind == FileKind::Symlink) {
            Some(stat) => self.set_attributes(&path, &stat)?,
            None => self.edits.push(Edit::SetAttributes {
                path,
                attributes: Attributes { mode: None, ..wanted },
            }),
        }
        Ok(())
    }

    fn hard(&mut self, result: &mut Args) -> Result<(), Failure> {
        let word = self.word();
        let Some(src) = &self.file.src else {
            if word == "hard" {
                return self.attributes_and_times("preserve");
            }
            return Err(Failure::new("src is required for creating new hardlinks")
                .with("path", path_value(&self.path)));
        };
        result.insert("src".into(), src.clone().into());
        let fail = |message: String| {
            Failure::new(message).with("dest", path_value(&self.path)).with("src", src.clone())
        };
        let src = system::parent_of(&self.path).join(src);
        let Some(source) = self.host.stat(&src, false)? else {
            return Err(fail("src does not exist".to_owned()));
        };
        let is_same = self
            .current
            .as_ref()
            .is_some_and(|stat| (stat.device, stat.inode) == (source.device, source.inode));
        if is_same {
            return self.attributes_and_times("preserve");
        }
        match word {
            "hard" if !self.file.force => {
                return Err(fail(
                    "Cannot link, different hard link exists at destination".to_owned(),
                ));
            }
            "file" if !self.file.force => {
                return Err(fail("Cannot link, file exists at destination".to_owned()));
            }
            "directory" => {
                return Err(fail("Cannot link, directory exists at destination".to_owned()));
            }
            _ => {}
        }
        self.edits.note("state", word, "hard");
        self.edits.push(Edit::HardLink { target: src, path: self.path.clone() });
        let path = self.path.clone();
        self.set_attributes(&path, &source)
    }

    fn touch(&mut self) -> Result<(), Failure> {
        self.follow()?;
        if self.current.is_some() {
            return self.attributes_and_times("now");
        }
        let parent = system::parent_of(&self.path);
        if self.host.stat(parent, true)?.is_none() {
            return Err(self.fail(format!(
                "Error, could not touch target: no such directory: {}",
                parent.display()
            )));
        }
        let attributes = self.file.attributes.resolve(self.host, None, false)?;
        self.edits.note("state", "absent", "touch");
        self.edits.push(Edit::MakeFile { path: self.path.clone(), attributes });
        let times = self.times("now")?;
        self.set_times(times);
        Ok(())
    }

    /// Owner, mode and times of what is at the path.
    fn attributes_and_times(&mut self, times: &str) -> Result<(), Failure> {
        let Some(stat) = self.current.clone() else { return Ok(()) };
        let path = self.path.clone();
        self.set_attributes(&path, &stat)?;
        let (accessed, modified) = self.times(times)?;
        self.set_times((
            accessed.filter(|time| *time != stat.accessed),
            modified.filter(|time| *time != stat.modified),
        ));
        Ok(())
    }

    fn times(
        &mut self,
        default: &str,
    ) -> Result<(Option<SystemTime>, Option<SystemTime>), Failure> {
        let file = self.file;
        let accessed = file.access_time.as_deref().unwrap_or(default);
        let modified = file.modification_time.as_deref().unwrap_or(default);
        Ok((
            self.time(accessed, &file.access_time_format)?,
            self.time(modified, &file.modification_time_format)?,
        ))
    }

    fn time(&mut self, text: &str, format: &str) -> Result<Option<SystemTime>, Failure> {
        match text {
            "preserve" | "" => Ok(None),
            "now" => {
                self.acts = true;
                Ok(Some(self.now))
            }
            other => parse_time(other, format).map(Some),
        }
    }

    fn set_times(&mut self, (accessed, modified): (Option<SystemTime>, Option<SystemTime>)) {
        if accessed.is_none() && modified.is_none() {
            return;
        }
        let current = self.current.as_ref();
        let seconds = |time: SystemTime| {
            time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
        };
        if let (Some(time), Some(stat)) = (accessed, current) {
            self.edits.note("atime", seconds(stat.accessed), seconds(time));
        }
        if let (Some(time), Some(stat)) = (modified, current) {
            self.edits.note("mtime", seconds(stat.modified), seconds(time));
        }
        self.edits.push(Edit::SetTimes { path: self.path.clone(), accessed, modified });
    }
}

/// A time in the host's time zone.
fn parse_time(text: &str, format: &str) -> Result<SystemTime, Failure> {
    let civil = jiff::civil::DateTime::strptime(format, text);
    civil
        .and_then(|civil| civil.to_zoned(jiff::tz::TimeZone::system()))
        .map(|zoned| zoned.timestamp().into())
        .map_err(|_| {
            Failure::new(format!(
                "Error while obtaining timestamp for time {text} using format {format}"
            ))
        })
}
