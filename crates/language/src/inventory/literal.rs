//! Values in INI inventories: Python literals, or text when they are none.

use std::sync::Arc;

use jinja::{Map, Value};
use yaml::Span;

/// Literals nested deeper than this are text.
const MAX_DEPTH: usize = 64;

/// The value of a text. Text stays trusted, because a person wrote it in a source file.
pub(super) fn value(text: &str, span: &Span) -> Value {
    let mut reader = Reader { rest: text.trim(), span, depth: 0 };
    match reader.literal() {
        // Python's own comment may follow.
        Some(value) if matches!(reader.rest.trim_start().chars().next(), None | Some('#')) => value,
        _ => Value::trusted(text, Some(Arc::new(span.clone()))),
    }
}

struct Reader<'a> {
    rest: &'a str,
    span: &'a Span,
    depth: usize,
}

impl Reader<'_> {
    fn literal(&mut self) -> Option<Value> {
        self.rest = self.rest.trim_start();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let value = match self.rest.chars().next()? {
            '[' => self.sequence('[', ']').map(|(items, _)| Value::list(items)),
            '(' => self.tuple(),
            '{' => self.dict(),
            '\'' | '"' => self.texts(),
            'r' | 'R' | 'u' | 'U' | 'b' | 'B' if self.rest[1..].starts_with(['\'', '"']) => {
                self.texts()
            }
            's' if self.rest.starts_with("set()") => {
                self.rest = &self.rest["set()".len()..];
                Some(Value::list(Vec::new()))
            }
            _ => self.word(),
        };
        self.depth -= 1;
        value
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

    /// The items, and whether a comma follows the last.
    fn sequence(&mut self, open: char, close: char) -> Option<(Vec<Value>, bool)> {
        self.take(open);
        let mut values = Vec::new();
        let mut comma = false;
        while !self.take(close) {
            values.push(self.literal()?);
            comma = self.take(',');
            if !comma && !self.rest.trim_start().starts_with(close) {
                return None;
            }
        }
        Some((values, comma))
    }

    /// A tuple, which becomes a list, or a value in parentheses.
    fn tuple(&mut self) -> Option<Value> {
        let (mut items, comma) = self.sequence('(', ')')?;
        if items.len() == 1 && !comma { items.pop() } else { Some(Value::list(items)) }
    }

    /// A dict; also a set, which is shown as the list of its items.
    fn dict(&mut self) -> Option<Value> {
        self.take('{');
        let mut map = Map::new();
        let mut set = Vec::new();
        while !self.take('}') {
            let key = self.literal()?;
            if self.take(':') {
                map.insert(key, self.literal()?);
            } else {
                set.push(key);
            }
            if !self.take(',') && !self.rest.trim_start().starts_with('}') {
                return None;
            }
        }
        match (map.is_empty(), set.is_empty()) {
            (_, true) => Some(Value::dict(map)),
            (true, false) => Some(Value::list(set)),
            (false, false) => None,
        }
    }

    /// One or more string literals, which Python joins.
    fn texts(&mut self) -> Option<Value> {
        let mut text = String::new();
        loop {
            let is_raw = self.rest.starts_with(['r', 'R']);
            self.rest = self.rest.trim_start_matches(['r', 'R', 'u', 'U', 'b', 'B']);
            self.text(&mut text, is_raw)?;
            let next = self.rest.trim_start();
            if !next.starts_with(['\'', '"']) {
                return Some(Value::trusted(text, Some(Arc::new(self.span.clone()))));
            }
            self.rest = next;
        }
    }

    fn text(&mut self, text: &mut String, is_raw: bool) -> Option<()> {
        let quote =
            ["'''", "\"\"\"", "'", "\""].into_iter().find(|it| self.rest.starts_with(it))?;
        self.rest = &self.rest[quote.len()..];
        loop {
            if let Some(rest) = self.rest.strip_prefix(quote) {
                self.rest = rest;
                return Some(());
            }
            let letter = self.rest.chars().next()?;
            self.rest = &self.rest[letter.len_utf8()..];
            if letter != '\\' {
                text.push(letter);
            } else if is_raw {
                let next = self.rest.chars().next()?;
                self.rest = &self.rest[next.len_utf8()..];
                text.extend([letter, next]);
            } else {
                self.escape(text)?;
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Option<()> {
        let letter = self.rest.chars().next()?;
        self.rest = &self.rest[letter.len_utf8()..];
        match letter {
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            'a' => text.push('\x07'),
            'b' => text.push('\x08'),
            'f' => text.push('\x0c'),
            'v' => text.push('\x0b'),
            '\n' => {}
            same @ ('\\' | '\'' | '"') => text.push(same),
            'x' => text.push(self.code(2, 16)?),
            'u' => text.push(self.code(4, 16)?),
            'U' => text.push(self.code(8, 16)?),
            digit @ '0'..='7' => {
                let more = self.rest.bytes().take(2).take_while(|it| matches!(it, b'0'..=b'7'));
                let octal = format!("{digit}{}", &self.rest[..more.count()]);
                self.rest = &self.rest[octal.len() - 1..];
                text.push(char::from_u32(u32::from_str_radix(&octal, 8).ok()?)?);
            }
            other => text.extend(['\\', other]),
        }
        Some(())
    }

    fn code(&mut self, digits: usize, radix: u32) -> Option<char> {
        let code = self.rest.get(..digits)?;
        self.rest = &self.rest[digits..];
        char::from_u32(u32::from_str_radix(code, radix).ok()?)
    }

    fn word(&mut self) -> Option<Value> {
        let ends = [',', ']', ')', '}', ':', ' ', '\t', '#'];
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let value = match word {
            "True" => Value::from(true),
            "False" => Value::from(false),
            "None" => Value::none(),
            // Python has values for these that YAML and JSON have not.
            _ if word == "..." || is_imaginary(word) => {
                Value::trusted(word, Some(Arc::new(self.span.clone())))
            }
            _ => number(word)?,
        };
        self.rest = rest;
        Some(value)
    }
}

fn is_imaginary(word: &str) -> bool {
    word.strip_suffix(['j', 'J']).is_some_and(|digits| number(digits).is_some())
}

/// A Python number: `0644` is none, `0o644`, `0x1f` and `1_000` are.
fn number(word: &str) -> Option<Value> {
    let (is_negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let is_grouped =
        |text: &str| !text.starts_with('_') && !text.ends_with('_') && !text.contains("__");
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        || !is_grouped(digits)
    {
        return None;
    }
    let plain = digits.replace('_', "");
    let lower = plain.to_ascii_lowercase();
    let whole = |digits: &str, radix| {
        let number =
            i128::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))?;
        Some(Value::from(if is_negative { -number } else { number }))
    };
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(rest) = lower.strip_prefix(prefix) {
            return whole(rest, radix);
        }
    }
    if plain.bytes().all(|byte| byte.is_ascii_digit()) {
        let is_padded = plain.starts_with('0') && plain.bytes().any(|byte| byte != b'0');
        return if is_padded { None } else { whole(&plain, 10) };
    }
    let number = plain.parse::<f64>().ok()?;
    Some(Value::from(if is_negative { -number } else { number }))
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
            ("+5", "5"),
            ("--5", "'--5'"),
            ("0644", "'0644'"),
            ("00", "0"),
            ("0o644", "420"),
            ("0x1F", "31"),
            ("0b11", "3"),
            ("0xzz", "'0xzz'"),
            ("1_000", "1000"),
            ("1__0", "'1__0'"),
            ("99999999999999999999", "99999999999999999999"),
            ("1.5", "1.5"),
            (".5", "0.5"),
            ("5.", "5.0"),
            ("1e3", "1000.0"),
            ("inf", "'inf'"),
            ("1j", "'1j'"),
            ("1+1", "'1+1'"),
            ("True", "True"),
            ("true", "'true'"),
            ("None", "None"),
            ("'quoted'", "'quoted'"),
            ("'a' 'b'", "'ab'"),
            ("'it''s'", "'its'"),
            ("'''x'''", "'x'"),
            (r"r'\n'", r"'\\n'"),
            (r"'\u00e9\x41\101\q'", r"'éAA\\q'"),
            ("b'x'", "'x'"),
            ("set()", "[]"),
            ("[set(), b\"x\", ..., 1j]", "[[], 'x', '...', '1j']"),
            ("{...}", "['...']"),
            ("...", "'...'"),
            ("f'x'", "\"f'x'\""),
            ("1 # why", "1"),
            ("text # not why", "'text # not why'"),
            ("[1, 'a', [2],]", "[1, 'a', [2]]"),
            ("[1 2]", "'[1 2]'"),
            ("{'a': 1, \"b\": []}", "{'a': 1, 'b': []}"),
            ("{1,2}", "[1, 2]"),
            ("{a:1}", "'{a:1}'"),
            ("(1,)", "[1]"),
            ("(1)", "1"),
            ("[1, 2", "'[1, 2'"),
            ("'open", "\"'open\""),
            ("web01.example.com", "'web01.example.com'"),
            ("1.2.3.4", "'1.2.3.4'"),
            ("", "''"),
            ("-o Option=x", "'-o Option=x'"),
        ] {
            assert_eq!(value(text, &span).repr(), expected, "{text}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(value(&deep, &span).as_str(), Some(&*deep));
    }
}
