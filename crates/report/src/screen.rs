//! Two writers, colours, banners: the paper that reporters for people write on. It knows nothing of events.

use std::collections::HashSet;
use std::io::{self, Write};

use crate::Options;
use crate::text::harmless;

/// What a line says; Ansible gives each its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Ok,
    Changed,
    Skipped,
    Error,
    Unreachable,
    Warning,
    Deprecated,
    Verbose,
    Debug,
    DiffAdded,
    DiffRemoved,
    DiffHunk,
}

impl Tone {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Ok | Self::DiffAdded => Some("0;32"),
            Self::Changed => Some("0;33"),
            Self::Skipped | Self::DiffHunk => Some("0;36"),
            Self::Error | Self::DiffRemoved => Some("0;31"),
            Self::Unreachable => Some("1;31"),
            Self::Warning => Some("1;35"),
            Self::Deprecated => Some("0;35"),
            Self::Verbose => Some("0;34"),
            Self::Debug => Some("1;30"),
        }
    }
}

/// Standard output and error of a run.
pub(crate) struct Screen {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    colour: bool,
    columns: usize,
    errors_seen: bool,
    /// Warnings and errors already said: each is said once a run.
    said: HashSet<String>,
}

impl Screen {
    pub(crate) fn new(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        options: &Options,
    ) -> Self {
        let columns =
            options.width.map_or(79, |width| usize::from(width).saturating_sub(1).max(79));
        let (colour, errors_seen) = (options.colour, options.errors_seen);
        Self { out, err, colour, columns, errors_seen, said: HashSet::new() }
    }

    /// A text in a tone. Every line is coloured by itself, so that no cut of the output leaves a colour on.
    pub(crate) fn paint(&self, text: &str, tone: Tone) -> String {
        let Some(code) = tone.code().filter(|_| self.colour) else { return text.to_owned() };
        text.split('\n')
            .map(|line| format!("\x1b[{code}m{line}\x1b[0m"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, text: &str, tone: Tone) -> io::Result<()> {
        let text = self.paint(text, tone);
        self.out.write_all(text.as_bytes())?;
        self.out.write_all(b"\n")
    }

    /// Writes a line filled with stars, after an empty one.
    pub(crate) fn banner(&mut self, text: &str) -> io::Result<()> {
        let text = harmless(text.trim());
        let width = text.chars().map(char_columns).sum::<usize>();
        let stars = "*".repeat(self.columns.saturating_sub(width).max(3));
        self.line(&format!("\n{text} {stars}"), Tone::Plain)
    }

    /// Says why a task failed, among the results, once.
    pub(crate) fn task_error(&mut self, text: &str, to_stderr: bool) -> io::Result<()> {
        if !self.said.insert(text.to_owned()) {
            return Ok(());
        }
        let text = format!("[ERROR]: {text}");
        if to_stderr { self.error_line(&text, Tone::Error) } else { self.line(&text, Tone::Error) }
    }

    /// Writes a line to standard error.
    pub(crate) fn error_line(&mut self, text: &str, tone: Tone) -> io::Result<()> {
        // So that the two streams mix in their true order on a terminal.
        self.out.flush()?;
        let text = self.paint(text, tone);
        writeln!(self.err, "{text}")?;
        self.err.flush()
    }

    /// Says an error on standard error.
    pub(crate) fn error(&mut self, text: &str) -> io::Result<()> {
        self.complain("ERROR", text, Tone::Error)
    }

    /// Says a warning on standard error.
    pub(crate) fn warning(&mut self, text: &str) -> io::Result<()> {
        self.complain("WARNING", text, Tone::Warning)
    }

    /// Says on standard error what will not be possible any more.
    pub(crate) fn deprecation(&mut self, text: &str) -> io::Result<()> {
        self.complain("DEPRECATION WARNING", text, Tone::Deprecated)
    }

    fn complain(&mut self, kind: &str, text: &str, tone: Tone) -> io::Result<()> {
        // A rendered diagnostic names its severity itself.
        let title = format!("{}: ", kind.to_lowercase());
        let text = text.strip_prefix(&title).unwrap_or(text).replace("\r\n", "\n");
        let text = if self.errors_seen {
            harmless(&text).into_owned()
        } else {
            text.split('\r').map(harmless).collect::<Vec<_>>().join("\r")
        };
        let text = format!("[{kind}]: {text}");
        if !self.said.insert(text.clone()) {
            return Ok(());
        }
        self.error_line(&text, tone)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.err.flush()
    }
}

/// Columns of a character on a terminal: two for the East Asian wide ones, none for marks that combine.
fn char_columns(char: char) -> usize {
    match u32::from(char) {
        0x300..=0x36f | 0x200b..=0x200d | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}
