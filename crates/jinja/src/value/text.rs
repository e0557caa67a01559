//! Python's `str()` and `repr()`.

use std::fmt::{self, Write};

use super::{MAX_DEPTH, Repr, Value};

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.repr {
            Repr::Str(text) => f.write_str(text),
            Repr::Undefined(_) => Ok(()),
            Repr::Object(object) => f.write_str(&object.text()),
            _ => write_repr(f, self, 0),
        }
    }
}

/// The representation, unless the value is secret: debug output ends in logs.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_secret() { f.write_str("***") } else { write_repr(f, self, 0) }
    }
}

impl Value {
    /// Python's `repr()`.
    pub fn repr(&self) -> String {
        let mut text = String::new();
        write_repr(&mut text, self, 0).expect("writing into a string cannot fail");
        text
    }
}

fn write_repr(out: &mut dyn Write, value: &Value, depth: usize) -> fmt::Result {
    if depth > MAX_DEPTH {
        return out.write_str("...");
    }
    match &value.repr {
        Repr::Undefined(_) => out.write_str("Undefined"),
        Repr::None => out.write_str("None"),
        Repr::Bool(true) => out.write_str("True"),
        Repr::Bool(false) => out.write_str("False"),
        Repr::Int(value) => write!(out, "{value}"),
        Repr::Float(value) => out.write_str(&float_text(*value)),
        Repr::Str(text) => write_quoted(out, text),
        Repr::Bytes(bytes) => write_bytes(out, bytes),
        Repr::List(list) => {
            out.write_char('[')?;
            write_items(out, &list.snapshot(), depth)?;
            out.write_char(']')
        }
        Repr::Tuple(items) => {
            out.write_char('(')?;
            write_items(out, items, depth)?;
            out.write_str(if items.len() == 1 { ",)" } else { ")" })
        }
        Repr::Dict(dict) => {
            out.write_char('{')?;
            for (index, (key, value)) in dict.snapshot().iter().enumerate() {
                out.write_str(if index == 0 { "" } else { ", " })?;
                write_repr(out, key, depth + 1)?;
                out.write_str(": ")?;
                write_repr(out, value, depth + 1)?;
            }
            out.write_char('}')
        }
        Repr::Omit => out.write_str("<<Omit>>"),
        Repr::Object(object) => out.write_str(&object.repr()),
    }
}

fn write_items(out: &mut dyn Write, items: &[Value], depth: usize) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        out.write_str(if index == 0 { "" } else { ", " })?;
        write_repr(out, item, depth + 1)?;
    }
    Ok(())
}

/// Python's `repr()` of a text.
pub(crate) fn repr_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_quoted(&mut out, text).expect("writing into a string cannot fail");
    out
}

fn write_quoted(out: &mut dyn Write, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.write_char(quote)?;
    for letter in text.chars() {
        match letter {
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            _ if letter == quote => write!(out, "\\{letter}")?,
            _ if is_printable(letter) => out.write_char(letter)?,
            _ => match letter as u32 {
                code @ 0..=0xff => write!(out, "\\x{code:02x}")?,
                code @ 0x100..=0xffff => write!(out, "\\u{code:04x}")?,
                code => write!(out, "\\U{code:08x}")?,
            },
        }
    }
    out.write_char(quote)
}

fn is_printable(letter: char) -> bool {
    match letter {
        ' '..='~' => true,
        _ if letter.is_control() || letter.is_whitespace() => false,
        '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{e000}'..='\u{f8ff}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{f0000}'.. => false,
        _ => true,
    }
}

fn write_bytes(out: &mut dyn Write, bytes: &[u8]) -> fmt::Result {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    write!(out, "b{quote}")?;
    for &byte in bytes {
        match byte {
            b'\\' => out.write_str("\\\\")?,
            b'\n' => out.write_str("\\n")?,
            b'\r' => out.write_str("\\r")?,
            b'\t' => out.write_str("\\t")?,
            _ if char::from(byte) == quote => write!(out, "\\{quote}")?,
            b' '..=b'~' => out.write_char(char::from(byte))?,
            _ => write!(out, "\\x{byte:02x}")?,
        }
    }
    out.write_char(quote)
}

/// Python's text of a float: shortest digits, an exponent below 1e-4 and from 1e16.
pub(crate) fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    let text = format!("{value}");
    if text.contains('.') { text } else { format!("{text}.0") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_read_as_in_python() {
        for (value, text) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (-2.5e-10, "-2.5e-10"),
            (1.5e300, "1.5e+300"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
            (-0.0, "-0.0"),
        ] {
            assert_eq!(float_text(value), text);
        }
    }

    #[test]
    fn texts_are_quoted_as_in_python() {
        for (text, repr) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("a'b\"c", "'a\\'b\"c'"),
            ("\n\t\\", "'\\n\\t\\\\'"),
            ("\u{7f}\u{1b}é\u{200b}", "'\\x7f\\x1bé\\u200b'"),
        ] {
            assert_eq!(repr_text(text), repr);
        }
        assert_eq!(Value::from(b"a'\xff".to_vec()).repr(), "b\"a'\\xff\"");
    }

    #[test]
    fn a_list_in_itself_ends() {
        let value = Value::list(Vec::new());
        value.as_list().expect("a list").write().push(value.clone());
        assert!(value.repr().contains("..."));
        assert_eq!(value, value.clone());
        value.as_list().expect("a list").write().clear();
    }

    #[test]
    fn a_secret_does_not_show_in_debug_output() {
        let secret = Value::from("hunter2").marked(super::super::Marks::SECRET);
        assert_eq!(format!("{secret:?} {:?}", Value::list(vec![secret.clone()])), "*** ***");
    }
}
