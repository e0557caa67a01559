//! From YAML nodes to values: the one door at which text becomes *trusted*, because a person wrote it in a source file.

use std::sync::Arc;

use jinja::{Map, Marks, Value};
use yaml::{Diagnostic, Node, NodeValue, Result, Span, Tag};

use crate::Vars;

/// The value of a node. Every text is trusted and knows its place, except below `!unsafe`.
///
/// Keys of mappings are never templates. Encrypted text is opened when it is used.
pub fn value_from_node(node: &Node) -> Result<Value> {
    convert(node, true)
}

/// Variables from a mapping (or nothing), whose keys must be names of variables. `what` names it in errors:
/// "`vars` of a play".
pub fn vars_from_node(node: &Node, what: &str) -> Result<Vars> {
    let entries = match &node.value {
        NodeValue::Null => return Ok(Vars::new()),
        NodeValue::Map(entries) => entries,
        _ => {
            let message = format!("{what} must be a mapping of variables, not {}", node.kind());
            return Err(Diagnostic::error(message).at(&node.span));
        }
    };
    entries
        .iter()
        .map(|(key, value)| {
            let name = key.as_str().unwrap_or_else(|| key.span.text());
            if !is_variable_name(name) {
                return Err(Diagnostic::error(format!("Invalid variable name '{name}'"))
                    .at(&key.span)
                    .hint("letters, digits and underscores, not beginning with a digit, and no word of Python"));
            }
            Ok((name.into(), value_from_node(value)?))
        })
        .collect()
}

/// Whether a text may name a variable.
pub fn is_variable_name(name: &str) -> bool {
    const RESERVED: [&str; 38] = [
        "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class",
        "continue", "def", "del", "elif", "else", "except", "finally", "for", "from", "global",
        "if", "import", "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return",
        "try", "while", "with", "yield", "true", "false", "none",
    ];
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !RESERVED.contains(&name)
}

fn convert(node: &Node, trusted: bool) -> Result<Value> {
    let trusted = trusted && node.tag != Some(Tag::Unsafe);
    let origin = || Some(Arc::new(node.span.clone()));
    if node.tag == Some(Tag::Vault) {
        let sealed = node.as_str().unwrap_or_default();
        return Ok(Value::sealed(sealed, origin()));
    }
    // What a file hides is as secret as a value that is encrypted alone.
    let marks = if node.span.file.secret { Marks::SECRET } else { Marks::NONE };
    let value = match &node.value {
        NodeValue::Null => Value::none().with_origin(origin()),
        NodeValue::Bool(value) => Value::from(*value).with_origin(origin()),
        NodeValue::Int(value) => Value::from(*value).with_origin(origin()),
        NodeValue::BigInt(digits) => big_integer(digits, &node.span)?,
        NodeValue::Float(value) => Value::from(*value).with_origin(origin()),
        NodeValue::Str { text, .. } | NodeValue::Timestamp(text) if trusted => {
            Value::trusted(text.clone(), origin())
        }
        NodeValue::Str { text, .. } | NodeValue::Timestamp(text) => {
            Value::from(text.clone()).with_origin(origin())
        }
        NodeValue::Seq(items) => {
            let items = items.iter().map(|item| convert(item, trusted));
            Value::list(items.collect::<Result<_>>()?).with_origin(origin())
        }
        NodeValue::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| Ok((convert(key, false)?, convert(value, trusted)?)));
            Value::dict(entries.collect::<Result<Map>>()?).with_origin(origin())
        }
    };
    Ok(value.marked(marks))
}

fn big_integer(digits: &str, span: &Span) -> Result<Value> {
    match digits.parse::<i128>() {
        Ok(value) => Ok(Value::from(value).with_origin(Some(Arc::new(span.clone())))),
        Err(_) => Err(Diagnostic::error("this integer has more than 127 bits")
            .at(span)
            .hint("put it in quotes if it is an identifier")),
    }
}
