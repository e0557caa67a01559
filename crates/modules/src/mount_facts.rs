//! `mount_facts`: what is mounted and what shall be, from the tables that the playbook chooses, as facts.

mod table;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::Args;
use serde_json::{Value, json};
use system::{Command, Probe, System};

use crate::arguments::{arguments, choices, python_text};
use crate::contract::{Check, Failure, Module, warn};
use crate::{files, tool};

use table::Row;

choices! {
    /// What happens when something does not answer in time.
    pub enum OnTimeout {
        /// The task fails.
        Error = "error",
        /// There is a warning, and its sizes are left out.
        Warn = "warn",
        /// Its sizes are left out.
        Ignore = "ignore",
    }
}

arguments! {
    /// Returns what is mounted, and what tables such as fstab name, as the facts `mount_points` and `aggregate_mounts`.
    pub struct MountFacts {
        /// Patterns of devices; without them, all.
        pub devices: Option<Vec<String>>,
        /// Patterns of types of file systems; without them, all.
        pub fstypes: Option<Vec<String>>,
        /// Where to look, in this order: paths, the name of the program, `static` (fstab), `dynamic` (what is mounted now)
        /// or `all`.
        pub sources: Option<Vec<String>>,
        /// The program that lists what is mounted, used where no file tells it or where `sources` names it.
        pub mount_binary: Option<Value> { default: "mount" },
        /// Seconds to wait for each answer; for ever when not said.
        pub timeout: Option<f64>,
        /// What happens when something does not answer in time.
        pub on_timeout: OnTimeout { default: "error" },
        /// Return `aggregate_mounts`: also what other mounts hide. When not said, a warning tells that there are such.
        pub include_aggregate_mounts: Option<bool>,
    }
}

const DYNAMIC: &[&str] = &["/etc/mtab", "/proc/mounts", "/etc/mnttab"];
const STATIC: &[&str] = &["/etc/fstab", "/etc/vfstab", "/etc/filesystems"];
const LIMIT: u64 = 16 << 20;

/// One table, read.
struct Source {
    name: String,
    mounts: Vec<Value>,
}

impl Module for MountFacts {
    type Change = Infallible;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Infallible>, Failure> {
        self.validate()?;
        let program = match &self.mount_binary {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name.as_str()),
            Some(other) => {
                return Err(Failure::new(format!(
                    "argument 'mount_binary' must be a string or null, not {}",
                    python_text(other)
                )));
            }
        };
        let mut sources = Vec::new();
        for (name, rows) in self.tables(program, host, result)? {
            let uuids = facts::device_uuids(host);
            let mut mounts = Vec::new();
            for row in rows.into_iter().filter(|row| self.is_wanted(row)) {
                host.keep_going()?;
                let uuid = uuid_of(&row.device).map(ToOwned::to_owned).or_else(|| {
                    uuids.get(row.device.rsplit('/').next().unwrap_or_default()).cloned()
                });
                let sizes = self.sizes(&row, result)?;
                mounts.push(row.into_facts(&name, uuid, sizes));
            }
            sources.push(Source { name, mounts });
        }
        let facts = self.facts(sources, result);
        result.insert("ansible_facts".to_owned(), facts);
        Ok(Check::InSync)
    }

    fn apply(&self, change: Infallible, _: &dyn System, _: &mut Args) -> Result<(), Failure> {
        match change {}
    }
}

impl MountFacts {
    fn validate(&self) -> Result<(), Failure> {
        if let Some(seconds) = self.timeout.filter(|seconds| *seconds <= 0.0) {
            return Err(Failure::new(format!(
                "argument 'timeout' must be a positive number or null, not {seconds:?}"
            )));
        }
        if self.sources.iter().flatten().any(String::is_empty) {
            return Err(Failure::new("sources contains an empty string"));
        }
        Ok(())
    }

    fn patience(&self) -> Option<Duration> {
        // What is longer than the machine can count is for ever.
        self.timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    /// The sources, each with its rows; what is missing or empty, or the same as an earlier one, is left out.
    fn tables(
        &self,
        program: Option<&str>,
        host: &dyn Probe,
        result: &mut Args,
    ) -> Result<Vec<(String, Vec<Row>)>, Failure> {
        let names = self.names(result);
        let mut tables = Vec::new();
        let mut seen = BTreeSet::new();
        for name in &names {
            if Some(name.as_str()) == program {
                if seen.insert(PathBuf::from(name)) {
                    tables.push((name.clone(), self.ask(name, host, result)?));
                }
                continue;
            }
            if !name.starts_with('/') || !seen.insert(files::real_path(host, Path::new(name))?) {
                continue;
            }
            // What cannot be read as a file holds no mounts.
            let Ok(Some(bytes)) = host.read(Path::new(name), LIMIT) else { continue };
            let rows = table::of_file(&String::from_utf8_lossy(&bytes));
            if !rows.is_empty() {
                tables.push((name.clone(), rows));
            }
        }
        let wants_mounted = names.iter().any(|name| DYNAMIC.contains(&name.as_str()));
        let is_told = tables.iter().any(|(name, _)| DYNAMIC.contains(&name.as_str()));
        if let Some(program) = program.filter(|program| {
            self.asks_for_mounted()
                && wants_mounted
                && !is_told
                && !seen.contains(Path::new(program))
        }) {
            tables.push((program.to_owned(), self.ask(program, host, result)?));
        }
        Ok(tables)
    }

    fn asks_for_mounted(&self) -> bool {
        self.sources.as_deref().is_none_or(|sources| {
            sources.is_empty() || sources.iter().any(|name| name == "all" || name == "dynamic")
        })
    }

    /// The sources by name, with what `all`, `static` and `dynamic` stand for.
    fn names(&self, result: &mut Args) -> Vec<String> {
        let all = vec!["all".to_owned()];
        let given = self.sources.as_ref().filter(|sources| !sources.is_empty()).unwrap_or(&all);
        let mut names = Vec::new();
        for name in given {
            let files: &[&[&str]] = match name.as_str() {
                "all" => &[DYNAMIC, STATIC],
                "dynamic" => &[DYNAMIC],
                "static" => &[STATIC],
                _ => {
                    names.push(name.clone());
                    continue;
                }
            };
            names.extend(files.concat().into_iter().map(ToOwned::to_owned));
        }
        if names.iter().collect::<BTreeSet<_>>().len() < names.len() {
            warn(
                result,
                format!(
                    "mount_facts option 'sources' contains duplicate entries, repeat sources will be ignored: {}",
                    python_text(&json!(names))
                ),
            );
        }
        names
    }

    fn ask(&self, program: &str, host: &dyn Probe, result: &mut Args) -> Result<Vec<Row>, Failure> {
        let Some(path) = tool::find_program(host, program) else {
            return Err(Failure::new(format!("Failed to find required executable \"{program}\"")));
        };
        let mut command = Command::new(path, Vec::<String>::new());
        command.timeout = self.patience();
        let output = host.query(&command)?;
        if output.timed_out {
            self.late(format!("{program} did not list what is mounted"), result)?;
        }
        Ok(table::of_program(&output.stdout_text()))
    }

    fn is_wanted(&self, row: &Row) -> bool {
        let fits = |patterns: &Option<Vec<String>>, text: &str| {
            let patterns = patterns.as_ref().filter(|patterns| !patterns.is_empty());
            patterns.is_none_or(|patterns| {
                patterns.iter().any(|pattern| facts::glob_matches(pattern, text))
            })
        };
        fits(&self.devices, &row.device) && fits(&self.fstypes, &row.kind)
    }

    fn sizes(&self, row: &Row, result: &mut Args) -> Result<Args, Failure> {
        if let Some(sizes) = facts::mount_sizes(&row.path, self.patience()) {
            return Ok(sizes);
        }
        self.late(
            format!("the sizes of mount {} (type {}) are not known", row.path, row.kind),
            result,
        )?;
        Ok(Args::new())
    }

    fn late(&self, what: String, result: &mut Args) -> Result<(), Failure> {
        let message = format!("{what} after {} seconds", self.timeout.unwrap_or_default());
        match self.on_timeout {
            OnTimeout::Error => return Err(Failure::new(message)),
            OnTimeout::Warn => warn(result, message),
            OnTimeout::Ignore => {}
        }
        Ok(())
    }

    fn facts(&self, sources: Vec<Source>, result: &mut Args) -> Value {
        let mut points = Args::new();
        let mut all = Vec::new();
        let mut repeated = Vec::new();
        for Source { name, mounts } in sources {
            let paths: Vec<&str> =
                mounts.iter().map(|mount| mount["mount"].as_str().unwrap_or_default()).collect();
            if paths.iter().collect::<BTreeSet<_>>().len() < paths.len() {
                repeated.push(format!("{name} ({})", python_text(&json!(paths))));
            }
            for mount in &mounts {
                let path = mount["mount"].as_str().unwrap_or_default();
                points.entry(path).or_insert_with(|| mount.clone());
            }
            all.extend(mounts);
        }
        if self.include_aggregate_mounts.is_none() && !repeated.is_empty() {
            warn(
                result,
                format!(
                    "mount_facts: ignoring repeat mounts in the following sources: {}. You can disable this warning by configuring the 'include_aggregate_mounts' option as True or False.",
                    repeated.join(", ")
                ),
            );
        }
        if self.include_aggregate_mounts != Some(true) {
            all.clear();
        }
        json!({ "mount_points": points, "aggregate_mounts": all })
    }
}

fn uuid_of(device: &str) -> Option<&str> {
    device.strip_prefix("UUID=")
}
