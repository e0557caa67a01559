//! A project on its way to a controller: the files that a run needs, as a compressed tar archive.
//!
//! Files keep their whole paths, without the leading slash: relative names mean the same on both machines. What comes in
//! is not believed: nothing is written outside the directory that it is unpacked into.

mod pack;
mod unpack;

pub(crate) use pack::Packer;
pub(crate) use unpack::unpack;

/// The most bytes of all files together.
pub(crate) const MAX_BYTES: u64 = 256 << 20;

/// The most files, directories and links.
pub(crate) const MAX_ENTRIES: usize = 50_000;

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BundleError {
    /// A file cannot be read or written.
    #[error("{path}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is too large.
    #[error(
        "the project has more than {} MiB or {MAX_ENTRIES} files: {directory} is sent whole; give the playbook a \
         directory of its own",
        MAX_BYTES >> 20
    )]
    TooLarge {
        /// The directory.
        directory: String,
    },
    /// The archive holds something that no bundle holds.
    #[error("the bundle is refused: {what}: {path}")]
    Refused {
        /// What.
        what: &'static str,
        /// The entry.
        path: String,
    },
    /// The archive is damaged.
    #[error("the bundle cannot be read")]
    Damaged(#[source] std::io::Error),
}

/// Whether a link at `path` (relative, inside the root) with this target stays inside the root.
fn stays_inside(path: &std::path::Path, target: &std::path::Path) -> bool {
    use std::path::Component;
    let mut depth = path.components().count().saturating_sub(1);
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests;
