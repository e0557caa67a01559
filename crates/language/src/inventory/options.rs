//! What settings say about inventories: which plugins read them, what is passed over, what is an error.

use crate::Vars;

/// The settings of the inventory. `Default` is what Ansible does when nobody has set anything.
#[derive(Debug, Clone, PartialEq)]
pub struct InventoryOptions {
    /// The plugins that may read a source, in the order in which they are tried (`INVENTORY_ENABLED`).
    pub enabled: Vec<String>,
    /// Endings of files in inventory directories that are no sources (`INVENTORY_IGNORE_EXTS`).
    pub ignored_endings: Vec<String>,
    /// Files in inventory directories whose names match one of these are no sources (`INVENTORY_IGNORE_PATTERNS`).
    pub ignored_patterns: Vec<String>,
    /// Endings of YAML inventories.
    pub yaml_endings: Vec<String>,
    /// A source that cannot be read is an error (`INVENTORY_ANY_UNPARSED_IS_FAILED`).
    pub any_unparsed_is_failed: bool,
    /// It is an error when no source can be read (`INVENTORY_UNPARSED_IS_FAILED`).
    pub unparsed_is_failed: bool,
    /// Warn when no source can be read (`INVENTORY_UNPARSED_WARNING`).
    pub unparsed_warning: bool,
    /// What is done about names of groups that are no names of variables.
    pub group_names: GroupNames,
    /// What is done about a pattern that matches nothing (`HOST_PATTERN_MISMATCH`).
    pub mismatch: Mismatch,
    /// Show what inventory programs write to standard error even when they succeed.
    pub show_program_errors: bool,
    /// Whether `constructed` sees extra variables when it does not say (`use_extra_vars`).
    pub use_extra_vars: bool,
    /// The variables of the command line, for `constructed`.
    pub extra_vars: Vars,
    /// Dictionaries of one name are merged, not replaced (`DEFAULT_HASH_BEHAVIOUR`).
    pub merge_hashes: bool,
    /// Hosts and groups, and what is said beside them, win in this order (`VARIABLE_PRECEDENCE`).
    pub precedence: Vec<Precedence>,
}

impl Default for InventoryOptions {
    fn default() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            enabled: texts(&["host_list", "script", "auto", "yaml", "ini", "toml"]),
            ignored_endings: texts(&[
                ".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig",
                ".cfg", ".retry",
            ]),
            ignored_patterns: Vec::new(),
            yaml_endings: texts(&[".yaml", ".yml", ".json"]),
            any_unparsed_is_failed: false,
            unparsed_is_failed: false,
            unparsed_warning: true,
            group_names: GroupNames::default(),
            mismatch: Mismatch::default(),
            show_program_errors: true,
            use_extra_vars: false,
            extra_vars: Vars::new(),
            merge_hashes: false,
            precedence: Precedence::ALL.to_vec(),
        }
    }
}

/// `TRANSFORM_INVALID_GROUP_CHARS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupNames {
    /// Names stay, with a warning.
    #[default]
    Never,
    /// Names stay.
    Ignore,
    /// Other characters become underscores.
    Silently,
    /// Other characters become underscores, with a warning.
    Always,
}

impl GroupNames {
    /// Whether names are made valid.
    pub(super) fn transform(self) -> bool {
        matches!(self, Self::Silently | Self::Always)
    }

    /// What a person should know when there was an odd name.
    pub(super) fn warning(self) -> Option<&'static str> {
        match self {
            Self::Never => Some("Invalid characters were found in group names but not replaced"),
            Self::Always => {
                Some("Invalid characters were found in group names and automatically replaced")
            }
            Self::Ignore | Self::Silently => None,
        }
    }
}

/// `HOST_PATTERN_MISMATCH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mismatch {
    /// A warning.
    #[default]
    Warning,
    /// Nothing.
    Ignore,
    /// An error.
    Error,
}

/// A step of `VARIABLE_PRECEDENCE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the setting's values")]
pub enum Precedence {
    AllInventory,
    GroupsInventory,
    AllPluginsInventory,
    AllPluginsPlay,
    GroupsPluginsInventory,
    GroupsPluginsPlay,
}

impl Precedence {
    /// All steps, the weakest first: the default.
    pub const ALL: [Self; 6] = [
        Self::AllInventory,
        Self::GroupsInventory,
        Self::AllPluginsInventory,
        Self::AllPluginsPlay,
        Self::GroupsPluginsInventory,
        Self::GroupsPluginsPlay,
    ];

    /// The step of that name in the setting.
    pub fn named(name: &str) -> Option<Self> {
        let names = [
            "all_inventory",
            "groups_inventory",
            "all_plugins_inventory",
            "all_plugins_play",
            "groups_plugins_inventory",
            "groups_plugins_play",
        ];
        names.iter().position(|known| *known == name).map(|at| Self::ALL[at])
    }
}

/// A group's name with every character that a variable's name cannot have replaced, if it has any.
pub(super) fn valid_group_name(name: &str) -> Option<String> {
    let is_odd = |at: usize, letter: char| {
        !(letter.is_alphanumeric() || letter == '_') || at == 0 && letter.is_ascii_digit()
    };
    if !name.chars().enumerate().any(|(at, letter)| is_odd(at, letter)) {
        return None;
    }
    let replaced = |(at, letter)| if is_odd(at, letter) { '_' } else { letter };
    Some(name.chars().enumerate().map(replaced).collect())
}
