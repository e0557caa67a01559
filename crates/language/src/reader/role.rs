//! Roles: where they are, what they hold, and the entries that name them.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexSet;
use jinja::Value;
use yaml::{Diagnostic, Node, NodeValue, Result};

use super::{Reader, point};
use crate::field::Field;
use crate::loader::{Place, RoleRequest};
use crate::names::On;
use crate::value::value_from_node;
use crate::{Common, Item, Level, Role, Vars};

/// The endings of a role's files, in the order in which they are tried.
const ENDINGS: [&str; 4] = [".yml", ".yaml", ".json", ""];

impl Reader<'_> {
    /// The roles of a list of entries: `roles:` of a play, or a role's dependencies.
    pub(crate) fn roles(&self, field: &Field<'_>, public: bool) -> Result<Vec<Arc<Role>>> {
        let entries = match &field.value.value {
            NodeValue::Null => return Ok(Vec::new()),
            NodeValue::Seq(entries) => entries,
            _ => {
                let message = "A malformed role declaration was encountered.";
                return Err(Diagnostic::error(message)
                    .at(&field.value.span)
                    .hint("`roles` is a list of names or mappings"));
            }
        };
        entries
            .iter()
            .map(|entry| self.role(&RoleRequest { public, ..self.entry(entry)? }))
            .collect()
    }

    /// An entry: a name, or a mapping of a name, keywords and parameters.
    fn entry(&self, node: &Node) -> Result<RoleRequest> {
        let nameless = || Diagnostic::error("this role has no name").at(&node.span);
        let fields = match &node.value {
            NodeValue::Str { text, .. } if text.contains(',') && !text.contains("{{") => {
                let message = format!("Invalid old style role requirement: {text}");
                return Err(Diagnostic::error(message).at(&node.span));
            }
            NodeValue::Str { .. } | NodeValue::Int(_) => {
                let origin = Some(Arc::new(node.span.clone()));
                let name = Value::trusted(node.as_str().unwrap_or(node.span.text()), origin);
                let name = self.loader.static_text(&name, &self.place)?.to_string();
                return Ok(RoleRequest {
                    name,
                    span: Some(node.span.clone()),
                    ..RoleRequest::default()
                });
            }
            NodeValue::Map(fields) => fields,
            _ => {
                let message = format!("a role is a name or a mapping, not {}", node.kind());
                return Err(Diagnostic::error(message).at(&node.span));
            }
        };
        let mut common = Common { span: Some(node.span.clone()), ..Common::default() };
        let mut params = Vars::new();
        let mut name = None;
        for pair in fields {
            let field = Field::new(pair, On::Role)?;
            match field.name {
                "role" => name = field.text()?,
                "name" => name = name.or(field.text()?),
                _ if On::Role.admits(field.name) => {
                    common.set(&field)?;
                }
                _ => {
                    params.insert(field.name.into(), value_from_node(field.value)?);
                }
            }
        }
        let name = name.ok_or_else(nameless)?;
        let place = self.place.knowing(Level::RoleParams, "role", &params);
        Ok(RoleRequest {
            name: self.loader.static_text(&name, &place)?.to_string(),
            span: name.origin().map(|origin| (**origin).clone()),
            common: Arc::new(common),
            params,
            ..RoleRequest::default()
        })
    }

    /// A role with its dependencies, for one use.
    pub(crate) fn role(&self, request: &RoleRequest) -> Result<Arc<Role>> {
        let at = request.span.as_ref();
        let FoundRole { path, name, collection } =
            self.find_role(&request.name).map_err(|error| point(error, at))?;
        self.loader.library.learn(&*self.loader.source, &path);
        let searched = self.searched_by_role(&path, collection.as_ref(), at)?;
        let place = Place {
            role: Some(path.clone()),
            is_handler: false,
            collections: searched,
            ..self.place.clone()
        };
        let own = Reader::new(self.loader, place);
        let meta = own.meta(&path, at)?;
        let defaults = own.role_vars(&path, "defaults", request.defaults_from.as_deref(), at)?;
        let vars = own.role_vars(&path, "vars", request.vars_from.as_deref(), at)?;
        let place = own
            .place
            .knowing(Level::RoleDefaults, "role defaults", &defaults)
            .knowing(Level::RoleVars, "role vars", &vars)
            .knowing(Level::RoleParams, "role parameters", &request.params);
        let own = Reader::new(self.loader, place);
        let mut tasks = own.role_tasks(&path, "tasks", request.tasks_from.as_deref(), at)?;
        if request.rolespec_validate.unwrap_or(true) {
            let role = (&*name, collection.as_deref());
            tasks.splice(0..0, own.validation(request, role, &path, at)?);
        }
        Ok(Arc::new(Role {
            name,
            collection,
            common: request.common.clone(),
            params: request.params.clone(),
            defaults,
            vars,
            dependencies: meta.dependencies,
            allow_duplicates: request.allow_duplicates.unwrap_or(meta.allow_duplicates),
            tasks,
            handlers: own.role_tasks(&path, "handlers", request.handlers_from.as_deref(), at)?,
            public: request.public,
            says_public: request.says_public,
            from: [
                &request.tasks_from,
                &request.vars_from,
                &request.defaults_from,
                &request.handlers_from,
            ]
            .map(Clone::clone),
            path,
        }))
    }

    /// Where a role searches short names: its own collection, then those of its `meta/main.yml`.
    fn searched_by_role(
        &self,
        path: &Path,
        own: Option<&Arc<str>>,
        at: Option<&yaml::Span>,
    ) -> Result<Arc<[Arc<str>]>> {
        let mut searched: IndexSet<Arc<str>> = own.into_iter().cloned().collect();
        if let Some(file) = self.role_file(path, "meta", "main") {
            let node = self.loader.document(&file).map_err(|error| point(error, at))?;
            let entries = node.as_map().unwrap_or_default();
            if let Some(pair) = entries.iter().find(|(key, _)| key.as_str() == Some("collections"))
            {
                let names = Field::new(pair, On::Role)?.collections()?;
                searched.extend(crate::loader::names_of(names.as_ref()));
            }
        }
        Ok(searched.into_iter().collect())
    }

    /// A role of a collection: by its full name, or searched where the content says.
    fn role_of_collection(&self, name: &str) -> Option<FoundRole> {
        let found = |collection: &str, inner: &str| {
            let inside: PathBuf = inner.split('.').collect();
            let path = self.loader.collections.directory(collection)?.join("roles").join(inside);
            self.loader.source.is_dir(&path).then(|| FoundRole {
                path,
                name: format!("{collection}.{inner}").into(),
                collection: Some(collection.into()),
            })
        };
        if let Some((collection, inner)) = crate::collections::split(name) {
            return found(collection, inner);
        }
        let is_plain = !name.is_empty() && !name.contains(['/', '.']);
        let mut searched = self.place.collections.iter().filter(|_| is_plain);
        searched.find_map(|collection| found(collection, name))
    }

    /// The role of a name: in a collection, in `roles/` beside the playbook, in the roles path, beside this role, beside
    /// the playbook.
    pub(crate) fn find_role(&self, name: &str) -> Result<FoundRole> {
        if let Some(found) = self.role_of_collection(name) {
            return Ok(found);
        }
        let Place { playbook_dir, role, .. } = &self.place;
        let mut paths = Vec::new();
        if let Some((collection, inner)) = crate::collections::split(name) {
            let inside: PathBuf = inner.split('.').collect();
            let place = Path::new("ansible_collections").join(collection.replace('.', "/"));
            let roots = self.loader.collections.roots();
            paths.extend(roots.iter().map(|root| root.join(&place).join("roles").join(&inside)));
        }
        paths.push(playbook_dir.join("roles").join(name));
        paths.extend(self.loader.roles_path.iter().map(|directory| directory.join(name)));
        paths.extend(role.as_ref().and_then(|role| role.parent()).map(|beside| beside.join(name)));
        paths.push(playbook_dir.join(name));
        match paths.iter().find(|path| self.loader.source.is_dir(path)) {
            Some(path) => Ok(FoundRole {
                path: path.clone(),
                name: name.rsplit('/').next().unwrap_or_default().into(),
                collection: None,
            }),
            None => Err(Diagnostic::error(format!(
                "the role '{name}' was not found in {}",
                searched(&paths, name)
            ))
            .missing()),
        }
    }

    fn meta(&self, path: &Path, at: Option<&yaml::Span>) -> Result<Meta> {
        let Some(file) = self.role_file(path, "meta", "main") else { return Ok(Meta::default()) };
        let node = self.loader.document(&file).map_err(|error| point(error, at))?;
        if node.is_null() {
            return Ok(Meta::default());
        }
        let Some(fields) = node.as_map() else {
            let message = format!("a role's meta file is a mapping, not {}", node.kind());
            return Err(Diagnostic::error(message).at(&node.span));
        };
        let reader = self.entering(&file, at)?;
        let mut meta = Meta::default();
        for pair in fields {
            let field = Field::new(pair, On::Role)?;
            match field.name {
                "allow_duplicates" => {
                    meta.allow_duplicates = field.boolean()?.is_some_and(|value| is_true(&value));
                }
                "dependencies" => meta.dependencies = reader.roles(&field, true)?,
                _ => {}
            }
        }
        Ok(meta)
    }

    /// The tasks or handlers of a role; a name that was asked for must exist.
    fn role_tasks(
        &self,
        path: &Path,
        part: &str,
        from: Option<&str>,
        at: Option<&yaml::Span>,
    ) -> Result<Vec<Item>> {
        check_inside(path, part, from).map_err(|error| point(error, at))?;
        let Some(file) = self.role_file(path, part, from.unwrap_or("main")) else {
            return from
                .map_or(Ok(Vec::new()), |from| Err(self.no_such_part(path, part, from, at)));
        };
        let mut reader = self.entering(&file, at)?;
        reader.place.is_handler = part == "handlers";
        let node = self.loader.document(&file).map_err(|error| point(error, at))?;
        reader.items(&node)
    }

    /// The variables or defaults of a role: a file, or all files of a directory `main/`.
    fn role_vars(
        &self,
        path: &Path,
        part: &str,
        from: Option<&str>,
        at: Option<&yaml::Span>,
    ) -> Result<Vars> {
        check_inside(path, part, from).map_err(|error| point(error, at))?;
        let name = from.unwrap_or("main");
        let directory = path.join(part).join(name);
        let files = match self.role_file(path, part, name) {
            Some(file) => vec![file],
            None if self.loader.source.is_dir(&directory) => self.files_below(&directory),
            None => {
                return from
                    .map_or(Ok(Vars::new()), |from| Err(self.no_such_part(path, part, from, at)));
            }
        };
        let mut vars = Vars::new();
        for file in files {
            vars.extend(self.loader.vars_file(&file).map_err(|error| point(error, at))?);
        }
        Ok(vars)
    }

    pub(super) fn role_file(&self, path: &Path, part: &str, name: &str) -> Option<PathBuf> {
        let files = ENDINGS.iter().map(|ending| path.join(part).join(format!("{name}{ending}")));
        files.into_iter().find(|file| self.loader.source.is_file(file))
    }

    /// The files of variables below a directory, in the order of their names; hidden and backup files are left out.
    fn files_below(&self, directory: &Path) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for path in self.loader.source.list(directory) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            if self.loader.source.is_dir(&path) {
                files.extend(self.files_below(&path));
            } else if [".yml", ".yaml", ".json"].iter().any(|ending| name.ends_with(ending))
                || !name.contains('.')
            {
                files.push(path);
            }
        }
        files
    }

    fn no_such_part(
        &self,
        path: &Path,
        part: &str,
        from: &str,
        at: Option<&yaml::Span>,
    ) -> Diagnostic {
        let known: Vec<_> = self
            .loader
            .source
            .list(&path.join(part))
            .iter()
            .filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned()))
            .collect();
        let message = format!("the role {} has no {part} `{from}`", path.display());
        let error = point(Diagnostic::error(message), at);
        match crate::names::nearest(from, known.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        }
    }
}

/// Refuses a file of a role (`tasks_from`...) that is not below the directory for it.
fn check_inside(role: &Path, part: &str, from: Option<&str>) -> Result<()> {
    let Some(from) = from else { return Ok(()) };
    let directory = role.join(part);
    let mut place = PathBuf::new();
    for component in directory.join(from).components() {
        match component {
            Component::ParentDir => {
                place.pop();
            }
            other => place.push(other),
        }
    }
    let directory: PathBuf = directory.components().collect();
    if place.starts_with(&directory) {
        return Ok(());
    }
    let name = role.file_name().unwrap_or_default().to_string_lossy();
    Err(Diagnostic::error(format!(
        "Failed loading '{from}' for role ({name}) as it is not inside the expected role path: '{}'",
        directory.display()
    )))
}

/// A role's directory, and whose it is.
pub(crate) struct FoundRole {
    pub(crate) path: PathBuf,
    name: Arc<str>,
    collection: Option<Arc<str>>,
}

#[derive(Default)]
struct Meta {
    dependencies: Vec<Arc<Role>>,
    allow_duplicates: bool,
}

pub(super) fn is_true(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| {
        value.as_i64() == Some(1)
            || value.as_str().is_some_and(|text| {
                matches!(text.to_lowercase().as_str(), "yes" | "y" | "true" | "t" | "on" | "1")
            })
    })
}

/// The directories in which a role was searched, as people know them.
fn searched(paths: &[PathBuf], name: &str) -> String {
    let directories = paths.iter().map(|path| {
        let text = path.display().to_string();
        match text.strip_suffix(name).map(|directory| directory.trim_end_matches('/')) {
            None => text,
            Some("") => ".".to_owned(),
            Some(directory) => directory.to_owned(),
        }
    });
    directories.collect::<IndexSet<_>>().into_iter().collect::<Vec<_>>().join(":")
}
