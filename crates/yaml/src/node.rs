//! A YAML document as a tree in which every value knows its place. Plain data: templates in strings are not looked at.

use crate::Span;
use std::sync::Arc;

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: NodeValue,
    /// Where it stands.
    pub span: Span,
    /// Ansible's mark on it, if there is one.
    pub tag: Option<Tag>,
}

/// The tags that mean something beyond a plain type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// `!vault`: the string is encrypted text.
    Vault,
    /// `!unsafe`: the strings in it are never templates.
    Unsafe,
}

/// What a node holds, as YAML 1.1 reads it.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeValue {
    /// `null`, `~` or nothing.
    Null,
    /// `true`, `yes`, `on` and their opposites.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer beyond 64 bits, in decimal digits.
    BigInt(Arc<str>),
    /// A float.
    Float(f64),
    /// Text.
    Str {
        /// The text.
        text: Arc<str>,
        /// How it was written.
        style: StrStyle,
    },
    /// A date or time, as it was written.
    Timestamp(Arc<str>),
    /// A list.
    Seq(Vec<Node>),
    /// A mapping: in the order of the file, merge keys expanded, each key once.
    Map(Vec<(Node, Node)>),
}

/// How a string was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrStyle {
    /// Without quotes.
    Plain,
    /// In single or double quotes.
    Quoted,
    /// As a block, `|` or `>`.
    Block,
}

impl Node {
    /// The text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Str { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.value {
            NodeValue::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The entries, if it is a mapping.
    pub fn as_map(&self) -> Option<&[(Node, Node)]> {
        match &self.value {
            NodeValue::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value under a text key, if it is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        self.value == NodeValue::Null
    }

    /// What it is, for messages: "a list", "text".
    pub fn kind(&self) -> &'static str {
        match &self.value {
            NodeValue::Null => "nothing",
            NodeValue::Bool(_) => "a boolean",
            NodeValue::Int(_) | NodeValue::BigInt(_) => "an integer",
            NodeValue::Float(_) => "a float",
            NodeValue::Str { .. } => "text",
            NodeValue::Timestamp(_) => "a date",
            NodeValue::Seq(_) => "a list",
            NodeValue::Map(_) => "a mapping",
        }
    }
}
