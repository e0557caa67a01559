//! `find`: the files that fit a description.

mod filter;
mod walk;

use std::convert::Infallible;
use std::path::PathBuf;

use model::Args;
use serde_json::Value;
use system::{Probe, System};

use crate::arguments::{FileMode, arguments, choices};
use crate::contract::{Check, Failure, Module, warn};
use crate::stat::Algorithm;

choices! {
    /// The kind of what is found.
    pub enum Kind {
        /// Anything.
        Any = "any",
        /// Directories.
        Directory = "directory",
        /// Regular files.
        File = "file",
        /// Symbolic links.
        Link = "link",
    }
}

choices! {
    /// A time that a file carries.
    pub enum Stamp {
        /// When it was last read.
        Accessed = "atime",
        /// When it was last changed, attributes included.
        Changed = "ctime",
        /// When its content was last changed.
        Modified = "mtime",
    }
}

arguments! {
    /// Lists the files below some directories that fit a description.
    pub struct Find {
        /// The directories.
        pub paths: Vec<PathBuf> { aliases: ["name", "path"], required },
        /// What names look like: with wildcards, or as regular expressions.
        pub patterns: Vec<String> { aliases: ["pattern"] },
        /// What names do not look like.
        pub excludes: Vec<String> { aliases: ["exclude"] },
        /// A regular expression that something in the content fits.
        pub contains: Option<String>,
        /// `contains` sees the whole content, not each line from its beginning.
        pub read_whole_file: bool { default: false },
        /// What kind of thing.
        pub file_type: Kind { default: "file" },
        /// Also below the directories in them.
        pub recurse: bool { default: false },
        /// How deep; the directory itself holds depth 1.
        pub depth: Option<i64>,
        /// As old as this or older; with a minus sign, as old as this or younger. `s`, `m`, `h`, `d`, `w`.
        pub age: Option<String>,
        /// The time that counts for `age`.
        pub age_stamp: Stamp { default: "mtime" },
        /// As large as this or larger; with a minus sign, as large as this or smaller. `b`, `k`, `m`, `g`, `t`.
        pub size: Option<String>,
        /// Also files whose names begin with a dot.
        pub hidden: bool { default: false },
        /// These permissions.
        pub mode: Option<FileMode>,
        /// Just these, and no more.
        pub exact_mode: bool { default: true },
        /// Follow symbolic links to directories.
        pub follow: bool { default: false },
        /// Count the checksum of regular files.
        pub get_checksum: bool { default: false },
        /// With this algorithm.
        pub checksum_algorithm: Algorithm {
            default: "sha1",
            aliases: ["checksum", "checksum_algo"],
        },
        /// Patterns are regular expressions.
        pub use_regex: bool { default: false },
        /// Stop after so many.
        pub limit: Option<usize>,
        /// How the files are encoded that `contains` looks into.
        pub encoding: Option<String>,
    }
}

impl Module for Find {
    type Change = Infallible;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Infallible>, Failure> {
        let filter = filter::Filter::of(self, host)?;
        let found = walk::search(self, &filter, host)?;
        let complete = found.skipped.is_empty();
        for (path, reason) in &found.skipped {
            warn(result, format!("Skipped '{path}' path due to this access issue: {reason}\n"));
        }
        let message = match (complete, found.limited) {
            (false, _) => "Not all paths examined, check warnings for details",
            (true, true) => "Limit of matches reached",
            (true, false) => "All paths examined",
        };
        result.insert("matched".into(), found.files.len().into());
        result.insert("files".into(), found.files.into());
        result.insert("examined".into(), found.examined.into());
        result.insert("msg".into(), message.into());
        let skipped = found.skipped.into_iter().map(|(path, reason)| (path, Value::from(reason)));
        result.insert("skipped_paths".into(), Value::Object(skipped.collect()));
        Ok(Check::InSync)
    }

    fn apply(&self, change: Infallible, _: &dyn System, _: &mut Args) -> Result<(), Failure> {
        match change {}
    }
}
