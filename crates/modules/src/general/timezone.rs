//! `timezone`: the time zone of the host, and what the hardware clock counts in.

use std::path::{Path, PathBuf};

use model::{Args, Diff};
use serde_json::{Value, json};
use system::{Command, FileKind, Probe, System};

use crate::arguments::{arguments, choices};
use crate::content::Put;
use crate::contract::{Change, Check, Failure, Module};
use crate::edits::Edit;
use crate::{diff, tool};

choices! {
    /// What the hardware clock counts in.
    pub enum Clock {
        /// The time of the zone.
        Local = "local",
        /// Universal time.
        Utc = "UTC",
    }
}

arguments! {
    /// Sets the time zone of the host.
    pub struct Timezone {
        /// The zone, e.g. `Europe/Berlin`.
        pub name: Option<String>,
        /// What the hardware clock counts in.
        pub hwclock: Option<Clock> { aliases: ["rtc"] },
    }
    required_one_of: [&["hwclock", "name"]];
}

const LIMIT: u64 = 1 << 20;
const ZONES: &str = "/usr/share/zoneinfo";
const NAME_FILE: &str = "/etc/timezone";
const LINK: &str = "/etc/localtime";
const CLOCK_FILE: &str = "/etc/default/rcS";

/// As it is.
struct Current {
    /// systemd looks after it.
    by_systemd: bool,
    name: String,
    clock: Clock,
}

/// What has to be done.
pub(crate) struct Work {
    commands: Vec<Command>,
    puts: Vec<Put>,
    edits: Vec<Edit>,
    before: Args,
    after: Args,
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let side = |args: &Args| Value::Object(args.clone());
        Ok(vec![diff::state("time zone", side(&self.before), side(&self.after))])
    }
}

fn text(host: &dyn Probe, path: &str) -> Result<Option<String>, Failure> {
    let bytes = host.read(Path::new(path), LIMIT)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

impl Current {
    fn of(host: &dyn Probe) -> Result<Self, Failure> {
        if tool::find(host, "timedatectl").is_some() {
            let mut command = Command::new("timedatectl", ["status"]);
            command.environment.insert("LC_ALL".to_owned(), "C.UTF-8".to_owned());
            let output = host.query(&command)?;
            // It is installed in containers, too, where no systemd answers it.
            if output.is_success() {
                return Ok(Self::told(&output.stdout_text()));
            }
        }
        let link = Path::new(LINK);
        let stat = host.stat(link, false)?;
        let target = match stat {
            Some(stat) if stat.kind == FileKind::Symlink => host.read_link(link)?,
            _ => PathBuf::new(),
        };
        let target = target.to_string_lossy();
        let linked = target.split_once("zoneinfo/").map(|(_, name)| name.to_owned());
        let written = text(host, NAME_FILE)?.map(|text| text.trim().to_owned());
        // Where the two differ, it is neither.
        let name = match (linked, written) {
            (Some(linked), Some(written)) if linked != written => {
                format!("{written} (linked: {linked})")
            }
            (linked, written) => written.or(linked).unwrap_or_default(),
        };
        let clock_file = text(host, CLOCK_FILE)?.unwrap_or_default();
        let said = clock_file.lines().rev().find_map(|line| line.trim().strip_prefix("UTC="));
        let adjusted = text(host, "/etc/adjtime")?.unwrap_or_default();
        let clock = match said.map(|said| said.trim_matches('"')) {
            Some("no" | "false") => Clock::Local,
            None if adjusted.lines().nth(2) == Some("LOCAL") => Clock::Local,
            _ => Clock::Utc,
        };
        Ok(Self { by_systemd: false, name, clock })
    }

    /// What `timedatectl status` says.
    fn told(text: &str) -> Self {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.trim_start().strip_prefix(key));
            line.and_then(|rest| rest.split_whitespace().next()).unwrap_or_default().to_owned()
        };
        let is_local = value("RTC in local TZ:") == "yes";
        Self {
            by_systemd: true,
            name: value("Time zone:"),
            clock: if is_local { Clock::Local } else { Clock::Utc },
        }
    }
}

impl Module for Timezone {
    type Change = Work;

    fn check(&self, host: &dyn Probe, _: &mut Args) -> Result<Check<Work>, Failure> {
        if let Some(name) = &self.name {
            let is_odd = name.starts_with('/') || name.split('/').any(|part| part == "..");
            let file = host.stat(&Path::new(ZONES).join(name), true)?;
            if is_odd || file.is_none_or(|stat| stat.kind != FileKind::File) {
                return Err(Failure::new(format!("given timezone \"{name}\" is not available")));
            }
        }
        let current = Current::of(host)?;
        let mut work = Work {
            commands: Vec::new(),
            puts: Vec::new(),
            edits: Vec::new(),
            before: Args::new(),
            after: Args::new(),
        };
        if let Some(name) = self.name.as_ref().filter(|name| **name != current.name) {
            work.set_zone(host, &current, name)?;
        }
        if let Some(clock) = self.hwclock.filter(|clock| *clock != current.clock) {
            work.set_clock(host, &current, clock)?;
        }
        Ok(if work.after.is_empty() { Check::InSync } else { Check::Drift(work) })
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        work.puts.iter().try_for_each(|put| put.apply(host, result).map(drop))?;
        work.edits.into_iter().try_for_each(|edit| edit.apply(host))?;
        let mut done = Vec::new();
        for command in &work.commands {
            tool::run(host, command)?;
            done.push(format!("executed `{} {}`", command.program, command.args.join(" ")));
        }
        result.insert("msg".into(), done.join("\n").into());
        Ok(())
    }
}

impl Work {
    fn set_zone(&mut self, host: &dyn Probe, current: &Current, name: &str) -> Result<(), Failure> {
        self.before.insert("name".into(), json!(current.name));
        self.after.insert("name".into(), json!(name));
        if current.by_systemd {
            self.commands.push(Command::new("timedatectl", ["set-timezone", name]));
            return Ok(());
        }
        let written = text(host, NAME_FILE)?;
        let keeps_name =
            written.is_some() || host.stat(Path::new("/etc/debian_version"), true)?.is_some();
        if keeps_name {
            self.puts.push(Put::text(NAME_FILE.into(), format!("{name}\n")));
        }
        let target = Path::new(ZONES).join(name);
        self.edits.push(Edit::Symlink { target, path: LINK.into() });
        Ok(())
    }

    fn set_clock(
        &mut self,
        host: &dyn Probe,
        current: &Current,
        clock: Clock,
    ) -> Result<(), Failure> {
        self.before.insert("hwclock".into(), json!(current.clock.as_str()));
        self.after.insert("hwclock".into(), json!(clock.as_str()));
        let is_local = clock == Clock::Local;
        if current.by_systemd {
            let word = if is_local { "yes" } else { "no" };
            self.commands.push(Command::new("timedatectl", ["set-local-rtc", word]));
            return Ok(());
        }
        if host.stat(Path::new("/etc/debian_version"), true)?.is_some() {
            let old = text(host, CLOCK_FILE)?.unwrap_or_default();
            let others = old.lines().filter(|line| !line.trim().starts_with("UTC="));
            let mut new: String = others.flat_map(|line| [line, "\n"]).collect();
            new.push_str(if is_local { "UTC=no\n" } else { "UTC=yes\n" });
            self.puts.push(Put::text(CLOCK_FILE.into(), new));
        }
        let flag = if is_local { "--localtime" } else { "--utc" };
        self.commands.push(Command::new("hwclock", ["--systohc", flag]));
        Ok(())
    }
}
