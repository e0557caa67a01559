//! The parser's messages in Jinja2's words, which operators know and search the web for.

use minijinja::Error as ParserError;

use super::{Mistake, Mode};
use crate::ast::Extent;
use crate::error::Error;

/// The parser's error as ours, with its place in the text.
pub(super) fn mistake(error: &ParserError, source: &str, mode: Mode) -> Mistake {
    let detail = error.detail().unwrap_or("invalid syntax");
    let range = error.range().unwrap_or(source.len()..source.len());
    let written = source.get(range.clone()).unwrap_or_default();
    let message = jinja_words(detail, written, mode);
    let error = match mode {
        Mode::Expression => Error::new(
            crate::error::ErrorKind::Syntax,
            format!("Syntax error in expression: {message}"),
        ),
        Mode::Value | Mode::File => Error::syntax(message),
    };
    (error, Extent { start: range.start as u32, end: range.end as u32 })
}

fn jinja_words(detail: &str, written: &str, mode: Mode) -> String {
    if let Some(name) = detail.strip_prefix("unknown statement ") {
        return format!("Encountered unknown tag '{name}'.");
    }
    let Some(rest) = detail.strip_prefix("unexpected ") else {
        return detail.to_owned();
    };
    let Some((got, expected)) = rest.split_once(", expected ") else {
        return match mode {
            Mode::Expression => format!("unexpected {}", token(rest)),
            _ => detail.to_owned(),
        };
    };
    let expected = match expected {
        "end of variable block" => "'end of print statement'".into(),
        "end of block" => "'end of statement block'".into(),
        "identifier" => "'name'".into(),
        other => token(other),
    };
    match got {
        "end of input" if mode == Mode::Expression => "unexpected 'end of template'".into(),
        "end of input" => format!("unexpected end of template, expected {expected}."),
        "identifier" if !written.is_empty() => {
            format!("expected token {expected}, got '{written}'")
        }
        _ => format!("expected token {expected}, got {}", token(got)),
    }
}

/// The parser quotes tokens with back-ticks and says what they are.
fn token(text: &str) -> String {
    let bare = text.strip_prefix("identifier ").unwrap_or(text);
    match bare {
        "end of input" => "'end of template'".into(),
        _ => format!("'{}'", bare.trim_matches('`')),
    }
}
