//! `service_facts`: the services of a host, as facts.

use std::convert::Infallible;
use std::path::Path;

use model::Args;
use serde_json::{Value, json};
use system::{Command, Probe, System};

use crate::arguments::arguments;
use crate::contract::{Check, Failure, Module};
use crate::tool;

arguments! {
    /// Returns the services of the host as the fact `services`: name, state and status of each.
    pub struct ServiceFacts {}
}

impl Module for ServiceFacts {
    type Change = Infallible;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Infallible>, Failure> {
        let mut services = Args::new();
        if facts::service_manager(host) == "systemd" {
            let units = query(
                host,
                &[
                    "list-units",
                    "--no-pager",
                    "--type",
                    "service",
                    "--all",
                    "--plain",
                    "--no-legend",
                ],
            )?;
            let files = query(
                host,
                &["list-unit-files", "--no-pager", "--type", "service", "--all", "--no-legend"],
            )?;
            services = of_systemd(&units, &files);
        }
        for (name, service) in of_scripts(host)? {
            if !services.contains_key(&format!("{name}.service")) {
                services.insert(name, service);
            }
        }
        result.insert("ansible_facts".to_owned(), json!({ "services": services }));
        Ok(Check::InSync)
    }

    fn apply(&self, change: Infallible, _: &dyn System, _: &mut Args) -> Result<(), Failure> {
        match change {}
    }
}

fn query(host: &dyn Probe, words: &[&str]) -> Result<String, Failure> {
    let output = host.query(&Command::new("systemctl", words.to_vec()))?;
    if output.is_success() {
        Ok(output.stdout_text())
    } else {
        Err(tool::failure(&output, "Failed to list services: "))
    }
}

/// From units (`name load active sub description`) and files (`name state`).
fn of_systemd(units: &str, files: &str) -> Args {
    const BAD: &[&str] = &["not-found", "masked", "failed"];
    let service = |name: &str, state: &str, status: &str| json!({"name": name, "state": state, "status": status, "source": "systemd"});
    let mut services = Args::new();
    for line in units.lines() {
        let fields: Vec<&str> =
            line.trim_start_matches(['●', '*', ' ']).split_whitespace().collect();
        let [name, load, active, sub, ..] = fields.as_slice() else { continue };
        let bad = BAD.iter().find(|bad| [*load, *active, *sub].contains(*bad));
        let state = if *sub == "running" { "running" } else { "stopped" };
        services.insert((*name).to_owned(), service(name, state, bad.unwrap_or(&"unknown")));
    }
    for line in files.lines() {
        let mut fields = line.split_whitespace();
        let (Some(name), Some(status)) = (fields.next(), fields.next()) else { continue };
        match services.get_mut(name) {
            Some(known) => {
                let is_bad = known["status"].as_str().is_some_and(|status| BAD.contains(&status));
                if !is_bad {
                    known["status"] = Value::from(status);
                }
            }
            None => {
                // A unit that is not loaded does not run; a template never does.
                let state = if name.contains("@.") { "unknown" } else { "inactive" };
                services.insert(name.to_owned(), service(name, state, status));
            }
        }
    }
    services
}

/// Scripts of /etc/init.d, without asking each for its state.
fn of_scripts(host: &dyn Probe) -> Result<Vec<(String, Value)>, Failure> {
    let folder = Path::new("/etc/init.d");
    if host.stat(folder, true)?.is_none() {
        return Ok(Vec::new());
    }
    let names = host.list(folder)?.into_iter().map(|name| name.to_string_lossy().into_owned());
    let is_script = |name: &String| {
        let stat = host.stat(&folder.join(name), true).ok().flatten();
        stat.is_some_and(|stat| stat.kind == system::FileKind::File && stat.mode & 0o111 != 0)
    };
    Ok(names
        .filter(is_script)
        .map(|name| {
            let service = json!({"name": name, "state": "unknown", "source": "sysv"});
            (name, service)
        })
        .collect())
}
