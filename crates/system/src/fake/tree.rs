//! The files of a host in memory: paths name inodes, so that hard links are what they are.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;

use crate::{Attributes, FileKind, FileStat};

/// One file, directory, link or other thing.
#[derive(Debug, Clone, PartialEq)]
pub struct FakeFile {
    /// What it is.
    pub kind: FileKind,
    /// The bytes of a regular file.
    pub content: Vec<u8>,
    /// Where a symbolic link points.
    pub target: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// The flags of its file system.
    pub flags: u32,
    /// Its SELinux label; empty: none.
    pub label: String,
    /// When it was last read.
    pub accessed: SystemTime,
    /// When its content last changed.
    pub modified: SystemTime,
}

impl FakeFile {
    /// Sets flags and label.
    pub(super) fn mark(&mut self, attributes: &Attributes) {
        if let Some(change) = attributes.flags {
            self.flags = change.over(self.flags);
        }
        if let Some(change) = &attributes.label {
            self.label = change.over(&self.label).unwrap_or_default();
        }
    }
}

#[derive(Default)]
pub(super) struct Tree {
    paths: BTreeMap<PathBuf, u64>,
    inodes: BTreeMap<u64, FakeFile>,
}

const LINKS_FOLLOWED_AT_MOST: usize = 40;

impl Tree {
    pub(super) fn files(&self) -> BTreeMap<PathBuf, FakeFile> {
        self.paths.iter().map(|(path, inode)| (path.clone(), self.inodes[inode].clone())).collect()
    }

    fn get(&self, path: &Path) -> Option<&FakeFile> {
        self.paths.get(path).and_then(|inode| self.inodes.get(inode))
    }

    /// The path without symbolic links in it; at its end only when `follow` says so. What does not exist stays as it is.
    fn locate(&self, path: &Path, follow: bool) -> io::Result<PathBuf> {
        let mut left: Vec<OsString> = path.components().rev().filter_map(named).collect();
        let mut place = PathBuf::from("/");
        let mut followed = 0;
        while let Some(name) = left.pop() {
            if name == ".." {
                place.pop();
                continue;
            }
            let next = place.join(&name);
            let is_last = left.is_empty();
            match self.get(&next) {
                Some(file) if file.kind == FileKind::Symlink && (follow || !is_last) => {
                    followed += 1;
                    if followed > LINKS_FOLLOWED_AT_MOST {
                        return Err(Errno::ELOOP.into());
                    }
                    if file.target.is_absolute() {
                        place = PathBuf::from("/");
                    }
                    left.extend(file.target.components().rev().filter_map(named));
                }
                Some(file) if !is_last && file.kind != FileKind::Directory => {
                    return Err(Errno::ENOTDIR.into());
                }
                _ => place = next,
            }
        }
        Ok(place)
    }

    pub(super) fn put(&mut self, path: &Path, file: FakeFile) {
        let parents: Vec<_> = path.ancestors().skip(1).map(Path::to_owned).collect();
        for parent in parents.into_iter().rev() {
            if !self.paths.contains_key(&parent) {
                self.insert(parent, FakeFile::directory(0o755));
            }
        }
        match self.paths.get(path).copied() {
            Some(inode) => {
                self.inodes.insert(inode, file);
            }
            None => self.insert(path.to_owned(), file),
        }
    }

    fn insert(&mut self, path: PathBuf, file: FakeFile) {
        let inode = self.inodes.last_key_value().map_or(2, |(last, _)| last + 1);
        self.inodes.insert(inode, file);
        self.paths.insert(path, inode);
    }

    pub(super) fn stat(&self, path: &Path, follow: bool) -> io::Result<Option<FileStat>> {
        let place = match self.locate(path, follow) {
            Err(error) if error.raw_os_error() == Some(Errno::ENOTDIR as i32) => return Ok(None),
            place => place?,
        };
        let Some(inode) = self.paths.get(&place) else { return Ok(None) };
        let file = &self.inodes[inode];
        let size = match file.kind {
            FileKind::Symlink => file.target.as_os_str().len(),
            FileKind::Directory => 4096,
            _ => file.content.len(),
        } as u64;
        Ok(Some(FileStat {
            kind: file.kind,
            mode: file.mode,
            uid: file.uid,
            gid: file.gid,
            size,
            device: 1,
            rdev: 0,
            inode: *inode,
            links: self.paths.values().filter(|other| *other == inode).count() as u64,
            blocks: size.div_ceil(512),
            block_size: 4096,
            accessed: file.accessed,
            modified: file.modified,
            changed: file.modified,
        }))
    }

    pub(super) fn marks(&self, path: &Path) -> io::Result<Option<(u32, String)>> {
        let place = self.locate(path, true)?;
        Ok(self.get(&place).map(|file| (file.flags, file.label.clone())))
    }

    pub(super) fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let place = self.locate(path, true)?;
        match self.get(&place) {
            None => Ok(None),
            Some(file) if file.kind == FileKind::File => Ok(Some(file.content.clone())),
            Some(file) if file.kind == FileKind::Directory => Err(Errno::EISDIR.into()),
            Some(_) => Err(io::Error::other("not a regular file")),
        }
    }

    pub(super) fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        match self.get(&self.locate(path, false)?) {
            Some(file) if file.kind == FileKind::Symlink => Ok(file.target.clone()),
            Some(_) => Err(Errno::EINVAL.into()),
            None => Err(Errno::ENOENT.into()),
        }
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let place = self.locate(path, true)?;
        match self.get(&place) {
            None => return Err(Errno::ENOENT.into()),
            Some(file) if file.kind != FileKind::Directory => return Err(Errno::ENOTDIR.into()),
            Some(_) => {}
        }
        Ok(self
            .paths
            .keys()
            .filter(|other| other.parent() == Some(&place))
            .filter_map(|other| other.file_name().map(OsString::from))
            .collect())
    }

    /// The place of something new, whose parent must be there.
    fn place_of_new(&self, path: &Path) -> io::Result<PathBuf> {
        let place = self.locate(path, false)?;
        match place.parent().and_then(|parent| self.get(parent)) {
            Some(parent) if parent.kind == FileKind::Directory => Ok(place),
            Some(_) => Err(Errno::ENOTDIR.into()),
            None => Err(Errno::ENOENT.into()),
        }
    }

    pub(super) fn create(&mut self, path: &Path, file: FakeFile) -> io::Result<()> {
        let place = self.place_of_new(path)?;
        if self.paths.contains_key(&place) {
            return Err(Errno::EEXIST.into());
        }
        self.insert(place, file);
        Ok(())
    }

    /// Puts a new inode at a path, unless a directory is there.
    pub(super) fn replace(&mut self, path: &Path, file: FakeFile) -> io::Result<()> {
        let place = self.place_of_new(path)?;
        if self.get(&place).is_some_and(|old| old.kind == FileKind::Directory) {
            return Err(Errno::EISDIR.into());
        }
        self.insert(place, file);
        Ok(())
    }

    pub(super) fn write(
        &mut self,
        path: &Path,
        content: Vec<u8>,
        attributes: Attributes,
        now: SystemTime,
    ) -> io::Result<()> {
        let place = self.place_of_new(path)?;
        let mut file = match self.get(&place) {
            Some(old) if old.kind == FileKind::File => old.clone(),
            Some(old) if old.kind == FileKind::Directory => return Err(Errno::EISDIR.into()),
            Some(old) if old.kind != FileKind::Symlink => {
                return Err(io::Error::other("not a regular file"));
            }
            _ => FakeFile::file(&[], 0o644),
        };
        file.content = content;
        file.mode = attributes.mode.unwrap_or(file.mode);
        file.uid = attributes.uid.unwrap_or(file.uid);
        file.gid = attributes.gid.unwrap_or(file.gid);
        file.mark(&attributes);
        file.modified = now;
        self.insert(place, file);
        Ok(())
    }

    pub(super) fn hard_link(&mut self, target: &Path, path: &Path) -> io::Result<()> {
        let target = self.locate(target, false)?;
        let place = self.place_of_new(path)?;
        let inode = *self.paths.get(&target).ok_or(Errno::ENOENT)?;
        self.paths.insert(place, inode);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let from = self.locate(from, false)?;
        let to = self.place_of_new(to)?;
        if !self.paths.contains_key(&from) {
            return Err(Errno::ENOENT.into());
        }
        let moved: Vec<_> =
            self.paths.keys().filter(|path| path.starts_with(&from)).cloned().collect();
        self.remove_all(&to);
        for path in moved {
            if let (Some(inode), Ok(rest)) = (self.paths.remove(&path), path.strip_prefix(&from)) {
                let new = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                self.paths.insert(new, inode);
            }
        }
        Ok(())
    }

    pub(super) fn remove_all(&mut self, path: &Path) {
        let Ok(place) = self.locate(path, false) else { return };
        self.paths.retain(|other, _| !other.starts_with(&place));
    }

    pub(super) fn change(
        &mut self,
        path: &Path,
        follow: bool,
        change: impl FnOnce(&mut FakeFile),
    ) -> io::Result<()> {
        let place = self.locate(path, follow)?;
        let inode = self.paths.get(&place).ok_or(Errno::ENOENT)?;
        change(self.inodes.get_mut(inode).expect("every path names an inode"));
        Ok(())
    }
}

fn named(component: Component<'_>) -> Option<OsString> {
    match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    }
}
