//! `package_facts`: what is installed, as facts.

use std::convert::Infallible;
use std::path::Path;

use model::Args;
use serde_json::{Value, json};
use system::{Command, Probe, System};

use crate::apt::dpkg::Database;
use crate::arguments::arguments;
use crate::contract::{Check, Failure, Module};
use crate::tool;

arguments! {
    /// Returns the packages that are installed as the fact `packages`: a list of versions for each name.
    pub struct PackageFacts {
        /// The package managers to ask: `auto`, `apt`, `rpm`, `apk`.
        pub manager: Vec<String> { default: ["auto"] },
        /// Ask the first one that is there, or all.
        pub strategy: String { default: "first" },
    }
}

/// Of apk's database.
const LIMIT: u64 = 256 << 20;
const KNOWN: &[&str] = &["apt", "rpm", "apk"];

impl Module for PackageFacts {
    type Change = Infallible;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Infallible>, Failure> {
        let mut managers: Vec<&str> = Vec::new();
        for name in &self.manager {
            match name.to_lowercase().as_str() {
                "auto" => managers.extend(KNOWN),
                "dnf" | "dnf5" | "yum" | "zypper" => managers.push("rpm"),
                name => match KNOWN.iter().find(|known| **known == name) {
                    Some(known) => managers.push(known),
                    None => {
                        return Err(Failure::new(format!(
                            "Unsupported package managers requested: {name}. Known are: auto, {}",
                            KNOWN.join(", ")
                        )));
                    }
                },
            }
        }
        let mut packages = Args::new();
        let mut found = false;
        for manager in managers {
            if found && self.strategy != "all" {
                break;
            }
            if let Some(list) = packages_of(manager, host)? {
                found = true;
                for (name, package) in list {
                    add(&mut packages, name, package);
                }
            }
        }
        if !found {
            return Err(Failure::new(format!(
                "Could not detect a supported package manager from the following list: {}",
                KNOWN.join(", ")
            )));
        }
        result.insert("ansible_facts".to_owned(), json!({ "packages": packages }));
        Ok(Check::InSync)
    }

    fn apply(&self, change: Infallible, _: &dyn System, _: &mut Args) -> Result<(), Failure> {
        match change {}
    }
}

fn add(packages: &mut Args, name: String, package: Value) {
    match packages.get_mut(&name) {
        Some(Value::Array(list)) => list.push(package),
        _ => {
            packages.insert(name, json!([package]));
        }
    }
}

type Packages = Vec<(String, Value)>;

/// The packages of one manager; `None`: it is not there.
fn packages_of(manager: &str, host: &dyn Probe) -> Result<Option<Packages>, Failure> {
    let exists = |path: &str| host.stat(Path::new(path), true).is_ok_and(|found| found.is_some());
    match manager {
        "apt" if exists("/var/lib/dpkg/status") => Ok(Some(of_dpkg(&Database::read(host)?))),
        "rpm" if exists("/usr/bin/rpm") || exists("/bin/rpm") => of_rpm(host).map(Some),
        "apk" => {
            let text = host.read(Path::new("/lib/apk/db/installed"), LIMIT)?;
            Ok(text.map(|text| of_apk(&String::from_utf8_lossy(&text))))
        }
        _ => Ok(None),
    }
}

fn of_dpkg(database: &Database) -> Packages {
    let installed = database.iter().filter(|package| package.is_installed());
    installed
        .map(|package| {
            let facts = json!({
                "name": package.name,
                "version": package.version,
                "arch": package.architecture,
                "category": package.section,
                "origin": "",
                "source": "apt",
            });
            (package.name.clone(), facts)
        })
        .collect()
}

fn of_rpm(host: &dyn Probe) -> Result<Packages, Failure> {
    let format = "%{NAME}\\t%{VERSION}\\t%{RELEASE}\\t%{EPOCH}\\t%{ARCH}\\n";
    let output = host.query(&Command::new("rpm", ["-qa", "--queryformat", format]))?;
    if !output.is_success() {
        return Err(tool::failure(&output, "Failed to list packages: "));
    }
    let of_line = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, version, release, epoch, arch] = fields.as_slice() else { return None };
        let facts = json!({
            "name": name, "version": version, "release": release,
            "epoch": epoch.parse::<u64>().ok(), "arch": arch, "source": "rpm",
        });
        Some(((*name).to_owned(), facts))
    };
    Ok(output.stdout_text().lines().filter_map(of_line).collect())
}

/// Paragraphs of `P:name`, `V:version-release`, `A:arch`.
fn of_apk(text: &str) -> Packages {
    text.split("\n\n")
        .filter_map(|paragraph| {
            let field = |key: &str| {
                paragraph.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
            };
            let name = field("P")?;
            let version = field("V")?;
            let (version, release) = version.rsplit_once("-r").unwrap_or((version, ""));
            let facts = json!({
                "name": name, "version": version, "release": format!("r{release}"),
                "arch": field("A"), "source": "apk",
            });
            Some((name.to_owned(), facts))
        })
        .collect()
}
