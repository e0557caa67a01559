//! The closure of a module's imports, as one JSON text: `{"module": NAME, "files": {PATH: TEXT}}`.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::imports::{Import, imports};
use super::installation::Installation;
use super::own;

/// Where imported files may lie.
pub(super) struct Places<'a> {
    pub(super) module_utils: &'a [PathBuf],
    pub(super) collections: &'a [PathBuf],
    pub(super) installation: Option<&'a Installation>,
}

/// How arguments get in and results get out.
const ALWAYS: &[&str] = &[
    "ansible.module_utils.basic",
    "ansible.module_utils._internal._json._profiles._module_legacy_c2m",
    "ansible.module_utils._internal._json._profiles._module_legacy_m2c",
];
/// Modules that are in no file: their package makes them.
const MADE_WHEN_RUN: &str = "ansible.module_utils.six.moves";
const SIX: &str = "ansible.module_utils.six";

/// An import that leads nowhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) importer: String,
    pub(super) wanted: String,
}

/// A file that was found for a dotted name.
struct Found {
    /// Inside the package.
    path: String,
    text: String,
}

/// A name that is still to be looked at.
struct Wanted {
    importer: String,
    name: String,
    optional: bool,
}

impl Places<'_> {
    pub(super) fn package(&self, module: &str, text: &str) -> Result<Value, Problem> {
        let mut files = BTreeMap::new();
        // What is loaded for a module whether it says so or not, as far as there is such a thing.
        let mut waiting: Vec<Wanted> = ALWAYS
            .iter()
            .map(|name| Wanted {
                importer: module.to_owned(),
                name: (*name).to_owned(),
                optional: true,
            })
            .collect();
        files.insert(format!("{}.py", module.replace('.', "/")), text.to_owned());
        self.read(module, text, false, &mut waiting);
        self.parents(module, &mut files);
        let mut seen = HashSet::new();
        while let Some(mut wanted) = waiting.pop() {
            if wanted.name.starts_with(MADE_WHEN_RUN) {
                SIX.clone_into(&mut wanted.name);
            }
            if !seen.insert(wanted.name.clone()) {
                continue;
            }
            match self.find(&wanted.name) {
                Some(found) => {
                    let is_package = found.path.ends_with("/__init__.py");
                    self.read(&wanted.name, &found.text, is_package, &mut waiting);
                    self.parents(&wanted.name, &mut files);
                    files.insert(found.path, found.text);
                }
                None if wanted.optional || self.is_folder(&wanted.name) => {
                    // What is optional may be wanted in earnest elsewhere.
                    seen.remove(&wanted.name);
                }
                None => return Err(Problem { importer: wanted.importer, wanted: wanted.name }),
            }
        }
        Ok(json!({ "module": module, "files": files }))
    }

    /// Takes in what a file imports.
    fn read(&self, importer: &str, text: &str, is_package: bool, waiting: &mut Vec<Wanted>) {
        for import in imports(text) {
            let Some(module) = absolute(&import, importer, is_package) else { continue };
            if !is_ours(&module) && module != "ansible" {
                continue;
            }
            let wanted = |name, optional| Wanted { importer: importer.to_owned(), name, optional };
            // A name taken from a module is a submodule or not: it is only tried.
            let submodules = import.names.iter().map(|taken| format!("{module}.{taken}"));
            for submodule in submodules.filter(|name| is_ours(name)) {
                waiting.push(wanted(submodule, true));
            }
            if is_ours(&module) {
                let by_submodule = !import.names.is_empty()
                    && import.names.iter().all(|taken| self.exists(&format!("{module}.{taken}")));
                waiting.push(wanted(module.clone(), import.optional || by_submodule));
            }
        }
    }

    /// The packages above a module, as their own files or as empty ones.
    fn parents(&self, name: &str, files: &mut BTreeMap<String, String>) {
        let mut above = name;
        while let Some((parent, _)) = above.rsplit_once('.') {
            above = parent;
            let path = format!("{}/__init__.py", parent.replace('.', "/"));
            if files.contains_key(&path) {
                continue;
            }
            let text = match parent {
                "ansible" => {
                    let version = self
                        .installation
                        .map_or(super::VERSION, |installation| &installation.version);
                    format!("__version__ = '{version}'\n__author__ = 'Ansible, Inc.'\n")
                }
                _ => self.find(parent).map(|found| found.text).unwrap_or_default(),
            };
            files.insert(path, text);
        }
    }

    fn exists(&self, name: &str) -> bool {
        self.find(name).is_some() || self.is_folder(name)
    }

    /// A package without a file of its own.
    fn is_folder(&self, name: &str) -> bool {
        self.roots(name).iter().any(|(root, inner)| root.join(inner).is_dir())
    }

    /// Directories under which a dotted name may be, each with the rest of the path.
    fn roots(&self, name: &str) -> Vec<(PathBuf, String)> {
        let path = name.replace('.', "/");
        let mut roots = Vec::new();
        if let Some(inner) = path.strip_prefix("ansible/module_utils/") {
            let own = self.module_utils.iter().map(|root| (root.clone(), inner.to_owned()));
            roots.extend(own);
        }
        if path.starts_with("ansible_collections/") {
            roots.extend(self.collections.iter().map(|root| (root.clone(), path.clone())));
        }
        roots.extend(self.installation.map(|found| (found.packages.clone(), path)));
        roots
    }

    fn find(&self, name: &str) -> Option<Found> {
        let path = name.replace('.', "/");
        for (root, inner) in self.roots(name) {
            for (ending, kept) in
                [("/__init__.py", format!("{path}/__init__.py")), (".py", format!("{path}.py"))]
            {
                if let Some(text) = read(&root.join(format!("{inner}{ending}"))) {
                    return Some(Found { path: kept, text });
                }
            }
        }
        if self.installation.is_some() {
            return None;
        }
        let (path, text) = own::find(&path)?;
        Some(Found { path, text: text.to_owned() })
    }
}

/// Only these go along; the rest is the host's own Python.
fn is_ours(name: &str) -> bool {
    name == "ansible.module_utils"
        || name.starts_with("ansible.module_utils.")
        || name.starts_with("ansible_collections.")
}

/// The full name of what is imported in the module `name`.
fn absolute(import: &Import, name: &str, is_package: bool) -> Option<String> {
    if import.level == 0 {
        return Some(import.module.clone());
    }
    let mut base = name;
    let up = if is_package { import.level - 1 } else { import.level };
    for _ in 0..up {
        base = base.rsplit_once('.')?.0;
    }
    Some(if import.module.is_empty() {
        base.to_owned()
    } else {
        format!("{base}.{}", import.module)
    })
}

fn read(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn paths(places: &Places<'_>, module: &str, text: &str) -> Result<Vec<String>, Problem> {
        let package = places.package(module, text)?;
        let files = package["files"].as_object().expect("a dictionary");
        Ok(files.keys().cloned().collect())
    }

    fn lay(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("it has one")).expect("made");
            fs::write(path, text).expect("written");
        }
    }

    #[test]
    fn a_module_takes_along_what_it_imports_and_no_more() {
        let home = tempfile::tempdir().expect("made");
        lay(
            home.path(),
            &[
                ("utils/own/__init__.py", "from .inner import y\n"),
                ("utils/own/inner.py", "import json\n"),
                ("utils/unused.py", ""),
                (
                    "c/ansible_collections/a/b/plugins/module_utils/x.py",
                    "from ..module_utils import z\n",
                ),
                ("c/ansible_collections/a/b/plugins/module_utils/z.py", ""),
                ("c/ansible_collections/a/b/plugins/module_utils/w.py", ""),
            ],
        );
        let (utils, collections) = ([home.path().join("utils")], [home.path().join("c")]);
        let places = Places { module_utils: &utils, collections: &collections, installation: None };
        let text = "from ansible.module_utils import own\nfrom ..module_utils.x import f\n";
        let found = paths(&places, "ansible_collections.a.b.plugins.modules.m", text);
        let found = found.expect("all is there");
        let kept = |path: &str| found.iter().any(|found| found == path);
        for path in [
            "ansible_collections/__init__.py",
            "ansible_collections/a/b/plugins/modules/m.py",
            "ansible_collections/a/b/plugins/module_utils/x.py",
            "ansible_collections/a/b/plugins/module_utils/z.py",
            "ansible/__init__.py",
            "ansible/module_utils/own/__init__.py",
            "ansible/module_utils/own/inner.py",
            "ansible/module_utils/basic.py",
        ] {
            assert!(kept(path), "{path} in {found:#?}");
        }
        assert!(!found.iter().any(|path| path.contains("unused") || path.ends_with("/w.py")));
    }

    #[test]
    fn what_cannot_be_found_is_named_unless_the_module_can_do_without() {
        let places = Places { module_utils: &[], collections: &[], installation: None };
        let module = "ansible.legacy.m";
        for wanted in
            ["ansible.module_utils.nosuch", "ansible_collections.a.b.plugins.module_utils.x"]
        {
            let problem = paths(&places, module, &format!("from {wanted} import x\n"));
            let problem = problem.expect_err("it is nowhere");
            assert_eq!((problem.importer.as_str(), problem.wanted.as_str()), (module, wanted));
            let optional =
                format!("try:\n    from {wanted} import x\nexcept ImportError:\n    x = None\n");
            assert!(paths(&places, module, &optional).is_ok(), "{wanted}");
        }
        let dynamic = "from ansible.module_utils.six.moves.urllib.parse import quote\n";
        assert!(paths(&places, module, dynamic).is_ok());
    }

    #[test]
    fn an_installed_ansible_core_is_preferred_to_the_stand_in() {
        let home = tempfile::tempdir().expect("made");
        let basic = "from ansible.module_utils.common import x\n";
        lay(
            home.path(),
            &[
                ("ansible/module_utils/basic.py", basic),
                ("ansible/module_utils/common/__init__.py", "# theirs\n"),
                ("ansible/module_utils/common/x.py", ""),
            ],
        );
        let installation =
            Installation { packages: home.path().to_owned(), version: "2.17.1".to_owned() };
        let places =
            Places { module_utils: &[], collections: &[], installation: Some(&installation) };
        let package = places.package("ansible.legacy.m", "import ansible.module_utils.basic\n");
        let package = package.expect("all is there");
        assert_eq!(package["files"]["ansible/module_utils/basic.py"], basic);
        assert_eq!(package["files"]["ansible/module_utils/common/__init__.py"], "# theirs\n");
        assert!(
            package["files"]["ansible/__init__.py"]
                .as_str()
                .is_some_and(|it| it.contains("'2.17.1'"))
        );
        let problem = places.package("ansible.legacy.m", "import ansible.module_utils.six\n");
        assert!(problem.is_err(), "the two are not mixed");
    }
}
