//! Evaluation against a host's variables: lazy, recursive, cached, and with cycles found.

use std::sync::Arc;

use yaml::Span;

use crate::controller::Controller;
use crate::environment::Environment;
use crate::error::{Error, ErrorKind};
use crate::value::Value;

/// The variables that an evaluation sees, as they were written: templates in them are evaluated when they are used.
pub trait Variables: Sync {
    /// The variable of that name.
    fn get(&self, name: &str) -> Option<Value>;

    /// All names.
    fn names(&self) -> Vec<Arc<str>>;
}

/// How a template file is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateOptions {
    /// Removes the newline behind a block.
    pub trim_blocks: bool,
    /// Removes the white space before a block on its line.
    pub lstrip_blocks: bool,
    /// Keeps the newline at the end of the file.
    pub keep_trailing_newline: bool,
    /// What a line ends with: `\n`, `\r\n` or `\r`.
    pub newline_sequence: String,
    /// `{{` and `}}`.
    pub variable: (String, String),
    /// `{%` and `%}`.
    pub block: (String, String),
    /// `{#` and `#}`.
    pub comment: (String, String),
}

impl Default for TemplateOptions {
    fn default() -> Self {
        let pair = |start: &str, end: &str| (start.to_owned(), end.to_owned());
        Self {
            trim_blocks: true,
            lstrip_blocks: false,
            keep_trailing_newline: true,
            newline_sequence: "\n".into(),
            variable: pair("{{", "}}"),
            block: pair("{%", "%}"),
            comment: pair("{#", "#}"),
        }
    }
}

/// Evaluates templates with one set of variables. Make one per host and task; it caches what it resolves.
pub struct Templar<'a> {
    _environment: &'a Environment,
    _variables: &'a dyn Variables,
    _controller: &'a dyn Controller,
}

impl<'a> Templar<'a> {
    /// A templar without anything resolved yet.
    pub fn new(
        environment: &'a Environment,
        variables: &'a dyn Variables,
        controller: &'a dyn Controller,
    ) -> Self {
        Self { _environment: environment, _variables: variables, _controller: controller }
    }

    /// The value with every template in it evaluated, through and through. Omitted elements of lists and dicts are
    /// left out; a value that is the placeholder itself stays.
    pub fn resolve(&self, value: &Value) -> Result<Value, Error> {
        Ok(value.clone())
    }

    /// A variable, fully resolved; undefined if there is none or its template needs something undefined.
    pub fn variable(&self, _name: &str) -> Result<Value, Error> {
        Err(Error::new(ErrorKind::Value, "not built yet"))
    }

    /// A condition (`when`, `failed_when`, `until`, `assert`): an expression without braces, or a boolean.
    pub fn condition(&self, _condition: &Value) -> Result<bool, Error> {
        Err(Error::new(ErrorKind::Value, "not built yet"))
    }

    /// A condition's result as a value, with its marks: a secret or unknown operand shows.
    pub fn condition_value(&self, _condition: &Value) -> Result<Value, Error> {
        Err(Error::new(ErrorKind::Value, "not built yet"))
    }

    /// An expression without braces, from a trusted source.
    pub fn expression(&self, _source: &str, _origin: Option<Arc<Span>>) -> Result<Value, Error> {
        Err(Error::new(ErrorKind::Value, "not built yet"))
    }

    /// A lookup by name, as `with_NAME` and `lookup()` call it: the terms are resolved already; gives a list.
    pub fn lookup(&self, _name: &str, _terms: Value) -> Result<Value, Error> {
        Err(Error::new(ErrorKind::Value, "not built yet"))
    }

    /// The text of a whole template file (action `template`); a `#jinja2:` line in it overrides the options.
    pub fn render_template(
        &self,
        _file: &Arc<yaml::SourceFile>,
        _options: &TemplateOptions,
    ) -> Result<Value, Error> {
        Err(Error::new(ErrorKind::Value, "not built yet"))
    }

    /// Deprecations and other things the user should hear, collected since the last call.
    pub fn take_notes(&self) -> Vec<String> {
        Vec::new()
    }
}
