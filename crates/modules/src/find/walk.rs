//! The way through the directories.

use std::path::{Path, PathBuf};

use model::Args;
use serde_json::Value;
use system::{FileKind, FileStat, Probe};

use super::Find;
use super::filter::{Filter, Unreadable};
use crate::contract::{Failure, chain};
use crate::files::{path_value, tidy};
use crate::stat::{self, checksum};

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) files: Vec<Value>,
    pub(super) examined: usize,
    /// Paths that could not be looked at, each with the reason.
    pub(super) skipped: Vec<(String, String)>,
    /// There may be more.
    pub(super) limited: bool,
}

/// A directory to look into.
struct Place {
    path: PathBuf,
    /// Of what is in it; the directory that was named holds depth 1.
    depth: i64,
    /// The directories above it, by device and inode: a link may lead back.
    above: Vec<(u64, u64)>,
}

pub(super) fn search(find: &Find, filter: &Filter<'_>, host: &dyn Probe) -> Result<Found, Failure> {
    let mut found = Found::default();
    for root in &find.paths {
        let root = tidy(root);
        match host.stat(&root, true) {
            Ok(Some(stat)) if stat.kind == FileKind::Directory => {
                below(find, filter, host, &root, &stat, &mut found)?;
            }
            Ok(_) => found.skip(&root, format!("'{}' is not a directory", root.display())),
            Err(error) => found.skip(&root, chain(&error)),
        }
        if found.limited {
            break;
        }
    }
    Ok(found)
}

impl Found {
    fn skip(&mut self, path: &Path, reason: String) {
        self.skipped.push((path.to_string_lossy().into_owned(), reason));
    }
}

fn below(
    find: &Find,
    filter: &Filter<'_>,
    host: &dyn Probe,
    root: &Path,
    stat: &FileStat,
    found: &mut Found,
) -> Result<(), Failure> {
    let above = vec![(stat.device, stat.inode)];
    let mut left = vec![Place { path: root.to_owned(), depth: 1, above }];
    while let Some(place) = left.pop() {
        host.keep_going()?;
        let names = match host.list(&place.path) {
            Ok(names) => names,
            Err(error) => {
                found.skip(&place.path, chain(&error));
                continue;
            }
        };
        found.examined += names.len();
        if find.depth.is_some_and(|depth| depth > 0 && place.depth > depth) {
            continue;
        }
        let mut directories = Vec::new();
        for name in names {
            let path = place.path.join(name);
            let stat = match host.stat(&path, false) {
                Ok(Some(stat)) => stat,
                // It has just gone.
                Ok(None) => continue,
                Err(error) => {
                    found.skip(&path, chain(&error));
                    continue;
                }
            };
            if find.recurse {
                directories.extend(deeper(find, host, &place, &path, &stat));
            }
            match filter.admits(host, &path, &stat)? {
                Ok(false) => {}
                Ok(true) => found.files.push(describe(find, host, &path, &stat)?),
                Err(Unreadable(reason)) => {
                    found.skip(root, reason);
                    return Ok(());
                }
            }
            if find.limit.is_some_and(|limit| limit > 0 && found.files.len() >= limit) {
                found.limited = true;
                return Ok(());
            }
        }
        directories.reverse();
        left.append(&mut directories);
    }
    Ok(())
}

/// The place that a directory, or a link to one, opens.
fn deeper(
    find: &Find,
    host: &dyn Probe,
    place: &Place,
    path: &Path,
    stat: &FileStat,
) -> Option<Place> {
    let target = match stat.kind {
        FileKind::Directory => stat.clone(),
        FileKind::Symlink if find.follow => host.stat(path, true).ok().flatten()?,
        _ => return None,
    };
    let own = (target.device, target.inode);
    if target.kind != FileKind::Directory || place.above.contains(&own) {
        return None;
    }
    let above = place.above.iter().copied().chain([own]).collect();
    Some(Place { path: path.to_owned(), depth: place.depth + 1, above })
}

fn describe(find: &Find, host: &dyn Probe, path: &Path, stat: &FileStat) -> Result<Value, Failure> {
    let mut args = Args::new();
    args.insert("path".into(), path_value(path));
    stat::describe(host, stat, &mut args)?;
    if find.get_checksum && stat.kind == FileKind::File {
        let sum = checksum(host, path, find.checksum_algorithm)?;
        args.insert("checksum".into(), sum.into());
    }
    Ok(Value::Object(args))
}
