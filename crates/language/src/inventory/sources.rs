//! The sources of an inventory: which plugin reads each of them, and what is done about those that none can read.

use std::cell::OnceCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fancy_regex::Regex;
use jinja::Environment;
use yaml::{Diagnostic, SourceFile};

use super::{Inventory, InventoryOptions, Programs, check_name, ini, toml_form, tree};
use super::{constructed, generator, plugin_file::PluginFile};
use crate::Vars;
use crate::source::Source;

/// Where an inventory comes from.
pub struct Sources {
    /// Its files.
    pub files: Arc<dyn Source>,
    /// Its programs.
    pub programs: Arc<dyn Programs>,
    /// The sources in order: each a path, or a list of hosts with a comma in it.
    pub names: Vec<String>,
    /// The settings.
    pub options: InventoryOptions,
    /// Opens encrypted values that `constructed` needs.
    pub vault: Arc<vault::Keyring>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("names", &self.names).finish_non_exhaustive()
    }
}

/// A way to read a source, with Ansible's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plugin {
    HostList,
    AdvancedHostList,
    Script,
    Auto,
    Yaml,
    Ini,
    Toml,
    Constructed,
    Generator,
}

const PLUGINS: [(&str, Plugin); 9] = [
    ("host_list", Plugin::HostList),
    ("advanced_host_list", Plugin::AdvancedHostList),
    ("script", Plugin::Script),
    ("auto", Plugin::Auto),
    ("yaml", Plugin::Yaml),
    ("ini", Plugin::Ini),
    ("toml", Plugin::Toml),
    ("constructed", Plugin::Constructed),
    ("generator", Plugin::Generator),
];

impl Plugin {
    fn named(name: &str) -> Option<Self> {
        let short = crate::canonical_action(name);
        PLUGINS.iter().find(|(known, _)| *known == short).map(|(_, plugin)| *plugin)
    }

    fn name(self) -> &'static str {
        PLUGINS.iter().find(|(_, plugin)| *plugin == self).map_or("", |(name, _)| name)
    }
}

/// One source that was not read: by which plugins, and why.
type Failures = Vec<(Plugin, Diagnostic)>;

/// What is needed to read sources.
pub(super) struct Reading<'a> {
    sources: &'a Sources,
    plugins: Vec<Plugin>,
    /// Of names that are no sources.
    ignored: Vec<Regex>,
    environment: OnceCell<Environment>,
}

impl Inventory {
    /// Reads sources in order.
    ///
    /// A source that cannot be read is a warning, and nothing of it is kept; settings make it an error.
    pub fn load(sources: &Arc<Sources>) -> Result<Self, Diagnostic> {
        let mut inventory = Self { sources: Some(sources.clone()), ..Self::default() };
        let reading = Reading::new(sources, &mut inventory)?;
        let mut any = false;
        for name in &sources.names {
            any |= reading.read(&mut inventory, name)?;
            inventory.source = None;
            if let Some(directory) = directory_of(&*sources.files, name) {
                inventory.directory =
                    Some(std::path::absolute(&directory).unwrap_or_else(|_| directory.clone()));
                inventory.add_vars_directory(&*sources.files, &directory, false)?;
            }
        }
        if !any {
            if sources.options.unparsed_is_failed {
                return Err(Diagnostic::error(
                    "No inventory was parsed, please check your configuration and options.",
                ));
            }
            if sources.options.unparsed_warning {
                let warning = "No inventory was parsed, only implicit localhost is available";
                inventory.warnings.push(warning.to_owned());
            }
        }
        inventory.settle()?;
        Ok(inventory)
    }

    /// The same sources read again (`meta: refresh_inventory`). Hosts and groups that the run has added stay.
    pub fn reload(&self) -> Result<Self, Diagnostic> {
        let Some(sources) = &self.sources else { return Ok(self.clone()) };
        let mut inventory = Self::load(sources)?;
        for directory in self.directories(true).collect::<Vec<_>>().into_iter().rev() {
            inventory.add_vars_directory(&*sources.files, directory.path(), true)?;
        }
        for change in &self.changes {
            inventory.apply(change.clone())?;
        }
        inventory.changes.clone_from(&self.changes);
        Ok(inventory)
    }
}

/// The directory whose `group_vars` and `host_vars` belong to a source; a list of hosts has none.
fn directory_of(files: &dyn Source, name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    if files.is_dir(path) {
        return Some(path.to_owned());
    }
    (!name.contains(',') || files.exists(path)).then(|| path.parent().unwrap_or(path).to_owned())
}

fn shown(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

impl<'a> Reading<'a> {
    fn new(sources: &'a Sources, inventory: &mut Inventory) -> Result<Self, Diagnostic> {
        let mut plugins = Vec::new();
        for name in &sources.options.enabled {
            match Plugin::named(name) {
                Some(plugin) => plugins.push(plugin),
                None => {
                    let hint = crate::nearest(name, PLUGINS.map(|(known, _)| known))
                        .map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
                    let text = format!("Failed to load inventory plugin, skipping {name}{hint}");
                    inventory.warnings.push(text);
                }
            }
        }
        let compiled = |pattern: &String| {
            Regex::new(pattern).map_err(|error| {
                Diagnostic::error(format!(
                    "the inventory setting ignore_patterns has `{pattern}`, which is no regular expression: {error}"
                ))
            })
        };
        let ignored =
            sources.options.ignored_patterns.iter().map(compiled).collect::<Result<_, _>>()?;
        Ok(Self { sources, plugins, ignored, environment: OnceCell::new() })
    }

    fn files(&self) -> &dyn Source {
        &*self.sources.files
    }

    /// Reads a source, or all in a directory. Gives whether there was anything to read.
    fn read(&self, inventory: &mut Inventory, name: &str) -> Result<bool, Diagnostic> {
        let path = Path::new(name);
        if !self.files().is_dir(path) {
            let is_list = name.contains(',') && !self.files().exists(path);
            return self.read_one(inventory, path, is_list);
        }
        let mut any = false;
        for entry in self.entries(path) {
            any |= self.read(inventory, &entry.to_string_lossy())?;
        }
        if !any {
            self.unparsed(inventory, path, false, Vec::new())?;
        }
        Ok(any)
    }

    /// The sources in a directory, by name.
    fn entries(&self, directory: &Path) -> Vec<PathBuf> {
        let options = &self.sources.options;
        let is_source = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            !(name.starts_with('.')
                || matches!(&*name, "group_vars" | "host_vars" | "vars_plugins")
                || options.ignored_endings.iter().any(|ending| name.ends_with(ending.as_str()))
                || self.ignored.iter().any(|it| it.is_match(&*name).unwrap_or(false)))
        };
        self.files().list(directory).into_iter().filter(is_source).collect()
    }

    /// Lets the plugins try one after the other; of what a failed one did, nothing is kept.
    fn read_one(
        &self,
        inventory: &mut Inventory,
        path: &Path,
        is_list: bool,
    ) -> Result<bool, Diagnostic> {
        let mut failures = Failures::new();
        for plugin in &self.plugins {
            if !self.accepts(*plugin, path, is_list) {
                continue;
            }
            let mut attempt = inventory.clone();
            match self.run(*plugin, &mut attempt, path) {
                Ok(()) => {
                    *inventory = attempt;
                    return Ok(true);
                }
                Err(diagnostic) => failures.push((*plugin, diagnostic)),
            }
            // A script that failed is no list of hosts, though its lines could be read as one.
            if *plugin == Plugin::Script && self.text(path).starts_with("#!") {
                break;
            }
        }
        self.unparsed(inventory, path, is_list, failures)?;
        Ok(false)
    }

    /// Whether a plugin looks at such a source at all.
    fn accepts(&self, plugin: Plugin, path: &Path, is_list: bool) -> bool {
        let is_list_plugin = matches!(plugin, Plugin::HostList | Plugin::AdvancedHostList);
        if is_list || is_list_plugin {
            return is_list && is_list_plugin;
        }
        let ending = path.extension().map(|it| format!(".{}", it.to_string_lossy()));
        let ending = ending.as_deref();
        let is_yaml =
            |ending: &str| self.sources.options.yaml_endings.iter().any(|it| it == ending);
        self.files().is_file(path)
            && match plugin {
                Plugin::Script => self.sources.programs.is_program(path),
                Plugin::Auto => matches!(ending, Some(".yml" | ".yaml")),
                Plugin::Yaml => ending.is_none_or(is_yaml),
                Plugin::Toml => ending == Some(".toml"),
                Plugin::Ini => ending != Some(".toml"),
                Plugin::Constructed | Plugin::Generator => {
                    ending.is_none_or(|ending| ending == ".config" || is_yaml(ending))
                }
                _ => true,
            }
    }

    fn run(
        &self,
        plugin: Plugin,
        inventory: &mut Inventory,
        path: &Path,
    ) -> Result<(), Diagnostic> {
        if matches!(plugin, Plugin::HostList | Plugin::AdvancedHostList) {
            return add_list(
                inventory,
                &path.to_string_lossy(),
                plugin == Plugin::AdvancedHostList,
            );
        }
        inventory.source =
            Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).into());
        if plugin == Plugin::Script {
            return inventory.add_program(self.sources, path);
        }
        let file = self.files().read(path)?;
        match plugin {
            Plugin::Ini => ini::read(inventory, &file),
            Plugin::Toml => toml_form::read(inventory, &file),
            Plugin::Yaml => {
                let document = document(inventory, &file)?;
                tree::read(inventory, &document)
            }
            Plugin::Auto => self.auto(inventory, path, &file),
            _ => self.run_configured(plugin, inventory, &file),
        }
    }

    /// A file that names its plugin.
    fn auto(
        &self,
        inventory: &mut Inventory,
        path: &Path,
        file: &Arc<SourceFile>,
    ) -> Result<(), Diagnostic> {
        let document = document(inventory, file)?;
        let Some(named) = document.get("plugin").filter(|node| !node.is_null()) else {
            return Err(Diagnostic::error(format!(
                "no root 'plugin' key found, '{}' is not a valid YAML inventory plugin config file",
                shown(path)
            )));
        };
        let name = named.as_str().unwrap_or_else(|| named.span.text());
        let Some(plugin) = Plugin::named(name).filter(|it| *it != Plugin::Auto) else {
            let unknown = Diagnostic::error(format!(
                "inventory config '{}' specifies unknown plugin '{name}'",
                shown(path)
            ));
            let known = PLUGINS.map(|(known, _)| known);
            let hint = crate::nearest(crate::canonical_action(name), known).map_or_else(
                || {
                    "plugins written in Python are not loaded; an executable that prints the inventory as \
                     JSON for `--list` can call them"
                        .to_owned()
                },
                |near| format!("did you mean `{near}`?"),
            );
            return Err(unknown.at(&named.span).hint(hint));
        };
        if !matches!(plugin, Plugin::Constructed | Plugin::Generator) {
            return Err(Diagnostic::error(format!(
                "inventory source '{}' could not be verified by inventory plugin '{}'",
                shown(path),
                plugin.name()
            ))
            .at(&named.span)
            .hint("only `constructed` and `generator` are configured by such a file"));
        }
        self.run_configured(plugin, inventory, file)
    }

    fn run_configured(
        &self,
        plugin: Plugin,
        inventory: &mut Inventory,
        file: &Arc<SourceFile>,
    ) -> Result<(), Diagnostic> {
        let document = document(inventory, file)?;
        let config = PluginFile::new(plugin.name(), &document)?;
        let environment = self
            .environment
            .get_or_init(|| Environment::new().with_vault(self.sources.vault.clone()));
        if plugin == Plugin::Constructed {
            constructed::read(inventory, &config, environment, &self.sources.options)
        } else {
            generator::read(inventory, &config, environment)
        }
    }

    /// Tells of a source that was not read, or fails.
    fn unparsed(
        &self,
        inventory: &mut Inventory,
        path: &Path,
        is_list: bool,
        failures: Failures,
    ) -> Result<(), Diagnostic> {
        let name = if is_list { path.display().to_string() } else { shown(path) };
        let failures = self.telling(path, failures);
        if self.sources.options.any_unparsed_is_failed {
            let whole = format!("Completely failed to parse inventory source {name}");
            return Err(match failures.into_iter().next() {
                Some((_, diagnostic)) => diagnostic.note(whole),
                None => Diagnostic::error(whole),
            });
        }
        for (plugin, diagnostic) in &failures {
            let shown = diagnostic.render(yaml::Style::Plain);
            let shown = shown.strip_prefix("error: ").unwrap_or(&shown);
            let plugin = plugin.name();
            let text = format!("Failed to parse inventory with '{plugin}' plugin: {shown}");
            inventory.warnings.push(text);
        }
        let mut text = format!("Unable to parse {name} as an inventory source");
        if failures.is_empty() && !is_list && !self.files().exists(path) {
            text += ": there is no such file (a list of hosts has a comma in it: `-i 'web1,'`)";
        }
        inventory.warnings.push(text);
        Ok(())
    }

    fn text(&self, path: &Path) -> Arc<str> {
        self.files().read(path).map_or_else(|_| "".into(), |file| file.text.as_ref().into())
    }

    /// Of the failures, those that tell a person something: a file that is clearly of one form is not reproached for
    /// not being of another.
    fn telling(&self, path: &Path, failures: Failures) -> Failures {
        let text = self.text(path);
        let has_line = |is_so: fn(&str) -> bool| text.lines().any(is_so);
        if failures.iter().any(|(plugin, _)| *plugin == Plugin::Script) && text.starts_with("#!") {
            return failures;
        }
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        let is_tree = matches!(&*ending, "yml" | "yaml" | "json")
            || has_line(|line| line == "---" || line.trim_end().ends_with(':'))
                && !has_line(|line| line.starts_with('['));
        let is_config = has_line(|line| line.starts_with("plugin:"));
        let (telling, others): (Failures, Failures) =
            failures.into_iter().partition(|(plugin, _)| match plugin {
                Plugin::Yaml => is_tree && !is_config,
                Plugin::Auto => is_config,
                Plugin::Ini => !is_tree,
                // It only was executable.
                Plugin::Script => false,
                _ => true,
            });
        if telling.is_empty() { others } else { telling }
    }
}

fn document(inventory: &mut Inventory, file: &Arc<SourceFile>) -> Result<yaml::Node, Diagnostic> {
    let (document, warnings) = yaml::load_one(file)?;
    for warning in &warnings {
        inventory.warn(warning);
    }
    Ok(document)
}

fn add_list(inventory: &mut Inventory, list: &str, ranges: bool) -> Result<(), Diagnostic> {
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
        let named = if ranges { ini::listed(inventory, name, &span)? } else { ini::plain(name) };
        inventory.put_all("ungrouped", named, &Vars::new());
    }
    Ok(())
}
