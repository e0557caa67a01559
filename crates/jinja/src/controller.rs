//! What templates may ask of the machine they are evaluated on: the controller, never a managed host.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a program may print for a template to take in.
const MAX_PRINTED: u64 = 64 << 20;

/// `makedev(1, 3)`: `/dev/null` under any name.
const NULL: u64 = 0x103;

/// Whether reading a file ends and does not block: it is a regular one, or `/dev/null`.
pub fn ends(metadata: &Metadata) -> bool {
    let is_null = metadata.file_type().is_char_device() && metadata.rdev() == NULL;
    metadata.is_file() || is_null
}

/// Opens a file whose reading [`ends`]: FIFOs, other devices and directories are refused.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let metadata = path.metadata()?;
    if ends(&metadata) {
        return File::open(path);
    }
    let what = if metadata.is_dir() { "a directory" } else { "not a regular file" };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}")))
}

/// The content of such a file.
pub fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open_regular(path)?.read_to_end(&mut content)?;
    Ok(content)
}

/// Which directories a file is searched in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchKind {
    /// `files/` of the role and beside the playbook.
    Files,
    /// `templates/`.
    Templates,
    /// `vars/`.
    Vars,
}

impl SearchKind {
    /// The directory's name.
    pub fn directory(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Templates => "templates",
            Self::Vars => "vars",
        }
    }
}

/// What a command of the lookup `pipe` or `lines` gave.
#[derive(Debug, Clone)]
pub struct CommandResult {
    /// The exit code; negative for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// The controller's files, environment and commands, as lookups and file tests need them.
pub trait Controller: Send + Sync {
    /// The directories in which relative names are searched, nearest first (the role, the task file, the playbook).
    fn search_path(&self) -> Vec<PathBuf>;

    /// The content of a file as it is on the disk.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_regular(path)
    }

    /// Writes a file that only its owner can read (the lookup `password`).
    fn write_private(&self, path: &Path, content: &[u8]) -> io::Result<()>;

    /// A variable of the environment.
    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    /// Runs a shell command.
    fn pipe(&self, command: &str) -> io::Result<CommandResult> {
        let directory = self.search_path().into_iter().next().filter(|path| path.is_dir());
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(command);
        if let Some(directory) = directory {
            shell.current_dir(directory);
        }
        run_bounded(shell)
    }

    /// Finds a file: absolute names as they are, others in each directory's `files/` (or `templates/`, `vars/`), then in
    /// the directory itself.
    fn find(&self, kind: SearchKind, name: &str) -> Option<PathBuf> {
        self.candidates(kind, name).into_iter().find(|path| path.exists())
    }

    /// Every path that [`Controller::find`] would try.
    fn candidates(&self, kind: SearchKind, name: &str) -> Vec<PathBuf> {
        let name = expand_home(name, self.env("HOME"));
        if name.is_absolute() {
            return vec![name];
        }
        let roots = self.search_path();
        roots
            .into_iter()
            .flat_map(|root| [root.join(kind.directory()).join(&name), root.join(&name)])
            .collect()
    }
}

/// Runs a command to its end, or until it has printed too much.
fn run_bounded(mut command: Command) -> io::Result<CommandResult> {
    let mut child =
        command.stdin(Stdio::inherit()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let errors = child.stderr.take().map(|errors| std::thread::spawn(move || bounded(errors)));
    let stdout = child.stdout.take().map(bounded).transpose();
    if stdout.is_err() {
        child.kill()?;
    }
    let code = child.wait()?.code().unwrap_or(-1);
    let stderr = errors.and_then(|thread| thread.join().ok()).transpose()?.unwrap_or_default();
    Ok(CommandResult { code, stdout: stdout?.unwrap_or_default(), stderr })
}

fn bounded(stream: impl io::Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    stream.take(MAX_PRINTED + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_PRINTED {
        let message = format!("it printed more than {} MiB", MAX_PRINTED >> 20);
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(content)
}

/// `~/x` and `~user/x`; what names nobody stays as it is.
pub fn expand_home(name: &str, home: Option<String>) -> PathBuf {
    let Some(rest) = name.strip_prefix('~') else { return name.into() };
    let (user, below) = rest.split_once('/').unwrap_or((rest, ""));
    let home = if user.is_empty() {
        home.map(PathBuf::from)
    } else {
        nix::unistd::User::from_name(user).ok().flatten().map(|user| user.dir)
    };
    match home {
        Some(home) if below.is_empty() => home,
        Some(home) => home.join(below),
        None => name.into(),
    }
}

/// The plain controller: this machine's disk and environment, and a search path.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// Where relative names are searched.
    pub search_path: Vec<PathBuf>,
}

impl Controller for Disk {
    fn search_path(&self) -> Vec<PathBuf> {
        self.search_path.clone()
    }

    fn write_private(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        use std::io::Write as _;
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};

        if let Some(parent) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(path)?.write_all(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_are_those_of_their_users() {
        let expand = |name| expand_home(name, Some("/home/me".into()));
        assert_eq!(expand("~/a/b"), Path::new("/home/me/a/b"));
        assert_eq!(expand("~"), Path::new("/home/me"));
        assert_eq!(expand("~root/.profile"), Path::new("/root/.profile"));
        assert_eq!(expand("~nobody-of-that-name/x"), Path::new("~nobody-of-that-name/x"));
        assert_eq!(expand("a/~/b"), Path::new("a/~/b"));
    }

    #[test]
    fn only_what_ends_is_read() {
        assert_eq!(read_regular(Path::new("/dev/null")).unwrap(), b"");
        let refusal = read_regular(Path::new("/dev/zero")).unwrap_err().to_string();
        assert_eq!(refusal, "it is not a regular file");
        let refusal = read_regular(Path::new("/")).unwrap_err().to_string();
        assert_eq!(refusal, "it is a directory");
    }
}
