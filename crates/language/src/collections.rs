//! Collections on this machine: where they are, and what `meta/runtime.yml` says of the names in them: which lead to other
//! names, which will go or are gone, and which belong to groups. Reads no plugin and runs nothing.

mod metadata;
mod version;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use yaml::{Diagnostic, Result};

use crate::Source;
pub(crate) use metadata::{Group, Metadata};

/// The version of ansible-core whose behaviour this is, for collections that say which they need.
const CORE: &str = "2.19.0";

/// What is said of a collection that does not support this version (`COLLECTIONS_ON_ANSIBLE_VERSION_MISMATCH`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VersionMismatch {
    /// A person is told.
    #[default]
    Warn,
    /// Nothing of it can be used.
    Refuse,
    /// Nothing.
    Ignore,
}

/// Finds collections and follows the names in them.
pub struct Collections {
    source: Arc<dyn Source>,
    configured: Vec<PathBuf>,
    mismatch: VersionMismatch,
    learnt: Mutex<Learnt>,
}

#[derive(Default)]
struct Learnt {
    /// Directories beside playbooks.
    beside: Vec<PathBuf>,
    metadata: HashMap<String, Option<Arc<Metadata>>>,
    warnings: Vec<Diagnostic>,
    deprecations: Vec<String>,
}

/// The names that a name led to, itself first, and what is to be said when the last one is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// Never empty.
    pub names: Vec<Arc<str>>,
    /// What will not be possible for ever.
    pub deprecations: Vec<String>,
}

impl Trail {
    pub(crate) fn of(name: &str) -> Self {
        Self { names: vec![name.into()], deprecations: Vec::new() }
    }

    /// Where it ends.
    pub fn end(&self) -> &Arc<str> {
        self.names.last().expect("a trail has the name that it began with")
    }
}

impl Collections {
    /// Those in directories that hold `ansible_collections`, or are it.
    pub fn new(source: Arc<dyn Source>, configured: &[PathBuf]) -> Self {
        let configured = configured.iter().map(|path| root(path)).collect();
        Self { source, configured, mismatch: VersionMismatch::default(), learnt: Mutex::default() }
    }

    /// What is said of collections for other versions.
    #[must_use]
    pub fn with_mismatch(self, mismatch: VersionMismatch) -> Self {
        Self { mismatch, ..self }
    }

    /// Takes in the `collections` beside a playbook: they come first.
    pub(crate) fn learn(&self, playbook_dir: &Path) {
        let directory = playbook_dir.join("collections");
        if !self.source.is_dir(&directory.join("ansible_collections")) {
            return;
        }
        let mut learnt = self.learnt();
        if !learnt.beside.contains(&directory) {
            learnt.beside.push(directory);
            learnt.metadata.clear();
        }
    }

    /// The directories that hold `ansible_collections`.
    pub fn roots(&self) -> Vec<PathBuf> {
        self.learnt().beside.iter().chain(&self.configured).cloned().collect()
    }

    /// The directory of a collection: the first that there is hides all others.
    pub fn directory(&self, collection: &str) -> Option<PathBuf> {
        let (namespace, name) = collection.split_once('.')?;
        if !is_word(namespace) || !is_word(name) {
            return None;
        }
        let place = Path::new("ansible_collections").join(namespace).join(name);
        let mut paths = self.roots().into_iter().map(|root| root.join(&place));
        paths.find(|path| self.source.is_dir(path))
    }

    /// What a collection says of itself; nothing where it is not on this machine.
    pub(crate) fn metadata(&self, collection: &str) -> Result<Option<Arc<Metadata>>> {
        if let Some(known) = self.learnt().metadata.get(collection) {
            return Ok(known.clone());
        }
        let Some(directory) = self.directory(collection) else { return Ok(None) };
        let metadata = match Metadata::read(&*self.source, &directory) {
            Ok(metadata) => metadata,
            Err(error) => {
                let text = format!(
                    "the metadata of the collection {collection} cannot be read: {}",
                    error.message()
                );
                self.warn(Diagnostic::warning(text));
                Metadata::default()
            }
        };
        self.check_version(collection, &metadata)?;
        let metadata = Some(Arc::new(metadata));
        self.learnt().metadata.insert(collection.to_owned(), metadata.clone());
        Ok(metadata)
    }

    fn check_version(&self, collection: &str, metadata: &Metadata) -> Result<()> {
        let Some(needed) = &metadata.requires_ansible else { return Ok(()) };
        if self.mismatch == VersionMismatch::Ignore || version::is_in(CORE, needed) {
            return Ok(());
        }
        let text = format!("Collection {collection} does not support Ansible version {CORE}");
        if self.mismatch == VersionMismatch::Refuse {
            return Err(Diagnostic::error(text).note(format!("it needs {needed}")));
        }
        self.warn(Diagnostic::warning(text));
        Ok(())
    }

    /// Follows a full name of a kind of plugin (`modules`, `lookup`, `filter`...) to where it is today.
    pub fn follow(&self, kind: &str, full: &str) -> Result<Trail> {
        let mut trail = Trail::of(full);
        loop {
            let name = trail.end().clone();
            let Some((collection, inner)) = split(&name) else { return Ok(trail) };
            let Some(metadata) = self.metadata(collection)? else { return Ok(trail) };
            let Some(route) = metadata.route(kind, inner) else { return Ok(trail) };
            if let Some(gone) = &route.tombstone {
                let what = noun(kind);
                let text = format!("The '{name}' {what} has been removed.");
                return Err(Diagnostic::error(format!("{text}{}", gone.removed(collection))));
            }
            if let Some(going) = &route.deprecation {
                trail.deprecations.push(format!(
                    "{name} has been deprecated.{}",
                    going.to_be_removed(collection)
                ));
            }
            let Some(next) = &route.redirect else { return Ok(trail) };
            if split(next).is_none() {
                return Err(Diagnostic::error(format!(
                    "Collection {collection} contains invalid redirect for {name}: {next}. Redirects must use fully \
                     qualified collection names."
                )));
            }
            if trail.names.contains(next) {
                let names = trail.names.iter().map(|name| format!("'{name}'"));
                let names = names.collect::<Vec<_>>().join(", ");
                let text = format!("plugin redirect loop resolving {full} (path: [{names}])");
                return Err(Diagnostic::error(text));
            }
            trail.names.push(next.clone());
        }
    }

    /// The names of a group of actions, and those of the groups that it takes in. `None`: there is no such group in a
    /// collection that is there.
    pub(crate) fn group(&self, full: &str) -> Result<Option<Vec<String>>> {
        let mut names = Vec::new();
        let mut groups = vec![full.to_owned()];
        let mut seen = 0;
        while let Some(group) = groups.get(seen).cloned() {
            seen += 1;
            let Some((collection, inner)) = split(&group) else { continue };
            let Some(metadata) = self.metadata(collection)? else { continue };
            let Some(Group { actions, extends, problem }) = metadata.groups.get(inner) else {
                if seen == 1 {
                    return Ok(None);
                }
                continue;
            };
            if let Some(problem) = problem {
                self.warn(Diagnostic::warning(format!(
                    "Invalid metadata was found for action_group {group} while loading module_defaults. {problem}"
                )));
            }
            let whole = |name: &String| {
                if name.contains('.') { name.clone() } else { format!("{collection}.{name}") }
            };
            names.extend(actions.iter().map(whole));
            let more: Vec<_> =
                extends.iter().map(whole).filter(|name| !groups.contains(name)).collect();
            groups.extend(more);
        }
        Ok(Some(names))
    }

    pub(crate) fn warn(&self, warning: Diagnostic) {
        let mut learnt = self.learnt();
        if !learnt.warnings.iter().any(|known| known.message() == warning.message()) {
            learnt.warnings.push(warning);
        }
    }

    pub(crate) fn deprecate(&self, trail: &Trail) {
        let mut learnt = self.learnt();
        for text in &trail.deprecations {
            if !learnt.deprecations.contains(text) {
                learnt.deprecations.push(text.clone());
            }
        }
    }

    pub(crate) fn take_warnings(&self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.learnt().warnings)
    }

    pub(crate) fn take_deprecations(&self) -> Vec<String> {
        std::mem::take(&mut self.learnt().deprecations)
    }

    fn learnt(&self) -> std::sync::MutexGuard<'_, Learnt> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Collection and name of a full name.
pub(crate) fn split(full: &str) -> Option<(&str, &str)> {
    let second = full.match_indices('.').nth(1)?.0;
    let (collection, inner) = (&full[..second], &full[second + 1..]);
    let is_whole = !inner.is_empty() && collection.split('.').all(is_word);
    is_whole.then_some((collection, inner))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// The collection that a file lies in, as `NAMESPACE.NAME`.
pub(crate) fn of_path(path: &Path) -> Option<String> {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let at = parts.iter().rposition(|part| part == "ansible_collections")?;
    match &parts[at + 1..] {
        [namespace, name, _, ..] => Some(format!("{namespace}.{name}")),
        _ => None,
    }
}

fn root(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if path.ends_with("ansible_collections") => parent.to_owned(),
        _ => path.to_owned(),
    }
}

fn noun(kind: &str) -> String {
    match kind {
        "modules" => "module".to_owned(),
        kind => format!("{kind} plugin"),
    }
}

#[cfg(test)]
mod tests;
