//! `assemble`: a file made of the files in a directory.

use std::path::{Path, PathBuf};

use model::Args;
use system::{FileKind, Probe, System};

use crate::arguments::arguments;
use crate::content::{Contents, Source, Target, Writing, check_validate};
use crate::contract::{Check, Failure, Module};
use crate::files::{self, path_value};
use crate::pattern::{self, Flags};
use crate::text::LIMIT;

arguments! {
    /// Makes one file of the fragments in a directory, in the order of their names.
    pub struct Assemble {
        /// The directory.
        pub src: PathBuf,
        /// The file to make.
        pub dest: PathBuf,
        /// What is written between two fragments, on a line of its own.
        pub delimiter: Option<String>,
        /// Only fragments whose names this regular expression finds.
        pub regexp: Option<String>,
        /// Leave out fragments whose names begin with a dot.
        pub ignore_hidden: bool { default: false },
        /// The directory is on the host, not on the controller.
        pub remote_src: bool { default: true },
        pub writing: Writing,
        /// Fragments of the controller that are encrypted by the vault are decrypted.
        pub decrypt: bool { default: true },
    }
}

impl Module for Assemble {
    type Change = Contents;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Contents>, Failure> {
        check_validate(self.writing.validate.as_deref())?;
        let src = self.src.display();
        match host.stat(&self.src, true)? {
            None => return Err(Failure::new(format!("Source ({src}) does not exist"))),
            Some(stat) if stat.kind != FileKind::Directory => {
                return Err(Failure::new(format!("Source ({src}) is not a directory")));
            }
            Some(_) => {}
        }
        let target = Target::find(host, &self.dest)?;
        if target.current.as_ref().is_some_and(|stat| stat.kind == FileKind::Directory) {
            let path = target.path.display();
            return Err(Failure::new(format!("Destination ({path}) is a directory")));
        }
        let source = Source::Bytes(self.content(host)?);
        result.insert("src".into(), path_value(&self.src));
        result.insert("dest".into(), path_value(&self.dest));
        result.insert("msg".into(), "OK".into());
        let found = match &target.current {
            Some(stat) => source.found_in(host, &target.path, stat)?,
            None => None,
        };
        if let Some(sums) = &found {
            sums.describe(result);
        }
        let mut contents =
            self.writing.changes(host, &target, found.is_none().then_some(source))?;
        for put in &mut contents.puts {
            put.title = Some(self.src.display().to_string());
        }
        files::describe(host, &target.path, result)?;
        Ok(contents.into_check())
    }

    fn apply(
        &self,
        contents: Contents,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        if let Some(sums) = contents.apply_to(&self.dest, host, result)? {
            sums.describe(result);
        }
        Ok(())
    }
}

impl Assemble {
    /// The fragments with what goes between them.
    fn content(&self, host: &dyn Probe) -> Result<Vec<u8>, Failure> {
        let regexp = self.regexp.as_deref();
        let regexp =
            regexp.map(|text| pattern::compile("regexp", text, Flags::default())).transpose()?;
        let delimiter = self.delimiter.as_deref().map(unescape).filter(|text| !text.is_empty());
        let mut content: Vec<u8> = Vec::new();
        let mut is_first = true;
        for name in host.list(&self.src)? {
            host.keep_going()?;
            let text = name.to_string_lossy();
            let is_hidden = self.ignore_hidden && text.starts_with('.');
            let fits = match &regexp {
                Some(regexp) => pattern::is_match(regexp, &text)?,
                None => true,
            };
            if is_hidden || !fits {
                continue;
            }
            let Some(fragment) = fragment(host, &self.src.join(&name))? else { continue };
            if !is_first {
                end_line(&mut content);
                if let Some(delimiter) = &delimiter {
                    content.extend_from_slice(delimiter.as_bytes());
                    end_line(&mut content);
                }
            }
            is_first = false;
            content.extend_from_slice(&fragment);
            if content.len() as u64 > LIMIT {
                return Err(Failure::new(format!("the fragments have more than {LIMIT} bytes")));
            }
        }
        Ok(content)
    }
}

/// The content of a regular file; `None`: it is none.
fn fragment(host: &dyn Probe, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match host.stat(path, true)? {
        Some(stat) if stat.kind == FileKind::File => Ok(host.read(path, LIMIT)?),
        _ => Ok(None),
    }
}

fn end_line(content: &mut Vec<u8>) {
    if !content.ends_with(b"\n") {
        content.push(b'\n');
    }
}

/// `\n`, `\t` and `\\` in a delimiter.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some('\\') | None => out.push('\\'),
                Some(other) => out.extend(['\\', other]),
            },
            other => out.push(other),
        }
    }
    out
}
