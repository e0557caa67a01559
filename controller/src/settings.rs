//! What flags leave open: the environment, then `ansible.cfg`, then Ansible's defaults. Every value remembers where it came
//! from, so that a bad one can be named.

mod config_file;
mod configuration;
pub(crate) mod definition;
mod display;
mod inventory;
mod vault;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::Gathering;
use language::{Duplicates, InventoryOptions};

use crate::error::CliError;
pub(crate) use config_file::ConfigFile;
pub(crate) use configuration::{Configuration, Origin, Setting};
pub(crate) use vault::VaultSettings;

/// Variables of the environment, by name.
pub(crate) type Environment = BTreeMap<String, String>;

/// The environment of this process; what is not text is left out.
pub(crate) fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Everything that environment and configuration decide. What has no field here is asked of `configuration`.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// All settings, by name.
    pub(crate) configuration: Arc<Configuration>,
    /// The configuration file that was read.
    pub(crate) config: Option<PathBuf>,
    /// Inventory sources when no `-i` is given.
    pub(crate) inventory: Vec<String>,
    /// How they are read.
    pub(crate) inventory_options: InventoryOptions,
    /// Say that there is nothing but the implicit localhost.
    pub(crate) localhost_warning: bool,
    /// `--export` of the command that shows it.
    pub(crate) inventory_export: bool,
    pub(crate) roles_path: Vec<PathBuf>,
    pub(crate) collections_path: Vec<PathBuf>,
    /// Directories with modules that are programs of their own.
    pub(crate) module_path: Vec<PathBuf>,
    /// Directories with what modules in Python import.
    pub(crate) module_utils: Vec<PathBuf>,
    pub(crate) forks: Option<usize>,
    pub(crate) gathering: Gathering,
    pub(crate) duplicates: Duplicates,
    pub(crate) connection: Option<String>,
    pub(crate) remote_user: Option<String>,
    pub(crate) private_key: Option<PathBuf>,
    pub(crate) timeout: Option<u64>,
    pub(crate) host_key_checking: bool,
    pub(crate) ssh_common_args: Option<String>,
    pub(crate) ssh_extra_args: Option<String>,
    pub(crate) ask_pass: bool,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) r#become: bool,
    pub(crate) become_user: Option<String>,
    pub(crate) become_method: Option<String>,
    pub(crate) become_ask_pass: bool,
    pub(crate) become_password_file: Option<PathBuf>,
    pub(crate) vault: VaultSettings,
    pub(crate) debug: bool,
    pub(crate) diff: bool,
    pub(crate) force_handlers: bool,
    pub(crate) tags: Vec<String>,
    pub(crate) skip_tags: Vec<String>,
    pub(crate) display_skipped: bool,
    pub(crate) show_custom_stats: bool,
    pub(crate) display_ok: bool,
    pub(crate) display: display::Display,
    pub(crate) verbosity: u8,
    /// For the person, e.g. about a configuration that was not read.
    pub(crate) warnings: Vec<String>,
}

/// The inventory of the machine, when nothing names another.
const SYSTEM_INVENTORY: &str = "/etc/ansible/hosts";

impl Settings {
    /// Reads environment and configuration as a run in the directory `base` sees them.
    pub(crate) fn resolve(environment: &Environment, base: &Path) -> Result<Self, CliError> {
        let (file, warning) = ConfigFile::find(environment, base)?;
        let set = Configuration::new(environment, file, base, Path::new(""));
        let mut settings = Self::from(set)?;
        if settings.inventory.is_empty() && Path::new(SYSTEM_INVENTORY).exists() {
            settings.inventory.push(SYSTEM_INVENTORY.to_owned());
        }
        settings.warnings.extend(warning);
        Ok(settings)
    }

    /// Reads the environment that somebody sent with a project, and the configuration in that project. Nothing of this
    /// machine's own configuration is looked at.
    pub(crate) fn of_project(
        environment: &Environment,
        base: &Path,
        root: &Path,
    ) -> Result<Self, CliError> {
        let (file, warning) = ConfigFile::find_in_project(environment, base, root)?;
        let mut settings = Self::from(Configuration::new(environment, file, base, root))?;
        settings.warnings.extend(warning);
        Ok(settings)
    }

    fn from(set: Configuration) -> Result<Self, CliError> {
        let warnings = set.check()?;
        // Where Ansible has a default of its own, Muster's may be another: these count only when somebody set them.
        let given = |name| -> Result<Option<String>, CliError> {
            if set.is_set(name) { set.text(name) } else { Ok(None) }
        };
        let ssh = |name| set.plugin_text(("connection", "ssh"), name);
        let display = |name| set.plugin_flag(("callback", "default"), name);
        Ok(Self {
            config: set.file.as_ref().map(|file| file.path.clone()),
            inventory: set.sources("DEFAULT_HOST_LIST")?,
            inventory_options: inventory::options(&set)?,
            localhost_warning: set.flag("LOCALHOST_WARNING")?,
            inventory_export: set.flag("INVENTORY_EXPORT")?,
            roles_path: set.paths("DEFAULT_ROLES_PATH")?,
            collections_path: set.paths("COLLECTIONS_PATHS")?,
            module_path: set.paths("DEFAULT_MODULE_PATH")?,
            module_utils: set.paths("DEFAULT_MODULE_UTILS_PATH")?,
            forks: if set.is_set("DEFAULT_FORKS") { set.number("DEFAULT_FORKS")? } else { None },
            gathering: match set.text("DEFAULT_GATHERING")?.as_deref() {
                Some("explicit") => Gathering::Explicit,
                Some("smart") => Gathering::Smart,
                _ => Gathering::Implicit,
            },
            duplicates: match set.text("DUPLICATE_YAML_DICT_KEY")?.as_deref() {
                Some("error") => Duplicates::Refuse,
                Some("ignore") => Duplicates::Ignore,
                _ => Duplicates::Warn,
            },
            connection: given("DEFAULT_TRANSPORT")?,
            remote_user: set.text("DEFAULT_REMOTE_USER")?,
            private_key: set.path("DEFAULT_PRIVATE_KEY_FILE")?,
            timeout: if set.is_set("DEFAULT_TIMEOUT") {
                set.number("DEFAULT_TIMEOUT")?
            } else {
                None
            },
            host_key_checking: set.flag("HOST_KEY_CHECKING")?,
            ssh_common_args: ssh("ssh_common_args")?,
            ssh_extra_args: ssh("ssh_extra_args")?,
            ask_pass: set.flag("DEFAULT_ASK_PASS")?,
            password_file: set.path("CONNECTION_PASSWORD_FILE")?,
            r#become: set.flag("DEFAULT_BECOME")?,
            become_user: given("DEFAULT_BECOME_USER")?,
            become_method: given("DEFAULT_BECOME_METHOD")?,
            become_ask_pass: set.flag("DEFAULT_BECOME_ASK_PASS")?,
            become_password_file: set.path("BECOME_PASSWORD_FILE")?,
            vault: VaultSettings::from(&set)?,
            debug: set.flag("DEFAULT_DEBUG")?,
            diff: set.flag("DIFF_ALWAYS")?,
            force_handlers: set.flag("DEFAULT_FORCE_HANDLERS")?,
            tags: set.list("TAGS_RUN")?,
            skip_tags: set.list("TAGS_SKIP")?,
            display_skipped: display("display_skipped_hosts")?,
            show_custom_stats: display("show_custom_stats")?,
            display_ok: display("display_ok_hosts")?,
            display: display::display(&set)?,
            verbosity: set.number("DEFAULT_VERBOSITY")?.unwrap_or(0),
            warnings,
            configuration: Arc::new(set),
        })
    }
}

/// Where the controller keeps what must last: `MUSTER_STATE_DIR`, else by the system's custom.
pub(crate) fn state_directory(environment: &Environment, is_root: bool) -> PathBuf {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    if let Some(directory) = set("MUSTER_STATE_DIR") {
        return PathBuf::from(directory);
    }
    if is_root {
        return PathBuf::from("/var/lib/muster");
    }
    match (set("XDG_STATE_HOME"), set("HOME")) {
        (Some(state), _) => Path::new(state).join("muster"),
        (None, Some(home)) => Path::new(home).join(".local/state/muster"),
        (None, None) => PathBuf::from("/var/lib/muster"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn resolve(config: &str, pairs: &[(&str, &str)]) -> Result<Settings, CliError> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ansible.cfg"), config).unwrap();
        let mut environment = env(pairs);
        environment.insert("HOME".to_owned(), "/home/me".to_owned());
        Settings::resolve(&environment, directory.path())
    }

    #[test]
    fn the_environment_outweighs_the_file_and_muster_outweighs_ansible() {
        let config = "[defaults]\nforks = 3\nremote_user = cfg\nroles_path = ~/r:/abs\n";
        let settings = resolve(
            config,
            &[("ANSIBLE_FORKS", "7"), ("MUSTER_FORKS", "9"), ("ANSIBLE_TIMEOUT", "30")],
        )
        .unwrap();
        assert_eq!(settings.forks, Some(9));
        assert_eq!(settings.timeout, Some(30));
        assert_eq!(settings.remote_user.as_deref(), Some("cfg"));
        assert_eq!(settings.roles_path, [PathBuf::from("/home/me/r"), "/abs".into()]);
        assert_eq!(resolve(config, &[]).unwrap().forks, Some(3));
        let settings = resolve("", &[]).unwrap();
        assert_eq!(settings.forks, None);
        assert_eq!(settings.roles_path[0], Path::new("/home/me/.ansible/roles"));
        assert!(settings.host_key_checking && !settings.r#become);
    }

    #[test]
    fn the_file_is_read_as_configparser_reads_it() {
        let config = "# a comment\n; another\n[defaults]\nhost_key_checking: False ; because\n\
                      inventory = a,b\n[privilege_escalation]\nBecome = yes\nbecome_user=app\n";
        let settings = resolve(config, &[]).unwrap();
        assert!(!settings.host_key_checking);
        assert!(settings.r#become);
        assert_eq!(settings.become_user.as_deref(), Some("app"));
        assert_eq!(settings.inventory.len(), 2);
        assert!(settings.inventory[0].ends_with("/a"), "{:?}", settings.inventory);
    }

    #[test]
    fn bad_values_are_named_with_their_place() {
        let error = |config: &str, pairs: &[(&str, &str)]| {
            resolve(config, pairs).unwrap_err().render(yaml::Style::Plain)
        };
        let text = error("", &[("ANSIBLE_FORKS", "many")]);
        let expected = "Config 'DEFAULT_FORKS' from 'env: ANSIBLE_FORKS' has an invalid value: Invalid value \
                        provided for 'integer': 'many'";
        assert_eq!(text, expected);
        let text = error("[defaults]\n\ngathering = smrt\n", &[]);
        assert!(text.contains("Invalid value 'smrt' for config 'DEFAULT_GATHERING'"), "{text}");
        assert!(text.contains("Valid values are: explicit, implicit, smart"), "{text}");
        assert!(text.ends_with("ansible.cfg'] (line 3)"), "{text}");
        let text = error("[defaults]\nbecome\n", &[]);
        assert!(text.contains("ansible.cfg:2: expected `key = value`"), "{text}");
        let text = error("forks = 1\n", &[]);
        assert!(text.contains("ansible.cfg:1: there is no [section] above this line"), "{text}");
    }

    #[test]
    fn the_state_directory_follows_the_custom() {
        let at = |pairs: &[(&str, &str)], is_root| state_directory(&env(pairs), is_root);
        assert_eq!(at(&[("HOME", "/h")], true), Path::new("/var/lib/muster"));
        assert_eq!(at(&[("HOME", "/h")], false), Path::new("/h/.local/state/muster"));
        let xdg = at(&[("HOME", "/h"), ("XDG_STATE_HOME", "/x")], false);
        assert_eq!(xdg, Path::new("/x/muster"));
        assert_eq!(at(&[("MUSTER_STATE_DIR", "/s")], true), Path::new("/s"));
    }

    #[test]
    fn a_file_in_a_directory_that_all_can_write_is_not_read() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ansible.cfg"), "[defaults]\nforks = 3\n").unwrap();
        let mode = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(directory.path(), mode).unwrap();
        let settings = Settings::resolve(&env(&[("HOME", "/nowhere")]), directory.path()).unwrap();
        assert_eq!(settings.forks, None);
        assert!(settings.warnings[0].contains("world writable"), "{:?}", settings.warnings);
        let named = env(&[("ANSIBLE_CONFIG", "ansible.cfg")]);
        assert_eq!(Settings::resolve(&named, directory.path()).unwrap().forks, Some(3));
    }
}
