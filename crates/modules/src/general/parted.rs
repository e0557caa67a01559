//! `parted`: partition tables and partitions.

mod print;

use model::{Args, Diff};
use serde_json::json;
use system::{Command, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

use print::Disk;

choices! {
    /// What is wanted of the partition.
    pub enum State {
        /// It shall not be there.
        Absent = "absent",
        /// It shall be there.
        Present = "present",
        /// Only tell of the disk.
        Info = "info",
    }
}

choices! {
    /// Kinds of partition tables.
    pub enum Label {
        /// AIX.
        Aix = "aix",
        /// Amiga.
        Amiga = "amiga",
        /// BSD.
        Bsd = "bsd",
        /// MIPS.
        Dvh = "dvh",
        /// GUID partition table.
        Gpt = "gpt",
        /// No table.
        Loop = "loop",
        /// Macintosh.
        Mac = "mac",
        /// DOS.
        Msdos = "msdos",
        /// PC98.
        Pc98 = "pc98",
        /// Sun.
        Sun = "sun",
    }
}

choices! {
    /// Kinds of partitions.
    pub enum Kind {
        /// One that holds others.
        Extended = "extended",
        /// One inside an extended one.
        Logical = "logical",
        /// A plain one.
        Primary = "primary",
    }
}

choices! {
    /// Where new partitions begin.
    pub enum Align {
        /// At cylinders.
        Cylinder = "cylinder",
        /// As the disk needs it.
        Minimal = "minimal",
        /// Anywhere.
        None = "none",
        /// As is best for speed.
        Optimal = "optimal",
        /// As parted does by itself.
        Undefined = "undefined",
    }
}

choices! {
    /// Units of sizes.
    pub enum Unit {
        /// Sectors.
        Sectors = "s",
        /// Bytes.
        Bytes = "B",
        /// Thousands of bytes.
        Kb = "KB",
        /// 1024 bytes.
        Kib = "KiB",
        /// Millions of bytes.
        Mb = "MB",
        /// Mebibytes.
        Mib = "MiB",
        /// Milliards of bytes.
        Gb = "GB",
        /// Gibibytes.
        Gib = "GiB",
        /// Terabytes.
        Tb = "TB",
        /// Tebibytes.
        Tib = "TiB",
        /// Parts of the disk.
        Percent = "%",
        /// Cylinders.
        Cylinders = "cyl",
        /// Cylinders, heads and sectors.
        Chs = "chs",
        /// What people like to read.
        Compact = "compact",
    }
}

arguments! {
    /// Manages partitions of disks, or tells of them.
    pub struct Parted {
        /// The disk, or a file that is the image of one.
        pub device: String,
        /// Where new partitions begin.
        pub align: Align { default: "optimal" },
        /// The number of the partition.
        pub number: Option<i64>,
        /// The unit that is told in, and of numbers without one.
        pub unit: Unit { default: "KiB" },
        /// The kind of partition table. A table of another kind is replaced, with all that is on the disk.
        pub label: Label { default: "msdos" },
        /// The kind of partition.
        pub part_type: Kind { default: "primary" },
        /// Where it begins, from the start of the disk; negative: from its end.
        pub part_start: String { default: "0%" },
        /// Where it ends.
        pub part_end: String { default: "100%" },
        /// Its name.
        pub name: Option<String>,
        /// Its flags, as a whole.
        pub flags: Option<Vec<String>>,
        /// What is wanted.
        pub state: State { default: "info" },
        /// The kind of file system that it is said to have.
        pub fs_type: Option<String>,
        /// Move the end of a partition that is there to `part_end`.
        pub resize: bool { default: false },
    }
    required_if: [("state", "present", &["number"]), ("state", "absent", &["number"])];
}

/// What parted is to do.
pub(crate) struct Work {
    /// Tables, partitions and their ends.
    layout: Vec<String>,
    /// Names and flags.
    details: Vec<String>,
    device: String,
    before: serde_json::Value,
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let script = [self.layout.as_slice(), &self.details].concat().join(" ");
        let after = json!({ "script": script });
        Ok(vec![diff::state(&self.device, self.before.clone(), after)])
    }
}

impl Module for Parted {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        let number = self.validate()?;
        let disk = self.print(host, self.unit)?;
        disk.show(result);
        let unit = |script: &mut Vec<String>| {
            script.extend(["unit".to_owned(), self.unit.as_str().to_owned()]);
        };
        let (mut layout, mut details) = (Vec::new(), Vec::new());
        match self.state {
            State::Info => {
                let mut script = Vec::new();
                unit(&mut script);
                script.push("print".to_owned());
                result.insert("script".into(), script.into());
                return Ok(Check::InSync);
            }
            State::Absent => {
                if disk.find(number).is_some() {
                    layout = vec!["rm".to_owned(), number.to_string()];
                }
            }
            State::Present => {
                let is_other = disk.table != self.label.as_str();
                let found = disk.find(number).filter(|_| !is_other);
                if found.is_none() {
                    self.check_number(number, (!is_other).then_some(&disk))?;
                    unit(&mut layout);
                    if is_other {
                        layout.extend(["mklabel".to_owned(), self.label.as_str().to_owned()]);
                    }
                    layout.extend(["mkpart".to_owned(), self.part_type.as_str().to_owned()]);
                    layout.extend(self.fs_type.clone());
                    layout.extend([self.part_start.clone(), self.part_end.clone()]);
                } else if self.resize && self.must_be_resized(number, host)? {
                    layout =
                        vec!["resizepart".to_owned(), number.to_string(), self.part_end.clone()];
                }
                details = self.details(number, (!is_other).then_some(&disk));
            }
        }
        result.insert("script".into(), [layout.as_slice(), &details].concat().into());
        if layout.is_empty() && details.is_empty() {
            return Ok(Check::InSync);
        }
        let before = json!({ "table": disk.table, "partitions": result["partitions"] });
        Ok(Check::Drift(Work { layout, details, device: self.device.clone(), before }))
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let number = self.validate()?;
        let mut details = work.details;
        let mut script = work.layout.clone();
        if !work.layout.is_empty() {
            self.run(&work.layout, host)?;
            if self.state == State::Present {
                // A new partition may have flags by itself.
                details = self.details(number, Some(&self.print(host, self.unit)?));
            }
        }
        if !details.is_empty() {
            self.run(&details, host)?;
            script.extend(details);
        }
        self.print(host, self.unit)?.show(result);
        result.insert("script".into(), script.into());
        Ok(())
    }
}

impl Parted {
    fn validate(&self) -> Result<u32, Failure> {
        let number = self.number.unwrap_or(1);
        let number = u32::try_from(number).ok().filter(|number| *number > 0);
        let number =
            number.ok_or_else(|| Failure::new("The partition number must be greater then 0."))?;
        for (name, place) in [("part_start", &self.part_start), ("part_end", &self.part_end)] {
            if !is_place(place) {
                return Err(Failure::new(format!(
                    "The argument '{name}' doesn't respect required format.The size unit is case sensitive. It is `{place}`"
                )));
            }
        }
        let words = self.flags.iter().flatten().chain(&self.fs_type);
        for word in words {
            if word.is_empty()
                || !word.chars().all(|c| c.is_ascii_alphanumeric() || "_-+()".contains(c))
            {
                return Err(Failure::new(format!("`{word}` is no word that parted knows")));
            }
        }
        if let Some(name) = self.name.as_ref().filter(|name| name.contains(['"', '\n', '\\'])) {
            return Err(Failure::new(format!("a partition cannot have the name `{name}`")));
        }
        if self.device.starts_with('-') || self.device.is_empty() {
            return Err(Failure::new(format!("`{}` is no device", self.device)));
        }
        Ok(number)
    }

    /// A new partition gets the first number that is free: another one cannot be asked for.
    fn check_number(&self, number: u32, disk: Option<&Disk>) -> Result<(), Failure> {
        const FIRST_LOGICAL: u32 = 5;
        let is_logical = self.part_type == Kind::Logical && self.label == Label::Msdos;
        let first = if is_logical { FIRST_LOGICAL } else { 1 };
        let is_free = |number: &u32| disk.is_none_or(|disk| disk.find(*number).is_none());
        let next = (first..=u32::MAX).find(is_free).expect("a disk has fewer partitions");
        if next == number {
            return Ok(());
        }
        Err(Failure::new(format!(
            "a new partition on {} would get the number {next}, not {number}",
            self.device
        )))
    }

    /// Whether the end of the partition is elsewhere than it shall be.
    fn must_be_resized(&self, number: u32, host: &dyn Probe) -> Result<bool, Failure> {
        const SECTOR: u64 = 512;
        const ALIGNMENT: u64 = 2 << 20;
        let disk = self.print(host, Unit::Bytes)?;
        let size = print::bytes(&disk.size);
        let end = disk.find(number).and_then(|partition| print::bytes(&partition.end));
        let wanted = size.and_then(|size| bytes_of(&self.part_end, self.unit, size));
        let (Some(end), Some((wanted, is_exact))) = (end, wanted) else {
            // Cylinders and the like: parted knows.
            return Ok(true);
        };
        let margin = if is_exact { SECTOR } else { ALIGNMENT };
        Ok((end + 1).abs_diff(wanted) > margin)
    }

    /// What gives the partition its name and flags.
    fn details(&self, number: u32, disk: Option<&Disk>) -> Vec<String> {
        let found = disk.and_then(|disk| disk.find(number));
        let mut script = Vec::new();
        if let Some(name) = &self.name
            && found.is_none_or(|partition| partition.name != *name)
        {
            script.extend(["name".to_owned(), number.to_string(), format!("\"{name}\"")]);
        }
        let has: &[String] = found.map_or(&[], |partition| &partition.flags);
        let set =
            |flag: &str, value: &str| ["set".into(), number.to_string(), flag.into(), value.into()];
        for flag in self.flags.iter().flatten().filter(|flag| !has.contains(flag)) {
            script.extend(set(flag, "on"));
        }
        if let Some(wanted) = &self.flags {
            // On a GUID partition table these are one flag with two names.
            let is_alias = |flag: &str| {
                let other = match flag {
                    "boot" => "esp",
                    "esp" => "boot",
                    _ => return false,
                };
                self.label == Label::Gpt && wanted.iter().any(|wanted| wanted == other)
            };
            for flag in has.iter().filter(|flag| !wanted.contains(flag) && !is_alias(flag)) {
                script.extend(set(flag, "off"));
            }
        }
        if !script.is_empty() {
            script.splice(0..0, ["unit".to_owned(), self.unit.as_str().to_owned()]);
        }
        script
    }

    fn print(&self, host: &dyn Probe, unit: Unit) -> Result<Disk, Failure> {
        let command = self.command(&["-s", "-m"], &["unit", unit.as_str(), "print"]);
        let output = host.query(&command)?;
        // A disk without a table is told of with an error.
        let disk = Disk::parse(&output.stdout_text());
        match disk.filter(|disk| output.is_success() || disk.table == "unknown") {
            Some(disk) => Ok(disk),
            None => {
                Err(tool::failure(&output, "Error while getting device information with parted: "))
            }
        }
    }

    fn run(&self, script: &[String], host: &dyn System) -> Result<(), Failure> {
        let version = host.query(&Command::new("parted", ["--version"]))?.stdout_text();
        let version: Vec<u32> = version
            .lines()
            .next()
            .and_then(|line| line.split_whitespace().last())
            .map(|text| text.split('.').map_while(|part| part.parse().ok()).collect())
            .unwrap_or_default();
        // It puts right a table that does not know that the disk has grown.
        const KNOWS_FIX: [u32; 3] = [3, 4, 64];
        let mut flags = vec!["-s"];
        flags.extend((version.as_slice() >= KNOWS_FIX.as_slice()).then_some("-f"));
        flags.push("-m");
        if self.align != Align::Undefined {
            flags.extend(["-a", self.align.as_str()]);
        }
        let words: Vec<&str> = script.iter().map(String::as_str).collect();
        let output = host.run(&self.command(&flags, &words))?;
        if output.is_success() {
            return Ok(());
        }
        let prefix = format!("Error while running parted script: {}: ", script.join(" "));
        Err(tool::failure(&output, &prefix))
    }

    fn command(&self, flags: &[&str], script: &[&str]) -> Command {
        let words = flags.iter().copied().chain([self.device.as_str(), "--"]);
        let mut command = Command::new("parted", words.chain(script.iter().copied()));
        command.environment.insert("LC_ALL".to_owned(), "C".to_owned());
        command
    }
}

const UNITS: &[&str] =
    &["", "s", "B", "KB", "KiB", "MB", "MiB", "GB", "GiB", "TB", "TiB", "%", "cyl", "kB"];

/// Whether it is a number with a unit.
fn is_place(text: &str) -> bool {
    let (number, unit) = split(text);
    let is_chs =
        text.split(',').count() == 3 && text.split(',').all(|part| part.parse::<u32>().is_ok());
    is_chs || (number.parse::<f64>().is_ok() && UNITS.contains(&unit))
}

fn split(text: &str) -> (&str, &str) {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let sign = text.len() - digits.len();
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
    (&text[..sign + end], text[sign + end..].trim())
}

/// A place in bytes from the start of a disk, and whether parted puts it exactly there.
fn bytes_of(text: &str, usual: Unit, size: u64) -> Option<(u64, bool)> {
    let (number, unit) = split(text);
    let number: f64 = number.parse().ok()?;
    let unit = if unit.is_empty() { usual.as_str() } else { unit };
    let (factor, is_exact) = match unit {
        "B" => (1.0, true),
        "s" => (512.0, true),
        "KiB" => (1024.0, true),
        "MiB" => (1024.0 * 1024.0, true),
        "GiB" => (1024.0 * 1024.0 * 1024.0, true),
        "TiB" => (1024.0 * 1024.0 * 1024.0 * 1024.0, true),
        "KB" | "kB" => (1e3, false),
        "MB" => (1e6, false),
        "GB" => (1e9, false),
        "TB" => (1e12, false),
        "%" => (size as f64 / 100.0, false),
        _ => return None,
    };
    let place = number * factor;
    let from_start = if place < 0.0 { size as f64 + place } else { place };
    (from_start >= 0.0).then_some((from_start as u64, is_exact))
}
