//! A keyword and its value, read with the type that the keyword has. Templates pass: what they give is known later.

use std::sync::Arc;

use jinja::Value;
use yaml::{Diagnostic, Node, NodeValue, Result};

use crate::Vars;
use crate::names::On;
use crate::value::{is_variable_name, value_from_node, vars_from_node};

/// One entry of a play, role, block or task.
#[derive(Clone, Copy)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a str,
    pub(crate) key: &'a Node,
    pub(crate) value: &'a Node,
    pub(crate) on: On,
}

impl<'a> Field<'a> {
    /// An entry whose key is text.
    pub(crate) fn new((key, value): &'a (Node, Node), on: On) -> Result<Self> {
        match key.as_str() {
            Some(name) => Ok(Self { name, key, value, on }),
            None => Err(Diagnostic::error(format!(
                "a keyword of {} is text, not {}",
                on.article(),
                key.kind()
            ))
            .at(&key.span)),
        }
    }

    /// The error for a value of the wrong type.
    pub(crate) fn must_be(&self, what: &str) -> Diagnostic {
        let message = format!("`{}` must be {what}, not {}", self.name, self.value.kind());
        Diagnostic::error(message).at(&self.value.span)
    }

    fn is_template(&self) -> bool {
        self.value.as_str().is_some_and(|text| text.contains("{{") || text.contains("{%"))
    }

    /// Text, a number or a boolean; nothing counts as not written.
    pub(crate) fn text(&self) -> Result<Option<Value>> {
        match &self.value.value {
            NodeValue::Null => Ok(None),
            NodeValue::Seq(_) | NodeValue::Map(_) => Err(self.must_be("text")),
            NodeValue::Str { .. } => Ok(Some(value_from_node(self.value)?)),
            _ => Ok(Some(Value::trusted(
                self.value.span.text(),
                Some(Arc::new(self.value.span.clone())),
            ))),
        }
    }

    /// A boolean, or a word that stands for one.
    pub(crate) fn boolean(&self) -> Result<Option<Value>> {
        const WORDS: [&str; 12] =
            ["yes", "no", "y", "n", "true", "false", "t", "f", "on", "off", "1", "0"];
        match &self.value.value {
            NodeValue::Null => return Ok(None),
            NodeValue::Bool(_) | NodeValue::Int(0 | 1) => {}
            NodeValue::Str { text, .. }
                if self.is_template() || WORDS.contains(&text.to_lowercase().trim()) => {}
            // Only the task fails, when it is its turn.
            NodeValue::Str { .. } if matches!(self.on, On::Task | On::Handler) => {}
            NodeValue::Str { text, .. } => {
                return Err(Diagnostic::error(format!(
                    "`{}` must be a boolean, not `{text}`",
                    self.name
                ))
                .at(&self.value.span)
                .hint("booleans are `true` and `false`"));
            }
            _ => return Err(self.must_be("a boolean")),
        }
        value_from_node(self.value).map(Some)
    }

    /// A number, or text that spells one.
    pub(crate) fn number(&self) -> Result<Option<Value>> {
        match &self.value.value {
            NodeValue::Null => return Ok(None),
            NodeValue::Int(_) | NodeValue::Float(_) => {}
            NodeValue::Str { text, .. }
                if self.is_template()
                    || text.trim().trim_end_matches('%').parse::<f64>().is_ok() => {}
            NodeValue::Str { text, .. } => {
                let message = format!("`{}` must be a number, not `{text}`", self.name);
                return Err(Diagnostic::error(message).at(&self.value.span));
            }
            _ => return Err(self.must_be("a number")),
        }
        value_from_node(self.value).map(Some)
    }

    /// Anything; nothing counts as not written.
    pub(crate) fn any(&self) -> Result<Option<Value>> {
        if self.value.is_null() { Ok(None) } else { value_from_node(self.value).map(Some) }
    }

    /// A list, or one value that counts as a list of itself. `item` checks each.
    pub(crate) fn list(
        &self,
        item: impl Fn(&Field<'a>) -> Result<Option<Value>>,
    ) -> Result<Vec<Value>> {
        let items = match &self.value.value {
            NodeValue::Seq(items) => items.as_slice(),
            _ => std::slice::from_ref(self.value),
        };
        items.iter().filter_map(|value| item(&Field { value, ..*self }).transpose()).collect()
    }

    /// A list of texts.
    pub(crate) fn texts(&self) -> Result<Vec<Value>> {
        self.list(Self::text)
    }

    /// Names of collections: a list, or text with commas between them.
    pub(crate) fn collections(&self) -> Result<Option<Value>> {
        let names = self.list(|item| match &item.value.value {
            NodeValue::Str { .. } => item.text(),
            NodeValue::Null => Ok(None),
            _ => Err(Diagnostic::error(format!(
                "Keyword 'collections' items must be of type 'str', not {}.",
                item.value.kind()
            ))
            .at(&item.value.span)),
        })?;
        Ok(if self.value.is_null() { None } else { Some(Value::list(names)) })
    }

    /// Conditions: texts and booleans.
    pub(crate) fn conditions(&self) -> Result<Vec<Value>> {
        self.list(|item| match &item.value.value {
            NodeValue::Seq(_) | NodeValue::Map(_) => {
                Err(item.must_be("a condition or a list of conditions"))
            }
            NodeValue::Null => Ok(None),
            _ => value_from_node(item.value).map(Some),
        })
    }

    /// Tags: a list of texts, each of which may be several with commas between.
    pub(crate) fn tags(&self) -> Result<Vec<Value>> {
        let wrong = || self.must_be("a tag or a list of tags");
        let mut tags = Vec::new();
        for value in self.list(|item| item.text().map_err(|_| wrong()))? {
            let text = value.as_str().unwrap_or_default();
            if value.is_template() {
                tags.push(value);
                continue;
            }
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            tags.extend(parts.map(|part| Value::trusted(part, value.origin().cloned())));
        }
        Ok(tags)
    }

    /// Mappings, or templates that give one.
    pub(crate) fn mappings(&self) -> Result<Vec<Value>> {
        self.list(|item| match &item.value.value {
            NodeValue::Null => Ok(None),
            NodeValue::Map(_) => value_from_node(item.value).map(Some),
            NodeValue::Str { .. } if item.is_template() => value_from_node(item.value).map(Some),
            _ => Err(item.must_be("a mapping")),
        })
    }

    /// Variables.
    pub(crate) fn vars(&self) -> Result<Vars> {
        vars_from_node(self.value, &format!("`{}` of {}", self.name, self.on.article()))
    }

    /// The name of a variable.
    pub(crate) fn variable_name(&self) -> Result<Option<Value>> {
        let Some(value) = self.text()? else { return Ok(None) };
        let name = value.as_str().unwrap_or_default();
        if value.is_template() || is_variable_name(name) {
            return Ok(Some(value));
        }
        Err(Diagnostic::error(format!("Invalid variable name '{name}'"))
            .at(&self.value.span)
            .hint("letters, digits and underscores, not beginning with a digit"))
    }
}
