//! The archive that an image is built from, and what is in archives of images.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde_json::Value;
use system::{FileKind, Probe};

use crate::contract::Failure;
use crate::glob::fits;

/// Of one file of a context.
const FILE_LIMIT: u64 = 2 << 30;

/// Lines of a `.dockerignore`, in order; the last that fits decides.
struct Ignored(Vec<(bool, Vec<String>)>);

impl Ignored {
    fn parse(text: &str) -> Self {
        let rule = |line: &str| {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                return None;
            }
            let (keeps, pattern) =
                line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
            let parts = pattern.split('/').filter(|part| !part.is_empty() && *part != ".");
            Some((keeps, parts.map(str::to_owned).collect::<Vec<_>>()))
        };
        Self(text.lines().filter_map(rule).collect())
    }

    /// Whether a path is left out. What is in a directory that fits is left out, too.
    fn has(&self, path: &Path) -> bool {
        let parts: Vec<String> =
            path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let is_it =
            |pattern: &[String]| (1..=parts.len()).any(|length| covers(pattern, &parts[..length]));
        let rule = self.0.iter().rev().find(|(_, pattern)| is_it(pattern));
        rule.is_some_and(|(keeps, _)| !keeps)
    }

    fn has_exceptions(&self) -> bool {
        self.0.iter().any(|(keeps, _)| *keeps)
    }
}

/// Whether a pattern stands for a path; `**` stands for any number of directories.
fn covers(pattern: &[String], parts: &[String]) -> bool {
    match (pattern.split_first(), parts.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "**" => {
            covers(rest, parts)
                || parts.split_first().is_some_and(|(_, others)| covers(pattern, others))
        }
        (Some((first, rest)), Some((part, others))) => fits(first, part) && covers(rest, others),
        _ => false,
    }
}

/// A directory as the engine wants it, without what its `.dockerignore` names.
pub(super) fn archive(
    host: &dyn Probe,
    root: &Path,
    dockerfile: Option<&str>,
) -> Result<Vec<u8>, Failure> {
    const LIMIT: u64 = 1 << 20;
    let dockerfile = dockerfile.unwrap_or("Dockerfile");
    if host.stat(&root.join(dockerfile), true)?.is_none() {
        let path = root.join(dockerfile);
        return Err(Failure::new(format!("there is no {}", path.display())));
    }
    let text = host.read(&root.join(".dockerignore"), LIMIT)?.unwrap_or_default();
    let ignored = Ignored::parse(&String::from_utf8_lossy(&text));
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| Failure::new(format!("cannot archive {path}: {error}"))
    };
    let mut archive = tar::Builder::new(Vec::new());
    let mut left = vec![PathBuf::new()];
    while let Some(folder) = left.pop() {
        host.keep_going()?;
        for name in host.list(&root.join(&folder))? {
            let inside = folder.join(name);
            let path = root.join(&inside);
            let Some(stat) = host.stat(&path, false)? else { continue };
            let is_folder = stat.kind == FileKind::Directory;
            let is_needed = inside == Path::new(dockerfile) || inside == Path::new(".dockerignore");
            if ignored.has(&inside) && !is_needed {
                if is_folder && ignored.has_exceptions() {
                    left.push(inside);
                }
                continue;
            }
            let mut header = tar::Header::new_gnu();
            header.set_mode(stat.mode);
            let age = stat.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
            header.set_mtime(age.as_secs());
            header.set_size(0);
            match stat.kind {
                FileKind::Directory => {
                    header.set_entry_type(tar::EntryType::Directory);
                    archive
                        .append_data(&mut header, &inside, std::io::empty())
                        .map_err(failed(&path))?;
                    left.push(inside);
                }
                FileKind::Symlink => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    let target = host.read_link(&path)?;
                    archive.append_link(&mut header, &inside, target).map_err(failed(&path))?;
                }
                FileKind::File => {
                    let content = host.read(&path, FILE_LIMIT)?.unwrap_or_default();
                    header.set_size(content.len() as u64);
                    archive
                        .append_data(&mut header, &inside, content.as_slice())
                        .map_err(failed(&path))?;
                }
                // Sockets and devices cannot be sent.
                _ => {}
            }
        }
    }
    archive.into_inner().map_err(failed(root))
}

/// What an archive of images says it has.
pub(super) fn manifest(reader: impl Read) -> Option<Value> {
    const LIMIT: u64 = 1 << 20;
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().ok()? {
        let entry = entry.ok()?;
        if entry.path().ok()?.as_ref() == Path::new("manifest.json") {
            return serde_json::from_reader(entry.take(LIMIT)).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dockerignore_leaves_out() {
        let ignored = Ignored::parse("# no\n*.log\n**/tmp\ntarget/\n!keep.log\n/a/b?\n");
        for (path, wanted) in [
            ("x.log", true),
            ("keep.log", false),
            ("d/x.log", false),
            ("tmp", true),
            ("d/e/tmp", true),
            ("d/tmp/x", true),
            ("target/debug/x", true),
            ("a/bc", true),
            ("a/bcd", false),
            ("src/main.rs", false),
        ] {
            assert_eq!(ignored.has(Path::new(path)), wanted, "{path}");
        }
    }
}
