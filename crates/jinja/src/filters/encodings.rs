//! Filters between data and text: JSON, YAML, base64.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::PLAIN;
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::methods::{decode, encode};
use crate::value::{MAX_DEPTH, Repr, Value, float_text, key_text};

pub(super) fn register(environment: &mut Environment) {
    environment.filter("to_json", PLAIN, |_, value, args| to_json(&value, args, None, false));
    environment
        .filter("to_nice_json", PLAIN, |_, value, args| to_json(&value, args, Some(4), true));
    environment.filter("tojson", PLAIN, |_, value, args| {
        let text = to_json(&value, args, None, true)?.to_string();
        let safe = text.replace('<', "\\u003c").replace('>', "\\u003e");
        Ok(safe.replace('&', "\\u0026").replace('\'', "\\u0027").into())
    });
    environment.filter("from_json", PLAIN, from_json);
    environment.filter("b64encode", PLAIN, b64_encode);
    environment.filter("b64decode", PLAIN, b64_decode);
}

fn to_json(
    value: &Value,
    mut args: Args,
    indent: Option<usize>,
    sort_keys: bool,
) -> Result<Value, Error> {
    let indent = match args.take("indent") {
        Some(given) => given.as_i64().and_then(|indent| usize::try_from(indent).ok()),
        None => indent,
    };
    let separators = args.take_named("separators").and_then(|pair| pair.sequence());
    let mut writer = JsonWriter {
        out: String::new(),
        indent: indent.map(|indent| indent.min(64)),
        sort_keys: args.flag("sort_keys", sort_keys),
        ascii: args.take_named("ensure_ascii").is_none_or(|flag| flag.is_true()),
        comma: if indent.is_some() { ",".into() } else { ", ".into() },
        colon: ": ".into(),
    };
    if let Some([comma, colon]) = separators.as_deref() {
        (writer.comma, writer.colon) = (comma.to_string(), colon.to_string());
    }
    for ignored in ["vault_to_text", "preprocess_unsafe", "default", "cls", "skipkeys"] {
        args.take_named(ignored);
    }
    args.finish()?;
    writer.value(value, 0)?;
    Ok(writer.out.into())
}

/// Writes JSON as Python's `json.dumps` does.
struct JsonWriter {
    out: String,
    indent: Option<usize>,
    sort_keys: bool,
    ascii: bool,
    comma: String,
    colon: String,
}

impl JsonWriter {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::value_error("Circular reference detected"));
        }
        match &value.repr {
            Repr::None => self.out.push_str("null"),
            Repr::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Repr::Int(value) => self.out.push_str(&value.to_string()),
            Repr::Float(value) if value.is_nan() => self.out.push_str("NaN"),
            Repr::Float(value) if value.is_infinite() => {
                self.out.push_str(if *value > 0.0 { "Infinity" } else { "-Infinity" });
            }
            Repr::Float(value) => self.out.push_str(&float_text(*value)),
            Repr::Str(text) => self.text(text),
            Repr::Bytes(bytes) => self.text(&String::from_utf8_lossy(bytes)),
            Repr::List(list) => self.items(&list.snapshot(), depth)?,
            Repr::Tuple(items) => self.items(items, depth)?,
            Repr::Dict(dict) => {
                self.entries(dict.snapshot().into_iter().collect(), depth)?;
            }
            Repr::Undefined(why) => return Err(Error::undefined(why)),
            Repr::Omit => return Err(Error::type_error("'omit' is not JSON serializable")),
            Repr::Object(object) => match object.to_data() {
                Some(data) => self.value(&data, depth + 1)?,
                None => {
                    return Err(Error::type_error(format!(
                        "Object of type {} is not JSON serializable",
                        value.type_name()
                    )));
                }
            },
        }
        Ok(())
    }

    fn items(&mut self, items: &[Value], depth: usize) -> Result<(), Error> {
        self.out.push('[');
        for (at, item) in items.iter().enumerate() {
            self.separate(at, depth + 1);
            self.value(item, depth + 1)?;
        }
        self.close(items.is_empty(), depth, ']');
        Ok(())
    }

    fn entries(&mut self, mut entries: Vec<(Value, Value)>, depth: usize) -> Result<(), Error> {
        if self.sort_keys {
            entries.sort_by_cached_key(|(key, _)| key_text(key));
        }
        self.out.push('{');
        for (at, (key, item)) in entries.iter().enumerate() {
            self.separate(at, depth + 1);
            self.text(&key_text(key));
            self.out.push_str(&self.colon.clone());
            self.value(item, depth + 1)?;
        }
        self.close(entries.is_empty(), depth, '}');
        Ok(())
    }

    fn separate(&mut self, at: usize, depth: usize) {
        if at > 0 {
            self.out.push_str(&self.comma.clone());
        }
        self.new_line(depth);
    }

    fn close(&mut self, is_empty: bool, depth: usize, bracket: char) {
        if !is_empty {
            self.new_line(depth);
        }
        self.out.push(bracket);
    }

    fn new_line(&mut self, depth: usize) {
        if let Some(indent) = self.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for letter in text.chars() {
            match letter {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                _ if (letter as u32) < 0x20 || self.ascii && (letter as u32) > 0x7e => {
                    for unit in letter.encode_utf16(&mut [0; 2]) {
                        write!(self.out, "\\u{unit:04x}").expect("a string takes everything");
                    }
                }
                _ => self.out.push(letter),
            }
        }
        self.out.push('"');
    }
}

fn from_json(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    args.take("profile");
    args.finish()?;
    let text = value.as_str().ok_or_else(|| {
        Error::type_error(format!(
            "the JSON object must be str, bytes or bytearray, not {}",
            value.type_name()
        ))
    })?;
    Value::from_json_text(text)
}

fn b64_encode(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let encoding = args.text("encoding")?.unwrap_or_else(|| "utf-8".into());
    let url_safe = args.flag("urlsafe", false);
    args.finish()?;
    let bytes = match value.as_bytes() {
        Some(bytes) => bytes.to_vec(),
        None => encode(&value.to_string(), &encoding)?,
    };
    Ok(if url_safe { URL_SAFE.encode(bytes) } else { STANDARD.encode(bytes) }.into())
}

fn b64_decode(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let encoding = args.text("encoding")?.unwrap_or_else(|| "utf-8".into());
    let url_safe = args.flag("urlsafe", false);
    args.finish()?;
    let mut text = value.to_string();
    if url_safe {
        text = text.replace('-', "+").replace('_', "/");
    }
    // Python skips what is not of the alphabet.
    text.retain(|letter| letter.is_ascii_alphanumeric() || "+/=".contains(letter));
    let bytes = STANDARD.decode(text).map_err(|error| match error {
        base64::DecodeError::InvalidPadding | base64::DecodeError::InvalidLength(_) => {
            Error::value_error("Incorrect padding")
        }
        other => Error::value_error(other.to_string()),
    })?;
    decode(&bytes, &encoding, "surrogateescape").map(Value::from)
}
