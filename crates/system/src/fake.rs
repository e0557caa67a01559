//! A host in memory, for the cases of modules: files, users, scripted answers of programs, and a record of every
//! effect. It behaves as the real door does as far as modules can see.

mod tree;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use model::Digest;
use nix::errno::Errno;

pub use tree::FakeFile;

use crate::{
    Account, Attributes, Command, Dialogue, Error, FileKind, FileStat, GroupEntry, Output, Probe,
    Reply, Result, System, WriteFile,
};
use tree::Tree;

/// What a program does to a host in memory.
pub type Then = Arc<dyn Fn(&FakeSystem) + Send + Sync>;

/// What a program answers.
#[derive(Clone)]
pub struct Answer {
    /// The command line as [`command_line`] writes it; a `*` at its end stands for any rest.
    pub line: String,
    /// What it says. Several answers to one line are given in turn, the last one for ever.
    pub output: Output,
    /// What it does to the host besides.
    pub then: Option<Then>,
}

/// A host in memory.
#[derive(Default)]
pub struct FakeSystem {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tree: Tree,
    users: Vec<Account>,
    groups: Vec<GroupEntry>,
    answers: Vec<Answer>,
    environment: BTreeMap<String, String>,
    blobs: BTreeMap<Digest, Vec<u8>>,
    faults: Vec<(String, Errno)>,
    effects: Vec<String>,
    blobs_opened: usize,
    clock: Duration,
}

/// Where the fake's clock starts: 2026-01-01 00:00:00 UTC.
const START: u64 = 1_767_225_600;

impl FakeSystem {
    /// A host with `/`, `/tmp`, and the user and group `root`.
    pub fn new() -> Self {
        let fake = Self::default();
        fake.put("/tmp", FakeFile::directory(0o1777));
        fake.add_user(Account {
            name: "root".into(),
            uid: 0,
            gid: 0,
            gecos: "root".into(),
            home: "/root".into(),
            shell: "/bin/bash".into(),
        });
        fake.add_group(GroupEntry { name: "root".into(), gid: 0, members: Vec::new() });
        fake
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Puts something at a path, with its parent directories, replacing what is there.
    pub fn put(&self, path: impl AsRef<Path>, file: FakeFile) {
        self.state().tree.put(path.as_ref(), file);
    }

    /// Gives what is at a path another name.
    pub fn put_hard_link(&self, target: &Path, path: &Path) {
        self.state().tree.hard_link(target, path).expect("the target is there");
    }

    /// Takes away what is at a path.
    pub fn take(&self, path: impl AsRef<Path>) {
        self.state().tree.remove_all(path.as_ref());
    }

    /// Adds a user, or replaces the one of that name.
    pub fn add_user(&self, user: Account) {
        let mut state = self.state();
        state.users.retain(|known| known.name != user.name);
        state.users.push(user);
    }

    /// Adds a group, or replaces the one of that name.
    pub fn add_group(&self, group: GroupEntry) {
        let mut state = self.state();
        state.groups.retain(|known| known.name != group.name);
        state.groups.push(group);
    }

    /// Removes a user.
    pub fn remove_user(&self, name: &str) {
        self.state().users.retain(|known| known.name != name);
    }

    /// Removes a group.
    pub fn remove_group(&self, name: &str) {
        self.state().groups.retain(|known| known.name != name);
    }

    /// Adds an answer after those to the same line.
    pub fn answer(&self, answer: Answer) {
        self.state().answers.push(answer);
    }

    /// Forgets the answers to a line.
    pub fn forget(&self, line: &str) {
        self.state().answers.retain(|answer| answer.line != line);
    }

    /// Sets a variable of the step's environment.
    pub fn set_variable(&self, name: &str, value: &str) {
        self.state().environment.insert(name.to_owned(), value.to_owned());
    }

    /// Offers a blob.
    pub fn add_blob(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        self.state().blobs.insert(digest, bytes.to_vec());
        digest
    }

    /// Lets a verb fail, e.g. `write /etc/motd` with `ENOSPC`: matched against the beginning of the effect.
    pub fn fail(&self, effect: &str, errno: Errno) {
        self.state().faults.push((effect.to_owned(), errno));
    }

    /// Every file there is, by path.
    pub fn files(&self) -> BTreeMap<PathBuf, FakeFile> {
        self.state().tree.files()
    }

    /// What was done to the host, in order.
    pub fn effects(&self) -> Vec<String> {
        self.state().effects.clone()
    }

    /// How often a blob was asked for.
    pub fn blobs_opened(&self) -> usize {
        self.state().blobs_opened
    }

    /// Does something to the tree, or fails as told, and records it.
    fn effect(
        &self,
        doing: &'static str,
        path: &Path,
        detail: &str,
        act: impl FnOnce(&mut Tree, SystemTime) -> io::Result<()>,
    ) -> Result<()> {
        let mut state = self.state();
        let effect = format!("{doing} {}{detail}", path.display());
        let fault = state.faults.iter().find(|(prefix, _)| effect.starts_with(prefix.as_str()));
        let now = state.now();
        let done = match fault {
            Some((_, errno)) => Err(io::Error::from(*errno)),
            None => act(&mut state.tree, now),
        };
        done.map_err(|source| Error::Path { doing, path: path.to_owned(), source })?;
        state.effects.push(effect);
        state.clock += Duration::from_secs(1);
        Ok(())
    }

    fn look<T>(
        &self,
        doing: &'static str,
        path: &Path,
        act: impl FnOnce(&Tree) -> io::Result<T>,
    ) -> Result<T> {
        act(&self.state().tree).map_err(|source| Error::Path {
            doing,
            path: path.to_owned(),
            source,
        })
    }

    fn execute(&self, command: &Command) -> Result<Output> {
        let line = command_line(command);
        let answer = {
            let mut state = self.state();
            let matches = |answer: &Answer| match answer.line.strip_suffix('*') {
                Some(beginning) => line.starts_with(beginning),
                None => answer.line == line,
            };
            let at = state.answers.iter().position(matches).ok_or_else(|| Error::Run {
                program: line.clone(),
                source: io::Error::from(Errno::ENOENT),
            })?;
            let answer = state.answers[at].clone();
            if state.answers[at + 1..].iter().any(|later| later.line == answer.line) {
                state.answers.remove(at);
            }
            answer
        };
        if let Some(then) = &answer.then {
            then(self);
        }
        Ok(answer.output)
    }
}

impl State {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(START) + self.clock
    }
}

/// A command in one line, words with spaces in quotes.
pub fn command_line(command: &Command) -> String {
    std::iter::once(&command.program)
        .chain(&command.args)
        .map(|word| {
            let plain = |c: char| !c.is_whitespace() && !"'\"\\$*;&|<>()".contains(c);
            if !word.is_empty() && word.chars().all(plain) {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', "'\\''"))
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

impl Probe for FakeSystem {
    fn stat(&self, path: &Path, follow: bool) -> Result<Option<FileStat>> {
        self.look("look at", path, |tree| match tree.stat(path, follow) {
            Err(error) if follow && error.raw_os_error() == Some(Errno::ELOOP as i32) => Ok(None),
            answer => answer,
        })
    }

    fn open(&self, path: &Path) -> Result<Option<Box<dyn Read>>> {
        let content = self.look("open", path, |tree| tree.read(path))?;
        Ok(content.map(|content| Box::new(Cursor::new(content)) as Box<dyn Read>))
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf> {
        self.look("read the link", path, |tree| tree.read_link(path))
    }

    fn follow_link(&self, path: &Path) -> Result<PathBuf> {
        Ok(crate::parent_of(path).join(self.read_link(path)?))
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>> {
        self.look("list", path, |tree| tree.list(path))
    }

    fn access(&self, path: &Path, mode: i32) -> bool {
        let wanted = (mode as u32) & 1;
        matches!(self.stat(path, true), Ok(Some(stat)) if wanted == 0 || stat.mode & 0o111 != 0)
    }

    fn flags(&self, path: &Path) -> Result<Option<u32>> {
        Ok(self.look("open", path, |tree| tree.marks(path))?.map(|(flags, _)| flags))
    }

    fn generation(&self, path: &Path) -> Result<Option<u32>> {
        Ok(self.flags(path)?.map(|_| 1))
    }

    fn xattr(&self, path: &Path, name: &str) -> Result<Option<Vec<u8>>> {
        let marks = self.look("read an attribute of", path, |tree| tree.marks(path))?;
        let label = marks.map(|(_, label)| label).filter(|label| !label.is_empty());
        Ok(label.filter(|_| name == crate::LABEL).map(String::into_bytes))
    }

    fn query(&self, command: &Command) -> Result<Output> {
        self.execute(command)
    }

    fn user(&self, name: &str) -> Result<Option<Account>> {
        Ok(self.state().users.iter().find(|user| user.name == name).cloned())
    }

    fn user_by_id(&self, uid: u32) -> Result<Option<Account>> {
        Ok(self.state().users.iter().find(|user| user.uid == uid).cloned())
    }

    fn group(&self, name: &str) -> Result<Option<GroupEntry>> {
        Ok(self.state().groups.iter().find(|group| group.name == name).cloned())
    }

    fn group_by_id(&self, gid: u32) -> Result<Option<GroupEntry>> {
        Ok(self.state().groups.iter().find(|group| group.gid == gid).cloned())
    }

    fn own_uid(&self) -> u32 {
        0
    }

    fn umask(&self) -> u32 {
        0o022
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.state().environment.get(name).cloned()
    }

    fn variables(&self) -> BTreeMap<String, String> {
        self.state().environment.clone()
    }

    fn now(&self) -> SystemTime {
        self.state().now()
    }

    fn blob(&self, digest: Digest) -> Result<Box<dyn Read + Send>> {
        let mut state = self.state();
        state.blobs_opened += 1;
        match state.blobs.get(&digest) {
            Some(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
            None => Err(Error::Blob { digest, reason: "the controller does not have it".into() }),
        }
    }

    fn keep_going(&self) -> Result<()> {
        Ok(())
    }

    fn sleep(&self, duration: Duration) -> Result<()> {
        self.state().clock += duration;
        Ok(())
    }
}

impl System for FakeSystem {
    fn write(&self, file: WriteFile<'_>) -> Result<()> {
        let WriteFile { path, content, attributes, validate, .. } = file;
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(|source| Error::Path {
            doing: "write",
            path: path.to_owned(),
            source,
        })?;
        if let Some(validate) = validate {
            let beside = path.with_file_name(".muster-validate");
            self.put(&beside, FakeFile::file(&bytes, 0o600));
            let valid = validate(&beside);
            self.take(&beside);
            valid?;
        }
        self.effect("write", path, "", |tree, now| tree.write(path, bytes, attributes, now))
    }

    fn make_directory(&self, path: &Path, attributes: Attributes) -> Result<()> {
        self.effect("make directory", path, "", |tree, now| {
            let mut directory = FakeFile::directory(attributes.mode.unwrap_or(0o755));
            directory.uid = attributes.uid.unwrap_or(0);
            directory.gid = attributes.gid.unwrap_or(0);
            directory.mark(&attributes);
            directory.modified = now;
            tree.create(path, directory)
        })
    }

    fn symlink(&self, target: &Path, path: &Path) -> Result<()> {
        let detail = format!(" -> {}", target.display());
        self.effect("link", path, &detail, |tree, now| {
            let mut link = FakeFile::symlink(target);
            link.modified = now;
            tree.replace(path, link)
        })
    }

    fn hard_link(&self, target: &Path, path: &Path) -> Result<()> {
        let detail = format!(" = {}", target.display());
        self.effect("link", path, &detail, |tree, _| tree.hard_link(target, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let detail = format!(" to {}", to.display());
        self.effect("rename", from, &detail, |tree, _| tree.rename(from, to))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.effect("remove", path, "", |tree, _| {
            if tree.stat(path, false)?.is_none() {
                return Err(Errno::ENOENT.into());
            }
            tree.remove_all(path);
            Ok(())
        })
    }

    fn set_attributes(&self, path: &Path, attributes: Attributes, follow: bool) -> Result<()> {
        self.effect("set attributes of", path, "", |tree, _| {
            tree.change(path, follow, |file| {
                file.mode = attributes.mode.unwrap_or(file.mode);
                file.uid = attributes.uid.unwrap_or(file.uid);
                file.gid = attributes.gid.unwrap_or(file.gid);
                file.mark(&attributes);
            })
        })
    }

    fn set_times(
        &self,
        path: &Path,
        accessed: Option<SystemTime>,
        modified: Option<SystemTime>,
    ) -> Result<()> {
        self.effect("set times of", path, "", |tree, _| {
            tree.change(path, false, |file| {
                file.accessed = accessed.unwrap_or(file.accessed);
                file.modified = modified.unwrap_or(file.modified);
            })
        })
    }

    fn scratch(&self) -> Result<PathBuf> {
        let path = PathBuf::from("/tmp/.muster-step");
        self.put(&path, FakeFile::directory(0o700));
        Ok(path)
    }

    fn run(&self, command: &Command) -> Result<Output> {
        self.state().effects.push(format!("run {}", command_line(command)));
        self.execute(command)
    }

    /// The program prints all it has to say at once, and listens to the answers until none is left.
    fn converse(&self, command: &Command, _: bool, dialogue: &mut Dialogue<'_>) -> Result<Output> {
        self.state().effects.push(format!("converse {}", command_line(command)));
        let output = self.execute(command)?;
        let mut piece = output.stdout.as_slice();
        loop {
            match dialogue(piece) {
                Reply::Wait => return Ok(output),
                Reply::Type(text) => {
                    let typed = String::from_utf8_lossy(text.reveal()).into_owned();
                    self.state().effects.push(format!("type {typed}"));
                }
                Reply::Stop => return Ok(Output { timed_out: true, ..output }),
            }
            piece = &[];
        }
    }
}

impl FakeFile {
    fn new(kind: FileKind, mode: u32) -> Self {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(START - 3600);
        Self {
            kind,
            content: Vec::new(),
            target: PathBuf::new(),
            mode,
            uid: 0,
            gid: 0,
            flags: 0,
            label: String::new(),
            accessed: time,
            modified: time,
        }
    }

    /// A regular file of root.
    pub fn file(content: &[u8], mode: u32) -> Self {
        Self { content: content.to_vec(), ..Self::new(FileKind::File, mode) }
    }

    /// A directory of root.
    pub fn directory(mode: u32) -> Self {
        Self::new(FileKind::Directory, mode)
    }

    /// A symbolic link.
    pub fn symlink(target: impl Into<PathBuf>) -> Self {
        Self { target: target.into(), ..Self::new(FileKind::Symlink, 0o777) }
    }

    /// A FIFO, socket or device.
    pub fn special(kind: FileKind, mode: u32) -> Self {
        Self::new(kind, mode)
    }
}
