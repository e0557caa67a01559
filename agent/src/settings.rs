//! Settings: flags over environment over `/etc/muster/agent.yml` over defaults.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Where settings are looked for when no `--config` is given; it need not exist.
pub const FILE: &str = "/etc/muster/agent.yml";
/// Where state is kept when nobody says otherwise.
pub const STATE_DIRECTORY: &str = "/var/lib/muster-agent";
/// A larger file is not a settings file.
const SIZE_LIMIT: u64 = 64 << 10;

/// What the file may say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `HOST:PORT` of the controller; by default the one that this host was enrolled with.
    pub controller: Option<String>,
    /// The state directory.
    pub state_dir: Option<PathBuf>,
    /// The label under which this host enrols; by default its hostname.
    pub name: Option<String>,
    /// What is logged, e.g. `info` or `agent=debug`.
    pub log: Option<String>,
}

/// A settings file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// It is too large to be one.
    #[error("{} has more than {SIZE_LIMIT} bytes; is it a settings file?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It does not say what it should.
    #[error("{} cannot be understood", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Says what is wrong, and where if that can be told.
        source: serde_yaml::Error,
    },
}

impl Settings {
    /// Reads a file. `None`: the usual one, which may be absent.
    pub fn read(path: Option<&Path>) -> Result<Self, SettingsError> {
        let file = path.unwrap_or(Path::new(FILE));
        let failed = |source| SettingsError::Read { path: file.to_owned(), source };
        match std::fs::metadata(file) {
            Ok(metadata) if metadata.len() > SIZE_LIMIT => {
                return Err(SettingsError::TooLarge { path: file.to_owned() });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_none() => {
                return Ok(Self::default());
            }
            _ => {}
        }
        let text = std::fs::read_to_string(file).map_err(failed)?;
        // A file of comments alone says nothing.
        let settings: Option<Self> = serde_yaml::from_str(&text)
            .map_err(|source| SettingsError::Parse { path: file.to_owned(), source })?;
        Ok(settings.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_their_mistakes_named() {
        let directory = tempfile::tempdir().expect("made");
        let path = directory.path().join("agent.yml");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("written");
            Settings::read(Some(&path))
        };
        let full = read("controller: c:7443\nstate_dir: /x\nname: web01\nlog: debug\n");
        assert_eq!(full.expect("good").controller.as_deref(), Some("c:7443"));
        assert_eq!(read("# nothing\n").expect("empty"), Settings::default());
        let error = read("controler: c:7443\n").expect_err("unknown key");
        let text = crate::session::chain(&error);
        assert!(text.contains("controler") && text.contains("state_dir"), "{text}");
        let large = "#".repeat(70 << 10);
        assert!(matches!(read(&large), Err(SettingsError::TooLarge { .. })));
        let gone = directory.path().join("gone");
        assert!(matches!(Settings::read(Some(&gone)), Err(SettingsError::Read { .. })));
    }
}
