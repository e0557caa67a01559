//! `tempfile`: a new file or directory with a name of its own.

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

use model::Args;
use system::{Attributes, FileKind, Probe, System, WriteFile};

use crate::arguments::{arguments, choices};
use crate::contract::{Check, Failure, Module};
use crate::files;

choices! {
    /// What is made.
    pub enum State {
        /// A directory, mode 0700.
        Directory = "directory",
        /// A file, mode 0600.
        File = "file",
    }
}

arguments! {
    /// Makes a temporary file or directory, which stays until something removes it.
    pub struct Tempfile {
        /// What is made.
        pub state: State { default: "file" },
        /// Where.
        pub path: Option<PathBuf>,
        /// How its name begins.
        pub prefix: String { default: "ansible." },
        /// How its name ends.
        pub suffix: String { default: "" },
    }
}

impl Module for Tempfile {
    type Change = ();

    fn check(&self, _: &dyn Probe, _: &mut Args) -> Result<Check<()>, Failure> {
        for (name, part) in [("suffix", &self.suffix), ("prefix", &self.prefix)] {
            if part.contains(['/', '\0']) {
                return Err(Failure::new(format!("{name} must be a valid file name component")));
            }
        }
        Ok(Check::CannotTell(()))
    }

    fn apply(&self, (): (), host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let folder = match (&self.path, host.variable("TMPDIR")) {
            (Some(path), _) => path.clone(),
            (None, Some(path)) if path.starts_with('/') => path.into(),
            (None, _) => "/tmp".into(),
        };
        let is_folder =
            host.stat(&folder, true)?.is_some_and(|stat| stat.kind == FileKind::Directory);
        if !is_folder {
            return Err(Failure::new(format!("{} is not a directory", folder.display())));
        }
        let path = self.free_name(&folder, host)?;
        let mode = |mode| Attributes { mode: Some(mode), ..Attributes::default() };
        match self.state {
            State::Directory => host.make_directory(&path, mode(0o700))?,
            State::File => host.write(WriteFile {
                path: &path,
                content: &mut std::io::empty(),
                attributes: mode(0o600),
                validate: None,
                in_place: false,
            })?,
        }
        result.insert("path".to_owned(), files::path_value(&path));
        files::describe(host, &path, result)
    }
}

impl Tempfile {
    fn free_name(&self, folder: &Path, host: &dyn Probe) -> Result<PathBuf, Failure> {
        loop {
            host.keep_going()?;
            let path = folder.join(format!("{}{}{}", self.prefix, random_word(), self.suffix));
            if host.stat(&path, false)?.is_none() {
                return Ok(path);
            }
        }
    }
}

/// Ten random letters and digits; the standard library's hash keys are random for each process.
fn random_word() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let random = RandomState::new().hash_one(std::process::id());
    (0..10).map(|at| char::from(LETTERS[(random >> (at * 5)) as usize & 31])).collect()
}
