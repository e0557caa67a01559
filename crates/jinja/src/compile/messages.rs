//! The parser's messages in Jinja2's words, which operators know and search the web for.

use minijinja::Error as ParserError;
use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::{Mistake, Mode};
use crate::ast::Extent;
use crate::error::{Error, ErrorKind};

/// The parser's error as ours, with its place in the text.
pub(super) fn mistake(
    error: &ParserError,
    source: &str,
    mode: Mode,
    syntax: &SyntaxConfig,
) -> Mistake {
    let detail = error.detail().unwrap_or("invalid syntax");
    let range = error.range().unwrap_or(source.len()..source.len());
    let open = (detail == "unexpected end of input, expected end of block")
        .then(|| innermost_open(source, syntax))
        .flatten();
    if let Some((message, extent)) = open {
        return (Error::syntax(message), extent);
    }
    let written = source.get(range.clone()).unwrap_or_default();
    let message = jinja_words(detail, written, mode);
    let error = match mode {
        Mode::Expression | Mode::Condition => {
            let delimited = if source.contains("{{") || source.contains("{%") {
                ". Template delimiters are not supported in expressions"
            } else {
                ""
            };
            let message = format!("Syntax error in expression{delimited}: {message}");
            Error::new(ErrorKind::Syntax, message)
        }
        Mode::Value | Mode::File | Mode::Included => Error::syntax(message),
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
        return match rest {
            "end of variable block" | "end of block" => {
                format!("Expected an expression, got {}", token(rest))
            }
            "end of comment" => "Missing end of comment tag".into(),
            "end of raw block" => "Missing end of raw directive".into(),
            "end of string" => "unexpected end of a text: a quote is missing".into(),
            "character" => format!("unexpected char {}", crate::value::repr_text(written)),
            _ => format!("unexpected {}", token(rest)),
        };
    };
    let expected = match expected {
        "identifier" => "'name'".into(),
        "identifier or integer" => return "expected name or number".into(),
        other => token(other),
    };
    match got {
        "end of input" if mode.is_bare() => "unexpected 'end of template'".into(),
        "end of input" => format!("unexpected end of template, expected {expected}."),
        "identifier" if !written.is_empty() => {
            format!("expected token {expected}, got '{written}'")
        }
        _ => format!("expected token {expected}, got {}", token(got)),
    }
}

/// The parser quotes tokens with back-ticks and has its own names for some.
fn token(text: &str) -> String {
    let bare = text.strip_prefix("identifier ").unwrap_or(text);
    match bare {
        "end of input" => "'end of template'".into(),
        "end of variable block" => "'end of print statement'".into(),
        "end of block" => "'end of statement block'".into(),
        _ => format!("'{}'", bare.trim_matches('`')),
    }
}

/// What may come next in an open block.
fn wanted(block: &str) -> &'static str {
    match block {
        "if" | "elif" => "'elif' or 'else' or 'endif'",
        "for" => "'endfor' or 'else'",
        "else" => "the end of the block that 'else' belongs to",
        "macro" => "'endmacro'",
        "call" => "'endcall'",
        "set" => "'endset'",
        "filter" => "'endfilter'",
        "with" => "'endwith'",
        "block" => "'endblock'",
        "autoescape" => "'endautoescape'",
        _ => "its end",
    }
}

/// The innermost block that the text does not close, and where it begins.
fn innermost_open(source: &str, syntax: &SyntaxConfig) -> Option<(String, Extent)> {
    let mut open: Vec<(&str, Extent)> = Vec::new();
    let mut tokens = tokenize(source, false, syntax.clone()).map_while(Result::ok).peekable();
    while let Some((token, _)) = tokens.next() {
        if !matches!(token, Token::BlockStart) {
            continue;
        }
        let Some((Token::Ident(name), span)) = tokens.next() else { continue };
        let extent = Extent { start: span.start_offset, end: span.end_offset };
        if name.starts_with("end") {
            open.pop();
            continue;
        }
        let mut has_value = false;
        while let Some((token, _)) = tokens.next_if(|(token, _)| !matches!(token, Token::BlockEnd))
        {
            has_value |= matches!(token, Token::Assign);
        }
        match name {
            "set" if has_value => {}
            "if" | "for" | "macro" | "call" | "set" | "filter" | "with" | "block"
            | "autoescape" => open.push((name, extent)),
            _ => {}
        }
    }
    let (name, extent) = open.pop()?;
    let message = format!(
        "Unexpected end of template. Jinja was looking for the following tags: {}. The innermost block that needs to be closed is '{name}'.",
        wanted(name)
    );
    Some((message, extent))
}
