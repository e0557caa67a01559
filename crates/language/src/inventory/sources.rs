//! The forms of an inventory source: list of hosts, INI, YAML or JSON file, program, directory of all these.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use yaml::{Diagnostic, SourceFile};

use super::{Inventory, Programs, check_name, ini, tree};
use crate::Vars;
use crate::source::Source;

/// Endings of files in an inventory directory that are no inventories.
const IGNORED: &[&str] = &[
    ".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry",
];

impl Inventory {
    /// Reads sources in order: each a path, or a list of hosts with a comma in it.
    ///
    /// A source that cannot be read is a warning, and nothing of it is kept; `strict` makes it an error.
    pub fn load(
        source: &dyn Source,
        programs: &dyn Programs,
        sources: &[String],
        strict: bool,
    ) -> Result<Self, Diagnostic> {
        let mut inventory = Self::default();
        for name in sources {
            let path = Path::new(name);
            if name.contains(',') && !source.exists(path) {
                inventory.attempt(path, strict, |it| it.add_list(name))?;
                continue;
            }
            let is_directory = source.is_dir(path);
            let files = if is_directory { entries(source, path) } else { vec![path.to_owned()] };
            for file in files {
                inventory.attempt(&file, strict, |it| it.add_path(source, programs, &file))?;
            }
            let directory = if is_directory { path } else { path.parent().unwrap_or(path) };
            inventory.directory =
                Some(std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned()));
            inventory.add_vars_directory(source, directory, false)?;
        }
        inventory.source = None;
        inventory.settle()?;
        inventory.warn_of_names();
        if inventory.hosts.is_empty() {
            let warning = "No inventory was parsed, only implicit localhost is available";
            inventory.warnings.push(warning.to_owned());
        }
        Ok(inventory)
    }

    /// Reads one source; of one that is wrong, nothing is kept.
    fn attempt(
        &mut self,
        path: &Path,
        strict: bool,
        read: impl FnOnce(&mut Self) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let mut attempt = self.clone();
        match read(&mut attempt) {
            Ok(()) => *self = attempt,
            Err(diagnostic) if strict => return Err(diagnostic),
            Err(diagnostic) => {
                let shown = diagnostic.render(yaml::Style::Plain);
                let path = path.display();
                self.warnings
                    .push(format!("Unable to parse {path} as an inventory source\n{shown}"));
            }
        }
        Ok(())
    }

    fn add_list(&mut self, list: &str) -> Result<(), Diagnostic> {
        let file = SourceFile::new("-i", list);
        let mut offset = 0;
        for part in list.split(',') {
            let span = file.span(offset, offset + part.len());
            offset += part.len() + 1;
            let name = part.trim();
            if name.is_empty() {
                continue;
            }
            check_name("host", name).map_err(|error| error.at(&span))?;
            self.put_all("ungrouped", ini::hosts(name, &span)?, &Vars::new());
        }
        Ok(())
    }

    fn add_path(
        &mut self,
        source: &dyn Source,
        programs: &dyn Programs,
        path: &Path,
    ) -> Result<(), Diagnostic> {
        if !source.is_file(path) {
            return Err(Diagnostic::error(format!("{} does not exist", path.display()))
                .hint("a list of hosts has a comma in it: `-i 'web1,'`"));
        }
        self.source = Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).into());
        if programs.is_program(path) {
            return self.add_program(programs, path);
        }
        let file = source.read(path)?;
        let is_tree =
            path.extension().is_some_and(|it| it == "yml" || it == "yaml" || it == "json");
        self.add_file(&file, is_tree)
    }

    /// The form that the look of a file suggests is tried first, and explains the failure when the other fails, too.
    fn add_file(&mut self, file: &Arc<SourceFile>, is_tree: bool) -> Result<(), Diagnostic> {
        let has_line = |is_so: fn(&str) -> bool| file.text.lines().any(is_so);
        let looks_like_tree = is_tree
            || has_line(|line| line == "---" || line.trim_end().ends_with(':'))
                && !has_line(|line| line.starts_with('['));
        let before = self.clone();
        let read = |this: &mut Self, as_tree: bool| {
            if as_tree { this.add_tree(file) } else { ini::read(this, file) }
        };
        let Err(first) = read(self, looks_like_tree) else { return Ok(()) };
        *self = before.clone();
        if read(self, !looks_like_tree).is_err() {
            *self = before;
            return Err(first);
        }
        Ok(())
    }

    fn add_tree(&mut self, file: &Arc<SourceFile>) -> Result<(), Diagnostic> {
        let (document, warnings) = yaml::load_one(file)?;
        self.warnings.extend(warnings.iter().map(|warning| warning.render(yaml::Style::Plain)));
        tree::read(self, &document)
    }

    fn warn_of_names(&mut self) {
        let is_odd = |name: &&Arc<str>| {
            name.starts_with(|first: char| first.is_ascii_digit())
                || name.chars().any(|it| !it.is_alphanumeric() && it != '_')
        };
        let odd: Vec<&str> = self.groups.keys().filter(is_odd).map(|name| &**name).collect();
        if !odd.is_empty() {
            let names = odd.join(", ");
            self.warnings.push(format!(
                "Invalid characters were found in group names but not replaced: {names}"
            ));
        }
    }
}

/// The sources in a directory and the directories below it.
fn entries(source: &dyn Source, directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in source.list(directory) {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.')
            || IGNORED.iter().any(|ending| name.ends_with(ending))
            || matches!(name.as_str(), "group_vars" | "host_vars" | "vars_plugins")
        {
            continue;
        }
        if source.is_dir(&entry) {
            found.extend(entries(source, &entry));
        } else {
            found.push(entry);
        }
    }
    found
}
