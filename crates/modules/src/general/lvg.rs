//! `lvg`: volume groups of LVM.

use std::path::{Path, PathBuf};

use model::{Args, Diff};
use serde_json::json;
use system::{Command, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::general::lvm;
use crate::{diff, files, tool};

choices! {
    /// What is wanted of a volume group.
    pub enum State {
        /// It shall not be there.
        Absent = "absent",
        /// It shall be there.
        Present = "present",
        /// It shall be there, and its volumes active.
        Active = "active",
        /// It shall be there, and its volumes not active.
        Inactive = "inactive",
    }
}

arguments! {
    /// Makes, extends, reduces and removes volume groups of LVM.
    pub struct Lvg {
        /// The volume group.
        pub vg: String,
        /// The devices that it is made of.
        pub pvs: Option<Vec<String>>,
        /// The size of extents, in megabytes or with a unit.
        pub pesize: String { default: "4" },
        /// Options for `pvcreate`.
        pub pv_options: String { default: "" },
        /// Let its physical volumes grow with their devices.
        pub pvresize: bool { default: false },
        /// Options for `vgcreate`.
        pub vg_options: String { default: "" },
        /// What is wanted.
        pub state: State { default: "present" },
        /// Remove it with the volumes in it.
        pub force: bool { default: false },
        /// Give the group a new UUID, each time.
        pub reset_vg_uuid: bool { default: false },
        /// Give its physical volumes new UUIDs, each time.
        pub reset_pv_uuid: bool { default: false },
        /// Take away devices that are not in `pvs`.
        pub remove_extra_pvs: bool { default: true },
    }
}

/// What is done to the group.
pub(crate) struct Work {
    commands: Vec<Command>,
    group: String,
    before: Vec<String>,
    after: Vec<String>,
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let (before, after) = (json!({ "pvs": self.before }), json!({ "pvs": self.after }));
        Ok(vec![diff::state(&self.group, before, after)])
    }
}

/// A physical volume and its group.
struct Physical {
    name: String,
    real: PathBuf,
    group: String,
}

impl Module for Lvg {
    type Change = Work;

    fn check(&self, host: &dyn Probe, _: &mut Args) -> Result<Check<Work>, Failure> {
        self.validate()?;
        let groups = lvm::report(host, "vgs", "vg_name,lv_count", &[])?;
        let group = groups.into_iter().find(|row| row[0] == self.vg);
        if self.state == State::Absent {
            let Some(row) = group else { return Ok(Check::InSync) };
            if row[1] != "0" && !self.force {
                return Err(Failure::new(format!(
                    "Refuse to remove non-empty volume group {} without force=true",
                    self.vg
                )));
            }
            let remove = Command::new("vgremove", ["--force", &self.vg]);
            return Ok(Check::Drift(self.work(vec![remove], Vec::new(), Vec::new())));
        }
        let physical = physical_volumes(host)?;
        let wanted = self.wanted(host, &physical)?;
        if group.is_none() {
            return self.create(&wanted).map(Check::Drift);
        }
        let mut work = self.extend(host, &wanted, &physical)?;
        work.commands.extend(self.activation(host)?);
        if self.reset_vg_uuid || self.reset_pv_uuid {
            if self.reset_pv_uuid {
                let words = ["-u".to_owned()].into_iter().chain(work.after.iter().cloned());
                work.commands.push(lvm::command("pvchange", words.collect()));
            }
            if self.reset_vg_uuid {
                work.commands.push(Command::new("vgchange", ["-u", &self.vg]));
            }
            return Ok(Check::Act(work));
        }
        Ok(if work.commands.is_empty() { Check::InSync } else { Check::Drift(work) })
    }

    fn apply(&self, work: Work, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        for command in &work.commands {
            let output = host.run(command)?;
            if !output.is_success() {
                let prefix = format!("{} {}: ", command.program, command.args.join(" "));
                return Err(tool::failure(&output, &prefix));
            }
        }
        Ok(())
    }
}

/// A device that the group shall be made of.
struct Wanted {
    name: String,
    real: PathBuf,
    /// It is a physical volume already.
    is_made: bool,
}

impl Lvg {
    fn validate(&self) -> Result<(), Failure> {
        let is_letter = |c: char| c.is_ascii_alphanumeric() || "_.+-".contains(c);
        if self.vg.is_empty() || self.vg.starts_with('-') || !self.vg.chars().all(is_letter) {
            return Err(Failure::new(format!("`{}` is no name that LVM knows", self.vg)));
        }
        let number = self.pesize.trim_end_matches(|c: char| "bBsSkKmMgGtT".contains(c));
        if number.parse::<f64>().is_err() {
            return Err(Failure::new(format!("`{}` is no size of extents", self.pesize)));
        }
        Ok(())
    }

    fn work(&self, commands: Vec<Command>, before: Vec<String>, after: Vec<String>) -> Work {
        Work { commands, group: self.vg.clone(), before, after }
    }

    /// The devices in `pvs`, which must be there and in no other group.
    fn wanted(&self, host: &dyn Probe, physical: &[Physical]) -> Result<Vec<Wanted>, Failure> {
        let mut wanted: Vec<Wanted> = Vec::new();
        for name in self.pvs.iter().flatten().map(|name| name.trim().to_owned()) {
            if host.stat(Path::new(&name), true)?.is_none() || !name.starts_with('/') {
                return Err(Failure::new(format!("Device {name} not found.")));
            }
            let real = files::real_path(host, Path::new(&name))?;
            let found = physical.iter().find(|physical| physical.real == real);
            let group = found.map_or("", |physical| physical.group.as_str());
            if !group.is_empty() && group != self.vg {
                return Err(Failure::new(format!(
                    "Device {name} is already in {group} volume group."
                )));
            }
            if wanted.iter().all(|other| other.real != real) {
                wanted.push(Wanted { name, real, is_made: found.is_some() });
            }
        }
        Ok(wanted)
    }

    fn create(&self, wanted: &[Wanted]) -> Result<Work, Failure> {
        if wanted.is_empty() {
            return Err(Failure::new("No physical volumes given."));
        }
        let names: Vec<String> = wanted.iter().map(|device| device.name.clone()).collect();
        let mut commands = self.make_physical(wanted.iter())?;
        let mut words = options(&self.vg_options)?;
        words.extend(["-s".to_owned(), self.pesize.clone(), self.vg.clone()]);
        words.extend(names.iter().cloned());
        commands.push(lvm::command("vgcreate", words));
        Ok(self.work(commands, Vec::new(), names))
    }

    fn make_physical<'a>(
        &self,
        devices: impl Iterator<Item = &'a Wanted>,
    ) -> Result<Vec<Command>, Failure> {
        let given = options(&self.pv_options)?;
        let make = |device: &Wanted| {
            let words = given.iter().cloned().chain(["-f".to_owned(), device.name.clone()]);
            lvm::command("pvcreate", words.collect())
        };
        Ok(devices.filter(|device| !device.is_made).map(make).collect())
    }

    /// Adds devices, takes others away, lets those that stay grow.
    fn extend(
        &self,
        host: &dyn Probe,
        wanted: &[Wanted],
        physical: &[Physical],
    ) -> Result<Work, Failure> {
        let mine: Vec<&Physical> =
            physical.iter().filter(|physical| physical.group == self.vg).collect();
        let before: Vec<String> = mine.iter().map(|physical| physical.name.clone()).collect();
        let is_new = |device: &&Wanted| mine.iter().all(|physical| physical.real != device.real);
        let new: Vec<&Wanted> = wanted.iter().filter(is_new).collect();
        let is_extra = |physical: &&&Physical| {
            let is_wanted = wanted.iter().any(|device| device.real == physical.real);
            self.pvs.is_some() && self.remove_extra_pvs && !is_wanted
        };
        let extra: Vec<&&Physical> = mine.iter().filter(is_extra).collect();
        let mut after: Vec<String> = before.clone();
        after.retain(|name| extra.iter().all(|physical| physical.name != *name));
        let mut commands = Vec::new();
        if self.pvresize {
            for name in &after {
                if lvm::growth(host, name)?.is_some() {
                    commands.push(Command::new("pvresize", [name]));
                }
            }
        }
        if !new.is_empty() {
            commands.extend(self.make_physical(new.iter().copied())?);
            let names: Vec<String> = new.iter().map(|device| device.name.clone()).collect();
            let words = [self.vg.clone()].into_iter().chain(names.iter().cloned());
            commands.push(lvm::command("vgextend", words.collect()));
            after.extend(names);
        }
        if !extra.is_empty() {
            let mut words = vec!["--force".to_owned(), self.vg.clone()];
            words.extend(extra.iter().map(|physical| physical.name.clone()));
            commands.push(lvm::command("vgreduce", words));
        }
        Ok(self.work(commands, before, after))
    }

    /// What makes its volumes active or not.
    fn activation(&self, host: &dyn Probe) -> Result<Option<Command>, Failure> {
        let flag = match self.state {
            State::Active => "y",
            State::Inactive => "n",
            State::Absent | State::Present => return Ok(None),
        };
        const SKIPPED: usize = 9;
        let rows = lvm::report(host, "lvs", "lv_attr", &[&self.vg])?;
        let differs = |attributes: &String| {
            let letter = |at: usize| attributes.chars().nth(at).unwrap_or('-');
            let is_active = letter(4) == 'a';
            let is_skipped = letter(SKIPPED) == 'k' && flag == "y";
            is_active != (flag == "y") && !is_skipped
        };
        let is_needed = rows.iter().any(|row| differs(&row[0]));
        Ok(is_needed.then(|| Command::new("vgchange", ["--activate", flag, &self.vg])))
    }
}

fn physical_volumes(host: &dyn Probe) -> Result<Vec<Physical>, Failure> {
    let mut found = Vec::new();
    for row in lvm::report(host, "pvs", "pv_name,vg_name", &[])? {
        let [name, group] = row.try_into().expect("a report has the columns that were asked for");
        let real = files::real_path(host, Path::new(&name))?;
        found.push(Physical { name, real, group });
    }
    Ok(found)
}

fn options(text: &str) -> Result<Vec<String>, Failure> {
    shlex::split(text)
        .ok_or_else(|| Failure::new(format!("a quote does not end in the options: {text}")))
}
