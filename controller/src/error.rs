//! What ends a command: the error, what kind it is, and what to try. The only place that knows exit codes.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use yaml::{Diagnostic, Style};

use crate::terminal;

/// Whose error it is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// The world: files, network, the controller.
    Failed,
    /// A playbook, an inventory or a file of variables cannot be read.
    Content,
    /// Flags, environment or configuration.
    Options,
    /// A person stopped it.
    Interrupted,
    /// Muster's own mistake.
    Bug,
}

impl ErrorKind {
    /// Ansible's codes.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Content => 4,
            Self::Options => 5,
            Self::Interrupted => 99,
            Self::Bug => 250,
        }
    }
}

/// An error that ends a command.
#[derive(Debug)]
pub(crate) struct CliError {
    kind: ErrorKind,
    source: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
}

impl CliError {
    pub(crate) fn new(kind: ErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into(), hints: Vec::new() }
    }

    pub(crate) fn failed(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Failed, source)
    }

    pub(crate) fn options(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Options, source)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whoever read our output has gone: nothing to say.
    fn is_broken_pipe(&self) -> bool {
        let io = self.source.downcast_ref::<io::Error>();
        io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The whole message, as people see it.
    pub(crate) fn render(&self, style: Style) -> String {
        let mut text = match self.source.downcast_ref::<Diagnostic>() {
            Some(diagnostic) => {
                let text = diagnostic.render(style);
                text.strip_prefix("error: ").map_or(text.clone(), ToOwned::to_owned)
            }
            None => chain(&*self.source),
        };
        for hint in &self.hints {
            let _ = write!(text, "\n\nhint: {hint}");
        }
        text
    }

    /// Says it on standard error, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if self.is_broken_pipe() {
            return ExitCode::SUCCESS;
        }
        terminal::complain("ERROR", &self.render(terminal::error_style()));
        ExitCode::from(self.kind.exit_code())
    }
}

/// An error with its causes in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Some libraries repeat the cause in the message.
        if !text.contains(&cause_text) {
            let _ = write!(text, ": {cause_text}");
        }
        next = cause.source();
    }
    text
}

impl From<Diagnostic> for CliError {
    fn from(diagnostic: Diagnostic) -> Self {
        // The content may be in order: who cannot open it cannot tell.
        let kind = if diagnostic.is_locked() { ErrorKind::Failed } else { ErrorKind::Content };
        Self::new(kind, diagnostic)
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self::failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open the database")]
    struct Outer(#[source] io::Error);

    #[test]
    fn causes_and_hints_are_shown() {
        let error = CliError::failed(Outer(io::Error::other("disk full"))).hint("make room");
        assert_eq!(
            error.render(Style::Plain),
            "cannot open the database: disk full\n\nhint: make room"
        );
        let twice = CliError::failed("x: y").render(Style::Plain);
        assert_eq!(twice, "x: y");
    }

    #[test]
    fn diagnostics_are_drawn() {
        let file = yaml::SourceFile::new("site.yml", "hosts: all\n");
        let error: CliError = Diagnostic::error("no").at(&file.span(0, 5)).into();
        let text = error.render(Style::Plain);
        assert!(text.starts_with("no\n") && text.contains("site.yml:1:1"), "{text}");
        assert_eq!(error.kind.exit_code(), 4);
    }
}
