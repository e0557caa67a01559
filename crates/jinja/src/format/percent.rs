//! `'%s: %05.1f' % (name, value)`.

use std::iter::Peekable;
use std::str::Chars;

use super::{Layout, bounded, truncated};
use crate::error::Error;
use crate::value::Value;

/// Formats as Python's `%` does: a tuple holds several arguments, a dict named ones.
pub(crate) fn percent(template: &str, argument: &Value) -> Result<String, Error> {
    let mut arguments = Arguments {
        positional: match argument.as_tuple() {
            Some(items) => items.to_vec(),
            None => vec![argument.clone()],
        },
        used: 0,
        named: argument.as_dict().is_some(),
        argument,
    };
    let mut out = String::with_capacity(template.len() + 16);
    let mut letters = template.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '%' {
            out.push_str(&directive(&mut letters, &mut arguments)?);
        } else {
            out.push(letter);
        }
    }
    if arguments.used < arguments.positional.len() && !arguments.named {
        return Err(Error::type_error("not all arguments converted during string formatting"));
    }
    Ok(out)
}

struct Arguments<'a> {
    positional: Vec<Value>,
    used: usize,
    named: bool,
    argument: &'a Value,
}

impl Arguments<'_> {
    fn next(&mut self) -> Result<Value, Error> {
        let value = self.positional.get(self.used).cloned();
        self.used += 1;
        value.ok_or_else(|| Error::type_error("not enough arguments for format string"))
    }

    fn named(&self, name: &str) -> Result<Value, Error> {
        let dict = self.argument.as_dict();
        let dict = dict.ok_or_else(|| Error::type_error("format requires a mapping"))?;
        dict.get(name).ok_or_else(|| Error::value_error(format!("'{name}'")))
    }

    fn number(&mut self, letters: &mut Peekable<Chars<'_>>) -> Result<Option<i128>, Error> {
        if letters.next_if_eq(&'*').is_some() {
            let width = self.next()?;
            return width.as_int().map(Some).ok_or_else(|| Error::type_error("* wants int"));
        }
        let mut number = None;
        while let Some(digit) = letters.next_if(char::is_ascii_digit) {
            let digit = i128::from(digit.to_digit(10).unwrap_or(0));
            number = Some((number.unwrap_or(0_i128) * 10 + digit).min(1 << 30));
        }
        Ok(number)
    }
}

fn directive(
    letters: &mut Peekable<Chars<'_>>,
    arguments: &mut Arguments<'_>,
) -> Result<String, Error> {
    let mut value = None;
    if letters.next_if_eq(&'(').is_some() {
        let name: String = letters.by_ref().take_while(|letter| *letter != ')').collect();
        value = Some(arguments.named(&name)?);
    }
    let mut layout = Layout::default();
    while let Some(flag) = letters.next_if(|letter| "#0- +".contains(*letter)) {
        match flag {
            '#' => layout.alternate = true,
            '0' => layout.zero = true,
            '-' => layout.align = Some('<'),
            sign if layout.sign != Some('+') => layout.sign = Some(sign),
            _ => {}
        }
    }
    let width = arguments.number(letters)?.unwrap_or(0);
    if width < 0 {
        layout.align = Some('<');
    }
    layout.width = bounded(width.unsigned_abs() as usize)?;
    if letters.next_if_eq(&'.').is_some() {
        let precision = arguments.number(letters)?.unwrap_or(0).max(0) as usize;
        layout.precision = Some(bounded(precision)?);
    }
    while letters.next_if(|letter| "hlL".contains(*letter)).is_some() {}
    let kind = letters.next().ok_or_else(|| Error::value_error("incomplete format"))?;
    if kind == '%' {
        return Ok("%".into());
    }
    let value = match value {
        Some(value) => value,
        None => arguments.next()?,
    };
    if layout.align.is_some() {
        layout.zero = false;
    }
    converted(&value, kind, &layout)
}

fn converted(value: &Value, kind: char, layout: &Layout) -> Result<String, Error> {
    let text = match kind {
        's' => cut(value.to_string(), layout),
        'r' | 'a' => cut(value.repr(), layout),
        'c' => match value.as_int().and_then(|code| char::from_u32(u32::try_from(code).ok()?)) {
            Some(letter) => letter.to_string(),
            None if value.as_str().is_some_and(|text| text.chars().count() == 1) => {
                value.to_string()
            }
            None => return Err(Error::type_error("%c requires int or char")),
        },
        'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
            let number =
                if matches!(kind, 'd' | 'i' | 'u') { truncated(value) } else { value.as_int() };
            let number = number.ok_or_else(|| {
                let wanted = if "diu".contains(kind) { "a real number" } else { "an integer" };
                Error::type_error(format!(
                    "%{kind} format: {wanted} is required, not {}",
                    value.type_name()
                ))
            })?;
            return Ok(layout.padded(&layout.integer(number, kind), true));
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let number = value.as_f64().ok_or_else(|| {
                Error::type_error(format!("must be real number, not {}", value.type_name()))
            })?;
            return Ok(layout.padded(&layout.float(number, Some(kind)), true));
        }
        _ => {
            return Err(Error::value_error(format!(
                "unsupported format character '{kind}' (0x{:x})",
                kind as u32
            )));
        }
    };
    let right = Layout { align: Some(layout.align.unwrap_or('>')), zero: false, ..layout.clone() };
    Ok(right.padded(&text, false))
}

fn cut(text: String, layout: &Layout) -> String {
    match layout.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_formats_as_python_does() {
        let tuple = |items: Vec<Value>| Value::tuple(items);
        for (template, argument, expected) in [
            ("%s", Value::from(1.0), "1.0"),
            ("%5s|%-5s|", tuple(vec!["a".into(), "b".into()]), "    a|b    |"),
            (
                "%05d %+d %x %#o",
                tuple(vec![42.into(), 7.into(), 255.into(), 8.into()]),
                "00042 +7 ff 0o10",
            ),
            (
                "%.2f %e %g",
                tuple(vec![2.345.into(), 12345.678.into(), 1e-7.into()]),
                "2.35 1.234568e+04 1e-07",
            ),
            ("%d%%", Value::from(12.9), "12%"),
            ("%r %s", tuple(vec!["a".into(), Value::list(vec!["b".into()])]), "'a' ['b']"),
            ("%(a)s", Value::dict([("a".into(), 1.into())].into_iter().collect()), "1"),
            ("%*d", tuple(vec![4.into(), 1.into()]), "   1"),
            ("%.3s", Value::from("abcdef"), "abc"),
            ("%s", Value::list(vec![1.into(), 2.into()]), "[1, 2]"),
        ] {
            assert_eq!(percent(template, &argument).expect(template), expected);
        }
        for (template, argument, message) in [
            ("%d", Value::from("x"), "%d format: a real number is required, not str"),
            ("%s %s", Value::from("x"), "not enough arguments for format string"),
            ("x", Value::from("x"), "not all arguments converted during string formatting"),
            ("%y", Value::from("x"), "unsupported format character 'y' (0x79)"),
            ("%", Value::from("x"), "incomplete format"),
            ("%(a)s", Value::from("x"), "format requires a mapping"),
            (
                "%2000000000d",
                Value::from(1),
                "a field of a format is wider than 1048576 characters",
            ),
        ] {
            assert_eq!(percent(template, &argument).expect_err(template).message(), message);
        }
    }
}
