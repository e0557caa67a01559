//! `ini_file`: options in the sections of a file in the style of INI, one by one; all other text stays as it is.

mod change;

use std::path::PathBuf;

use model::Args;
use system::{Probe, System};

use crate::arguments::{Presence, arguments, part};
use crate::content::{Contents, Writing};
use crate::contract::{Check, Failure, Module};
use crate::files::{FileAttributes, path_value, tidy};
use crate::text::TextFile;
use change::{Request, Spelling, Text};

arguments! {
    /// Sets and removes options in a file in the style of INI. What else is in the file stays as it is.
    pub struct IniFile {
        /// The file.
        pub path: PathBuf { aliases: ["dest"] },
        /// The section, without brackets; made when it is missing. Without it, options stand before the first section.
        pub section: Option<String>,
        /// Of several sections of that name, the one that has these options (`option`, and `value` or `values`).
        pub section_has_values: Option<Vec<Args>>,
        /// The option. Without it, the section as a whole is meant.
        pub option: Option<String>,
        /// Its value.
        pub value: Option<String>,
        /// Its values, one line each.
        pub values: Option<Vec<String>>,
        /// Keep the old version beside the file.
        pub backup: bool { default: false },
        /// Whether the option, or the section, is there.
        pub state: Presence { default: "present" },
        /// The option has no other values than those given; with `absent`, all of its lines are removed.
        pub exclusive: bool { default: true },
        /// `option=value`, without spaces.
        pub no_extra_spaces: bool { default: false },
        /// Leave a line that differs in the spaces around `=` alone.
        pub ignore_spaces: bool { default: false },
        /// Allow an option without value and without `=`.
        pub allow_no_value: bool { default: false },
        /// A comment that reads like the option is made into it.
        pub modify_inactive_option: bool { default: true },
        /// Make the file when it is missing.
        pub create: bool { default: true },
        /// Write to the file that a symbolic link leads to; otherwise the file takes the link's place.
        pub follow: bool { default: false },
        pub attributes: FileAttributes,
    }
    mutually_exclusive: [&["value", "values"]];
}

arguments! {
    /// An option that the section has.
    pub struct Having {
        /// Its name.
        pub option: String,
        /// Its value.
        pub value: Option<String>,
        /// Its values.
        pub values: Option<Vec<String>>,
    }
    mutually_exclusive: [&["value", "values"]];
}

impl Module for IniFile {
    type Change = Contents;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Contents>, Failure> {
        let request = self.request(host)?;
        let mut file = TextFile::find(host, &self.path, "utf-8")?;
        if file.target.current.is_none() && !self.create {
            let path = self.path.display();
            let failure = Failure::new(format!("Destination {path} does not exist!"));
            return Err(failure.with("rc", 257));
        }
        let before = file.read_text(host)?;
        let mut text = Text::of(&before);
        let message = change::edit(&mut text, &request);
        let after = text.into_changed(&before, message.is_some());
        // A section of that name is left: the next run removes it.
        let has_more = message == Some(change::REMOVED)
            && after.as_deref().is_some_and(|after| change::has_section(after, &request));
        if after.is_some() && !self.follow {
            file.target.path = tidy(&self.path);
        }
        let writing =
            Writing { backup: self.backup, validate: None, attributes: self.attributes.clone() };
        let answer = file.answer(&writing, host, after.map(String::into_bytes), result)?;
        result.insert("msg".into(), message.unwrap_or("OK").into());
        result.insert("path".into(), path_value(&self.path));
        Ok(match answer {
            Check::Drift(contents) if has_more => Check::Act(contents),
            answer => answer,
        })
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

/// One value or several, each once.
fn each_once(value: Option<&String>, values: Option<&Vec<String>>) -> Vec<Option<String>> {
    let mut list: Vec<Option<String>> = Vec::new();
    for value in value.into_iter().chain(values.into_iter().flatten()) {
        if !list.iter().any(|known| known.as_ref() == Some(value)) {
            list.push(Some(value.clone()));
        }
    }
    list
}

impl IniFile {
    fn request(&self, host: &dyn Probe) -> Result<Request, Failure> {
        let has = |given: &Args| {
            let Having { option, value, values } = part("section_has_values", given, host)?;
            Ok((option, each_once(value.as_ref(), values.as_ref())))
        };
        let having = self.section_has_values.iter().flatten().map(has);
        let having = having.collect::<Result<Vec<_>, Failure>>()?;
        let mut values = each_once(self.value.as_ref(), self.values.as_ref());
        let is_present = self.state.is_present();
        if is_present && values.is_empty() {
            if !self.allow_no_value {
                return Err(Failure::new(
                    "Parameter 'value(s)' must be defined if state=present and allow_no_value=False.",
                ));
            }
            values.push(None);
        }
        let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (section, option) = (some(&self.section), some(&self.option));
        if section.is_none() && option.is_none() && !is_present {
            return Err(Failure::new("`section` or `option` is needed to remove something"));
        }
        Ok(Request {
            section,
            having,
            option,
            values,
            is_present,
            exclusive: self.exclusive,
            spelling: Spelling {
                is_tight: self.no_extra_spaces,
                ignores_spaces: self.ignore_spaces,
                takes_comments: self.modify_inactive_option,
            },
        })
    }
}
