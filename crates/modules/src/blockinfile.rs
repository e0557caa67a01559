//! `blockinfile`: lines between two markers in a text file.

mod change;

use std::path::PathBuf;

use model::Args;
use system::{Probe, System};

use crate::arguments::{Presence, arguments};
use crate::content::{Contents, Writing, check_validate};
use crate::contract::{Check, Failure, Module};
use crate::pattern::{self, Flags};
use crate::text::TextFile;
use change::{Anchor, Request};

arguments! {
    /// Makes sure that a block of lines, between two marker lines, is in a file or is not.
    pub struct Blockinfile {
        /// The file.
        pub path: PathBuf { aliases: ["dest", "destfile", "name"] },
        /// Whether the block shall be there.
        pub state: Presence { default: "present" },
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
        pub writing: Writing,
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
    }
    mutually_exclusive: [&["insertbefore", "insertafter"]];
}

impl Module for Blockinfile {
    type Change = Contents;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Contents>, Failure> {
        check_validate(self.writing.validate.as_deref())?;
        let file = TextFile::find(host, &self.path, &self.encoding)?;
        let is_there = file.target.current.is_some();
        if !is_there {
            if !self.create {
                file.existing("Path")?;
            }
            if !self.state.is_present() {
                let message = format!("File {} not present", self.path.display());
                result.insert("msg".into(), message.into());
                return Ok(Check::InSync);
            }
        }
        let old = file.read_text(host)?;
        let request = self.request()?;
        let new = change::edit(&old, &request)?;
        let is_changed = !is_there || new != old;
        let message = match (is_changed, is_there, request.block.is_empty()) {
            (false, ..) => "",
            (true, false, _) => "File created",
            (true, true, true) => "Block removed",
            (true, true, false) => "Block inserted",
        };
        result.insert("msg".into(), message.into());
        file.answer(&self.writing, host, is_changed.then(|| new.into_bytes()), result)
    }

    fn apply(
        &self,
        contents: Contents,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        contents.apply_to(&self.path, host, result).map(drop)
    }
}

impl Blockinfile {
    fn request(&self) -> Result<Request, Failure> {
        let marker = |mark: &str| self.marker.replace("{mark}", mark) + "\n";
        let block = if self.state.is_present() { self.block.as_str() } else { "" };
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
