//! `blockinfile`: lines between two markers in a text file.

mod change;

use std::path::PathBuf;

use model::Args;
use system::{FileKind, Probe, System};

use crate::arguments::{arguments, choices};
use crate::codec::Codec;
use crate::content::{Contents, Put, Source, check_validate};
use crate::contract::{Check, Failure, Module};
use crate::edits::missing_directories;
use crate::files::{self, FileAttributes, end_of_links, tidy};
use crate::pattern::{self, Flags};
use change::{Anchor, Request};

choices! {
    /// Whether the block shall be there.
    pub enum State {
        /// It shall.
        Present = "present",
        /// It shall not.
        Absent = "absent",
    }
}

arguments! {
    /// Makes sure that a block of lines, between two marker lines, is in a file or is not.
    pub struct Blockinfile {
        /// The file.
        pub path: PathBuf { aliases: ["dest", "destfile", "name"] },
        /// Whether the block shall be there.
        pub state: State { default: "present" },
        /// The marker lines; `{mark}` stands for `marker_begin` in the first and `marker_end` in the second.
        pub marker: String { default: "# {mark} ANSIBLE MANAGED BLOCK" },
        /// The lines between the markers; without any the block is removed.
        pub block: String { default: "", aliases: ["content"] },
        /// Where a new block goes: `EOF`, or behind the last line that this pattern finds.
        pub insertafter: Option<String>,
        /// Where a new block goes: `BOF`, or before the last line that this pattern finds.
        pub insertbefore: Option<String>,
        /// Make the file when it is missing.
        pub create: bool { default: false },
        /// Keep the old version beside the file.
        pub backup: bool { default: false },
        /// A command that must approve of the new file; `%s` is its path.
        pub validate: Option<String>,
        /// What stands for `{mark}` in the first marker.
        pub marker_begin: String { default: "BEGIN" },
        /// What stands for `{mark}` in the second marker.
        pub marker_end: String { default: "END" },
        /// Put an empty line behind the block when there is none.
        pub append_newline: bool { default: false },
        /// Put an empty line before the block when there is none.
        pub prepend_newline: bool { default: false },
        /// How the file is encoded.
        pub encoding: String { default: "utf-8" },
        pub attributes: FileAttributes,
    }
    mutually_exclusive: [&["insertbefore", "insertafter"]];
}

/// Larger files are not edited by lines.
const LIMIT: u64 = 256 << 20;

impl Module for Blockinfile {
    type Change = Contents;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Contents>, Failure> {
        check_validate(self.validate.as_deref())?;
        let shown = self.path.display();
        let path = end_of_links(host, &tidy(&self.path))?;
        let current = host.stat(&path, true)?;
        let is_present = matches!(self.state, State::Present);
        match &current {
            Some(stat) if stat.kind == FileKind::Directory => {
                return Err(Failure::new(format!("Path {shown} is a directory !")).with("rc", 256));
            }
            None if !self.create => {
                return Err(Failure::new(format!("Path {shown} does not exist !")).with("rc", 257));
            }
            None if !is_present => {
                result.insert("msg".into(), format!("File {shown} not present").into());
                return Ok(Check::InSync);
            }
            _ => {}
        }
        let codec = Codec::of_argument(&self.encoding)?;
        let bytes = host.read(&path, LIMIT)?.unwrap_or_default();
        let old = codec
            .decode(&bytes)
            .ok_or_else(|| Failure::new(format!("{shown} is not a text in {}", self.encoding)))?;
        let request = self.request()?;
        let new = change::edit(&old, &request)?;
        let mut contents = Contents::of(&path);
        if current.is_none() || new != old {
            let message = match (&current, request.block.is_empty()) {
                (None, _) => "File created",
                (Some(_), true) => "Block removed",
                (Some(_), false) => "Block inserted",
            };
            result.insert("msg".into(), message.into());
            contents.first = missing_directories(host, &path)?;
            let bytes = codec.encode(&new).ok_or_else(|| {
                Failure::new(format!("{} lacks a letter of the block", self.encoding))
            })?;
            contents.puts.push(Put {
                source: Source::Bytes(bytes),
                attributes: self.attributes.resolve(host, current.as_ref(), false)?,
                path,
                backup: self.backup,
                validate: self.validate.clone(),
                in_place: self.attributes.unsafe_writes,
                title: None,
            });
        } else if let Some(stat) = &current {
            result.insert("msg".into(), "".into());
            let drift = self.attributes.drift(host, stat)?;
            if !drift.is_none() {
                contents.then.set_attributes(&path, drift);
                let message = "ownership, perms or SE linux context changed";
                result.insert("msg".into(), message.into());
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
        contents.apply(host, result)?;
        files::describe(host, &self.path, result)
    }
}

impl Blockinfile {
    fn request(&self) -> Result<Request, Failure> {
        let marker = |mark: &str| self.marker.replace("{mark}", mark) + "\n";
        let block = if matches!(self.state, State::Present) { self.block.as_str() } else { "" };
        let anchor = match (self.insertafter.as_deref(), self.insertbefore.as_deref()) {
            (_, Some("BOF" | "EOF")) => Anchor::Begin,
            (Some("BOF" | "EOF") | None, None) => Anchor::End,
            (Some(text), None) => Anchor::After(Self::place("insertafter", text)?),
            (_, Some(text)) => Anchor::Before(Self::place("insertbefore", text)?),
        };
        Ok(Request {
            begin: marker(&self.marker_begin),
            end: marker(&self.marker_end),
            block: block.to_owned(),
            anchor,
            append_newline: self.append_newline,
            prepend_newline: self.prepend_newline,
        })
    }

    fn place(name: &str, text: &str) -> Result<change::Place, Failure> {
        let regex = pattern::compile(name, text, Flags::default())?;
        Ok(change::Place { regex, whole: pattern::is_multiline(text) })
    }
}
