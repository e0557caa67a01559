//! What environment and configuration say about vaults.

use std::path::PathBuf;

use super::Configuration;
use crate::error::CliError;

/// The settings of vaults. `Default` has no identity: only [`VaultSettings::from`] knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct VaultSettings {
    /// Ask for a password.
    pub(crate) ask: bool,
    /// A file or program with a password.
    pub(crate) password_file: Option<PathBuf>,
    /// The id of passwords that are given without one.
    pub(crate) identity: String,
    /// Identities as `--vault-id` takes them.
    pub(crate) identities: Vec<String>,
    /// Only passwords with the id that a text names are tried.
    pub(crate) match_ids: bool,
    /// The id whose password encrypts.
    pub(crate) encrypt_identity: Option<String>,
    /// The salt of everything that is encrypted, for results that do not vary.
    pub(crate) encrypt_salt: Option<String>,
}

impl VaultSettings {
    pub(super) fn from(set: &Configuration) -> Result<Self, CliError> {
        Ok(Self {
            ask: set.flag("DEFAULT_ASK_VAULT_PASS")?,
            password_file: set.path("DEFAULT_VAULT_PASSWORD_FILE")?,
            identity: set
                .text("DEFAULT_VAULT_IDENTITY")?
                .unwrap_or_else(|| vault::DEFAULT_ID.to_owned()),
            identities: set.list("DEFAULT_VAULT_IDENTITY_LIST")?,
            match_ids: set.text("DEFAULT_VAULT_ID_MATCH")?.is_some_and(|text| is_on(&text)),
            encrypt_identity: set.text("DEFAULT_VAULT_ENCRYPT_IDENTITY")?,
            encrypt_salt: set.text("VAULT_ENCRYPT_SALT")?,
        })
    }
}

/// The table leaves open what this setting is: any word but those for "no" turns it on.
fn is_on(text: &str) -> bool {
    !matches!(text.to_lowercase().as_str(), "0" | "no" | "n" | "false" | "f" | "off")
}
