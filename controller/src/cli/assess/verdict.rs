//! What becomes of a task: by the name of its action, and the modules that the project brings along.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use engine::Foreign;
use language::{Collections, Files, Loader, canonical_action};

use super::scan::Project;
use crate::content;
use crate::settings::Settings;

/// How a task runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// By Muster itself.
    Native,
    /// By the host's Python.
    Python,
    /// By another program's interpreter.
    Program,
    /// Not at all: why.
    Unsupported(String),
}

impl Way {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Python => "by Python",
            Self::Program => "by its interpreter",
            Self::Unsupported(_) => "unsupported",
        }
    }
}

/// Knows what there is.
pub(super) struct Judge {
    loader: Loader,
    actions: Vec<String>,
    known: RefCell<HashMap<String, Way>>,
}

impl Judge {
    pub(super) fn new(project: &Project, settings: &Settings) -> Self {
        let libraries = project.libraries.iter().chain(&settings.module_path).cloned().collect();
        let utils = project.module_utils.iter().chain(&settings.module_utils).cloned().collect();
        let collections =
            project.collections.iter().cloned().chain(content::collections_path(settings));
        let actions = content::actions();
        let collections = Collections::new(Arc::new(Files), &collections.collect::<Vec<_>>());
        let loader = Loader::new(Arc::new(Files))
            .with_module_path(libraries)
            .with_module_utils_path(utils)
            .with_collections(Arc::new(collections))
            .with_actions(actions.iter().map(String::as_str));
        Self { loader, actions, known: RefCell::default() }
    }

    /// What becomes of a task with this action.
    pub(super) fn way(&self, written: &str) -> Way {
        if let Some(way) = self.known.borrow().get(written) {
            return way.clone();
        }
        let way = self.look(written);
        self.known.borrow_mut().insert(written.to_owned(), way.clone());
        way
    }

    fn look(&self, written: &str) -> Way {
        if written.contains("{{") {
            return Way::Unsupported("its name is only known when it runs".to_owned());
        }
        if let Some(file) = self.loader.module_file(written) {
            return match Foreign::of(&self.loader, &file) {
                Foreign::Python => Way::Python,
                Foreign::Program => Way::Program,
                Foreign::Broken(why) => Way::Unsupported(why),
            };
        }
        let name = canonical_action(written);
        let by_name = self.actions.iter().any(|known| known == name);
        if by_name || modules::find(written).is_some() || language::is_directive(name) {
            return Way::Native;
        }
        let nearest = language::nearest(name, self.actions.iter().map(String::as_str));
        let hint = nearest.map_or(String::new(), |near| format!("; is `{near}` meant?"));
        match written.rsplit_once('.') {
            Some((collection, _)) => Way::Unsupported(format!(
                "no module of that name is built in, and the collection {collection} is not installed here{hint}"
            )),
            None => Way::Unsupported(format!("no module of that name is known{hint}")),
        }
    }
}
