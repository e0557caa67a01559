//! The settings of the inventory, in the language's own terms.

use language::{GroupNames, InventoryOptions, Mismatch, Precedence};

use super::defaults;
use super::lookup::{Lookup, Name};
use crate::error::CliError;

fn inventory(key: &'static str, environment: &'static [&'static str]) -> Name {
    Name { section: "inventory", key, environment }
}

/// Everything that environment and configuration say of inventories.
pub(super) fn options(find: &Lookup<'_>) -> Result<InventoryOptions, CliError> {
    let default = InventoryOptions::default();
    let group_names = find.choice(
        defaults("force_valid_group_names", &["ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS"]),
        &[
            ("never", GroupNames::Never),
            ("ignore", GroupNames::Ignore),
            ("silently", GroupNames::Silently),
            ("always", GroupNames::Always),
        ],
    )?;
    let mismatch = find.choice(
        inventory("host_pattern_mismatch", &["ANSIBLE_HOST_PATTERN_MISMATCH"]),
        &[("warning", Mismatch::Warning), ("ignore", Mismatch::Ignore), ("error", Mismatch::Error)],
    )?;
    let use_extra_vars = Name {
        section: "inventory_plugins",
        key: "use_extra_vars",
        environment: &["ANSIBLE_INVENTORY_USE_EXTRA_VARS"],
    };
    let show_program_errors = Name {
        section: "inventory_plugin_script",
        key: "always_show_stderr",
        environment: &["ANSIBLE_INVENTORY_PLUGIN_SCRIPT_STDERR"],
    };
    Ok(InventoryOptions {
        enabled: find
            .words(inventory("enable_plugins", &["ANSIBLE_INVENTORY_ENABLED"]))
            .unwrap_or(default.enabled),
        ignored_endings: find
            .words(inventory("ignore_extensions", &["ANSIBLE_INVENTORY_IGNORE"]))
            .or_else(|| find.words(defaults("inventory_ignore_extensions", &[])))
            .unwrap_or(default.ignored_endings),
        ignored_patterns: find
            .words(inventory("ignore_patterns", &["ANSIBLE_INVENTORY_IGNORE_REGEX"]))
            .or_else(|| find.words(defaults("inventory_ignore_patterns", &[])))
            .unwrap_or_default(),
        yaml_endings: find
            .words(defaults(
                "yaml_valid_extensions",
                &["ANSIBLE_YAML_FILENAME_EXT", "ANSIBLE_INVENTORY_PLUGIN_EXTS"],
            ))
            .unwrap_or(default.yaml_endings),
        any_unparsed_is_failed: find.flag(
            inventory("any_unparsed_is_failed", &["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"]),
            false,
        )?,
        unparsed_is_failed: find
            .flag(inventory("unparsed_is_failed", &["ANSIBLE_INVENTORY_UNPARSED_FAILED"]), false)?,
        unparsed_warning: find.flag(
            inventory("inventory_unparsed_warning", &["ANSIBLE_INVENTORY_UNPARSED_WARNING"]),
            true,
        )?,
        group_names: group_names.unwrap_or_default(),
        mismatch: mismatch.unwrap_or_default(),
        show_program_errors: find.flag(show_program_errors, true)?,
        use_extra_vars: find.flag(use_extra_vars, false)?,
        precedence: precedence(find)?.unwrap_or(default.precedence),
        extra_vars: default.extra_vars,
    })
}

fn precedence(find: &Lookup<'_>) -> Result<Option<Vec<Precedence>>, CliError> {
    let Some(words) = find.words(defaults("precedence", &["ANSIBLE_PRECEDENCE"])) else {
        return Ok(None);
    };
    let known = |word: &String| {
        Precedence::named(word).ok_or_else(|| {
            CliError::options(format!("`{word}` is no step of the setting `precedence`"))
        })
    };
    words.iter().map(known).collect::<Result<_, _>>().map(Some)
}
