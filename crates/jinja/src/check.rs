//! The syntax of a template, without anything to fill it with.

use std::sync::Arc;

use yaml::SourceFile;

use crate::compile::{Mode, compile, compile_with};
use crate::error::Error;
use crate::templar::{TemplateOptions, header};

/// What a text that is only checked is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A value of a playbook, with templates inside.
    Value,
    /// An expression without braces, as `when` has it.
    Expression,
    /// A template file; a `#jinja2:` line at its head is heeded.
    File,
}

/// Whether a text is a template at all: its syntax, not what it names.
///
/// # Errors
/// The first mistake, without a place.
pub fn check(text: &Arc<str>, form: Form) -> Result<(), Error> {
    let parsed = match form {
        Form::Value => compile(text, Mode::Value),
        Form::Expression => compile(text, Mode::Expression),
        Form::File => {
            let file = SourceFile::new("", text);
            let (options, start) = header::overrides(&file, &TemplateOptions::default())?;
            compile_with(&Arc::from(&text[start..]), &options, Mode::File)
        }
    };
    parsed.map(drop).map_err(|(error, _)| error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_syntax_is_looked_at() {
        for (text, form, good) in [
            ("{{ nothing | unheard_of }}", Form::Value, true),
            ("{{ nothing", Form::Value, false),
            ("nothing is defined", Form::Expression, true),
            ("nothing is", Form::Expression, false),
            (
                "#jinja2: variable_start_string:'[%', variable_end_string:'%]'\n{{ [% a %]",
                Form::File,
                true,
            ),
            ("#jinja2: no_such:1\n", Form::File, false),
        ] {
            assert_eq!(check(&Arc::from(text), form).is_ok(), good, "{text}");
        }
    }
}
