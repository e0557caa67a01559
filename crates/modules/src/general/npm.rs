//! `npm`: packages for Node.js, in a directory or for the whole host.

use std::path::PathBuf;

use model::{Args, Diff};
use serde_json::{Value, json};
use system::{Command, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::edits::{Edit, missing_directories};
use crate::{diff, tool};

choices! {
    /// What shall be there.
    pub enum Wanted {
        /// Not the package.
        Absent = "absent",
        /// The newest version.
        Latest = "latest",
        /// The package in any version, or in the one that is named.
        Present = "present",
    }
}

arguments! {
    /// Installs and removes packages with npm: one by name, or those that a `package.json` names.
    pub struct Npm {
        /// The package; without it, all that the `package.json` in `path` names.
        pub name: Option<String>,
        /// Where packages are installed, unless `global`. Made if it is missing.
        pub path: Option<PathBuf>,
        /// The version.
        pub version: Option<String>,
        /// For the whole host.
        pub global: bool { default: false },
        /// npm's program, if it is not in the path.
        pub executable: Option<PathBuf>,
        /// Run no scripts of packages.
        pub ignore_scripts: bool { default: false },
        /// Do not become another user for scripts.
        pub unsafe_perm: bool { default: false },
        /// Install exactly what the lock file says (`npm ci`).
        pub ci: bool { default: false },
        /// Without what is needed for development alone.
        pub production: bool { default: false },
        /// The registry to ask.
        pub registry: Option<String>,
        /// What shall be there.
        pub state: Wanted { default: "present" },
        /// Leave optional packages out.
        pub no_optional: bool { default: false },
        /// Make no links to programs of packages.
        pub no_bin_links: bool { default: false },
        /// Pass `--force`.
        pub force: bool { default: false },
    }
    required_if: [("state", "absent", &["name"])];
}

/// What npm is to do.
pub(crate) struct Work {
    first: Vec<Edit>,
    commands: Vec<Command>,
    before: Value,
    after: Value,
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state("npm", self.before.clone(), self.after.clone())])
    }
}

/// What is there of what is wanted.
#[derive(Default)]
struct Installed {
    there: Vec<(String, String)>,
    missing: Vec<String>,
}

impl Module for Npm {
    type Change = Work;

    fn check(&self, host: &dyn Probe, _: &mut Args) -> Result<Check<Work>, Failure> {
        self.validate()?;
        let mut work =
            Work { first: Vec::new(), commands: Vec::new(), before: json!({}), after: json!({}) };
        let mut is_there = true;
        if let Some(path) = self.path.as_ref().filter(|_| !self.global) {
            work.first = missing_directories(host, &path.join("node_modules"))?;
            // npm makes its own directory in the one that must be there.
            work.first.pop_if(|edit| {
                matches!(edit, Edit::MakeDirectory { path, .. } if path.ends_with("node_modules"))
            });
            is_there = host.stat(path, true)?.is_some();
        }
        if self.ci {
            work.commands.push(self.command("ci", &[]));
            return Ok(Check::Act(work));
        }
        let installed = if is_there { self.installed(host)? } else { Installed::default() };
        let mine = |(name, version): &&(String, String)| {
            self.name.as_ref().is_none_or(|wanted| wanted == name)
                && self.version.as_ref().is_none_or(|wanted| wanted == version)
        };
        let found: Vec<_> = installed.there.iter().filter(mine).collect();
        let lacks = !installed.missing.is_empty() || (self.name.is_some() && found.is_empty());
        work.before = json!(found);
        match self.state {
            Wanted::Absent => {
                let name = self.name.as_deref().unwrap_or_default();
                let is_installed = installed.there.iter().any(|(known, _)| known == name);
                if !is_installed {
                    return Ok(Check::InSync);
                }
                work.commands.push(self.command("uninstall", &[name.to_owned()]));
            }
            _ if lacks => {
                work.commands.push(self.command("install", &self.packages()));
                work.after = json!({ "installed": self.packages(), "missing": installed.missing });
            }
            Wanted::Present => return Ok(Check::InSync),
            Wanted::Latest => {
                let outdated = self.outdated(host)?;
                if outdated.is_empty() {
                    return Ok(Check::InSync);
                }
                work.after = json!({ "updated": outdated });
                let names: Vec<String> = self.name.iter().cloned().collect();
                work.commands.push(self.command("update", &names));
            }
        }
        Ok(Check::Drift(work))
    }

    fn apply(&self, work: Work, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        work.first.into_iter().try_for_each(|edit| edit.apply(host))?;
        work.commands.iter().try_for_each(|command| tool::run(host, command).map(drop))
    }
}

impl Npm {
    fn validate(&self) -> Result<(), Failure> {
        if self.path.is_none() && !self.global {
            return Err(Failure::new("path must be specified when not using global"));
        }
        let is_odd = |text: &str| {
            text.is_empty() || text.starts_with('-') || text.contains(char::is_whitespace)
        };
        for (name, text) in [("name", &self.name), ("version", &self.version)] {
            if let Some(text) = text.as_ref().filter(|text| is_odd(text)) {
                return Err(Failure::new(format!("{name} `{text}` is none that npm knows")));
            }
        }
        Ok(())
    }

    /// What is to be installed, in npm's words.
    fn packages(&self) -> Vec<String> {
        let versioned = |name: &String| match &self.version {
            Some(version) => format!("{name}@{version}"),
            None => name.clone(),
        };
        self.name.iter().map(versioned).collect()
    }

    fn bare(&self, words: Vec<String>) -> Command {
        let program = match &self.executable {
            Some(path) => path.to_string_lossy().into_owned(),
            None => "npm".to_owned(),
        };
        let mut command = Command::new(program, words);
        command.directory = self.path.clone().filter(|_| !self.global);
        command
    }

    fn command(&self, verb: &str, packages: &[String]) -> Command {
        let mut words = vec![verb.to_owned()];
        let flags = [
            (self.global, "--global"),
            (self.production, "--production"),
            (self.ignore_scripts, "--ignore-scripts"),
            (self.unsafe_perm, "--unsafe-perm"),
            (self.no_bin_links, "--no-bin-links"),
            (self.force, "--force"),
            (self.no_optional, "--no-optional"),
        ];
        words.extend(flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| (*flag).into()));
        if let Some(registry) = &self.registry {
            words.extend(["--registry".to_owned(), registry.clone()]);
        }
        if !packages.is_empty() {
            words.push("--".to_owned());
            words.extend(packages.iter().cloned());
        }
        self.bare(words)
    }

    fn installed(&self, host: &dyn Probe) -> Result<Installed, Failure> {
        let mut words = vec!["list".to_owned(), "--json".to_owned(), "--long".to_owned()];
        words.extend(self.global.then(|| "--global".to_owned()));
        // It exits with 1 when something is missing, and says so all the same.
        let output = host.query(&self.bare(words))?;
        let told: Value = serde_json::from_slice(&output.stdout)
            .map_err(|_| tool::failure(&output, "npm list: "))?;
        let mut installed = Installed::default();
        for (name, facts) in told["dependencies"].as_object().into_iter().flatten() {
            let is = |key: &str| match &facts[key] {
                Value::Bool(flag) => *flag,
                Value::String(text) => !text.is_empty(),
                _ => false,
            };
            if is("missing") || is("invalid") {
                installed.missing.push(name.clone());
            } else {
                let version = facts["version"].as_str().unwrap_or_default();
                installed.there.push((name.clone(), version.to_owned()));
            }
        }
        // Another package that is missing does not concern the one that is named.
        installed.missing.retain(|name| self.name.as_ref().is_none_or(|wanted| wanted == name));
        Ok(installed)
    }

    /// The packages that have a newer version.
    fn outdated(&self, host: &dyn Probe) -> Result<Vec<String>, Failure> {
        let mut words = vec!["outdated".to_owned(), "--json".to_owned()];
        words.extend(self.global.then(|| "--global".to_owned()));
        let output = host.query(&self.bare(words))?;
        if output.stdout.trim_ascii().is_empty() && output.is_success() {
            return Ok(Vec::new());
        }
        let told: Value = serde_json::from_slice(&output.stdout)
            .map_err(|_| tool::failure(&output, "npm outdated: "))?;
        let names = told.as_object().into_iter().flatten().map(|(name, _)| name.clone());
        let counts = |name: &String| self.name.as_ref().is_none_or(|wanted| wanted == name);
        Ok(names.filter(counts).collect())
    }
}
