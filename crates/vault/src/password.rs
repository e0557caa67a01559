//! Where passwords come from, persons aside: files, encrypted files, and programs.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use model::Secret;

use crate::Keyring;

/// Why a file or program gives no password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// There is no such file.
    #[error("The vault password file {} was not found", .0.display())]
    NotFound(PathBuf),
    /// It is a directory.
    #[error("The vault password file provided '{}' can not be a directory", .0.display())]
    Directory(PathBuf),
    /// The file cannot be read.
    #[error("Could not read vault password file {}: {source}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is a vault that cannot be opened.
    #[error("Could not decrypt vault password file {}: {source}", .path.display())]
    Locked {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: crate::Error,
    },
    /// There is nothing in it, or the program said nothing.
    #[error("Invalid vault password was provided from {kind} ({})", .path.display())]
    Empty {
        /// `file` or `script`.
        kind: &'static str,
        /// Which one.
        path: PathBuf,
    },
    /// The program could not be started.
    #[error("Problem running vault password script {} ({source}). If this is not a script, remove the executable bit from the file.", .path.display())]
    Start {
        /// Which program.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program failed.
    #[error("Vault password script {} returned non-zero ({code}): {said}", .path.display())]
    Failed {
        /// Which program.
        path: PathBuf,
        /// Its exit code, or how it ended.
        code: String,
        /// What it wrote on standard error.
        said: String,
    },
    /// The program knows no password for the id.
    #[error("Vault password client script {} did not find a secret for vault-id={id}: {said}", .path.display())]
    UnknownId {
        /// Which program.
        path: PathBuf,
        /// The id that it was asked for.
        id: String,
        /// What it wrote on standard error.
        said: String,
    },
}

impl PasswordError {
    /// Whether the file itself is missing, rather than what should be in it.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::NotFound(_) | Self::Directory(_))
    }
}

/// Reads a password: the text of a file (which may be encrypted with a password known so far), or what a program prints.
///
/// Programs whose name ends in `-client` (before the extension) are told the id: `--vault-id ID`.
pub fn read_password(
    path: &Path,
    id: &str,
    known: &Keyring,
) -> Result<Secret<Vec<u8>>, PasswordError> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(PasswordError::NotFound(path));
        }
        Err(source) => return Err(PasswordError::Read { path, source }),
    };
    if metadata.is_dir() {
        return Err(PasswordError::Directory(path));
    }
    let is_program = metadata.permissions().mode() & 0o111 != 0;
    let (kind, content) = if is_program {
        ("script", ask_program(&path, id)?)
    } else {
        ("file", read_file(&path, known)?)
    };
    let password = content.trim_ascii().to_vec();
    if password.is_empty() {
        return Err(PasswordError::Empty { kind, path });
    }
    Ok(Secret::new(password))
}

fn read_file(path: &Path, known: &Keyring) -> Result<Vec<u8>, PasswordError> {
    let bytes = std::fs::read(path)
        .map_err(|source| PasswordError::Read { path: path.to_owned(), source })?;
    let content = known.content(bytes);
    content
        .map(|(content, _)| content)
        .map_err(|source| PasswordError::Locked { path: path.to_owned(), source })
}

fn ask_program(path: &Path, id: &str) -> Result<Vec<u8>, PasswordError> {
    let is_client =
        path.file_stem().is_some_and(|stem| stem.as_encoded_bytes().ends_with(b"-client"));
    let mut program = Command::new(path);
    if is_client {
        // Others talk to the person through standard error.
        program.args(["--vault-id", id]).stderr(Stdio::piped());
    }
    let output = program
        .stdout(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .map_err(|source| PasswordError::Start { path: path.to_owned(), source })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let path = path.to_owned();
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(match output.status.code() {
        Some(2) if is_client => PasswordError::UnknownId { path, id: id.to_owned(), said },
        Some(code) => PasswordError::Failed { path, code: code.to_string(), said },
        None => PasswordError::Failed { path, code: output.status.to_string(), said },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Envelope, Key};

    struct Place(tempfile::TempDir);

    impl Place {
        fn file(&self, name: &str, text: impl AsRef<[u8]>, mode: u32) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        }
    }

    fn place() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn read(path: &Path) -> Result<Vec<u8>, String> {
        let known = Keyring::new(
            vec![Key { id: "a".into(), password: Secret::new(b"one".to_vec()) }],
            false,
        );
        match read_password(path, "prod", &known) {
            Ok(password) => Ok(password.reveal().clone()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn files_are_read_without_the_white_space_around() {
        let place = place();
        assert_eq!(read(&place.file("a", "  pass word \r\n", 0o644)).unwrap(), b"pass word");
        assert_eq!(read(&place.file("b", b"x\xffy\n", 0o600)).unwrap(), b"x\xffy");
        let sealed = Envelope::seal(b"inner\n", b"one", None, None);
        assert_eq!(read(&place.file("c", sealed, 0o600)).unwrap(), b"inner");
    }

    #[test]
    fn programs_print_passwords_and_clients_are_told_the_id() {
        let place = place();
        let plain = place.file("get.sh", "#!/bin/sh\necho \"plain$*\"\n", 0o755);
        assert_eq!(read(&plain).unwrap(), b"plain");
        let client = place.file("get-client.sh", "#!/bin/sh\necho \"$*\"\n", 0o755);
        assert_eq!(read(&client).unwrap(), b"--vault-id prod");
    }

    #[test]
    fn what_gives_no_password_is_named() {
        let place = place();
        let error = |path: &Path| read(path).unwrap_err();
        let sealed = Envelope::seal(b"inner", b"other", None, None);
        for (path, expected) in [
            (place.0.path().join("none"), "none was not found"),
            (place.0.path().to_owned(), "can not be a directory"),
            (place.file("empty", " \n", 0o600), "from file ("),
            (place.file("silent", "#!/bin/sh\n", 0o755), "from script ("),
            (place.file("bad", "#!/bin/sh\nexit 3\n", 0o755), "returned non-zero (3)"),
            (place.file("dead", "#!/bin/sh\nkill -9 $$\n", 0o755), "(signal: 9 (SIGKILL))"),
            (
                place.file("x-client", "#!/bin/sh\necho no >&2\nexit 2\n", 0o755),
                "did not find a secret for vault-id=prod: no",
            ),
            (place.file("text", "secret\n", 0o755), "remove the executable bit"),
            (place.file("locked", sealed, 0o600), "Could not decrypt vault password file"),
        ] {
            let text = error(&path);
            assert!(text.contains(expected), "{text}");
        }
    }
}
