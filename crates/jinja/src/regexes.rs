//! Python's regular expressions on fancy-regex: the syntax that differs is translated, patterns are kept compiled,
//! and back-tracking is bounded.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use fancy_regex::{Regex, RegexBuilder};

use crate::error::Error;

/// Steps after which a pattern is given up.
const BACKTRACK_LIMIT: usize = 2_000_000;
/// Patterns kept compiled.
const MAX_PATTERNS: usize = 2_000;

/// Python's flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Flags {
    /// `re.I`
    pub(crate) ignore_case: bool,
    /// `re.M`
    pub(crate) multiline: bool,
    /// `re.S`
    pub(crate) dot_all: bool,
}

/// How a pattern is anchored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Anchor {
    /// `re.search`
    None,
    /// `re.match`
    Start,
    /// `re.fullmatch`
    Both,
}

type Key = (Flags, Anchor, String);
static COMPILED: LazyLock<RwLock<HashMap<Key, Arc<Regex>>>> = LazyLock::new(Default::default);

/// A compiled pattern.
pub(crate) fn regex(pattern: &str, flags: Flags, anchor: Anchor) -> Result<Arc<Regex>, Error> {
    let key = (flags, anchor, pattern.to_owned());
    if let Some(found) = COMPILED.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Ok(found.clone());
    }
    let (inline, body) = inline_flags(pattern);
    let translated = translate(body);
    let anchored = match anchor {
        Anchor::None => translated,
        Anchor::Start => format!(r"\A(?:{translated})"),
        Anchor::Both => format!(r"\A(?:{translated})\z"),
    };
    let mut letters = inline;
    for (set, letter) in [(flags.ignore_case, 'i'), (flags.multiline, 'm'), (flags.dot_all, 's')] {
        if set && !letters.contains(letter) {
            letters.push(letter);
        }
    }
    let source = if letters.is_empty() { anchored } else { format!("(?{letters}){anchored}") };
    let compiled =
        RegexBuilder::new(&source).backtrack_limit(BACKTRACK_LIMIT).build().map_err(|error| {
            // Our own prefix must not shift the position that the message names.
            let plain = Regex::new(body).err().unwrap_or(error).to_string();
            Error::value_error(format!("invalid regular expression: {}", python_words(&plain)))
        })?;
    let compiled = Arc::new(compiled);
    let mut cache = COMPILED.write().unwrap_or_else(PoisonError::into_inner);
    if cache.len() >= MAX_PATTERNS {
        cache.clear();
    }
    cache.insert(key, compiled.clone());
    Ok(compiled)
}

/// The mistakes that people make most, in the words of Python's `re`.
fn python_words(message: &str) -> &str {
    const WORDS: [(&str, &str); 6] = [
        ("Opening parenthesis without closing", "missing ), unterminated subpattern"),
        ("unclosed group", "missing ), unterminated subpattern"),
        ("unopened group", "unbalanced parenthesis"),
        ("Target of repeat operator", "nothing to repeat"),
        ("repetition operator missing", "nothing to repeat"),
        ("unclosed character class", "unterminated character set"),
    ];
    let known = WORDS.iter().find(|(theirs, _)| message.contains(theirs));
    known.map_or(message, |(_, python)| python)
}

/// A failed match is too much back-tracking.
pub(crate) fn failed(error: &fancy_regex::Error) -> Error {
    Error::new(
        crate::error::ErrorKind::Limit,
        format!("the regular expression takes too long: {error}"),
    )
}

/// `(?im)` at the beginning, apart from the rest, so that anchors do not come before it.
fn inline_flags(pattern: &str) -> (String, &str) {
    if let Some(rest) = pattern.strip_prefix("(?")
        && let Some((flags, body)) = rest.split_once(')')
        && !flags.is_empty()
        && flags.bytes().all(|flag| b"aiLmsux".contains(&flag))
    {
        return (flags.chars().filter(|flag| "imsx".contains(*flag)).collect(), body);
    }
    (String::new(), pattern)
}

/// What Python writes differently: `\Z`, `(?P=name)`, and a `[` inside a class that is just a letter.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut letters = pattern.chars().peekable();
    let mut in_class = false;
    let mut class_start = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                match letters.next() {
                    Some('Z') if !in_class => out.push_str(r"\z"),
                    Some(
                        escaped @ ('/' | '"' | '\'' | '@' | '%' | '!' | ':' | ';' | ',' | '=' | '`'
                        | '_'),
                    ) => {
                        out.push(escaped);
                    }
                    Some('<') => out.push('<'),
                    Some('>') => out.push('>'),
                    Some(' ') => out.push_str(r"\x20"),
                    Some(escaped) => {
                        out.push('\\');
                        out.push(escaped);
                    }
                    None => out.push_str(r"\\"),
                }
                class_start = false;
            }
            '[' if !in_class => {
                in_class = true;
                class_start = true;
                out.push('[');
                if letters.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                // A bracket that comes first is a letter of the class.
                if letters.next_if_eq(&']').is_some() {
                    out.push_str(r"\]");
                    class_start = false;
                }
            }
            ']' if in_class && !class_start => {
                in_class = false;
                out.push(']');
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '[' => {
                out.push_str(r"\[");
                class_start = false;
            }
            '&' | '~' if in_class && letters.peek() == Some(&letter) => {
                out.push('\\');
                out.push(letter);
            }
            _ => {
                class_start = false;
                out.push(letter);
                if letter == '(' && !in_class {
                    named_reference(&mut letters, &mut out);
                }
            }
        }
    }
    out
}

/// `(?P=name)` becomes `(?:\k<name>)`.
fn named_reference(letters: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    let rest: String = letters.clone().take(3).collect();
    if rest != "?P=" {
        return;
    }
    for _ in 0..3 {
        letters.next();
    }
    let name: String = letters.by_ref().take_while(|letter| *letter != ')').collect();
    write!(out, r"?:\k<{name}>)").expect("a string takes everything");
}

/// Python's `re.escape`.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// A replacement's pieces: `\1`, `\g<name>`, escapes, and text.
pub(crate) fn expand(
    template: &str,
    captures: &fancy_regex::Captures<'_, str>,
) -> Result<String, Error> {
    let group = |name: &str| {
        let found = match name.parse::<usize>() {
            Ok(at) if at < captures.len() => captures.get(at),
            Ok(at) => {
                return Err(Error::value_error(format!("invalid group reference {at}")));
            }
            Err(_) => captures.name(name),
        };
        Ok(found.map(|found| found.as_str()).unwrap_or_default())
    };
    let mut out = String::new();
    let mut letters = template.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('g') if letters.next_if_eq(&'<').is_some() => {
                let name: String = letters.by_ref().take_while(|letter| *letter != '>').collect();
                out.push_str(group(&name)?);
            }
            Some(first @ '1'..='9') => {
                let mut number = first.to_string();
                if let Some(second) = letters.next_if(char::is_ascii_digit) {
                    number.push(second);
                }
                out.push_str(group(&number)?);
            }
            Some('0') => out.push('\0'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('\\') => out.push('\\'),
            Some(other) if other.is_ascii_alphabetic() => {
                return Err(Error::value_error(format!("bad escape \\{other}")));
            }
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => return Err(Error::value_error("bad escape (end of pattern)")),
        }
    }
    Ok(out)
}
