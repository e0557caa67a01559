//! Tasks, handlers and blocks; static imports are expanded where they stand.

use std::sync::Arc;

use yaml::{Diagnostic, Node, Result};

use super::Reader;
use super::action::{check_include, included_file};
use crate::common::unknown_keyword;
use crate::field::Field;
use crate::names::{On, nearest};
use crate::{Action, Block, Common, Item, Level, Loop, LoopControl, Task};

impl Reader<'_> {
    /// A task, a block, or what a static import brings.
    pub(crate) fn item(&self, node: &Node) -> Result<Item> {
        let Some(fields) = node.as_map() else {
            let error = Diagnostic::error(format!("a task is a mapping, not {}", node.kind()))
                .at(&node.span);
            return Err(match node.as_str() {
                Some(text) if self.knows_action(text) => error.hint(format!("`- {text}:`")),
                Some(text) if text.contains('=') => {
                    error.hint("a colon and a space follow the name of the action")
                }
                _ => error,
            });
        };
        let is_block = fields
            .iter()
            .any(|(key, _)| matches!(key.as_str(), Some("block" | "rescue" | "always")));
        if is_block { self.block(node, fields).map(Item::Block) } else { self.task(node, fields) }
    }

    fn block(&self, node: &Node, fields: &[(Node, Node)]) -> Result<Arc<Block>> {
        if self.place.is_handler {
            return Err(Diagnostic::error("Using a block as a handler is not supported.")
                .at(&node.span)
                .hint("each handler is one task; several may `listen` to one topic"));
        }
        if node.get("block").is_none() {
            return Err(
                Diagnostic::error("`rescue` and `always` stand beside a `block`").at(&node.span)
            );
        }
        let mut common = Common { span: Some(node.span.clone()), ..Common::default() };
        for pair in fields {
            let field = Field::new(pair, On::Block)?;
            let is_section = matches!(field.name, "block" | "rescue" | "always");
            let is_taken = is_section || (On::Block.admits(field.name) && common.set(&field)?);
            if !is_taken {
                let error = unknown_keyword(&field);
                return Err(if self.knows_action(field.name) {
                    error.hint("it belongs to a task: look at the indentation")
                } else {
                    error
                });
            }
        }
        let place = self.place.knowing(Level::BlockVars, "block", &common.vars);
        let inner = Reader::new(self.loader, place.searching(&common));
        let section =
            |name: &str| node.get(name).map_or(Ok(Vec::new()), |items| inner.items(items));
        let (body, rescue, always) = (section("block")?, section("rescue")?, section("always")?);
        Ok(Arc::new(Block { common: Arc::new(common), body, rescue, always }))
    }

    fn task(&self, node: &Node, fields: &[(Node, Node)]) -> Result<Item> {
        let on = self.on_task();
        let mut common = Common { span: Some(node.span.clone()), ..Common::default() };
        let mut task = empty_task(node, self);
        let mut actions = Vec::new();
        for pair in fields {
            let field = Field::new(pair, on)?;
            match field.name {
                "action" | "local_action" => actions.push(field),
                "args" => {}
                name if on.admits(name) => {
                    if !common.set(&field)? {
                        set(&mut task, &field)?;
                    }
                }
                name => match name.strip_prefix("with_") {
                    Some(lookup) => set_loop(&mut task, &field, Some(lookup))?,
                    None => actions.push(field),
                },
            }
        }
        let reader = Reader::new(self.loader, self.place.clone().searching(&common));
        let action = reader.only_action(node, &actions)?;
        task.action = reader.action(action, node.get("args"))?;
        task.collections = reader.place.collections.clone();
        if action.name == "local_action" && common.delegate_to.is_none() {
            common.delegate_to = Some("localhost".into());
        }
        task.common = Arc::new(common);
        reader.expanded(task, fields)
    }

    /// The one entry that names the action.
    fn only_action<'f>(&self, node: &Node, actions: &'f [Field<'f>]) -> Result<&'f Field<'f>> {
        match actions {
            [] => Err(Diagnostic::error("no module/action detected in task")
                .at(&node.span)
                .hint("one key names the module or action: `ansible.builtin.command: uptime`")),
            [action] => Ok(action),
            [..] => {
                let known = |field: &&Field<'_>| {
                    matches!(field.name, "action" | "local_action") || self.knows_action(field.name)
                };
                let mut stray = actions.iter().filter(|field| !known(field)).collect::<Vec<_>>();
                stray.sort_by_key(|field| nearest(field.name, field.on.keywords()).is_none());
                if let (Some(stray), true) = (stray.first(), stray.len() < actions.len()) {
                    return Err(unknown_keyword(stray));
                }
                let (first, second) = (&actions[0], &actions[1]);
                let error = Diagnostic::error(format!(
                    "conflicting action statements: {}, {}",
                    first.name, second.name
                ))
                .at(&second.key.span)
                .also(&first.key.span, "the first");
                let meant = actions.iter().find_map(|field| {
                    Some((field.name, nearest(field.name, field.on.keywords())?))
                });
                Err(match meant {
                    Some((name, near)) => error.hint(format!("is `{name}` the keyword `{near}`?")),
                    None => error,
                })
            }
        }
    }

    /// The task, or what it imports.
    fn expanded(&self, task: Task, fields: &[(Node, Node)]) -> Result<Item> {
        match &*task.action.name {
            name @ ("include_role" | "import_role") if self.place.is_handler => {
                let message = format!("Using '{name}' as a handler is not supported.");
                Err(Diagnostic::error(message)
                    .at(&task.action.span)
                    .hint("`include_tasks` in a handler may include a file that includes the role"))
            }
            "import_tasks" | "import_role" if task.r#loop.is_some() => {
                let name = &task.action.name;
                let span = task.r#loop.as_ref().map_or(&task.span, |looped| &looped.span);
                Err(Diagnostic::error(format!("`{name}` cannot have a loop"))
                    .at(span)
                    .hint(format!("`{}` can", name.replace("import", "include"))))
            }
            "import_tasks" => {
                let place = self.place.knowing(Level::TaskVars, "import_tasks", &task.common.vars);
                let reader = Reader::new(self.loader, place);
                let file = included_file(&task)?;
                let name = self.loader.static_text(&file, &reader.place)?;
                let at = file.origin().map_or(&task.action.span, |origin| origin);
                let body = reader.task_file(&name, Some(at))?;
                let (rescue, always) = (Vec::new(), Vec::new());
                Ok(Item::Block(Arc::new(Block { common: task.common, body, rescue, always })))
            }
            "import_role" => self.import_role(&task).map(Item::Role),
            "include_tasks" | "include_role" => {
                check_include(&task, fields)?;
                Ok(Item::Task(Arc::new(task)))
            }
            _ => Ok(Item::Task(Arc::new(task))),
        }
    }
}

pub(super) fn empty_task(node: &Node, reader: &Reader<'_>) -> Task {
    Task {
        common: Arc::default(),
        span: node.span.clone(),
        file: reader.place.file.clone(),
        action: Action {
            name: "".into(),
            written: "".into(),
            trail: Vec::new(),
            span: node.span.clone(),
            args: crate::Vars::new(),
            free_form: None,
            args_template: None,
        },
        collections: reader.place.collections.clone(),
        register: None,
        r#loop: None,
        loop_control: LoopControl::default(),
        until: Vec::new(),
        retries: None,
        delay: None,
        changed_when: Vec::new(),
        failed_when: Vec::new(),
        r#async: None,
        poll: None,
        listen: Vec::new(),
    }
}

/// Takes a keyword that only tasks have.
fn set(task: &mut Task, field: &Field<'_>) -> Result<()> {
    match field.name {
        "register" => task.register = field.variable_name()?,
        "loop" => set_loop(task, field, None)?,
        "loop_control" => task.loop_control = loop_control(field)?,
        "until" => task.until = field.conditions()?,
        "retries" => task.retries = field.number()?,
        "delay" => task.delay = field.number()?,
        "changed_when" => task.changed_when = field.conditions()?,
        "failed_when" => task.failed_when = field.conditions()?,
        "async" => task.r#async = field.number()?,
        "poll" => task.poll = field.number()?,
        "listen" => task.listen = field.texts()?,
        _ => return Err(unknown_keyword(field)),
    }
    Ok(())
}

fn set_loop(task: &mut Task, field: &Field<'_>, lookup: Option<&str>) -> Result<()> {
    if let Some(other) = &task.r#loop {
        return Err(Diagnostic::error("a task has one loop: these are two")
            .at(&field.key.span)
            .also(&other.span, "the first"));
    }
    let value = field.any()?.ok_or_else(|| {
        Diagnostic::error(format!("`{}` needs a value", field.name)).at(&field.key.span)
    })?;
    task.r#loop =
        Some(Loop { lookup: lookup.map(Into::into), value, span: field.key.span.clone() });
    Ok(())
}

fn loop_control(field: &Field<'_>) -> Result<LoopControl> {
    const KEYS: [&str; 7] =
        ["loop_var", "index_var", "label", "pause", "extended", "extended_allitems", "break_when"];
    let mut control = LoopControl::default();
    if field.value.is_null() {
        return Ok(control);
    }
    let Some(entries) = field.value.as_map() else {
        return Err(field.must_be("a mapping"));
    };
    for pair in entries {
        let key = Field::new(pair, field.on)?;
        match key.name {
            "loop_var" => control.loop_var = key.variable_name()?,
            "index_var" => control.index_var = key.variable_name()?,
            "label" => control.label = key.any()?,
            "pause" => control.pause = key.number()?,
            "extended" => control.extended = key.boolean()?,
            "extended_allitems" => control.extended_allitems = key.boolean()?,
            "break_when" => control.break_when = key.conditions()?,
            name => {
                let error = Diagnostic::error(format!("`{name}` is not a key of `loop_control`"))
                    .at(&key.key.span);
                return Err(match nearest(name, KEYS) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint(format!("keys: {}", KEYS.join(", "))),
                });
            }
        }
    }
    Ok(control)
}
