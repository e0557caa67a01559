//! Building a collection's archive: which files belong to it, its manifest, and both in one tarball.

mod directives;
mod metadata;

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::archive::escapes;
use crate::glob::{Star, matches};
use crate::{Error, Result};
pub(crate) use metadata::Metadata;

/// What was built.
#[derive(Debug)]
pub struct Built {
    /// `namespace.name`
    pub name: String,
    /// The archive.
    pub archive: PathBuf,
}

/// Builds the collection of a directory with a `galaxy.yml` into a directory.
pub fn build(source: &Path, output: &Path, force: bool) -> Result<Built> {
    let metadata = Metadata::read(source)?;
    let (namespace, name, version) = (&metadata.namespace, &metadata.name, &metadata.version);
    let archive = output.join(format!("{namespace}-{name}-{version}.tar.gz"));
    if archive.is_dir() {
        return Err(Error::failed(format!(
            "The output collection artifact '{}' already exists, but is a directory - aborting",
            archive.display()
        )));
    }
    if archive.exists() && !force {
        return Err(Error::failed(format!(
            "The file '{}' already exists. You can use --force to re-create the collection artifact.",
            archive.display()
        )));
    }
    let members = metadata.members(source)?;
    fs::create_dir_all(output).map_err(|error| Error::io("make", output, &error))?;
    let fail = |error: std::io::Error| Error::io("write", &archive, &error);
    let scratch = tempfile::NamedTempFile::new_in(output).map_err(fail)?;
    pack(&metadata, &members, scratch.as_file()).map_err(fail)?;
    scratch.as_file().set_permissions(fs::Permissions::from_mode(0o644)).map_err(fail)?;
    scratch.persist(&archive).map_err(|error| fail(error.error))?;
    Ok(Built { name: format!("{namespace}.{name}"), archive })
}

/// A file or directory of the collection.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its place in the collection.
    pub(crate) place: PathBuf,
    /// Its place on this machine.
    pub(crate) path: PathBuf,
    kind: MemberKind,
}

#[derive(Debug)]
enum MemberKind {
    Directory,
    File { sha256: String },
    Link { target: PathBuf, sha256: String },
}

pub(crate) fn sha256(path: &Path) -> std::io::Result<String> {
    let mut digest = Sha256::new();
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 65536];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(digest.finalize())),
            length => digest.update(&buffer[..length]),
        }
    }
}

impl Metadata {
    /// What belongs to the collection, parents first.
    pub(crate) fn members(&self, source: &Path) -> Result<Vec<Member>> {
        let chosen = match &self.manifest {
            Some(manifest) => directives::choose(self, manifest, source)?,
            None => self.not_ignored(source)?,
        };
        chosen.into_iter().filter_map(|place| Member::look(source, place).transpose()).collect()
    }

    fn not_ignored(&self, source: &Path) -> Result<Vec<PathBuf>> {
        let own = [
            "MANIFEST.json",
            "FILES.json",
            "galaxy.yml",
            "galaxy.yaml",
            ".git",
            "*.pyc",
            "*.retry",
            "tests/output",
        ];
        let artifact = format!("{}-{}-*.tar.gz", self.namespace, self.name);
        let ignored: Vec<&str> = own
            .into_iter()
            .chain([&*artifact])
            .chain(self.build_ignore.iter().map(|pattern| &**pattern))
            .collect();
        let skip = |place: &Path| {
            let last = place
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            let is_tool = ["CVS", ".bzr", ".hg", ".git", ".svn", "__pycache__", ".tox"]
                .contains(&&*last)
                && source.join(place).is_dir();
            is_tool
                || ignored
                    .iter()
                    .any(|pattern| matches(pattern, &place.to_string_lossy(), Star::Crosses))
        };
        let mut found = Vec::new();
        walk(source, Path::new(""), &skip, &mut found)?;
        Ok(found)
    }
}

/// Everything below a directory that is not skipped, parents first, by name; links are not followed.
pub(super) fn walk(
    root: &Path,
    below: &Path,
    skip: &dyn Fn(&Path) -> bool,
    found: &mut Vec<PathBuf>,
) -> Result<()> {
    let directory = root.join(below);
    let fail = |error: std::io::Error| Error::io("read", &directory, &error);
    let mut names: Vec<_> = fs::read_dir(&directory)
        .map_err(fail)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<std::io::Result<_>>()
        .map_err(fail)?;
    names.sort();
    for name in names {
        let place = below.join(name);
        if skip(&place) {
            continue;
        }
        found.push(place.clone());
        if fs::symlink_metadata(root.join(&place)).map_err(fail)?.is_dir() {
            walk(root, &place, skip, found)?;
        }
    }
    Ok(())
}

impl Member {
    /// What is there; nothing for what cannot be part of an archive.
    fn look(source: &Path, place: PathBuf) -> Result<Option<Self>> {
        let path = source.join(&place);
        let fail = |error: std::io::Error| Error::io("read", &path, &error);
        let metadata = fs::symlink_metadata(&path).map_err(fail)?;
        let kind = if metadata.is_dir() {
            MemberKind::Directory
        } else if metadata.is_symlink() {
            let target = fs::read_link(&path).map_err(fail)?;
            match fs::metadata(&path) {
                Ok(there) if there.is_file() && escapes(&place, &target) => {
                    MemberKind::File { sha256: sha256(&path).map_err(fail)? }
                }
                Ok(there) if there.is_file() => {
                    MemberKind::Link { target, sha256: sha256(&path).map_err(fail)? }
                }
                Ok(there) if there.is_dir() && !escapes(&place, &target) => {
                    MemberKind::Link { target, sha256: String::new() }
                }
                _ => return Ok(None),
            }
        } else if metadata.is_file() {
            MemberKind::File { sha256: sha256(&path).map_err(fail)? }
        } else {
            return Ok(None);
        };
        Ok(Some(Self { place, path, kind }))
    }

    fn listed(&self) -> Json {
        let name = self.place.to_string_lossy();
        match &self.kind {
            MemberKind::File { sha256 } | MemberKind::Link { sha256, .. } if !sha256.is_empty() => {
                json!({"name": name, "ftype": "file", "chksum_type": "sha256", "chksum_sha256": sha256, "format": 1})
            }
            _ => {
                json!({"name": name, "ftype": "dir", "chksum_type": null, "chksum_sha256": null, "format": 1})
            }
        }
    }
}

/// JSON as Ansible writes it into archives.
pub(crate) fn pretty(value: &Json) -> Vec<u8> {
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(
        &mut text,
        serde_json::ser::PrettyFormatter::with_indent(b" "),
    );
    serde::Serialize::serialize(value, &mut writer).expect("memory takes everything");
    text
}

/// `FILES.json` and `MANIFEST.json`.
pub(crate) fn manifests(metadata: &Metadata, members: &[Member]) -> (Vec<u8>, Vec<u8>) {
    let root = json!({"name": ".", "ftype": "dir", "chksum_type": null, "chksum_sha256": null, "format": 1});
    let files: Vec<Json> =
        std::iter::once(root).chain(members.iter().map(Member::listed)).collect();
    let files = pretty(&json!({"files": files, "format": 1}));
    let manifest = pretty(&json!({
        "collection_info": metadata.info(),
        "file_manifest_file": {
            "name": "FILES.json", "ftype": "file", "chksum_type": "sha256",
            "chksum_sha256": hex::encode(Sha256::digest(&files)), "format": 1,
        },
        "format": 1,
    }));
    (files, manifest)
}

fn pack(metadata: &Metadata, members: &[Member], file: &fs::File) -> std::io::Result<()> {
    let (files, manifest) = manifests(metadata, members);
    let now = jiff::Timestamp::now().as_second() as u64;
    let mut tar =
        tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::default()));
    let header = |kind, mode, size| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_mtime(now);
        header
    };
    for (name, text) in [("MANIFEST.json", &manifest), ("FILES.json", &files)] {
        tar.append_data(
            &mut header(tar::EntryType::Regular, 0o644, text.len() as u64),
            name,
            &text[..],
        )?;
    }
    for member in members {
        match &member.kind {
            MemberKind::Directory => tar.append_data(
                &mut header(tar::EntryType::Directory, 0o755, 0),
                member.place.join(""),
                std::io::empty(),
            )?,
            MemberKind::Link { target, .. } => tar.append_link(
                &mut header(tar::EntryType::Symlink, 0o644, 0),
                &member.place,
                target,
            )?,
            MemberKind::File { .. } => {
                let content = fs::File::open(&member.path)?;
                let there = content.metadata()?;
                let mode = if there.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 };
                tar.append_data(
                    &mut header(tar::EntryType::Regular, mode, there.len()),
                    &member.place,
                    content.take(there.len()),
                )?;
            }
        }
    }
    tar.into_inner()?.finish()?;
    Ok(())
}
