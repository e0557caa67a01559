//! `package_facts`: what is installed, as facts.

use std::convert::Infallible;
use std::path::Path;

use model::Args;
use serde_json::{Value, json};
use system::{Command, Probe, System};

use crate::apt::dpkg::Database;
use crate::arguments::{arguments, choices, python_text};
use crate::contract::{Check, Failure, Module, warn};
use crate::tool;

choices! {
    /// Which of several package managers are asked.
    pub enum Strategy {
        /// The first one that is there.
        First = "first",
        /// Every one.
        All = "all",
    }
}

arguments! {
    /// Returns the packages that are installed as the fact `packages`: a list of versions for each name.
    pub struct PackageFacts {
        /// The package managers to ask: `auto`, `apt`, `rpm`, `apk`, `pacman`.
        pub manager: Vec<String> { default: ["auto"] },
        /// Ask the first one that is there, or all.
        pub strategy: Strategy { default: "first" },
    }
}

/// Of apk's database.
const LIMIT: u64 = 256 << 20;
const KNOWN: &[&str] = &["apt", "rpm", "apk", "pacman"];

/// A package manager that may be asked.
struct Manager {
    name: &'static str,
    /// By name, not by `auto`.
    is_asked_for: bool,
}

impl Module for PackageFacts {
    type Change = Infallible;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Infallible>, Failure> {
        let mut packages = Args::new();
        let mut found = false;
        for manager in self.managers()? {
            if found && self.strategy == Strategy::First {
                break;
            }
            let list = match packages_of(manager.name, host) {
                Ok(Some(list)) => list,
                Ok(None) if manager.is_asked_for => {
                    warn(
                        result,
                        format!(
                            "Requested package manager {} was not usable by this module: it is not there",
                            manager.name
                        ),
                    );
                    continue;
                }
                Ok(None) => continue,
                Err(failure) => {
                    let (name, why) = (manager.name, failure.message);
                    warn(result, format!("Failed to retrieve packages with {name}: {why}"));
                    continue;
                }
            };
            found = true;
            for (name, package) in list {
                add(&mut packages, name, package);
            }
        }
        if !found {
            return Err(Failure::new(format!(
                "Could not detect a supported package manager from the following list: {}",
                python_text(&json!(self.manager))
            )));
        }
        result.insert("ansible_facts".to_owned(), json!({ "packages": packages }));
        Ok(Check::InSync)
    }

    fn apply(&self, change: Infallible, _: &dyn System, _: &mut Args) -> Result<(), Failure> {
        match change {}
    }
}

impl PackageFacts {
    fn managers(&self) -> Result<Vec<Manager>, Failure> {
        let mut managers = Vec::new();
        for name in &self.manager {
            let name = match name.to_lowercase().as_str() {
                "auto" => {
                    let all = KNOWN.iter().map(|name| Manager { name, is_asked_for: false });
                    managers.extend(all);
                    continue;
                }
                "dnf" | "dnf5" | "yum" | "zypper" => "rpm",
                name => KNOWN.iter().copied().find(|known| *known == name).ok_or_else(|| {
                    let known = KNOWN.join(", ");
                    Failure::new(format!(
                        "Unsupported package managers requested: {name}. Known are: auto, {known}"
                    ))
                })?,
            };
            managers.push(Manager { name, is_asked_for: true });
        }
        Ok(managers)
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
        "apk" if tool::find(host, "apk").is_some() => {
            let text = host.read(Path::new("/lib/apk/db/installed"), LIMIT)?;
            let text = text.ok_or_else(|| {
                Failure::new("Unable to list packages: there is no /lib/apk/db/installed")
            })?;
            Ok(Some(of_apk(&String::from_utf8_lossy(&text))))
        }
        "pacman" if tool::find(host, "pacman").is_some() => of_pacman(host).map(Some),
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

/// Paragraphs of `Name            : bash`.
fn of_pacman(host: &dyn Probe) -> Result<Packages, Failure> {
    let mut command = Command::new("pacman", ["-Qi"]);
    command.environment.insert("LC_ALL".to_owned(), "C".to_owned());
    let output = host.query(&command)?;
    if !output.is_success() {
        return Err(tool::failure(&output, "Unable to list packages: "));
    }
    let text = output.stdout_text();
    let packages = text.split("\n\n").filter_map(|paragraph| {
        let field = |key: &str| {
            paragraph.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                (name.trim() == key).then(|| value.trim())
            })
        };
        let name = field("Name")?;
        let facts = json!({
            "name": name, "version": field("Version")?, "arch": field("Architecture"),
            "source": "pacman",
        });
        Some((name.to_owned(), facts))
    });
    Ok(packages.collect())
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
