//! Content from version control: the programs `git` and `hg`, given words that can never be options of theirs.

use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::{Error, Result};

/// Which program knows the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scm {
    /// `git`
    Git,
    /// `hg`
    Mercurial,
}

impl Scm {
    /// By the word of `scm:` or before `+`.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "git" => Some(Self::Git),
            "hg" => Some(Self::Mercurial),
            _ => None,
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Mercurial => "hg",
        }
    }

    fn path(self) -> Result<PathBuf> {
        let name = self.program();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found =
            std::env::split_paths(&path).map(|part| part.join(name)).find(|path| path.is_file());
        found.ok_or_else(|| {
            Error::failed(format!(
                "could not find/use {name}, it is required to continue with installing"
            ))
        })
    }

    fn run(self, directory: &Path, words: &[&str]) -> Result<()> {
        let program = self.path()?;
        let output = Command::new(&program)
            .args(words)
            .current_dir(directory)
            .stdin(std::process::Stdio::null())
            // Nobody answers a question about a password.
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("LC_ALL", "C")
            .output()
            .map_err(|error| Error::io("run", &program, &error))?;
        if output.status.success() {
            return Ok(());
        }
        let code = output.status.code().unwrap_or(-1);
        Err(Error::failed(format!(
            "- command {} {} failed in directory {} (rc={code}) - {}",
            program.display(),
            words.join(" "),
            directory.display(),
            String::from_utf8_lossy(&output.stderr),
        )))
    }

    /// Fetches a repository into a new directory below `directory`, and gives that of the work tree.
    pub(crate) fn fetch(
        self,
        source: &str,
        name: &str,
        version: Option<&str>,
        directory: &Path,
    ) -> Result<PathBuf> {
        let is_below =
            Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if name.is_empty() || !is_below {
            return Err(Error::failed(format!("'{name}' is not a name that a directory can have")));
        }
        if let Some(version) = version.filter(|version| version.starts_with('-')) {
            return Err(Error::failed(format!(
                "'{version}' is not a version: it begins with a dash"
            )));
        }
        self.run(directory, &["clone", "--", source, name])?;
        let tree = directory.join(name);
        match (self, version) {
            (_, None) => {}
            (Self::Git, Some(version)) => self.run(&tree, &["checkout", "-q", version, "--"])?,
            (Self::Mercurial, Some(version)) => self.run(&tree, &["update", "--rev", version])?,
        }
        Ok(tree)
    }

    /// Packs the tracked files of a work tree, below one directory.
    pub(crate) fn pack(self, tree: &Path, archive: &Path) -> Result<()> {
        let archive = archive.to_string_lossy();
        match self {
            Self::Git => {
                let output = format!("--output={archive}");
                self.run(tree, &["archive", "--format=tar", "--prefix=content/", &output, "HEAD"])
            }
            Self::Mercurial => {
                self.run(tree, &["archive", "--type=tar", "--prefix=content", "--", &archive])
            }
        }
    }
}
