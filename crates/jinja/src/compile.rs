//! From text to tree: minijinja parses, we convert what it borrowed into what we own, and keep it by its text.

mod cache;
mod convert;
mod messages;

use std::sync::Arc;

use minijinja::machinery::{Token, ast, parse, parse_expr, tokenize};
use minijinja::syntax::SyntaxConfig;

pub(crate) use cache::compiled;

use crate::ast::{Extent, Stmt, Template};
use crate::error::Error;
use crate::templar::TemplateOptions;
use convert::Converter;

/// How a text is to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A value of a playbook or of variables: backslashes in the texts inside `{{ }}` stand for themselves.
    Value,
    /// An expression without braces.
    Expression,
    /// Such an expression as a condition: templates inside its texts are evaluated.
    Condition,
    /// A template file with Ansible's default options.
    File,
    /// Such a file as another includes it: without the newline at its end.
    Included,
}

impl Mode {
    /// Whether the text has no braces around it.
    fn is_bare(self) -> bool {
        matches!(self, Self::Expression | Self::Condition)
    }
}

/// A mistake in a template and its place in the text.
pub(crate) type Mistake = (Error, Extent);

/// Operators in a tag before its tree would be too deep to walk: the parser builds it before we can look at it.
const MAX_OPERATORS: usize = 1500;

/// Parses a text as a value, an expression, or a file with the default options.
pub(crate) fn compile(source: &Arc<str>, mode: Mode) -> Result<Template, Mistake> {
    let options = match mode {
        Mode::File => TemplateOptions::default(),
        Mode::Value | Mode::Expression | Mode::Condition | Mode::Included => {
            TemplateOptions::included()
        }
    };
    compile_with(source, &options, mode)
}

/// Parses a text with options of its own.
pub(crate) fn compile_with(
    source: &Arc<str>,
    options: &TemplateOptions,
    mode: Mode,
) -> Result<Template, Mistake> {
    let syntax = syntax_of(options)?;
    check_operators(source, mode, &syntax)?;
    convert_text(source, source, mode, &syntax).or_else(|mistake| {
        let accepted = accepted_elsewhere(source, &mistake, &syntax);
        match accepted {
            Some(text) => convert_text(&text, source, mode, &syntax).map_err(|_| mistake),
            None => Err(mistake),
        }
    })
}

/// The text in other words of the same length, where Jinja2 accepts what the parser does not.
fn accepted_elsewhere(source: &str, mistake: &Mistake, syntax: &SyntaxConfig) -> Option<String> {
    if mistake.0.message().ends_with("block tags in macros are not allowed") {
        return Some(without_blocks(source, syntax));
    }
    // A sign before a number that is positive anyway.
    let range = mistake.1.range();
    if mistake.0.message().ends_with("unexpected '+'") && source.get(range.clone()) == Some("+") {
        let mut text = source.to_owned();
        text.replace_range(range, " ");
        return Some(text);
    }
    // Copied from web pages, tags contain no-break spaces, which Jinja2 takes for spaces.
    source.contains('\u{a0}').then(|| source.replace('\u{a0}', "  "))
}

/// Blocks as conditions that always hold: in a macro nothing can replace them.
fn without_blocks(source: &str, syntax: &SyntaxConfig) -> String {
    let mut text = source.to_owned();
    let mut tokens = tokenize(source, false, syntax.clone()).map_while(Result::ok).peekable();
    while let Some((token, _)) = tokens.next() {
        let Some((Token::Ident(word @ ("block" | "endblock")), start)) =
            tokens.next_if(|_| matches!(token, Token::BlockStart))
        else {
            continue;
        };
        let mut end = start.end_offset;
        while let Some((_, span)) = tokens.next_if(|(token, _)| matches!(token, Token::Ident(_))) {
            end = span.end_offset;
        }
        let range = start.start_offset as usize..end as usize;
        let new = if word == "block" { "if 1" } else { "endif" };
        let padded = format!("{new:<width$}", width = range.len());
        text.replace_range(range, &padded);
    }
    text
}

fn syntax_of(options: &TemplateOptions) -> Result<SyntaxConfig, Mistake> {
    let pair = |(start, end): &(String, String)| (start.clone(), end.clone());
    let (variable, block, comment) =
        (pair(&options.variable), pair(&options.block), pair(&options.comment));
    SyntaxConfig::builder()
        .variable_delimiters(variable.0, variable.1)
        .block_delimiters(block.0, block.1)
        .comment_delimiters(comment.0, comment.1)
        .trim_blocks(options.trim_blocks)
        .lstrip_blocks(options.lstrip_blocks)
        .keep_trailing_newline(options.keep_trailing_newline)
        .line_statement_prefix(options.line_statement.clone())
        .line_comment_prefix(options.line_comment.clone())
        .build()
        .map_err(|error| (Error::syntax(error), Extent::default()))
}

/// Parses `text`, which has the offsets of `source`.
fn convert_text(
    text: &str,
    source: &Arc<str>,
    mode: Mode,
    syntax: &SyntaxConfig,
) -> Result<Template, Mistake> {
    let mut converter = Converter::new(source, mode);
    let body = if mode.is_bare() {
        let tree =
            parse_expr(text).map_err(|error| messages::mistake(&error, source, mode, syntax))?;
        vec![Stmt::Emit(converter.expression(&tree)?)]
    } else {
        let tree = parse(text, "template", syntax.clone())
            .map_err(|error| messages::mistake(&error, source, mode, syntax))?;
        match &tree {
            ast::Stmt::Template(template) => converter.statements(&template.children)?,
            other => converter.statements(std::slice::from_ref(other))?,
        }
    };
    Ok(Template {
        source: source.clone(),
        body: body.into(),
        blocks: converter.blocks,
        mutates: converter.mutates,
        trailing_newlines: source.len() - source.trim_end_matches('\n').len(),
    })
}

/// Refuses chains of operators that only an attack would write.
fn check_operators(source: &str, mode: Mode, syntax: &SyntaxConfig) -> Result<(), Mistake> {
    if source.len() < MAX_OPERATORS {
        return Ok(());
    }
    let mut operators = 0;
    for token in tokenize(source, mode.is_bare(), syntax.clone()) {
        match token {
            Ok((Token::VariableStart | Token::BlockStart | Token::Comma, _)) => operators = 0,
            Ok((
                Token::TemplateData(_)
                | Token::Str(_)
                | Token::String(_)
                | Token::Int(_)
                | Token::Colon
                | Token::VariableEnd
                | Token::BlockEnd,
                _,
            )) => {}
            Ok((_, span)) => {
                operators += 1;
                if operators > MAX_OPERATORS {
                    let extent = Extent { start: span.start_offset, end: span.end_offset };
                    return Err((Error::syntax("the expression is too long"), extent));
                }
            }
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}
