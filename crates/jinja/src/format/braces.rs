//! `'{} {name!r:>10}'.format(1, name=2)`.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Layout, bounded, truncated};
use crate::args::Args;
use crate::error::Error;
use crate::eval::Scope;
use crate::value::Value;

/// Formats as Python's `str.format` does.
pub(crate) fn braces(scope: &Scope<'_>, template: &str, mut args: Args) -> Result<String, Error> {
    let positional = args.rest();
    let named = args.rest_named().into_iter().collect();
    let mut fields = Fields { scope, positional, named, next: 0 };
    fields.format(template, 0)
}

struct Fields<'a> {
    scope: &'a Scope<'a>,
    positional: Vec<Value>,
    named: HashMap<Arc<str>, Value>,
    next: usize,
}

impl Fields<'_> {
    fn format(&mut self, template: &str, depth: u8) -> Result<String, Error> {
        if depth > 2 {
            return Err(Error::value_error("Max string recursion exceeded"));
        }
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(at) = rest.find(['{', '}']) {
            out.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            let after = &rest[at + 1..];
            if let Some(after) = after.strip_prefix(brace) {
                out.push_str(brace);
                rest = after;
                continue;
            }
            if brace == "}" {
                return Err(Error::value_error("Single '}' encountered in format string"));
            }
            let end = closing(after)
                .ok_or_else(|| Error::value_error("expected '}' before end of string"))?;
            out.push_str(&self.field(&after[..end], depth)?);
            self.scope.check_size(out.len())?;
            rest = &after[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    fn field(&mut self, field: &str, depth: u8) -> Result<String, Error> {
        let name_end = field.find(['!', ':']).unwrap_or(field.len());
        let (name, rest) = field.split_at(name_end);
        let (conversion, spec) = match rest.strip_prefix('!') {
            Some(rest) => match rest.split_once(':') {
                Some((conversion, spec)) => (conversion, spec),
                None => (rest, ""),
            },
            None => ("", rest.strip_prefix(':').unwrap_or_default()),
        };
        let value = self.value(name)?;
        let spec = self.format(spec, depth + 1)?;
        let value = match conversion {
            "" => value,
            "s" => Value::from(value.to_string()),
            "r" | "a" => Value::from(value.repr()),
            _ => {
                return Err(Error::value_error(format!(
                    "Unknown conversion specifier '{conversion}'"
                )));
            }
        };
        formatted(&value, &spec)
    }

    /// `0`, `name`, or one of them with attributes and items: `a.b[0]`.
    fn value(&mut self, name: &str) -> Result<Value, Error> {
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let (first, mut path) = name.split_at(end);
        let mut value = if first.is_empty() || first.bytes().all(|byte| byte.is_ascii_digit()) {
            let at = first.parse().unwrap_or(self.next);
            self.next += usize::from(first.is_empty());
            self.positional.get(at).cloned().ok_or_else(|| {
                Error::value_error(format!(
                    "Replacement index {at} out of range for positional args tuple"
                ))
            })?
        } else {
            let found = self.named.get(first).cloned();
            found.ok_or_else(|| Error::value_error(format!("'{first}'")))?
        };
        while !path.is_empty() {
            let (key, rest) = if let Some(inside) = path.strip_prefix('[') {
                inside
                    .split_once(']')
                    .ok_or_else(|| Error::value_error("Missing ']' in format string"))?
            } else {
                let tail = path.trim_start_matches('.');
                tail.split_at(tail.find(['.', '[']).unwrap_or(tail.len()))
            };
            let key = key.parse::<i64>().map_or_else(|_| Value::from(key), Value::from);
            value = self.scope.force(self.scope.item(&value, &key)?)?;
            path = rest;
        }
        Ok(value)
    }
}

/// The offset of the brace that closes a field; fields can hold fields.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// A value by a format specification: `>10`, `05.1f`, `,`.
fn formatted(value: &Value, spec: &str) -> Result<String, Error> {
    if spec.is_empty() {
        return Ok(value.to_string());
    }
    let layout = parse(spec)?;
    let unknown = || {
        Error::value_error(format!(
            "Unknown format code '{}' for object of type '{}'",
            layout.kind.unwrap_or(' '),
            value.type_name()
        ))
    };
    let number = value.as_int().is_some() && value.as_bool().is_none() || value.as_f64().is_some();
    match (layout.kind, number) {
        (None, _) | (Some('s'), false) if value.as_bool().is_some() => {
            Ok(layout.padded(&value.to_string(), false))
        }
        (None | Some('s'), false) => {
            let text = value.to_string();
            let text = match layout.precision {
                Some(precision) => text.chars().take(precision).collect(),
                None => text,
            };
            Ok(layout.padded(&text, false))
        }
        (None | Some('d' | 'x' | 'X' | 'o' | 'b'), true) if value.as_int().is_some() => {
            let int = truncated(value).unwrap_or_default();
            Ok(layout.padded(&layout.integer(int, layout.kind.unwrap_or('d')), true))
        }
        (None | Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'n' | '%'), true) => {
            let float = value.as_f64().ok_or_else(unknown)?;
            Ok(layout.padded(&layout.float(float, layout.kind), true))
        }
        _ => Err(unknown()),
    }
}

fn parse(spec: &str) -> Result<Layout, Error> {
    let mut layout = Layout::default();
    let mut letters: Vec<char> = spec.chars().collect();
    letters.reverse();
    let is_align = |letter: Option<&char>| matches!(letter, Some('<' | '>' | '=' | '^'));
    if letters.len() > 1 && is_align(letters.get(letters.len() - 2)) {
        layout.fill = letters.pop();
        layout.align = letters.pop();
    } else if is_align(letters.last()) {
        layout.align = letters.pop();
    }
    let take = |letters: &mut Vec<char>, wanted: &str| {
        let found = letters.last().copied().filter(|letter| wanted.contains(*letter))?;
        letters.pop();
        Some(found)
    };
    layout.sign = take(&mut letters, "+- ");
    layout.alternate = take(&mut letters, "#").is_some();
    layout.zero = take(&mut letters, "0").is_some();
    let number = |letters: &mut Vec<char>| {
        let mut number = None;
        while let Some(digit) = letters.last().and_then(|letter| letter.to_digit(10)) {
            letters.pop();
            number = Some((number.unwrap_or(0_usize) * 10 + digit as usize).min(1 << 30));
        }
        number
    };
    layout.width = bounded(number(&mut letters).unwrap_or(0))?;
    layout.grouping = take(&mut letters, ",_");
    if take(&mut letters, ".").is_some() {
        let precision = number(&mut letters);
        let precision =
            precision.ok_or_else(|| Error::value_error("Format specifier missing precision"))?;
        layout.precision = Some(bounded(precision)?);
    }
    layout.kind = letters.pop();
    if !letters.is_empty() {
        return Err(Error::value_error("Invalid format specifier"));
    }
    Ok(layout)
}
