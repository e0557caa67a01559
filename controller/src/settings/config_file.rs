//! `ansible.cfg`: which one, and what it says.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Environment;
use crate::error::CliError;
use crate::job::place;

/// A configuration file, read.
#[derive(Debug, Clone)]
pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    entries: HashMap<(String, String), Entry>,
}

/// A value and its line.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl ConfigFile {
    /// The file that counts for a run in `base`: the first of `ANSIBLE_CONFIG`, `./ansible.cfg`, `~/.ansible.cfg` and
    /// `/etc/ansible/ansible.cfg`; and a warning if one was passed over.
    pub(crate) fn find(
        environment: &Environment,
        base: &Path,
    ) -> Result<(Option<Self>, Option<String>), CliError> {
        let (found, warning) = Self::find_in_project(environment, base, Path::new(""))?;
        if found.is_some() {
            return Ok((found, warning));
        }
        let home = environment.get("HOME").map(|home| Path::new(home).join(".ansible.cfg"));
        for path in home.into_iter().chain([PathBuf::from("/etc/ansible/ansible.cfg")]) {
            if path.is_file() {
                return Ok((Some(Self::read(&path)?), warning));
            }
        }
        Ok((None, warning))
    }

    /// The same, but for the files of a person and of this machine.
    pub(crate) fn find_in_project(
        environment: &Environment,
        base: &Path,
        root: &Path,
    ) -> Result<(Option<Self>, Option<String>), CliError> {
        if let Some(named) = environment.get("ANSIBLE_CONFIG").filter(|name| !name.is_empty()) {
            let path = place(root, base, Path::new(named));
            let path = if path.is_dir() { path.join("ansible.cfg") } else { path };
            // As in Ansible, a name with nothing behind it is passed over.
            if path.exists() {
                return Ok((Some(Self::read(&path)?), None));
            }
        }
        let here = base.join("ansible.cfg");
        if !here.is_file() {
            return Ok((None, None));
        }
        if is_world_writable(base) {
            let directory = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
            return Ok((
                None,
                Some(format!(
                    "Muster is being run in a world writable directory ({}), ignoring it as an \
                     ansible.cfg source",
                    directory.display()
                )),
            ));
        }
        Ok((Some(Self::read(&here)?), None))
    }

    /// Reads a file that was named.
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        let text = fs::read_to_string(path).map_err(|error| {
            CliError::options(format!("cannot read {}: {error}", path.display()))
        })?;
        Self::parse(path, &text)
    }

    /// Reads the text as Python's `configparser` does.
    fn parse(path: &Path, text: &str) -> Result<Self, CliError> {
        let mut entries: HashMap<(String, String), Entry> = HashMap::new();
        let mut section: Option<String> = None;
        let mut last: Option<(String, String)> = None;
        for (number, raw) in text.lines().enumerate() {
            let refuse = |what: &str| {
                let place = format!("{}:{}", path.display(), number + 1);
                Err(CliError::options(format!("{place}: {what}")))
            };
            let line = without_comment(raw);
            if line.trim().is_empty() {
                continue;
            }
            let is_continuation = line.starts_with([' ', '\t']);
            if let Some(entry) = last.as_ref().filter(|_| is_continuation) {
                let entry = entries.get_mut(entry).expect("it was inserted with its key");
                entry.text.push('\n');
                entry.text.push_str(line.trim());
                continue;
            }
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[') {
                let Some(name) = name.strip_suffix(']') else {
                    return refuse("a section's name ends with `]`");
                };
                section = Some(name.to_owned());
                last = None;
                continue;
            }
            let Some(section) = &section else {
                return refuse("there is no [section] above this line");
            };
            let Some((key, value)) = line.split_once(['=', ':']) else {
                return refuse("expected `key = value`");
            };
            let key = (section.clone(), key.trim().to_lowercase());
            let entry = Entry { text: value.trim().to_owned(), line: number + 1 };
            last = Some(key.clone());
            if let Some(first) = entries.insert(key.clone(), entry) {
                return refuse(&format!(
                    "`{}` is set twice in [{}], first in line {}",
                    key.1, key.0, first.line
                ));
            }
        }
        Ok(Self { path: path.to_owned(), entries })
    }

    pub(crate) fn get(&self, section: &str, key: &str) -> Option<&Entry> {
        self.entries.get(&(section.to_owned(), key.to_owned()))
    }

    /// Sections, keys and lines of all entries.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &str, usize)> {
        self.entries.iter().map(|((section, key), entry)| (&**section, &**key, entry.line))
    }
}

/// A line without its comment: a whole line after `#` or `;`, the rest of one after ` ;`.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with(['#', ';']) {
        return "";
    }
    match line.find(" ;").or_else(|| line.find("\t;")) {
        Some(at) => &line[..at],
        None => line,
    }
}

fn is_world_writable(directory: &Path) -> bool {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    fs::metadata(directory).is_ok_and(|metadata| metadata.permissions().mode() & 0o002 != 0)
}
