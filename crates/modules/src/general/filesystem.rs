//! `filesystem`: file systems on devices and in image files, made, grown and wiped.

mod size;

use std::path::{Path, PathBuf};

use model::{Args, Diff};
use serde_json::json;
use system::{Command, FileKind, Probe, System};

use crate::arguments::{Presence, arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

choices! {
    /// Kinds of file systems.
    pub enum Fs {
        /// bcachefs.
        Bcachefs = "bcachefs",
        /// Btrfs.
        Btrfs = "btrfs",
        /// ext2.
        Ext2 = "ext2",
        /// ext3.
        Ext3 = "ext3",
        /// ext4.
        Ext4 = "ext4",
        /// ext4 under its old name.
        Ext4dev = "ext4dev",
        /// F2FS.
        F2fs = "f2fs",
        /// A physical volume of LVM.
        Lvm = "lvm",
        /// OCFS2.
        Ocfs2 = "ocfs2",
        /// ReiserFS.
        Reiserfs = "reiserfs",
        /// XFS.
        Xfs = "xfs",
        /// FAT.
        Vfat = "vfat",
        /// Swap space.
        Swap = "swap",
        /// UFS, which Linux does not make.
        Ufs = "ufs",
    }
}

arguments! {
    /// Makes file systems, lets them grow with their device, and wipes them.
    pub struct Filesystem {
        /// The device, or a file that is the image of one.
        pub dev: PathBuf { aliases: ["device"] },
        /// The kind of file system.
        pub fstype: Option<Fs> { aliases: ["type"] },
        /// Whether there shall be one.
        pub state: Presence { default: "present" },
        /// Overwrite a file system that is there.
        pub force: bool { default: false },
        /// Let it grow to the size of the device.
        pub resizefs: bool { default: false },
        /// Options for the program that makes it.
        pub opts: Option<String>,
        /// Give it this UUID, each time.
        pub uuid: Option<String>,
    }
    required_if: [("state", "present", &["fstype"])];
    mutually_exclusive: [&["resizefs", "uuid"]];
}

/// What is done to the device.
pub(crate) struct Work {
    commands: Vec<Command>,
    /// The last command's output is the message.
    tells: bool,
    device: String,
    before: Option<String>,
    after: Option<String>,
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state(&self.device, json!(self.before), json!(self.after))])
    }
}

impl Module for Filesystem {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        let device = self.device();
        let Some(stat) = host.stat(&self.dev, true)? else {
            let message = format!("Device {device} not found.");
            if self.state.is_present() {
                return Err(Failure::new(message));
            }
            result.insert("msg".into(), message.into());
            return Ok(Check::InSync);
        };
        if !matches!(stat.kind, FileKind::BlockDevice | FileKind::CharDevice | FileKind::File) {
            return Err(Failure::new(format!("{device} is a {}, not a device", stat.kind.name())));
        }
        let found = self.found(host)?;
        let Some(kind) = self.fstype.filter(|_| self.state.is_present()) else {
            if found.is_none() {
                return Ok(Check::InSync);
            }
            let wipe = Command::new("wipefs", ["--all", &device]);
            return Ok(Check::Drift(self.work(vec![wipe], found, None)));
        };
        if self.uuid.is_some() && !kind.takes_uuid() {
            return Err(Failure::new(format!(
                "module does not support UUID option for this filesystem ({}) yet.",
                kind.as_str()
            )));
        }
        match &found {
            Some(name) if name == kind.signature() && !self.force => {
                if self.resizefs {
                    return self.grow(kind, host, result);
                }
                let Some(uuid) = &self.uuid else { return Ok(Check::InSync) };
                let mut work = self.work(vec![kind.set_uuid(uuid, &device)], found, None);
                work.tells = true;
                Ok(Check::Act(work))
            }
            Some(name) if !self.force => {
                let message =
                    format!("'{device}' is already used as {name}, use force=true to overwrite");
                Err(Failure::new(message).with("rc", 0).with("err", ""))
            }
            Some(_) => Ok(Check::Act(self.work(self.make(kind)?, found, Some(kind)))),
            None => Ok(Check::Drift(self.work(self.make(kind)?, found, Some(kind)))),
        }
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        for command in &work.commands {
            let output = tool::run(host, command)?;
            if work.tells {
                result.insert("msg".into(), output.stdout_text().into());
            }
        }
        Ok(())
    }
}

impl Filesystem {
    fn device(&self) -> String {
        self.dev.to_string_lossy().into_owned()
    }

    fn work(&self, commands: Vec<Command>, before: Option<String>, made: Option<Fs>) -> Work {
        let after = made.map(|kind| kind.signature().to_owned());
        Work { commands, tells: false, device: self.device(), before, after }
    }

    /// What is on the device, in blkid's word.
    fn found(&self, host: &dyn Probe) -> Result<Option<String>, Failure> {
        const NOTHING: i32 = 2;
        let words = ["-c", "/dev/null", "-o", "value", "-s", "TYPE", &self.device()];
        let output = host.query(&Command::new("blkid", words))?;
        if !output.is_success() && output.status != NOTHING {
            return Err(tool::failure(&output, "blkid: "));
        }
        let name = output.stdout_text().trim().to_owned();
        Ok((!name.is_empty()).then_some(name))
    }

    /// The commands that make it.
    fn make(&self, kind: Fs) -> Result<Vec<Command>, Failure> {
        let device = self.device();
        let given = match &self.opts {
            Some(text) => shlex::split(text)
                .ok_or_else(|| Failure::new(format!("a quote does not end in opts: {text}")))?,
            None => Vec::new(),
        };
        let (program, first): (&str, &[&str]) = match kind {
            Fs::Bcachefs => ("mkfs.bcachefs", &["--force"]),
            Fs::Btrfs => ("mkfs.btrfs", &["-f"]),
            Fs::Ext2 => ("mkfs.ext2", &["-F"]),
            Fs::Ext3 => ("mkfs.ext3", &["-F"]),
            Fs::Ext4 | Fs::Ext4dev => ("mkfs.ext4", &["-F"]),
            // Older versions know no `-f`, and overwrite what is there without.
            Fs::F2fs => ("mkfs.f2fs", &[]),
            Fs::Lvm => ("pvcreate", &["-f"]),
            Fs::Ocfs2 => ("mkfs.ocfs2", &["-Fx"]),
            Fs::Reiserfs => ("mkfs.reiserfs", &["-q"]),
            Fs::Xfs => ("mkfs.xfs", &["-f"]),
            Fs::Vfat => ("mkfs.vfat", &[]),
            Fs::Swap => ("mkswap", &["-f"]),
            Fs::Ufs => return Err(Failure::new("there is no program for ufs on Linux")),
        };
        let uuid = match (&self.uuid, kind) {
            // XFS gets it afterwards.
            (None, _) | (_, Fs::Xfs) => Vec::new(),
            (Some(uuid), Fs::Lvm) => {
                vec!["-u".to_owned(), uuid.clone(), "--norestorefile".to_owned()]
            }
            (Some(uuid), _) => vec!["-U".to_owned(), uuid.clone()],
        };
        let words = first.iter().map(|word| (*word).to_owned());
        let words = words.chain(given).chain(uuid).chain([device.clone()]);
        let mut commands = Vec::new();
        if kind == Fs::F2fs && self.force {
            commands.push(Command::new("wipefs", ["--all", &device]));
        }
        commands.push(Command::new(program, words));
        if let (Some(uuid), Fs::Xfs) = (&self.uuid, kind) {
            commands.push(kind.set_uuid(uuid, &device));
        }
        Ok(commands)
    }

    fn grow(&self, kind: Fs, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        let device = self.device();
        let Some(growth) = size::growth(host, kind, Path::new(&device))? else {
            result.insert(
                "msg".into(),
                format!("{} filesystem is using the whole device {device}", kind.title()).into(),
            );
            return Ok(Check::InSync);
        };
        result.insert(
            "msg".into(),
            format!("resizing filesystem {} on device {device}", kind.title()).into(),
        );
        let mut work = self.work(vec![growth.command], None, None);
        (work.before, work.after) = (Some(growth.before), Some(growth.after));
        work.tells = true;
        Ok(Check::Drift(work))
    }
}

impl Fs {
    /// blkid's word for it.
    fn signature(self) -> &'static str {
        if self == Self::Lvm { "LVM2_member" } else { self.as_str() }
    }

    /// Its name for people.
    fn title(self) -> &'static str {
        match self {
            Self::Bcachefs => "Bcachefs",
            Self::Btrfs => "Btrfs",
            Self::Ext2 => "Ext2",
            Self::Ext3 => "Ext3",
            Self::Ext4 | Self::Ext4dev => "Ext4",
            Self::F2fs => "F2fs",
            Self::Lvm => "LVM",
            Self::Ocfs2 => "Ocfs2",
            Self::Reiserfs => "Reiserfs",
            Self::Xfs => "XFS",
            Self::Vfat => "VFAT",
            Self::Swap => "Swap",
            Self::Ufs => "UFS",
        }
    }

    fn takes_uuid(self) -> bool {
        matches!(self, Self::Ext2 | Self::Ext3 | Self::Ext4 | Self::Ext4dev | Self::Lvm | Self::Xfs)
    }

    /// The command that changes the UUID of one that is there.
    fn set_uuid(self, uuid: &str, device: &str) -> Command {
        match self {
            Self::Xfs => Command::new("xfs_admin", ["-U", uuid, device]),
            Self::Lvm => Command::new("pvchange", ["-u", device]),
            _ => Command::new("tune2fs", ["-U", uuid, device]),
        }
    }
}
