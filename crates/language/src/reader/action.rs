//! What a task does: the action's name and arguments, in every form in which they may be written.

use std::sync::Arc;

use jinja::Value;
use yaml::{Diagnostic, Node, NodeValue, Result, Span};

use super::Reader;
use crate::arguments::{Arguments, parse, split_first};
use crate::common::unknown_keyword;
use crate::field::Field;
use crate::loader::RoleRequest;
use crate::names::{COMMANDS, FREE_FORM, On, canonical_action, nearest};
use crate::value::value_from_node;
use crate::{Action, Role, Task, Vars};

impl Reader<'_> {
    /// The action that an entry of a task names, with the arguments of `args:` below its own.
    pub(super) fn action(&self, field: &Field<'_>, args: Option<&Node>) -> Result<Action> {
        let mut action = if matches!(field.name, "action" | "local_action") {
            self.old_style(field)?
        } else {
            self.named(field.name, &field.key.span, field.value)?
        };
        if let Some(args) = args {
            match &args.value {
                NodeValue::Null => {}
                NodeValue::Map(entries) => {
                    for (name, value) in arguments(entries)? {
                        action.args.entry(name).or_insert(value);
                    }
                }
                NodeValue::Str { text, .. } if text.contains("{{") => {
                    action.args_template = Some(value_from_node(args)?);
                }
                _ => {
                    let message = format!("`args` must be a mapping, not {}", args.kind());
                    return Err(Diagnostic::error(message).at(&args.span));
                }
            }
        }
        if let Some((name, value)) =
            action.args.iter().find(|(name, _)| name.starts_with("_ansible_"))
        {
            let message = format!(
                "Invalid parameter specified beginning with keyword '_ansible_' for action '{}': '{name}'. The prefix \
                 '_ansible_' is reserved for internal use only.",
                action.written
            );
            return Err(Diagnostic::error(message).at(origin_of(value, &action.span)));
        }
        if let Some(raw) = action.args.shift_remove("_raw_params") {
            action.free_form.get_or_insert(raw);
        }
        Ok(action)
    }

    /// `action: module key=value`, or the mapping `action: {module: …}`.
    fn old_style(&self, field: &Field<'_>) -> Result<Action> {
        let nameless = || {
            Diagnostic::error(format!("`{}` names no module", field.name))
                .at(&field.value.span)
                .hint(format!("`{}: command uptime`", field.name))
        };
        if let Some(entries) = field.value.as_map() {
            let name = field.value.get("module").ok_or_else(nameless)?;
            let written = name.as_str().ok_or_else(nameless)?;
            let mut action = match split_first(written) {
                Some((first, rest)) if !rest.is_empty() => self.line(first, rest, &name.span)?,
                _ => self.empty(written, &name.span)?,
            };
            action.args.extend(
                arguments(entries)?
                    .into_iter()
                    .filter(|(key, _)| !matches!(&**key, "module" | "args")),
            );
            if let Some(NodeValue::Map(more)) = field.value.get("args").map(|node| &node.value) {
                for (key, value) in arguments(more)? {
                    action.args.entry(key).or_insert(value);
                }
            }
            return Ok(action);
        }
        let text = field.value.as_str().ok_or_else(nameless)?;
        let (first, rest) = split_first(text).ok_or_else(nameless)?;
        self.line(first, rest, &field.value.span)
    }

    /// `module key=value`, after the module's name has been split off.
    fn line(&self, name: &str, rest: &str, span: &Span) -> Result<Action> {
        let mut action = self.empty(name, span)?;
        take_line(&mut action, rest, span)?;
        Ok(action)
    }

    /// `module:` with whatever stands behind it.
    fn named(&self, name: &str, span: &Span, value: &Node) -> Result<Action> {
        let mut action = self.empty(name, span)?;
        match &value.value {
            NodeValue::Null => {}
            NodeValue::Map(entries) => action.args = arguments(entries)?,
            NodeValue::Str { .. } if value.tag.is_some() => {
                action.free_form = Some(value_from_node(value)?);
            }
            NodeValue::Str { text, .. } => take_line(&mut action, text, &value.span)?,
            _ => {
                let message = format!(
                    "the arguments of `{name}` are a mapping or text, not {}",
                    value.kind()
                );
                return Err(Diagnostic::error(message).at(&value.span));
            }
        }
        Ok(action)
    }

    /// An action without arguments. Its name must be known, if names are.
    fn empty(&self, written: &str, span: &Span) -> Result<Action> {
        let found = self.loader.resolve_action(written, &self.place.collections);
        let mut trail = found.map_err(|error| error.at(span))?;
        trail.names.extend(self.moved(trail.end()).map(Arc::from));
        let name = canonical_action(trail.end());
        if name == "include" {
            return Err(Diagnostic::error("`include` does not exist any more").at(span).hint(
                "`include_tasks` reads the file for each host, `import_tasks` once and before",
            ));
        }
        if !self.loader.actions.is_empty() && !self.knows_action(name) && !name.contains("{{") {
            let error =
                Diagnostic::error(format!(
                    "couldn't resolve module/action '{written}'. This often indicates a misspelling, missing collection, \
                     or incorrect module path."
                ))
                .at(span);
            let on = self.on_task();
            let actions = self.loader.actions.iter().map(|known| &**known);
            return Err(match (nearest(name, actions), nearest(name, on.keywords())) {
                (Some(near), _) => error.hint(format!("did you mean `{near}`?")),
                (None, Some(near)) => error.hint(format!("did you mean the keyword `{near}`?")),
                (None, None) => error,
            });
        }
        self.loader.collections.deprecate(&trail);
        Ok(Action {
            name: name.into(),
            trail: trail.names,
            written: written.into(),
            span: span.clone(),
            args: Vars::new(),
            free_form: None,
            args_template: None,
        })
    }

    /// The full name of a module of ours that a short or former one means, unless the content has a module of that name.
    fn moved(&self, written: &str) -> Option<String> {
        let is_ours = |name: &str| self.loader.actions.iter().any(|known| **known == *name);
        let full = crate::routing::routed(written).filter(|full| is_ours(full))?;
        let is_taken = is_ours(written) || self.loader.module_file(written).is_some();
        (!is_taken).then_some(full)
    }

    /// Whether an action of that name is known. Without a list of names none is.
    pub(super) fn knows_action(&self, name: &str) -> bool {
        let found = self.loader.resolve_action(name, &self.place.collections);
        // What is gone is known too: the reason is told where it is used.
        let Ok(trail) = found else { return true };
        let name = canonical_action(trail.end());
        self.loader.actions.iter().any(|known| **known == *name)
            || FREE_FORM.contains(&name)
            || COMMANDS.contains(&name)
            || self.loader.module_file(name).is_some()
            || self.moved(name).is_some()
    }

    /// The role of an `import_role`.
    pub(super) fn import_role(&self, task: &Task) -> Result<Arc<Role>> {
        let action = &task.action;
        let options: Vec<_> =
            ROLE_OPTIONS.iter().copied().filter(|name| *name != "apply").collect();
        only_options(action, &options)?;
        let place = self.place.knowing(crate::Level::TaskVars, "import_role", &task.common.vars);
        let name = role_name(action)?;
        let text =
            |value: &Value| self.loader.static_text(value, &place).map(|text| text.to_string());
        let option = |key: &str| action.args.get(key).map(text).transpose();
        let flag = |key: &str| action.args.get(key).map(super::role::is_true);
        Reader::new(self.loader, place.clone()).role(&RoleRequest {
            name: text(name)?,
            tasks_from: option("tasks_from")?,
            vars_from: option("vars_from")?,
            defaults_from: option("defaults_from")?,
            handlers_from: option("handlers_from")?,
            public: flag("public").unwrap_or(true),
            says_public: flag("public").is_some(),
            allow_duplicates: Some(flag("allow_duplicates").unwrap_or(true)),
            rolespec_validate: flag("rolespec_validate"),
            common: task.common.clone(),
            params: Vars::new(),
            span: Some(
                name.origin().map_or_else(|| action.span.clone(), |origin| (**origin).clone()),
            ),
        })
    }
}

/// An include says what it includes, and carries only the keywords of an include.
pub(super) fn check_include(task: &Task, fields: &[(Node, Node)]) -> Result<()> {
    let action = &task.action;
    for pair in fields {
        let field = Field::new(pair, On::Include)?;
        let is_own = On::Include.admits(field.name)
            || field.name.starts_with("with_")
            || field.name == &*action.written;
        if !is_own {
            return Err(unknown_keyword(&field).hint(format!(
                "for the included tasks, write it under `apply:` of `{}`",
                action.written
            )));
        }
    }
    if let Some(apply) = action.args.get("apply")
        && apply.as_dict().is_none()
        && !apply.is_template()
    {
        return Err(Diagnostic::error("`apply` must be a mapping of keywords")
            .at(origin_of(apply, &action.span)));
    }
    if &*action.name == "include_tasks" {
        return included_file(task).map(|_| ());
    }
    only_options(action, ROLE_OPTIONS)?;
    let wrong =
        |(name, value): &(&Arc<str>, &Value)| name.ends_with("_from") && value.as_str().is_none();
    if let Some((name, value)) = action.args.iter().find(wrong) {
        return Err(Diagnostic::error(format!(
            "Expected a string for {name} but got {} instead",
            value.type_name()
        ))
        .at(origin_of(value, &action.span)));
    }
    role_name(action).map(|_| ())
}

/// The file that an include or import of tasks names.
pub(super) fn included_file(task: &Task) -> Result<Value> {
    let action = &task.action;
    let options: &[&str] =
        if &*action.name == "import_tasks" { &["file"] } else { &["file", "apply"] };
    only_options(action, options)?;
    match action.free_form.as_ref().or_else(|| action.args.get("file")) {
        Some(file) => Ok(file.clone()),
        None => Err(Diagnostic::error(format!("No file specified for {}", action.written))
            .at(&task.span)
            .hint(format!("`{}: file.yml`", action.written))),
    }
}

const ROLE_OPTIONS: &[&str] = &[
    "name",
    "role",
    "tasks_from",
    "vars_from",
    "defaults_from",
    "handlers_from",
    "apply",
    "public",
    "allow_duplicates",
    "rolespec_validate",
];

fn role_name(action: &Action) -> Result<&Value> {
    action.args.get("name").or_else(|| action.args.get("role")).ok_or_else(|| {
        Diagnostic::error(format!("`{}` names no role", action.written))
            .at(&action.span)
            .hint("the argument `name` is the role")
    })
}

fn only_options(action: &Action, options: &[&'static str]) -> Result<()> {
    match action.args.iter().find(|(name, _)| !options.contains(&&***name)) {
        None => Ok(()),
        Some((name, value)) => {
            let error =
                Diagnostic::error(format!("Invalid options for {}: {name}", action.written))
                    .at(origin_of(value, &action.span));
            Err(match nearest(name, options.iter().copied()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("variables for it stand under `vars:` of the task"),
            })
        }
    }
}

/// Where a value is written; `span` if it does not know.
fn origin_of<'a>(value: &'a Value, span: &'a Span) -> &'a Span {
    value.origin().map_or(span, |origin| origin)
}

/// Arguments from a mapping: its keys are names, whatever they look like.
fn arguments(entries: &[(Node, Node)]) -> Result<Vars> {
    entries
        .iter()
        .map(|(key, value)| {
            let name = key.as_str().unwrap_or_else(|| key.span.text());
            Ok((name.into(), value_from_node(value)?))
        })
        .collect()
}

/// Takes `key=value` text. Free words are for commands and a few actions; for others the text may be a template that
/// gives all arguments.
fn take_line(action: &mut Action, text: &str, span: &Span) -> Result<()> {
    let is_command = COMMANDS.contains(&&*action.name);
    let Arguments { named, free } = parse(text, span, is_command)?;
    if let Some(free) = &free
        && !is_command
        && !free.is_template()
        && !FREE_FORM.contains(&&*action.name)
    {
        let words = free.as_str().unwrap_or_default();
        return Err(Diagnostic::error(format!(
            "`{}` takes `key=value`, not `{words}`",
            action.written
        ))
        .at(origin_of(free, span))
        .hint("a value with spaces must be in quotes: `key=\"some words\"`"));
    }
    action.args = named;
    action.free_form = free;
    Ok(())
}
