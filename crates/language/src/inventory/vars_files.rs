//! `group_vars` and `host_vars` beside inventories and playbooks.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use model::HostName;
use yaml::Diagnostic;

use super::Inventory;
use crate::source::{Source, read_document};
use crate::value::value_from_node;
use crate::{Layer, Level, Vars};

/// The endings of variable files, in the order in which they are looked for; a directory counts as a file without one.
const ENDINGS: [&str; 4] = ["", ".yml", ".yaml", ".json"];

/// A file of a group or host that does not exist may be wrong: its error waits until it is needed.
type Entry = Result<Arc<Layer>, Diagnostic>;

/// What one directory's `group_vars` and `host_vars` say.
#[derive(Debug, Clone)]
pub(super) struct VarsDirectory {
    playbook: bool,
    path: PathBuf,
    groups: Arc<HashMap<String, Entry>>,
    hosts: Arc<HashMap<String, Entry>>,
}

impl VarsDirectory {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn group(&self, name: &str) -> Option<Arc<Layer>> {
        self.groups.get(name)?.as_ref().ok().cloned()
    }

    pub(super) fn host(&self, name: &HostName) -> Option<Arc<Layer>> {
        self.hosts.get(name.as_str())?.as_ref().ok().cloned()
    }
}

impl Inventory {
    /// Reads `group_vars` and `host_vars` of a directory: that of an inventory source, or of a playbook.
    pub fn add_vars_directory(
        &mut self,
        source: &dyn Source,
        path: &Path,
        playbook: bool,
    ) -> Result<(), Diagnostic> {
        if self
            .vars_directories
            .iter()
            .any(|known| known.path == path && known.playbook == playbook)
        {
            return Ok(());
        }
        let mut warnings = Vec::new();
        let mut read_all = |kind: &str, level: fn(bool, bool) -> Level| {
            let files = files_by_name(source, &path.join(kind)).into_iter();
            files
                .map(|(name, files)| {
                    let layer = read(source, &files, level(playbook, name == "all"), &mut warnings);
                    (name, layer)
                })
                .collect::<HashMap<_, _>>()
        };
        let groups = read_all("group_vars", |playbook, all| match (playbook, all) {
            (false, true) => Level::InventoryGroupVarsAll,
            (true, true) => Level::PlaybookGroupVarsAll,
            (false, false) => Level::InventoryGroupVars,
            (true, false) => Level::PlaybookGroupVars,
        });
        let hosts = read_all("host_vars", |playbook, _| {
            if playbook { Level::PlaybookHostVars } else { Level::InventoryHostVars }
        });
        for warning in &warnings {
            self.warn(warning);
        }
        self.vars_directories.push(VarsDirectory {
            playbook,
            path: path.to_owned(),
            groups: groups.into(),
            hosts: hosts.into(),
        });
        // While sources are read, groups and hosts are still to come; the end of that checks.
        if playbook { self.check_vars_files() } else { Ok(()) }
    }

    /// Fails with the error of a file that belongs to a known group or host.
    pub(super) fn check_vars_files(&self) -> Result<(), Diagnostic> {
        let wrong = |entries: &HashMap<String, Entry>, is_known: &dyn Fn(&str) -> bool| {
            let mut wrong = entries
                .iter()
                .filter_map(|(name, entry)| Some((name, entry.as_ref().err()?)))
                .filter(|(name, _)| is_known(name))
                .collect::<Vec<_>>();
            wrong.sort_by_key(|(name, _)| *name);
            wrong.first().map(|(_, error)| (*error).clone())
        };
        for directory in &self.vars_directories {
            let error = wrong(&directory.groups, &|name| self.groups.contains_key(name))
                .or_else(|| wrong(&directory.hosts, &|name| self.host(name).is_some()));
            if let Some(error) = error {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Variable directories of playbooks or of inventories, highest precedence first.
    pub(super) fn directories(&self, playbook: bool) -> impl Iterator<Item = &VarsDirectory> {
        self.vars_directories.iter().rev().filter(move |one| one.playbook == playbook)
    }
}

/// The files of each name: the first of `web` (a file, or all files below a directory), `web.yml`, `web.yaml`, `web.json`.
fn files_by_name(source: &dyn Source, directory: &Path) -> IndexMap<String, Vec<PathBuf>> {
    let mut best: IndexMap<String, (usize, PathBuf)> = IndexMap::new();
    for path in source.list(directory) {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if is_hidden(name) {
            continue;
        }
        // A name with a dot may be that of a host, or end in one of the known endings: `web.yml` is for both.
        for (rank, ending) in ENDINGS.iter().enumerate() {
            let Some(stem) = name.strip_suffix(ending).filter(|stem| !stem.is_empty()) else {
                continue;
            };
            if best.get(stem).is_none_or(|(known, _)| rank < *known) {
                best.insert(stem.to_owned(), (rank, path.clone()));
            }
        }
    }
    best.into_iter()
        .map(|(name, (_, path))| {
            let mut files = Vec::new();
            if source.is_dir(&path) {
                collect(source, &path, &mut files);
            } else {
                files.push(path);
            }
            (name, files)
        })
        .collect()
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~')
}

/// The variable files below a directory: those with a known ending, and those without any.
fn collect(source: &dyn Source, directory: &Path, files: &mut Vec<PathBuf>) {
    for path in source.list(directory) {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if is_hidden(name) {
            continue;
        }
        if source.is_dir(&path) {
            collect(source, &path, files);
        } else if !name.contains('.') || ENDINGS[1..].iter().any(|it| name.ends_with(it)) {
            files.push(path);
        }
    }
}

fn read(
    source: &dyn Source,
    files: &[PathBuf],
    level: Level,
    warnings: &mut Vec<Diagnostic>,
) -> Entry {
    let mut vars = Vars::new();
    for file in files {
        let document = read_document(source, file, warnings)?;
        if document.is_null() {
            continue;
        }
        let Some(entries) = document.as_map() else {
            let message =
                format!("a file of variables must hold a mapping, not {}", document.kind());
            return Err(Diagnostic::error(message).at(&document.span));
        };
        for (key, value) in entries {
            let name = key.as_str().unwrap_or_else(|| key.span.text());
            vars.insert(name.into(), value_from_node(value)?);
        }
    }
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    Ok(Arc::new(Layer::new(level, names.join(", "), vars)))
}
