//! The keywords that plays, roles, blocks and tasks share, from their entries.

use yaml::{Diagnostic, Result};

use crate::Common;
use crate::field::Field;
use crate::names::{On, nearest};

impl Common {
    /// Takes a keyword's value if it is one of the shared keywords. Whether it may stand here has been checked.
    pub(crate) fn set(&mut self, field: &Field<'_>) -> Result<bool> {
        match field.name {
            "name" => self.name = field.text()?,
            "when" => self.when = field.conditions()?,
            "tags" => self.tags = field.tags()?,
            "vars" => self.vars = field.vars()?,
            "environment" => self.environment = field.mappings()?,
            "become" => self.r#become = field.boolean()?,
            "become_user" => self.become_user = field.text()?,
            "become_method" => self.become_method = field.text()?,
            "become_flags" => self.become_flags = field.text()?,
            "become_exe" => self.become_exe = field.text()?,
            "check_mode" => self.check_mode = field.boolean()?,
            "diff" => self.diff = field.boolean()?,
            "no_log" => self.no_log = field.boolean()?,
            "ignore_errors" => self.ignore_errors = field.boolean()?,
            "ignore_unreachable" => self.ignore_unreachable = field.boolean()?,
            "run_once" => self.run_once = field.boolean()?,
            "any_errors_fatal" => self.any_errors_fatal = field.boolean()?,
            "throttle" => self.throttle = field.number()?,
            "timeout" => self.timeout = field.number()?,
            "connection" => self.connection = field.text()?,
            "remote_user" => self.remote_user = field.text()?,
            "port" => self.port = field.number()?,
            "debugger" => self.debugger = field.text()?,
            "module_defaults" => self.module_defaults = field.mappings()?,
            "collections" => self.collections = field.collections()?,
            "delegate_to" => self.delegate_to = field.text()?,
            "delegate_facts" => self.delegate_facts = field.boolean()?,
            "notify" => self.notify = field.texts()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The error for a keyword that does not exist, or may not stand here.
pub(crate) fn unknown_keyword(field: &Field<'_>) -> Diagnostic {
    let Field { name, key, on, .. } = field;
    let error =
        Diagnostic::error(format!("'{name}' is not a valid attribute for a {}", on.class()))
            .at(&key.span);
    let elsewhere = [On::Task, On::Block, On::Role, On::Play, On::Handler]
        .into_iter()
        .find(|other| *on != On::Include && other.admits(name));
    match (elsewhere, nearest(name, on.keywords())) {
        (Some(other), _) => error.hint(format!("it is a keyword of {}", other.article())),
        (None, Some(near)) => error.hint(format!("did you mean `{near}`?")),
        (None, None) => error,
    }
}
