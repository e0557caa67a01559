//! `group_vars` and `host_vars` beside inventories and playbooks.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::HostName;
use yaml::Diagnostic;

use super::Inventory;
use crate::source::{Source, read_document};
use crate::value::vars_from_node;
use crate::{Layer, Level, Vars};

/// What one directory's `group_vars` and `host_vars` say.
#[derive(Debug, Clone)]
pub(super) struct VarsDirectory {
    pub(super) playbook: bool,
    path: PathBuf,
    groups: HashMap<Arc<str>, Arc<Layer>>,
    hosts: HashMap<HostName, Arc<Layer>>,
}

impl VarsDirectory {
    pub(super) fn group(&self, name: &str) -> Option<Arc<Layer>> {
        self.groups.get(name).cloned()
    }

    pub(super) fn host(&self, name: &HostName) -> Option<Arc<Layer>> {
        self.hosts.get(name).cloned()
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
        let level = |group: bool, all: bool| match (playbook, group, all) {
            (false, true, true) => Level::InventoryGroupVarsAll,
            (true, true, true) => Level::PlaybookGroupVarsAll,
            (false, true, false) => Level::InventoryGroupVars,
            (true, true, false) => Level::PlaybookGroupVars,
            (false, false, _) => Level::InventoryHostVars,
            (true, false, _) => Level::PlaybookHostVars,
        };
        let mut warnings = Vec::new();
        let mut groups = HashMap::new();
        for (name, files) in files_by_name(source, &path.join("group_vars")) {
            let layer = read(source, &files, level(true, name == "all"), &mut warnings)?;
            groups.insert(Arc::from(name), layer);
        }
        let mut hosts = HashMap::new();
        for (name, files) in files_by_name(source, &path.join("host_vars")) {
            let layer = read(source, &files, level(false, false), &mut warnings)?;
            hosts.insert(HostName::new(name), layer);
        }
        self.warnings.extend(warnings.iter().map(|warning| warning.render(yaml::Style::Plain)));
        self.vars_directories.push(VarsDirectory {
            playbook,
            path: path.to_owned(),
            groups,
            hosts,
        });
        Ok(())
    }
}

/// The files of each name: `web`, `web.yml`, `web.yaml`, `web.json`, and everything below a directory `web/`.
fn files_by_name(source: &dyn Source, directory: &Path) -> Vec<(String, Vec<PathBuf>)> {
    let mut found: Vec<(String, Vec<PathBuf>)> = Vec::new();
    for path in source.list(directory) {
        let Some(file_name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if is_hidden(file_name) {
            continue;
        }
        let is_directory = source.is_dir(&path);
        let name = if is_directory { Some(file_name) } else { variable_file_stem(file_name) };
        let Some(name) = name else { continue };
        let mut files = Vec::new();
        if is_directory {
            collect(source, &path, &mut files);
        } else {
            files.push(path.clone());
        }
        match found.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => known.extend(files),
            None => found.push((name.to_owned(), files)),
        }
    }
    found
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~')
}

/// The name that a variable file is for: its own without one of the known endings; `None` for other endings.
fn variable_file_stem(name: &str) -> Option<&str> {
    for ending in [".yml", ".yaml", ".json"] {
        if let Some(stem) = name.strip_suffix(ending) {
            return Some(stem);
        }
    }
    let has_other_ending = [".orig", ".bak", ".retry", ".pyc", ".swp", ".md", ".txt", ".j2"]
        .iter()
        .any(|ending| name.ends_with(ending));
    (!has_other_ending).then_some(name)
}

fn collect(source: &dyn Source, directory: &Path, files: &mut Vec<PathBuf>) {
    for path in source.list(directory) {
        let Some(name) =
            path.file_name().and_then(|name| name.to_str()).filter(|name| !is_hidden(name))
        else {
            continue;
        };
        if source.is_dir(&path) {
            collect(source, &path, files);
        } else if variable_file_stem(name).is_some() {
            files.push(path);
        }
    }
}

fn read(
    source: &dyn Source,
    files: &[PathBuf],
    level: Level,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Arc<Layer>, Diagnostic> {
    let mut vars = Vars::new();
    for file in files {
        let document = read_document(source, file, warnings)?;
        vars.extend(vars_from_node(&document, "a variable file")?);
    }
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    Ok(Arc::new(Layer::new(level, names.join(", "), vars)))
}
