//! `cargo xtask ci`: the one list of checks, in the order in which CI runs them.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

const CHECKS: &[(&str, &[&str])] = &[
    ("formatting", &["fmt", "--all", "--check"]),
    ("lints", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    ("build", &["build", "--workspace", "--all-targets", "--locked"]),
    ("tests", &["nextest", "run", "--workspace", "--locked"]),
    ("Ansible's suite", &["xtask", "conformance", "--expected"]),
];

pub(crate) fn run() -> Result<()> {
    for (name, words) in CHECKS {
        println!("== {name}: cargo {}", words.join(" "));
        let start = Instant::now();
        let status = Command::new("cargo").args(*words).status().context("cargo")?;
        println!("== {name}: {:.0} s", start.elapsed().as_secs_f64());
        if !status.success() {
            bail!("{name} failed");
        }
    }
    Ok(())
}
