//! `lineinfile`: a line is, or is not, in a text file.

mod change;

use std::path::PathBuf;

use model::Args;
use system::{Probe, System};

use crate::arguments::{Presence, arguments};
use crate::content::{Contents, Writing, check_validate};
use crate::contract::{Check, Failure, Module, warn};
use crate::files::path_value;
use crate::pattern::{self, Flags};
use crate::text::TextFile;
use change::{Anchor, Lines, Request};

arguments! {
    /// Makes sure that a line is in a file, or replaces the line that a pattern finds.
    pub struct Lineinfile {
        /// The file.
        pub path: PathBuf { aliases: ["dest", "destfile", "name"] },
        /// The line; needed when it shall be there.
        pub line: Option<String> { aliases: ["value"] },
        /// Whether the line shall be there.
        pub state: Presence { default: "present" },
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
        pub writing: Writing,
        /// How the file is encoded.
        pub encoding: String { default: "utf-8" },
    }
    mutually_exclusive: [
        &["insertbefore", "insertafter"], &["regexp", "search_string"], &["backrefs", "search_string"]
    ];
}

impl Module for Lineinfile {
    type Change = Contents;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Contents>, Failure> {
        check_validate(self.writing.validate.as_deref())?;
        let request = self.request()?;
        self.warn_of_empty_patterns(result);
        let file = TextFile::find(host, &self.path, &self.encoding)?;
        if file.target.current.is_none() {
            if !self.state.is_present() {
                result.insert("msg".into(), "file not present".into());
                return Ok(Check::InSync);
            }
            if !self.create {
                file.existing("Destination")?;
            }
        }
        let old = file.read(host)?;
        let outcome = change::edit(&Lines::of(&old), &request)?;
        result.insert("msg".into(), outcome.message(&request).into());
        if !self.state.is_present() {
            result.insert("found".into(), outcome.found.into());
        }
        file.answer(&self.writing, host, outcome.text, result)
    }

    fn apply(
        &self,
        contents: Contents,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        result.entry("backup").or_insert_with(|| "".into());
        contents.apply_to(&self.path, host, result)?;
        if let Some(backup) = result.shift_remove("backup_file") {
            result.insert("backup".into(), backup);
        }
        result.insert("path".into(), path_value(&self.path));
        Ok(())
    }
}

impl Lineinfile {
    fn warn_of_empty_patterns(&self, result: &mut Args) {
        let consequences = "which will match every line in the file. This may have unintended consequences, such as \
                            replacing the last line in the file rather than appending.";
        if self.regexp.as_deref() == Some("") {
            let hint = "If this is desired, use '^' to match every line in the file and avoid this warning.";
            let what = "The regular expression is an empty string";
            warn(result, format!("{what}, {consequences} {hint}"));
        }
        if self.search_string.as_deref() == Some("") {
            warn(result, format!("The search string is an empty string, {consequences}"));
        }
    }

    fn request(&self) -> Result<Request, Failure> {
        let absent = !self.state.is_present();
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
