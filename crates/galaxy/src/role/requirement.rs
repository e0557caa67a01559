//! What asks for a role: words of the command line, entries of requirements files and of `meta/main.yml`.

use std::path::Path;

use serde_json::Value as Json;

use crate::document::{self, text_of};
use crate::{Error, Result, Scm};

/// How deep requirements files may include each other.
const DEPTH: usize = 20;

/// One role that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The name that it gets here.
    pub name: String,
    /// Where it comes from: a file, an address, a repository, or a name on the server.
    pub source: String,
    /// Which version.
    pub version: Option<String>,
    /// What kind of repository the source is.
    pub scm: Option<Scm>,
}

impl Requirement {
    /// Reads `source[,version[,name]]`.
    pub fn of_word(word: &str) -> Result<Self> {
        let parts: Vec<&str> = word.split(',').map(str::trim).collect();
        let (source, version, name) = match parts[..] {
            [source] => (source, None, None),
            [source, version] => (source, Some(version), None),
            [source, version, name] => (source, Some(version), Some(name)),
            _ => {
                return Err(Error::failed(format!(
                    "Invalid role line ({word}). Proper format is 'role_name[,version[,name]]'"
                )));
            }
        };
        Ok(Self::new(source, version, name, None))
    }

    /// Reads an entry of a requirements file.
    pub fn of_entry(entry: &Json) -> Result<Self> {
        match entry {
            Json::String(word) => Self::of_word(word),
            Json::Object(_) => {
                let get = |key| text_of(entry, key);
                let role = get("role").or_else(|| get("name"));
                if let Some(role) = role.as_ref().filter(|_| get("src").is_none()) {
                    let mut read = Self::of_word(role)?;
                    read.version = get("version").or(read.version);
                    return Ok(read);
                }
                let source =
                    get("src").ok_or_else(|| Error::failed("Must specify name or src for role"))?;
                let scm = match get("scm") {
                    None => None,
                    Some(word) => Some(Scm::of(&word).ok_or_else(|| {
                        Error::failed(format!("- scm {word} is not currently supported"))
                    })?),
                };
                Ok(Self::new(&source, get("version").as_deref(), get("name").as_deref(), scm))
            }
            other => Err(Error::failed(format!("a role is a name or a mapping, not {other}"))),
        }
    }

    fn new(source: &str, version: Option<&str>, name: Option<&str>, scm: Option<Scm>) -> Self {
        let prefixed = source.split_once('+').and_then(|(word, rest)| Some((Scm::of(word)?, rest)));
        let is_github = source.contains("github.com")
            && source.starts_with("http")
            && !source.ends_with(".tar.gz");
        let (scm, source) = match (scm, prefixed) {
            (_, Some((scm, rest))) => (Some(scm), rest),
            (None, None) if is_github => (Some(Scm::Git), source),
            (scm, None) => (scm, source),
        };
        let given = |text: &&str| !text.is_empty();
        Self {
            name: name.filter(given).map_or_else(|| name_of(source), ToOwned::to_owned),
            source: source.to_owned(),
            version: version.filter(given).map(ToOwned::to_owned),
            scm,
        }
    }

    /// The name, with the version when one is known.
    pub fn label(&self) -> String {
        match &self.version {
            Some(version) => format!("{} ({version})", self.name),
            None => self.name.clone(),
        }
    }
}

/// The name of the role in a repository or an archive.
fn name_of(source: &str) -> String {
    let last = source.trim_end_matches('/').rsplit('/').next().unwrap_or(source);
    // git@host:role.git
    let last = if source.contains('@') { last.rsplit(':').next().unwrap_or(last) } else { last };
    let last = last.strip_suffix(".git").unwrap_or(last);
    last.strip_suffix(".tar.gz").unwrap_or(last).to_owned()
}

/// Collections that a requirements file asks for, as they stand there. A plain list is one of collections here.
pub fn collections_of(path: &Path) -> Result<Vec<Json>> {
    if !path.is_file() {
        return Err(Error::failed(format!(
            "The requirements file '{}' does not exist.",
            path.display()
        )));
    }
    match document::read(path)? {
        Json::Array(entries) => Ok(entries),
        _ => Ok(requirements(path)?.1),
    }
}

/// Roles and collections that a requirements file asks for; collections as they stand there.
pub fn requirements(path: &Path) -> Result<(Vec<Requirement>, Vec<Json>)> {
    let mut roles = Vec::new();
    let mut collections = Vec::new();
    read_into(path, DEPTH, &mut roles, &mut collections)?;
    Ok((roles, collections))
}

fn read_into(
    path: &Path,
    depth: usize,
    roles: &mut Vec<Requirement>,
    collections: &mut Vec<Json>,
) -> Result<()> {
    if !path.exists() {
        return Err(Error::failed(format!(
            "The requirements file '{}' does not exist.",
            path.display()
        )));
    }
    if depth == 0 {
        return Err(Error::failed(format!(
            "{}: requirements files include each other without end",
            path.display()
        )));
    }
    let entries = match document::read(path)? {
        Json::Null => {
            return Err(Error::failed(format!(
                "No requirements found in file '{}'",
                path.display()
            )));
        }
        Json::Array(entries) => entries,
        Json::Object(mut map) => {
            if let Some(extra) =
                map.keys().find(|key| !matches!(key.as_str(), "roles" | "collections"))
            {
                return Err(Error::failed(format!(
                    "Expecting only 'roles' and/or 'collections' as base keys in the requirements file. Found: {extra}"
                )));
            }
            let mut take = |key: &str| match map.remove(key) {
                Some(Json::Array(items)) => Ok(items),
                None | Some(Json::Null) => Ok(Vec::new()),
                Some(_) => {
                    Err(Error::failed(format!("{}: '{key}' must be a list", path.display())))
                }
            };
            collections.append(&mut take("collections")?);
            take("roles")?
        }
        _ => {
            return Err(Error::failed(format!(
                "{}: a requirements file is a list, or a mapping of 'roles' and 'collections'",
                path.display()
            )));
        }
    };
    for entry in &entries {
        let Some(include) = entry.get("include") else {
            roles.push(Requirement::of_entry(entry)?);
            continue;
        };
        let include = document::text(include);
        let other = path.parent().unwrap_or(Path::new("")).join(&include);
        if !other.is_file() {
            return Err(Error::failed(format!(
                "Failed to find include requirements file '{include}' in '{}'",
                path.display()
            )));
        }
        read_into(&other, depth - 1, roles, collections)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_are_taken_apart() {
        for (word, name, source, version, scm) in [
            ("foo.tar", "foo.tar", "foo.tar", None, None),
            ("geerlingguy.nginx,1.0", "geerlingguy.nginx", "geerlingguy.nginx", Some("1.0"), None),
            ("git+file:///x/g.git,v1,mine", "mine", "file:///x/g.git", Some("v1"), Some(Scm::Git)),
            ("git+git@host:me/role.git", "role", "git@host:me/role.git", None, Some(Scm::Git)),
            ("https://github.com/a/b", "b", "https://github.com/a/b", None, Some(Scm::Git)),
            ("https://x.org/b.tar.gz", "b", "https://x.org/b.tar.gz", None, None),
        ] {
            let read = Requirement::of_word(word).unwrap();
            let expected = Requirement {
                name: name.into(),
                source: source.into(),
                version: version.map(Into::into),
                scm,
            };
            assert_eq!(read, expected, "{word}");
        }
        assert!(Requirement::of_word("a,b,c,d").is_err());
    }

    #[test]
    fn entries_are_words_or_mappings() {
        let read =
            Requirement::of_entry(&json!({"src": "git@h:x.git", "scm": "git", "version": "v2"}))
                .unwrap();
        assert_eq!(
            (read.name.as_str(), read.scm, read.label()),
            ("x", Some(Scm::Git), "x (v2)".into())
        );
        let read = Requirement::of_entry(&json!({"role": "a.b", "version": 1.5})).unwrap();
        assert_eq!((read.source.as_str(), read.version.as_deref()), ("a.b", Some("1.5")));
        for bad in [json!(3), json!({}), json!({"src": "x", "scm": "svn"})] {
            assert!(Requirement::of_entry(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn files_that_include_themselves_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("r.yml");
        std::fs::write(&path, "- include: r.yml\n").unwrap();
        assert!(requirements(&path).unwrap_err().to_string().contains("without end"));
        for (text, expected) in [
            ("", "No requirements found"),
            ("3", "is a list"),
            ("rolls: []", "base keys"),
            ("roles: 3", "must be a list"),
            ("- include: no.yml", "Failed to find"),
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(requirements(&path).unwrap_err().to_string().contains(expected), "{text}");
        }
    }
}
