//! `meta/argument_specs.yml`: the task that checks a role's arguments before its own tasks.

use std::path::Path;
use std::sync::Arc;

use jinja::{Map, Value};
use yaml::{Diagnostic, Node, Result, Span};

use super::task::empty_task;
use super::{Reader, point};
use crate::loader::RoleRequest;
use crate::value::value_from_node;
use crate::{Common, Item, Vars};

impl Reader<'_> {
    /// The task that validates the arguments of a role's entry point, if the role specifies them.
    pub(super) fn validation(
        &self,
        request: &RoleRequest,
        (name, collection): (&str, Option<&str>),
        path: &Path,
        at: Option<&Span>,
    ) -> Result<Option<Item>> {
        let Some(specs) = self.argument_specs(path, at)? else { return Ok(None) };
        let entry = request.tasks_from.as_deref().map_or("main", |name| {
            [".yml", ".yaml", ".json"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
        });
        let Some(spec) = specs.get(entry).filter(|spec| !spec.is_null()) else { return Ok(None) };
        if spec.as_map().is_none() {
            let message =
                format!("the specification of `{entry}` is a mapping, not {}", spec.kind());
            return Err(Diagnostic::error(message).at(&spec.span));
        }
        let options = match spec.get("options").filter(|options| !options.is_null()) {
            Some(options) => value_from_node(options)?,
            None => Value::dict(Map::new()),
        };
        let mut title = format!("Validating arguments against arg spec '{entry}'");
        if let Some(text) = spec.get("short_description").and_then(Node::as_str) {
            title = format!("{title} - {text}");
        }
        let short = collection.and_then(|it| name.strip_prefix(it)?.strip_prefix('.'));
        let role = short.unwrap_or(name);
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let context = [
            ("type", "role"),
            ("name", role),
            ("argument_spec_name", entry),
            ("path", &*path.to_string_lossy()),
        ];
        let context = context.map(|(key, value)| (key.into(), value.into()));
        let params = request.params.iter().map(|(key, value)| ((&**key).into(), value.clone()));
        let mut task = empty_task(spec, self);
        task.action.name = "validate_argument_spec".into();
        task.action.written = "ansible.builtin.validate_argument_spec".into();
        task.action.args = Vars::from_iter([
            ("argument_spec".into(), options),
            ("provided_arguments".into(), Value::dict(params.collect())),
            ("validate_args_context".into(), Value::dict(Map::from_iter(context))),
        ]);
        task.common = Arc::new(Common {
            span: Some(spec.span.clone()),
            name: Some(title.into()),
            tags: vec!["always".into()],
            ..Common::default()
        });
        Ok(Some(Item::Task(Arc::new(task))))
    }

    /// The specifications by entry point: a file of their own, or a part of `meta/main.yml`.
    fn argument_specs(&self, path: &Path, at: Option<&Span>) -> Result<Option<Node>> {
        for name in ["argument_specs", "main"] {
            let Some(file) = self.role_file(path, "meta", name) else { continue };
            let node = self.loader.document(&file).map_err(|error| point(error, at))?;
            let Some(specs) = node.get("argument_specs").filter(|specs| !specs.is_null()) else {
                continue;
            };
            if specs.as_map().is_none() {
                let message = format!("`argument_specs` is a mapping, not {}", specs.kind());
                return Err(Diagnostic::error(message).at(&specs.span));
            }
            return Ok(Some(specs.clone()));
        }
        Ok(None)
    }
}
