//! Files that are edited as one text: found, read, and given their new content. What `lineinfile`, `blockinfile` and
//! `replace` have in common.

use std::path::Path;

use model::Args;
use system::{FileKind, FileStat, Probe};

use crate::codec::Codec;
use crate::content::{Contents, Source, Target, Writing};
use crate::contract::{Check, Failure};
use crate::edits::missing_directories;

/// Larger files are not edited as texts, nor made of fragments.
pub(crate) const LIMIT: u64 = 256 << 20;

/// A file that is to be edited.
pub(crate) struct TextFile {
    /// Where it is.
    pub target: Target,
    codec: Codec,
    encoding: String,
    /// Its path as it was given.
    shown: String,
}

impl TextFile {
    /// The file at a path, which may be missing and must not be a directory.
    pub(crate) fn find(host: &dyn Probe, path: &Path, encoding: &str) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let target = Target::find(host, path)?;
        if target.current.as_ref().is_some_and(|stat| stat.kind == FileKind::Directory) {
            return Err(Failure::new(format!("Path {shown} is a directory !")).with("rc", 256));
        }
        let codec = Codec::of_argument(encoding)?;
        Ok(Self { target, codec, encoding: encoding.to_owned(), shown })
    }

    /// Refuses a file that is missing; `word` is what the module calls it.
    pub(crate) fn existing(&self, word: &str) -> Result<&FileStat, Failure> {
        self.target.current.as_ref().ok_or_else(|| {
            Failure::new(format!("{word} {} does not exist !", self.shown)).with("rc", 257)
        })
    }

    /// What is in it, as UTF-8 (and, if that is its encoding, with what is no UTF-8 in it); nothing when it is missing.
    pub(crate) fn read(&self, host: &dyn Probe) -> Result<Vec<u8>, Failure> {
        let bytes = host.read(&self.target.path, LIMIT)?.unwrap_or_default();
        if self.codec.is_utf8() {
            return Ok(bytes);
        }
        self.codec.decode(&bytes).map(String::into_bytes).ok_or_else(|| self.is_no_text())
    }

    /// The same, when it must be a text throughout.
    pub(crate) fn read_text(&self, host: &dyn Probe) -> Result<String, Failure> {
        String::from_utf8(self.read(host)?).map_err(|_| self.is_no_text())
    }

    fn is_no_text(&self) -> Failure {
        Failure::new(format!("{} is not a text in {}", self.shown, self.encoding))
    }

    /// The answer of a check: with new content, and directories that it needs; without, with owner and mode alone.
    pub(crate) fn answer(
        &self,
        writing: &Writing,
        host: &dyn Probe,
        new: Option<Vec<u8>>,
        result: &mut Args,
    ) -> Result<Check<Contents>, Failure> {
        let is_new = new.is_some();
        let new = new.map(|text| self.encode(text)).transpose()?;
        let mut contents = writing.changes(host, &self.target, new.map(Source::Bytes))?;
        if is_new {
            contents.first = missing_directories(host, &self.target.path)?;
        } else if !contents.is_empty() {
            result.insert("msg".into(), "ownership, perms or SE linux context changed".into());
        }
        Ok(contents.into_check())
    }

    fn encode(&self, text: Vec<u8>) -> Result<Vec<u8>, Failure> {
        if self.codec.is_utf8() {
            return Ok(text);
        }
        let text = String::from_utf8(text).map_err(|_| self.is_no_text())?;
        let lacks = || Failure::new(format!("{} lacks a letter of the new text", self.encoding));
        self.codec.encode(&text).ok_or_else(lacks)
    }
}
