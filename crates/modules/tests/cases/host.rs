//! Sets up hosts as cases describe them, in memory and for real, and looks at them afterwards.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use system::{Account, FakeFile, FakeSystem, FileKind, GroupEntry, Output};

use crate::case::{Described, File, Host};

/// Lays a host over one in memory. Hard links come last, when what they link to is there.
pub(crate) fn lay_over(fake: &FakeSystem, host: &Host) {
    for (path, file) in &host.files {
        match file {
            None => fake.take(path),
            Some(file) if is_hard_link(file) => {}
            Some(file) => fake.put(path, fake_file(file)),
        }
    }
    for (path, file) in &host.files {
        if let Some(File::Described(Described { target: Some(target), .. })) =
            file.as_ref().filter(|file| is_hard_link(file))
        {
            fake.put_hard_link(Path::new(target), Path::new(path));
        }
    }
    for user in host.users.clone() {
        fake.add_user(Account {
            name: user.name,
            uid: user.uid,
            gid: user.gid,
            gecos: user.gecos,
            home: user.home.into(),
            shell: user.shell.into(),
        });
    }
    for group in host.groups.clone() {
        fake.add_group(GroupEntry { name: group.name, gid: group.gid, members: group.members });
    }
    host.users_removed.iter().for_each(|name| fake.remove_user(name));
    host.groups_removed.iter().for_each(|name| fake.remove_group(name));
    for (name, value) in &host.environment {
        fake.set_variable(name, value);
    }
    for text in &host.blobs {
        fake.add_blob(text.as_bytes());
    }
    for fault in &host.faults {
        fake.fail(&fault.effect, errno(&fault.errno));
    }
    for answer in host.commands.clone() {
        fake.answer(system::Answer {
            line: answer.run,
            output: Output {
                status: answer.rc,
                stdout: answer.stdout.into_bytes(),
                stderr: answer.stderr.into_bytes(),
                ..Output::default()
            },
            then: answer.then.map(|then| {
                Arc::new(move |fake: &FakeSystem| {
                    then.commands.iter().for_each(|answer| fake.forget(&answer.run));
                    lay_over(fake, &then);
                }) as Arc<dyn Fn(&FakeSystem) + Send + Sync>
            }),
        });
    }
}

fn errno(name: &str) -> Errno {
    match name {
        "ENOSPC" => Errno::ENOSPC,
        "EROFS" => Errno::EROFS,
        "EACCES" => Errno::EACCES,
        "EPERM" => Errno::EPERM,
        other => panic!("errno {other} is not known to the cases"),
    }
}

fn is_hard_link(file: &File) -> bool {
    matches!(file, File::Described(described) if described.kind.as_deref() == Some("hard"))
}

fn fake_file(file: &File) -> FakeFile {
    let described = match file {
        File::Content(content) => return FakeFile::file(content.as_bytes(), 0o644),
        File::Described(described) => described,
    };
    let kind = kind_of(described);
    let mode = |default| described.mode.as_deref().map_or(default, octal);
    let mut fake = match kind {
        FileKind::File => {
            FakeFile::file(described.content.as_deref().unwrap_or_default().as_bytes(), mode(0o644))
        }
        FileKind::Directory => FakeFile::directory(mode(0o755)),
        FileKind::Symlink => FakeFile::symlink(described.target.clone().unwrap_or_default()),
        special => FakeFile::special(special, mode(0o644)),
    };
    fake.uid = described.uid.unwrap_or(0);
    fake.gid = described.gid.unwrap_or(0);
    fake.flags = described.flags.as_deref().map_or(0, flags);
    fake.label = described.label.clone().unwrap_or_default();
    let time = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    fake.modified = described.modified.map_or(fake.modified, time);
    fake.accessed = described.accessed.map_or(fake.accessed, time);
    fake
}

/// Flags from their letters.
fn flags(letters: &str) -> u32 {
    let flag = |letter| system::FLAGS.iter().find(|(known, _)| *known == letter);
    letters.chars().map(|letter| flag(letter).expect("a letter of lsattr").1).sum()
}

fn kind_of(described: &Described) -> FileKind {
    match described.kind.as_deref() {
        None if described.target.is_some() => FileKind::Symlink,
        None | Some("file" | "hard") => FileKind::File,
        Some("directory") => FileKind::Directory,
        Some("link") => FileKind::Symlink,
        Some("fifo") => FileKind::Fifo,
        Some("socket") => FileKind::Socket,
        Some("block") => FileKind::BlockDevice,
        Some("char") => FileKind::CharDevice,
        Some(other) => panic!("kind {other} is not known to the cases"),
    }
}

fn octal(digits: &str) -> u32 {
    u32::from_str_radix(digits, 8).expect("octal digits")
}

/// Makes the files of a case for real.
pub(crate) fn make_real(files: &BTreeMap<String, Option<File>>) {
    let (links, others): (Vec<_>, Vec<_>) =
        files.iter().partition(|(_, file)| file.as_ref().is_some_and(is_hard_link));
    for (path, file) in others.into_iter().chain(links) {
        let Some(file) = file else { continue };
        let path = Path::new(path);
        std::fs::create_dir_all(path.parent().expect("under the case's directory"))
            .expect("parents are made");
        make_real_file(path, file);
    }
}

fn make_real_file(path: &Path, file: &File) {
    let fake = fake_file(file);
    match fake.kind {
        _ if is_hard_link(file) => {
            let File::Described(Described { target: Some(target), .. }) = file else {
                panic!("a hard link has a target")
            };
            std::fs::hard_link(target, path).expect("linked");
            return;
        }
        FileKind::File => std::fs::write(path, &fake.content).expect("written"),
        FileKind::Directory => std::fs::create_dir_all(path).expect("made"),
        FileKind::Symlink => {
            return std::os::unix::fs::symlink(&fake.target, path).expect("linked");
        }
        FileKind::Fifo => nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).expect("made"),
        other => panic!("{other:?} is not made for real"),
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(fake.mode)).expect("set");
    std::os::unix::fs::chown(path, Some(fake.uid), Some(fake.gid)).expect("tests run as root");
    if matches!(fake.kind, FileKind::File | FileKind::Directory) {
        let file = std::fs::File::open(path).expect("opened");
        let times =
            std::fs::FileTimes::new().set_modified(fake.modified).set_accessed(fake.accessed);
        file.set_times(times).expect("set");
    }
}

/// A real file as one in memory.
pub(crate) fn read_real(path: &Path) -> Option<FakeFile> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    let kind = meta.file_type();
    let mut file = if kind.is_symlink() {
        FakeFile::symlink(std::fs::read_link(path).expect("a link"))
    } else if kind.is_dir() {
        FakeFile::directory(0)
    } else if kind.is_fifo() {
        FakeFile::special(FileKind::Fifo, 0)
    } else {
        FakeFile::file(&std::fs::read(path).expect("readable"), 0)
    };
    file.mode = meta.mode() & 0o7777;
    file.uid = meta.uid();
    file.gid = meta.gid();
    file.modified = meta.modified().expect("known");
    file.accessed = meta.accessed().expect("known");
    Some(file)
}

/// What is not as a case wants it.
pub(crate) fn compare(
    path: &str,
    wanted: Option<&File>,
    found: Option<&FakeFile>,
) -> Result<(), String> {
    let (wanted, found) = match (wanted, found) {
        (None, None) => return Ok(()),
        (None, Some(_)) => return Err(format!("{path} is there")),
        (Some(_), None) => return Err(format!("{path} is not there")),
        (Some(wanted), Some(found)) => (wanted, found),
    };
    let described = match wanted {
        File::Content(content) => {
            Described { content: Some(content.clone()), ..Described::default() }
        }
        File::Described(described) => described.clone(),
    };
    let seconds = |time: SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    };
    let content = String::from_utf8_lossy(&found.content).into_owned();
    let mode = format!("{:04o}", found.mode);
    let target = found.target.to_string_lossy().into_owned();
    let is_link = kind_of(&described) == FileKind::Symlink;
    let claims = [
        claim("kind", Some(&kind_of(&described)), &found.kind),
        claim("content", described.content.as_ref(), &content),
        claim("target", described.target.as_ref().filter(|_| is_link), &target),
        claim("mode", described.mode.as_ref(), &mode),
        claim("uid", described.uid.as_ref(), &found.uid),
        claim("gid", described.gid.as_ref(), &found.gid),
        claim("flags", described.flags.as_deref().map(flags).as_ref(), &found.flags),
        claim("label", described.label.as_ref(), &found.label),
        claim("modified", described.modified.as_ref(), &seconds(found.modified)),
        claim("accessed", described.accessed.as_ref(), &seconds(found.accessed)),
    ];
    let wrong: Vec<_> = claims.into_iter().flatten().collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("{path}: {}", wrong.join("; "))) }
}

fn claim<T: PartialEq + std::fmt::Debug>(
    name: &str,
    wanted: Option<&T>,
    found: &T,
) -> Option<String> {
    wanted
        .filter(|wanted| *wanted != found)
        .map(|wanted| format!("{name} is {found:?}, not {wanted:?}"))
}
