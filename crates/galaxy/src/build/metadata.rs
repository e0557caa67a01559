//! `galaxy.yml`: who and what a collection is.

use std::path::Path;

use serde_json::{Map, Value as Json, json};

use crate::document::{self, text, text_of};
use crate::skeleton::is_name;
use crate::{Error, Result, Version};

/// What `galaxy.yml` says.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) version: Version,
    pub(crate) readme: String,
    pub(crate) license_file: Option<String>,
    pub(crate) build_ignore: Vec<String>,
    pub(crate) manifest: Option<Manifest>,
    all: Json,
}

/// `manifest:`, which files belong to the archive.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    pub(crate) directives: Vec<String>,
    pub(crate) omit_defaults: bool,
}

const TEXTS: [&str; 9] = [
    "namespace",
    "name",
    "version",
    "readme",
    "description",
    "repository",
    "documentation",
    "homepage",
    "issues",
];
const LISTS: [&str; 4] = ["authors", "license", "tags", "build_ignore"];

impl Metadata {
    /// Reads the one of a directory.
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let files = ["galaxy.yml", "galaxy.yaml"].map(|name| directory.join(name));
        let path = files.iter().find(|path| path.is_file()).ok_or_else(|| {
            Error::failed(format!(
                "The collection galaxy.yml path '{}' does not exist.",
                files[0].display()
            ))
        })?;
        Self::of(document::read(path)?, path)
    }

    fn of(all: Json, path: &Path) -> Result<Self> {
        let refuse = |why: String| {
            Error::failed(format!("The collection galaxy.yml at '{}' {why}", path.display()))
        };
        let map = all.as_object().ok_or_else(|| refuse("is no mapping".to_owned()))?;
        let mut missing: Vec<&str> = ["namespace", "name", "version", "readme", "authors"]
            .into_iter()
            .filter(|key| map.get(*key).is_none_or(Json::is_null))
            .collect();
        missing.sort_unstable();
        if !missing.is_empty() {
            return Err(refuse(format!(
                "is missing the following mandatory keys: {}",
                missing.join(", ")
            )));
        }
        let get = |key: &str| text_of(&all, key).unwrap_or_default();
        for key in ["namespace", "name"] {
            if !is_name(&get(key)) || get(key) != get(key).to_lowercase() {
                return Err(refuse(format!(
                    "has an invalid {key} '{}': it takes lower-case letters, digits and underscores",
                    get(key)
                )));
            }
        }
        let version = get("version")
            .parse()
            .map_err(|why: String| refuse(format!("has an invalid version: {why}")))?;
        if !list(map.get("build_ignore")).is_empty() && map.contains_key("manifest") {
            return Err(refuse(
                "has both build_ignore and manifest, which exclude each other".to_owned(),
            ));
        }
        let manifest = match map.get("manifest") {
            None => None,
            Some(Json::Null) => Some(Manifest::default()),
            Some(Json::Object(manifest)) => Some(Manifest {
                directives: list(manifest.get("directives")),
                omit_defaults: manifest
                    .get("omit_default_directives")
                    .and_then(Json::as_bool)
                    .unwrap_or(false),
            }),
            Some(_) => return Err(refuse("has a manifest that is no mapping".to_owned())),
        };
        if manifest
            .as_ref()
            .is_some_and(|manifest| manifest.omit_defaults && manifest.directives.is_empty())
        {
            return Err(Error::failed(
                "'manifest.omit_default_directives' was set to True, but no directives were defined in 'manifest.directives'. This would produce an empty collection artifact.",
            ));
        }
        Ok(Self {
            namespace: get("namespace"),
            name: get("name"),
            version,
            readme: get("readme"),
            license_file: text_of(&all, "license_file"),
            build_ignore: list(map.get("build_ignore")),
            manifest,
            all,
        })
    }

    /// What the manifest says about the collection.
    pub(crate) fn info(&self) -> Json {
        let order = [
            "namespace",
            "name",
            "version",
            "authors",
            "readme",
            "tags",
            "description",
            "license",
            "license_file",
            "dependencies",
            "repository",
            "documentation",
            "homepage",
            "issues",
        ];
        let value = |key: &str| match key {
            key if LISTS.contains(&key) => json!(list(self.all.get(key))),
            key if TEXTS.contains(&key) || key == "license_file" => json!(text_of(&self.all, key)),
            key => self
                .all
                .get(key)
                .filter(|value| value.is_object())
                .cloned()
                .unwrap_or_else(|| json!({})),
        };
        Json::Object(order.iter().map(|key| ((*key).to_owned(), value(key))).collect::<Map<_, _>>())
    }
}

/// A list of texts; one text is a list of it.
fn list(value: Option<&Json>) -> Vec<String> {
    match value {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(items)) => items.iter().map(text).collect(),
        Some(one) => vec![text(one)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_metadata_is_refused() {
        let good = json!({"namespace": "a", "name": "b", "version": "1.0.0", "readme": "R", "authors": ["x"]});
        assert!(Metadata::of(good.clone(), Path::new("galaxy.yml")).is_ok());
        for (key, value, expected) in [
            ("namespace", json!("A-b"), "invalid namespace"),
            ("name", json!("../x"), "invalid name"),
            ("version", json!("1"), "invalid version"),
            ("readme", Json::Null, "mandatory keys: readme"),
            ("manifest", json!([]), "no mapping"),
            ("manifest", json!({"omit_default_directives": true}), "empty collection"),
        ] {
            let mut bad = good.clone();
            bad[key] = value;
            let error = Metadata::of(bad, Path::new("galaxy.yml")).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
