//! Values as text: JSON and Python literals spelt as Python's `json.dumps` and `str` spell them, and foreign text made
//! harmless for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

/// How JSON is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// On one line, `", "` between items.
    Line,
    /// On one line, `","` between items: the `oneline` reporter.
    Tight,
    /// Indented by four.
    Pretty,
}

/// JSON with sorted keys.
pub(crate) fn json(value: &Value, layout: Layout) -> String {
    let mut out = String::new();
    write_json(&mut out, value, layout, 0);
    out
}

fn write_json(out: &mut String, value: &Value, layout: Layout, depth: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&python_number(number)),
        Value::String(text) => write_json_string(out, text),
        Value::Array(items) => {
            let items = items.iter().map(|item| (None, item)).collect::<Vec<_>>();
            write_items(out, ['[', ']'], &items, layout, depth);
        }
        Value::Object(map) => {
            write_items(out, ['{', '}'], &sorted(map), layout, depth);
        }
    }
}

fn sorted(map: &Map<String, Value>) -> Vec<(Option<&str>, &Value)> {
    let mut items = map.iter().map(|(key, value)| (Some(key.as_str()), value)).collect::<Vec<_>>();
    items.sort_by_key(|(key, _)| *key);
    items
}

fn write_items(
    out: &mut String,
    [open, close]: [char; 2],
    items: &[(Option<&str>, &Value)],
    layout: Layout,
    depth: usize,
) {
    let new_line = |out: &mut String, depth: usize| {
        if layout == Layout::Pretty {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', depth * 4));
        }
    };
    out.push(open);
    for (index, (key, value)) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(if layout == Layout::Line { ", " } else { "," });
        }
        new_line(out, depth + 1);
        if let Some(key) = key {
            write_json_string(out, key);
            out.push_str(": ");
        }
        write_json(out, value, layout, depth + 1);
    }
    if !items.is_empty() {
        new_line(out, depth);
    }
    out.push(close);
}

fn write_json_string(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            char if char.is_control() || reorders(char) => {
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out.push('"');
}

/// Python's `str()`: what a loop item looks like.
pub(crate) fn python(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => {
            let mut out = String::new();
            write_repr(&mut out, value);
            out
        }
    }
}

fn write_repr(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(value) => out.push_str(if *value { "True" } else { "False" }),
        Value::Number(number) => out.push_str(&python_number(number)),
        Value::String(text) => write_repr_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_repr(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (index, (key, value)) in map.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_repr_string(out, key);
                out.push_str(": ");
                write_repr(out, value);
            }
            out.push('}');
        }
    }
}

fn write_repr_string(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for char in text.chars() {
        match char {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            char if char == quote => {
                out.push('\\');
                out.push(char);
            }
            char if char.is_control() || reorders(char) => push_escape(out, char),
            char => out.push(char),
        }
    }
    out.push(quote);
}

/// Python writes exponents with a sign and two digits, and keeps `.0` on whole floats.
fn python_number(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let magnitude = float.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{float:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |it| ('-', it));
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    format!("{float:?}")
}

/// Text from elsewhere with the characters that steer a terminal, or turn the reading order, shown as escapes.
/// New lines and tabs stay.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let steers = |char: char| (char.is_control() && char != '\n' && char != '\t') || reorders(char);
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if steers(char) { push_escape(&mut out, char) } else { out.push(char) }
    }
    Cow::Owned(out)
}

fn push_escape(out: &mut String, char: char) {
    let code = u32::from(char);
    let _ = if code < 0x100 { write!(out, "\\x{code:02x}") } else { write!(out, "\\u{code:04x}") };
}

/// The marks by which a text can be made to read otherwise than it is.
fn reorders(char: char) -> bool {
    matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_spelt_as_python_spells_it() {
        let value =
            json!({"b": [1, "x\u{1b}\u{7f}é\"\\"], "a": {}, "c": [], "f": [1.0, 1e20, 1e-7, 0.1]});
        let text =
            r#"{"a": {}, "b": [1, "x\u001b\u007fé\"\\"], "c": [], "f": [1.0, 1e+20, 1e-07, 0.1]}"#;
        assert_eq!(super::json(&value, Layout::Line), text);
        assert_eq!(
            super::json(&json!({"a": 1, "b": [1, 2]}), Layout::Tight),
            r#"{"a": 1,"b": [1,2]}"#
        );
        assert_eq!(
            super::json(&json!({"a": {"b": [1]}, "c": {}}), Layout::Pretty),
            "{\n    \"a\": {\n        \"b\": [\n            1\n        ]\n    },\n    \"c\": {}\n}"
        );
    }

    #[test]
    fn items_are_spelt_as_python_spells_them() {
        let cases = [
            (json!("it's"), "it's"),
            (json!(null), "None"),
            (json!({"a": true, "b": "é"}), "{'a': True, 'b': 'é'}"),
            (json!(["it's", "a\"b'c", "\n\u{1}"]), r#"["it's", 'a"b\'c', '\n\x01']"#),
            (json!([1.5, 2]), "[1.5, 2]"),
        ];
        for (value, expected) in cases {
            assert_eq!(python(&value), expected);
        }
    }

    #[test]
    fn what_steers_a_terminal_is_shown() {
        let cases = [
            ("plain\n\ttext é", "plain\n\ttext é"),
            ("\u{1b}[31mred\u{7}", "\\x1b[31mred\\x07"),
            ("a\rb\u{9b}2J", "a\\x0db\\x9b2J"),
            ("exe\u{202e}txt", "exe\\u202etxt"),
        ];
        for (text, expected) in cases {
            assert_eq!(harmless(text), expected);
        }
    }
}
