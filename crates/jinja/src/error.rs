//! What goes wrong in a template: the words of Ansible and Jinja2, and the place in the user's file.

use std::fmt;
use std::sync::Arc;

use yaml::{Diagnostic, Span};

use crate::value::{Reason, Undefined, Value};

/// What kind of mistake it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// Something undefined was used.
    Undefined {
        /// What is missing.
        name: Arc<str>,
    },
    /// Something was used that check mode did not do.
    Unknown,
    /// The template cannot be parsed.
    Syntax,
    /// A value of the wrong class.
    Type,
    /// A value of the right class that cannot be used.
    Value,
    /// Variables that need each other, or nesting without end.
    Recursion,
    /// Too much output, too many steps, too long.
    Limit,
    /// Something encrypted cannot be opened.
    Locked {
        /// The encrypted text.
        sealed: Arc<str>,
    },
    /// A lookup failed.
    Lookup,
    /// A filter or test failed.
    Filter,
    /// The template asked to fail (`mandatory`, `undef`, `assert`).
    Assertion,
    /// A condition whose result is not a boolean.
    Condition,
    /// A template that should be read does not exist.
    NotFound,
}

/// A failed evaluation.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    place: Option<Span>,
    notes: Vec<Note>,
    /// The whole scalar that the place is in.
    scalar: Option<Span>,
    /// What was being done with the value, the innermost first.
    purposes: Vec<Note>,
    hint: Option<String>,
}

/// A step on the way to the mistake: `while resolving the variable 'a'`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What was being done.
    pub text: String,
    /// Where.
    pub place: Option<Span>,
}

impl Error {
    /// An error without a place yet.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            place: None,
            notes: Vec::new(),
            scalar: None,
            purposes: Vec::new(),
            hint: None,
        }))
    }

    pub(crate) fn type_error(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Type, message)
    }

    pub(crate) fn value_error(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Value, message)
    }

    pub(crate) fn syntax(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Syntax, format!("Syntax error in template: {message}"))
    }

    /// The error of using something undefined.
    pub fn undefined(why: &Undefined) -> Self {
        match &why.reason {
            Reason::Inner(error) => error.clone(),
            _ => Self::new(ErrorKind::Undefined { name: why.name.clone() }, why.message()),
        }
    }

    /// An error as if something undefined was used.
    pub(crate) fn from_undefined(name: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Undefined { name: name.into() }, message)
    }

    pub(crate) fn no_attribute(class: &str, key: &Value) -> Self {
        Self::new(
            ErrorKind::Undefined { name: key.to_string().into() },
            format!("object of type '{class}' has no attribute {}", key.repr()),
        )
    }

    /// The error of using what check mode did not do, with the task that it is the result of.
    pub(crate) fn unknown(task: Option<&str>, origin: Option<&Arc<Span>>) -> Self {
        let at = origin.map(|origin| format!(" at {origin}")).unwrap_or_default();
        let name = task.map(|task| format!(" '{task}'")).unwrap_or_default();
        let message =
            format!("the task{name}{at} did not run in check mode, so its result is not known");
        Self::new(ErrorKind::Unknown, message)
    }

    /// Whether something was used that check mode did not do.
    pub fn is_unknown(&self) -> bool {
        self.0.kind == ErrorKind::Unknown
    }

    /// What kind of mistake it is.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Whether something undefined was used.
    pub fn is_undefined(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Undefined { .. })
    }

    /// The sentence.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where it is, if that is known.
    pub fn place(&self) -> Option<&Span> {
        self.0.place.as_ref()
    }

    /// The steps that led there, the innermost first.
    pub fn notes(&self) -> &[Note] {
        &self.0.notes
    }

    /// What may have been meant.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The same error at this place, unless it has one.
    pub fn at(mut self, place: impl FnOnce() -> Option<Span>) -> Self {
        if self.0.place.is_none() {
            self.0.place = place();
        }
        self
    }

    /// The same error with a step added: what led there.
    pub fn noted(mut self, text: impl Into<String>, place: Option<Span>) -> Self {
        if self.0.notes.len() < 40 {
            self.0.notes.push(Note { text: text.into(), place });
        }
        self
    }

    /// The same error in this scalar, unless a nearer one is known.
    pub(crate) fn inside(mut self, scalar: Option<&Span>) -> Self {
        if self.0.scalar.is_none() {
            self.0.scalar = scalar.cloned();
        }
        self
    }

    /// The same error with what the value was wanted for: `Error while resolving value for 'msg'`.
    pub fn purpose(mut self, text: impl Into<String>, place: Option<Span>) -> Self {
        self.0.purposes.push(Note { text: text.into(), place });
        self
    }

    /// What it was all for, then the sentence: everything in one line.
    pub fn whole_message(&self) -> String {
        let purposes = self.0.purposes.iter().rev().map(|purpose| purpose.text.as_str());
        purposes.chain([self.message()]).collect::<Vec<_>>().join(": ")
    }

    /// From what it was for to the mistake itself, each with its place. The mistake is placed where its scalar begins
    /// when both are on one line, as Ansible does.
    pub fn causes(&self) -> impl Iterator<Item = (&str, Option<&Span>)> {
        let own = match (&self.0.place, &self.0.scalar) {
            (Some(place), Some(scalar)) if is_line_of(place, scalar) => Some(scalar),
            (place, _) => place.as_ref(),
        };
        let purposes = self.0.purposes.iter().rev();
        purposes
            .map(|purpose| (purpose.text.as_str(), purpose.place.as_ref()))
            .chain([(self.message(), own)])
    }

    /// The same error with a hint, unless it has one.
    pub fn hinted(mut self, hint: Option<String>) -> Self {
        if self.0.hint.is_none() {
            self.0.hint = hint;
        }
        self
    }

    /// The same error with words before its message, unless these words are there.
    pub fn prefixed(mut self, prefix: &str) -> Self {
        if !self.0.message.starts_with(prefix) {
            self.0.message.insert_str(0, prefix);
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

/// The report with the source's excerpt, the steps that led there, and the hint.
impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        let inner = *error.0;
        let mut diagnostic = Self::error(inner.message);
        if let Some(place) = &inner.place {
            diagnostic = diagnostic.at(place);
        }
        for note in inner.notes {
            diagnostic = match &note.place {
                Some(place) => diagnostic.also(place, note.text),
                None => diagnostic.note(note.text),
            };
        }
        match inner.hint {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    }
}

fn is_line_of(place: &Span, scalar: &Span) -> bool {
    place.line == scalar.line && place.path() == scalar.path()
}

/// The known name nearest to a misspelt one, as a hint.
pub(crate) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    known
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len().min(name.len()) / 4)
        .min()
        .map(|(_, known)| format!("did you mean '{known}'?"))
}
