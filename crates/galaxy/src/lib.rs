//! Roles and collections as content: where they come from, what they hold, and how they get onto this machine.
//!
//! Knows archives, git, Galaxy's HTTP interface and the metadata files. Knows nothing of playbooks, command lines or
//! settings, and never runs what it installs.

mod archive;
mod build;
mod collection;
mod document;
mod git;
mod glob;
mod http;
mod role;
mod skeleton;
mod version;

pub use build::{Built, build};
pub use collection::{
    Collections, Found, How, Verified, Wanted, find as find_collections, install_artifact, verify,
};
pub use git::Scm;
pub use http::{Client, Server};
pub use role::{Install, Installed, Requirement, Roles, collections_of, requirements};
pub use skeleton::{init_collection, init_role};
pub use version::{Range, Version};

use std::io;
use std::path::Path;

/// Why something did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The world, or what it holds, is not as it should be.
    #[error("{0}")]
    Failed(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Options(String),
    /// A file of metadata cannot be read; with its place.
    #[error(transparent)]
    Content(#[from] Box<yaml::Diagnostic>),
}

/// What comes of work that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        Self::Failed(format!("cannot {doing} {}: {error}", path.display()))
    }
}

/// Who is told how it goes.
pub trait Talk {
    /// A line of the report.
    fn say(&self, line: &str);
    /// Something that a person should look at.
    fn warn(&self, line: &str);
}
