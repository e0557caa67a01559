//! What is wrong, where, and what to do about it: the error type of the whole language side.
//!
//! Knows how to draw itself; does not know who reads it (terminal, log or JSON).

use crate::Span;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt;
use std::ops::Range;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The work cannot go on.
    Error,
    /// The work goes on; a person should look.
    Warning,
}

/// Whether a rendered diagnostic carries terminal colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    Plain,
    /// ANSI colours.
    Colour,
}

/// An error or warning with the place it is about, other places that matter, notes and hints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic(Box<Content>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Content {
    severity: Severity,
    locked: bool,
    missing: bool,
    message: String,
    span: Option<Span>,
    label: Option<String>,
    others: Vec<(Span, String)>,
    notes: Vec<String>,
    hints: Vec<String>,
}

/// The result of anything that reads the language.
pub type Result<T, E = Diagnostic> = std::result::Result<T, E>;

impl Diagnostic {
    /// An error. The message starts in lower case and has no full stop.
    pub fn error(message: impl Into<String>) -> Self {
        Self::with_severity(Severity::Error, message.into())
    }

    /// A warning.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::with_severity(Severity::Warning, message.into())
    }

    /// The same as an error.
    pub fn into_error(mut self) -> Self {
        self.0.severity = Severity::Error;
        self
    }

    fn with_severity(severity: Severity, message: String) -> Self {
        Self(Box::new(Content {
            severity,
            locked: false,
            missing: false,
            message,
            span: None,
            label: None,
            others: Vec::new(),
            notes: Vec::new(),
            hints: Vec::new(),
        }))
    }

    /// The place that it is about.
    pub fn at(mut self, span: &Span) -> Self {
        self.0.span = Some(span.clone());
        self
    }

    /// The same, unless a place nearer to the cause is already known.
    pub fn or_at(self, span: &Span) -> Self {
        if self.0.span.is_some() { self } else { self.at(span) }
    }

    /// A few words beside the carets.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.0.label = Some(label.into());
        self
    }

    /// Another place that matters, with a few words on why.
    pub fn also(mut self, span: &Span, label: impl Into<String>) -> Self {
        self.0.others.push((span.clone(), label.into()));
        self
    }

    /// A fact that helps to understand.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.0.notes.push(note.into());
        self
    }

    /// Something to try.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// Nothing is wrong with the content itself: it is encrypted, and no password opens it.
    pub fn locked(mut self) -> Self {
        self.0.locked = true;
        self
    }

    /// Whether something could not be decrypted.
    pub fn is_locked(&self) -> bool {
        self.0.locked
    }

    /// Nothing is wrong with what was read: it names a file or a directory that is not there.
    pub fn missing(mut self) -> Self {
        self.0.missing = true;
        self
    }

    /// Whether something that was named is not there.
    pub fn is_missing(&self) -> bool {
        self.0.missing
    }

    /// What is wrong, in one line, without the place.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The place that it is about.
    pub fn span(&self) -> Option<&Span> {
        self.0.span.as_ref()
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.0.severity
    }

    /// Things to try.
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// Facts that help to understand.
    pub fn notes(&self) -> &[String] {
        &self.0.notes
    }

    /// The full report: message, excerpts with carets, notes and hints. Ends without a newline.
    pub fn render(&self, style: Style) -> String {
        let Content { severity, message, span, label, others, notes, hints, .. } = &*self.0;
        let level = match severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(message.as_str()));
        let mut others: Vec<_> = others.iter().collect();
        if let Some(span) = span {
            let near: Vec<_> = others.extract_if(.., |(other, _)| is_near(span, other)).collect();
            let excerpt = Excerpt::around(std::iter::once(span).chain(near.iter().map(|(s, _)| s)));
            let primary = AnnotationKind::Primary.span(excerpt.underline(span));
            let context = near.iter().map(|(span, label)| {
                AnnotationKind::Context.span(excerpt.underline(span)).label(label.as_str())
            });
            group = group.element(
                excerpt
                    .snippet(span)
                    .annotation(primary.label(label.as_deref()))
                    .annotations(context),
            );
        }
        for (span, label) in others {
            let excerpt = Excerpt::around(std::iter::once(span));
            let annotation = AnnotationKind::Context.span(excerpt.underline(span));
            group =
                group.element(excerpt.snippet(span).annotation(annotation.label(label.as_str())));
        }
        for note in notes {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        for hint in hints {
            group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
        }
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Colour => Renderer::styled(),
        };
        renderer.render(&[group])
    }
}

/// One line: the place and the message.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.span {
            Some(span) => write!(f, "{span}: {}", self.0.message),
            None => f.write_str(&self.0.message),
        }
    }
}

impl std::error::Error for Diagnostic {}

/// Whether two places are shown in one excerpt.
fn is_near(one: &Span, other: &Span) -> bool {
    one.file.path == other.file.path && one.line.abs_diff(other.line) <= 6
}

/// The lines that are shown: a window, because the renderer would walk through the whole of a large file.
struct Excerpt<'a> {
    text: &'a str,
    first_line: usize,
    /// Where `text` begins in the file.
    from: usize,
    /// Nothing of it may be shown.
    secret: bool,
}

/// Lines of context before the first place and after the last.
const CONTEXT: usize = 2;

impl<'a> Excerpt<'a> {
    /// The lines around places of one file.
    fn around(spans: impl Iterator<Item = &'a Span> + Clone) -> Self {
        let first = spans.clone().min_by_key(|span| span.start).expect("an excerpt has a place");
        let last = spans.max_by_key(|span| span.start).expect("an excerpt has a place");
        let text: &str = &first.file.text;
        let mut first_line = first.line as usize;
        let mut from = line_start(text, first.start as usize);
        for _ in 0..CONTEXT {
            if from == 0 {
                break;
            }
            from = line_start(text, from - 1);
            first_line -= 1;
        }
        let mut to = line_end(text, last.start as usize);
        for _ in 0..CONTEXT {
            if to == text.len() {
                break;
            }
            to = line_end(text, to + 1);
        }
        Self { text: &text[from..to], first_line, from, secret: first.file.secret }
    }

    /// What is underlined of a place: its first line at most.
    fn underline(&self, span: &Span) -> Range<usize> {
        if self.secret {
            return 0..0;
        }
        let start = self.text.floor_char_boundary(span.start as usize - self.from);
        let end =
            self.text.floor_char_boundary((span.end as usize - self.from).min(self.text.len()));
        let end = end.clamp(start, line_end(self.text, start));
        start..start + self.text[start..end].trim_end().len()
    }

    fn snippet<T: Clone>(&self, span: &Span) -> Snippet<'a, T> {
        let (text, first_line) = if self.secret {
            ("(encrypted)", span.line as usize)
        } else {
            (self.text, self.first_line)
        };
        Snippet::source(text)
            .line_start(first_line)
            .path(span.file.path.to_string_lossy().into_owned())
            .fold(false)
    }
}

fn line_start(text: &str, offset: usize) -> usize {
    text[..text.floor_char_boundary(offset)].rfind('\n').map_or(0, |newline| newline + 1)
}

fn line_end(text: &str, offset: usize) -> usize {
    let offset = text.floor_char_boundary(offset);
    text[offset..].find('\n').map_or(text.len(), |newline| offset + newline)
}
