//! Modules in Python that import `ansible.module_utils`: put together with all that they import, and nothing else, into
//! one text that a host's interpreter gets. Who runs it, and how, is not known here.

mod imports;
mod installation;
mod own;
mod package;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use model::Digest;

use crate::link::BlobStore;
use installation::{Installation, Surroundings};
use package::{Places, Problem};

/// The version that modules are told when this controller has no ansible-core.
const VERSION: &str = "2.19.0";

/// Modules that were put together in this run.
#[derive(Default)]
pub(crate) struct Packages {
    installation: OnceLock<Option<Installation>>,
    made: Mutex<HashMap<PathBuf, Digest>>,
}

/// Where a module and what it imports may lie.
pub(crate) struct Content<'a> {
    /// The module's file.
    pub(crate) file: &'a Path,
    /// Its name in Python; `ansible.legacy.NAME` but for those of collections.
    pub(crate) module: &'a str,
    /// `module_utils` directories of the playbook, roles and settings.
    pub(crate) module_utils: Vec<PathBuf>,
    /// Directories that hold `ansible_collections`.
    pub(crate) collections: Vec<PathBuf>,
}

impl Packages {
    /// The blob that a host's interpreter wants.
    pub(crate) fn digest(
        &self,
        content: &Content<'_>,
        text: &str,
        blobs: &Arc<dyn BlobStore>,
    ) -> Result<Digest, String> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(digest) = made.get(content.file) {
            return Ok(*digest);
        }
        let installation = self.installation();
        let places = Places {
            module_utils: &content.module_utils,
            collections: &content.collections,
            installation,
        };
        let package = places.package(content.module, text).map_err(|problem| {
            let shown = content.file.display();
            explain(&problem, shown, installation.is_some())
        })?;
        let digest = blobs
            .add(package.to_string().as_bytes())
            .map_err(|error| format!("cannot keep the module: {error}"))?;
        made.insert(content.file.to_owned(), digest);
        Ok(digest)
    }

    /// The version that modules are told.
    pub(crate) fn version(&self) -> &str {
        self.installation().map_or(VERSION, |installation| &installation.version)
    }

    fn installation(&self) -> Option<&Installation> {
        self.installation.get_or_init(|| Surroundings::of_process().find()).as_ref()
    }
}

/// Where an installed ansible-core has collections beside it (the package `ansible`).
pub fn installed_collections() -> Option<PathBuf> {
    let found = Surroundings::of_process().find()?;
    found.packages.join("ansible_collections").is_dir().then_some(found.packages)
}

/// What a module that came with the content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foreign {
    /// Python, with all that it imports.
    Python,
    /// Python that imports what is nowhere, or a file that cannot be read: why.
    Broken(String),
    /// Another program.
    Program,
}

impl Foreign {
    /// Looks at a module's file.
    pub fn of(loader: &language::Loader, file: &Path) -> Self {
        let bytes = match std::fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) => return Self::Broken(format!("cannot read {}: {error}", file.display())),
        };
        let Some(text) = std::str::from_utf8(&bytes).ok().filter(|text| imports_module_utils(text))
        else {
            return Self::Program;
        };
        let installation = Surroundings::of_process().find();
        let module_utils = loader.module_utils();
        let collections = loader.collections().roots();
        let places = Places {
            module_utils: &module_utils,
            collections: &collections,
            installation: installation.as_ref(),
        };
        match places.package(&name_of(loader, file), text) {
            Ok(_) => Self::Python,
            Err(problem) => Self::Broken(explain(&problem, file.display(), installation.is_some())),
        }
    }
}

/// The name under which Python knows a module's file.
pub(crate) fn name_of(loader: &language::Loader, file: &Path) -> String {
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    match loader.collection_of(file) {
        Some(collection) => format!("ansible_collections.{collection}.plugins.modules.{name}"),
        None => format!("ansible.legacy.{name}"),
    }
}

/// Whether a program in Python needs what Ansible packs with modules.
pub(crate) fn imports_module_utils(text: &str) -> bool {
    imports::imports(text).iter().any(|import| {
        let in_collection = import.module.starts_with("ansible_collections.");
        let module_utils = import.module.contains("module_utils");
        import.module.starts_with("ansible.module_utils")
            || (import.module == "ansible"
                && import.names.iter().any(|name| name == "module_utils"))
            || ((in_collection || import.level > 0) && module_utils)
    })
}

fn explain(problem: &Problem, file: std::path::Display<'_>, installed: bool) -> String {
    let Problem { importer, wanted } = problem;
    let hint = if wanted.starts_with("ansible_collections.") {
        "Install that collection on this controller (`ansible-galaxy collection install`)"
    } else if installed {
        "Neither the installed ansible-core nor a `module_utils` directory of the content has it"
    } else {
        "It comes with ansible-core, which this controller lacks (`pip install ansible-core`); Muster's own stand-in has \
         only what most modules need"
    };
    format!(
        "the module in {file} cannot be sent: `{importer}` imports `{wanted}`, which is nowhere. {hint}"
    )
}

#[cfg(test)]
mod tests {
    use super::imports_module_utils;

    #[test]
    fn imports_are_told() {
        for (text, wanted) in [
            ("from ansible.module_utils.basic import AnsibleModule\n", true),
            ("    import ansible.module_utils.basic as b\n", true),
            ("from ansible.module_utils import basic\n", true),
            ("from ansible import module_utils\n", true),
            ("from ..module_utils.x import y\n", true),
            ("from ansible_collections.a.b.plugins.module_utils.x import y\n", true),
            ("# needs ansible.module_utils\nimport json\n", false),
            ("'''\nimport ansible.module_utils.basic\n'''\n", false),
        ] {
            assert_eq!(imports_module_utils(text), wanted, "{text}");
        }
    }
}
