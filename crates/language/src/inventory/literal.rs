//! Values in INI inventories: Python literals, or text when they are none.

use std::sync::Arc;

use jinja::{Map, Value};
use yaml::Span;

/// The value of a text. Text stays trusted, because a person wrote it in a source file.
pub(super) fn value(text: &str, span: &Span) -> Value {
    let mut reader = Reader { rest: text.trim(), span };
    match reader.literal() {
        Some(value) if reader.rest.trim().is_empty() => value,
        _ => Value::trusted(text, Some(Arc::new(span.clone()))),
    }
}

struct Reader<'a> {
    rest: &'a str,
    span: &'a Span,
}

impl Reader<'_> {
    fn literal(&mut self) -> Option<Value> {
        self.rest = self.rest.trim_start();
        match self.rest.chars().next()? {
            '[' => self.sequence('[', ']').map(Value::list),
            '(' => self.sequence('(', ')').map(Value::tuple),
            '{' => self.dict(),
            '\'' | '"' => self.text(),
            _ => self.word(),
        }
    }

    fn take(&mut self, token: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn sequence(&mut self, open: char, close: char) -> Option<Vec<Value>> {
        self.take(open);
        let mut values = Vec::new();
        while !self.take(close) {
            values.push(self.literal()?);
            if !self.take(',') && !self.rest.trim_start().starts_with(close) {
                return None;
            }
        }
        Some(values)
    }

    fn dict(&mut self) -> Option<Value> {
        self.take('{');
        let mut map = Map::new();
        while !self.take('}') {
            let key = self.literal()?;
            if !self.take(':') {
                return None;
            }
            map.insert(key, self.literal()?);
            if !self.take(',') && !self.rest.trim_start().starts_with('}') {
                return None;
            }
        }
        Some(Value::dict(map))
    }

    fn text(&mut self) -> Option<Value> {
        let quote = self.rest.chars().next()?;
        let mut text = String::new();
        let mut letters = self.rest.char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            if letter == quote {
                self.rest = &self.rest[at + letter.len_utf8()..];
                return Some(Value::trusted(text, Some(Arc::new(self.span.clone()))));
            }
            match letter {
                '\\' => match letters.next()?.1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    same @ ('\\' | '\'' | '"') => text.push(same),
                    other => text.extend(['\\', other]),
                },
                other => text.push(other),
            }
        }
        None
    }

    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find([',', ']', ')', '}', ':', ' ']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let value = match word {
            "True" => Value::from(true),
            "False" => Value::from(false),
            "None" => Value::none(),
            _ => number(word)?,
        };
        self.rest = rest;
        Some(value)
    }
}

/// A Python number: `0644` is none, `0o644`, `0x1f` and `1_000` are.
fn number(word: &str) -> Option<Value> {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    let sign = if word.starts_with('-') { -1 } else { 1 };
    let plain = digits.replace('_', "");
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(rest) = plain.strip_prefix(prefix) {
            return i64::from_str_radix(rest, radix).ok().map(|number| Value::from(sign * number));
        }
    }
    if plain.is_empty() || !plain.starts_with(|first: char| first.is_ascii_digit() || first == '.')
    {
        return None;
    }
    if plain.bytes().all(|byte| byte.is_ascii_digit()) {
        let padded =
            plain.len() > 1 && plain.starts_with('0') && plain.bytes().any(|byte| byte != b'0');
        return if padded {
            None
        } else {
            plain.parse::<i64>().ok().map(|number| Value::from(sign * number))
        };
    }
    plain.parse::<f64>().ok().map(|number| Value::from(number * sign as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_read_as_in_python() {
        let span = yaml::SourceFile::new("hosts", "").span(0, 0);
        for (text, expected) in [
            ("12", "12"),
            ("-3", "-3"),
            ("0644", "'0644'"),
            ("0o644", "420"),
            ("1.5", "1.5"),
            ("True", "True"),
            ("true", "'true'"),
            ("None", "None"),
            ("'quoted'", "'quoted'"),
            ("[1, 'a', [2]]", "[1, 'a', [2]]"),
            ("{'a': 1, \"b\": []}", "{'a': 1, 'b': []}"),
            ("(1,)", "(1,)"),
            ("[1, 2", "'[1, 2'"),
            ("web01.example.com", "'web01.example.com'"),
            ("1.2.3.4", "'1.2.3.4'"),
            ("", "''"),
            ("-o Option=x", "'-o Option=x'"),
        ] {
            assert_eq!(value(text, &span).repr(), expected, "{text}");
        }
    }
}
