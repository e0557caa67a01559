//! What is packed: paths and wildcards made into a list of things with their names in the archive.

use std::path::{Path, PathBuf};

use system::{FileKind, Probe};

use super::Item;
use crate::contract::Failure;
use crate::files::tidy;
use crate::glob::{fits, glob};

/// What the arguments name.
pub(super) struct Selection {
    /// All paths.
    pub(super) expanded: Vec<PathBuf>,
    /// The paths that are left out.
    pub(super) excluded: Vec<PathBuf>,
    /// The paths without those.
    pub(super) paths: Vec<PathBuf>,
    /// The paths that are there.
    pub(super) found: Vec<PathBuf>,
    /// The paths that are not.
    pub(super) missing: Vec<PathBuf>,
    /// One of them is a directory.
    pub(super) has_directory: bool,
    /// What names in the archive are relative to, with a slash at its end.
    pub(super) root: String,
}

fn expand(host: &dyn Probe, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut expanded = Vec::new();
    for path in paths {
        if path.to_string_lossy().contains(['*', '?', '[']) {
            expanded.extend(glob(host, path)?);
        } else {
            expanded.push(path.clone());
        }
    }
    Ok(expanded)
}

impl Selection {
    pub(super) fn of(
        host: &dyn Probe,
        paths: &[PathBuf],
        excluded: &[PathBuf],
    ) -> Result<Self, Failure> {
        let expanded = expand(host, paths)?;
        let excluded = expand(host, excluded)?;
        if let Some(path) = expanded.iter().find(|path| !path.is_absolute()) {
            return Err(Failure::new(format!("the path {} is not absolute", path.display())));
        }
        let is_left_out = |path: &&PathBuf| excluded.iter().any(|out| tidy(out) == tidy(path));
        let paths: Vec<PathBuf> =
            expanded.iter().filter(|path| !is_left_out(path)).cloned().collect();
        if paths.is_empty() {
            return Err(Failure::new("Error, no source paths were found"));
        }
        let mut selection = Self {
            root: root(&paths),
            expanded,
            excluded,
            paths,
            found: Vec::new(),
            missing: Vec::new(),
            has_directory: false,
        };
        for path in &selection.paths {
            match host.stat(path, false)? {
                None => selection.missing.push(path.clone()),
                Some(stat) => {
                    selection.has_directory |= stat.kind == FileKind::Directory;
                    selection.found.push(path.clone());
                }
            }
        }
        Ok(selection)
    }

    /// Everything that is packed, directories before what is in them. The archive does not pack itself.
    pub(super) fn items(
        &self,
        host: &dyn Probe,
        dest: &Path,
        patterns: &[String],
    ) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::new();
        let root = tidy(Path::new(&self.root));
        let mut add = |path: &Path| -> Result<bool, Failure> {
            let Some(stat) = host.stat(path, false)? else { return Ok(false) };
            let is_directory = stat.kind == FileKind::Directory;
            let name = path.strip_prefix(&root).unwrap_or(path).to_owned();
            let shown = name.to_string_lossy();
            let is_special =
                !matches!(stat.kind, FileKind::File | FileKind::Directory | FileKind::Symlink);
            let is_out = patterns.iter().any(|pattern| fits(pattern, &shown))
                || self.excluded.iter().any(|out| tidy(out) == path);
            if !is_out && !is_special && path != dest {
                items.push(Item { path: path.to_owned(), name, stat });
            }
            Ok(is_directory)
        };
        for path in &self.found {
            let path = tidy(path);
            if host.stat(&path, false)?.is_some_and(|stat| stat.kind == FileKind::Directory) {
                let mut left = vec![path];
                while let Some(place) = left.pop() {
                    host.keep_going()?;
                    for name in host.list(&place)? {
                        let inner = place.join(name);
                        if add(&inner)? {
                            left.push(inner);
                        }
                    }
                }
            } else {
                add(&path)?;
            }
        }
        Ok(items)
    }

    /// What goes when it is packed: whole directories, unless something in them was left out.
    pub(super) fn removals(
        &self,
        host: &dyn Probe,
        items: &[Item],
        dest: &Path,
    ) -> Result<Vec<PathBuf>, Failure> {
        let mut removals = Vec::new();
        for path in &self.found {
            let path = tidy(path);
            let within: Vec<&Item> =
                items.iter().filter(|item| item.path.starts_with(&path)).collect();
            let everything =
                Self { found: vec![path.clone()], excluded: Vec::new(), ..self.plain() };
            let is_whole = everything.items(host, Path::new(""), &[])?.len() == within.len();
            if is_whole && !dest.starts_with(&path) {
                removals.push(path);
            } else {
                let files = within.iter().filter(|item| item.stat.kind != FileKind::Directory);
                removals.extend(files.map(|item| item.path.clone()));
            }
        }
        Ok(removals)
    }

    fn plain(&self) -> Self {
        Self {
            expanded: Vec::new(),
            excluded: Vec::new(),
            paths: Vec::new(),
            found: Vec::new(),
            missing: Vec::new(),
            has_directory: false,
            root: self.root.clone(),
        }
    }
}

/// The directory that all paths lie in, with a slash at its end. A path that ends in a slash lies in itself.
fn root(paths: &[PathBuf]) -> String {
    let folder = |path: &PathBuf| {
        let text = path.to_string_lossy().into_owned();
        let end = text.rfind('/').unwrap_or(0);
        tidy(Path::new(&text[..end]))
    };
    let mut folders = paths.iter().map(folder);
    let first = folders.next().unwrap_or_default();
    let common = folders.fold(first, |common, next| {
        let same =
            common.components().zip(next.components()).take_while(|(one, other)| one == other);
        same.map(|(one, _)| one).collect()
    });
    let text = common.to_string_lossy();
    format!("{}/", text.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_relative_to_the_directory_that_all_paths_lie_in() {
        for (paths, wanted) in [
            (vec!["/a/b"], "/a/"),
            (vec!["/a/b/"], "/a/b/"),
            (vec!["/a/b/c", "/a/b/d"], "/a/b/"),
            (vec!["/a/b/c", "/a/x/d"], "/a/"),
            (vec!["/a", "/b/c"], "/"),
        ] {
            let paths: Vec<PathBuf> = paths.into_iter().map(PathBuf::from).collect();
            assert_eq!(root(&paths), wanted, "{paths:?}");
        }
    }
}
