//! Python's regular expressions as the modules that edit and search texts take them.

use pyregex::{Anchor, Regex};
pub(crate) use pyregex::{expand, fault_of_template, is_multiline};

use crate::contract::Failure;

/// What an expression means besides its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags {
    /// `^` and `$` also match at line ends.
    pub(crate) multiline: bool,
    /// `.` also matches line ends.
    pub(crate) dot_all: bool,
    /// It must match from the beginning.
    pub(crate) anchored: bool,
}

/// Compiles the expression given as the argument `name`.
pub(crate) fn compile(name: &str, text: &str, flags: Flags) -> Result<Regex, Failure> {
    let Flags { multiline, dot_all, anchored } = flags;
    let anchor = if anchored { Anchor::Start } else { Anchor::None };
    let flags = pyregex::Flags { multiline, dot_all, ..pyregex::Flags::default() };
    pyregex::compile(text, flags, anchor).map_err(|error| {
        Failure::new(format!("{name} is no regular expression: {error}: `{text}`"))
    })
}

/// A match that was given up.
pub(crate) fn gave_up(error: pyregex::Error) -> Failure {
    Failure::new(format!("the regular expression gave up: {error}"))
}

/// Whether an expression is found in a text.
pub(crate) fn is_match(regex: &Regex, text: &str) -> Result<bool, Failure> {
    regex.is_match(text).map_err(gave_up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_expression_is_said_with_its_argument() {
        let failure = compile("regexp", "(", Flags::default()).expect_err("it is none");
        assert!(failure.message.starts_with("regexp is no regular expression"));
        let start = Flags { anchored: true, ..Flags::default() };
        let regex = compile("regexp", "b", start).expect("it is one");
        assert!(!is_match(&regex, "ab").expect("short"));
    }
}
