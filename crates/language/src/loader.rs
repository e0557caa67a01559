//! The way into the tree: playbooks, task files, roles and files of variables, found, read and expanded.
//!
//! Called once for a playbook, and again by the engine for every include. Static imports are expanded here; what they
//! may use of variables is what is known without hosts.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jinja::{Disk, Environment, Templar, Value};
use yaml::{Diagnostic, NodeValue, Result, Span};

use crate::library::Library;
use crate::names::canonical_action;
use crate::reader::Reader;
use crate::source::read_document;
use crate::value::vars_from_node;
use crate::{Collections, Item, Layer, Level, Playbook, Role, Scope, Source, Trail, Vars};

/// Reads the files of the language into trees.
pub struct Loader {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) roles_path: Vec<PathBuf>,
    pub(crate) collections: Arc<Collections>,
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
    /// The collections in which short names are searched.
    pub collections: Arc<[Arc<str>]>,
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
            collections: Arc::new(Collections::new(source.clone(), &[])),
            source,
            roles_path: Vec::new(),
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

    /// The collections of this machine (`ANSIBLE_COLLECTIONS_PATH`).
    pub fn with_collections(self, collections: Arc<Collections>) -> Self {
        Self { collections, ..self }
    }

    /// The canonical names of all actions and modules: others are refused while reading, with the nearest spelling.
    /// Without this, any name is accepted.
    pub fn with_actions<N: Into<Arc<str>>>(self, names: impl IntoIterator<Item = N>) -> Self {
        Self { actions: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// Whether there is an action or module of that name, among those of [`Self::with_actions`].
    pub fn has_action(&self, name: &str) -> bool {
        let name = canonical_action(name);
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

    /// The collections of this machine.
    pub fn collections(&self) -> &Arc<Collections> {
        &self.collections
    }

    /// The collection that a file lies in, as `NAMESPACE.NAME`.
    pub fn collection_of(&self, path: &Path) -> Option<String> {
        crate::collections::of_path(path)
    }

    /// Where the name of an action leads: searched in `collections`, then where it was moved to.
    pub fn resolve_action(&self, written: &str, searched: &[Arc<str>]) -> Result<Trail> {
        let is_core = |name: &str| canonical_action(name) != name;
        if is_core(written) || written.contains("{{") {
            return Ok(Trail::of(written));
        }
        if crate::collections::split(written).is_some() {
            return self.trail(written);
        }
        for collection in searched.iter().filter(|_| !written.contains('.')) {
            let full = format!("{collection}.{written}");
            if is_core(&full) {
                if self.has_action(written) || self.module_file(written).is_some() {
                    break;
                }
                continue;
            }
            let trail = self.trail(&full)?;
            if self.is_there(trail.end()) {
                return Ok(trail);
            }
        }
        Ok(Trail::of(written))
    }

    /// Where a full name leads, as a module or as an action.
    fn trail(&self, full: &str) -> Result<Trail> {
        let trail = self.collections.follow("modules", full)?;
        if trail.names.len() > 1 || self.is_there(full) {
            return Ok(trail);
        }
        self.collections.follow("action", full)
    }

    fn is_there(&self, name: &str) -> bool {
        self.has_action(name) || self.module_file(name).is_some()
    }

    /// The full names of the actions in a group of `module_defaults`; `None`: there is no such group.
    pub fn action_group(&self, name: &str) -> Result<Option<Vec<String>>> {
        crate::routing::group(name, &self.actions).map_or_else(
            || if name.contains('.') { self.collections.group(name) } else { Ok(None) },
            |known| Ok(Some(known)),
        )
    }

    /// The file of a module that came with the content, by the name as written in a task: one that has the name of a
    /// module of ours takes its place, unless the task says `ansible.builtin`.
    pub fn module_file(&self, written: &str) -> Option<PathBuf> {
        let name = written.strip_prefix("ansible.legacy.").unwrap_or(written);
        let Some((collection, module)) = crate::collections::split(name) else {
            let own = self.library.find(&*self.source, name);
            return own.or_else(|| self.module_file(&crate::routing::routed(name)?));
        };
        if self.actions.iter().any(|known| **known == *name) {
            return None;
        }
        let directory = self.collections.directory(collection)?.join("plugins").join("modules");
        self.library.find_below(&*self.source, &directory, name, module)
    }

    /// Variables of the command line, for templates in static imports.
    pub fn with_extra_vars(self, vars: Vars) -> Self {
        let extra_vars = Arc::new(Layer::new(Level::ExtraVars, "extra vars", vars));
        Self { extra_vars, ..self }
    }

    /// A playbook with everything that it imports statically. `playbook_dir` and all places are relative if its path is.
    pub fn playbook(&self, path: &Path) -> Result<Playbook> {
        self.learn(&directory_of(path));
        Ok(Playbook { path: path.to_owned(), plays: Reader::of_playbook(self, path).plays()? })
    }

    /// Where a playbook of a collection may be (`NAMESPACE.NAME.PLAYBOOK`, with or without its ending).
    pub fn playbook_files(&self, name: &str) -> Vec<PathBuf> {
        let Some((collection, inner)) = crate::collections::split(name) else { return Vec::new() };
        let Some(directory) = self.collections.directory(collection) else { return Vec::new() };
        let inner = inner.strip_suffix(".yml").or(inner.strip_suffix(".yaml")).unwrap_or(inner);
        let path = directory.join("playbooks").join(inner.split('.').collect::<PathBuf>());
        ["yml", "yaml"].map(|ending| path.with_extension(ending)).to_vec()
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
        let own =
            std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        own.into_iter().chain(self.collections.take_warnings()).collect()
    }

    /// What was used and will not be possible for ever, collected since the last call.
    pub fn take_deprecations(&self) -> Vec<String> {
        self.collections.take_deprecations()
    }

    /// Takes in what lies beside a playbook.
    pub(crate) fn learn(&self, playbook_dir: &Path) {
        self.library.learn(&*self.source, playbook_dir);
        self.collections.learn(playbook_dir);
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
        Reader::new(self, place.clone()).find_role(name).map(|found| found.path)
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
        let own = crate::collections::of_path(path).into_iter().map(Arc::from);
        Self {
            playbook_dir: directory_of(path),
            file: path.to_owned(),
            collections: own.collect(),
            ..Self::default()
        }
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

    /// The same place with the collections that keywords name.
    #[must_use]
    pub(crate) fn searching(self, common: &crate::Common) -> Self {
        let Some(names) = &common.collections else { return self };
        let default = crate::collections::of_path(&self.file).map(Arc::from);
        let default = default.filter(|_| self.role.is_none());
        let names: indexmap::IndexSet<Arc<str>> =
            default.into_iter().chain(names_of(Some(names))).collect();
        Self { collections: names.into_iter().collect(), ..self }
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

/// The names of the keyword `collections`.
pub(crate) fn names_of(value: Option<&Value>) -> Vec<Arc<str>> {
    let list = value.and_then(Value::as_list).map(jinja::List::snapshot).unwrap_or_default();
    let words = list.iter().filter_map(|name| name.as_str()).flat_map(|text| text.split(','));
    words.map(str::trim).filter(|word| !word.is_empty()).map(Arc::from).collect()
}

/// The directory of a file; empty for a bare name, which joins to bare names again.
pub(crate) fn directory_of(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}
