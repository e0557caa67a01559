//! `copy`: puts content into a file. The controller's `copy` and `template` read and render; what arrives here is the
//! content itself, the name of a blob, or (with `remote_src`) a path on the host.

use std::path::{Path, PathBuf};

use model::{Args, Digest};
use system::{Attributes, FileKind, FileStat, Probe, System};

use crate::arguments::{FileMode, arguments};
use crate::content::{Contents, Put, Source, check_validate};
use crate::contract::{Check, Failure, Module};
use crate::edits::Edit;
use crate::files::{self, FileAttributes, end_of_links, path_value};

arguments! {
    /// Copies files to the host. The file is replaced as a whole: readers see the old or the new version.
    pub struct Copy {
        /// The file to copy; with `remote_src`, a path on the host.
        pub src: Option<PathBuf>,
        /// The content itself, instead of `src`.
        pub content: Option<String> { unlogged },
        /// Where to. A directory, or a path that ends in `/`: a file of the source's name in it.
        pub dest: PathBuf,
        /// `src` is on the host already.
        pub remote_src: bool { default: false },
        /// Replace a file that has another content.
        pub force: bool { default: true },
        /// Keep the old version beside the file.
        pub backup: bool { default: false },
        /// A command that must approve of the new file before it takes the old one's place; `%s` is its path.
        pub validate: Option<String>,
        /// The mode of directories that are made on the way.
        pub directory_mode: Option<FileMode>,
        /// When the destination is a symbolic link, write to what it points to.
        pub follow: bool { default: false },
        /// When the source is a symbolic link, copy what it points to.
        pub local_follow: bool { default: true },
        /// The SHA-1 that the source must have.
        pub checksum: Option<String>,
        /// Decrypt vault files (done by the controller).
        pub decrypt: bool { default: true },
        /// The directory is made by a step before, which in check mode has not happened.
        pub makes_parents: bool { named: "_makes_parents", hidden, default: false },
        pub attributes: FileAttributes,
        pub blob: Option<Digest> { named: "_blob", hidden },
        pub blob_size: Option<u64> { named: "_size", hidden },
        pub original_basename: Option<String> { named: "_original_basename", hidden },
        pub title: Option<String> { named: "_title", hidden },
    }
    mutually_exclusive: [&["src", "content"]];
    required_one_of: [&["src", "content", "_blob"]];
}

impl Module for Copy {
    type Change = Contents;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Contents>, Failure> {
        check_validate(self.validate.as_deref())?;
        let source = self.source(host)?;
        if let Some(src) = &self.src {
            result.insert("src".into(), path_value(src));
        }
        let contents = match &source {
            Source::File(path) if is_directory(host, path)? => self.tree(host, path, result)?,
            _ => self.single(host, source, result)?,
        };
        Ok(if contents.is_empty() { Check::InSync } else { Check::Drift(contents) })
    }

    fn apply(
        &self,
        contents: Contents,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        let sums = contents.apply(host, result)?;
        if let Some(sums) = sums {
            sums.describe(result);
        }
        let dest = result.get("dest").and_then(|dest| dest.as_str()).map(PathBuf::from);
        files::describe(host, dest.as_ref().unwrap_or(&self.dest), result)
    }
}

fn is_directory(host: &dyn Probe, path: &Path) -> Result<bool, Failure> {
    Ok(host.stat(path, true)?.is_some_and(|stat| stat.kind == FileKind::Directory))
}

fn ends_in_slash(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

impl Copy {
    fn source(&self, host: &dyn Probe) -> Result<Source, Failure> {
        if let Some(digest) = self.blob {
            return Ok(Source::Blob { digest, size: self.blob_size });
        }
        if let Some(content) = &self.content {
            return Ok(Source::Bytes(content.clone().into_bytes()));
        }
        let src = self.src.clone().unwrap_or_default();
        if !self.remote_src {
            return Err(Failure::new(format!(
                "src {} is a path on the controller, which sent no content; for a path on this host, set remote_src",
                src.display()
            )));
        }
        match host.stat(&src, true)? {
            None => Err(Failure::new(format!("Source {} not found", src.display()))),
            Some(stat) if !matches!(stat.kind, FileKind::File | FileKind::Directory) => {
                Err(Failure::new(format!(
                    "Source {} is not a file: it is a {}",
                    src.display(),
                    stat.kind.name()
                )))
            }
            Some(_) => Ok(Source::File(src)),
        }
    }

    /// One file.
    fn single(
        &self,
        host: &dyn Probe,
        source: Source,
        result: &mut Args,
    ) -> Result<Contents, Failure> {
        self.check_checksum(host, &source)?;
        let dest = self.destination(host)?;
        result.insert("dest".into(), path_value(&dest));
        let mut contents = Contents::of(&dest);
        if ends_in_slash(&self.dest) || self.makes_parents {
            self.make_directories(host, system::parent_of(&dest), &mut contents)?;
        }
        let current = host.stat(&dest, false)?;
        match &current {
            Some(_) if !self.force => {
                result.insert("msg".into(), "file already exists".into());
                files::describe(host, &dest, result)?;
                return Ok(Contents::of(&dest));
            }
            None if contents.first.is_empty() => refuse_without_parent(host, &dest)?,
            _ => {}
        }
        if let Source::Bytes(bytes) = &source {
            files::Checksums::of_bytes(bytes).describe(result);
        }
        self.put(host, source, dest.clone(), current, &mut contents, result)?;
        files::describe(host, &dest, result)?;
        Ok(contents)
    }

    /// Compares one file with what it shall be.
    fn put(
        &self,
        host: &dyn Probe,
        source: Source,
        path: PathBuf,
        current: Option<FileStat>,
        contents: &mut Contents,
        result: &mut Args,
    ) -> Result<(), Failure> {
        if let Some(stat) = &current
            && !matches!(stat.kind, FileKind::File | FileKind::Symlink)
        {
            return Err(Failure::new(format!(
                "cannot copy to {}: it is a {}, not a regular file",
                path.display(),
                stat.kind.name()
            )));
        }
        let regular = current.filter(|stat| stat.kind == FileKind::File);
        if let Some(stat) = &regular
            && let Some(sums) = source.found_in(host, &path, stat)?
        {
            sums.describe(result);
            let mut drift = self.attributes.drift(host, &path, stat)?;
            if let Some(mode) =
                self.preserved_mode(host, &source)?.filter(|mode| *mode != stat.mode)
            {
                drift.set.mode = Some(mode);
            }
            contents.then.set_attributes(&path, drift);
            return Ok(());
        }
        let mut attributes = self.attributes.resolve(host, regular.as_ref(), false)?;
        attributes.mode = attributes.mode.or(self.preserved_mode(host, &source)?);
        contents.puts.push(Put {
            source,
            path,
            attributes,
            backup: self.backup,
            validate: self.validate.clone(),
            in_place: self.attributes.unsafe_writes,
            title: self.title.clone(),
        });
        Ok(())
    }

    /// The mode of a source on the host, with `mode: preserve`.
    fn preserved_mode(&self, host: &dyn Probe, source: &Source) -> Result<Option<u32>, Failure> {
        match source {
            Source::File(path) if self.attributes.mode == Some(FileMode::Preserve) => {
                Ok(host.stat(path, true)?.map(|stat| stat.mode))
            }
            _ => Ok(None),
        }
    }

    fn check_checksum(&self, host: &dyn Probe, source: &Source) -> Result<(), Failure> {
        let Some(wanted) = &self.checksum else { return Ok(()) };
        let found = match source {
            Source::Bytes(bytes) => Some(files::Checksums::of_bytes(bytes)),
            Source::File(path) => files::Checksums::of_file(host, path)?,
            // Its digest says more.
            Source::Blob { .. } => None,
        };
        match found.map(|sums| sums.sha1()).filter(|found| !found.eq_ignore_ascii_case(wanted)) {
            None => Ok(()),
            Some(found) => Err(Failure::new(
                "Copied file does not match the expected checksum. Transfer failed.",
            )
            .with("checksum", found)
            .with("expected_checksum", wanted.clone())),
        }
    }

    /// The file that is meant: in a directory, one of the source's name; behind a link, what it points to.
    fn destination(&self, host: &dyn Probe) -> Result<PathBuf, Failure> {
        let mut dest = files::tidy(&self.dest);
        let name = self
            .original_basename
            .clone()
            .or_else(|| self.src.as_ref()?.file_name()?.to_str().map(str::to_owned));
        if ends_in_slash(&self.dest) || is_directory(host, &dest)? {
            let name = name.ok_or_else(|| {
                Failure::new(format!(
                    "can not use content with a dir as dest: {}",
                    self.dest.display()
                ))
            })?;
            dest.push(name);
        }
        if self.follow { end_of_links(host, &dest) } else { Ok(dest) }
    }

    fn make_directories(
        &self,
        host: &dyn Probe,
        directory: &Path,
        contents: &mut Contents,
    ) -> Result<(), Failure> {
        let mut missing = Vec::new();
        for place in directory.ancestors().filter(|place| !place.as_os_str().is_empty()) {
            match host.stat(place, true)? {
                None => missing.push(place.to_owned()),
                Some(stat) if stat.kind == FileKind::Directory => break,
                Some(_) => {
                    return Err(Failure::new(format!(
                        "cannot make the directory {}: {} is not a directory",
                        directory.display(),
                        place.display()
                    )));
                }
            }
        }
        let attributes = self.directory_attributes(host)?;
        for path in missing.into_iter().rev() {
            contents.first.push(Edit::MakeDirectory { path, attributes: attributes.clone() });
        }
        Ok(())
    }

    fn directory_attributes(&self, host: &dyn Probe) -> Result<Attributes, Failure> {
        let attributes =
            FileAttributes { mode: self.directory_mode.clone(), ..self.attributes.clone() };
        attributes.resolve(host, None, true)
    }

    /// A directory on the host, with all that is in it.
    fn tree(
        &self,
        host: &dyn Probe,
        source: &Path,
        result: &mut Args,
    ) -> Result<Contents, Failure> {
        let mut dest = files::tidy(&self.dest);
        if !ends_in_slash(source)
            && let Some(name) = source.file_name()
        {
            dest.push(name);
        }
        result.insert("dest".into(), path_value(&dest));
        let mut contents = Contents::of(&dest);
        if dest.starts_with(files::tidy(source)) {
            return Err(Failure::new(format!(
                "cannot copy a directory into itself: {} into {}",
                source.display(),
                dest.display()
            )));
        }
        self.make_directories(host, system::parent_of(&dest), &mut contents)?;
        let mut left = vec![(source.to_owned(), dest.clone())];
        while let Some((from, to)) = left.pop() {
            host.keep_going()?;
            match host.stat(&to, true)? {
                None => {
                    let attributes = self.directory_attributes(host)?;
                    contents.first.push(Edit::MakeDirectory { path: to.clone(), attributes });
                }
                Some(stat) if stat.kind == FileKind::Directory => {}
                Some(_) => {
                    return Err(Failure::new(format!("{} is not a directory", to.display())));
                }
            }
            for name in host.list(&from)? {
                let (from, to) = (from.join(&name), to.join(&name));
                let Some(stat) = host.stat(&from, self.local_follow)? else { continue };
                match stat.kind {
                    FileKind::Directory => left.push((from, to)),
                    FileKind::Symlink => copy_link(host, &from, to, &mut contents)?,
                    FileKind::File => {
                        let current = host.stat(&to, false)?;
                        if current.is_none() || self.force {
                            let source = Source::File(from);
                            self.put(host, source, to, current, &mut contents, &mut Args::new())?;
                        }
                    }
                    other => {
                        return Err(Failure::new(format!(
                            "cannot copy {}: it is a {}",
                            from.display(),
                            other.name()
                        )));
                    }
                }
            }
        }
        files::describe(host, &dest, result)?;
        Ok(contents)
    }
}

fn copy_link(
    host: &dyn Probe,
    from: &Path,
    to: PathBuf,
    contents: &mut Contents,
) -> Result<(), Failure> {
    let target = host.read_link(from)?;
    let is_right = match host.stat(&to, false)? {
        Some(stat) if stat.kind == FileKind::Symlink => host.read_link(&to)? == target,
        _ => false,
    };
    if !is_right {
        contents.then.push(Edit::Symlink { target, path: to });
    }
    Ok(())
}

fn refuse_without_parent(host: &dyn Probe, path: &Path) -> Result<(), Failure> {
    let parent = system::parent_of(path);
    match host.stat(parent, true)? {
        Some(stat) if stat.kind == FileKind::Directory => Ok(()),
        Some(_) => Err(Failure::new(format!("{} is not a directory", parent.display()))),
        None => {
            Err(Failure::new(format!("Destination directory {} does not exist", parent.display())))
        }
    }
}
