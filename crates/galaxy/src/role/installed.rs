//! Roles that are there: their directories, metadata, and what was noted when they were installed.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::document::{self, text_of};
use crate::{Error, Requirement, Result};

/// Where the note about the installation stands.
const NOTE: &str = "meta/.galaxy_install_info";

/// A role's directory.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The role's name.
    pub name: String,
    /// Its directory.
    pub path: PathBuf,
}

impl Installed {
    /// The role in the first of the directories that has it.
    pub fn find(name: &str, roots: &[PathBuf]) -> Option<Self> {
        let is_plain =
            crate::archive::normal(Path::new(name)).is_some_and(|path| path == Path::new(name));
        let mut paths =
            roots.iter().map(|root| root.join(name)).filter(|_| is_plain && !name.is_empty());
        let path = paths.find(|path| path.is_dir())?;
        Some(Self { name: name.to_owned(), path })
    }

    /// All roles of one directory, by name.
    pub fn all(root: &Path) -> Result<Vec<Self>> {
        let entries = std::fs::read_dir(root).map_err(|error| Error::io("read", root, &error))?;
        let mut found: Vec<Self> = entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let name = path.file_name()?.to_str()?.to_owned();
                Some(Self { name, path }).filter(|role| role.meta_path().is_some())
            })
            .collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    fn meta_path(&self) -> Option<PathBuf> {
        let files = ["meta/main.yml", "meta/main.yaml"];
        files.iter().map(|file| self.path.join(file)).find(|path| path.is_file())
    }

    /// `meta/main.yml`, null when it is empty or there is none.
    pub fn meta(&self) -> Result<Json> {
        self.meta_path().map_or(Ok(Json::Null), |path| document::read(&path))
    }

    /// What was noted when it was installed.
    pub fn note(&self) -> Json {
        let path = self.path.join(NOTE);
        if path.is_file() { document::read(&path).unwrap_or_default() } else { Json::Null }
    }

    /// The version that was installed, when it is known.
    pub fn version(&self) -> Option<String> {
        text_of(&self.note(), "version")
    }

    /// The roles that it needs: of `meta/requirements.yml`, else of `meta/main.yml`.
    pub(super) fn needs(&self) -> Result<Option<Vec<Requirement>>> {
        let own = ["meta/requirements.yml", "meta/requirements.yaml"];
        let own = own.iter().map(|file| self.path.join(file)).find(|path| path.is_file());
        let list = match own {
            Some(path) => document::read(&path)?,
            None => match self.meta()? {
                Json::Null => return Ok(None),
                meta => meta.get("dependencies").cloned().unwrap_or_default(),
            },
        };
        match list {
            Json::Null => Ok(Some(Vec::new())),
            Json::Array(entries) => {
                entries.iter().map(Requirement::of_entry).collect::<Result<_>>().map(Some)
            }
            other => Err(Error::failed(format!(
                "Expected role dependencies to be a list. Role {} has meta/dependencies {other}",
                self.name
            ))),
        }
    }
}

/// Notes the installation in a role's directory.
pub(super) fn write_note(directory: &Path, version: Option<&str>) -> Result<()> {
    let path = directory.join(NOTE);
    let fail = |error: std::io::Error| Error::io("write", &path, &error);
    std::fs::create_dir_all(directory.join("meta")).map_err(fail)?;
    let date = jiff::Timestamp::now().strftime("%a %b %d %H:%M:%S %Y");
    let version =
        version.map_or_else(|| "null".to_owned(), |version| Json::from(version).to_string());
    // A link of the archive's is not followed.
    let _ = std::fs::remove_file(&path);
    let text = format!("install_date: {date}\nversion: {}\n", version.trim_matches('"'));
    std::fs::write(&path, text).map_err(fail)
}
