//! `replace`: everything that a pattern finds in a text file is replaced.

use std::path::PathBuf;

use fancy_regex::Regex;
use model::Args;
use system::{FileKind, Probe, System};

use crate::arguments::arguments;
use crate::codec::Codec;
use crate::content::{Contents, Put, Source, check_validate};
use crate::contract::{Check, Failure, Module};
use crate::files::{self, FileAttributes, end_of_links, tidy};
use crate::pattern::{self, Flags};

arguments! {
    /// Replaces all that a regular expression finds in a file. Lines are not special: the expression sees the whole
    /// text, with `^` and `$` at line ends.
    pub struct Replace {
        /// The file.
        pub path: PathBuf { aliases: ["dest", "destfile", "name"] },
        /// What is looked for.
        pub regexp: String,
        /// What comes in its place; `\1` and `\g<name>` stand for groups.
        pub replace: String { default: "" },
        /// Only what comes behind the first match of this expression.
        pub after: Option<String>,
        /// Only what comes before the first match of this expression.
        pub before: Option<String>,
        /// Keep the old version beside the file.
        pub backup: bool { default: false },
        /// A command that must approve of the new file; `%s` is its path.
        pub validate: Option<String>,
        /// How the file is encoded.
        pub encoding: String { default: "utf-8" },
        pub attributes: FileAttributes,
    }
}

/// Larger files are not edited as texts.
const LIMIT: u64 = 256 << 20;

impl Module for Replace {
    type Change = Contents;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Contents>, Failure> {
        check_validate(self.validate.as_deref())?;
        let shown = self.path.display();
        let path = end_of_links(host, &tidy(&self.path))?;
        let stat = match host.stat(&path, true)? {
            None => {
                return Err(Failure::new(format!("Path {shown} does not exist !")).with("rc", 257));
            }
            Some(stat) if stat.kind == FileKind::Directory => {
                return Err(Failure::new(format!("Path {shown} is a directory !")).with("rc", 256));
            }
            Some(stat) => stat,
        };
        let flags = Flags { multiline: true, ..Flags::default() };
        let regex = pattern::compile("regexp", &self.regexp, flags)?;
        if let Some(fault) = pattern::fault_of_template(&self.replace, &regex) {
            return Err(Failure::new(format!("Unable to process replace due to error: {fault}")));
        }
        let codec = Codec::of_argument(&self.encoding)?;
        let bytes = host.read(&path, LIMIT)?.unwrap_or_default();
        let text = codec
            .decode(&bytes)
            .ok_or_else(|| Failure::new(format!("{shown} is not a text in {}", self.encoding)))?;
        let mut contents = Contents::of(&path);
        let (new, count) = self.edit(&regex, &text, result)?;
        if count > 0 && new != text {
            result.insert("msg".into(), format!("{count} replacements made").into());
            let bytes = codec.encode(&new).ok_or_else(|| {
                Failure::new(format!("{} lacks a letter of the new text", self.encoding))
            })?;
            contents.puts.push(Put {
                source: Source::Bytes(bytes),
                attributes: self.attributes.resolve(host, Some(&stat), false)?,
                path,
                backup: self.backup,
                validate: self.validate.clone(),
                in_place: self.attributes.unsafe_writes,
                title: None,
            });
            return Ok(Check::Drift(contents));
        }
        result.entry("msg").or_insert_with(|| "".into());
        let drift = self.attributes.drift(host, &stat)?;
        if drift.is_none() {
            return Ok(Check::InSync);
        }
        contents.then.set_attributes(&path, drift);
        result.insert("msg".into(), "ownership, perms or SE linux context changed".into());
        Ok(Check::Drift(contents))
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

impl Replace {
    /// The new text, and how often something was replaced.
    fn edit(
        &self,
        regex: &Regex,
        text: &str,
        result: &mut Args,
    ) -> Result<(String, usize), Failure> {
        let section = match self.section()? {
            None => 0..text.len(),
            Some(limits) => {
                let found = limits.captures(text).map_err(pattern::gave_up)?;
                match found.and_then(|found| found.name("subsection")) {
                    Some(found) => found.range(),
                    None => {
                        let message = format!(
                            "Pattern for before/after params did not match the given file: {}",
                            self.limits().unwrap_or_default()
                        );
                        result.insert("msg".into(), message.into());
                        return Ok((text.to_owned(), 0));
                    }
                }
            }
        };
        let (replaced, count) = substitute(regex, &text[section.clone()], &self.replace)?;
        Ok((format!("{}{replaced}{}", &text[..section.start], &text[section.end..]), count))
    }

    fn limits(&self) -> Option<String> {
        match (self.after.as_deref(), self.before.as_deref()) {
            (Some(after), Some(before)) => Some(format!("{after}(?P<subsection>.*?){before}")),
            (Some(after), None) => Some(format!("{after}(?P<subsection>.*)")),
            (None, Some(before)) => Some(format!("(?P<subsection>.*){before}")),
            (None, None) => None,
        }
    }

    fn section(&self) -> Result<Option<Regex>, Failure> {
        let flags = Flags { dot_all: true, ..Flags::default() };
        self.limits().map(|text| pattern::compile("before/after", &text, flags)).transpose()
    }
}

fn substitute(regex: &Regex, text: &str, template: &str) -> Result<(String, usize), Failure> {
    let (mut out, mut from, mut count) = (String::new(), 0, 0);
    for captures in regex.captures_iter(text) {
        let captures = captures.map_err(pattern::gave_up)?;
        let Some(whole) = captures.get(0) else { continue };
        out.push_str(&text[from..whole.start()]);
        out.push_str(&pattern::expand(template, &captures));
        from = whole.end();
        count += 1;
    }
    out.push_str(&text[from..]);
    Ok((out, count))
}
