//! The file that configures an inventory plugin: a mapping of options, read with their places.

use std::sync::Arc;

use jinja::Value;
use yaml::{Diagnostic, Node, Span};

use crate::value::value_from_node;

/// The options of a plugin.
pub(super) struct PluginFile<'n> {
    plugin: &'static str,
    entries: &'n [(Node, Node)],
    /// The whole document.
    pub(super) span: &'n Span,
}

/// Options that every plugin accepts.
const COMMON: [&str; 7] = [
    "plugin",
    "cache",
    "cache_plugin",
    "cache_timeout",
    "cache_connection",
    "cache_prefix",
    "_extra",
];

impl<'n> PluginFile<'n> {
    pub(super) fn new(plugin: &'static str, document: &'n Node) -> Result<Self, Diagnostic> {
        let wrong = |message: String| Err(Diagnostic::error(message).at(&document.span));
        let Some(entries) = document.as_map() else {
            return wrong(format!(
                "the configuration of an inventory plugin must be a mapping, not {}",
                document.kind()
            ));
        };
        let named = document.get("plugin").and_then(Node::as_str).map(crate::canonical_action);
        if named != Some(plugin) {
            return wrong(format!("Incorrect plugin name in file: expected `plugin: {plugin}`"));
        }
        Ok(Self { plugin, entries, span: &document.span })
    }

    /// Tells of options that the plugin does not have: they are ignored.
    pub(super) fn unknown(&self, known: &[&str]) -> Vec<Diagnostic> {
        let known: Vec<&str> = known.iter().chain(&COMMON).copied().collect();
        let keys = self.entries.iter().map(|(key, _)| key);
        let names = keys.filter_map(|key| Some((key.as_str()?, key)));
        let unknown = names.filter(|(name, _)| !known.contains(name));
        let told = unknown.map(|(name, key)| {
            let message = format!("`{name}` is no option of the inventory plugin {}", self.plugin);
            let warning = Diagnostic::warning(message).at(&key.span);
            match crate::nearest(name, known.iter().copied()) {
                Some(near) => warning.hint(format!("did you mean `{near}`?")),
                None => warning,
            }
        });
        told.collect()
    }

    /// An option, unless it is not there or null.
    pub(super) fn get(&self, name: &str) -> Option<&'n Node> {
        let found = self.entries.iter().find(|(key, _)| key.as_str() == Some(name));
        found.map(|(_, value)| value).filter(|value| !value.is_null())
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, Diagnostic> {
        self.get(name).map_or(Ok(default), |node| flag(node, name))
    }

    /// The entries of a mapping.
    pub(super) fn map(&self, name: &str) -> Result<&'n [(Node, Node)], Diagnostic> {
        let Some(node) = self.get(name) else { return Ok(&[]) };
        node.as_map().ok_or_else(|| self.wrong(name, "a mapping", node))
    }

    /// The items of a list.
    pub(super) fn list(&self, name: &str) -> Result<&'n [Node], Diagnostic> {
        let Some(node) = self.get(name) else { return Ok(&[]) };
        node.as_seq().ok_or_else(|| self.wrong(name, "a list", node))
    }

    fn wrong(&self, name: &str, expected: &str, node: &Node) -> Diagnostic {
        Diagnostic::error(format!(
            "the option `{name}` of the inventory plugin {} must be {expected}, not {}",
            self.plugin,
            node.kind()
        ))
        .at(&node.span)
    }
}

/// A boolean option.
pub(super) fn flag(node: &Node, name: &str) -> Result<bool, Diagnostic> {
    let text = match node.value {
        yaml::NodeValue::Bool(value) => return Ok(value),
        yaml::NodeValue::Str { ref text, .. } => text.to_lowercase(),
        _ => node.span.text().to_owned(),
    };
    match text.as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Ok(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Ok(false),
        _ => Err(Diagnostic::error(format!("`{name}` must be true or false, not {}", node.kind()))
            .at(&node.span)),
    }
}

/// The text of a key or of an option; numbers and booleans stand as they are written.
pub(super) fn text(node: &Node) -> Result<&str, Diagnostic> {
    match node.as_str() {
        Some(text) => Ok(text),
        None if node.as_map().is_none() && node.as_seq().is_none() => Ok(node.span.text()),
        None => {
            Err(Diagnostic::error(format!("this must be text, not {}", node.kind())).at(&node.span))
        }
    }
}

/// The value of a node that is an expression or a condition: text from a source file.
pub(super) fn expression(node: &Node) -> Result<Value, Diagnostic> {
    if let yaml::NodeValue::Str { .. } = node.value {
        return value_from_node(node);
    }
    Ok(Value::trusted(text(node)?, Some(Arc::new(node.span.clone()))))
}
