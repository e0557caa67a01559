//! Modules that came with the content: files in the `library` directories of playbooks and roles, and where the settings
//! say. Nothing here reads or runs them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::Source;

/// Endings of files that are no modules.
const OTHER_FILES: &[&str] = &[
    "bak", "cfg", "csv", "ini", "json", "key", "md", "orig", "pem", "pyc", "pyo", "retry", "rpm",
    "rst", "swp", "toml", "txt", "yaml", "yml",
];

/// Where modules are searched: those of the playbook and of roles first, in the order in which they were read, then
/// those of the settings.
#[derive(Debug, Default)]
pub(crate) struct Library {
    /// `ANSIBLE_LIBRARY`.
    pub(crate) configured: Vec<PathBuf>,
    /// `ANSIBLE_MODULE_UTILS`.
    pub(crate) module_utils: Vec<PathBuf>,
    learnt: Mutex<Learnt>,
}

#[derive(Debug, Default)]
struct Learnt {
    directories: Vec<PathBuf>,
    module_utils: Vec<PathBuf>,
    /// What was found so far.
    found: HashMap<String, Option<PathBuf>>,
}

impl Library {
    /// Takes in the `library` and `module_utils` beside a playbook or in a role.
    pub(crate) fn learn(&self, source: &dyn Source, beside: &Path) {
        let directory = beside.join("library");
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        if source.is_dir(&directory) && !learnt.directories.contains(&directory) {
            learnt.directories.push(directory);
            learnt.found.clear();
        }
        let directory = beside.join("module_utils");
        if source.is_dir(&directory) && !learnt.module_utils.contains(&directory) {
            learnt.module_utils.push(directory);
        }
    }

    /// Where modules in Python find what the content brings along for them.
    pub(crate) fn module_utils(&self) -> Vec<PathBuf> {
        let learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        learnt.module_utils.iter().chain(&self.module_utils).cloned().collect()
    }

    /// The file of a module.
    pub(crate) fn find(&self, source: &dyn Source, name: &str) -> Option<PathBuf> {
        if !is_name(name) {
            return None;
        }
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = learnt.found.get(name) {
            return found.clone();
        }
        let directories = learnt.directories.iter().chain(&self.configured);
        let found = in_directories(source, directories, name);
        learnt.found.insert(name.to_owned(), found.clone());
        found
    }

    /// The file of a collection's module, whose name may lead into directories (`cloud.thing`).
    pub(crate) fn find_below(
        &self,
        source: &dyn Source,
        directory: &Path,
        full: &str,
        module: &str,
    ) -> Option<PathBuf> {
        let mut parts: Vec<&str> = module.split('.').collect();
        if !full.split('.').all(is_name) {
            return None;
        }
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = learnt.found.get(full) {
            return found.clone();
        }
        let name = parts.pop().unwrap_or_default();
        let inner: PathBuf = parts.iter().collect();
        let found = in_directories(source, [&directory.join(&inner)], name);
        learnt.found.insert(full.to_owned(), found.clone());
        found
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

fn in_directories<'a>(
    source: &dyn Source,
    directories: impl IntoIterator<Item = &'a PathBuf>,
    name: &str,
) -> Option<PathBuf> {
    directories.into_iter().flat_map(|directory| source.list(directory)).find(|path| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        path.file_stem().is_some_and(|stem| stem == name)
            && !ending.is_some_and(|ending| OTHER_FILES.contains(&&*ending))
            && source.is_file(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;

    #[test]
    fn the_first_directory_that_was_read_has_the_module() {
        let files = ["b/library/hello.sh", "a/library/hello.py", "set/hello", "a/library/x.ini"];
        let source = Memory::new(files.map(|path| (path, "")));
        let library = Library { configured: vec!["set".into()], ..Library::default() };
        assert_eq!(library.find(&source, "hello"), Some("set/hello".into()));
        library.learn(&source, Path::new("b"));
        library.learn(&source, Path::new("a"));
        assert_eq!(library.find(&source, "hello"), Some("b/library/hello.sh".into()));
        assert_eq!(library.find(&source, "x"), None);
        assert_eq!(library.find(&source, "../hello"), None);
    }

    #[test]
    fn a_collections_module_is_found_by_its_full_name() {
        let plugins = "c/ansible_collections/a/b/plugins/modules";
        let files = [format!("{plugins}/m.py"), format!("{plugins}/deep/n.py")];
        let source = Memory::new(files.iter().map(|path| (path.as_str(), "")));
        let library = Library::default();
        let find = |full: &str, module: &str| {
            library
                .find_below(&source, Path::new(plugins), full, module)
                .map(|path| path.display().to_string())
        };
        assert_eq!(find("a.b.m", "m"), Some(files[0].clone()));
        assert_eq!(find("a.b.deep.n", "deep.n"), Some(files[1].clone()));
        assert_eq!(find("a.b.nosuch", "nosuch"), None);
        assert_eq!(find("a.b...m", "..m"), None);
    }
}
