//! `replace`: everything that a pattern finds in a text file is replaced.

use std::path::PathBuf;

use model::Args;
use pyregex::Regex;
use system::{Probe, System};

use crate::arguments::arguments;
use crate::content::{Contents, Writing, check_validate};
use crate::contract::{Check, Failure, Module};
use crate::pattern::{self, Flags};
use crate::text::TextFile;

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
        pub writing: Writing,
        /// How the file is encoded.
        pub encoding: String { default: "utf-8" },
    }
}

impl Module for Replace {
    type Change = Contents;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Contents>, Failure> {
        check_validate(self.writing.validate.as_deref())?;
        let file = TextFile::find(host, &self.path, &self.encoding)?;
        file.existing("Path")?;
        let flags = Flags { multiline: true, ..Flags::default() };
        let regex = pattern::compile("regexp", &self.regexp, flags)?;
        if let Some(fault) = pattern::fault_of_template(&self.replace, &regex) {
            return Err(Failure::new(format!("Unable to process replace due to error: {fault}")));
        }
        let text = file.read_text(host)?;
        let (new, count) = self.edit(&regex, &text, result)?;
        let is_changed = count > 0 && new != text;
        if is_changed {
            result.insert("msg".into(), format!("{count} replacements made").into());
        } else {
            result.entry("msg").or_insert_with(|| "".into());
        }
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
