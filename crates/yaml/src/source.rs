//! A file's text in memory and places within it. Knows nothing of YAML: templates and inventories have places too.

use crate::Diagnostic;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A file as it was read: its name for messages, and its text.
pub struct SourceFile {
    /// The name that messages show.
    pub path: PathBuf,
    /// The text, without a byte-order mark.
    pub text: Arc<str>,
    /// Whether it was encrypted: what is in it is no excerpt for messages.
    pub secret: bool,
    /// Where each line begins; found when the first place is asked for.
    lines: OnceLock<Box<[u32]>>,
}

impl PartialEq for SourceFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.text == other.text
    }
}

impl Eq for SourceFile {}

impl SourceFile {
    /// A source whose text is already known to be text. A byte-order mark is taken off.
    pub fn new(path: impl Into<PathBuf>, text: impl AsRef<str>) -> Arc<Self> {
        let text = text.as_ref();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Arc::new(Self {
            path: path.into(),
            text: text.into(),
            secret: false,
            lines: OnceLock::new(),
        })
    }

    /// The same file, of which messages show nothing but the place.
    pub fn into_secret(self: Arc<Self>) -> Arc<Self> {
        let (path, text) = (self.path.clone(), self.text.clone());
        Arc::new(Self { path, text, secret: true, lines: OnceLock::new() })
    }

    /// A source from a file's bytes: an error that names the byte if they are not UTF-8.
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: &[u8]) -> Result<Arc<Self>, Diagnostic> {
        let path = path.into();
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(path, text)),
            Err(error) => {
                let offset = error.valid_up_to();
                let line = bytes[..offset].split(|byte| *byte == b'\n').count();
                Err(Diagnostic::error(format!(
                    "{} is not UTF-8 text: byte 0x{:02x} at offset {offset}, line {line}",
                    path.display(),
                    bytes[offset],
                ))
                .hint("save the file as UTF-8"))
            }
        }
    }

    /// The place of a range of bytes. Offsets past the end or inside a character are moved back to a character's start.
    pub fn span(self: &Arc<Self>, start: usize, end: usize) -> Span {
        let start = self.text.floor_char_boundary(start);
        let end = self.text.floor_char_boundary(end).max(start);
        let lines = self.lines.get_or_init(|| {
            let newlines = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(newlines.map(|(at, _)| at as u32 + 1)).collect()
        });
        let line = lines.partition_point(|line| *line as usize <= start);
        let line_start = lines[line - 1] as usize;
        Span {
            file: Arc::clone(self),
            start: start as u32,
            end: end as u32,
            line: line as u32,
            column: self.text[line_start..start].chars().count() as u32 + 1,
        }
    }
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceFile({}, {} bytes)", self.path.display(), self.text.len())
    }
}

/// A place in a source file. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Span {
    /// The file.
    pub file: Arc<SourceFile>,
    /// The byte at which it begins.
    pub start: u32,
    /// The byte after its last.
    pub end: u32,
    /// The line on which it begins, counted from 1.
    pub line: u32,
    /// The character at which it begins in its line, counted from 1.
    pub column: u32,
}

impl Span {
    /// The file's name.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// A part of this place, by bytes counted from its beginning.
    pub fn within(&self, range: std::ops::Range<usize>) -> Self {
        let text = self.text();
        let start = text.floor_char_boundary(range.start);
        let end = text.floor_char_boundary(range.end).max(start);
        let before = &text[..start];
        let lines = before.bytes().filter(|byte| *byte == b'\n').count() as u32;
        let column = match before.rfind('\n') {
            Some(newline) => before[newline + 1..].chars().count() as u32 + 1,
            None => self.column + before.chars().count() as u32,
        };
        Self {
            file: self.file.clone(),
            start: self.start + start as u32,
            end: self.start + end as u32,
            line: self.line + lines,
            column,
        }
    }

    /// The text at this place.
    pub fn text(&self) -> &str {
        self.file.text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.path.display(), self.line, self.column)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
