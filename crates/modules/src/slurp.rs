//! `slurp`: the content of a file, as base64.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use model::Args;
use system::{Error, FileKind, Probe, System};

use crate::arguments::arguments;
use crate::contract::{Check, Failure, Module};
use crate::files::path_value;

arguments! {
    /// Returns the content of a file, encoded as base64: for small files that a play has to look into.
    pub struct Slurp {
        /// The file.
        pub src: PathBuf { aliases: ["path"] },
        /// How many bytes lie before the part that is wanted.
        pub offset: u64 { named: "_offset", hidden, default: 0 },
        /// How many bytes are wanted at most.
        pub length: Option<u64> { named: "_length", hidden },
    }
}

/// What one answer can carry: base64 takes a third more, and a message has at most 4 MiB.
const LIMIT: u64 = 5 << 19;
/// `access(2)`: may it be read?
const READ: i32 = 4;

impl Module for Slurp {
    type Change = Infallible;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Infallible>, Failure> {
        let path = self.src.display();
        let unreadable = || Failure::new(format!("File is not readable: {path}"));
        let stat = match host.stat(&self.src, true) {
            Err(Error::Path { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
                return Err(unreadable());
            }
            other => other?,
        };
        match stat {
            None if below_a_file(host, &self.src)? => {
                return Err(Failure::new(format!("Unable to slurp file: {path}: Not a directory")));
            }
            None => return Err(Failure::new(format!("File not found: {path}"))),
            Some(_) if !host.access(&self.src, READ) => {
                return Err(unreadable());
            }
            Some(stat) if stat.kind == FileKind::Directory => {
                return Err(Failure::new(format!(
                    "Source is a directory and must be a file: {path}"
                )));
            }
            Some(_) => {}
        }
        let length = self.length.map_or(LIMIT + 1, |length| length.min(LIMIT));
        let bytes = host.read_at(&self.src, self.offset, length)?.unwrap_or_default();
        if self.length.is_none() && bytes.len() as u64 > LIMIT {
            return Err(Failure::new(format!(
                "Unable to slurp file: {path} has more than {LIMIT} bytes; `fetch` brings files of any size"
            )));
        }
        let content = base64::engine::general_purpose::STANDARD.encode(bytes);
        result.insert("content".into(), content.into());
        result.insert("source".into(), path_value(&self.src));
        result.insert("encoding".into(), "base64".into());
        Ok(Check::InSync)
    }

    fn apply(&self, change: Infallible, _: &dyn System, _: &mut Args) -> Result<(), Failure> {
        match change {}
    }
}

/// Whether the path leads through something that is no directory.
fn below_a_file(host: &dyn Probe, path: &Path) -> Result<bool, Failure> {
    for place in path.ancestors().skip(1) {
        if let Some(stat) = host.stat(place, true)? {
            return Ok(stat.kind != FileKind::Directory);
        }
    }
    Ok(false)
}
