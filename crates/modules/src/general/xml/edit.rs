//! Edits of a text of XML: pieces of it are replaced, and all that is between them stays. Knows no files.

use model::Args;
use roxmltree::{Document, Node, ParsingOptions};

use super::xpath::{Found, Path};
use crate::arguments::python_text;

/// What prefixes of expressions mean.
pub(super) struct Scope<'a> {
    pub(super) namespaces: &'a Args,
}

impl Scope<'_> {
    /// The namespace of a prefix.
    pub(super) fn namespace(&self, prefix: &str) -> Result<String, String> {
        self.namespaces
            .get(prefix)
            .map(python_text)
            .ok_or_else(|| format!("the prefix `{prefix}` is not among `namespaces`"))
    }
}

/// Where children are added.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Before the first node.
    Before,
    /// Behind the last node.
    Behind,
    /// At the end of the last node.
    Within,
}

/// A piece of the text and what takes its place.
pub(super) type Splice = (std::ops::Range<usize>, String);

pub(super) fn parse(text: &str) -> Result<Document<'_>, String> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| error.to_string())
}

/// The text with pieces replaced.
pub(super) fn spliced(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|(range, _)| (range.start, range.end));
    let mut new = String::new();
    let mut at = 0;
    for (range, piece) in splices {
        // A piece within another that is replaced goes with it.
        if range.start < at {
            continue;
        }
        new.push_str(&text[at..range.start]);
        new.push_str(&piece);
        at = range.end;
    }
    new.push_str(&text[at..]);
    new
}

/// A name with its namespace in one, as `{uri}name`.
pub(super) fn clark(namespace: Option<&str>, name: &str) -> String {
    namespace.map_or_else(|| name.to_owned(), |uri| format!("{{{uri}}}{name}"))
}

/// The text before an element's first child.
pub(super) fn leading_text(node: Node<'_, '_>) -> Option<String> {
    let text: String =
        node.children().take_while(Node::is_text).filter_map(|child| child.text()).collect();
    (!text.is_empty()).then_some(text)
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

pub(super) fn escaped_value(text: &str) -> String {
    escaped(text).replace('"', "&quot;").replace('\n', "&#10;").replace('\t', "&#9;")
}

/// How a name of a namespace is written at an element, and the declaration that it needs there.
pub(super) fn written_name(
    node: Node<'_, '_>,
    namespace: Option<&str>,
    name: &str,
    is_attribute: bool,
) -> (String, String) {
    let Some(uri) = namespace else {
        let undo = !is_attribute && node.default_namespace().is_some();
        return (name.to_owned(), if undo { " xmlns=\"\"".to_owned() } else { String::new() });
    };
    if !is_attribute && node.default_namespace() == Some(uri) {
        return (name.to_owned(), String::new());
    }
    let known = node.namespaces().find(|space| space.uri() == uri && space.name().is_some());
    if let Some(prefix) = known.and_then(roxmltree::Namespace::name) {
        return (format!("{prefix}:{name}"), String::new());
    }
    let mut prefix = "ns0".to_owned();
    let mut number = 0;
    while node.lookup_namespace_uri(Some(&prefix)).is_some() {
        number += 1;
        prefix = format!("ns{number}");
    }
    (format!("{prefix}:{name}"), format!(" xmlns:{prefix}=\"{}\"", escaped_value(uri)))
}

/// The places in the text of an element's parts.
pub(super) struct Parts {
    /// Behind the name and the attributes of the start tag.
    pub(super) attributes_end: usize,
    /// What is between the tags; `None`: the element is one tag.
    pub(super) inner: Option<std::ops::Range<usize>>,
    end: usize,
    name: String,
}

impl Parts {
    pub(super) fn of(text: &str, node: Node<'_, '_>) -> Self {
        let range = node.range();
        let source = &text[range.clone()];
        let mut quote = None;
        let mut close = source.len() - 1;
        for (at, letter) in source.char_indices() {
            match quote {
                Some(open) if letter == open => quote = None,
                Some(_) => {}
                None if letter == '"' || letter == '\'' => quote = Some(letter),
                None if letter == '>' => {
                    close = at;
                    break;
                }
                None => {}
            }
        }
        let is_single = source[..close].ends_with('/');
        let tag = &source[1..close];
        let name = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        let attributes = source[..close].trim_end_matches('/').trim_end();
        let inner = (!is_single).then(|| {
            let end = source.rfind("</").unwrap_or(source.len());
            range.start + close + 1..range.start + end
        });
        Self {
            attributes_end: range.start + attributes.len(),
            inner,
            end: range.end,
            name: name.to_owned(),
        }
    }

    /// Puts something between the tags, in the place of a range there or, where there is one tag, of nothing.
    pub(super) fn put(&self, range: Option<std::ops::Range<usize>>, piece: &str) -> Splice {
        match (&self.inner, range) {
            (Some(_), Some(range)) => (range, piece.to_owned()),
            (Some(inner), None) => (inner.end..inner.end, piece.to_owned()),
            (None, _) => (self.attributes_end..self.end, format!(">{piece}</{}>", self.name)),
        }
    }
}

fn elements<'a, 'input>(
    document: &'a Document<'input>,
    path: &Path,
    scope: &Scope<'_>,
) -> Result<Vec<Node<'a, 'input>>, String> {
    let found = path.select(document, scope)?;
    Ok(found.iter().filter_map(Found::element).collect())
}

/// Without what the expression finds. White space behind an element goes with it.
pub(super) fn remove(text: &str, path: &Path, scope: &Scope<'_>) -> Result<String, String> {
    let document = parse(text)?;
    let mut splices = Vec::new();
    for found in path.select(&document, scope)? {
        let mut range = found.range();
        match &found {
            Found::Node(node) if node.is_root() || node.parent().is_some_and(|p| p.is_root()) => {
                return Err("the document's own element cannot be removed".to_owned());
            }
            Found::Node(node) if !node.is_text() => {
                let tail = node.next_sibling().filter(Node::is_text);
                let is_blank =
                    |next: &Node<'_, '_>| next.text().is_some_and(|t| t.trim().is_empty());
                if let Some(tail) = tail.filter(is_blank) {
                    range.end = tail.range().end;
                }
            }
            Found::Node(_) => {}
            Found::Attribute(..) => {
                let blank = text[..range.start].len() - text[..range.start].trim_end().len();
                range.start -= blank;
            }
        }
        splices.push((range, String::new()));
    }
    Ok(spliced(text, splices))
}

/// Elements get a text before their first child; attributes and texts that the expression finds get it themselves.
pub(super) fn set_value(
    text: &str,
    path: &Path,
    scope: &Scope<'_>,
    value: &str,
) -> Result<String, String> {
    let document = parse(text)?;
    let mut splices = Vec::new();
    for found in path.select(&document, scope)? {
        match found {
            Found::Node(node) if node.is_element() => {
                if leading_text(node).unwrap_or_default() == value {
                    continue;
                }
                let parts = Parts::of(text, node);
                let first = node.children().find(|child| !child.is_text());
                let range = parts
                    .inner
                    .clone()
                    .map(|inner| inner.start..first.map_or(inner.end, |child| child.range().start));
                splices.push(parts.put(range, &escaped(value)));
            }
            Found::Node(node) if node.is_text() && node.text() != Some(value) => {
                splices.push((node.range(), escaped(value)));
            }
            Found::Attribute(_, attribute) if attribute.value() != value => {
                // The quotes around it may be of either kind.
                let piece = escaped_value(value).replace('\'', "&apos;");
                splices.push((attribute.range_value(), piece));
            }
            _ => {}
        }
    }
    Ok(spliced(text, splices))
}

/// Elements get an attribute.
pub(super) fn set_attribute(
    text: &str,
    path: &Path,
    scope: &Scope<'_>,
    name: &str,
    value: &str,
) -> Result<String, String> {
    let document = parse(text)?;
    let (namespace, local) = match name.split_once(':') {
        Some((prefix, local)) => (Some(scope.namespace(prefix)?), local),
        None => (None, name),
    };
    let mut splices = Vec::new();
    for node in elements(&document, path, scope)? {
        let is_it = |a: &roxmltree::Attribute<'_, '_>| {
            a.name() == local && a.namespace() == namespace.as_deref()
        };
        match node.attributes().find(is_it) {
            Some(attribute) if attribute.value() == value => {}
            Some(attribute) => {
                let range = attribute.range();
                let key = text[range.clone()].split('=').next().unwrap_or(local).trim_end();
                splices.push((range, format!("{key}=\"{}\"", escaped_value(value))));
            }
            None => {
                let at = Parts::of(text, node).attributes_end;
                let (key, declaration) = written_name(node, namespace.as_deref(), local, true);
                splices.push((at..at, format!("{declaration} {key}=\"{}\"", escaped_value(value))));
            }
        }
    }
    Ok(spliced(text, splices))
}

/// Children are added to the last node, or beside nodes.
pub(super) fn add_children(
    text: &str,
    path: &Path,
    scope: &Scope<'_>,
    children: &str,
    place: Place,
) -> Result<String, String> {
    let document = parse(text)?;
    let nodes = elements(&document, path, scope)?;
    let (Some(first), Some(last)) = (nodes.first(), nodes.last()) else {
        return Ok(text.to_owned());
    };
    let splice = match place {
        Place::Before => (first.range().start..first.range().start, children.to_owned()),
        Place::Behind => (last.range().end..last.range().end, children.to_owned()),
        Place::Within => Parts::of(text, *last).put(None, children),
    };
    Ok(spliced(text, vec![splice]))
}

/// Children take the place of those that elements have.
pub(super) fn set_children(
    text: &str,
    path: &Path,
    scope: &Scope<'_>,
    children: &str,
) -> Result<String, String> {
    let document = parse(text)?;
    let wrapped = format!("<wanted>{children}</wanted>");
    let wanted = parse(&wrapped)?;
    let mut splices = Vec::new();
    for node in elements(&document, path, scope)? {
        let old = node.children().filter(Node::is_element).collect::<Vec<_>>();
        let new = wanted.root_element().children().filter(Node::is_element).collect::<Vec<_>>();
        if old.len() == new.len() && old.iter().zip(&new).all(|(one, other)| same(*one, *other)) {
            continue;
        }
        let parts = Parts::of(text, node);
        let range = parts
            .inner
            .clone()
            .map(|inner| old.first().map_or(inner.end, |child| child.range().start)..inner.end);
        splices.push(parts.put(range, children));
    }
    Ok(spliced(text, splices))
}

/// Whether two elements say the same; a child that is new has the namespace of the place it comes to.
fn same(one: Node<'_, '_>, other: Node<'_, '_>) -> bool {
    let text = |node: Node<'_, '_>| leading_text(node).unwrap_or_default().trim().to_owned();
    let attributes = |node: Node<'_, '_>| {
        let mut list: Vec<_> =
            node.attributes().map(|a| (a.name().to_owned(), a.value().to_owned())).collect();
        list.sort();
        list
    };
    let children = |node: Node<'_, '_>| node.children().filter(Node::is_element).count();
    one.tag_name().name() == other.tag_name().name()
        && text(one) == text(other)
        && attributes(one) == attributes(other)
        && children(one) == children(other)
        && one
            .children()
            .filter(Node::is_element)
            .zip(other.children().filter(Node::is_element))
            .all(|(one, other)| same(one, other))
}

/// What `CDATA` sections hold, as other text.
pub(super) fn without_cdata(text: &str) -> String {
    let mut new = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("<![CDATA[").or_else(|| rest.find("<!--")) {
        let at = rest.find("<!--").map_or(at, |comment| comment.min(at));
        new.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(held) = rest.strip_prefix("<![CDATA[") {
            let end = held.find("]]>").unwrap_or(held.len());
            new.push_str(&escaped(&held[..end]));
            rest = held.get(end + 3..).unwrap_or_default();
        } else {
            let end = rest.find("-->").map_or(rest.len(), |end| end + 3);
            new.push_str(&rest[..end]);
            rest = &rest[end..];
        }
    }
    new.push_str(rest);
    new
}
