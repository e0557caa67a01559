//! `modprobe`: modules of the kernel, loaded now and when the machine starts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use model::{Args, Diff};
use system::{Command, Probe, System};

use crate::arguments::{Presence, arguments, choices};
use crate::content::Put;
use crate::contract::{Change, Check, Failure, Module};
use crate::tool;

choices! {
    /// What the files say that are read when the machine starts.
    pub enum Persistence {
        /// They are left as they are.
        Disabled = "disabled",
        /// They do not name the module: what does becomes a comment.
        Absent = "absent",
        /// They name the module with its parameters.
        Present = "present",
    }
}

arguments! {
    /// Loads and unloads modules of the kernel.
    pub struct Modprobe {
        /// The module.
        pub name: String,
        /// Its parameters, separated by spaces.
        pub params: String { default: "" },
        /// Whether `/etc/modules-load.d` and `/etc/modprobe.d` name it, for when the machine starts.
        pub persistent: Persistence { default: "disabled" },
        /// Whether it is loaded.
        pub state: Presence { default: "present" },
    }
}

const LIMIT: u64 = 16 << 20;
const LOADED: &str = "/proc/modules";
const AT_START: &str = "/etc/modules-load.d";
const OPTIONS: &str = "/etc/modprobe.d";

/// What has to be done.
pub(crate) struct Work {
    command: Option<Command>,
    puts: Vec<Put>,
}

impl Change for Work {
    fn diff(&self, host: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        self.puts.iter().map(|put| put.diff(host)).collect()
    }
}

impl Module for Modprobe {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        for (key, value) in
            [("name", &*self.name), ("params", &*self.params), ("state", self.state.as_str())]
        {
            result.insert(key.into(), value.into());
        }
        let name = self.name.as_str();
        if name.is_empty() || name.starts_with('-') || name.contains(['/', '#', ' ', '\n']) {
            return Err(Failure::new(format!("`{name}` is no name of a module")));
        }
        let is_wanted = self.state.is_present();
        let command = if self.is_loaded(host)? == is_wanted {
            None
        } else if is_wanted {
            let params = self.params.split_whitespace();
            Some(Command::new("modprobe", [name].into_iter().chain(params)))
        } else {
            Some(Command::new("modprobe", ["-r", name]))
        };
        let mut puts = Vec::new();
        if self.persistent != Persistence::Disabled {
            let is_mine = |line: &str| same(uncommented(line), name);
            let params = |line: &str| self.params_of(line).is_some();
            let named = self.persistent == Persistence::Present;
            let own = format!("{name}\n");
            puts.extend(self.files(host, AT_START, &is_mine, named.then_some(own))?);
            let lines: String = self
                .params
                .split_whitespace()
                .map(|one| format!("options {name} {one}\n"))
                .collect();
            puts.extend(self.files(host, OPTIONS, &params, named.then_some(lines))?);
        }
        let is_done = command.is_none() && puts.is_empty();
        Ok(if is_done { Check::InSync } else { Check::Drift(Work { command, puts }) })
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        if let Some(command) = work.command {
            tool::run(host, &command)?;
        }
        work.puts.iter().try_for_each(|put| put.apply(host, result).map(drop))
    }
}

/// Names of modules are the same with `-` and `_`.
fn same(one: &str, other: &str) -> bool {
    one.replace('-', "_") == other.replace('-', "_")
}

fn uncommented(line: &str) -> &str {
    line.split(['#', ';']).next().unwrap_or_default().trim()
}

impl Modprobe {
    fn is_loaded(&self, host: &dyn Probe) -> Result<bool, Failure> {
        let text = host.read(Path::new(LOADED), LIMIT)?.ok_or_else(|| {
            Failure::new(format!("there is no {LOADED}: this kernel has no modules"))
        })?;
        let first = |line: &str| line.split(' ').next().is_some_and(|name| same(name, &self.name));
        if String::from_utf8_lossy(&text).lines().any(first) {
            return Ok(true);
        }
        let release =
            host.read(Path::new("/proc/sys/kernel/osrelease"), LIMIT)?.unwrap_or_default();
        let release = String::from_utf8_lossy(&release).trim().to_owned();
        let list = Path::new("/lib/modules").join(release).join("modules.builtin");
        let text = host.read(&list, LIMIT)?.unwrap_or_default();
        let is_built_in = String::from_utf8_lossy(&text).lines().any(|line| {
            let file = line.rsplit('/').next().unwrap_or_default();
            file.strip_suffix(".ko").is_some_and(|name| same(name, &self.name))
        });
        Ok(is_built_in)
    }

    /// The parameters that a line of `modprobe.d` gives the module.
    fn params_of<'a>(&self, line: &'a str) -> Option<impl Iterator<Item = &'a str>> {
        let mut words = line.split_whitespace();
        let is_mine =
            words.next() == Some("options") && words.next().is_some_and(|n| same(n, &self.name));
        is_mine.then_some(words)
    }

    /// What the lines that name the module say: its parameters, or its name alone.
    fn said<'a>(&self, line: &'a str) -> Vec<&'a str> {
        match self.params_of(line) {
            Some(params) => params.collect(),
            None => vec![uncommented(line)],
        }
    }

    /// The files of a directory that have to change: with these lines of the module alone, or (`None`) without any.
    fn files(
        &self,
        host: &dyn Probe,
        directory: &str,
        is_mine: &dyn Fn(&str) -> bool,
        wanted: Option<String>,
    ) -> Result<Vec<Put>, Failure> {
        let directory = Path::new(directory);
        let mut texts: Vec<(PathBuf, String)> = Vec::new();
        if host.stat(directory, true)?.is_some() {
            for name in host.list(directory)? {
                let path = directory.join(&name);
                let is_file = path.extension().is_some_and(|extension| extension == "conf");
                let bytes = if is_file { host.read(&path, LIMIT)? } else { None };
                if let Some(text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
                    texts.push((path, text));
                }
            }
        }
        let found: BTreeSet<&str> = texts
            .iter()
            .flat_map(|(_, text)| text.lines())
            .filter(|line| is_mine(line))
            .flat_map(|line| self.said(line))
            .collect();
        let own: BTreeSet<&str> =
            wanted.iter().flat_map(|text| text.lines()).flat_map(|line| self.said(line)).collect();
        let is_name_alone = |set: &BTreeSet<&str>| {
            set.len() == 1 && same(set.first().copied().unwrap_or_default(), &self.name)
        };
        if found == own || (is_name_alone(&found) && is_name_alone(&own)) {
            return Ok(Vec::new());
        }
        let file = directory.join(format!("{}.conf", self.name));
        if wanted.is_some() && !texts.iter().any(|(path, _)| *path == file) {
            texts.push((file.clone(), String::new()));
        }
        let puts = texts.into_iter().filter_map(|(path, old)| {
            let is_own = path == file;
            let mut new = String::new();
            for line in old.lines() {
                match is_mine(line) {
                    true if is_own && wanted.is_some() => continue,
                    true => new.push('#'),
                    false => {}
                }
                new.push_str(line);
                new.push('\n');
            }
            if is_own {
                new.push_str(wanted.as_deref().unwrap_or_default());
            }
            let is_same = new == old || new.strip_suffix('\n') == Some(&old);
            (!is_same).then(|| Put::text(path, new))
        });
        Ok(puts.collect())
    }
}
