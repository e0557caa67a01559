//! What a syntax error means to the person who wrote the file: the scanner's words, and the usual cause.

use crate::{Diagnostic, SourceFile, Span};
use libyaml_safer::{Error, Mark};
use std::sync::Arc;

/// A scanner's or parser's error, with its place and a hint where the cause is a usual one.
pub(crate) fn explain(file: &Arc<SourceFile>, error: &Error) -> Diagnostic {
    let problem = error.problem();
    let context = error.context();
    let said = capitalised(problem);
    let message = match context {
        Some(context) => format!("YAML parsing failed: {said} ({context})"),
        None => format!("YAML parsing failed: {said}"),
    };
    let diagnostic = Diagnostic::error(message);
    let Some(mark) = error.problem_mark() else { return diagnostic.at(&file.span(0, 0)) };
    let span = at_mark(file, mark);
    let begin = error.context_mark().map(|mark| at_mark(file, mark));
    let diagnostic =
        with_hint(diagnostic, &span, begin.as_ref(), problem, context.unwrap_or_default());
    match begin {
        Some(begin)
            if context.is_some_and(|context| context.starts_with("while parsing"))
                && begin.line != span.line =>
        {
            diagnostic.also(&begin, "it began here")
        }
        _ => diagnostic,
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The error for a text on which the scanner gave up without a word.
pub(crate) fn unreadable(file: &Arc<SourceFile>) -> Diagnostic {
    Diagnostic::error(format!("{} is not valid YAML", file.path.display()))
        .at(&file.span(0, 0))
        .hint("look for a tag (`!name`) that is directly followed by a comma")
}

/// Completes an error whose cause is `{{ … }}` without quotes at the beginning of a value.
pub(crate) fn unquoted_template(diagnostic: Diagnostic, span: &Span) -> Diagnostic {
    diagnostic
        .at(span)
        .hint("a value that begins with `{{` must be in quotes: `key: \"{{ name }}\"`")
}

fn at_mark(file: &Arc<SourceFile>, mark: Mark) -> Span {
    let start = (mark.index as usize).min(file.text.len());
    let end = file.text[start..].chars().next().map_or(start, |c| start + c.len_utf8());
    Span {
        start: start as u32,
        end: end as u32,
        line: mark.line as u32 + 1,
        column: mark.column as u32 + 1,
        file: file.clone(),
    }
}

fn with_hint(
    diagnostic: Diagnostic,
    span: &Span,
    begin: Option<&Span>,
    problem: &str,
    context: &str,
) -> Diagnostic {
    let line = line_of(span);
    let previous = begin.map_or("", |begin| line_of(begin));
    for (line, place) in [(line, Some(span)), (previous, begin)] {
        if let (Some(column), Some(place)) = (unquoted_braces(line), place) {
            return unquoted_template(diagnostic, &in_line(place, line, column, 2));
        }
    }
    let diagnostic = diagnostic.at(span);
    if let Some(tab) = leading_tab(line) {
        return diagnostic
            .at(&in_line(span, line, tab, 1))
            .hint("tabs cannot indent YAML: use spaces");
    }
    if problem.contains("escape") {
        return diagnostic.hint(
            "in double quotes a backslash is written `\\\\`; single quotes keep it as it is",
        );
    }
    if context.contains("quoted scalar") {
        let quote = begin.unwrap_or(span);
        return diagnostic.at(quote).label("this quote is not closed").hint(
            "close the quote; inside double quotes a quote is `\\\"`, inside single quotes `''`",
        );
    }
    if let Some(column) = text_after_quote(line) {
        return diagnostic
            .at(&in_line(span, line, column, 1))
            .label("text after the closing quote")
            .hint("a value that begins with a quote ends with it: put the whole value in quotes");
    }
    if let Some((line, place, column)) = [(line, Some(span)), (previous, begin)]
        .into_iter()
        .find_map(|(line, place)| Some((line, place?, colon_without_space(line)?)))
    {
        return diagnostic
            .at(&in_line(place, line, column, 1))
            .hint("a key and its value are separated by a colon and a space: `key: value`");
    }
    if context.contains("an alias") || context.contains("an anchor") {
        return diagnostic.hint("a value that begins with `*` or `&` must be in quotes");
    }
    match problem {
        "mapping values are not allowed in this context" => diagnostic.hint(
            "a value that contains `: ` must be in quotes; otherwise look at the indentation",
        ),
        "found character that cannot start any token" => {
            diagnostic.hint("a value that begins with `@`, `%` or a backtick must be in quotes")
        }
        "did not find expected key" | "did not find expected '-' indicator" => {
            diagnostic.hint("look at the indentation of this line and of the ones before it")
        }
        "did not find expected ',' or ']'" | "did not find expected ',' or '}'" => {
            diagnostic.hint("the bracket is not closed, or a comma is missing")
        }
        _ => diagnostic,
    }
}

/// The line that holds a place.
fn line_of(span: &Span) -> &str {
    let text: &str = &span.file.text;
    let start = line_start(span);
    &text[start..text[start..].find('\n').map_or(text.len(), |newline| start + newline)]
}

fn line_start(span: &Span) -> usize {
    span.file.text[..span.start as usize].rfind('\n').map_or(0, |newline| newline + 1)
}

/// The place of some bytes of a line.
fn in_line(span: &Span, line: &str, offset: usize, length: usize) -> Span {
    let start = line_start(span);
    Span {
        start: (start + offset) as u32,
        end: (start + offset + length) as u32,
        column: line[..offset].chars().count() as u32 + 1,
        ..span.clone()
    }
}

/// Where a value begins with `{{` outside quotes.
fn unquoted_braces(line: &str) -> Option<usize> {
    let value = value_offset(line);
    line[value..].starts_with("{{").then_some(value)
}

/// Where the value of `- key: value` begins.
fn value_offset(line: &str) -> usize {
    let mut offset = line.len() - line.trim_start().len();
    while line[offset..].starts_with("- ") {
        offset += 2;
        offset += line[offset..].len() - line[offset..].trim_start().len();
    }
    match line[offset..].find(": ") {
        Some(colon) if !line[offset..offset + colon].contains(['"', '\'', '{']) => {
            let value = offset + colon + 2;
            value + (line[value..].len() - line[value..].trim_start().len())
        }
        _ => offset,
    }
}

/// A tab in the indentation.
fn leading_tab(line: &str) -> Option<usize> {
    line.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).position(|byte| byte == b'\t')
}

/// Where text follows a quoted value: `key: "a" b`.
fn text_after_quote(line: &str) -> Option<usize> {
    let value = value_offset(line);
    let quote = line[value..].chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let close = value + 1 + line[value + 1..].find(quote)?;
    let rest = &line[close + 1..];
    let offset = close + 1 + (rest.len() - rest.trim_start().len());
    let next = line[offset..].chars().next()?;
    (next.is_ascii() && !matches!(next, '#' | ':' | ',' | ']' | '}')).then_some(offset)
}

/// Where `key:value` stands for `key: value`.
fn colon_without_space(line: &str) -> Option<usize> {
    let start = line.len() - line.trim_start_matches([' ', '-']).len();
    let key = line[start..]
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
        .count();
    let after = line[start + key..].strip_prefix(':')?;
    (key > 0 && after.starts_with(|c: char| !c.is_whitespace() && c != '/' && c != ':'))
        .then_some(start + key)
}
