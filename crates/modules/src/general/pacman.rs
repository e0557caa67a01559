//! `pacman`: packages of Arch Linux and its relatives.

use std::collections::BTreeMap;

use model::{Args, Diff};
use serde_json::json;
use system::{Command, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

choices! {
    /// What is wanted of the packages.
    pub enum State {
        /// Not there.
        Absent = "absent",
        /// There, in any version.
        Installed = "installed",
        /// There, in the newest version.
        Latest = "latest",
        /// There, in any version.
        Present = "present",
        /// Not there.
        Removed = "removed",
    }
}

choices! {
    /// Why a package is there.
    pub enum Reason {
        /// Others need it.
        Dependency = "dependency",
        /// Somebody wanted it.
        Explicit = "explicit",
    }
}

choices! {
    /// Which packages get the reason.
    pub enum ReasonFor {
        /// All that are named.
        All = "all",
        /// Those that are installed now.
        New = "new",
    }
}

arguments! {
    /// Installs, upgrades and removes packages with pacman.
    pub struct Pacman {
        /// Packages, groups of packages, files or addresses of packages.
        pub name: Option<Vec<String>> { aliases: ["package", "pkg"] },
        /// What is wanted of them.
        pub state: State { default: "present" },
        /// Force: remove without checks, fetch lists that are up to date.
        pub force: bool { default: false },
        /// Do not keep changed configuration files of packages that are removed.
        pub remove_nosave: bool { default: false },
        /// The program.
        pub executable: String { default: "pacman" },
        /// Options for the program when it installs or removes.
        pub extra_args: String { default: "" },
        /// Fetch the lists of packages first.
        pub update_cache: Option<bool>,
        /// Options for the program when it fetches lists.
        pub update_cache_extra_args: String { default: "" },
        /// Upgrade all packages.
        pub upgrade: Option<bool>,
        /// Options for the program when it upgrades.
        pub upgrade_extra_args: String { default: "" },
        /// Why they are there.
        pub reason: Option<Reason>,
        /// Which of them get the reason.
        pub reason_for: ReasonFor { default: "new" },
    }
    mutually_exclusive: [&["name", "upgrade"]];
    required_one_of: [&["name", "update_cache", "upgrade"]];
}

/// What pacman is to do, in this order.
pub(crate) struct Work {
    refresh: Option<Command>,
    commands: Vec<Command>,
    before: Vec<String>,
    after: Vec<String>,
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state("pacman", json!(self.before), json!(self.after))])
    }
}

impl Module for Pacman {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        let refreshes = self.update_cache == Some(true);
        let mut work = Work {
            refresh: if refreshes { Some(self.refresh()?) } else { None },
            commands: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
        };
        if self.upgrade == Some(true) {
            self.look_for_upgrades(host, &mut work, result)?;
        } else if let Some(names) = self.name.as_ref().filter(|names| !names.is_empty()) {
            self.look_for(names, host, &mut work, result)?;
        }
        let message = result.get("msg").and_then(|msg| msg.as_str()).unwrap_or_default().to_owned();
        if refreshes {
            let lines = ["Updated package db", &message];
            let lines: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
            result.insert("msg".into(), lines.join("\n").into());
            result.insert("cache_updated".into(), true.into());
        }
        Ok(match (work.commands.is_empty(), refreshes) {
            (false, _) => Check::Drift(work),
            // What the new lists would offer is not known before.
            (true, true) => Check::Upkeep(work),
            (true, false) => Check::InSync,
        })
    }

    fn apply(&self, mut work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        if let Some(refresh) = &work.refresh {
            let before = self.lists(host)?;
            tool::run(host, refresh)?;
            let is_new = before != self.lists(host)?;
            result.insert("cache_updated".into(), is_new.into());
            let is_alone = self.name.is_none() && self.upgrade.is_none();
            if is_alone {
                result.insert("changed".into(), is_new.into());
            } else {
                // The new lists may know more.
                work.commands.clear();
                let mut told = Args::new();
                if self.upgrade == Some(true) {
                    self.look_for_upgrades(host, &mut work, &mut told)?;
                } else if let Some(names) = &self.name {
                    self.look_for(names, host, &mut work, &mut told)?;
                }
                result.insert("packages".into(), told.remove("packages").unwrap_or_default());
                if !work.commands.is_empty() {
                    result.insert("changed".into(), true.into());
                }
            }
        }
        for command in &work.commands {
            let output = tool::run(host, command)?;
            tool::show(result, &output);
        }
        Ok(())
    }
}

impl Pacman {
    /// What would be upgraded.
    fn look_for_upgrades(
        &self,
        host: &dyn Probe,
        work: &mut Work,
        result: &mut Args,
    ) -> Result<(), Failure> {
        // NAME OLD -> NEW, and a note on what is ignored.
        let text = self.ask(host, &["--query", "--upgrades"])?;
        let mut names = Vec::new();
        for line in text.lines().filter(|line| !line.ends_with("[ignored]")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let &[name, old, _, new] = words.as_slice() else { continue };
            names.push(name.to_owned());
            work.before.push(format!("{name}-{old}"));
            work.after.push(format!("{name}-{new}"));
        }
        result.insert("packages".into(), json!(names));
        if names.is_empty() {
            result.insert("msg".into(), "Nothing to upgrade".into());
            return Ok(());
        }
        result.insert("msg".into(), format!("{} package(s) upgraded", names.len()).into());
        let mut words = vec!["--sync".to_owned(), "--sysupgrade".to_owned()];
        words.extend(options(&self.upgrade_extra_args)?);
        work.commands.push(self.command(words));
        Ok(())
    }

    /// What of the named packages is to be installed, upgraded or removed.
    fn look_for(
        &self,
        names: &[String],
        host: &dyn Probe,
        work: &mut Work,
        result: &mut Args,
    ) -> Result<(), Failure> {
        if let Some(odd) = names.iter().find(|name| name.is_empty() || name.starts_with('-')) {
            return Err(Failure::new(format!("`{odd}` is no package; options go to extra_args")));
        }
        let installed = self.pairs(host, &["--query"])?;
        let removes = matches!(self.state, State::Absent | State::Removed);
        let mut wanted = Vec::new();
        for name in names {
            wanted.extend(self.members(name, removes, host)?);
        }
        if removes {
            wanted.retain(|name| installed.contains_key(name));
            self.to_remove(&wanted, &installed, work)?;
        } else {
            self.to_install(&mut wanted, &installed, host, work)?;
        }
        let (done, nothing) = if removes {
            ("removed", "package(s) already absent")
        } else {
            ("installed", "package(s) already installed")
        };
        let message = match wanted.len() {
            0 => nothing.to_owned(),
            count => format!("{done} {count} package(s)"),
        };
        result.insert("packages".into(), json!(wanted));
        result.insert("msg".into(), message.into());
        self.to_mark(names, &wanted, host, work)
    }

    fn to_remove(
        &self,
        names: &[String],
        installed: &BTreeMap<String, String>,
        work: &mut Work,
    ) -> Result<(), Failure> {
        if names.is_empty() {
            return Ok(());
        }
        let mut words = vec!["--remove".to_owned()];
        words.extend(self.remove_nosave.then(|| "--nosave".to_owned()));
        if self.force {
            words.extend(["--nodeps".to_owned(), "--nodeps".to_owned()]);
        }
        words.extend(options(&self.extra_args)?);
        words.extend(names.iter().cloned());
        work.before = names.iter().map(|name| format!("{name}-{}", installed[name])).collect();
        work.commands.push(self.command(words));
        Ok(())
    }

    fn to_install(
        &self,
        names: &mut Vec<String>,
        installed: &BTreeMap<String, String>,
        host: &dyn Probe,
        work: &mut Work,
    ) -> Result<(), Failure> {
        let newer = match self.state {
            State::Latest => self.pairs(host, &["--query", "--upgrades"])?,
            _ => BTreeMap::new(),
        };
        names.retain(|name| {
            let is_there = !is_file(name) && installed.contains_key(name);
            !is_there || newer.contains_key(name)
        });
        let (files, packages): (Vec<String>, Vec<String>) =
            names.iter().cloned().partition(|name| is_file(name));
        for (verb, names) in [("--upgrade", &files), ("--sync", &packages)] {
            if names.is_empty() {
                continue;
            }
            let mut words = vec!["--needed".to_owned(), verb.to_owned()];
            words.extend(options(&self.extra_args)?);
            words.extend(names.iter().cloned());
            work.commands.push(self.command(words));
        }
        let old = |name: &String| Some(format!("{name}-{}", installed.get(name)?));
        work.before = names.iter().filter_map(old).collect();
        work.after.clone_from(names);
        Ok(())
    }

    /// Writes down why packages are there.
    fn to_mark(
        &self,
        names: &[String],
        new: &[String],
        host: &dyn Probe,
        work: &mut Work,
    ) -> Result<(), Failure> {
        let Some(reason) = self.reason else { return Ok(()) };
        if matches!(self.state, State::Absent | State::Removed) {
            return Ok(());
        }
        let (flag, list) = match reason {
            Reason::Dependency => ("--asdeps", "--deps"),
            Reason::Explicit => ("--asexplicit", "--explicit"),
        };
        let marked = self.pairs(host, &["--query", list])?;
        let candidates = if self.reason_for == ReasonFor::All { names } else { new };
        let mut words = vec!["--database".to_owned(), flag.to_owned()];
        let count = words.len();
        let is_unmarked = |name: &&String| !is_file(name) && !marked.contains_key(*name);
        words.extend(candidates.iter().filter(is_unmarked).cloned());
        if words.len() > count {
            work.commands.push(self.command(words));
        }
        Ok(())
    }

    /// The packages that a name stands for: itself, or those of the group.
    fn members(&self, name: &str, removes: bool, host: &dyn Probe) -> Result<Vec<String>, Failure> {
        if is_file(name) {
            return Ok(vec![name.to_owned()]);
        }
        let list = if removes { "--query" } else { "--sync" };
        let output =
            host.query(&self.bare(vec![list.to_owned(), "--groups".to_owned(), name.to_owned()]))?;
        let text = output.stdout_text();
        let of_line = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
        let members: Vec<String> = text.lines().filter_map(of_line).collect();
        Ok(if members.is_empty() { vec![name.to_owned()] } else { members })
    }

    /// The lists of packages that pacman knows now.
    fn lists(&self, host: &dyn Probe) -> Result<String, Failure> {
        self.ask(host, &["--sync", "--list"])
    }

    /// Names and versions, one a line; nothing when there is none.
    fn pairs(&self, host: &dyn Probe, words: &[&str]) -> Result<BTreeMap<String, String>, Failure> {
        let text = self.ask(host, words)?;
        let pair = |line: &str| {
            let (name, version) = line.split_once(' ')?;
            Some((name.to_owned(), version.to_owned()))
        };
        Ok(text.lines().filter_map(pair).collect())
    }

    /// What it prints. It exits with 1 when there is nothing to print.
    fn ask(&self, host: &dyn Probe, words: &[&str]) -> Result<String, Failure> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let output = host.query(&self.bare(words))?;
        let is_empty = output.status == 1 && output.stderr.trim_ascii().is_empty();
        if output.is_success() || is_empty {
            return Ok(output.stdout_text());
        }
        Err(tool::failure(&output, "pacman: "))
    }

    fn refresh(&self) -> Result<Command, Failure> {
        let mut words = vec!["--sync".to_owned(), "--refresh".to_owned()];
        words.extend(self.force.then(|| "--refresh".to_owned()));
        words.extend(options(&self.update_cache_extra_args)?);
        Ok(self.bare(words))
    }

    fn command(&self, words: Vec<String>) -> Command {
        let first = ["--noconfirm", "--noprogressbar"].map(str::to_owned);
        self.bare(first.into_iter().chain(words).collect())
    }

    fn bare(&self, words: Vec<String>) -> Command {
        let mut command = Command::new(self.executable.clone(), words);
        command.environment.insert("LC_ALL".to_owned(), "C".to_owned());
        command
    }
}

/// Whether it names a package in a file or at an address.
fn is_file(name: &str) -> bool {
    name.contains("://") || name.contains(".pkg.tar")
}

fn options(text: &str) -> Result<Vec<String>, Failure> {
    shlex::split(text)
        .ok_or_else(|| Failure::new(format!("a quote does not end in the options: {text}")))
}
