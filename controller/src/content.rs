//! What a run reads: inventory, playbooks and extra variables, from the disk into trees.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::Options;
use jinja::Value;
use language::{
    Collections, Files, Inventory, InventoryOptions, Loader, Memory, Playbook, Source, Sources,
    Unlocked, Vars,
};
use vault::Keyring;
use yaml::{Diagnostic, SourceFile};

use crate::error::CliError;
use crate::plugin_filters;
use crate::programs::ThisMachine;
use crate::settings::{Configuration, Settings};

/// Everything that a run is about, read and checked.
pub(crate) struct Content {
    pub(crate) playbooks: Vec<Playbook>,
    pub(crate) inventory: Inventory,
    pub(crate) loader: Arc<Loader>,
    pub(crate) options: Options,
    /// All settings, for the lookup `config`.
    pub(crate) configuration: Arc<Configuration>,
    /// Opens what is encrypted.
    pub(crate) vault: Arc<Keyring>,
    /// For the person, before anything else is said.
    pub(crate) warnings: Vec<String>,
}

/// What is to be read, with paths that need no directory to be understood.
pub(crate) struct Wanted {
    pub(crate) playbooks: Vec<PathBuf>,
    /// Playbooks that are on no disk, by path.
    pub(crate) texts: Memory,
    pub(crate) inventory: Vec<String>,
    /// The hosts that the command itself names; `all` when only plays do.
    pub(crate) pattern: String,
    pub(crate) options: Options,
    /// Opens what is encrypted.
    pub(crate) vault: Arc<Keyring>,
}

/// Reads everything.
pub(crate) fn load(wanted: Wanted, settings: &Settings) -> Result<Content, CliError> {
    let Wanted { playbooks, texts, inventory, pattern, options, vault } = wanted;
    let mut warnings = settings.warnings.clone();
    let source: Arc<dyn Source> =
        Arc::new(Unlocked::new(Overlay { texts, files: Files }, vault.clone()));
    let extra: Vars = options
        .extra_vars
        .iter()
        .map(|(name, value)| (name.as_str().into(), value.clone()))
        .collect();
    let mut inventory =
        load_inventory(source.clone(), inventory, settings, vault.clone(), extra.clone())?;
    if options.verbosity >= 3 {
        warnings.append(&mut inventory.notes);
    }
    let rejected = plugin_filters::rejected(&settings.configuration)?;
    let collections = Arc::new(Collections::new(source.clone(), &collections_path(settings)));
    let loader = Loader::new(source.clone())
        .with_roles_path(settings.roles_path.clone())
        .with_collections(collections)
        .with_module_path(settings.module_path.clone())
        .with_module_utils_path(settings.module_utils.clone())
        .with_actions(actions().into_iter().filter(|name| !rejected.contains(name)))
        .with_vault(vault.clone())
        .with_duplicates(settings.duplicates)
        .with_extra_vars(extra);
    let mut loaded = Vec::new();
    for path in &playbooks {
        let of_collection = || {
            let name = path.to_string_lossy();
            loader.playbook_files(&name).into_iter().find(|path| source.is_file(path))
        };
        let path = if source.is_file(path) {
            path.clone()
        } else {
            of_collection().unwrap_or_else(|| path.clone())
        };
        if !source.is_file(&path) {
            let what = if source.is_dir(&path) { "is not a file" } else { "could not be found" };
            return Err(CliError::failed(format!("the playbook: {} {what}", path.display())));
        }
        // Places and `playbook_dir` are absolute, as in Ansible.
        let path = std::path::absolute(&path).map_err(|error| {
            CliError::failed(format!("cannot tell the directory of {}: {error}", path.display()))
        })?;
        let directory = path.parent().unwrap_or(Path::new(""));
        inventory.add_vars_directory(&*source, directory, true)?;
        loaded.push(loader.playbook(&path)?);
    }
    warnings.append(&mut inventory.warnings);
    warnings.extend(check_hosts(&inventory, &pattern, options.limit.as_deref(), settings)?);
    warnings.extend(loader.take_warnings().iter().map(shown));
    for text in loader.take_deprecations().iter().filter(|_| settings.display.deprecations) {
        crate::terminal::complain("DEPRECATION WARNING", text);
    }
    let loader = Arc::new(loader);
    let configuration = settings.configuration.clone();
    Ok(Content { playbooks: loaded, inventory, loader, options, configuration, vault, warnings })
}

/// Reads the sources of an inventory. What is wrong with them is no error of the content: the exit code is 1.
pub(crate) fn load_inventory(
    files: Arc<dyn Source>,
    names: Vec<String>,
    settings: &Settings,
    vault: Arc<Keyring>,
    extra_vars: Vars,
) -> Result<Inventory, CliError> {
    let options = InventoryOptions { extra_vars, ..settings.inventory_options.clone() };
    let sources = Sources { files, programs: Arc::new(ThisMachine), names, options, vault };
    let mut inventory = Inventory::load(&Arc::new(sources)).map_err(CliError::failed)?;
    for said in inventory.errors.drain(..) {
        crate::terminal::complain("ERROR", &said);
    }
    Ok(inventory)
}

/// Refuses a limit that leaves nothing of hosts that there are. Gives what a person should know.
fn check_hosts(
    inventory: &Inventory,
    pattern: &str,
    limit: Option<&str>,
    settings: &Settings,
) -> Result<Option<String>, CliError> {
    if inventory.hosts().next().is_none() {
        let is_told =
            settings.localhost_warning && !matches!(pattern, "localhost" | "127.0.0.1" | "::1");
        return Ok(is_told.then(|| {
            "provided hosts list is empty, only localhost is available. Note that the implicit localhost does not \
             match 'all'"
                .to_owned()
        }));
    }
    let Some(limit) = limit.filter(|limit| !limit.is_empty()) else { return Ok(None) };
    let chosen = inventory.select(&[pattern.to_owned()], Some(limit)).map_err(CliError::failed)?;
    if !chosen.hosts.is_empty() {
        return Ok(None);
    }
    for warning in &chosen.warnings {
        crate::terminal::complain("WARNING", warning);
    }
    Err(CliError::failed(
        "Specified inventory, host pattern and/or --limit leaves us with no hosts to target.",
    ))
}

/// Where collections are: where the settings say, then beside an installed ansible-core.
pub(crate) fn collections_path(settings: &Settings) -> Vec<PathBuf> {
    settings.collections_path.iter().cloned().chain(engine::installed_collections()).collect()
}

/// The canonical names of everything that a task may do.
pub(crate) fn actions() -> Vec<String> {
    let modules = modules::MODULES.iter().map(|entry| match entry.collection {
        "ansible.builtin" => entry.name.to_owned(),
        collection => format!("{collection}.{}", entry.name),
    });
    engine::action_names().map(ToOwned::to_owned).chain(modules).collect()
}

/// Extra variables in the order given; later ones win. `place` finds files.
pub(crate) fn read_extra_vars(
    texts: &[String],
    vault: &Arc<Keyring>,
    place: impl Fn(&Path) -> PathBuf,
) -> Result<Vec<(String, Value)>, CliError> {
    let files = Unlocked::new(Files, vault.clone());
    let mut warnings = Vec::new();
    let mut all = Vec::new();
    for text in texts {
        let vars = language::extra_vars(text, &files, &place, &mut warnings)?;
        all.extend(vars.into_iter().map(|(name, value)| (name.to_string(), value)));
    }
    for warning in warnings {
        crate::terminal::complain("WARNING", &shown(&warning));
    }
    Ok(all)
}

/// A warning without the word, which reporters write.
fn shown(warning: &Diagnostic) -> String {
    let text = warning.render(yaml::Style::Plain);
    text.strip_prefix("warning: ").map_or(text.clone(), ToOwned::to_owned)
}

/// Texts in memory in front of the files of this machine.
struct Overlay {
    texts: Memory,
    files: Files,
}

impl Source for Overlay {
    fn read(&self, path: &Path) -> yaml::Result<Arc<SourceFile>> {
        if self.texts.is_file(path) { self.texts.read(path) } else { self.files.read(path) }
    }

    fn is_file(&self, path: &Path) -> bool {
        self.texts.is_file(path) || self.files.is_file(path)
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.files.is_dir(path)
    }

    fn list(&self, path: &Path) -> Vec<PathBuf> {
        self.files.list(path)
    }
}
