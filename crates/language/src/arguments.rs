//! `key=value` text: arguments of a task in one line, and the free text of commands.
//!
//! Templates and quoted parts are kept whole; nothing is evaluated here.

use std::sync::Arc;

use jinja::Value;
use yaml::{Diagnostic, Result, Span};

use crate::Vars;

/// What stands in a line of arguments.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) named: Vars,
    /// The words that are no `key=value`.
    pub(crate) free: Option<Value>,
}

/// The only options that are taken out of the text of a command; any other `key=value` is part of the command.
const COMMAND_OPTIONS: [&str; 8] = [
    "creates",
    "removes",
    "chdir",
    "executable",
    "warn",
    "stdin",
    "stdin_add_newline",
    "strip_empty_ends",
];

/// Reads a line of arguments that stands at `span`. `is_command`: the text is a command line.
pub(crate) fn parse(text: &str, span: &Span, is_command: bool) -> Result<Arguments> {
    let words = split(text).ok_or_else(|| {
        Diagnostic::error("a quote or a template is not closed in these arguments").at(span)
    })?;
    let value = |value: &str| Value::trusted(value, Some(Arc::new(place_of(value, span))));
    let mut arguments = Arguments::default();
    let mut free = String::new();
    // What follows the last free word; lost if only options come after it.
    let mut gap = "";
    for word in words {
        let decoded = decode_escapes(word.text);
        let option = separator(&decoded)
            .map(|at| (decoded[..at].trim(), decoded[at + 1..].trim()))
            .filter(|(key, _)| !is_command || COMMAND_OPTIONS.contains(key));
        let Some((key, text)) = option else {
            free.push_str(gap);
            if is_command || !word.text.contains('=') {
                free.push_str(word.text);
            } else {
                free.push_str(&decoded.replace("\\=", "="));
            }
            gap = word.gap;
            continue;
        };
        // Options on lines of their own before the command are not part of it.
        if word.gap.contains('\n') && !free.is_empty() {
            gap = word.gap;
        }
        arguments.named.insert(key.into(), value(unquote(text)));
    }
    if gap.contains('\n') {
        free.push_str(gap);
    }
    if !free.trim().is_empty() {
        arguments.free = Some(value(&free));
    }
    Ok(arguments)
}

/// The first word of `module key=value …` and the rest.
pub(crate) fn split_first(text: &str) -> Option<(&str, &str)> {
    let words = split(text)?;
    let first = words.first()?;
    let start = first.text.as_ptr() as usize - text.as_ptr() as usize;
    Some((first.text, text[start + first.text.len()..].trim_start_matches([' ', '\t'])))
}

struct Word<'a> {
    text: &'a str,
    /// The white space after it.
    gap: &'a str,
}

/// Words separated by white space outside quotes and templates; `None` if one of these is not closed.
fn split(text: &str) -> Option<Vec<Word<'_>>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\n']);
    while !rest.is_empty() {
        let length = word_length(rest)?;
        let (word, after) = rest.split_at(length);
        let next = after.trim_start_matches([' ', '\n', '\r']);
        let mut gap = &after[..after.len() - next.len()];
        if let Some(continued) = next.strip_prefix("\\\n") {
            gap = " ";
            rest = continued.trim_start_matches(' ');
        } else {
            rest = next;
        }
        words.push(Word { text: word, gap });
    }
    Some(words)
}

/// The length of the word at the beginning of a text.
fn word_length(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut previous = ' ';
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        if let Some(end) = TEMPLATES.iter().find(|(start, _)| text[at..].starts_with(start)) {
            at += template_length(&text[at..], end.1)?;
            previous = '}';
            continue;
        }
        match quote {
            None if matches!(letter, ' ' | '\n') => break,
            None if matches!(letter, '"' | '\'') && previous != '\\' => quote = Some(letter),
            Some(open) if letter == open && previous != '\\' => quote = None,
            _ => {}
        }
        previous = letter;
        at += letter.len_utf8();
    }
    quote.is_none().then_some(at)
}

const TEMPLATES: [(&str, &str); 3] = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];

/// The length of the template at the beginning of a text. Braces of dicts and of texts in it do not end it; if it is
/// not well-formed in that way, the first end counts.
fn template_length(text: &str, end: &str) -> Option<usize> {
    let mut depth = 0;
    let mut quote = None;
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(2) {
        match quote {
            _ if escaped => escaped = false,
            Some(_) if letter == '\\' => escaped = true,
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if depth == 0 && text[at..].starts_with(end) => return Some(at + 2),
            None => match letter {
                '"' | '\'' => quote = Some(letter),
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            },
        }
    }
    text[2..].find(end).map(|at| at + 4)
}

/// Where the `=` is that separates a key from its value: not at the beginning, and not escaped.
fn separator(word: &str) -> Option<usize> {
    word.match_indices('=').map(|(at, _)| at).find(|at| *at > 0 && !word[..*at].ends_with('\\'))
}

/// Python's escapes for single characters; any other backslash stays.
fn decode_escapes(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at..];
        let kind = rest[1..].chars().next().unwrap_or(' ');
        let digits = match kind {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        let letter = match kind {
            '\\' | '\'' | '"' => Some(kind),
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            _ => rest
                .get(2..2 + digits)
                .filter(|code| digits > 0 && code.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .and_then(|code| u32::from_str_radix(code, 16).ok())
                .and_then(char::from_u32),
        };
        decoded.push(letter.unwrap_or('\\'));
        rest = &rest[if letter.is_some() { 2 + digits } else { 1 }..];
    }
    decoded + rest
}

/// A text without the pair of quotes around it.
fn unquote(text: &str) -> &str {
    let inner = |quote: char| {
        text.strip_prefix(quote)?.strip_suffix(quote).filter(|inner| !inner.ends_with('\\'))
    };
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

/// Where a part of the text stands in the file; the whole place if it was written in another way (escapes, folding).
fn place_of(part: &str, span: &Span) -> Span {
    match span.text().find(part) {
        Some(at) if !part.is_empty() => span.within(at..at + part.len()),
        _ => span.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yaml::SourceFile;

    /// Free text, then the named arguments, as `text | key:value | …`.
    fn show(text: &str, is_command: bool) -> String {
        let file = SourceFile::new("t", text);
        let Ok(arguments) = parse(text, &file.span(0, text.len()), is_command) else {
            return "error".to_owned();
        };
        let free = arguments.free.map(|free| free.as_str().unwrap().to_owned());
        let named =
            arguments.named.iter().map(|(key, value)| format!("{key}:{}", value.as_str().unwrap()));
        free.into_iter().chain(named).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn lines_of_arguments() {
        for (text, expected) in [
            ("", ""),
            ("path=/x state=directory", "path:/x | state:directory"),
            ("  a=1   b=2 ", "a:1 | b:2"),
            ("msg='a b' c=\"d  e\"", "msg:a b | c:d  e"),
            ("msg='a=b'", "msg:a=b"),
            ("a=b=c", "a:b=c"),
            ("msg={{ a b }}d", "msg:{{ a b }}d"),
            ("msg=\"{{ \"a b\" }}\" x=1", "msg:{{ \"a b\" }} | x:1"),
            ("msg={{ {'a': {'b': 1}} }}", "msg:{{ {'a': {'b': 1}} }}"),
            ("msg={{ '}}' }}", "msg:{{ '}}' }}"),
            ("msg={% if a %}b c{% endif %} d=e", "c{% endif %} | msg:{% if a %}b | d:e"),
            ("msg=\"x\\ny\\t\\x41\\u00e4\\q\"", "msg:x\ny\tAä\\q"),
            ("msg='it\\'s'", "msg:it's"),
            ("a=1\nb=2", "a:1 | b:2"),
            ("a=1 a=2", "a:2"),
            ("a\\=b c=d", "a=b | c:d"),
            ("=x", "=x"),
            ("a=", "a:"),
            ("a=''", "a:"),
            ("msg=it's", "error"),
            ("msg={{ a", "error"),
            ("_x=1", "_x:1"),
            ("file.yml", "file.yml"),
        ] {
            assert_eq!(show(text, false), expected, "{text:?}");
        }
    }

    #[test]
    fn command_lines() {
        for (text, expected) in [
            ("echo a b", "echo a b"),
            ("echo  a   b=c", "echo  a   b=c"),
            ("echo \"x  y\" 'z'", "echo \"x  y\" 'z'"),
            ("echo \"x\\ny\" \\n", "echo \"x\\ny\" \\n"),
            ("echo a chdir=/tmp", "echo a | chdir:/tmp"),
            ("chdir=/tmp echo a creates='/x y' b", "echo a b | chdir:/tmp | creates:/x y"),
            ("echo a=1 \\\n  b", "echo a=1 b"),
            ("if x; then\n  y\nfi\n", "if x; then\n  y\nfi\n"),
            ("echo a\nremoves=/x", "echo a\n | removes:/x"),
            ("echo {{ a + 'chdir=/x' }}", "echo {{ a + 'chdir=/x' }}"),
            ("PATH=/x foo", "PATH=/x foo"),
            ("creates=/x", "creates:/x"),
        ] {
            assert_eq!(show(text, true), expected, "{text:?}");
        }
    }

    #[test]
    fn values_know_their_place_in_the_line() {
        let file = SourceFile::new("t.yml", "- copy: src=a dest=/b\n");
        let arguments = parse("src=a dest=/b", &file.span(8, 21), false).unwrap();
        let origin = arguments.named["dest"].origin().unwrap();
        assert_eq!((origin.column, origin.text()), (20, "/b"));
    }

    #[test]
    fn the_first_word_names_the_module() {
        assert_eq!(split_first("command  echo a=b"), Some(("command", "echo a=b")));
        assert_eq!(split_first("{{ x }} a=b"), Some(("{{ x }}", "a=b")));
        assert_eq!(split_first("ping"), Some(("ping", "")));
        assert_eq!(split_first(""), None);
    }
}
