//! What an archive may hold: checked entry by entry, before anything is written. Pure.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use super::entries::{Entry, Kind};
use crate::contract::Failure;

/// The most that an archive may unpack to.
pub(super) const SIZE_LIMIT: u64 = 64 << 30;
/// The most entries.
const ENTRY_LIMIT: usize = 200_000;

/// The entries of an archive, all of them harmless.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) entries: Vec<Entry>,
    links: HashSet<PathBuf>,
    kinds: HashMap<PathBuf, &'static str>,
    total: u64,
}

impl Plan {
    /// An error for an entry that would leave the destination.
    pub(super) fn check(&mut self, entry: &Entry) -> Result<(), Failure> {
        let name = entry.path.display().to_string();
        let refuse = |why: &str| {
            Err(Failure::new(format!(
                "the archive is refused, nothing was unpacked: entry {name:?} {why}"
            )))
        };
        if self.kinds.len() >= ENTRY_LIMIT {
            return refuse("is one too many: more than 200000 entries");
        }
        let Some(path) = inside(Path::new(""), &entry.path) else {
            return refuse("leads out of the destination");
        };
        if path.ancestors().skip(1).any(|ancestor| self.links.contains(ancestor)) {
            return refuse("leads through a symbolic link of the archive");
        }
        match &entry.kind {
            Kind::Symlink(target) => {
                if inside(path.parent().unwrap_or(Path::new("")), target).is_none() {
                    return refuse("is a symbolic link that leads out of the destination");
                }
                self.links.insert(path.clone());
            }
            Kind::HardLink(target) if inside(Path::new(""), target).is_none() => {
                return refuse("is a hard link that leads out of the destination");
            }
            _ => {}
        }
        let kind = entry.kind.word();
        match self.kinds.insert(path, kind) {
            Some(other) if other != kind => refuse("is there twice, as different things"),
            _ => Ok(()),
        }
    }

    /// Counts what an entry unpacks to.
    pub(super) fn count(&mut self, size: u64) -> Result<(), Failure> {
        self.total += size;
        if self.total > SIZE_LIMIT {
            return Err(Failure::new("the archive unpacks to more than 64 GiB: refused"));
        }
        Ok(())
    }
}

/// Where a name leads from a directory of the destination; `None`: out of it.
fn inside(directory: &Path, name: &Path) -> Option<PathBuf> {
    let mut place = directory.to_owned();
    for part in name.components() {
        match part {
            Component::Normal(part) => place.push(part),
            Component::CurDir => {}
            Component::ParentDir => {
                if !place.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    // A name with `..` in it is refused even where it comes back: nobody needs it, and links make it lie.
    let is_plain = directory.as_os_str().is_empty()
        && name.components().any(|part| part == Component::ParentDir);
    (!is_plain).then_some(place)
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
            if let Err(failure) = plan.check(&entry) {
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
