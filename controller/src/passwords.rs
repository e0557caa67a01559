//! The passwords that open what is encrypted: from flags and settings to a keyring. Who cannot give one is named, and the
//! others still count.

use std::path::Path;
use std::sync::Arc;

use model::Secret;
use vault::{Key, Keyring, read_password};

use crate::cli::VaultArgs;
use crate::error::{CliError, ErrorKind};
use crate::settings::VaultSettings;
use crate::terminal;

/// Whether a password that does not exist yet is asked for: twice, and as a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    /// It opens something.
    Known,
    /// It encrypts something from now on.
    New,
}

/// One place where a password comes from.
struct Identity<'a> {
    id: &'a str,
    source: &'a str,
}

/// Words in the place of a file that mean: ask.
const PROMPT: &str = "prompt";
pub(crate) const PROMPT_WITHOUT_ID: &str = "prompt_ask_vault_pass";

/// The passwords of a command that reads encrypted content, if it has any.
pub(crate) fn keyring(
    args: &VaultArgs,
    settings: &VaultSettings,
) -> Result<Arc<Keyring>, CliError> {
    let ask = args.ask_vault_password || settings.ask;
    let keys = collect(&sources(args, settings), ask, Asking::Known, settings)?;
    Ok(Arc::new(Keyring::new(keys, settings.match_ids)))
}

/// The passwords of a command that cannot do without: asked for, when nothing else is said.
pub(crate) fn needed(
    args: &VaultArgs,
    settings: &VaultSettings,
    asking: Asking,
) -> Result<Keyring, CliError> {
    let sources = sources(args, settings);
    let ask = args.ask_vault_password || settings.ask || sources.is_empty();
    let keys = collect(&sources, ask, asking, settings)?;
    Ok(Keyring::new(keys, settings.match_ids))
}

/// The passwords of one source alone: `--new-vault-id`, `--new-vault-password-file`.
pub(crate) fn only(source: &str, settings: &VaultSettings) -> Result<Vec<Key>, CliError> {
    collect(&[source.to_owned()], false, Asking::New, settings)
}

/// Where passwords come from, as texts: `ID@SOURCE`, or a source alone.
fn sources(args: &VaultArgs, settings: &VaultSettings) -> Vec<String> {
    let files = args.vault_password_file.iter().map(|path| path.to_string_lossy().into_owned());
    let set = settings.password_file.iter().map(|path| path.to_string_lossy().into_owned());
    // An @ in the name of a file is no id.
    let files = files.chain(set).map(|file| format!("{}@{file}", settings.identity));
    settings.identities.iter().chain(&args.vault_id).cloned().chain(files).collect()
}

fn collect(
    sources: &[String],
    ask: bool,
    asking: Asking,
    settings: &VaultSettings,
) -> Result<Vec<Key>, CliError> {
    let mut found = Vec::new();
    let mut last_error = None;
    let mut all: Vec<Identity<'_>> = sources
        .iter()
        .map(|text| match text.split_once('@') {
            Some((id, source)) => Identity { id, source },
            None => Identity { id: &settings.identity, source: text },
        })
        .collect();
    if ask {
        all.push(Identity { id: &settings.identity, source: PROMPT_WITHOUT_ID });
    }
    for identity in all {
        match identity.password(&found, asking) {
            Ok(password) => found.push(Key { id: identity.id.to_owned(), password }),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(error) => last_error = Some(error),
        }
    }
    match last_error {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

impl Identity<'_> {
    fn password(&self, found: &[Key], asking: Asking) -> Result<Secret<Vec<u8>>, CliError> {
        let id = self.id;
        if matches!(self.source, PROMPT | PROMPT_WITHOUT_ID) {
            return self.ask(asking).inspect_err(|error| {
                let why = error.render(yaml::Style::Plain);
                let text = format!("Error in vault password prompt ({id}): {why}");
                terminal::complain("WARNING", &text);
            });
        }
        // A password file may be encrypted with a password that was named before it.
        let known = Keyring::new(found.to_vec(), false);
        read_password(Path::new(self.source), id, &known).map_err(|error| {
            let what = if error.is_missing() {
                "Error getting vault password file"
            } else {
                "Error in vault password file loading"
            };
            terminal::complain("WARNING", &format!("{what} ({id}): {error}"));
            CliError::failed(error)
        })
    }

    fn ask(&self, asking: Asking) -> Result<Secret<Vec<u8>>, CliError> {
        // Whoever gave no id need not read one.
        let has_id = self.source == PROMPT;
        let id = if has_id { format!(" ({})", self.id) } else { String::new() };
        let (prompt, again) = match (asking, has_id) {
            (Asking::Known, _) => (format!("Vault password{id}"), None),
            (Asking::New, true) => {
                (format!("New vault password{id}"), Some(format!("Confirm new vault password{id}")))
            }
            (Asking::New, false) => {
                ("New Vault password".to_owned(), Some("Confirm New Vault password".to_owned()))
            }
        };
        let typed = self.ask_once(&prompt)?;
        if let Some(again) = again
            && self.ask_once(&again)? != typed
        {
            return Err(CliError::failed("Passwords do not match"));
        }
        let password = typed.reveal().trim().as_bytes().to_vec();
        if password.is_empty() {
            return Err(CliError::failed("Invalid vault password was provided: it is empty"));
        }
        Ok(Secret::new(password))
    }

    fn ask_once(&self, prompt: &str) -> Result<Secret<String>, CliError> {
        terminal::ask_password(prompt).map_err(|error| match error.kind() {
            std::io::ErrorKind::Interrupted => {
                CliError::new(ErrorKind::Interrupted, "interrupted by the person")
            }
            std::io::ErrorKind::UnexpectedEof => {
                CliError::failed(format!("EOFError (ctrl-d) on prompt for ({})", self.id))
            }
            _ => CliError::failed(format!("cannot ask for a password: {error}")),
        })
    }
}

/// Before what a caller sends of its keyring to a controller: number and id follow.
const SENT: &str = "vault.";

/// A keyring in words that may travel beside the other secrets of a run.
pub(crate) fn send(keyring: &Keyring) -> impl Iterator<Item = (String, String)> + '_ {
    let keys = keyring.keys().iter().enumerate();
    keys.map(|(at, key)| (format!("{SENT}{at:04}.{}", key.id), hex::encode(key.password.reveal())))
}

/// The keyring that a caller sent.
pub(crate) fn receive(
    secrets: &std::collections::BTreeMap<String, String>,
    settings: &VaultSettings,
) -> Arc<Keyring> {
    let keys = secrets.iter().filter_map(|(name, password)| {
        let (_, id) = name.strip_prefix(SENT)?.split_once('.')?;
        Some(Key::new(id, hex::decode(password).ok()?))
    });
    Arc::new(Keyring::new(keys.collect(), settings.match_ids))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> VaultSettings {
        VaultSettings { identity: "default".into(), ..VaultSettings::default() }
    }

    fn file(directory: &Path, name: &str) -> String {
        let path = directory.join(name);
        std::fs::write(&path, name).unwrap();
        path.to_string_lossy().into_owned()
    }

    fn shown(keyring: &Keyring) -> Vec<String> {
        let text = |key: &Key| String::from_utf8(key.password.reveal().clone()).unwrap();
        keyring.keys().iter().map(|key| format!("{}={}", key.id, text(key))).collect()
    }

    #[test]
    fn identities_of_settings_come_first_then_flags_then_files() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| file(directory.path(), name);
        let settings = VaultSettings {
            identities: vec![format!("a@{}", at("one"))],
            password_file: Some(at("four@home").into()),
            ..settings()
        };
        let args = VaultArgs {
            vault_id: vec![format!("b@{}", at("two")), at("plain")],
            vault_password_file: vec![at("three").into()],
            ask_vault_password: false,
        };
        let keyring = keyring(&args, &settings).unwrap();
        let expected = ["a=one", "b=two", "default=plain", "default=three", "default=four@home"];
        assert_eq!(shown(&keyring), expected);
    }

    #[test]
    fn one_password_is_enough_and_none_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let good = format!("b@{}", file(directory.path(), "good"));
        let of = |ids: &[&str]| {
            let args = VaultArgs {
                vault_id: ids.iter().map(|id| (*id).to_owned()).collect(),
                ..VaultArgs::default()
            };
            keyring(&args, &settings())
        };
        assert_eq!(shown(&of(&["a@/nowhere", &good]).unwrap()), ["b=good"]);
        let text = of(&["a@/nowhere"]).unwrap_err().render(yaml::Style::Plain);
        assert_eq!(text, "The vault password file /nowhere was not found");
        assert!(of(&[]).unwrap().keys().is_empty());
    }

    #[test]
    fn a_keyring_travels() {
        let keys = vec![Key::new("a.b", b"x\xff".to_vec()), Key::new("a.b", b"y".to_vec())];
        let sent = send(&Keyring::new(keys.clone(), false)).collect();
        assert_eq!(receive(&sent, &settings()).keys(), keys);
    }
}
