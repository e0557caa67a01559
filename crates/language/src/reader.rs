//! From documents to the tree: one reader for each file, which knows its place.
//!
//! Structure is checked here, completely and before anything runs; values that are templates are not.

mod action;
mod argument_specs;
mod play;
mod role;
mod task;

use std::path::{Path, PathBuf};

use yaml::{Diagnostic, Node, NodeValue, Result, Span};

use crate::Item;
use crate::loader::{Loader, Place, directory_of};
use crate::names::On;

/// More imports inside each other than any content has.
const MAX_IMPORTS: usize = 100;

/// Reads what stands at one place.
pub(crate) struct Reader<'a> {
    loader: &'a Loader,
    place: Place,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(loader: &'a Loader, place: Place) -> Self {
        Self { loader, place }
    }

    pub(crate) fn of_playbook(loader: &'a Loader, path: &Path) -> Self {
        Self::new(loader, Place::of_playbook(path).in_file(path))
    }

    /// What a task is called here.
    fn on_task(&self) -> On {
        if self.place.is_handler { On::Handler } else { On::Task }
    }

    /// The tasks of another file.
    pub(crate) fn task_file(&self, name: &str, at: Option<&Span>) -> Result<Vec<Item>> {
        let candidates = self.task_files(name);
        let Some(path) = candidates.iter().find(|path| self.loader.source.is_file(path)) else {
            let error =
                Diagnostic::error(format!("Could not find or access '{name}' on the controller"))
                    .missing()
                    .note(format!("searched: {}", list_paths(&candidates)));
            return Err(point(error, at));
        };
        let reader = self.entering(path, at)?;
        let node = self.loader.document(path).map_err(|error| point(error, at))?;
        reader.items(&node)
    }

    /// A reader for a file that is imported here; refuses a file that is being read already.
    fn entering(&self, path: &Path, at: Option<&Span>) -> Result<Reader<'a>> {
        let Place { trail, .. } = &self.place;
        if trail.iter().any(|outer| outer == path) || trail.len() > MAX_IMPORTS {
            let error = Diagnostic::error(format!("{} imports itself", path.display()))
                .note(format!("on the way: {}", list_paths(trail)));
            return Err(point(error, at));
        }
        Ok(Self::new(self.loader, self.place.in_file(path)))
    }

    /// Where a file of tasks may be: beside the file that names it, in the role, beside the playbook.
    fn task_files(&self, name: &str) -> Vec<PathBuf> {
        let Place { playbook_dir, role, file, is_handler, .. } = &self.place;
        let mut paths = vec![directory_of(file).join(name)];
        if let Some(role) = role {
            paths.push(role.join(if *is_handler { "handlers" } else { "tasks" }).join(name));
            paths.push(role.join(name));
        }
        paths.push(playbook_dir.join(name));
        let mut seen = Vec::new();
        paths.retain(|path| {
            let is_new = !seen.contains(path);
            seen.push(path.clone());
            is_new
        });
        paths
    }

    /// The tasks and blocks of a list.
    pub(crate) fn items(&self, node: &Node) -> Result<Vec<Item>> {
        match &node.value {
            NodeValue::Null => Ok(Vec::new()),
            NodeValue::Seq(items) => items.iter().map(|item| self.item(item)).collect(),
            _ => Err(Diagnostic::error(format!("expected a list of tasks, found {}", node.kind()))
                .at(&node.span)
                .hint("each task begins with `- `")),
        }
    }
}

/// The error at a place, unless it points at one already.
fn point(error: Diagnostic, at: Option<&Span>) -> Diagnostic {
    match at {
        Some(span) => error.or_at(span),
        None => error,
    }
}

fn list_paths(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}
