//! The programs under test, and running them as a person would.

use std::path::PathBuf;
use std::process::{Command, Output};

/// The directory of the built programs: where this test binary was built, or `MUSTER_BIN_DIR`.
pub fn directory() -> PathBuf {
    std::env::var_os("MUSTER_BIN_DIR").map_or_else(
        || {
            let own = std::env::current_exe().expect("this program has a path");
            own.ancestors().nth(2).expect("target/PROFILE/deps/test").to_owned()
        },
        PathBuf::from,
    )
}

/// `muster` with a state directory of its own and nothing of the caller's configuration.
pub fn muster(state: &std::path::Path) -> Command {
    let mut command = program("muster");
    command.env("MUSTER_STATE_DIR", state);
    command
}

/// A program by name, in a clean environment.
pub fn program(name: &str) -> Command {
    let path = directory().join(name);
    assert!(path.exists(), "{} is not built: cargo build --workspace", path.display());
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/root")
        .env("LC_ALL", "C.UTF-8");
    command
}

/// Standard output and error of a command that must exit with `code`.
pub fn expect(command: &mut Command, code: i32) -> String {
    let output = command.output().expect("the program starts");
    let text = text(&output);
    assert_eq!(output.status.code(), Some(code), "{}\n{command:?}\n{text}", said(&text));
    text
}

/// What a run said of its failures, first: reports of failed tests are cut at their ends.
fn said(text: &str) -> String {
    let failure = |line: &&str| {
        ["fatal:", "failed:", "ERROR", "error:"].iter().any(|mark| line.contains(mark))
    };
    let lines = text.lines().filter(failure).chain(text.lines().rev().take(5));
    lines.collect::<Vec<_>>().join("\n")
}

/// Standard output followed by standard error.
pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
