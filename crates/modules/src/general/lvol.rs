//! `lvol`: logical volumes, snapshots and thin pools of LVM.

mod size;

use model::{Args, Diff};
use serde_json::json;
use system::{Command, Probe, System};

use crate::arguments::{Presence, arguments};
use crate::contract::{Change, Check, Failure, Module};
use crate::general::lvm;
use crate::{diff, tool};

use size::{Direction, Size};

arguments! {
    /// Makes, resizes and removes logical volumes, snapshots and thin pools of LVM.
    pub struct Lvol {
        /// The volume group.
        pub vg: String,
        /// The logical volume.
        pub lv: Option<String>,
        /// Its size: megabytes, a number with a unit, or a part such as `80%VG`, `100%FREE`; `+` and `-`: by that much.
        pub size: Option<String>,
        /// Whether it shall be there.
        pub state: Presence { default: "present" },
        /// Whether it is active.
        pub active: bool { default: true },
        /// Allow what loses data: removing and making smaller.
        pub force: bool { default: false },
        /// Options for `lvcreate`.
        pub opts: Option<String>,
        /// A snapshot of the volume, by its name.
        pub snapshot: Option<String>,
        /// The physical volumes that it is put on.
        pub pvs: Option<Vec<String>>,
        /// A thin pool, or the one in which the volume is made.
        pub thinpool: Option<String>,
        /// Make it smaller when it is larger than `size`.
        pub shrink: bool { default: true },
        /// Resize its file system with it.
        pub resizefs: bool { default: false },
    }
    required_one_of: [&["lv", "thinpool"]];
}

/// What is done to the volume.
pub(crate) struct Work {
    commands: Vec<Command>,
    name: String,
    before: Option<u64>,
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let words = |command: &Command| format!("{} {}", command.program, command.args.join(" "));
        let after: Vec<String> = self.commands.iter().map(words).collect();
        Ok(vec![diff::state(&self.name, json!({ "bytes": self.before }), json!({ "by": after }))])
    }
}

/// A logical volume.
struct Volume {
    name: String,
    bytes: u64,
    attributes: String,
}

impl Volume {
    fn is_active(&self) -> bool {
        self.attributes.chars().nth(4) == Some('a')
    }

    fn is_thin_pool(&self) -> bool {
        self.attributes.starts_with('t')
    }
}

/// A volume group, in bytes.
#[derive(Clone, Copy)]
struct Group {
    bytes: u64,
    free: u64,
    extent: u64,
}

impl Module for Lvol {
    type Change = Work;

    fn check(&self, host: &dyn Probe, _: &mut Args) -> Result<Check<Work>, Failure> {
        self.validate()?;
        let size = self.size.as_deref().map(Size::parse).transpose()?;
        let Some(group) = self.group(host)? else {
            let message = format!("Volume group {} does not exist.", self.vg);
            return if self.state.is_present() {
                Err(Failure::new(message))
            } else {
                Ok(Check::InSync)
            };
        };
        let volumes = self.volumes(host)?;
        let find = |name: &str| volumes.iter().find(|volume| volume.name == name);
        let name = self.name();
        let Some(volume) = find(name) else {
            if !self.state.is_present() {
                return Ok(Check::InSync);
            }
            if let (Some(_), Some(origin)) = (&self.snapshot, &self.lv)
                && find(origin).is_none()
            {
                return Err(Failure::new(format!(
                    "Snapshot origin LV {origin} does not exist in volume group {}.",
                    self.vg
                )));
            }
            if let (Some(pool), Some(_)) = (&self.thinpool, &self.lv)
                && !find(pool).is_some_and(Volume::is_thin_pool)
            {
                return Err(Failure::new(format!(
                    "Thin pool LV {pool} does not exist in volume group {}.",
                    self.vg
                )));
            }
            return Ok(Check::Drift(self.work(self.create(size.as_ref())?, None)));
        };
        if self.state.is_present() {
            return self.adapt(volume, size.as_ref(), group);
        }
        if !self.force {
            return Err(Failure::new(format!(
                "Sorry, no removal of logical volume {name} without force=true."
            )));
        }
        let remove = Command::new("lvremove", ["--force", &self.full(name)]);
        Ok(Check::Drift(self.work(vec![remove], Some(volume))))
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

impl Lvol {
    fn validate(&self) -> Result<(), Failure> {
        let names =
            [Some(&self.vg), self.lv.as_ref(), self.snapshot.as_ref(), self.thinpool.as_ref()];
        for name in names.into_iter().flatten() {
            let is_letter = |c: char| c.is_ascii_alphanumeric() || "_.+-/".contains(c);
            if name.is_empty() || name.starts_with('-') || !name.chars().all(is_letter) {
                return Err(Failure::new(format!("`{name}` is no name that LVM knows")));
            }
        }
        if self.snapshot.is_some() && self.lv.is_none() {
            return Err(Failure::new("a snapshot needs lv, the volume that it is of"));
        }
        Ok(())
    }

    /// The volume that is managed: the snapshot, the volume, or the pool.
    fn name(&self) -> &str {
        let names = [&self.snapshot, &self.lv, &self.thinpool];
        names.into_iter().flatten().next().map(String::as_str).unwrap_or_default()
    }

    fn full(&self, name: &str) -> String {
        format!("{}/{name}", self.vg)
    }

    fn work(&self, commands: Vec<Command>, volume: Option<&Volume>) -> Work {
        Work { commands, name: self.full(self.name()), before: volume.map(|volume| volume.bytes) }
    }

    fn group(&self, host: &dyn Probe) -> Result<Option<Group>, Failure> {
        let rows = lvm::report(host, "vgs", "vg_name,vg_size,vg_free,vg_extent_size", &[])?;
        let Some(row) = rows.iter().find(|row| row[0] == self.vg) else { return Ok(None) };
        let number = |at: usize| row[at].parse::<u64>().ok();
        match (number(1), number(2), number(3)) {
            (Some(bytes), Some(free), Some(extent)) => {
                Ok(Some(Group { bytes, free, extent: extent.max(1) }))
            }
            _ => Err(Failure::new(format!("vgs tells `{}`, not sizes in bytes", row.join(";")))),
        }
    }

    fn volumes(&self, host: &dyn Probe) -> Result<Vec<Volume>, Failure> {
        let rows = lvm::report(host, "lvs", "lv_name,lv_size,lv_attr", &["-a", &self.vg])?;
        let volume = |row: Vec<String>| {
            let [name, bytes, attributes] = row.try_into().ok()?;
            // Hidden ones are in brackets.
            let name: String = name.trim_matches(['[', ']']).to_owned();
            Some(Volume { name, bytes: bytes.parse().ok()?, attributes })
        };
        Ok(rows.into_iter().filter_map(volume).collect())
    }

    /// The commands that make it.
    fn create(&self, size: Option<&Size>) -> Result<Vec<Command>, Failure> {
        let size = size.ok_or_else(|| Failure::new("No size given."))?;
        if size.direction == Some(Direction::Smaller) {
            return Err(Failure::new(format!("a new volume cannot have the size {}", size.word())));
        }
        let mut words = vec!["--yes".to_owned()];
        let mut put = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        let amount = size.unsigned();
        match (&self.snapshot, &self.thinpool, &self.lv) {
            (None, Some(_), Some(name)) => put(&["-n", name, "-V", &amount]),
            (None, Some(_), None) => put(&[size.option(), &amount]),
            (Some(name), ..) => put(&[size.option(), &amount, "-s", "-n", name]),
            (None, None, name) => {
                put(&["-n", name.as_deref().unwrap_or_default(), size.option(), &amount]);
            }
        }
        if let Some(text) = &self.opts {
            words
                .extend(shlex::split(text).ok_or_else(|| {
                    Failure::new(format!("a quote does not end in opts: {text}"))
                })?);
        }
        match (&self.snapshot, &self.thinpool, &self.lv) {
            (Some(_), _, Some(origin)) => words.push(self.full(origin)),
            (_, Some(pool), _) => words.extend(["-T".to_owned(), self.full(pool)]),
            _ => words.push(self.vg.clone()),
        }
        words.extend(self.pvs.iter().flatten().cloned());
        let mut commands = vec![lvm::command("lvcreate", words)];
        if !self.active {
            commands.push(self.activate());
        }
        Ok(commands)
    }

    fn activate(&self) -> Command {
        let flag = if self.active { "-ay" } else { "-an" };
        lvm::command("lvchange", vec![flag.to_owned(), self.full(self.name())])
    }

    /// What makes a volume that is there as it shall be.
    fn adapt(
        &self,
        volume: &Volume,
        size: Option<&Size>,
        group: Group,
    ) -> Result<Check<Work>, Failure> {
        let mut commands = Vec::new();
        let mut acts_each_time = false;
        if let Some(size) = size {
            let wanted = size.bytes(volume.bytes, group.bytes, group.free, group.extent);
            if wanted > volume.bytes {
                commands.push(self.resize("lvextend", &[], size));
            } else if wanted < volume.bytes && self.is_to_shrink(volume, size, wanted, group)? {
                commands.push(self.resize("lvreduce", &["--force"], size));
            }
            acts_each_time = !commands.is_empty() && size.direction.is_some();
        }
        if volume.is_active() != self.active {
            commands.push(self.activate());
        }
        Ok(match commands.is_empty() {
            true => Check::InSync,
            false if acts_each_time => Check::Act(self.work(commands, Some(volume))),
            false => Check::Drift(self.work(commands, Some(volume))),
        })
    }

    /// Whether a volume that is too large is made smaller; an error where that must be allowed first.
    fn is_to_shrink(
        &self,
        volume: &Volume,
        size: &Size,
        wanted: u64,
        group: Group,
    ) -> Result<bool, Failure> {
        // It has all that was free.
        let has_taken_all = size.is_part_of_free() && group.free < group.extent;
        if !self.shrink || has_taken_all {
            return Ok(false);
        }
        let name = &volume.name;
        if wanted == 0 {
            return Err(Failure::new(format!("Sorry, no shrinking of {name} to 0 permitted.")));
        }
        if !self.force {
            return Err(Failure::new(format!("Sorry, no shrinking of {name} without force=true.")));
        }
        Ok(true)
    }

    fn resize(&self, program: &str, first: &[&str], size: &Size) -> Command {
        let mut words: Vec<String> = first.iter().map(|word| (*word).to_owned()).collect();
        words.extend(self.resizefs.then(|| "--resizefs".to_owned()));
        words.extend([size.option().to_owned(), size.word(), self.full(self.name())]);
        words.extend(self.pvs.iter().flatten().cloned());
        lvm::command(program, words)
    }
}
