//! One setting: found in the environment or the configuration file, and read as what it should be.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{ConfigFile, Environment};
use crate::error::CliError;
use crate::job::place;

/// The names of a setting: variables of the environment (first ones first), then section and key of the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    pub(crate) section: &'static str,
    pub(crate) key: &'static str,
    pub(crate) environment: &'static [&'static str],
}

/// Where settings are found.
pub(crate) struct Lookup<'a> {
    environment: &'a Environment,
    config: Option<&'a ConfigFile>,
    base: &'a Path,
    root: &'a Path,
}

struct Found<'a> {
    text: &'a str,
    /// Where it is written, for messages.
    place: String,
    /// What relative paths are relative to.
    directory: &'a Path,
}

impl<'a> Lookup<'a> {
    pub(crate) fn new(
        environment: &'a Environment,
        config: Option<&'a ConfigFile>,
        base: &'a Path,
        root: &'a Path,
    ) -> Self {
        Self { environment, config, base, root }
    }

    fn find(&self, name: Name) -> Option<Found<'a>> {
        for variable in name.environment {
            if let Some(text) = self.environment.get(*variable).filter(|text| !text.is_empty()) {
                let place = (*variable).to_owned();
                return Some(Found { text, place, directory: self.base });
            }
        }
        let config = self.config?;
        let entry = config.get(name.section, name.key)?;
        let place = format!("{}:{}: {}", config.path.display(), entry.line, name.key);
        Some(Found { text: &entry.text, place, directory: config.directory() })
    }

    pub(crate) fn text(&self, name: Name) -> Option<String> {
        self.find(name).map(|found| found.text.to_owned()).filter(|text| !text.is_empty())
    }

    pub(crate) fn number<N: FromStr>(&self, name: Name) -> Result<Option<N>, CliError> {
        self.find(name)
            .map(|found| found.text.trim().parse().map_err(|_| found.is_not("a whole number")))
            .transpose()
    }

    pub(crate) fn flag(&self, name: Name, default: bool) -> Result<bool, CliError> {
        let Some(found) = self.find(name) else { return Ok(default) };
        match found.text.trim().to_lowercase().as_str() {
            "1" | "yes" | "y" | "true" | "t" | "on" => Ok(true),
            "0" | "no" | "n" | "false" | "f" | "off" => Ok(false),
            _ => Err(found.is_not("true or false")),
        }
    }

    pub(crate) fn choice<T: Copy>(
        &self,
        name: Name,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, CliError> {
        let Some(found) = self.find(name) else { return Ok(None) };
        let wanted = found.text.trim().to_lowercase();
        match choices.iter().find(|(word, _)| *word == wanted) {
            Some((_, choice)) => Ok(Some(*choice)),
            None => {
                let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                Err(found.is_not(&format!("one of {}", words.join(", "))))
            }
        }
    }

    pub(crate) fn path(&self, name: Name) -> Option<PathBuf> {
        let found = self.find(name)?;
        Some(self.place(found.text, found.directory))
    }

    /// A list of directories with colons between.
    pub(crate) fn paths(&self, name: Name, default: &str) -> Vec<PathBuf> {
        let (text, directory) = match self.find(name) {
            Some(found) => (found.text, found.directory),
            None => (default, self.base),
        };
        let parts = text.split(':').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| self.place(part, directory)).collect()
    }

    /// A list of words with commas between.
    pub(crate) fn words(&self, name: Name) -> Option<Vec<String>> {
        let parts = self.find(name)?.text.split(',').map(str::trim);
        Some(parts.filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect())
    }

    /// A list of inventory sources with commas between; a list of hosts (`a,b,`) in the environment stays one.
    pub(crate) fn sources(&self, name: Name) -> Option<Vec<String>> {
        let found = self.find(name)?;
        if found.text.trim().ends_with(',') {
            return Some(vec![found.text.trim().to_owned()]);
        }
        let parts = found.text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let place = |part| self.place(part, found.directory).to_string_lossy().into_owned();
        Some(parts.map(place).collect())
    }

    fn place(&self, text: &str, directory: &Path) -> PathBuf {
        let home = self.environment.get("HOME");
        match (text.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => Path::new(home).join(rest),
            _ => place(self.root, directory, Path::new(text)),
        }
    }
}

impl Found<'_> {
    fn is_not(&self, expected: &str) -> CliError {
        CliError::options(format!(
            "{} is `{}`, which is not {expected}",
            self.place,
            self.text.trim()
        ))
    }
}
