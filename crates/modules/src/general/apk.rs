//! `apk`: packages of Alpine Linux.

use std::path::{Path, PathBuf};

use model::{Args, Diff};
use serde_json::json;
use system::{Command, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

choices! {
    /// What is wanted of the packages.
    pub enum State {
        /// There, in any version.
        Present = "present",
        /// Not there.
        Absent = "absent",
        /// There, in the newest version.
        Latest = "latest",
        /// There, in any version.
        Installed = "installed",
        /// Not there.
        Removed = "removed",
    }
}

arguments! {
    /// Installs, upgrades and removes packages with apk.
    pub struct Apk {
        /// When all are upgraded, replace packages that no repository has any more.
        pub available: bool { default: false },
        /// The packages.
        pub name: Option<Vec<String>>,
        /// Keep no lists of packages on the host.
        pub no_cache: bool { default: false },
        /// Repositories, in place of the system's.
        pub repository: Option<Vec<String>>,
        /// What is wanted of the packages.
        pub state: State { default: "present" },
        /// Fetch the lists of packages first.
        pub update_cache: bool { default: false },
        /// Upgrade all packages.
        pub upgrade: bool { default: false },
        /// The file that says which packages somebody wanted.
        pub world: PathBuf { default: "/etc/apk/world" },
    }
    mutually_exclusive: [&["name", "upgrade"]];
    required_one_of: [&["name", "update_cache", "upgrade"]];
}

/// What apk is to do.
pub(crate) struct Work {
    refresh: Option<Command>,
    command: Option<Command>,
    packages: Vec<String>,
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let words = self.command.as_ref().map(|command| command.args.join(" "));
        Ok(vec![diff::state("apk", json!([]), json!({ "apk": words, "packages": self.packages }))])
    }
}

const LIMIT: u64 = 4 << 20;

impl Module for Apk {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        let names = self.names()?;
        let refresh = self.update_cache.then(|| self.command(&["update"], &[]));
        if names.is_empty() && !self.upgrade {
            result.insert("msg".into(), "updated repository indexes".into());
            let packages = Vec::new();
            return Ok(Check::Act(Work { refresh, command: None, packages }));
        }
        let (words, names, nothing, done) = self.wanted(&names, host)?;
        let mut packages = Vec::new();
        // A name that somebody wants now and that is there already shows up in no trial.
        let mut is_needed = !names.is_empty() && self.state != State::Latest;
        if !names.is_empty() || self.upgrade {
            let trial = self.command(&[words.as_slice(), &["--simulate"]].concat(), &names);
            let output = host.query(&trial)?;
            if !output.is_success() {
                return Err(tool::failure(&output, &format!("apk {}: ", words.join(" "))));
            }
            packages = changed_packages(&output.stdout_text());
            is_needed |= !packages.is_empty();
        }
        let is_wanted_newly =
            self.state == State::Latest && !self.missing(&names, host)?.is_empty();
        if !is_needed && !is_wanted_newly {
            result.insert("msg".into(), nothing.into());
            let work = Work { refresh, command: None, packages };
            return Ok(if work.refresh.is_some() { Check::Upkeep(work) } else { Check::InSync });
        }
        let message = if self.upgrade {
            done.to_owned()
        } else {
            format!("{done} {} package(s)", names.join(" "))
        };
        result.insert("msg".into(), message.into());
        result.insert("packages".into(), json!(packages));
        let command = Some(self.command(&words, &names));
        Ok(Check::Drift(Work { refresh, command, packages }))
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        if let Some(refresh) = &work.refresh {
            tool::run(host, refresh)?;
        }
        if let Some(command) = &work.command {
            let output = tool::run(host, command)?;
            result.insert("packages".into(), json!(changed_packages(&output.stdout_text())));
            tool::show(result, &output);
        }
        Ok(())
    }
}

/// The words of a command, the packages it is about, and the messages when there is nothing to do and when there is.
type Wanted = (Vec<&'static str>, Vec<String>, &'static str, &'static str);

impl Apk {
    fn names(&self) -> Result<Vec<String>, Failure> {
        let names: Vec<String> =
            self.name.iter().flatten().map(|name| name.trim().to_owned()).collect();
        let is_odd = |name: &&String| {
            name.is_empty() || name.starts_with('-') || name.contains(char::is_whitespace)
        };
        match names.iter().find(is_odd) {
            Some(odd) => Err(Failure::new(format!("`{odd}` is no package"))),
            None => Ok(names),
        }
    }

    fn wanted(&self, names: &[String], host: &dyn Probe) -> Result<Wanted, Failure> {
        if self.upgrade {
            let mut words = vec!["upgrade"];
            words.extend(self.available.then_some("--available"));
            return Ok((words, Vec::new(), "packages already upgraded", "packages upgraded"));
        }
        Ok(match self.state {
            State::Absent | State::Removed => {
                let installed = Self::installed(names, host)?;
                let there = names.iter().filter(|name| installed.contains(name)).cloned().collect();
                (vec!["del", "--purge"], there, "package(s) already removed", "removed")
            }
            State::Latest => {
                (vec!["add", "--upgrade"], names.to_vec(), "package(s) already latest", "installed")
            }
            State::Present | State::Installed => {
                let missing = self.missing(names, host)?;
                (vec!["add"], missing, "package(s) already installed", "installed")
            }
        })
    }

    fn installed(names: &[String], host: &dyn Probe) -> Result<Vec<String>, Failure> {
        let words = ["info".to_owned(), "--installed".to_owned()].into_iter();
        let plain = names.iter().map(|name| plain_name(name).to_owned());
        let output = host.query(&Command::new("apk", words.chain(plain)))?;
        // It exits with 1 when one of them is not there.
        let text = output.stdout_text();
        let is_there = |name: &&String| text.lines().any(|line| line.trim() == plain_name(name));
        Ok(names.iter().filter(is_there).cloned().collect())
    }

    /// The packages that are not there, or that nobody wants for themselves yet.
    fn missing(&self, names: &[String], host: &dyn Probe) -> Result<Vec<String>, Failure> {
        let installed = Self::installed(names, host)?;
        let world = host.read(Path::new(&self.world), LIMIT)?.unwrap_or_default();
        let world = String::from_utf8_lossy(&world).into_owned();
        let is_wanted = |name: &String| {
            world.split_whitespace().any(|line| {
                // A version of its own must be the very one.
                line == name || (plain_name(name) == name && plain_name(line) == name)
            })
        };
        let is_missing = |name: &&String| !installed.contains(name) || !is_wanted(name);
        Ok(names.iter().filter(is_missing).cloned().collect())
    }

    fn command(&self, words: &[&str], names: &[String]) -> Command {
        let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        all.extend(self.no_cache.then(|| "--no-cache".to_owned()));
        for address in self.repository.iter().flatten() {
            all.extend(["--repository".to_owned(), address.clone()]);
        }
        if self.repository.is_some() {
            all.extend(["--repositories-file".to_owned(), "/dev/null".to_owned()]);
        }
        all.extend(names.iter().cloned());
        Command::new("apk", all)
    }
}

/// A name without the version or repository that is asked of it.
fn plain_name(name: &str) -> &str {
    name.split(['=', '<', '>', '~', '@']).next().unwrap_or(name)
}

/// `(1/2) Installing NAME (VERSION)`.
fn changed_packages(text: &str) -> Vec<String> {
    let of_line = |line: &str| {
        let (count, rest) = line.trim().strip_prefix('(')?.split_once(") ")?;
        count.contains('/').then(|| rest.split_whitespace().nth(1).map(str::to_owned))?
    };
    text.lines().filter_map(of_line).collect()
}
