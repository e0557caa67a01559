//! `list`: what is installed or could be, for people.

use serde_json::{Value, json};
use system::Probe;

use super::Dnf;
use super::call::{Call, Program};
use crate::contract::Failure;
use crate::tool;

const FORMAT: &str = "%{name}|%{epoch}|%{version}|%{release}|%{arch}|%{repoid}";

/// The packages or repositories that a word of `list` means.
pub(super) fn of(
    dnf: &Dnf,
    program: Program,
    what: &str,
    host: &dyn Probe,
) -> Result<Vec<Value>, Failure> {
    if what.starts_with('-') {
        return Err(Failure::new(format!("`{what}` cannot be listed")));
    }
    match what {
        "repos" | "repositories" => repositories(dnf, program, host),
        "installed" => packages(dnf, program, &["--installed"], "installed", host),
        "available" => packages(dnf, program, &["--available"], "available", host),
        "updates" | "upgrades" => packages(dnf, program, &["--upgrades"], "available", host),
        word => {
            let of = |state: &str| {
                packages(dnf, program, &[&format!("--{state}"), "--", word], state, host)
            };
            Ok([of("installed")?, of("available")?].concat())
        }
    }
}

fn packages(
    dnf: &Dnf,
    program: Program,
    words: &[&str],
    state: &str,
    host: &dyn Probe,
) -> Result<Vec<Value>, Failure> {
    // dnf 5 ends no line by itself.
    let format = if program == Program::Dnf5 { format!("{FORMAT}\n") } else { FORMAT.to_owned() };
    let mut command = Call::new("repoquery", Vec::new()).command(dnf, program, host, "--quiet");
    command.args.push(format!("--queryformat={format}"));
    command.args.extend(words.iter().map(|word| (*word).to_owned()));
    let output = host.query(&command)?;
    if !output.is_success() {
        return Err(tool::failure(&output, "cannot list packages: "));
    }
    Ok(output.stdout_text().lines().filter_map(|line| package(line, state)).collect())
}

fn package(line: &str, state: &str) -> Option<Value> {
    let [name, epoch, version, release, arch, repository] =
        line.trim().split('|').collect::<Vec<_>>().try_into().ok()?;
    let epoch = if epoch == "(none)" { "0" } else { epoch };
    let nevra = format!("{epoch}:{name}-{version}-{release}.{arch}");
    Some(json!({
        "name": name, "epoch": epoch, "version": version, "release": release, "arch": arch,
        "repo": repository, "nevra": nevra, "envra": nevra, "yumstate": state,
    }))
}

fn repositories(dnf: &Dnf, program: Program, host: &dyn Probe) -> Result<Vec<Value>, Failure> {
    let command = Call::new("repolist", Vec::new()).command(dnf, program, host, "--quiet");
    let output = host.query(&command)?;
    if !output.is_success() {
        return Err(tool::failure(&output, "cannot list repositories: "));
    }
    let text = output.stdout_text();
    let lines = text.lines().filter(|line| !line.starts_with("repo id"));
    let ids = lines.filter_map(|line| line.split_whitespace().next());
    Ok(ids.map(|id| json!({ "repoid": id, "state": "enabled" })).collect())
}
