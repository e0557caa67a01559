//! `mount`: file systems in fstab, and mounted.

mod fstab;

use std::path::{Path, PathBuf};

use model::{Args, Diff, Step};
use serde_json::{Value, json};
use system::{Command, Probe, System};

use crate::arguments::{Secrets, arguments, choices};
use crate::content::{Put, Target};
use crate::contract::{Change, Check, Failure, Module};
use crate::edits::{Edit, missing_directories};
use crate::runner::{Examined, Purpose, run_module};
use crate::{diff, files, tool};

use fstab::{Entry, Mounted};

choices! {
    /// What is wanted.
    pub enum State {
        /// Neither in fstab nor mounted, and no directory for it; what is not in fstab is left alone.
        Absent = "absent",
        /// Not in fstab.
        AbsentFromFstab = "absent_from_fstab",
        /// In fstab and mounted.
        Mounted = "mounted",
        /// In fstab.
        Present = "present",
        /// Not mounted, whatever fstab says.
        Unmounted = "unmounted",
        /// Mounted once more, with other options.
        Remounted = "remounted",
        /// Mounted, and not in fstab.
        Ephemeral = "ephemeral",
    }
}

arguments! {
    /// Manages file systems: in fstab, and mounted.
    pub struct Mount {
        /// Where it is mounted.
        pub path: PathBuf { aliases: ["name"] },
        /// What is mounted.
        pub src: Option<PathBuf>,
        /// The type of the file system.
        pub fstype: Option<String>,
        /// Options.
        pub opts: Option<String>,
        /// Do not show the options.
        pub opts_no_log: bool { default: false },
        /// The field for dump.
        pub dump: String { default: "0" },
        /// The order of checks when the machine starts.
        pub passno: String { default: "0" },
        /// What is wanted.
        pub state: State,
        /// Another file than /etc/fstab.
        pub fstab: Option<PathBuf>,
        /// Mount it when the machine starts.
        pub boot: bool { default: true },
        /// Keep the old fstab.
        pub backup: bool { default: false },
    }
    required_if: [
        ("state", "mounted", &["src", "fstype"]),
        ("state", "present", &["src", "fstype"]),
        ("state", "ephemeral", &["src", "fstype"])
    ];
}

const FSTAB: &str = "/etc/fstab";
const LIMIT: u64 = 4 << 20;

/// Runs the step, and masks options that are not to be shown.
pub(crate) fn run(step: &Step, system: &dyn System, purpose: Purpose) -> Examined {
    let mut examined = run_module::<Mount>(step, system, purpose);
    let is_secret = examined
        .outcome
        .result
        .get("invocation")
        .is_some_and(|invocation| invocation["module_args"]["opts_no_log"] == json!(true));
    if let Some(options) = step.args.get("opts").filter(|_| is_secret) {
        let mut secrets = Secrets::default();
        secrets.add(options);
        secrets.mask_outcome(&mut examined.outcome);
    }
    examined
}

/// What has to be done, in this order.
#[derive(Debug, Default)]
pub(crate) struct Work {
    fstab: Option<Put>,
    unmount: bool,
    directories: Vec<Edit>,
    mount: Option<Kind>,
    remove_directory: bool,
    before: &'static str,
    after: &'static str,
}

/// How something gets mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// As fstab says.
    New,
    /// Again, as fstab says now.
    Again,
    /// As the arguments say.
    Ephemeral,
    /// Again, with other options.
    EphemeralAgain,
    /// Again; if that cannot be done, it is unmounted and mounted.
    Forced,
}

impl Change for Work {
    fn diff(&self, host: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let mut diffs: Vec<Diff> =
            self.fstab.iter().map(|put| put.diff(host)).collect::<Result<_, _>>()?;
        if self.before != self.after {
            diffs.push(diff::state("mount", json!(self.before), json!(self.after)));
        }
        Ok(diffs)
    }
}

impl Module for Mount {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        self.validate()?;
        self.describe(result);
        let table = host.read(Path::new("/proc/self/mountinfo"), LIMIT)?.unwrap_or_default();
        let table = String::from_utf8_lossy(&table).into_owned();
        let mounted = fstab::mounted_at(&table, &self.place());
        let mut work = Work::default();
        match self.state {
            State::Present => work.fstab = self.edit(host, true)?,
            State::AbsentFromFstab => work.fstab = self.edit(host, false)?,
            State::Unmounted => work.unmount = mounted.is_some(),
            State::Absent => {
                work.fstab = self.edit(host, false)?;
                if work.fstab.is_some() {
                    work.unmount = mounted.is_some();
                    work.remove_directory = host.stat(&self.path, false)?.is_some();
                }
            }
            State::Mounted => {
                work.fstab = self.edit(host, true)?;
                match mounted {
                    None => self.to_be_mounted(&mut work, Kind::New, host)?,
                    Some(_) if work.fstab.is_some() => work.mount = Some(Kind::Again),
                    Some(_) => {}
                }
            }
            State::Remounted => work.mount = Some(Kind::Forced),
            State::Ephemeral => match mounted {
                None => self.to_be_mounted(&mut work, Kind::Ephemeral, host)?,
                Some(mounted) if self.is_from(&mounted, host)? => {
                    work.mount = Some(Kind::EphemeralAgain);
                }
                Some(_) => return Err(Failure::new(OTHER_SOURCE)),
            },
        }
        (work.before, work.after) = match (&work.mount, work.unmount) {
            (Some(Kind::New | Kind::Ephemeral), _) => ("unmounted", "mounted"),
            (None, true) => ("mounted", "unmounted"),
            _ => ("", ""),
        };
        let is_done = work.fstab.is_none() && !work.unmount && work.mount.is_none();
        Ok(match self.state {
            State::Remounted | State::Ephemeral => Check::Act(work),
            _ if is_done => Check::InSync,
            _ => Check::Drift(work),
        })
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let old = match &work.fstab {
            Some(put) => host.read(&put.path, LIMIT)?,
            None => None,
        };
        if let Some(put) = &work.fstab {
            for edit in missing_directories(host, &put.path)? {
                edit.apply(host)?;
            }
            put.apply(host, result)?;
        }
        if work.unmount {
            self.unmount(host)?;
        }
        if work.remove_directory {
            self.remove_directory(host)?;
        }
        let Some(kind) = work.mount else { return Ok(()) };
        let made: Vec<PathBuf> = work
            .directories
            .iter()
            .filter_map(|edit| match edit {
                Edit::MakeDirectory { path, .. } => Some(path.clone()),
                _ => None,
            })
            .collect();
        for edit in work.directories {
            edit.apply(host)?;
        }
        let mounted = self.mount(kind, host);
        if mounted.is_err() {
            // What cannot be mounted does not stay in fstab: the machine might not start.
            if let Some(put) = &work.fstab {
                match old {
                    Some(bytes) => {
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        Put::text(put.path.clone(), text).apply(host, &mut Args::new())?;
                    }
                    None => host.remove(&put.path)?,
                }
            }
            made.iter().rev().try_for_each(|path| host.remove(path))?;
        }
        mounted
    }
}

const OTHER_SOURCE: &str = "Ephemeral mount point is already mounted with a different source than the specified one. \
     Failing in order to prevent an unwanted unmount or override operation. Try replacing this command with a \
     \"state: unmounted\" followed by a \"state: ephemeral\", or use a different destination path.";

impl Mount {
    fn validate(&self) -> Result<(), Failure> {
        let texts =
            [self.fstype.clone(), self.opts.clone(), Some(self.source()), Some(self.place())];
        let splits = |text: &String| text.contains(['\n', '\r', '\0']);
        if texts.iter().flatten().any(splits) {
            return Err(Failure::new("path, src, fstype and opts must be one line each"));
        }
        let words = [Some(&self.dump), Some(&self.passno), self.fstype.as_ref()];
        if let Some(word) = words.iter().flatten().find(|text| text.contains(char::is_whitespace)) {
            return Err(Failure::new(format!("`{word}` is not one word, as fstab wants it")));
        }
        let acts = !matches!(self.state, State::Present | State::AbsentFromFstab);
        if acts && !self.path.is_absolute() {
            return Err(Failure::new(format!("`{}` is not an absolute path", self.place())));
        }
        if self.source().starts_with('-') || self.fstype.as_deref().unwrap_or("").starts_with('-') {
            return Err(Failure::new("src and fstype cannot begin with a dash"));
        }
        Ok(())
    }

    /// Where it is mounted; a slash at the end does not count.
    fn place(&self) -> String {
        files::tidy(&self.path).to_string_lossy().into_owned()
    }

    fn source(&self) -> String {
        self.src.as_ref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn options(&self) -> String {
        let given = self.opts.as_deref().filter(|opts| !opts.is_empty()).unwrap_or("defaults");
        let is_set = given.split(',').any(|option| option == "noauto");
        if self.boot || is_set || self.state == State::Ephemeral {
            given.to_owned()
        } else {
            format!("{given},noauto")
        }
    }

    fn file(&self) -> PathBuf {
        let given = self.fstab.clone().filter(|_| self.state != State::Ephemeral);
        given.unwrap_or_else(|| PathBuf::from(FSTAB))
    }

    fn describe(&self, result: &mut Args) {
        let file = files::path_value(&self.file());
        let boot = if self.boot { "yes" } else { "no" };
        let mut put = |key: &str, value: Value| result.insert(key.to_owned(), value);
        put("name", self.path.to_string_lossy().into());
        put("fstab", file);
        put("opts", self.options().into());
        put("boot", boot.into());
        put("dump", self.dump.clone().into());
        put("passno", self.passno.clone().into());
        put("backup_file", "".into());
        if self.src.is_some() {
            put("src", self.source().into());
        }
        if let Some(kind) = &self.fstype {
            put("fstype", kind.clone().into());
        }
    }

    /// The new content of fstab, when it is not as it shall be.
    fn edit(&self, host: &dyn Probe, is_wanted: bool) -> Result<Option<Put>, Failure> {
        let target = Target::find(host, &self.file())?;
        let shown = target.path.display().to_string();
        let bytes = host.read(&target.path, LIMIT)?.unwrap_or_default();
        let before = String::from_utf8(bytes)
            .map_err(|_| Failure::new(format!("{shown} is not text in UTF-8")))?;
        let after = if is_wanted {
            let wanted = Entry {
                source: self.source(),
                path: self.place(),
                kind: self.fstype.clone().unwrap_or_default(),
                options: self.options(),
                dump: self.dump.clone(),
                pass: self.passno.clone(),
            };
            fstab::with(&before, &wanted)
        } else {
            let source = self.source();
            fstab::without(&before, &self.place(), self.src.as_ref().map(|_| source.as_str()))
        };
        let put = |text| Put { backup: self.backup, ..Put::text(target.path, text) };
        Ok((before != after).then(|| put(after)))
    }

    fn to_be_mounted(&self, work: &mut Work, kind: Kind, host: &dyn Probe) -> Result<(), Failure> {
        // Files can be mounted on files.
        work.directories = missing_directories(host, &self.path.join("inside"))?;
        work.mount = Some(kind);
        Ok(())
    }

    /// Whether what is mounted comes from where it shall come from.
    fn is_from(&self, mounted: &Mounted, host: &dyn Probe) -> Result<bool, Failure> {
        let wanted = self.source();
        let is_bind = self.options().split(',').any(|word| matches!(word, "bind" | "rbind"));
        if is_bind {
            return Ok(wanted.ends_with(&mounted.root));
        }
        let device = [("UUID=", "by-uuid"), ("LABEL=", "by-label"), ("PARTUUID=", "by-partuuid")]
            .into_iter()
            .find_map(|(prefix, folder)| Some((wanted.strip_prefix(prefix)?, folder)))
            .map(|(name, folder)| format!("/dev/disk/{folder}/{}", name.trim_matches('"')));
        let device = device.unwrap_or_else(|| wanted.clone());
        let is_path = device.starts_with("/dev/");
        let real =
            if is_path { files::real_path(host, Path::new(&device))? } else { device.into() };
        Ok(real == Path::new(&mounted.source) || wanted == mounted.source)
    }

    fn command(&self, options: Option<&str>) -> Command {
        let mut args = Vec::new();
        let file = self.file();
        if file != Path::new(FSTAB) {
            args.extend(["-T".to_owned(), file.to_string_lossy().into_owned()]);
        }
        if let Some(options) = options {
            args.extend(["-o".to_owned(), options.to_owned()]);
        }
        args.push(self.place());
        Command::new("mount", args)
    }

    fn mount(&self, kind: Kind, host: &dyn System) -> Result<(), Failure> {
        let place = self.place();
        let command = match kind {
            Kind::New => self.command(None),
            Kind::Again => self.command(Some("remount")),
            Kind::Ephemeral | Kind::EphemeralAgain => {
                let remount = if kind == Kind::Ephemeral { "" } else { "remount," };
                let options = format!("{remount}{}", self.options());
                let kind = self.fstype.clone().unwrap_or_default();
                let words = ["-t".to_owned(), kind, "-o".to_owned(), options];
                let words = words.into_iter().chain([self.source(), place.clone()]);
                Command::new("mount", words)
            }
            Kind::Forced => {
                let options =
                    self.opts.as_ref().map_or("remount".into(), |opts| format!("remount,{opts}"));
                let output = host.run(&self.command(Some(&options)))?;
                if output.is_success() {
                    return Ok(());
                }
                let failed = |output| tool::failure(output, &format!("Error remounting {place}: "));
                if self.opts.is_some() {
                    return Err(failed(&output));
                }
                let output = host.run(&Command::new("umount", [place.clone()]))?;
                if !output.is_success() {
                    return Err(failed(&output));
                }
                self.command(None)
            }
        };
        let output = host.run(&command)?;
        if output.is_success() {
            return Ok(());
        }
        Err(tool::failure(&output, &format!("Error mounting {place}: ")))
    }

    fn unmount(&self, host: &dyn System) -> Result<(), Failure> {
        let place = self.place();
        let output = host.run(&Command::new("umount", [place.clone()]))?;
        if output.is_success() {
            return Ok(());
        }
        Err(tool::failure(&output, &format!("Error unmounting {place}: ")))
    }

    /// Removes where it was mounted; what has something in it stays, with an error.
    fn remove_directory(&self, host: &dyn System) -> Result<(), Failure> {
        if !host.list(&self.path)?.is_empty() {
            let place = self.place();
            return Err(Failure::new(format!("Error rmdir {place}: Directory not empty")));
        }
        Ok(host.remove(&self.path)?)
    }
}
