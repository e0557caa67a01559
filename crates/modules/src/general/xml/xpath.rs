//! XPath 1.0, as far as configuration needs it: location paths with the usual axes, conditions and functions. Knows only the
//! parsed document.

mod evaluate;
mod parse;

use std::ops::Range;

use roxmltree::{Attribute, Document, Node};

use super::edit::Scope;

/// What an expression finds.
#[derive(Clone, Copy)]
pub(super) enum Found<'a, 'input> {
    /// An element, text, comment, or the document itself.
    Node(Node<'a, 'input>),
    /// An attribute of an element.
    Attribute(Node<'a, 'input>, Attribute<'a, 'input>),
}

impl<'a, 'input> Found<'a, 'input> {
    pub(super) fn element(&self) -> Option<Node<'a, 'input>> {
        match self {
            Self::Node(node) if node.is_element() => Some(*node),
            _ => None,
        }
    }

    /// Its place in the text.
    pub(super) fn range(&self) -> Range<usize> {
        match self {
            Self::Node(node) => node.range(),
            Self::Attribute(_, attribute) => attribute.range(),
        }
    }

    /// Its text, as XPath takes it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Node(node) if node.is_text() || node.is_comment() => {
                node.text().unwrap_or_default().to_owned()
            }
            Self::Node(node) => {
                let texts = node.descendants().filter(Node::is_text);
                texts.filter_map(|text| text.text()).collect()
            }
            Self::Attribute(_, attribute) => attribute.value().to_owned(),
        }
    }

    /// A path that leads to it alone.
    pub(super) fn path(&self) -> String {
        let mut node = match self {
            Self::Node(node) | Self::Attribute(node, _) => *node,
        };
        let mut path = match self {
            Self::Attribute(_, attribute) => format!("/@{}", attribute.name()),
            Self::Node(_) => String::new(),
        };
        loop {
            let Some(parent) = node.parent() else { return path };
            let kin = |other: &Node<'_, '_>| {
                if node.is_text() {
                    other.is_text()
                } else {
                    other.tag_name() == node.tag_name() && other.is_element()
                }
            };
            let place = parent.children().filter(kin).position(|other| other == node);
            let count = parent.children().filter(kin).count();
            let name = if node.is_text() { "text()" } else { node.tag_name().name() };
            let number = match place {
                Some(place) if count > 1 => format!("[{}]", place + 1),
                _ => String::new(),
            };
            path = format!("/{name}{number}{path}");
            node = parent;
        }
    }
}

/// Which way a step goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    Child,
    Attribute,
    Own,
    Parent,
    Descendant,
    DescendantOrOwn,
    Ancestor,
    AncestorOrOwn,
    Following,
    Preceding,
}

/// What a step takes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    /// Elements or attributes of a name; `*` is any.
    Name {
        prefix: Option<String>,
        name: String,
    },
    Text,
    Comment,
    Any,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub(super) axis: Axis,
    pub(super) test: Test,
    pub(super) conditions: Vec<Expression>,
}

/// An expression within a condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Text(String),
    Number(f64),
    Steps { is_absolute: bool, steps: Vec<Step> },
    Call(String, Vec<Expression>),
    Binary(&'static str, Box<Expression>, Box<Expression>),
    Negative(Box<Expression>),
}

impl Expression {
    /// The names that must have texts, when that is all that the condition says: `[@a='1' and b='2']`.
    pub(super) fn equalities(&self) -> Option<Vec<(String, String)>> {
        match self {
            Self::Binary("and", one, other) => {
                let mut pairs = one.equalities()?;
                pairs.extend(other.equalities()?);
                Some(pairs)
            }
            Self::Binary("=", one, other) => match (&**one, &**other) {
                (path, Self::Text(text)) | (Self::Text(text), path) => {
                    Some(vec![(path.simple_name()?, text.clone())])
                }
                (path, Self::Number(number)) => {
                    Some(vec![(path.simple_name()?, number.to_string())])
                }
                _ => None,
            },
            path => Some(vec![(path.simple_name()?, String::new())]),
        }
    }

    fn simple_name(&self) -> Option<String> {
        let Self::Steps { is_absolute: false, steps } = self else { return None };
        let [Step { axis, test, conditions }] = steps.as_slice() else { return None };
        match (axis, test) {
            _ if !conditions.is_empty() => None,
            (_, Test::Name { prefix: Some(_), .. }) => None,
            (Axis::Attribute, Test::Name { name, .. }) if name != "*" => Some(format!("@{name}")),
            (Axis::Child, Test::Name { name, .. }) if name != "*" => Some(name.clone()),
            (Axis::Child, Test::Text) => Some("text()".to_owned()),
            (Axis::Own, Test::Any) => Some(".".to_owned()),
            _ => None,
        }
    }
}

/// A path through a document.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    source: String,
    steps: Vec<Step>,
}

impl Path {
    /// Reads an expression, which must be a path.
    pub(super) fn parse(source: &str) -> Result<Self, String> {
        match parse::expression(source)? {
            Expression::Steps { steps, .. } => Ok(Self { source: source.to_owned(), steps }),
            _ => Err("it names no nodes".to_owned()),
        }
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Its first steps.
    pub(super) fn first(&self, count: usize) -> Self {
        Self { source: self.source.clone(), steps: self.steps[..count].to_vec() }
    }

    /// What it finds, in the order of the document.
    pub(super) fn select<'a, 'input>(
        &self,
        document: &'a Document<'input>,
        scope: &Scope<'_>,
    ) -> Result<Vec<Found<'a, 'input>>, String> {
        evaluate::steps(&self.steps, Found::Node(document.root()), scope)
    }
}
