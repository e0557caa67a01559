//! What an archive may hold: checked entry by entry, before anything is written. Pure.

use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use super::entries::{Entry, Kind};
use crate::contract::Failure;

/// The most that an archive may unpack to.
const SIZE_LIMIT: u64 = 64 << 30;
/// The most entries.
const ENTRY_LIMIT: usize = 200_000;
/// More than this in all is suspicious when it was packed more than [`RATIO_LIMIT`] to one.
const RATIO_FROM: u64 = 1 << 30;
const RATIO_LIMIT: u64 = 1000;
/// The longest path that the system takes.
const NAME_LIMIT: usize = 4096;
/// The end of the year 9999: what is later is a damaged header, and some file systems cannot keep it.
const TIME_LIMIT: u64 = 253_402_300_799;

/// The entries of an archive, all of them harmless.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) entries: Vec<Entry>,
    /// Every path that the archive makes, directories on the way included.
    kinds: HashMap<PathBuf, &'static str>,
    seen: usize,
    total: u64,
    /// The size of the archive itself, when it is known.
    packed: Option<u64>,
}

impl Plan {
    /// For an archive of this size.
    pub(super) fn of(packed: Option<u64>) -> Self {
        Self { packed, ..Self::default() }
    }

    /// The entry without the first components of its name; `None` when nothing is left of it. An error when it would
    /// leave the destination: what counts is the name that it will have.
    pub(super) fn admit(&mut self, entry: Entry, strip: usize) -> Result<Option<Entry>, Failure> {
        self.seen += 1;
        if self.seen > ENTRY_LIMIT {
            return refuse(&entry.path, "is one too many: more than 200000 entries");
        }
        if !is_plain(&entry.path) {
            return refuse(&entry.path, "leads out of the destination");
        }
        if entry.path.as_os_str().len() > NAME_LIMIT
            || entry.path.as_os_str().as_bytes().contains(&0)
        {
            return refuse(&entry.path, "has a name that no file can have");
        }
        if entry.mtime > TIME_LIMIT {
            return refuse(&entry.path, "has a time that is out of range");
        }
        if let Kind::HardLink(target) = &entry.kind
            && !is_plain(target)
        {
            return refuse(&entry.path, "is a hard link that leads out of the destination");
        }
        let Some(entry) = entry.stripped(strip) else { return Ok(None) };
        self.check_way(&entry.path)?;
        self.check_target(&entry)?;
        let kind = entry.kind.word();
        match self.kinds.insert(entry.path.clone(), kind) {
            Some(other) if other != kind => refuse(&entry.path, DIFFERENT),
            _ => Ok(Some(entry)),
        }
    }

    /// Keeps each name once: one that comes again means the last.
    pub(super) fn settle(&mut self) {
        let mut names = HashSet::new();
        let mut kept: Vec<_> = std::mem::take(&mut self.entries)
            .into_iter()
            .rev()
            .filter(|entry| names.insert(entry.path.clone()))
            .collect();
        kept.reverse();
        self.entries = kept;
    }

    /// What is on the way to an entry must be directories.
    fn check_way(&mut self, path: &Path) -> Result<(), Failure> {
        for ancestor in path.ancestors().skip(1).filter(|place| !place.as_os_str().is_empty()) {
            match self.kinds.get(ancestor) {
                None => self.kinds.insert(ancestor.to_owned(), DIRECTORY),
                // Those above were looked at with it.
                Some(&DIRECTORY) => return Ok(()),
                Some(&SYMLINK) => {
                    return refuse(path, "leads through a symbolic link of the archive");
                }
                Some(_) => return refuse(path, DIFFERENT),
            };
        }
        Ok(())
    }

    fn check_target(&self, entry: &Entry) -> Result<(), Failure> {
        match &entry.kind {
            Kind::Symlink(target) => {
                let depth = entry.path.components().count() - 1;
                check_link(&entry.path, target, depth)
            }
            Kind::HardLink(target) => {
                // Another name of a relative link would lead elsewhere, and a link on the way leads anywhere.
                let is_link = |place: &Path| self.kinds.get(place) == Some(&SYMLINK);
                if target.ancestors().any(is_link) {
                    return refuse(&entry.path, "is a hard link to or through a symbolic link");
                }
                if target.as_os_str().is_empty() || *target == entry.path {
                    return refuse(&entry.path, "is a hard link to nothing that is unpacked");
                }
                Ok(())
            }
            Kind::Directory | Kind::File { .. } => Ok(()),
        }
    }

    /// Counts what entries unpack to, piece by piece.
    pub(super) fn count(&mut self, size: u64) -> Result<(), Failure> {
        self.total = self.total.saturating_add(size);
        if self.total > SIZE_LIMIT {
            return Err(Failure::new("the archive unpacks to more than 64 GiB: refused"));
        }
        let is_bomb = |packed: u64| self.total > RATIO_FROM && self.total / RATIO_LIMIT > packed;
        if self.packed.is_some_and(is_bomb) {
            return Err(Failure::new(
                "the archive unpacks to more than 1 GiB and more than 1000 times its size: refused",
            ));
        }
        Ok(())
    }
}

const DIRECTORY: &str = "directory";
const SYMLINK: &str = "symlink";
const DIFFERENT: &str = "is there twice, as different things";

fn refuse<T>(name: &Path, why: &str) -> Result<T, Failure> {
    let name = name.display().to_string();
    Err(Failure::new(format!("the archive is refused: entry {name:?} {why}")))
}

/// Relative, and never up. A name with `..` is refused even where it comes back: nobody needs it, and links make it lie.
fn is_plain(name: &Path) -> bool {
    name.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// The target of a symbolic link: up only at its beginning, where it is still in directories that are none of the
/// archive's links, and no further than to the destination.
fn check_link(name: &Path, target: &Path, depth: usize) -> Result<(), Failure> {
    let mut ups = 0;
    let mut is_down = false;
    for part in target.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(_) => is_down = true,
            Component::ParentDir if is_down => {
                return refuse(name, "is a symbolic link with a `..` after a name");
            }
            Component::ParentDir if ups < depth => ups += 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return refuse(name, "is a symbolic link that leads out of the destination");
            }
        }
    }
    Ok(())
}

/// Shell patterns: `*` and `?`, over the whole name or its beginning up to a `/`.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    fn glob(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.first(), name.first()) {
            (None, None) => true,
            (None, Some(b'/')) => true,
            (Some(b'*'), _) => {
                glob(&pattern[1..], name) || (!name.is_empty() && glob(pattern, &name[1..]))
            }
            (Some(b'?'), Some(_)) => glob(&pattern[1..], &name[1..]),
            (Some(wanted), Some(letter)) if wanted == letter => glob(&pattern[1..], &name[1..]),
            _ => false,
        }
    }
    glob(pattern.trim_end_matches('/').as_bytes(), name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(entries: &[(&str, Kind)]) -> String {
        let mut plan = Plan::default();
        for (name, kind) in entries {
            let entry = Entry { path: name.into(), kind: kind.clone(), mode: None, mtime: 0 };
            if let Err(failure) = plan.admit(entry, 0) {
                return failure.message.rsplit("entry ").next().unwrap_or_default().to_owned();
            }
        }
        "fine".to_owned()
    }

    #[test]
    fn archives_that_leave_their_destination_are_refused() {
        let file = || Kind::File { size: 0, digest: None };
        let link = |target: &str| Kind::Symlink(target.into());
        for (entries, expected) in [
            (vec![("a", file()), ("b/c", file())], "fine"),
            (vec![("../x", file())], "\"../x\" leads out of the destination"),
            (vec![("a/../../x", file())], "\"a/../../x\" leads out of the destination"),
            (vec![("a/../x", file())], "\"a/../x\" leads out of the destination"),
            (vec![("/etc/passwd", file())], "\"/etc/passwd\" leads out of the destination"),
            (vec![("l", link("a")), ("a", file())], "fine"),
            (vec![("d/l", link("../a"))], "fine"),
            (
                vec![("l", link("../a"))],
                "\"l\" is a symbolic link that leads out of the destination",
            ),
            (
                vec![("l", link("/etc"))],
                "\"l\" is a symbolic link that leads out of the destination",
            ),
            (
                vec![("l", link("a")), ("l/x", file())],
                "\"l/x\" leads through a symbolic link of the archive",
            ),
            (
                vec![("h", Kind::HardLink("../x".into()))],
                "\"h\" is a hard link that leads out of the destination",
            ),
            (
                vec![("a", file()), ("a", Kind::Directory)],
                "\"a\" is there twice, as different things",
            ),
        ] {
            assert_eq!(verdict(&entries), expected);
        }
    }

    #[test]
    fn patterns_match_names_and_what_is_below_them() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "a/b", true),
            ("a", "ab", false),
            ("*.txt", "x.txt", true),
            ("a/*", "a/b/c", true),
            ("?", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
