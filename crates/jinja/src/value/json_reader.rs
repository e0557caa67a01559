//! JSON text as Python's `json` reads it: NaN and infinities, integers of any size, and its words for mistakes.

use super::{MAX_DEPTH, Map, Value};
use crate::error::{Error, ErrorKind};

impl Value {
    /// Data from JSON text. Nothing in it is a template.
    pub(crate) fn from_json_text(text: &str) -> Result<Self, Error> {
        let mut reader = Reader { text, at: 0 };
        reader.space();
        let value = reader.value(0)?;
        reader.space();
        if reader.at < text.len() {
            return Err(reader.wrong("Extra data", reader.at));
        }
        Ok(value)
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn wrong(&self, what: &str, at: usize) -> Error {
        let before = &self.text[..at.min(self.text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let char = before.chars().count();
        Error::value_error(format!("{what}: line {line} column {column} (char {char})"))
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn taken(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::new(ErrorKind::Recursion, "the JSON text is nested too deeply"));
        }
        let words = [
            ("null", Value::none()),
            ("true", true.into()),
            ("false", false.into()),
            ("NaN", f64::NAN.into()),
            ("Infinity", f64::INFINITY.into()),
            ("-Infinity", f64::NEG_INFINITY.into()),
        ];
        match self.rest().bytes().next() {
            Some(b'"') => {
                self.at += 1;
                self.string().map(Value::from)
            }
            Some(b'[') => self.array(depth),
            Some(b'{') => self.object(depth),
            Some(b'0'..=b'9' | b'-') if !self.rest().starts_with("-I") => self.number(),
            _ => match words.into_iter().find(|(word, _)| self.taken(word)) {
                Some((_, value)) => Ok(value),
                None => Err(self.wrong("Expecting value", self.at)),
            },
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Error> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.taken("]") {
            return Ok(Value::list(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            self.space();
            if self.taken("]") {
                return Ok(Value::list(items));
            }
            if !self.taken(",") {
                return Err(self.wrong("Expecting ',' delimiter", self.at));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Error> {
        self.at += 1;
        let mut map = Map::new();
        self.space();
        if self.taken("}") {
            return Ok(Value::dict(map));
        }
        loop {
            self.space();
            if !self.taken("\"") {
                return Err(
                    self.wrong("Expecting property name enclosed in double quotes", self.at)
                );
            }
            let key = self.string()?;
            self.space();
            if !self.taken(":") {
                return Err(self.wrong("Expecting ':' delimiter", self.at));
            }
            self.space();
            map.insert(key.into(), self.value(depth + 1)?);
            self.space();
            if self.taken("}") {
                return Ok(Value::dict(map));
            }
            if !self.taken(",") {
                return Err(self.wrong("Expecting ',' delimiter", self.at));
            }
        }
    }

    fn number(&mut self) -> Result<Value, Error> {
        let rest = self.rest();
        let digits = |from: usize| {
            let tail = &rest[from..];
            from + (tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_digit()).len())
        };
        let start = usize::from(rest.starts_with('-'));
        let whole = if rest[start..].starts_with('0') { start + 1 } else { digits(start) };
        if whole == start {
            return Err(self.wrong("Expecting value", self.at));
        }
        let mut end = whole;
        if rest[end..].starts_with('.') && digits(end + 1) > end + 1 {
            end = digits(end + 1);
        }
        if rest[end..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
            let exponent = digits(end + 1 + sign);
            end = if exponent > end + 1 + sign { exponent } else { end };
        }
        self.at += end;
        let text = &rest[..end];
        let int = (end == whole).then(|| text.parse::<i128>().ok()).flatten();
        match (int, text.parse::<f64>()) {
            (Some(int), _) => Ok(int.into()),
            (None, Ok(float)) => Ok(float.into()),
            (None, Err(_)) => Err(self.wrong("Expecting value", self.at - end)),
        }
    }

    /// A string behind its opening quote.
    fn string(&mut self) -> Result<String, Error> {
        let start = self.at - 1;
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let Some(end) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') else {
                return Err(self.wrong("Unterminated string starting at", start));
            };
            out.push_str(&rest[..end]);
            self.at += end;
            match rest.as_bytes()[end] {
                b'"' => {
                    self.at += 1;
                    return Ok(out);
                }
                b'\\' => out.push(self.escape(start)?),
                _ => return Err(self.wrong("Invalid control character at", self.at)),
            }
        }
    }

    fn escape(&mut self, start: usize) -> Result<char, Error> {
        let letter = match self.rest().as_bytes().get(1) {
            None => return Err(self.wrong("Unterminated string starting at", start)),
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.unit()?;
                // Two halves of a pair are one letter; a half alone is none.
                if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
                    let place = self.at;
                    let second = self.unit()?;
                    if (0xdc00..0xe000).contains(&second) {
                        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                        return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    self.at = place;
                }
                return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(_) => return Err(self.wrong("Invalid \\escape", self.at)),
        };
        self.at += 2;
        Ok(letter)
    }

    /// `\u` and four digits.
    fn unit(&mut self) -> Result<u32, Error> {
        let digits = self.rest().get(2..6).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.wrong("Invalid \\uXXXX escape", self.at + 1))?;
        self.at += 6;
        Ok(unit)
    }
}
