//! The `#jinja2:` line: a template file's own options.

use std::sync::Arc;

use yaml::SourceFile;

use super::TemplateOptions;
use crate::error::{Error, ErrorKind, nearest};

const NAMES: [&str; 12] = [
    "variable_start_string",
    "variable_end_string",
    "block_start_string",
    "block_end_string",
    "comment_start_string",
    "comment_end_string",
    "trim_blocks",
    "lstrip_blocks",
    "keep_trailing_newline",
    "newline_sequence",
    "line_statement_prefix",
    "line_comment_prefix",
];

/// The options with those of the file's first line, and where the template begins behind it.
pub(crate) fn overrides(
    file: &Arc<SourceFile>,
    options: &TemplateOptions,
) -> Result<(TemplateOptions, usize), Error> {
    let Some(rest) = file.text.strip_prefix("#jinja2:") else {
        return Ok((options.clone(), 0));
    };
    let line = rest.split('\n').next().unwrap_or_default();
    let mut options = options.clone();
    for pair in split_outside_quotes(line) {
        if pair.trim().is_empty() {
            continue;
        }
        apply(&mut options, pair.trim())
            .map_err(|error| error.at(|| Some(file.span(0, "#jinja2:".len() + line.len()))))?;
    }
    let start = "#jinja2:".len() + line.len();
    Ok((options, (start + 1).min(file.text.len())))
}

/// Commas inside quotes belong to the value.
fn split_outside_quotes(line: &str) -> Vec<&str> {
    let mut quote = None;
    line.split(|letter: char| {
        match (quote, letter) {
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            _ => {}
        }
        letter == ',' && quote.is_none()
    })
    .collect()
}

fn apply(options: &mut TemplateOptions, pair: &str) -> Result<(), Error> {
    let wrong = |message: String| Error::new(ErrorKind::Syntax, message);
    let (name, value) = pair.split_once(':').ok_or_else(|| {
        wrong(format!("Error parsing '#jinja2:' line: Missing key-value separator ':' in '{pair}'"))
    })?;
    let (name, value) = (name.trim(), value.trim());
    let text = || value.trim_matches(['\'', '"']).replace("\\n", "\n").replace("\\r", "\r");
    let flag = || match value {
        "True" | "true" | "1" => Ok(true),
        "False" | "false" | "0" => Ok(false),
        // A text in quotes is true in Python, whatever it says.
        quoted if quoted.len() > 2 && quoted.starts_with(['\'', '"']) => Ok(true),
        _ => Err(wrong(format!("'{name}' in the '#jinja2:' line must be True or False"))),
    };
    match name {
        "variable_start_string" => options.variable.0 = text(),
        "variable_end_string" => options.variable.1 = text(),
        "block_start_string" => options.block.0 = text(),
        "block_end_string" => options.block.1 = text(),
        "comment_start_string" => options.comment.0 = text(),
        "comment_end_string" => options.comment.1 = text(),
        "trim_blocks" => options.trim_blocks = flag()?,
        "lstrip_blocks" => options.lstrip_blocks = flag()?,
        "keep_trailing_newline" => options.keep_trailing_newline = flag()?,
        "newline_sequence" => options.newline_sequence = text(),
        "line_statement_prefix" => options.line_statement = text(),
        "line_comment_prefix" => options.line_comment = text(),
        _ => {
            return Err(wrong(format!("unknown option '{name}' in the '#jinja2:' line"))
                .hinted(nearest(name, NAMES.into_iter())));
        }
    }
    Ok(())
}
