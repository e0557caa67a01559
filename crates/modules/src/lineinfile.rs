//! `lineinfile`: a line is, or is not, in a text file.

mod change;

use std::path::PathBuf;

use model::Args;
use system::{FileKind, Probe, System};

use crate::arguments::{arguments, choices};
use crate::content::{Contents, Put, Source, check_validate};
use crate::contract::{Check, Failure, Module};
use crate::edits::missing_directories;
use crate::files::{self, FileAttributes, end_of_links, path_value, tidy};
use crate::pattern::{self, Flags};
use change::{Anchor, Lines, Outcome, Request};

choices! {
    /// Whether the line shall be there.
    pub enum State {
        /// It shall.
        Present = "present",
        /// It shall not.
        Absent = "absent",
    }
}

arguments! {
    /// Makes sure that a line is in a file, or replaces the line that a pattern finds.
    pub struct Lineinfile {
        /// The file.
        pub path: PathBuf { aliases: ["dest", "destfile", "name"] },
        /// The line; needed when it shall be there.
        pub line: Option<String> { aliases: ["value"] },
        /// Whether the line shall be there.
        pub state: State { default: "present" },
        /// The last line that this pattern finds is replaced; with `absent`, all of them are removed.
        pub regexp: Option<String> { aliases: ["regex"] },
        /// As `regexp`, but a text that the line contains.
        pub search_string: Option<String>,
        /// `line` may refer to the groups of `regexp`; when that finds nothing, nothing is changed.
        pub backrefs: bool { default: false },
        /// Where a new line goes: `EOF`, or behind the last line that this pattern finds.
        pub insertafter: Option<String>,
        /// Where a new line goes: `BOF`, or before the last line that this pattern finds.
        pub insertbefore: Option<String>,
        /// The first line that a pattern finds counts, not the last.
        pub firstmatch: bool { default: false },
        /// Make the file when it is missing.
        pub create: bool { default: false },
        /// Keep the old version beside the file.
        pub backup: bool { default: false },
        /// A command that must approve of the new file; `%s` is its path.
        pub validate: Option<String>,
        /// How the file is encoded; only UTF-8 is known.
        pub encoding: String { default: "utf-8" },
        pub attributes: FileAttributes,
    }
    mutually_exclusive: [
        &["insertbefore", "insertafter"], &["regexp", "search_string"], &["backrefs", "search_string"]
    ];
}

/// Larger files are not edited by lines.
const LIMIT: u64 = 256 << 20;

impl Module for Lineinfile {
    type Change = Contents;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Contents>, Failure> {
        check_validate(self.validate.as_deref())?;
        let request = self.request()?;
        let path = end_of_links(host, &tidy(&self.path))?;
        let current = host.stat(&path, true)?;
        if let Some(stat) = current.as_ref().filter(|stat| stat.kind != FileKind::File) {
            return Err(Failure::new(format!("Path {} is a {}", path.display(), stat.kind.name())));
        }
        let old = match &current {
            Some(_) => host.read(&path, LIMIT)?.unwrap_or_default(),
            None if matches!(self.state, State::Absent) => {
                result.insert("msg".into(), "file not present".into());
                return Ok(Check::InSync);
            }
            None if self.create => Vec::new(),
            None => {
                return Err(Failure::new(format!(
                    "Destination {} does not exist !",
                    path.display()
                ))
                .with("rc", 257));
            }
        };
        let outcome = change::edit(&Lines::of(&old), &request)?;
        result.insert("msg".into(), outcome.message(&request).into());
        if matches!(self.state, State::Absent) {
            result.insert("found".into(), outcome.found.into());
        }
        let mut contents = Contents::of(&path);
        match outcome {
            Outcome { text: Some(text), .. } => {
                contents.first = missing_directories(host, &path)?;
                contents.puts.push(Put {
                    source: Source::Bytes(text),
                    attributes: self.attributes.resolve(host, current.as_ref(), false)?,
                    path,
                    backup: self.backup,
                    validate: self.validate.clone(),
                    in_place: self.attributes.unsafe_writes,
                    title: None,
                });
            }
            Outcome { text: None, .. } => {
                if let Some(stat) = &current {
                    let drift = self.attributes.drift(host, stat)?;
                    if !drift.is_none() {
                        contents.then.set_attributes(&path, drift);
                        result.insert(
                            "msg".into(),
                            "ownership, perms or SE linux context changed".into(),
                        );
                    }
                }
            }
        }
        Ok(if contents.is_empty() { Check::InSync } else { Check::Drift(contents) })
    }

    fn apply(
        &self,
        contents: Contents,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        result.entry("backup").or_insert_with(|| "".into());
        contents.apply(host, result)?;
        if let Some(backup) = result.shift_remove("backup_file") {
            result.insert("backup".into(), backup);
        }
        result.insert("path".into(), path_value(&self.path));
        files::describe(host, &self.path, result)
    }
}

impl Lineinfile {
    fn request(&self) -> Result<Request, Failure> {
        if !self.encoding.eq_ignore_ascii_case("utf-8")
            && !self.encoding.eq_ignore_ascii_case("utf8")
        {
            return Err(Failure::new(format!(
                "encoding {} is not supported; only utf-8 is",
                self.encoding
            )));
        }
        let absent = matches!(self.state, State::Absent);
        if absent && self.regexp.is_none() && self.search_string.is_none() && self.line.is_none() {
            return Err(Failure::new(
                "one of line, search_string, or regexp is required with state=absent",
            ));
        }
        if !absent && self.line.is_none() {
            return Err(Failure::new("line is required with state=present"));
        }
        if self.backrefs && self.regexp.is_none() && !absent {
            return Err(Failure::new("regexp is required with backrefs=true"));
        }
        let anchor = match (&self.insertafter, &self.insertbefore) {
            (_, Some(text)) if text == "BOF" => Anchor::Begin,
            (_, Some(text)) => {
                Anchor::Before(pattern::compile("insertbefore", text, Flags::default())?)
            }
            (Some(text), _) if text != "EOF" => {
                Anchor::After(pattern::compile("insertafter", text, Flags::default())?)
            }
            _ => Anchor::End,
        };
        Ok(Request {
            line: self.line.clone().unwrap_or_default(),
            has_line: self.line.is_some(),
            regexp: self
                .regexp
                .as_deref()
                .map(|text| pattern::compile("regexp", text, Flags::default()))
                .transpose()?,
            search_string: self.search_string.clone(),
            backrefs: self.backrefs,
            anchor,
            first: self.firstmatch,
            absent,
        })
    }
}
