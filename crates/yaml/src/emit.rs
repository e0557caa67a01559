//! Values to YAML text: byte for byte what PyYAML's safe dumper writes over libyaml, as `to_yaml` and `to_nice_yaml` do.

use std::cmp::Ordering;
use std::sync::Arc;

use libyaml_safer::{Emitter, Encoding, Event, MappingStyle, ScalarStyle, SequenceStyle};

use crate::resolve;

/// A value to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Emit {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i128),
    /// A float.
    Float(f64),
    /// Text; quoted where it would be read as something else.
    Str(Arc<str>),
    /// Text of several lines, as a literal block where that is possible.
    Block(Arc<str>),
    /// Encrypted text: `!vault |`.
    Vault(Arc<str>),
    /// A date or time, in its own notation.
    Timestamp(Arc<str>),
    /// A list.
    Seq(Vec<Emit>),
    /// A mapping.
    Map(Vec<(Emit, Emit)>),
}

/// Which collections are written in braces and brackets: `default_flow_style`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Flow {
    /// Those that hold scalars only (`None`).
    #[default]
    Leaves,
    /// All (`True`).
    Always,
    /// None (`False`).
    Never,
}

/// How it is written. The default is `to_yaml` without arguments.
#[derive(Clone, Debug)]
pub struct EmitOptions {
    /// Spaces per level; libyaml takes 2 to 9 and makes anything else 2.
    pub indent: i32,
    /// Where long lines are broken; a negative number: nowhere.
    pub width: i32,
    /// Whether mappings are sorted by key, if their keys can be compared.
    pub sort_keys: bool,
    /// `default_flow_style`.
    pub flow: Flow,
    /// Whether `---` comes first.
    pub explicit_start: bool,
    /// Whether `...` comes last.
    pub explicit_end: bool,
    /// Whether letters beyond ASCII are written as they are.
    pub allow_unicode: bool,
    /// `default_style`: how scalars are written that have no style of their own.
    pub style: Option<Quoting>,
    /// `canonical`: every tag and every quote is written.
    pub canonical: bool,
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// `'…'`.
    Single,
    /// `"…"`.
    Double,
    /// `|`.
    Literal,
    /// `>`.
    Folded,
}

impl From<Quoting> for ScalarStyle {
    fn from(quoting: Quoting) -> Self {
        match quoting {
            Quoting::Single => Self::SingleQuoted,
            Quoting::Double => Self::DoubleQuoted,
            Quoting::Literal => Self::Literal,
            Quoting::Folded => Self::Folded,
        }
    }
}

impl Default for EmitOptions {
    fn default() -> Self {
        Self {
            indent: 2,
            width: 80,
            sort_keys: true,
            flow: Flow::Leaves,
            explicit_start: false,
            explicit_end: false,
            allow_unicode: true,
            style: None,
            canonical: false,
        }
    }
}

impl EmitOptions {
    /// `to_nice_yaml` without arguments.
    pub fn nice() -> Self {
        Self { indent: 4, flow: Flow::Never, ..Self::default() }
    }
}

/// The text of a value, as one document.
pub fn emit(value: &Emit, options: &EmitOptions) -> String {
    let is_ambiguous =
        value.any_text(&|text| text.contains(STAND_IN) || text.contains(STAND_IN_ESCAPED));
    let stands_in = options.allow_unicode && !is_ambiguous;
    let mut writer = Writer { options, stands_in, events: Vec::new(), astral: Vec::new() };
    writer.events.push(Event::stream_start(Encoding::Utf8));
    writer.events.push(Event::document_start(None, &[], !options.explicit_start));
    writer.push(value);
    writer.events.push(Event::document_end(!options.explicit_end));
    writer.events.push(Event::stream_end());
    let mut bytes = Vec::new();
    let mut emitter = Emitter::new();
    emitter.set_output_string(&mut bytes);
    emitter.set_indent(options.indent);
    emitter.set_width(options.width);
    emitter.set_unicode(options.allow_unicode);
    emitter.set_canonical(options.canonical);
    for event in writer.events {
        emitter.emit(event).expect("the events form one document and memory takes every byte");
    }
    drop(emitter);
    let text = String::from_utf8(bytes).expect("the emitter writes UTF-8");
    writer.astral.iter().fold(text, |text, letter| {
        text.replacen(STAND_IN_ESCAPED, &format!("\\U{:08X}", u32::from(*letter)), 1)
    })
}

/// libyaml escapes letters beyond U+FFFF, the emitter here does not. Two characters that it does escape, in just as many
/// columns, stand in for each such letter.
const STAND_IN: &str = "\u{fffe}\u{80}";
const STAND_IN_ESCAPED: &str = "\\uFFFE\\x80";

struct Writer<'a> {
    options: &'a EmitOptions,
    /// Whether stand-ins are used: not if they are themselves part of a text.
    stands_in: bool,
    events: Vec<Event>,
    /// The letters that stand-ins stand for, in order.
    astral: Vec<char>,
}

impl Writer<'_> {
    fn push(&mut self, value: &Emit) {
        let options = self.options;
        let style = |leaves: bool| match options.flow {
            Flow::Always => true,
            Flow::Never => false,
            Flow::Leaves => leaves && options.style.is_none(),
        };
        match value {
            Emit::Seq(items) => {
                let flow = style(items.iter().all(Emit::is_scalar));
                let style = if flow { SequenceStyle::Flow } else { SequenceStyle::Block };
                self.events.push(Event::sequence_start(
                    None,
                    Some("tag:yaml.org,2002:seq"),
                    true,
                    style,
                ));
                for item in items {
                    self.push(item);
                }
                self.events.push(Event::sequence_end());
            }
            Emit::Map(entries) => {
                let is_leaf = |(key, value): &(Emit, Emit)| key.is_scalar() && value.is_scalar();
                let flow = style(entries.iter().all(is_leaf));
                let style = if flow { MappingStyle::Flow } else { MappingStyle::Block };
                self.events.push(Event::mapping_start(
                    None,
                    Some("tag:yaml.org,2002:map"),
                    true,
                    style,
                ));
                for (key, value) in in_order(entries, options.sort_keys) {
                    self.push(key);
                    self.push(value);
                }
                self.events.push(Event::mapping_end());
            }
            Emit::Str(text) => self.text(text, ScalarStyle::Any),
            Emit::Block(text) => self.text(text, ScalarStyle::Literal),
            Emit::Vault(text) => self.events.push(Event::scalar(
                None,
                Some("!vault"),
                text,
                false,
                false,
                ScalarStyle::Literal,
            )),
            Emit::Null => self.other("null", "null"),
            Emit::Bool(value) => self.other("bool", if *value { "true" } else { "false" }),
            Emit::Int(value) => self.other("int", &value.to_string()),
            Emit::Float(value) => self.other("float", &float_text(*value)),
            Emit::Timestamp(text) => self.other("timestamp", text),
        }
    }

    /// A scalar that is no text: in quotes it needs its tag.
    fn other(&mut self, tag: &str, text: &str) {
        self.scalar(tag, text, (true, false), ScalarStyle::Any);
    }

    fn scalar(&mut self, tag: &str, text: &str, (plain, quoted): (bool, bool), style: ScalarStyle) {
        let style = match (style, self.options.style) {
            (ScalarStyle::Any, Some(quoting)) => quoting.into(),
            (style, _) => style,
        };
        let tag = format!("tag:yaml.org,2002:{tag}");
        self.events.push(Event::scalar(None, Some(&tag), text, plain, quoted, style));
    }

    fn text(&mut self, text: &str, style: ScalarStyle) {
        let is_plain =
            resolve::plain(text).is_none() && !matches!(text, "=" | "<<" | "!" | "&" | "*");
        let is_astral = |letter: &char| *letter > '\u{ffff}';
        if self.stands_in && text.chars().any(|c| is_astral(&c)) {
            self.astral.extend(text.chars().filter(is_astral));
            let text = text.replace(|c| is_astral(&c), STAND_IN);
            self.scalar("str", &text, (is_plain, true), style);
        } else {
            self.scalar("str", text, (is_plain, true), style);
        }
    }
}

impl Emit {
    fn is_scalar(&self) -> bool {
        // A literal block has no place in brackets.
        !matches!(self, Self::Seq(_) | Self::Map(_) | Self::Vault(_))
    }

    fn any_text(&self, is_wanted: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Str(text) | Self::Block(text) => is_wanted(text),
            Self::Seq(items) => items.iter().any(|item| item.any_text(is_wanted)),
            Self::Map(entries) => entries
                .iter()
                .any(|(key, value)| key.any_text(is_wanted) || value.any_text(is_wanted)),
            _ => false,
        }
    }
}

/// The entries sorted by key; as they are if Python could not compare their keys.
fn in_order(entries: &[(Emit, Emit)], sort: bool) -> Vec<(&Emit, &Emit)> {
    let mut ordered: Vec<_> = entries.iter().map(|(key, value)| (key, value)).collect();
    let mut comparable = sort;
    if let Some(((first, _), rest)) = entries.split_first() {
        comparable &= rest.iter().all(|(key, _)| compare(first, key).is_some());
    }
    if comparable {
        ordered.sort_by(|(one, _), (other, _)| compare(one, other).unwrap_or(Ordering::Equal));
    }
    ordered
}

/// Keys as Python compares them: numbers and booleans with each other, text with text.
fn compare(one: &Emit, other: &Emit) -> Option<Ordering> {
    let number = |key: &Emit| match key {
        Emit::Bool(value) => Some(f64::from(u8::from(*value))),
        Emit::Int(value) => Some(*value as f64),
        Emit::Float(value) => Some(*value),
        _ => None,
    };
    match (one, other) {
        (Emit::Str(one), Emit::Str(other)) | (Emit::Timestamp(one), Emit::Timestamp(other)) => {
            Some(one.cmp(other))
        }
        (Emit::Int(one), Emit::Int(other)) => Some(one.cmp(other)),
        _ => Some(number(one)?.total_cmp(&number(other)?)),
    }
}

/// A float as Python's `repr` writes it, with the point that YAML 1.1 wants before an exponent.
fn float_text(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-4..1e16).contains(&magnitude) {
        return format!("{value:?}");
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').expect("the format has an exponent");
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}e{sign}{exponent:0>2}")
}
