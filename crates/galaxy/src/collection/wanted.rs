//! What a person asks for: a collection by name and range of versions, or what a file, directory, address or repository
//! holds.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::document::{self, text_of};
use crate::skeleton::is_name;
use crate::{Error, Range, Result};

/// A collection, or several in one place, that is to be installed.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Where it is.
    pub(super) place: Place,
    /// As it was asked for.
    pub(super) text: String,
}

/// Where a collection is.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// On a server; `source`: only on the one with this name or address.
    Server { name: String, range: Range, source: Option<String> },
    /// An archive on this machine.
    Archive(PathBuf),
    /// Its source on this machine, or a directory of several.
    Directory(PathBuf),
    /// An archive at an address.
    Address(String),
    /// A repository, a directory in it, and a branch, tag or commit.
    Repository { url: String, inside: PathBuf, version: Option<String> },
}

impl Wanted {
    /// A word of the command line: a name with `:RANGE`, a path, an address, or a repository (`git+URL#/DIRECTORY,VERSION`).
    pub fn of_word(word: &str) -> Result<Self> {
        let is_repository = word.starts_with("git+") || word.starts_with("git@");
        if is_repository {
            let (url, version) = match word.split_once(',') {
                Some((url, version)) => (url, Some(version)),
                None => (word, None),
            };
            return Ok(Self::of_repository(word, url, version));
        }
        if Path::new(word).exists() || word.contains("://") {
            return Self::of_place(word, None);
        }
        let (name, range) = word.split_once(':').unwrap_or((word, "*"));
        Self::of_name(word, name, range, None)
    }

    /// An entry of a requirements file, in this directory.
    pub fn of_entry(entry: &Json, directory: &Path) -> Result<Self> {
        let Json::Object(map) = entry else {
            return Self::of_word(&document::text(entry));
        };
        if let Some(key) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(Error::failed(format!(
                "'{key}' means nothing in the requirement of a collection; there are {}",
                KEYS.join(", ")
            )));
        }
        let get = |key| text_of(entry, key);
        let name = get("name").or_else(|| get("source")).ok_or_else(|| {
            Error::failed("Collections requirement entry should contain the key 'name'")
        })?;
        let (version, kind) = (get("version"), get("type"));
        match kind.as_deref() {
            Some("git") => Ok(Self::of_repository(&name, &name, version.as_deref())),
            Some("file" | "dir" | "subdirs" | "url") => Self::of_place(&name, Some(directory)),
            None if name.starts_with("git+") || name.starts_with("git@") => {
                Ok(Self::of_repository(&name, &name, version.as_deref()))
            }
            None if name.contains("://") || directory.join(&name).exists() => {
                Self::of_place(&name, Some(directory))
            }
            None | Some("galaxy") => {
                Self::of_name(&name, &name, version.as_deref().unwrap_or("*"), get("source"))
            }
            Some(other) => Err(Error::failed(format!(
                "The collection requirement entry key 'type' must be one of file, galaxy, git, url, dir, or subdirs, not \
                 {other}"
            ))),
        }
    }

    fn of_name(text: &str, name: &str, range: &str, source: Option<String>) -> Result<Self> {
        let is_good =
            name.split_once('.').is_some_and(|(left, right)| is_name(left) && is_name(right));
        if !is_good {
            return Err(Error::failed(format!(
                "Neither the collection requirement entry key 'name', nor 'source' point to a concrete resolvable \
                 collection artifact. Also 'name' is not an FQCN. A valid collection name must be in the format \
                 <namespace>.<collection>. Please make sure that the namespace and the collection name contain \
                 characters from [a-zA-Z0-9_] only. (`{name}` was given)"
            )));
        }
        let range = range.parse().map_err(Error::failed)?;
        let place = Place::Server { name: name.to_owned(), range, source };
        Ok(Self { place, text: text.to_owned() })
    }

    fn of_place(text: &str, directory: Option<&Path>) -> Result<Self> {
        let local = text.strip_prefix("file://").unwrap_or(text);
        let path =
            directory.map_or_else(|| PathBuf::from(local), |directory| directory.join(local));
        let place = if path.is_dir() {
            Place::Directory(
                std::path::absolute(&path).map_err(|error| Error::io("find", &path, &error))?,
            )
        } else if path.is_file() {
            Place::Archive(path)
        } else if text.starts_with("http://") || text.starts_with("https://") {
            Place::Address(text.to_owned())
        } else {
            return Err(Error::failed(format!("the collection at '{text}' is not there")));
        };
        Ok(Self { place, text: text.to_owned() })
    }

    fn of_repository(text: &str, url: &str, version: Option<&str>) -> Self {
        let url = url.strip_prefix("git+").unwrap_or(url);
        let (url, inside) = url.split_once('#').unwrap_or((url, ""));
        let place = Place::Repository {
            url: url.to_owned(),
            inside: inside.trim_matches('/').into(),
            version: version.filter(|text| !matches!(*text, "" | "*")).map(ToOwned::to_owned),
        };
        Self { place, text: text.to_owned() }
    }
}

const KEYS: [&str; 5] = ["name", "version", "source", "type", "signatures"];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_are_names_places_and_repositories() {
        let there = tempfile::tempdir().unwrap();
        let place = |word: &str| Wanted::of_word(word).map(|wanted| wanted.place);
        assert!(matches!(place("a.b"), Ok(Place::Server { name, .. }) if name == "a.b"));
        assert!(matches!(place("a.b:>=1.0.0,<2.0.0"), Ok(Place::Server { .. })));
        assert!(matches!(place("https://x/y.tar.gz"), Ok(Place::Address(_))));
        assert!(matches!(place(&there.path().display().to_string()), Ok(Place::Directory(_))));
        let Ok(Place::Repository { url, inside, version }) =
            place("git+https://x/y.git#/in/side/,v1")
        else {
            panic!("a repository");
        };
        assert_eq!(
            (url.as_str(), inside.to_str(), version.as_deref()),
            ("https://x/y.git", Some("in/side"), Some("v1"))
        );
        for bad in ["a", "a.b.c", "a.b:x", "../a.b", "a.b:>=1.0.0 || 2.0.0"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn entries_are_words_or_mappings() {
        let entry = |entry: Json| Wanted::of_entry(&entry, Path::new("/nowhere"));
        assert!(entry(json!("a.b")).is_ok());
        assert!(entry(json!({"name": "a.b", "version": ">=1.0.0", "source": "mine"})).is_ok());
        assert!(
            entry(json!({"name": "https://x/y.git", "type": "git", "version": "main"})).is_ok()
        );
        for (bad, expected) in [
            (json!({"version": "1"}), "should contain the key 'name'"),
            (json!({"name": "a.b", "typ": "git"}), "'typ' means nothing"),
            (json!({"name": "a.b", "type": "svn"}), "must be one of"),
            (json!({"name": "x.tar.gz", "type": "file"}), "is not there"),
        ] {
            assert!(entry(bad).unwrap_err().to_string().contains(expected), "{expected}");
        }
    }
}
