//! The settings of the inventory, in the language's own terms.

use language::{GroupNames, InventoryOptions, Mismatch, Precedence};

use super::Configuration;
use crate::error::CliError;

/// Everything that environment and configuration say of inventories.
pub(super) fn options(set: &Configuration) -> Result<InventoryOptions, CliError> {
    let text = |name| set.text(name).map(Option::unwrap_or_default);
    let yaml = ("inventory", "yaml");
    Ok(InventoryOptions {
        enabled: set.list("INVENTORY_ENABLED")?,
        ignored_endings: set.list("INVENTORY_IGNORE_EXTS")?,
        ignored_patterns: set.list("INVENTORY_IGNORE_PATTERNS")?,
        yaml_endings: set.plugin_list(yaml, "yaml_extensions")?,
        any_unparsed_is_failed: set.flag("INVENTORY_ANY_UNPARSED_IS_FAILED")?,
        unparsed_is_failed: set.flag("INVENTORY_UNPARSED_IS_FAILED")?,
        unparsed_warning: set.flag("INVENTORY_UNPARSED_WARNING")?,
        group_names: match text("TRANSFORM_INVALID_GROUP_CHARS")?.as_str() {
            "always" => GroupNames::Always,
            "ignore" => GroupNames::Ignore,
            "silently" => GroupNames::Silently,
            _ => GroupNames::Never,
        },
        mismatch: match text("HOST_PATTERN_MISMATCH")?.as_str() {
            "error" => Mismatch::Error,
            "ignore" => Mismatch::Ignore,
            _ => Mismatch::Warning,
        },
        show_program_errors: set.plugin_flag(("inventory", "script"), "always_show_stderr")?,
        use_extra_vars: set.plugin_flag(("inventory", "constructed"), "use_extra_vars")?,
        merge_hashes: text("DEFAULT_HASH_BEHAVIOUR")? == "merge",
        precedence: precedence(set)?,
        ..InventoryOptions::default()
    })
}

fn precedence(set: &Configuration) -> Result<Vec<Precedence>, CliError> {
    let known = |word: &String| {
        Precedence::named(word).ok_or_else(|| {
            CliError::options(format!("`{word}` is no step of the setting `precedence`"))
        })
    };
    set.list("VARIABLE_PRECEDENCE")?.iter().map(known).collect()
}
