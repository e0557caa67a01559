//! What is set: each setting from the environment, else the configuration file, else its default; with where it came from.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::definition::{self, Definition, Kind};
use super::{ConfigFile, Environment};
use crate::error::CliError;
use crate::job::place;

/// The environment and the configuration file of a run.
#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    environment: Environment,
    pub(crate) file: Option<ConfigFile>,
    /// What relative paths of the environment are relative to.
    base: PathBuf,
    /// What absolute paths are below; see [`place`].
    root: PathBuf,
}

/// A setting's value, and who set it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setting {
    pub(crate) value: Json,
    pub(crate) origin: Origin,
}

/// Who set something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    Environment(String),
    File { path: PathBuf, line: usize },
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment(name) => write!(f, "env: {name}"),
            Self::File { path, .. } => write!(f, "{}", path.display()),
        }
    }
}

impl Configuration {
    pub(crate) fn new(
        environment: &Environment,
        file: Option<ConfigFile>,
        base: &Path,
        root: &Path,
    ) -> Self {
        let (base, root) = (base.to_owned(), root.to_owned());
        Self { environment: environment.clone(), file, base, root }
    }

    /// The text of a setting where somebody set it.
    fn find(&self, wanted: &Definition) -> Option<(&str, Origin)> {
        for variable in &wanted.environment {
            let own = variable.strip_prefix("ANSIBLE_").map(|rest| format!("MUSTER_{rest}"));
            for name in own.into_iter().chain([(*variable).to_owned()]) {
                if let Some(text) = self.environment.get(&name).filter(|text| !text.is_empty()) {
                    return Some((text, Origin::Environment(name)));
                }
            }
        }
        let file = self.file.as_ref()?;
        let entry = wanted.ini.iter().find_map(|(section, key)| file.get(section, key))?;
        Some((&entry.text, Origin::File { path: file.path.clone(), line: entry.line }))
    }

    /// A setting's value.
    pub(crate) fn get(&self, wanted: &Definition) -> Result<Setting, CliError> {
        let (text, origin) = match self.find(wanted) {
            Some((text, origin)) => (text.to_owned(), origin),
            None => match wanted.default {
                Some(text) => (self.with_home(text), Origin::Default),
                None => return Ok(Setting { value: Json::Null, origin: Origin::Default }),
            },
        };
        let refuse = |why: String| {
            let line = match &origin {
                Origin::File { line, .. } => format!(" (line {line})"),
                _ => String::new(),
            };
            CliError::options(format!("{why}{line}"))
        };
        let value = self.read(wanted.kind, &text, &origin).ok_or_else(|| {
            refuse(format!(
                "Config {} from '{origin}' has an invalid value: Invalid value provided for '{}': '{text}'",
                wanted.label(),
                wanted.kind.word()
            ))
        })?;
        let is_chosen = |value: &Json| match value {
            Json::String(text) => wanted.choices.contains(&text.as_str()),
            _ => true,
        };
        let chosen = match &value {
            Json::Array(items) => items.iter().all(is_chosen),
            value => is_chosen(value),
        };
        if !wanted.choices.is_empty() && !chosen {
            return Err(refuse(format!(
                "Invalid value '{text}' for config {}. Valid values are: {} [from '{origin}']",
                wanted.label(),
                wanted.choices.join(", ")
            )));
        }
        Ok(Setting { value, origin })
    }

    fn with_home(&self, text: &str) -> String {
        if !text.contains("{{ANSIBLE_HOME}}") {
            return text.to_owned();
        }
        let home = self.path("ANSIBLE_HOME").ok().flatten().unwrap_or_default();
        text.replace("{{ANSIBLE_HOME}}", &home.to_string_lossy())
    }

    fn read(&self, kind: Kind, text: &str, origin: &Origin) -> Option<Json> {
        let is_default = *origin == Origin::Default;
        if text == "None" && kind != Kind::List {
            return Some(Json::Null);
        }
        Some(match kind {
            Kind::Any | Kind::Text => json!(unquoted(text)),
            Kind::Bool => json!(truth(text)),
            Kind::Int => json!(whole_number(unquoted(text.trim()))?),
            Kind::Float => json!(unquoted(text.trim()).parse::<f64>().ok()?),
            Kind::List if is_default => {
                let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
                let parts = inner.unwrap_or(text).split(", ").filter(|part| !part.is_empty());
                json!(parts.map(|part| part.trim_matches('"')).collect::<Vec<_>>())
            }
            Kind::List => {
                json!(text.split(',').map(|part| unquoted(part.trim())).collect::<Vec<_>>())
            }
            Kind::Path => json!(self.place(text, origin).to_string_lossy()),
            Kind::PathSpec | Kind::PathList => {
                let (comma, text) = (kind == Kind::PathList, text.trim_matches(['[', ']']));
                let parts = text.split(if comma { ',' } else { ':' }).map(str::trim);
                let paths =
                    parts.filter(|part| !part.is_empty()).map(|part| self.place(part, origin));
                json!(paths.map(|path| path.to_string_lossy().into_owned()).collect::<Vec<_>>())
            }
            Kind::Dict => serde_json::from_str(text).ok().filter(Json::is_object)?,
        })
    }

    /// A path as it is meant where it is written: `~`, `$NAME`, `{{CWD}}`, and relative ones from the file's directory.
    fn place(&self, text: &str, origin: &Origin) -> PathBuf {
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let text = self.with_variables(unquoted(text.trim()));
        let text = text.replace("{{CWD}}", &absolute(self.base.join(".")).to_string_lossy());
        let home = self.environment.get("HOME");
        let rest = text.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
        if let (Some(rest), Some(home)) = (rest, home) {
            return Path::new(home).join(rest.trim_start_matches('/'));
        }
        let directory = match origin {
            Origin::File { path, .. } => path.parent().unwrap_or(Path::new("")),
            _ => &self.base,
        };
        absolute(place(&self.root, directory, Path::new(&text)))
    }

    /// `$NAME` and `${NAME}` with their values; unknown names stay.
    fn with_variables(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let (name, length) = match after.strip_prefix('{').and_then(|text| text.split_once('}'))
            {
                Some((name, _)) => (name, name.len() + 2),
                None => {
                    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
                    (&after[..end], end)
                }
            };
            match self.environment.get(name) {
                Some(value) => out.push_str(value),
                None => out.push_str(&rest[at..=at + length]),
            }
            rest = &after[length..];
        }
        out + rest
    }

    fn named(&self, name: &str) -> Result<Setting, CliError> {
        self.get(definition::definition(None, name).expect("the name is in the table"))
    }

    /// Whether somebody set it.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        definition::definition(None, name).is_some_and(|known| self.find(known).is_some())
    }

    /// A setting that is on or off.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, CliError> {
        Ok(self.named(name)?.value.as_bool().unwrap_or_default())
    }

    /// A whole number, when there is one.
    pub(crate) fn number<N: TryFrom<i64>>(&self, name: &str) -> Result<Option<N>, CliError> {
        let setting = self.named(name)?;
        let Some(number) = setting.value.as_i64() else { return Ok(None) };
        match N::try_from(number) {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(CliError::options(format!(
                "Config '{name}' from '{}' has an invalid value: {number} is out of range",
                setting.origin
            ))),
        }
    }

    /// A text, when there is one that is not empty.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, CliError> {
        Ok(match self.named(name)?.value {
            Json::String(text) if !text.is_empty() => Some(text),
            _ => None,
        })
    }

    pub(crate) fn path(&self, name: &str) -> Result<Option<PathBuf>, CliError> {
        Ok(self.text(name)?.map(PathBuf::from))
    }

    pub(crate) fn list(&self, name: &str) -> Result<Vec<String>, CliError> {
        Ok(texts(&self.named(name)?.value))
    }

    pub(crate) fn paths(&self, name: &str) -> Result<Vec<PathBuf>, CliError> {
        Ok(self.list(name)?.into_iter().map(PathBuf::from).collect())
    }

    /// An option of a plugin, as text.
    pub(crate) fn plugin_text(
        &self,
        plugin: (&str, &str),
        name: &str,
    ) -> Result<Option<String>, CliError> {
        let known = definition::definition(Some(plugin), name).expect("the name is in the table");
        Ok(match self.get(known)?.value {
            Json::String(text) if !text.is_empty() => Some(text),
            Json::Bool(flag) => Some(flag.to_string()),
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        })
    }

    /// An option of a plugin that is on or off.
    pub(crate) fn plugin_flag(&self, plugin: (&str, &str), name: &str) -> Result<bool, CliError> {
        Ok(self.plugin_text(plugin, name)?.is_some_and(|text| text == "true"))
    }

    /// An option of a plugin that is a list.
    pub(crate) fn plugin_list(
        &self,
        plugin: (&str, &str),
        name: &str,
    ) -> Result<Vec<String>, CliError> {
        let known = definition::definition(Some(plugin), name).expect("the name is in the table");
        Ok(texts(&self.get(known)?.value))
    }

    /// Inventory sources; a list of hosts (`a,b,`) in the environment stays one.
    pub(crate) fn sources(&self, name: &str) -> Result<Vec<String>, CliError> {
        let known = definition::definition(None, name).expect("the name is in the table");
        match self.find(known) {
            Some((text, _)) if text.trim().ends_with(',') => Ok(vec![text.trim().to_owned()]),
            Some(_) => self.list(name),
            None => Ok(Vec::new()),
        }
    }

    /// Refuses what no setting can be; warns of what is no setting.
    pub(crate) fn check(&self) -> Result<Vec<String>, CliError> {
        for known in definition::general() {
            self.get(known)?;
        }
        let unknown = self.unknown_keys().into_iter().map(|(section, key, line)| {
            let place = self.file.as_ref().map(|file| file.path.display().to_string());
            let keys = definition::definitions().iter().flat_map(|known| &known.ini);
            let keys = keys.filter(|(known, _)| *known == section).map(|(_, key)| *key);
            format!(
                "{}:{line}: there is no setting `{key}` in [{section}]{}",
                place.unwrap_or_default(),
                hint(&key, keys)
            )
        });
        let strange = self.environment.keys().filter(|name| self.is_misspelt(name)).map(|name| {
            let known = definition::definitions().iter().flat_map(|known| known.environment.iter());
            format!("there is no setting `{name}`{}", hint(name, known.copied()))
        });
        Ok(unknown.chain(strange).collect())
    }

    /// Keys of the file that no setting has, in sections that are Ansible's.
    pub(crate) fn unknown_keys(&self) -> Vec<(String, String, usize)> {
        let all = definition::definitions();
        let is_section = |name: &str| {
            all.iter().any(|known| known.ini.iter().any(|(section, _)| *section == name))
        };
        let is_known =
            |section: &str, key: &str| all.iter().any(|known| known.ini.contains(&(section, key)));
        let Some(file) = &self.file else { return Vec::new() };
        let entries = file
            .entries()
            .filter(|(section, key, _)| is_section(section) && !is_known(section, key));
        let mut found: Vec<_> = entries
            .map(|(section, key, line)| (section.to_owned(), key.to_owned(), line))
            .collect();
        found.sort_by_key(|(_, _, line)| *line);
        found
    }

    /// Sections of the file that are not Ansible's, with the line of their first entry.
    pub(crate) fn unknown_sections(&self) -> Vec<(String, usize)> {
        let all = definition::definitions();
        let is_known = |name: &str| {
            name.starts_with("galaxy_server.")
                || all.iter().any(|known| known.ini.iter().any(|(section, _)| *section == name))
        };
        let mut found: Vec<(String, usize)> = Vec::new();
        for (section, _, line) in self.file.iter().flat_map(ConfigFile::entries) {
            match found.iter_mut().find(|(known, _)| known == section) {
                Some((_, first)) => *first = line.min(*first),
                None if !is_known(section) => found.push((section.to_owned(), line)),
                None => {}
            }
        }
        found
    }

    /// An option of one Galaxy server: `ANSIBLE_GALAXY_SERVER_NAME_OPTION`, or `[galaxy_server.NAME]`.
    pub(crate) fn galaxy_option(&self, server: &str, name: &str) -> Option<(&str, Origin)> {
        let variable =
            format!("ANSIBLE_GALAXY_SERVER_{}_{}", server.to_uppercase(), name.to_uppercase());
        if let Some(text) = self.environment.get(&variable) {
            return Some((text, Origin::Environment(variable)));
        }
        let file = self.file.as_ref()?;
        let entry = file.get(&format!("galaxy_server.{server}"), name)?;
        Some((&entry.text, Origin::File { path: file.path.clone(), line: entry.line }))
    }

    /// `ANSIBLE_…` in the environment that no setting has; people have such variables of their own.
    pub(crate) fn unknown_variables(&self) -> Vec<&str> {
        let all = definition::definitions();
        let is_known = |name: &str| all.iter().any(|known| known.environment.contains(&name));
        let names = self.environment.keys().map(String::as_str);
        names.filter(|name| name.starts_with("ANSIBLE_") && !is_known(name)).collect()
    }

    /// So near to a setting's name that another variable is unlikely to be meant.
    fn is_misspelt(&self, name: &str) -> bool {
        name.starts_with("ANSIBLE_")
            && self.unknown_variables().contains(&name)
            && definition::definitions()
                .iter()
                .flat_map(|known| &known.environment)
                .any(|known| strsim::osa_distance(name, known) <= 2)
    }
}

impl jinja::Configuration for Configuration {
    fn has_plugin(&self, kind: &str, name: &str) -> bool {
        definition::plugins().any(|known| known == (kind, name))
    }

    fn setting(
        &self,
        plugin: Option<(&str, &str)>,
        name: &str,
        variable: &dyn Fn(&str) -> Option<jinja::Value>,
    ) -> Result<Option<(jinja::Value, String)>, String> {
        let Some(known) = definition::definition(plugin, name) else { return Ok(None) };
        // The last variable that is there wins, as in Ansible.
        let from_variable =
            known.variables.iter().rev().find_map(|name| Some((name, variable(name)?)));
        if let Some((name, value)) = from_variable {
            return Ok(Some((value, format!("var: {name}"))));
        }
        let setting = self.get(known).map_err(|error| error.render(yaml::Style::Plain))?;
        Ok(Some((jinja::Value::from_json(setting.value), setting.origin.to_string())))
    }
}

fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near = known
        .map(|known| (strsim::osa_distance(name, known), known))
        .filter(|(distance, _)| *distance <= 3)
        .min();
    near.map_or_else(String::new, |(_, near)| format!("; did you mean `{near}`?"))
}

/// The texts of a list.
fn texts(value: &Json) -> Vec<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item.as_str().map(ToOwned::to_owned)).collect()
}

/// Without the quotes around it.
fn unquoted(text: &str) -> &str {
    let inner = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

/// What Ansible takes for true; anything else is false.
fn truth(text: &str) -> bool {
    matches!(unquoted(text.trim()).to_lowercase().as_str(), "1" | "yes" | "y" | "true" | "t" | "on")
}

fn whole_number(text: &str) -> Option<i64> {
    let fraction = || text.parse::<f64>().ok().filter(|number| number.fract() == 0.0);
    #[expect(clippy::cast_possible_truncation, reason = "a setting of 2^63 is none")]
    text.parse().ok().or_else(|| fraction().map(|number| number as i64))
}
