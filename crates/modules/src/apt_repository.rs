//! `apt_repository`: sources of packages, in one-line form.

mod source;

use std::path::{Path, PathBuf};

use model::{Args, Diff};
use system::{Attributes, Command, Probe, System, WriteFile};

use crate::apt::quiet;
use crate::arguments::{FileMode, Presence, arguments};
use crate::contract::{Change, Check, Failure, Module, warn};
use crate::{diff, tool};

use source::Source;

arguments! {
    /// Adds and removes sources of packages for apt.
    pub struct AptRepository {
        /// The source: `deb http://host/path suite component`.
        pub repo: String,
        /// Whether it is there.
        pub state: Presence { default: "present" },
        /// The mode of its file.
        pub mode: Option<FileMode>,
        /// Fetch the lists of packages when something changed.
        pub update_cache: bool { default: true, aliases: ["update-cache"] },
        /// How often that is tried.
        pub update_cache_retries: u32 { default: 5 },
        /// The longest pause between tries, in seconds.
        pub update_cache_retry_max_delay: u64 { default: 12 },
        /// The name of its file below /etc/apt/sources.list.d, without `.list`; made from the URL when not said.
        pub filename: Option<String>,
        /// The release's code name, for PPAs; not supported.
        pub codename: Option<String>,
        /// For PPAs.
        pub _validate_certs: bool { named: "validate_certs", default: true },
        /// For modules in Python; nothing is needed here.
        pub _install: bool { named: "install_python_apt", default: true },
    }
}

const MAIN: &str = "/etc/apt/sources.list";
const FOLDER: &str = "/etc/apt/sources.list.d";
const LIMIT: u64 = 4 << 20;

/// Files with their new content; `None`: they go.
#[derive(Debug, Default)]
pub(crate) struct SourcesChange {
    files: Vec<SourcesFile>,
}

#[derive(Debug)]
struct SourcesFile {
    path: PathBuf,
    before: Option<String>,
    after: Option<String>,
}

impl Change for SourcesChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let side = |text: &Option<String>| text.clone().map(String::into_bytes);
        let diffs = self.files.iter().map(|file| {
            let (before, after) = (side(&file.before), side(&file.after));
            diff::file(&file.path, before.as_deref(), after.as_deref())
        });
        Ok(diffs.collect())
    }
}

impl Module for AptRepository {
    type Change = SourcesChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<SourcesChange>, Failure> {
        if self.repo.starts_with("ppa:") || self.codename.is_some() {
            return Err(Failure::new(
                "PPAs are not supported: give the source as `deb https://ppa.launchpadcontent.net/OWNER/NAME/ubuntu SUITE main`",
            ));
        }
        let wanted = Source::parse(&self.repo)
            .filter(|source| source.enabled)
            .ok_or_else(|| Failure::new(format!("Invalid repository string: {}", self.repo)))?;
        result.insert("repo".to_owned(), self.repo.clone().into());
        result.insert("state".to_owned(), self.state.as_str().into());
        let change = match self.state {
            Presence::Absent => removal(&wanted, host)?,
            Presence::Present => self.addition(&wanted, host)?,
        };
        for (key, gone) in [("sources_removed", true), ("sources_added", false)] {
            let files = change
                .files
                .iter()
                .filter(|file| if gone { file.after.is_none() } else { file.before.is_none() });
            let names: Vec<String> =
                files.map(|file| file.path.to_string_lossy().into_owned()).collect();
            result.insert(key.to_owned(), names.into());
        }
        Ok(if change.files.is_empty() { Check::InSync } else { Check::Drift(change) })
    }

    fn apply(
        &self,
        change: SourcesChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        for file in &change.files {
            self.put(&file.path, file.after.as_deref(), host)?;
        }
        if !self.update_cache {
            return Ok(());
        }
        if let Err(failure) = self.update(host) {
            // Sources that cannot be read would stop every later use of apt.
            for file in &change.files {
                self.put(&file.path, file.before.as_deref(), host)?;
            }
            warn(result, "The sources were put back as they were before");
            return Err(failure);
        }
        Ok(())
    }
}

impl AptRepository {
    fn addition(&self, wanted: &Source, host: &dyn Probe) -> Result<SourcesChange, Failure> {
        let mut change = SourcesChange::default();
        let line = wanted.line();
        let mut is_there = false;
        for (path, text) in sources(host)? {
            let of_line = |text: &str| Source::parse(text).filter(|found| found.is_same(wanted));
            let found: Vec<Source> = text.lines().filter_map(of_line).collect();
            is_there |= found.iter().any(|source| source.enabled && source.line() == line);
            let is_other = found.iter().any(|source| !source.enabled || source.line() != line);
            if is_other && !is_there {
                let lines = text.lines().map(|text| match of_line(text) {
                    Some(_) => line.clone(),
                    None => text.to_owned(),
                });
                let mut lines: Vec<String> = lines.collect();
                lines.dedup_by(|a, b| *a == line && *b == line);
                let after = Some(lines.join("\n") + "\n");
                change.files.push(SourcesFile { path, before: Some(text), after });
                is_there = true;
            }
        }
        if !is_there {
            let path = self.path(wanted)?;
            let before = read(host, &path)?;
            let mut after = before.clone().unwrap_or_default();
            if !after.is_empty() && !after.ends_with('\n') {
                after.push('\n');
            }
            after.push_str(&line);
            after.push('\n');
            change.files.push(SourcesFile { path, before, after: Some(after) });
        }
        Ok(change)
    }

    /// The file of a new source.
    fn path(&self, wanted: &Source) -> Result<PathBuf, Failure> {
        let name = match &self.filename {
            Some(name) => name.trim_end_matches(".list").to_owned(),
            None => wanted.file_name(),
        };
        if name.is_empty() || (name.contains('/') && !name.starts_with('/')) {
            return Err(Failure::new(format!("`{name}` cannot be the name of a file of sources")));
        }
        Ok(Path::new(FOLDER).join(format!("{name}.list")))
    }

    fn put(&self, path: &Path, content: Option<&str>, host: &dyn System) -> Result<(), Failure> {
        let Some(content) = content else { return Ok(host.remove(path)?) };
        let stat = host.stat(path, true)?;
        let umask = host.umask();
        let mode = match (&self.mode, &stat) {
            (Some(mode), stat) => {
                let current = stat.as_ref().map_or(0o644, |stat| stat.mode);
                Some(mode.resolve(current, false, umask))
            }
            (None, None) => Some(0o644),
            (None, Some(_)) => None,
        };
        Ok(host.write(WriteFile {
            path,
            content: &mut content.as_bytes(),
            attributes: Attributes { mode, ..Attributes::default() },
            validate: None,
            in_place: false,
        })?)
    }

    fn update(&self, host: &dyn System) -> Result<(), Failure> {
        let args = ["-o", "DPkg::Lock::Timeout=60", "-o", "APT::Update::Error-Mode=any", "update"];
        let command = quiet(Command::new("apt-get", args));
        crate::apt::retry(
            self.update_cache_retries,
            self.update_cache_retry_max_delay,
            host,
            || tool::run(host, &command).map(drop),
        )
    }
}

fn removal(wanted: &Source, host: &dyn Probe) -> Result<SourcesChange, Failure> {
    let mut change = SourcesChange::default();
    for (path, text) in sources(host)? {
        let is_it = |line: &&str| {
            Source::parse(line).is_some_and(|found| found.enabled && found.is_same(wanted))
        };
        if !text.lines().any(|line| is_it(&line)) {
            continue;
        }
        let kept: Vec<&str> = text.lines().filter(|line| !is_it(line)).collect();
        let is_empty = kept.iter().all(|line| line.trim().is_empty());
        // The main file stays, even empty.
        let after = (!is_empty || path == Path::new(MAIN))
            .then(|| kept.iter().map(|line| format!("{line}\n")).collect::<String>());
        change.files.push(SourcesFile { path, before: Some(text), after });
    }
    Ok(change)
}

/// The files of sources in one-line form.
fn sources(host: &dyn Probe) -> Result<Vec<(PathBuf, String)>, Failure> {
    let mut paths = vec![PathBuf::from(MAIN)];
    if host.stat(Path::new(FOLDER), true)?.is_some() {
        let names = host.list(Path::new(FOLDER))?;
        let lists = names.iter().filter(|name| name.as_encoded_bytes().ends_with(b".list"));
        paths.extend(lists.map(|name| Path::new(FOLDER).join(name)));
    }
    let mut found = Vec::new();
    for path in paths {
        if let Some(text) = read(host, &path)? {
            found.push((path, text));
        }
    }
    Ok(found)
}

fn read(host: &dyn Probe, path: &Path) -> Result<Option<String>, Failure> {
    let bytes = host.read(path, LIMIT)?;
    let text = bytes.map(String::from_utf8).transpose();
    text.map_err(|_| Failure::new(format!("{} is not text in UTF-8", path.display())))
}
