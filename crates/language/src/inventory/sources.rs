//! The forms of an inventory source: list of hosts, INI, YAML or JSON file, program, directory of all these.

use std::path::Path;

use model::HostName;
use serde_json::Value as Json;
use yaml::{Diagnostic, SourceFile};

use super::{Inventory, ini, tree};
use crate::Vars;
use crate::source::Source;

/// Runs inventory programs: the language itself runs nothing.
pub trait Programs {
    /// Whether the file is a program.
    fn is_program(&self, path: &Path) -> bool;
    /// What `PATH --list` prints, or why there is nothing.
    fn list(&self, path: &Path) -> Result<String, String>;
    /// What `PATH --host NAME` prints.
    fn host(&self, path: &Path, host: &str) -> Result<String, String>;
}

/// Endings of files in an inventory directory that are no inventories.
const IGNORED: &[&str] = &[
    ".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry",
];

impl Inventory {
    /// Reads sources in order: each a path, or a list of hosts with a comma in it.
    ///
    /// A source that cannot be read is a warning, as long as another gives hosts; `strict` makes it an error.
    pub fn load(
        source: &dyn Source,
        programs: &dyn Programs,
        sources: &[String],
        strict: bool,
    ) -> Result<Self, Diagnostic> {
        let mut inventory = Self::default();
        for name in sources {
            if name.contains(',') {
                inventory.add_list(name)?;
                continue;
            }
            if let Err(diagnostic) = inventory.add_path(source, programs, Path::new(name)) {
                if strict {
                    return Err(diagnostic);
                }
                let shown = diagnostic.render(yaml::Style::Plain);
                inventory
                    .warnings
                    .push(format!("Unable to parse {name} as an inventory source\n{shown}"));
            }
        }
        inventory.settle()?;
        if inventory.hosts.is_empty() {
            inventory
                .warnings
                .push("No inventory was parsed, only implicit localhost is available".to_owned());
        }
        Ok(inventory)
    }

    fn add_list(&mut self, list: &str) -> Result<(), Diagnostic> {
        let file = SourceFile::new("-i", list);
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            ini::read(self, &SourceFile::new("-i", name))
                .map_err(|error| error.or_at(&file.span(0, list.len())))?;
        }
        Ok(())
    }

    fn add_path(
        &mut self,
        source: &dyn Source,
        programs: &dyn Programs,
        path: &Path,
    ) -> Result<(), Diagnostic> {
        if source.is_dir(path) {
            self.directory = Some(path.to_owned());
            for entry in source.list(path) {
                let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let ignored =
                    name.starts_with('.') || IGNORED.iter().any(|ending| name.ends_with(ending));
                if !ignored && !matches!(name.as_str(), "group_vars" | "host_vars" | "vars_plugins")
                {
                    self.add_path(source, programs, &entry)?;
                }
            }
            return self.add_vars_directory(source, path, false);
        }
        if !source.is_file(path) {
            return Err(Diagnostic::error(format!("{} does not exist", path.display())));
        }
        if programs.is_program(path) {
            self.add_program(programs, path)?;
        } else {
            self.add_file(source, path)?;
        }
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        self.add_vars_directory(source, &directory, false)?;
        self.directory = Some(std::path::absolute(&directory).unwrap_or(directory));
        Ok(())
    }

    fn add_file(&mut self, source: &dyn Source, path: &Path) -> Result<(), Diagnostic> {
        let file = source.read(path)?;
        let is_tree = path
            .extension()
            .is_some_and(|ending| ending == "yml" || ending == "yaml" || ending == "json");
        if is_tree {
            return self.add_tree(&file);
        }
        // As Ansible tries one plugin after the other; the one that fits the look of the file explains the failure.
        let mut attempt = self.clone();
        match ini::read(&mut attempt, &file) {
            Ok(()) => *self = attempt,
            Err(diagnostic) => {
                let looks_like_yaml =
                    file.text.lines().any(|line| line.trim_end().ends_with(':') || line == "---");
                if !looks_like_yaml {
                    return Err(diagnostic);
                }
                self.add_tree(&file)?;
            }
        }
        Ok(())
    }

    fn add_tree(&mut self, file: &std::sync::Arc<SourceFile>) -> Result<(), Diagnostic> {
        let (document, warnings) = yaml::load_one(file)?;
        self.warnings.extend(warnings.iter().map(|warning| warning.render(yaml::Style::Plain)));
        tree::read(self, &document)
    }

    fn add_program(&mut self, programs: &dyn Programs, path: &Path) -> Result<(), Diagnostic> {
        let failed =
            |why: String| Diagnostic::error(format!("inventory program {} {why}", path.display()));
        let text = programs.list(path).map_err(|why| failed(format!("failed: {why}")))?;
        let json: Json = serde_json::from_str(&text)
            .map_err(|error| failed(format!("printed no JSON: {error}")))?;
        let Some(groups) = json.as_object() else {
            return Err(failed("printed JSON that is no object".to_owned()));
        };
        for (name, body) in groups.iter().filter(|(name, _)| *name != "_meta") {
            self.add_program_group(name, body);
        }
        let known: Vec<HostName> = self.hosts.keys().cloned().collect();
        let meta = json.pointer("/_meta/hostvars").and_then(Json::as_object);
        for host in known {
            let vars = match meta {
                Some(all) => all.get(host.as_str()).cloned().unwrap_or_default(),
                None => {
                    let text = programs
                        .host(path, host.as_str())
                        .map_err(|why| failed(format!("failed: {why}")))?;
                    serde_json::from_str(&text)
                        .map_err(|error| failed(format!("printed no JSON: {error}")))?
                }
            };
            self.hosts[&host].vars.extend(data_vars(&vars));
        }
        Ok(())
    }

    fn add_program_group(&mut self, name: &str, body: &Json) {
        self.group(name);
        let names = |json: Option<&Json>| -> Vec<String> {
            let list = json.and_then(Json::as_array).into_iter().flatten();
            list.filter_map(|name| name.as_str().map(ToOwned::to_owned)).collect()
        };
        let hosts = if body.is_array() { names(Some(body)) } else { names(body.get("hosts")) };
        for host in hosts {
            self.put(&HostName::new(host), name);
        }
        for child in names(body.get("children")) {
            self.adopt(name, &child);
        }
        let vars = body.get("vars").map(data_vars).unwrap_or_default();
        self.group(name).vars.extend(vars);
    }
}

/// What a program printed is trusted as the file of an inventory is: the operator chose to run it.
fn data_vars(json: &Json) -> Vars {
    let entries = json.as_object().into_iter().flatten();
    entries.map(|(name, value)| (name.as_str().into(), trusted(value))).collect()
}

fn trusted(json: &Json) -> jinja::Value {
    match json {
        Json::String(text) => jinja::Value::trusted(text.as_str(), None),
        Json::Array(items) => jinja::Value::list(items.iter().map(trusted).collect()),
        Json::Object(entries) => jinja::Value::dict(
            entries.iter().map(|(name, value)| (name.as_str().into(), trusted(value))).collect(),
        ),
        other => jinja::Value::from_json(other.clone()),
    }
}
