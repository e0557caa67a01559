//! The value of the language: Python's data model, cheap to clone, with marks and an origin.
//!
//! Lists and dicts are shared and mutable as Python's are. Nothing here evaluates templates: a trusted text is only
//! *marked* as one (`Marks::TEMPLATE`), and the templar decides.

mod compare;
mod containers;
mod convert;
mod json;
mod json_reader;
mod marks;
mod object;
mod text;

use std::sync::Arc;

use yaml::Span;

pub use containers::{Dict, List, Map};
pub use marks::Marks;
pub use object::Object;

pub(crate) use compare::{compare, ensure_hashable};
pub(crate) use json::key_text;
pub(crate) use text::{float_text, repr_text};

use crate::error::Error;

/// How deep nested values may be where recursion walks them.
pub(crate) const MAX_DEPTH: usize = 200;

/// Why a value is undefined.
#[derive(Debug, Clone)]
pub struct Undefined {
    /// What is missing, as the user wrote it: a variable's or an attribute's name.
    pub name: Arc<str>,
    pub(crate) reason: Reason,
}

#[derive(Debug, Clone)]
pub(crate) enum Reason {
    /// No variable of that name.
    Variable,
    /// A value of this class has no such attribute or item; `quoted` as Python's `repr()` shows it.
    Attribute { class: Arc<str>, quoted: Arc<str> },
    /// The sentence to say.
    Because(Arc<str>),
    /// The variable's own template needs something undefined.
    Inner(Error),
}

/// What `undef()` says where it is given no hint.
pub(crate) const MANDATORY: &str = "Mandatory variable has not been overridden";

impl Undefined {
    /// Whether this is `undef()` without a hint.
    pub(crate) fn is_mandatory(&self) -> bool {
        matches!(&self.reason, Reason::Because(sentence) if **sentence == *MANDATORY)
    }

    /// The sentence to tell the user: `'missing' is undefined`.
    pub fn message(&self) -> String {
        match &self.reason {
            Reason::Variable => format!("'{}' is undefined", self.name),
            Reason::Attribute { class, quoted } => {
                format!("object of type '{class}' has no attribute {quoted}")
            }
            Reason::Because(sentence) => sentence.to_string(),
            Reason::Inner(error) => error.message().to_owned(),
        }
    }
}

#[derive(Clone)]
pub(crate) enum Repr {
    Undefined(Arc<Undefined>),
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Arc<str>),
    Bytes(Arc<[u8]>),
    List(List),
    Tuple(Arc<containers::TupleInner>),
    Dict(Dict),
    Omit,
    Object(Arc<dyn Object>),
}

/// What a value is, by Python's classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nothing was found under a name.
    Undefined,
    /// `None`.
    None,
    /// `True` or `False`.
    Bool,
    /// An integer.
    Int,
    /// A floating point number.
    Float,
    /// Text.
    Str,
    /// Bytes.
    Bytes,
    /// A list.
    List,
    /// A tuple.
    Tuple,
    /// A dict.
    Dict,
    /// The placeholder of an argument that shall not be given.
    Omit,
    /// Something with behaviour: a function, a macro, `hostvars`, a date.
    Object,
}

/// A value: Python's data model, marks and origin.
#[derive(Clone)]
pub struct Value {
    pub(crate) repr: Repr,
    pub(crate) marks: Marks,
    pub(crate) origin: Option<Arc<Span>>,
}

impl Value {
    pub(crate) const fn plain(repr: Repr) -> Self {
        Self { repr, marks: Marks::NONE, origin: None }
    }

    /// `None`.
    pub const fn none() -> Self {
        Self::plain(Repr::None)
    }

    /// The placeholder of an argument that shall not be given.
    pub const fn omit() -> Self {
        Self::plain(Repr::Omit)
    }

    /// What is not known, as check mode did not do it; using it is an error ([`Error::is_unknown`]).
    /// `task`: whose result it is; `origin`: where that task is written.
    pub fn unknown(task: &str, origin: Option<Arc<Span>>) -> Self {
        let marks = Marks::TEMPLATE | Marks::UNKNOWN;
        Self { repr: Repr::Str(task.into()), marks, origin }
    }

    /// A dict of which check mode did not get to know all: using a key that it does not have is an error.
    pub fn partial(self, origin: Option<Arc<Span>>) -> Self {
        self.marked(Marks::PARTIAL).with_origin(origin)
    }

    /// An undefined variable of that name.
    pub fn undefined(name: &str) -> Self {
        Self::from(Undefined { name: name.into(), reason: Reason::Variable })
    }

    /// Something undefined, with the whole sentence to tell the user.
    pub fn undefined_because(name: &str, message: impl Into<Arc<str>>) -> Self {
        Self::from(Undefined { name: name.into(), reason: Reason::Because(message.into()) })
    }

    /// Text from a trusted source file: if it contains `{{`, `{%` or `{#`, it is a template.
    pub fn trusted(text: impl Into<Arc<str>>, origin: Option<Arc<Span>>) -> Self {
        let text = text.into();
        let marks =
            if has_template(&text) { Marks::TRUSTED | Marks::TEMPLATE } else { Marks::TRUSTED };
        Self { repr: Repr::Str(text), marks, origin }
    }

    /// Encrypted text: opened when it is used, and secret.
    pub fn sealed(text: impl Into<Arc<str>>, origin: Option<Arc<Span>>) -> Self {
        let marks = Marks::SEALED | Marks::TEMPLATE | Marks::SECRET;
        Self { repr: Repr::Str(text.into()), marks, origin }
    }

    /// A list.
    pub fn list(items: Vec<Value>) -> Self {
        let marks = container_marks(&items);
        Self { repr: Repr::List(List::from(items)), marks, origin: None }
    }

    /// A tuple.
    pub fn tuple(items: Vec<Value>) -> Self {
        let marks = container_marks(&items);
        Self { repr: Repr::Tuple(Arc::new(items.into())), marks, origin: None }
    }

    /// A tuple whose elements have names.
    pub(crate) fn named_tuple(items: Vec<Value>, fields: &'static [&'static str]) -> Self {
        let marks = container_marks(&items);
        let tuple = containers::TupleInner::named(items, fields);
        Self { repr: Repr::Tuple(Arc::new(tuple)), marks, origin: None }
    }

    /// A dict.
    pub fn dict(map: Map) -> Self {
        let marks = map.iter().fold(Marks::NONE, |all, (key, value)| {
            all | key.marks.to_container() | value.marks.to_container()
        });
        Self { repr: Repr::Dict(Dict::from(map)), marks, origin: None }
    }

    /// Something with behaviour.
    pub fn object(object: Arc<dyn Object>) -> Self {
        Self::plain(Repr::Object(object))
    }

    /// What this value is.
    pub fn kind(&self) -> Kind {
        match self.repr {
            Repr::Undefined(_) => Kind::Undefined,
            Repr::None => Kind::None,
            Repr::Bool(_) => Kind::Bool,
            Repr::Int(_) => Kind::Int,
            Repr::Float(_) => Kind::Float,
            Repr::Str(_) => Kind::Str,
            Repr::Bytes(_) => Kind::Bytes,
            Repr::List(_) => Kind::List,
            Repr::Tuple(_) => Kind::Tuple,
            Repr::Dict(_) => Kind::Dict,
            Repr::Omit => Kind::Omit,
            Repr::Object(_) => Kind::Object,
        }
    }

    /// The marks.
    pub fn marks(&self) -> Marks {
        self.marks
    }

    /// Where it came from.
    pub fn origin(&self) -> Option<&Arc<Span>> {
        self.origin.as_ref()
    }

    /// This value with another origin.
    pub fn with_origin(mut self, origin: Option<Arc<Span>>) -> Self {
        self.origin = origin;
        self
    }

    /// This value with these marks added: `value.marked(Marks::SECRET)`.
    pub fn marked(mut self, marks: Marks) -> Self {
        self.marks = self.marks | marks;
        self
    }

    /// Whether the value, or something in it, must not be shown.
    pub fn is_secret(&self) -> bool {
        self.marks.any(Marks::SECRET | Marks::HOLDS_SECRET)
    }

    /// Whether the value is, or contains, a template that has not been evaluated.
    pub fn is_template(&self) -> bool {
        self.marks.has(Marks::TEMPLATE)
    }

    /// The encrypted text, if this value has not been opened.
    pub fn as_sealed(&self) -> Option<&Arc<str>> {
        self.as_arc_str().filter(|_| self.marks.has(Marks::SEALED | Marks::TEMPLATE))
    }

    /// The same content as data: nothing in it will be evaluated.
    pub fn untrusted(self) -> Self {
        if !self.marks.any(Marks::TRUSTED | Marks::TEMPLATE) {
            return self;
        }
        let holds_templates = self.marks.has(Marks::TEMPLATE);
        let marks = self.marks.without(Marks::TRUSTED | Marks::TEMPLATE);
        let repr = match self.repr {
            Repr::List(list) if holds_templates => Repr::List(
                list.snapshot().into_iter().map(Self::untrusted).collect::<Vec<_>>().into(),
            ),
            Repr::Tuple(tuple) if holds_templates => Repr::Tuple(Arc::new(
                tuple.iter().cloned().map(Self::untrusted).collect::<Vec<_>>().into(),
            )),
            Repr::Dict(dict) if holds_templates => Repr::Dict(
                dict.snapshot()
                    .into_iter()
                    .map(|(key, value)| (key.untrusted(), value.untrusted()))
                    .collect::<Map>()
                    .into(),
            ),
            other => other,
        };
        Self { repr, marks, origin: self.origin }
    }

    /// Whether this is undefined.
    pub fn is_undefined(&self) -> bool {
        matches!(self.repr, Repr::Undefined(_))
    }

    /// Why it is undefined.
    pub fn as_undefined(&self) -> Option<&Undefined> {
        match &self.repr {
            Repr::Undefined(why) => Some(why),
            _ => None,
        }
    }

    /// Whether this is `None`.
    pub fn is_none(&self) -> bool {
        matches!(self.repr, Repr::None)
    }

    /// Whether this is the omit placeholder.
    pub fn is_omit(&self) -> bool {
        matches!(self.repr, Repr::Omit)
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self.repr {
            Repr::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The integer, if it is one (a bool is one, as in Python) and fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_int().and_then(|value| value.try_into().ok())
    }

    pub(crate) fn as_int(&self) -> Option<i128> {
        match self.repr {
            Repr::Int(value) => Some(value),
            Repr::Bool(value) => Some(value.into()),
            _ => None,
        }
    }

    /// The number as a float, if it is a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self.repr {
            Repr::Float(value) => Some(value),
            _ => self.as_int().map(|value| value as f64),
        }
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match &self.repr {
            Repr::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The shared text, if it is text.
    pub fn as_arc_str(&self) -> Option<&Arc<str>> {
        match &self.repr {
            Repr::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes, if these are bytes.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.repr {
            Repr::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<&List> {
        match &self.repr {
            Repr::List(list) => Some(list),
            _ => None,
        }
    }

    /// The dict, if it is one.
    pub fn as_dict(&self) -> Option<&Dict> {
        match &self.repr {
            Repr::Dict(dict) => Some(dict),
            _ => None,
        }
    }

    /// The elements of a tuple, if it is one.
    pub fn as_tuple(&self) -> Option<&[Value]> {
        match &self.repr {
            Repr::Tuple(tuple) => Some(tuple),
            _ => None,
        }
    }

    /// The object, if it is one.
    pub fn as_object(&self) -> Option<&Arc<dyn Object>> {
        match &self.repr {
            Repr::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The object of that type, if it is one.
    pub fn downcast<T: Object>(&self) -> Option<&T> {
        let object: &dyn std::any::Any = self.as_object()?.as_ref();
        object.downcast_ref()
    }

    /// The elements of a list or tuple.
    pub fn sequence(&self) -> Option<Vec<Value>> {
        match &self.repr {
            Repr::List(list) => Some(list.snapshot()),
            Repr::Tuple(tuple) => Some(tuple.to_vec()),
            _ => None,
        }
    }

    /// The value under a text key, if this is a dict that has it. Templates inside are returned as they are.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.as_dict()?.get(key).map(|value| value.marked(self.marks.to_element()))
    }

    /// Python's name of the class, as the filter `type_debug` shows it.
    pub fn type_name(&self) -> &str {
        match &self.repr {
            Repr::Undefined(_) => "UndefinedMarker",
            Repr::None => "NoneType",
            Repr::Bool(_) => "bool",
            Repr::Int(_) => "int",
            Repr::Float(_) => "float",
            Repr::Str(_) => "str",
            Repr::Bytes(_) => "bytes",
            Repr::List(_) => "list",
            Repr::Tuple(_) => "tuple",
            Repr::Dict(_) => "dict",
            Repr::Omit => "Omit",
            Repr::Object(object) => object.type_name(),
        }
    }

    /// Python's truth: empty, zero, `None` and undefined are false.
    pub fn is_true(&self) -> bool {
        match &self.repr {
            Repr::Undefined(_) | Repr::None => false,
            Repr::Bool(value) => *value,
            Repr::Int(value) => *value != 0,
            Repr::Float(value) => *value != 0.0,
            Repr::Str(text) => !text.is_empty(),
            Repr::Bytes(bytes) => !bytes.is_empty(),
            Repr::List(list) => !list.is_empty(),
            Repr::Tuple(tuple) => !tuple.is_empty(),
            Repr::Dict(dict) => !dict.is_empty(),
            Repr::Omit => true,
            Repr::Object(object) => object.is_true(),
        }
    }

    /// Python's `len()`, where there is one.
    pub fn len(&self) -> Option<usize> {
        match &self.repr {
            Repr::Str(text) => Some(char_count(text)),
            Repr::Bytes(bytes) => Some(bytes.len()),
            Repr::List(list) => Some(list.len()),
            Repr::Tuple(tuple) => Some(tuple.len()),
            Repr::Dict(dict) => Some(dict.len()),
            Repr::Object(object) => object.keys().map(|keys| keys.len()),
            _ => None,
        }
    }

    /// Whether `len()` is zero.
    pub fn is_empty(&self) -> Option<bool> {
        self.len().map(|len| len == 0)
    }
}

/// Whether the text holds one of the default delimiters.
pub(crate) fn has_template(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| pair[0] == b'{' && matches!(pair[1], b'{' | b'%' | b'#'))
}

/// Python counts characters, Rust bytes; ASCII is the fast path.
pub(crate) fn char_count(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

fn container_marks(items: &[Value]) -> Marks {
    items.iter().fold(Marks::NONE, |all, item| all | item.marks.to_container())
}
