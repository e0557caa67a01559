//! The way into the tree: playbooks, task files, roles and files of variables, found, read and expanded.
//!
//! Called once for a playbook, and again by the engine for every include. Static imports are expanded here; what they
//! may use of variables is what is known without hosts.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jinja::{Disk, Environment, Templar, Value};
use yaml::{Diagnostic, NodeValue, Result, Span};

use crate::library::Library;
use crate::reader::Reader;
use crate::source::read_document;
use crate::value::vars_from_node;
use crate::{Item, Layer, Level, Playbook, Role, Scope, Source, Vars};

/// Reads the files of the language into trees.
pub struct Loader {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) roles_path: Vec<PathBuf>,
    pub(crate) collections_path: Vec<PathBuf>,
    pub(crate) actions: Vec<Arc<str>>,
    pub(crate) library: Library,
    extra_vars: Arc<Layer>,
    environment: Environment,
    duplicates: Duplicates,
    warnings: Mutex<Vec<Diagnostic>>,
}

/// What is done about a key that stands twice in a mapping (`DUPLICATE_YAML_DICT_KEY`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duplicates {
    /// The last one counts, and a person is told.
    #[default]
    Warn,
    /// The file is refused.
    Refuse,
    /// The last one counts.
    Ignore,
}

/// Where in the content something stands: what relative names are relative to, and what templates of static imports see.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The directory of the playbook.
    pub playbook_dir: PathBuf,
    /// The directory of the role that it belongs to.
    pub role: Option<PathBuf>,
    /// The file that it stands in.
    pub file: PathBuf,
    /// Whether it is among handlers.
    pub is_handler: bool,
    /// Variables that are known here.
    pub scope: Scope,
    /// The files whose imports led here, to find circles.
    pub(crate) trail: Vec<PathBuf>,
}

/// The use of a role: which one, which of its files, and what was written beside it.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields are the arguments of include_role, documented there")]
pub struct RoleRequest {
    pub name: String,
    pub tasks_from: Option<String>,
    pub vars_from: Option<String>,
    pub defaults_from: Option<String>,
    pub handlers_from: Option<String>,
    pub public: bool,
    /// `public` is written, and outweighs `private_role_vars`.
    pub says_public: bool,
    pub allow_duplicates: Option<bool>,
    /// `rolespec_validate: false` leaves its arguments unchecked.
    pub rolespec_validate: Option<bool>,
    /// Keywords beside the name.
    pub common: Arc<crate::Common>,
    /// Parameters: the keys beside the name that are no keywords.
    pub params: Vars,
    /// Where the name is written.
    pub span: Option<Span>,
}

impl Loader {
    /// A loader without search paths and extra variables.
    pub fn new(source: Arc<dyn Source>) -> Self {
        Self {
            source,
            roles_path: Vec::new(),
            collections_path: Vec::new(),
            actions: Vec::new(),
            library: Library::default(),
            extra_vars: Arc::new(Layer::new(Level::ExtraVars, "extra vars", Vars::new())),
            environment: Environment::new(),
            duplicates: Duplicates::default(),
            warnings: Mutex::default(),
        }
    }

    /// Passwords that open encrypted values in what static imports need.
    pub fn with_vault(self, vault: Arc<vault::Keyring>) -> Self {
        Self { environment: self.environment.with_vault(vault), ..self }
    }

    /// What is done about keys that stand twice.
    pub fn with_duplicates(self, duplicates: Duplicates) -> Self {
        Self { duplicates, ..self }
    }

    /// Directories in which roles are searched after `roles/` beside the playbook (`ANSIBLE_ROLES_PATH`).
    pub fn with_roles_path(self, roles_path: Vec<PathBuf>) -> Self {
        Self { roles_path, ..self }
    }

    /// Directories that hold `ansible_collections` (`ANSIBLE_COLLECTIONS_PATH`).
    pub fn with_collections_path(self, collections_path: Vec<PathBuf>) -> Self {
        Self { collections_path, ..self }
    }

    /// The canonical names of all actions and modules: others are refused while reading, with the nearest spelling.
    /// Without this, any name is accepted.
    pub fn with_actions<N: Into<Arc<str>>>(self, names: impl IntoIterator<Item = N>) -> Self {
        Self { actions: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// Whether there is an action or module of that name, among those of [`Self::with_actions`].
    pub fn has_action(&self, name: &str) -> bool {
        let name = crate::names::canonical_action(name);
        self.actions.iter().any(|known| **known == *name)
    }

    /// Directories of modules that are not ours, searched after those of playbooks and roles (`ANSIBLE_LIBRARY`).
    pub fn with_module_path(mut self, module_path: Vec<PathBuf>) -> Self {
        self.library.configured = module_path;
        self
    }

    /// Directories of what modules in Python import from `ansible.module_utils` (`ANSIBLE_MODULE_UTILS`).
    pub fn with_module_utils_path(mut self, path: Vec<PathBuf>) -> Self {
        self.library.module_utils = path;
        self
    }

    /// Directories of what modules in Python import: those of the playbook and of roles first.
    pub fn module_utils(&self) -> Vec<PathBuf> {
        self.library.module_utils()
    }

    /// Directories that hold `ansible_collections`.
    pub fn collections_path(&self) -> &[PathBuf] {
        &self.collections_path
    }

    /// The collection that a file lies in, as `NAMESPACE.NAME`.
    pub fn collection_of(&self, path: &Path) -> Option<String> {
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        let at = parts.iter().rposition(|part| part == "ansible_collections")?;
        match &parts[at + 1..] {
            [namespace, name, _, ..] => Some(format!("{namespace}.{name}")),
            _ => None,
        }
    }

    /// The file of a module that came with the content, by the name as written in a task: one that has the name of a
    /// module of ours takes its place, unless the task says `ansible.builtin`.
    pub fn module_file(&self, written: &str) -> Option<PathBuf> {
        let name = written.strip_prefix("ansible.legacy.").unwrap_or(written);
        let mut parts = name.splitn(3, '.');
        let (Some(namespace), Some(collection), Some(module)) =
            (parts.next(), parts.next(), parts.next())
        else {
            let own = self.library.find(&*self.source, name);
            return own.or_else(|| self.module_file(&crate::routing::routed(name)?));
        };
        if self.actions.iter().any(|known| **known == *name) {
            return None;
        }
        let inside = format!("ansible_collections/{namespace}/{collection}/plugins/modules");
        let directories: Vec<_> =
            self.collections_path.iter().map(|root| root.join(&inside)).collect();
        self.library.find_below(&*self.source, &directories, name, module)
    }

    /// Variables of the command line, for templates in static imports.
    pub fn with_extra_vars(self, vars: Vars) -> Self {
        let extra_vars = Arc::new(Layer::new(Level::ExtraVars, "extra vars", vars));
        Self { extra_vars, ..self }
    }

    /// A playbook with everything that it imports statically. `playbook_dir` and all places are relative if its path is.
    pub fn playbook(&self, path: &Path) -> Result<Playbook> {
        self.library.learn(&*self.source, &directory_of(path));
        Ok(Playbook { path: path.to_owned(), plays: Reader::of_playbook(self, path).plays()? })
    }

    /// The tasks of an included file: `name` as written, found from `place`. Errors point at `at`.
    pub fn tasks(&self, name: &str, place: &Place, at: Option<&Span>) -> Result<Vec<Item>> {
        Reader::new(self, place.clone()).task_file(name, at)
    }

    /// A role with its dependencies, for one use.
    pub fn role(&self, request: &RoleRequest, place: &Place) -> Result<Arc<Role>> {
        Reader::new(self, place.clone()).role(request)
    }

    /// A file of variables; an empty file has none.
    pub fn vars_file(&self, path: &Path) -> Result<Vars> {
        let node = self.document(path)?;
        if !matches!(node.value, NodeValue::Map(_) | NodeValue::Null) {
            let message = format!("a file of variables must hold a mapping, not {}", node.kind());
            return Err(Diagnostic::error(message).at(&node.span));
        }
        vars_from_node(&node, "a file of variables")
    }

    /// Warnings collected since the last call: duplicate keys and the like.
    pub fn take_warnings(&self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn document(&self, path: &Path) -> Result<yaml::Node> {
        let mut found = Vec::new();
        let document = read_document(&*self.source, path, &mut found)?;
        match self.duplicates {
            Duplicates::Warn => {
                self.warnings.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
            }
            Duplicates::Refuse => {
                if let Some(first) = found.into_iter().next() {
                    return Err(first.into_error());
                }
            }
            Duplicates::Ignore => {}
        }
        Ok(document)
    }

    /// The directory of a role, by name.
    pub fn find_role(&self, name: &str, place: &Place) -> Result<PathBuf> {
        Reader::new(self, place.clone()).find_role(name)
    }

    /// A value whose templates see only what is known without hosts: extra variables and those of the place.
    pub fn resolve(&self, value: &Value, place: &Place) -> Result<Value> {
        let scope = place.scope.with(self.extra_vars.clone()).with(place.magic());
        let controller = Disk { search_path: vec![place.playbook_dir.clone()] };
        Ok(Templar::new(&self.environment, &scope, &controller).resolve(value)?)
    }

    /// The text of a name that static imports need now.
    pub(crate) fn static_text(&self, value: &Value, place: &Place) -> Result<Arc<str>> {
        let resolved = self.resolve(value, place).map_err(|error| {
            error
                .note("a static import is resolved before hosts are known: facts and inventory cannot be used")
                .hint("`include_tasks` and `include_role` are resolved for each host")
        })?;
        resolved.as_arc_str().cloned().ok_or_else(|| {
            let error = Diagnostic::error("this name must be text");
            value.origin().map_or(error.clone(), |origin| error.at(origin))
        })
    }
}

impl Place {
    /// The place of a playbook file's own content.
    pub fn of_playbook(path: &Path) -> Self {
        Self { playbook_dir: directory_of(path), file: path.to_owned(), ..Self::default() }
    }

    /// `playbook_dir`, `role_path` and `role_name`: known without hosts.
    fn magic(&self) -> Arc<Layer> {
        let text = |path: &Path| Value::from(&*path.to_string_lossy());
        let mut vars = Vars::from_iter([("playbook_dir".into(), text(&self.playbook_dir))]);
        if let Some(role) = &self.role {
            vars.insert("role_path".into(), text(role));
            vars.insert("role_name".into(), text(Path::new(role.file_name().unwrap_or_default())));
        }
        Arc::new(Layer::new(Level::Magic, "static import", vars))
    }

    /// The same place in another file.
    pub(crate) fn in_file(&self, path: &Path) -> Self {
        let trail = self.trail.iter().cloned().chain([path.to_owned()]).collect();
        Self { file: path.to_owned(), trail, ..self.clone() }
    }

    /// The same place with more variables known.
    #[must_use]
    pub fn knowing(&self, level: Level, source: &str, vars: &Vars) -> Self {
        let layer = Arc::new(Layer::new(level, source, vars.clone()));
        Self { scope: self.scope.with(layer), ..self.clone() }
    }
}

/// The directory of a file; empty for a bare name, which joins to bare names again.
pub(crate) fn directory_of(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}
