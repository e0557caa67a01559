//! Events to a tree: anchors, aliases, merge keys, tags and duplicate keys, within limits.

use crate::loader::{Events, Loaded};
use crate::{Diagnostic, Node, NodeValue, Result, Span, StrStyle, Tag, resolve, syntax};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use libyaml_safer::{Event, EventData, Mark, ScalarStyle};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Deepest nesting of lists and mappings.
const MAX_DEPTH: usize = 100;
/// Most nodes that aliases may add to what is written in the file.
const MAX_ALIASED: usize = 500_000;
/// More warnings about one source help nobody.
const MAX_WARNINGS: usize = 100;
/// The common prefix of the tags written `!!`.
const STANDARD: &str = "tag:yaml.org,2002:";

pub(crate) struct Composer<'a, 'e> {
    events: &'a mut Events<'e>,
    anchors: HashMap<String, Anchor>,
    warnings: Vec<Diagnostic>,
    /// How many nodes came from aliases.
    aliased: usize,
}

/// What an alias stands for.
enum Anchor {
    /// Its node is still being read: an alias to it would be a cycle.
    Open(Span),
    Done {
        node: Node,
        size: usize,
        height: usize,
    },
}

/// A mapping as written: what merge keys bring, and its own entries.
#[derive(Default)]
struct Written {
    merged: Vec<(Node, Node)>,
    own: Vec<(Node, Node)>,
}

impl<'a, 'e> Composer<'a, 'e> {
    pub(crate) fn new(events: &'a mut Events<'e>) -> Self {
        Self { events, anchors: HashMap::new(), warnings: Vec::new(), aliased: 0 }
    }

    pub(crate) fn documents(mut self) -> Result<Loaded> {
        let mut documents = Vec::new();
        loop {
            match self.events.next()?.data {
                EventData::StreamEnd => break,
                EventData::DocumentStart { .. } => {
                    self.anchors.clear();
                    let event = self.events.next()?;
                    documents.push(self.node(event, 0)?);
                }
                _ => {}
            }
        }
        Ok(Loaded { documents, warnings: self.warnings })
    }

    fn node(&mut self, event: Event, depth: usize) -> Result<Node> {
        let span = self.span(event.start_mark, event.end_mark);
        if depth > MAX_DEPTH {
            return Err(too_deep(&span));
        }
        let (anchor, tag) = match &event.data {
            EventData::Alias { anchor } => return self.alias(anchor, &span, depth),
            EventData::Scalar { anchor, tag, .. }
            | EventData::SequenceStart { anchor, tag, .. }
            | EventData::MappingStart { anchor, tag, .. } => (anchor.clone(), tag.clone()),
            _ => return Err(syntax::unreadable(self.events.file)),
        };
        if let Some(anchor) = &anchor {
            self.anchors.insert(anchor.clone(), Anchor::Open(span.clone()));
        }
        let bare = tag.as_deref() == Some("!");
        let tag = tag.as_deref().filter(|_| !bare);
        let node = match event.data {
            EventData::Scalar { value, plain_implicit, style, .. } => {
                scalar(value, plain_implicit || bare, style, tag, span)?
            }
            EventData::SequenceStart { .. } => self.sequence(tag, &span, depth)?,
            _ => self.mapping(tag, &span, depth)?,
        };
        if let Some(anchor) = anchor {
            let (size, height) = measure(&node);
            self.anchors.insert(anchor, Anchor::Done { node: node.clone(), size, height });
        }
        Ok(node)
    }

    fn alias(&mut self, name: &str, span: &Span, depth: usize) -> Result<Node> {
        let missing = || {
            Diagnostic::error(format!("no anchor `&{name}` stands before the alias `*{name}`"))
                .at(span)
                .hint("a value that begins with `*` must be quoted if it is not an alias")
        };
        match self.anchors.get(name) {
            None => Err(missing()),
            Some(Anchor::Open(anchor)) => {
                Err(Diagnostic::error(format!("the alias `*{name}` stands inside its own anchor"))
                    .at(span)
                    .also(anchor, "the anchor"))
            }
            Some(Anchor::Done { node, size, height }) => {
                if depth + height > MAX_DEPTH {
                    return Err(too_deep(span));
                }
                self.aliased += size;
                if self.aliased > MAX_ALIASED {
                    return Err(Diagnostic::error(format!(
                        "aliases expand to more than {MAX_ALIASED} values"
                    ))
                    .at(span));
                }
                Ok(node.clone())
            }
        }
    }

    fn sequence(&mut self, tag: Option<&str>, start: &Span, depth: usize) -> Result<Node> {
        let mut items = Vec::new();
        let end = loop {
            let event = self.events.next()?;
            if matches!(event.data, EventData::SequenceEnd) {
                break event.end_mark;
            }
            items.push(self.node(event, depth + 1)?);
        };
        let span = Span { end: end.index as u32, ..start.clone() };
        let tag = match tag {
            None => None,
            Some("!unsafe") => Some(Tag::Unsafe),
            Some(name) => match name.strip_prefix(STANDARD) {
                Some("seq") => None,
                Some("omap" | "pairs") => {
                    items = items.into_iter().map(pair).collect::<Result<_>>()?;
                    None
                }
                _ => return Err(wrong_tag(name, "a list", &span)),
            },
        };
        Ok(Node { value: NodeValue::Seq(items), span, tag })
    }

    fn mapping(&mut self, tag: Option<&str>, start: &Span, depth: usize) -> Result<Node> {
        let mut entries = Written::default();
        let end = loop {
            let event = self.events.next()?;
            if matches!(event.data, EventData::MappingEnd) {
                break event.end_mark;
            }
            self.entry(event, depth + 1, &mut entries)?;
        };
        let span = Span { end: end.index as u32, ..start.clone() };
        // Ansible also warns when a key overrides a merged one; but that is what merge keys are for.
        let mut own = Entries::default();
        for (key, value) in entries.own {
            let place = key.clone();
            if let Some(first) = own.put(key, value)?
                && self.warnings.len() < MAX_WARNINGS
            {
                self.warnings.push(duplicate(&place, &first));
            }
        }
        let mut all = Entries::default();
        for (key, value) in entries.merged.into_iter().chain(own.entries) {
            all.put(key, value)?;
        }
        let map = all.entries;
        let tag = match tag {
            None => None,
            Some("!unsafe") => Some(Tag::Unsafe),
            Some(name) => match name.strip_prefix(STANDARD) {
                Some("map") => None,
                Some("set") => {
                    let items = map.into_iter().map(|(key, _)| key).collect();
                    return Ok(Node { value: NodeValue::Seq(items), span, tag: None });
                }
                _ => return Err(wrong_tag(name, "a mapping", &span)),
            },
        };
        Ok(Node { value: NodeValue::Map(map), span, tag })
    }

    /// Reads a key and its value. The mappings of a merge key come first, the last of a list first of all.
    fn entry(&mut self, event: Event, depth: usize, entries: &mut Written) -> Result<()> {
        let is_merge = matches!(&event.data,
            EventData::Scalar { value, plain_implicit: true, tag: None, .. } if value == "<<");
        let key = self.node(event, depth)?;
        let event = self.events.next()?;
        let value = self.node(event, depth)?;
        if !is_merge {
            entries.own.push((key, value));
            return Ok(());
        }
        let span = value.span.clone();
        let not_a_mapping = |kind: &str, span: &Span| {
            Diagnostic::error(format!("`<<` merges a mapping or a list of mappings, not {kind}"))
                .at(span)
        };
        match value.value {
            NodeValue::Map(map) => entries.merged.extend(map),
            NodeValue::Seq(items) => {
                for item in items.into_iter().rev() {
                    let kind = item.kind();
                    let NodeValue::Map(map) = item.value else {
                        return Err(not_a_mapping(kind, &item.span));
                    };
                    entries.merged.extend(map);
                }
            }
            _ => return Err(not_a_mapping(value.kind(), &span)),
        }
        Ok(())
    }

    fn span(&self, start: Mark, end: Mark) -> Span {
        let length = self.events.file.text.len() as u64;
        Span {
            file: self.events.file.clone(),
            start: start.index.min(length) as u32,
            end: end.index.min(length) as u32,
            line: start.line as u32 + 1,
            column: start.column as u32 + 1,
        }
    }
}

/// A mapping that fills as a Python dict does.
#[derive(Default)]
struct Entries {
    entries: Vec<(Node, Node)>,
    positions: HashMap<Key, usize>,
}

impl Entries {
    /// A key that is there keeps its position and gets the new value; the key that it replaces is returned.
    fn put(&mut self, key: Node, value: Node) -> Result<Option<Node>> {
        match self.positions.entry(Key::of(&key)?) {
            Entry::Occupied(position) => {
                let old = std::mem::replace(&mut self.entries[*position.get()], (key, value));
                Ok(Some(old.0))
            }
            Entry::Vacant(position) => {
                position.insert(self.entries.len());
                self.entries.push((key, value));
                Ok(None)
            }
        }
    }
}

/// A key as Python compares them: `1`, `1.0` and `true` are the same.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Null,
    Int(i64),
    Float(u64),
    Text(std::sync::Arc<str>),
    Other(std::sync::Arc<str>),
}

impl Key {
    fn of(node: &Node) -> Result<Self> {
        Ok(match &node.value {
            NodeValue::Null => Self::Null,
            NodeValue::Bool(value) => Self::Int(i64::from(*value)),
            NodeValue::Int(value) => Self::Int(*value),
            NodeValue::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
                Self::Int(*value as i64)
            }
            NodeValue::Float(value) => Self::Float(value.to_bits()),
            NodeValue::Str { text, .. } => Self::Text(text.clone()),
            NodeValue::BigInt(text) | NodeValue::Timestamp(text) => Self::Other(text.clone()),
            NodeValue::Seq(_) | NodeValue::Map(_) => return Err(unhashable(node)),
        })
    }
}

/// A list or mapping as a key is nearly always a template that lost its quotes.
fn unhashable(node: &Node) -> Diagnostic {
    let span = &node.span;
    let before = &span.file.text[..span.start as usize];
    if before.ends_with('{') && span.text().starts_with('{') {
        let span = span.file.span(span.start as usize - 1, span.end as usize + 1);
        return syntax::unquoted_template(Diagnostic::error("a template without quotes"), &span);
    }
    Diagnostic::error(format!("{} cannot be a key", node.kind())).at(span)
}

fn duplicate(again: &Node, first: &Node) -> Diagnostic {
    Diagnostic::warning(format!("Found duplicate mapping key '{}'", again.span.text()))
        .at(&again.span)
        .label("this one counts")
        .also(&first.span, "this one is ignored")
}

fn too_deep(span: &Span) -> Diagnostic {
    Diagnostic::error(format!("lists and mappings are nested more than {MAX_DEPTH} deep")).at(span)
}

/// How many nodes a tree has, and how deep it is.
fn measure(node: &Node) -> (usize, usize) {
    let below = |sizes: &mut dyn Iterator<Item = (usize, usize)>| {
        let (size, height) = sizes.fold((0, 0), |all, one| (all.0 + one.0, all.1.max(one.1)));
        (size + 1, height + 1)
    };
    match &node.value {
        NodeValue::Seq(items) => below(&mut items.iter().map(measure)),
        NodeValue::Map(map) => below(&mut map.iter().map(|(_, value)| {
            let (size, height) = measure(value);
            (size + 1, height)
        })),
        _ => (1, 0),
    }
}

/// An item of `!!omap` or `!!pairs`: a mapping of one entry, read as a pair.
fn pair(item: Node) -> Result<Node> {
    let Node { value, span, tag } = item;
    match value {
        NodeValue::Map(map) if map.len() == 1 => {
            let pair = map.into_iter().flat_map(|(key, value)| [key, value]).collect();
            Ok(Node { value: NodeValue::Seq(pair), span, tag })
        }
        _ => Err(Diagnostic::error("an ordered mapping is a list of mappings with one key each")
            .at(&span)),
    }
}

fn scalar(
    text: String,
    plain_implicit: bool,
    style: ScalarStyle,
    tag: Option<&str>,
    span: Span,
) -> Result<Node> {
    let style = match style {
        ScalarStyle::Literal | ScalarStyle::Folded => StrStyle::Block,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => StrStyle::Quoted,
        _ => StrStyle::Plain,
    };
    let implicit = plain_implicit || (tag == Some("!unsafe") && style == StrStyle::Plain);
    let resolved = if implicit { resolve::plain(&text) } else { None };
    let string = |text: String| NodeValue::Str { text: text.into(), style };
    let not = |what: &str| {
        Err(Diagnostic::error(format!("`{text}` is tagged as {what} and is not one")).at(&span))
    };
    let mut mark = None;
    let value = match tag {
        None => resolved.unwrap_or_else(|| string(text)),
        Some("!unsafe") => {
            mark = Some(Tag::Unsafe);
            resolved.unwrap_or_else(|| string(text))
        }
        Some("!vault" | "!vault-encrypted") => {
            mark = Some(Tag::Vault);
            string(text)
        }
        Some(name) => match name.strip_prefix(STANDARD) {
            Some("str") => string(text),
            Some("null") => NodeValue::Null,
            Some("bool") => match resolve::boolean(&text.to_lowercase()) {
                Some(value) => NodeValue::Bool(value),
                None => return not("a boolean"),
            },
            Some("int") => match resolve::integer(&text) {
                Some(value) => value,
                None => return not("an integer"),
            },
            Some("float") => match resolve::float(&text) {
                Some(value) => NodeValue::Float(value),
                None => return not("a float"),
            },
            Some("binary") => match binary(&text) {
                Some(text) => string(text),
                None => return not("the base64 of UTF-8 text"),
            },
            Some("timestamp") if resolve::is_timestamp(&text) => NodeValue::Timestamp(text.into()),
            Some("timestamp") => return not("a date"),
            _ => return Err(wrong_tag(name, "text", &span)),
        },
    };
    Ok(Node { value, span, tag: mark })
}

/// The text whose UTF-8 bytes these are in base64; white space in it means nothing.
fn binary(text: &str) -> Option<String> {
    let letters: String = text.split_ascii_whitespace().collect();
    String::from_utf8(BASE64.decode(letters).ok()?).ok()
}

fn wrong_tag(tag: &str, kind: &str, span: &Span) -> Diagnostic {
    let shown = match tag.strip_prefix(STANDARD) {
        Some(name) => format!("!!{name}"),
        None => tag.to_owned(),
    };
    let is_known = matches!(
        shown.as_str(),
        "!vault"
            | "!unsafe"
            | "!!str"
            | "!!int"
            | "!!float"
            | "!!bool"
            | "!!null"
            | "!!binary"
            | "!!seq"
            | "!!map"
    );
    let message = if is_known {
        format!("the tag `{shown}` does not fit {kind}")
    } else {
        format!("unknown tag `{shown}`")
    };
    Diagnostic::error(message)
        .at(span)
        .hint("known tags: !vault, !unsafe, !!str, !!int, !!float, !!bool, !!null, !!binary, !!seq, !!map")
}
