//! Where the language's files come from: the [`Source`] trait, the disk, and memory for tests.
//!
//! Relative paths mean what the source makes of them; nothing here knows what is in the files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vault::Keyring;
use yaml::{Diagnostic, Node, NodeValue, Result, SourceFile};

/// Access to files that are read as content of the language.
pub trait Source: Send + Sync {
    /// Reads a file. The error names the path, not the place that asked for it.
    fn read(&self, path: &Path) -> Result<Arc<SourceFile>>;

    /// Whether there is a file (not a directory) of that name.
    fn is_file(&self, path: &Path) -> bool;

    /// Whether there is a directory of that name.
    fn is_dir(&self, path: &Path) -> bool;

    /// What is in a directory, as full paths sorted by name; nothing if there is no such directory.
    fn list(&self, path: &Path) -> Vec<PathBuf>;

    /// Whether anything has that name.
    fn exists(&self, path: &Path) -> bool {
        self.is_file(path) || self.is_dir(path)
    }
}

/// Files larger than this are not content.
const MAX_SIZE: u64 = 64 << 20;

/// The files of this machine. Only regular files of reasonable size are read, so that no read blocks or never ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct Files;

impl Source for Files {
    fn read(&self, path: &Path) -> Result<Arc<SourceFile>> {
        let refuse =
            |why: String| Err(Diagnostic::error(format!("cannot read {}: {why}", path.display())));
        let failed = |error: &io::Error| match error.kind() {
            io::ErrorKind::NotFound => "no such file".to_owned(),
            io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            _ => error.to_string(),
        };
        let kind = match path.metadata() {
            Ok(metadata) if metadata.is_dir() => return refuse("it is a directory".to_owned()),
            Ok(metadata) if !jinja::ends(&metadata) => {
                return refuse("it is not a regular file".to_owned());
            }
            Ok(metadata) => metadata,
            Err(error) => return refuse(failed(&error)),
        };
        if kind.len() > MAX_SIZE {
            return refuse(format!(
                "it has {} MiB, more than the {} MiB that are allowed",
                kind.len() >> 20,
                MAX_SIZE >> 20
            ));
        }
        let mut bytes = Vec::with_capacity(kind.len() as usize);
        let read = File::open(path).and_then(|file| file.take(MAX_SIZE).read_to_end(&mut bytes));
        match read {
            Ok(_) => SourceFile::from_bytes(path, &bytes),
            Err(error) => refuse(failed(&error)),
        }
    }

    fn is_file(&self, path: &Path) -> bool {
        path.metadata().is_ok_and(|metadata| !metadata.is_dir())
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn list(&self, path: &Path) -> Vec<PathBuf> {
        let mut entries: Vec<_> =
            path.read_dir().into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        entries
    }
}

/// Files in memory, by path: for tests and for content that never was on a disk.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, Arc<str>>,
}

impl Memory {
    /// Files with their texts.
    pub fn new<P: Into<PathBuf>, T: Into<Arc<str>>>(
        files: impl IntoIterator<Item = (P, T)>,
    ) -> Self {
        let files = files.into_iter().map(|(path, text)| (path.into(), text.into())).collect();
        Self { files }
    }
}

impl Source for Memory {
    fn read(&self, path: &Path) -> Result<Arc<SourceFile>> {
        match self.files.get(path) {
            Some(text) => Ok(SourceFile::new(path, text)),
            None => Err(Diagnostic::error(format!("cannot read {}: no such file", path.display()))),
        }
    }

    fn is_file(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    fn is_dir(&self, path: &Path) -> bool {
        !self.is_file(path) && self.files.keys().any(|file| file.starts_with(path))
    }

    fn list(&self, path: &Path) -> Vec<PathBuf> {
        let mut entries: Vec<PathBuf> = self
            .files
            .keys()
            .filter_map(|file| Some(path.join(file.strip_prefix(path).ok()?.components().next()?)))
            .collect();
        entries.dedup();
        entries
    }
}

/// The files of another source, of which those that are encrypted as a whole are opened.
pub struct Unlocked<S> {
    files: S,
    vault: Arc<Keyring>,
}

impl<S: Source> Unlocked<S> {
    /// The files of a source, and the passwords that open them.
    pub fn new(files: S, vault: Arc<Keyring>) -> Self {
        Self { files, vault }
    }
}

impl<S: Source> Source for Unlocked<S> {
    fn read(&self, path: &Path) -> Result<Arc<SourceFile>> {
        let file = self.files.read(path)?;
        if !vault::is_encrypted(file.text.as_bytes()) {
            return Ok(file);
        }
        let opened = self.vault.open(file.text.as_bytes()).map_err(|error| {
            let header = file.text.lines().next().map_or(0, str::len);
            let diagnostic =
                Diagnostic::error(error.to_string()).at(&file.span(0, header)).locked();
            match error {
                vault::Error::NoSecrets => diagnostic
                    .hint("--vault-id, --vault-password-file or --ask-vault-pass give a password"),
                _ => diagnostic,
            }
        })?;
        Ok(SourceFile::from_bytes(path, opened.plain.reveal())?.into_secret())
    }

    fn is_file(&self, path: &Path) -> bool {
        self.files.is_file(path)
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.files.is_dir(path)
    }

    fn list(&self, path: &Path) -> Vec<PathBuf> {
        self.files.list(path)
    }
}

/// Reads a file as one YAML (or JSON) document. Warnings are added to `warnings`.
pub fn read_document(
    source: &dyn Source,
    path: &Path,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Node> {
    let file = source.read(path)?;
    let (node, found) = yaml::load_one(&file)?;
    warnings.extend(found);
    if node.is_null() {
        return Ok(Node { value: NodeValue::Null, span: file.span(0, 0), tag: None });
    }
    Ok(node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn refusal(path: &Path) -> String {
        Files.read(path).expect_err("refused").message().to_owned()
    }

    #[test]
    fn only_regular_files_of_reasonable_size_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("good.yml"), "\u{feff}a: 1\n").unwrap();
        assert_eq!(&*Files.read(&at("good.yml")).unwrap().text, "a: 1\n");
        assert!(refusal(&at("none.yml")).ends_with("none.yml: no such file"));
        assert!(refusal(directory.path()).ends_with("it is a directory"));
        assert!(refusal(Path::new("/dev/zero")).ends_with("it is not a regular file"));
        fs::write(at("bytes.yml"), b"a: \xff").unwrap();
        assert!(refusal(&at("bytes.yml")).contains("byte 0xff at offset 3, line 1"));
        fs::File::create(at("sparse.yml")).unwrap().set_len(1 << 30).unwrap();
        assert!(
            refusal(&at("sparse.yml")).ends_with("1024 MiB, more than the 64 MiB that are allowed")
        );
        let made = std::process::Command::new("mkfifo").arg(at("pipe.yml")).status().unwrap();
        assert!(made.success());
        assert!(refusal(&at("pipe.yml")).ends_with("it is not a regular file"));
    }

    #[test]
    fn disk_and_memory_list_alike() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir(root.join("sub")).unwrap();
        let names = ["a.yml", "sub/b.yml", "sub/c.yml"];
        for name in names {
            fs::write(root.join(name), "").unwrap();
        }
        let memory = Memory::new(names.map(|name| (root.join(name), "")));
        for source in [&Files as &dyn Source, &memory] {
            assert_eq!(source.list(root), [root.join("a.yml"), root.join("sub")]);
            assert_eq!(source.list(&root.join("none")), Vec::<PathBuf>::new());
            assert!(source.is_dir(&root.join("sub")) && !source.is_file(&root.join("sub")));
            assert!(source.is_file(&root.join("a.yml")) && !source.exists(&root.join("x")));
        }
    }
}
