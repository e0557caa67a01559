//! What rpm's database says of the packages that are asked for, without starting dnf.

use system::{Command, Output, Probe};

use super::Dnf;
use crate::contract::Failure;
use crate::tool;

/// What is installed, in the form of results.
const NEVRA: &str = "%{NAME}-%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}.%{ARCH}\\n";

/// A word of `name` that dnf alone understands: a group, a file, a comparison.
pub(super) fn is_for_dnf(word: &str) -> bool {
    word.starts_with(['@', '/'])
        || word.contains("://")
        || is_file(word)
        || word.contains(['<', '>', '=', '('])
}

/// A package in a file.
pub(super) fn is_file(word: &str) -> bool {
    word.rsplit_once('.').is_some_and(|(_, ending)| ending == "rpm")
}

fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?', '['])
}

fn ask(dnf: &Dnf, host: &dyn Probe, words: &[&str]) -> Result<Output, Failure> {
    let mut args = Vec::new();
    if dnf.installroot != "/" {
        args.extend(["--root", dnf.installroot.as_str()]);
    }
    args.extend(words);
    let mut command = Command::new("rpm", args);
    command.environment.insert("LC_ALL".to_owned(), "C.UTF-8".to_owned());
    Ok(host.query(&command)?)
}

/// Those of the words that no installed package answers to.
pub(super) fn missing<'a>(
    dnf: &Dnf,
    host: &dyn Probe,
    words: &[&'a str],
) -> Result<Vec<&'a str>, Failure> {
    let (patterns, names): (Vec<&str>, Vec<&str>) = words.iter().partition(|word| is_pattern(word));
    let mut missing = Vec::new();
    if !names.is_empty() {
        let mut args = vec!["-q", "--qf", NEVRA, "--"];
        args.extend(&names);
        let output = ask(dnf, host, &args)?;
        let text = output.stdout_text();
        let lacks = |name: &str| {
            let line = format!("package {name} is not installed");
            text.lines().any(|told| told == line)
        };
        missing.extend(names.iter().filter(|name| lacks(name)));
        if !output.is_success() && missing.is_empty() {
            return Err(tool::failure(&output, "rpm: "));
        }
    }
    for pattern in patterns {
        let output = ask(dnf, host, &["-qa", "--qf", NEVRA, "--", pattern])?;
        if output.stdout.trim_ascii().is_empty() {
            missing.push(pattern);
        }
    }
    Ok(missing)
}

/// What is installed of some names.
pub(super) fn installed(
    dnf: &Dnf,
    host: &dyn Probe,
    names: &[&str],
) -> Result<Vec<String>, Failure> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut args = vec!["-q", "--qf", NEVRA, "--"];
    args.extend(names);
    let output = ask(dnf, host, &args)?;
    let text = output.stdout_text();
    let lines = text.lines().filter(|line| !line.ends_with(" is not installed"));
    Ok(lines.map(str::to_owned).collect())
}
