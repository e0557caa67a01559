//! Collections that are installed: finding, checking and installing them from archives.

mod install;
mod release;
mod solve;
mod wanted;

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::document::text_of;
use crate::skeleton::is_name;
use crate::{Error, Range, Result, Version, archive, build};

pub use install::{Collections, How};
pub use wanted::Wanted;

/// An installed collection.
#[derive(Debug, Clone)]
pub struct Found {
    /// `namespace.name`
    pub name: String,
    /// Its version; `*` when nothing says it.
    pub version: String,
    /// Its directory.
    pub path: PathBuf,
}

/// The collections below a directory that has `ansible_collections`, by name.
pub fn find(root: &Path) -> Vec<Found> {
    let names = |directory: &Path| {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.retain(|name| is_name(name));
        names.sort();
        names
    };
    let root = root.join("ansible_collections");
    let mut found = Vec::new();
    for namespace in names(&root) {
        for name in names(&root.join(&namespace)) {
            let path = root.join(&namespace).join(&name);
            let of_manifest = || info(&path).ok().and_then(|info| text_of(&info, "version"));
            let of_source =
                || build::Metadata::read(&path).ok().map(|metadata| metadata.version.to_string());
            let version = of_manifest().or_else(of_source).unwrap_or_else(|| "*".to_owned());
            found.push(Found { name: format!("{namespace}.{name}"), version, path });
        }
    }
    found
}

fn json(path: &Path) -> Result<Json> {
    let text = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::failed(format!("{} is no valid JSON: {error}", path.display())))
}

/// What the manifest says about a collection.
fn info(directory: &Path) -> Result<Json> {
    let path = directory.join("MANIFEST.json");
    let manifest = json(&path)?;
    let info = manifest.get("collection_info").filter(|info| info.is_object()).cloned();
    info.ok_or_else(|| Error::failed(format!("{} has no collection_info", path.display())))
}

/// What checking a collection against its own manifest showed.
#[derive(Debug, Default)]
pub struct Verified {
    /// The hash of `MANIFEST.json`.
    pub manifest: String,
    /// Files that are not as they were.
    pub modified: Vec<String>,
}

/// Whether a file is there and has the sum that a manifest's entry says; an entry without one is not believed.
fn has_sum(path: &Path, entry: &Json) -> bool {
    text_of(entry, "chksum_sha256")
        .is_some_and(|sum| build::sha256(path).is_ok_and(|real| real == sum))
}

/// Checks a collection's files against its manifest.
pub fn verify(directory: &Path) -> Result<Verified> {
    let path = directory.join("MANIFEST.json");
    if !path.is_file() {
        return Err(Error::failed(format!(
            "Collection at '{}' does not have a MANIFEST.json: it was not installed from an archive",
            directory.display()
        )));
    }
    let hash = |path: &Path| build::sha256(path).map_err(|error| Error::io("read", path, &error));
    let manifest = json(&path)?;
    let mut verified = Verified { manifest: hash(&path)?, modified: Vec::new() };
    let list = manifest.get("file_manifest_file").cloned().unwrap_or_default();
    let name = text_of(&list, "name").unwrap_or_else(|| "FILES.json".to_owned());
    let file =
        directory.join(archive::normal(Path::new(&name)).unwrap_or_else(|| "FILES.json".into()));
    if !has_sum(&file, &list) {
        verified.modified.push(name);
        return Ok(verified);
    }
    for entry in json(&file)?.get("files").and_then(Json::as_array).into_iter().flatten() {
        let name = text_of(entry, "name").unwrap_or_default();
        let Some(place) = archive::normal(Path::new(&name)) else {
            return Err(Error::failed(format!(
                "{} names a file outside of the collection: {name}",
                file.display()
            )));
        };
        let path = directory.join(place);
        let is_good = match text_of(entry, "ftype").as_deref() {
            Some("dir") => path.is_dir(),
            _ => has_sum(&path, entry),
        };
        if !is_good {
            verified.modified.push(name);
        }
    }
    Ok(verified)
}

/// A version of a collection that could be installed, or is.
#[derive(Debug, Clone)]
struct Candidate {
    name: String,
    version: Version,
    dependencies: Vec<(String, Range)>,
}

impl Candidate {
    /// By the `collection_info` of a manifest, whose place is told.
    fn of(info: &Json, place: &str) -> Result<Self> {
        let get = |key| text_of(info, key).unwrap_or_default();
        let (namespace, name) = (get("namespace"), get("name"));
        if !is_name(&namespace) || !is_name(&name) {
            return Err(Error::failed(format!(
                "'{place}' says that it is '{namespace}.{name}', which is no name of a collection"
            )));
        }
        Ok(Self {
            name: format!("{namespace}.{name}"),
            version: get("version").parse().map_err(Error::failed)?,
            dependencies: dependencies(&info["dependencies"], place)?,
        })
    }
}

/// Names and ranges of what a collection depends on.
fn dependencies(map: &Json, place: &str) -> Result<Vec<(String, Range)>> {
    let entries = map.as_object().into_iter().flatten();
    entries
        .map(|(name, range)| {
            let range = range.as_str().unwrap_or("*");
            let range = range.parse().map_err(|why| {
                Error::failed(format!(
                    "'{place}' depends on {name} in a way that is not clear: {why}"
                ))
            })?;
            match name.split_once('.') {
                Some((namespace, short)) if is_name(namespace) && is_name(short) => {
                    Ok((name.clone(), range))
                }
                _ => Err(Error::failed(format!(
                    "'{place}' depends on '{name}', which is no name of a collection"
                ))),
            }
        })
        .collect()
}

/// What an archive says that it is, checked as far as one can before it is unpacked.
fn look(artifact: &Path) -> Result<Candidate> {
    let unreadable = |error: std::io::Error| {
        Error::failed(format!(
            "'{}' is no readable collection archive: {error}",
            artifact.display()
        ))
    };
    for entry in archive::open(artifact)?.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        if entry.path().map_err(unreadable)?.as_ref() != Path::new("MANIFEST.json") {
            continue;
        }
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut std::io::Read::take(&mut entry, 64 << 20), &mut text)
            .map_err(unreadable)?;
        let manifest: Json = serde_json::from_slice(&text).map_err(|error| {
            Error::failed(format!(
                "MANIFEST.json of '{}' is no valid JSON: {error}",
                artifact.display()
            ))
        })?;
        return Candidate::of(&manifest["collection_info"], &artifact.display().to_string());
    }
    Err(Error::failed(format!(
        "Collection at '{}' does not contain the required file MANIFEST.json.",
        artifact.display()
    )))
}

/// Installs an archive below a directory, once its files are as its manifest says. Nothing when the same version is there.
pub fn install_artifact(
    artifact: &Path,
    root: &Path,
    force: bool,
    talk: &dyn crate::Talk,
) -> Result<Option<Found>> {
    let Candidate { name, version, .. } = look(artifact)?;
    let version = version.to_string();
    let there = find(root).into_iter().find(|found| found.name == name);
    if there.is_some_and(|found| found.version == version) && !force {
        return Ok(None);
    }
    let path = root.join("ansible_collections").join(name.replace('.', "/"));
    talk.say(&format!("Installing '{name}:{version}' to '{}'", path.display()));
    archive::place(&path, |fresh| {
        archive::unpack(artifact, Path::new(""), fresh, "collection")?;
        let verified = verify(fresh)?;
        match verified.modified.first() {
            None => Ok(()),
            Some(file) => Err(Error::failed(format!(
                "Checksum mismatch for '{file}' in collection at '{}'",
                artifact.display()
            ))),
        }
    })?;
    talk.say(&format!("{name}:{version} was installed successfully"));
    Ok(Some(Found { name, version, path }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    use crate::{Talk, build, init_collection};

    struct Quiet;

    impl Talk for Quiet {
        fn say(&self, _: &str) {}
        fn warn(&self, _: &str) {}
    }

    #[test]
    fn what_is_built_installs_and_a_change_is_seen() {
        let scratch = tempfile::tempdir().unwrap();
        let source = init_collection("ns.col", scratch.path(), false).unwrap();
        let built = build(&source, scratch.path(), false).unwrap();
        assert!(
            build(&source, scratch.path(), false)
                .unwrap_err()
                .to_string()
                .contains("already exists")
        );
        let root = scratch.path().join("root");
        let found = install_artifact(&built.archive, &root, false, &Quiet).unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.version.as_str()), ("ns.col", "1.0.0"));
        assert!(install_artifact(&built.archive, &root, false, &Quiet).unwrap().is_none());
        assert!(verify(&found.path).unwrap().modified.is_empty());
        std::fs::write(found.path.join("README.md"), "x").unwrap();
        assert_eq!(verify(&found.path).unwrap().modified, ["README.md"]);
        let digest =
            hex::encode(Sha256::digest(std::fs::read(found.path.join("MANIFEST.json")).unwrap()));
        assert_eq!(verify(&found.path).unwrap().manifest, digest);
    }

    #[test]
    fn archives_that_lie_are_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("x.tar.gz");
        for (text, expected) in [
            (None, "no readable collection archive"),
            (Some("{"), "no valid JSON"),
            (
                Some(
                    r#"{"collection_info": {"namespace": "..", "name": "x", "version": "1.0.0"}}"#,
                ),
                "no name of a collection",
            ),
            (
                Some(
                    r#"{"collection_info": {"namespace": "a", "name": "b", "version": "latest"}}"#,
                ),
                "not a valid semantic version",
            ),
            (
                Some(r#"{"collection_info": {"namespace": "a", "name": "b", "version": "1.0.0"}}"#),
                "Checksum mismatch for 'FILES.json'",
            ),
        ] {
            let mut tar = tar::Builder::new(Vec::new());
            if let Some(text) = text {
                let mut header = tar::Header::new_gnu();
                header.set_size(text.len() as u64);
                tar.append_data(&mut header, "MANIFEST.json", text.as_bytes()).unwrap();
            }
            let bytes = if text.is_some() { tar.into_inner().unwrap() } else { vec![b'x'; 700] };
            std::fs::write(&path, bytes).unwrap();
            let root = scratch.path().join("root");
            let error = install_artifact(&path, &root, false, &Quiet).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(find(&root).is_empty());
        }
    }
}
