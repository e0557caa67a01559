//! Inventory programs: the controller runs them, as the operator.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use language::{Printed, Programs};

/// Runs programs on this machine.
pub(crate) struct ThisMachine;

impl Programs for ThisMachine {
    fn is_program(&self, path: &Path) -> bool {
        path.metadata()
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    }

    fn run(&self, path: &Path, arguments: &[&str]) -> Result<Printed, String> {
        // A bare name would be looked for in PATH.
        let program = std::path::absolute(path).map_err(|error| error.to_string())?;
        let output =
            Command::new(program).args(arguments).output().map_err(|error| error.to_string())?;
        Ok(Printed { code: output.status.code(), out: output.stdout, err: output.stderr })
    }
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
    fn only_executable_files_are_programs() {
        assert!(ThisMachine.is_program(&program("#!/bin/sh\n", 0o755)));
        assert!(!ThisMachine.is_program(&program("#!/bin/sh\n", 0o644)));
        assert!(ThisMachine.is_program(Path::new("/bin/sh")));
        assert!(!ThisMachine.is_program(Path::new("/bin")));
        assert!(!ThisMachine.is_program(Path::new("/nowhere")));
    }

    #[test]
    fn output_and_failures_come_back() {
        let good = program("#!/bin/sh\necho \"$@\"\n", 0o755);
        let printed = ThisMachine.run(&good, &["--host", "web01"]).unwrap();
        assert_eq!((printed.code, &printed.out[..]), (Some(0), &b"--host web01\n"[..]));
        let bad = program("#!/bin/sh\necho why >&2\nexit 3\n", 0o755);
        let printed = ThisMachine.run(&bad, &["--list"]).unwrap();
        assert_eq!((printed.code, &printed.err[..]), (Some(3), &b"why\n"[..]));
        let text = program("[web]\nweb01\n", 0o755);
        assert!(ThisMachine.run(&text, &["--list"]).unwrap_err().contains("format"));
    }
}
