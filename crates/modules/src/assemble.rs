//! `assemble`: a file made of the files in a directory.

use std::path::{Path, PathBuf};

use model::Args;
use system::{FileKind, Probe, System};

use crate::arguments::arguments;
use crate::content::{Contents, Put, Source, check_validate};
use crate::contract::{Check, Failure, Module};
use crate::files::{self, FileAttributes, end_of_links, path_value, tidy};
use crate::pattern::{self, Flags};

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
        /// Keep the old version beside the file.
        pub backup: bool { default: false },
        /// A command that must approve of the new file; `%s` is its path.
        pub validate: Option<String>,
        /// Fragments of the controller that are encrypted by the vault are decrypted.
        pub decrypt: bool { default: true },
        pub attributes: FileAttributes,
    }
}

/// Larger files are not made in this way.
const LIMIT: u64 = 256 << 20;

impl Module for Assemble {
    type Change = Contents;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Contents>, Failure> {
        check_validate(self.validate.as_deref())?;
        let src = self.src.display();
        match host.stat(&self.src, true)? {
            None => return Err(Failure::new(format!("Source ({src}) does not exist"))),
            Some(stat) if stat.kind != FileKind::Directory => {
                return Err(Failure::new(format!("Source ({src}) is not a directory")));
            }
            Some(_) => {}
        }
        let path = end_of_links(host, &tidy(&self.dest))?;
        let current = host.stat(&path, true)?;
        if current.as_ref().is_some_and(|stat| stat.kind == FileKind::Directory) {
            return Err(Failure::new(format!("Destination ({}) is a directory", path.display())));
        }
        let source = Source::Bytes(self.content(host)?);
        result.insert("src".into(), path_value(&self.src));
        result.insert("dest".into(), path_value(&self.dest));
        result.insert("msg".into(), "OK".into());
        let mut contents = Contents::of(&path);
        let found = match &current {
            Some(stat) => source.found_in(host, &path, stat)?,
            None => None,
        };
        if let (Some(stat), Some(sums)) = (&current, found) {
            sums.describe(result);
            contents.then.set_attributes(&path, self.attributes.drift(host, stat)?);
        } else {
            contents.puts.push(Put {
                source,
                attributes: self.attributes.resolve(host, current.as_ref(), false)?,
                path: path.clone(),
                backup: self.backup,
                validate: self.validate.clone(),
                in_place: self.attributes.unsafe_writes,
                title: Some(self.src.display().to_string()),
            });
        }
        files::describe(host, &path, result)?;
        Ok(if contents.is_empty() { Check::InSync } else { Check::Drift(contents) })
    }

    fn apply(
        &self,
        contents: Contents,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        if let Some(sums) = contents.apply(host, result)? {
            sums.describe(result);
        }
        files::describe(host, &self.dest, result)
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
