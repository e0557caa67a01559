//! Plays, and `import_playbook`.

use std::path::PathBuf;
use std::sync::Arc;

use jinja::Value;
use yaml::{Diagnostic, Node, NodeValue, Result};

use super::{Reader, list_paths};
use crate::common::unknown_keyword;
use crate::field::Field;
use crate::loader::Place;
use crate::names::{On, canonical_action};
use crate::{Common, Level, Play};

impl Reader<'_> {
    /// The plays of the playbook at this reader's place.
    pub(crate) fn plays(&self) -> Result<Vec<Arc<Play>>> {
        let node = self.loader.document(&self.place.file)?;
        let entries = match &node.value {
            NodeValue::Null => {
                let path = self.place.file.display();
                return Err(Diagnostic::error(format!("{path} is empty: there is nothing to do")));
            }
            NodeValue::Seq(entries) => entries,
            _ => {
                let message = format!("a playbook is a list of plays, not {}", node.kind());
                return Err(Diagnostic::error(message).at(&node.span));
            }
        };
        if entries.is_empty() {
            let error = Diagnostic::error("A playbook must contain at least one play");
            return Err(error.at(&node.span));
        }
        let mut plays = Vec::new();
        for entry in entries {
            let Some(fields) = entry.as_map() else {
                let message = format!("a play is a mapping, not {}", entry.kind());
                return Err(Diagnostic::error(message).at(&entry.span));
            };
            let import = fields.iter().find(|(key, _)| {
                key.as_str().is_some_and(|name| canonical_action(name) == "import_playbook")
            });
            match import {
                Some((_, value)) => plays.extend(self.import_playbook(entry, value)?),
                None => plays.push(Arc::new(self.play(entry)?)),
            }
        }
        Ok(plays)
    }

    fn import_playbook(&self, entry: &Node, file: &Node) -> Result<Vec<Arc<Play>>> {
        let mut common = Common { span: Some(entry.span.clone()), ..Common::default() };
        for pair in entry.as_map().unwrap_or_default() {
            let field = Field::new(pair, On::Import)?;
            if canonical_action(field.name) == "import_playbook" {
                continue;
            }
            if !On::Import.admits(field.name) || !common.set(&field)? {
                return Err(unknown_keyword(&field));
            }
        }
        let place = self.place.knowing(Level::PlayVars, "import_playbook", &common.vars);
        let name = crate::value::value_from_node(file)?;
        let name =
            self.loader.static_text(&name, &place).map_err(|error| error.or_at(&file.span))?;
        let candidates = self.playbook_files(&name);
        let Some(path) = candidates.iter().find(|path| self.loader.source.is_file(path)) else {
            return Err(Diagnostic::error(format!("there is no playbook `{name}`"))
                .at(&file.span)
                .note(format!("searched: {}", list_paths(&candidates))));
        };
        let trail = self.entering(path, Some(&file.span))?.place.trail;
        let place = Place { trail, scope: place.scope, ..Place::of_playbook(path) };
        self.loader.learn(&place.playbook_dir);
        let plays = Reader::new(self.loader, place).plays()?;
        Ok(plays.into_iter().map(|play| Arc::new(imported(&play, &common))).collect())
    }

    /// Where an imported playbook may be: beside this one, or in a collection (`namespace.collection.playbook`).
    fn playbook_files(&self, name: &str) -> Vec<PathBuf> {
        let mut paths = vec![super::directory_of(&self.place.file).join(name)];
        paths.extend(self.loader.playbook_files(name));
        paths
    }

    fn play(&self, node: &Node) -> Result<Play> {
        let mut play = Play {
            common: Arc::default(),
            span: node.span.clone(),
            directory: self.place.playbook_dir.clone(),
            hosts: Vec::new(),
            gather_facts: None,
            gather_subset: None,
            gather_timeout: None,
            fact_path: None,
            vars_files: Vec::new(),
            vars_prompt: Vec::new(),
            strategy: None,
            serial: Vec::new(),
            order: None,
            max_fail_percentage: None,
            force_handlers: None,
            validate_argspec: None,
            pre_tasks: Vec::new(),
            roles: Vec::new(),
            tasks: Vec::new(),
            post_tasks: Vec::new(),
            handlers: Vec::new(),
        };
        let mut common = Common { span: Some(node.span.clone()), ..Common::default() };
        let mut content = Vec::new();
        for pair in node.as_map().unwrap_or_default() {
            let field = Field::new(pair, On::Play)?;
            if !On::Play.admits(field.name) {
                return Err(self.not_of_a_play(node, &field));
            }
            if field.name == "user" {
                common.remote_user = user(node, &field)?;
            } else if !common.set(&field)? && !set(&mut play, &field)? {
                content.push(field);
            }
        }
        if play.hosts.is_empty() && !content.iter().any(|field| field.name == "hosts") {
            return Err(hosts_missing(node));
        }
        // Roles may bring modules that the tasks use.
        content.sort_by_key(|field| field.name != "roles");
        let place = self.place.knowing(Level::PlayVars, "play", &common.vars).searching(&common);
        if common.collections.is_some() {
            self.warn_of_missing(&place.collections);
        }
        let reader = Reader::new(self.loader, place);
        for field in content {
            reader.content(&mut play, &field)?;
        }
        play.common = Arc::new(common);
        Ok(play)
    }

    /// Tells of collections that a play searches and nobody installed, unless their modules are ours.
    fn warn_of_missing(&self, collections: &[Arc<str>]) {
        let is_ours = |collection: &str| {
            matches!(collection, "ansible.builtin" | "ansible.legacy")
                || self.loader.actions.iter().any(|name| {
                    crate::collections::split(name).is_some_and(|(whole, _)| whole == collection)
                })
        };
        for collection in collections {
            if !is_ours(collection) && self.loader.collections.directory(collection).is_none() {
                self.loader.collections.warn(Diagnostic::warning(format!(
                    "the collection '{collection}' that `collections` names is not installed"
                )));
            }
        }
    }

    /// The parts of a play that hold tasks and roles: read last, because they see the play's variables.
    fn content(&self, play: &mut Play, field: &Field<'_>) -> Result<()> {
        if field.name != "roles"
            && !matches!(field.value.value, NodeValue::Seq(_) | NodeValue::Null)
        {
            let (name, found) = (field.name, field.value.span.text());
            let found = found.lines().next().unwrap_or_default();
            let message = format!(
                "A malformed block was encountered while loading {name}: {found} should be a list or None"
            );
            let error = Diagnostic::error(message).at(&field.value.span);
            return Err(error.hint("each task begins with `- `"));
        }
        match field.name {
            "pre_tasks" => play.pre_tasks = self.items(field.value)?,
            "tasks" => play.tasks = self.items(field.value)?,
            "post_tasks" => play.post_tasks = self.items(field.value)?,
            "roles" => play.roles = self.roles(field, true)?,
            _ => {
                let place = Place { is_handler: true, ..self.place.clone() };
                play.handlers = Reader::new(self.loader, place).items(field.value)?;
            }
        }
        Ok(())
    }

    /// The error for an unknown keyword of a play; the most usual cause is a task that stands among plays.
    fn not_of_a_play(&self, play: &Node, field: &Field<'_>) -> Diagnostic {
        let error = unknown_keyword(field);
        let is_task = play.get("hosts").is_none()
            && (On::Task.admits(field.name) || self.knows_action(field.name));
        if is_task && error.hints().is_empty() {
            return error.hint(
                "this looks like a task: tasks stand under `tasks:` of a play with `hosts:`",
            );
        }
        error
    }
}

/// The old name of `remote_user`.
fn user(play: &Node, field: &Field<'_>) -> Result<Option<Value>> {
    match play
        .as_map()
        .unwrap_or_default()
        .iter()
        .find(|(key, _)| key.as_str() == Some("remote_user"))
    {
        None => field.text(),
        Some((other, _)) => {
            Err(Diagnostic::error("both 'user' and 'remote_user' are set for this play. The use of 'user' is deprecated, and should be removed")
                .at(&field.key.span)
                .also(&other.span, "the other one"))
        }
    }
}

/// Takes a keyword that only plays have; `false` for those that hold tasks or roles.
fn set(play: &mut Play, field: &Field<'_>) -> Result<bool> {
    match field.name {
        "hosts" => play.hosts = hosts(field)?,
        "gather_facts" => play.gather_facts = field.boolean()?,
        "gather_subset" => play.gather_subset = field.any()?,
        "gather_timeout" => play.gather_timeout = field.number()?,
        "fact_path" => play.fact_path = field.any()?,
        "vars_files" => {
            play.vars_files = field.list(|file| match &file.value.value {
                NodeValue::Map(_) => Err(file.must_be("a file or a list of files")),
                NodeValue::Seq(_) => file.texts().map(|files| Some(Value::list(files))),
                _ => file.text(),
            })?;
        }
        "vars_prompt" => play.vars_prompt = field.list(prompt)?,
        "strategy" => play.strategy = field.text()?,
        "serial" => play.serial = field.list(Field::number)?,
        "order" => play.order = field.text()?,
        "max_fail_percentage" => play.max_fail_percentage = field.number()?,
        "force_handlers" => play.force_handlers = field.boolean()?,
        "validate_argspec" => play.validate_argspec = field.any()?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn hosts(field: &Field<'_>) -> Result<Vec<Value>> {
    let hosts = field.list(|host| match &host.value.value {
        NodeValue::Str { text, .. } if text.is_empty() => Ok(None),
        NodeValue::Str { .. } => host.text(),
        NodeValue::Null => Ok(None),
        _ => Err(host.must_be("a pattern of hosts or a list of patterns")),
    })?;
    if hosts.is_empty() {
        return Err(Diagnostic::error("Hosts list cannot be empty. Please check your playbook")
            .at(&field.key.span));
    }
    Ok(hosts)
}

/// An entry of `vars_prompt`.
fn prompt(field: &Field<'_>) -> Result<Option<Value>> {
    const KEYS: [&str; 9] = [
        "name",
        "prompt",
        "default",
        "private",
        "confirm",
        "encrypt",
        "salt_size",
        "salt",
        "unsafe",
    ];
    if field.value.is_null() {
        return Ok(None);
    }
    let Some(entries) = field.value.as_map() else {
        return Err(field.must_be("a list of mappings"));
    };
    if field.value.get("name").is_none() {
        let message = "Invalid vars_prompt data structure, missing 'name' key";
        return Err(Diagnostic::error(message).at(&field.value.span));
    }
    for (key, _) in entries {
        let name = key.as_str().unwrap_or_default();
        if !KEYS.contains(&name) {
            let message =
                format!("Invalid vars_prompt data structure, found unsupported key '{name}'");
            return Err(Diagnostic::error(message)
                .at(&key.span)
                .hint(format!("keys: {}", KEYS.join(", "))));
        }
    }
    field.any()
}

fn hosts_missing(play: &Node) -> Diagnostic {
    Diagnostic::error("a play needs `hosts`")
        .at(&play.span)
        .hint("`hosts: all` or a group or host of the inventory")
}

/// A play with what its import says: variables above its own, conditions and tags before its own.
fn imported(play: &Play, import: &Common) -> Play {
    let mut common = (*play.common).clone();
    common.vars.extend(import.vars.clone());
    common.when.splice(..0, import.when.iter().cloned());
    common.tags.splice(..0, import.tags.iter().cloned());
    Play { common: Arc::new(common), ..play.clone() }
}
