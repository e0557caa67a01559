//! Inventory programs: the controller runs them, as the operator.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use language::Programs;

/// Runs programs on this machine.
pub(crate) struct ThisMachine;

impl Programs for ThisMachine {
    fn is_program(&self, path: &Path) -> bool {
        let executable = path
            .metadata()
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0);
        let mut head = [0; 4];
        let length = File::open(path).and_then(|mut file| file.read(&mut head)).unwrap_or(0);
        executable && (head[..length].starts_with(b"#!") || head[..length] == *b"\x7fELF")
    }

    fn list(&self, path: &Path) -> Result<String, String> {
        run(path, &["--list"])
    }

    fn host(&self, path: &Path, host: &str) -> Result<String, String> {
        run(path, &["--host", host])
    }
}

fn run(path: &Path, arguments: &[&str]) -> Result<String, String> {
    // A bare name would be looked for in PATH.
    let program = std::path::absolute(path).map_err(|error| error.to_string())?;
    let output =
        Command::new(program).args(arguments).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("{}: {said}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| "it printed something that is not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(text: &str, mode: u32) -> tempfile::TempPath {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file.into_temp_path()
    }

    #[test]
    fn only_executable_scripts_and_binaries_are_programs() {
        assert!(ThisMachine.is_program(&program("#!/bin/sh\n", 0o755)));
        assert!(!ThisMachine.is_program(&program("#!/bin/sh\n", 0o644)));
        assert!(!ThisMachine.is_program(&program("[web]\nweb01\n", 0o755)));
        assert!(ThisMachine.is_program(Path::new("/bin/sh")));
        assert!(!ThisMachine.is_program(Path::new("/nowhere")));
    }

    #[test]
    fn output_and_failures_come_back() {
        let good = program("#!/bin/sh\necho \"$@\"\n", 0o755);
        assert_eq!(ThisMachine.host(&good, "web01").unwrap(), "--host web01\n");
        let bad = program("#!/bin/sh\necho why >&2\nexit 3\n", 0o755);
        assert_eq!(ThisMachine.list(&bad).unwrap_err(), "exit status: 3: why");
    }
}
