//! The agent's program file: found beside our own, read once, named by its digest.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use model::Digest;

/// A program to bring to hosts.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Digest,
}

/// Read files, so that a thousand hosts share one.
static READ: LazyLock<Mutex<HashMap<PathBuf, Arc<Program>>>> = LazyLock::new(Mutex::default);

/// The program for a machine, as `uname -s` and `uname -m` call it.
pub(crate) fn find(
    given: Option<&Path>,
    system: &str,
    machine: &str,
) -> Result<Arc<Program>, String> {
    if system != "Linux" {
        return Err(format!("the host runs {system}; Muster manages Linux hosts only"));
    }
    let mut tried = Vec::new();
    for path in candidates(given, machine)? {
        let Some(program) = read(&path)? else {
            tried.push(path.display().to_string());
            continue;
        };
        let built_for = machine_of(&program.bytes)
            .ok_or_else(|| format!("{} is not a program for Linux", path.display()))?;
        if is_same_machine(built_for, machine) {
            return Ok(program);
        }
        tried.push(format!("{} (built for {built_for})", path.display()));
    }
    Err(format!(
        "there is no muster-agent for {machine}; looked at {}. Set MUSTER_AGENT_BINARY to one",
        tried.join(", ")
    ))
}

fn candidates(given: Option<&Path>, machine: &str) -> Result<Vec<PathBuf>, String> {
    if let Some(path) = given {
        return Ok(vec![path.to_owned()]);
    }
    if let Some(path) = std::env::var_os("MUSTER_AGENT_BINARY").filter(|path| !path.is_empty()) {
        return Ok(vec![path.into()]);
    }
    let own = std::env::current_exe()
        .map_err(|error| format!("cannot find the directory of this program: {error}"))?;
    let beside = |name: &str| own.with_file_name(name);
    Ok(vec![beside(&format!("muster-agent-{machine}")), beside("muster-agent")])
}

fn read(path: &Path) -> Result<Option<Arc<Program>>, String> {
    let mut known = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = known.get(path) {
        return Ok(Some(Arc::clone(program)));
    }
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    let program = Arc::new(Program { digest: Digest::of(&bytes), bytes });
    known.insert(path.to_owned(), Arc::clone(&program));
    Ok(Some(program))
}

/// For which machine an ELF file is, in the words of `uname -m`.
fn machine_of(bytes: &[u8]) -> Option<&'static str> {
    if !bytes.starts_with(b"\x7fELF") {
        return None;
    }
    let is_little = bytes.get(5) == Some(&1);
    let pair = [*bytes.get(18)?, *bytes.get(19)?];
    let number = if is_little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) };
    Some(match (number, is_little) {
        (3, _) => "i686",
        (21, true) => "ppc64le",
        (22, _) => "s390x",
        (40, _) => "armv7l",
        (62, _) => "x86_64",
        (183, _) => "aarch64",
        (243, _) => "riscv64",
        (258, _) => "loongarch64",
        _ => "another machine",
    })
}

fn is_same_machine(built_for: &str, machine: &str) -> bool {
    built_for == machine
        || (built_for == "i686" && matches!(machine, "i386" | "i486" | "i586" | "x86_64"))
        || (built_for == "aarch64" && machine == "arm64")
        || (built_for == "armv7l" && machine == "armv8l")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(machine: u16) -> tempfile::NamedTempFile {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        let file = tempfile::NamedTempFile::new().expect("made");
        std::fs::write(file.path(), bytes).expect("written");
        file
    }

    #[test]
    fn the_program_must_be_built_for_the_host() {
        let file = elf(62);
        let find = |system, machine| find(Some(file.path()), system, machine);
        let program = find("Linux", "x86_64").expect("the same");
        assert_eq!(program.digest, Digest::of(&program.bytes));
        let error = find("Linux", "aarch64").expect_err("another");
        assert!(error.contains("no muster-agent for aarch64"), "{error}");
        assert!(error.contains("(built for x86_64)"), "{error}");
        let error = find("FreeBSD", "amd64").expect_err("another system");
        assert_eq!(error, "the host runs FreeBSD; Muster manages Linux hosts only");
    }

    #[test]
    fn what_is_no_program_is_named() {
        let file = tempfile::NamedTempFile::new().expect("made");
        let error = find(Some(file.path()), "Linux", "x86_64").expect_err("empty");
        assert!(error.ends_with("is not a program for Linux"), "{error}");
        let gone = find(Some(Path::new("/nowhere/agent")), "Linux", "x86_64");
        assert!(gone.expect_err("gone").contains("looked at /nowhere/agent"));
    }

    #[test]
    fn our_own_program_is_for_this_machine() {
        let own = std::env::current_exe().expect("there");
        let machine = nix::sys::utsname::uname().expect("there");
        let machine = machine.machine().to_string_lossy().into_owned();
        assert!(find(Some(&own), "Linux", &machine).is_ok());
    }
}
