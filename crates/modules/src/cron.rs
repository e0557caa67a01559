//! `cron`: jobs and variables in crontabs.

mod table;

use std::path::{Path, PathBuf};

use model::{Args, Diff, Secret};
use system::{Attributes, Command, Probe, System, WriteFile};

use crate::arguments::{Presence, arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::{content, diff, files, tool};

use table::Table;

choices! {
    /// A time with a name.
    pub enum Special {
        /// Once a year.
        Annually = "annually",
        /// Once a day.
        Daily = "daily",
        /// Once an hour.
        Hourly = "hourly",
        /// Once a month.
        Monthly = "monthly",
        /// When the machine starts.
        Reboot = "reboot",
        /// Once a week.
        Weekly = "weekly",
        /// Once a year.
        Yearly = "yearly",
    }
}

arguments! {
    /// Manages jobs and variables in crontabs. A comment above each job carries its name.
    pub struct Cron {
        /// The job's name; with `env`, the variable's.
        pub name: String,
        /// Whose crontab; in `cron_file`, the user that the job runs as.
        pub user: Option<String>,
        /// The command; with `env`, the value.
        pub job: Option<String> { aliases: ["value"] },
        /// Whether it exists.
        pub state: Presence { default: "present" },
        /// A file in /etc/cron.d, or an absolute path, instead of a user's crontab.
        pub cron_file: Option<PathBuf>,
        /// Keep the old version.
        pub backup: bool { default: false },
        /// The minute.
        pub minute: String { default: "*" },
        /// The hour.
        pub hour: String { default: "*" },
        /// The day of the month.
        pub day: String { default: "*", aliases: ["dom"] },
        /// The month.
        pub month: String { default: "*" },
        /// The day of the week.
        pub weekday: String { default: "*", aliases: ["dow"] },
        /// A time with a name, instead of the five fields.
        pub special_time: Option<Special>,
        /// Keep the job as a comment.
        pub disabled: bool { default: false },
        /// It is a variable, not a job.
        pub env: bool { default: false },
        /// Put the variable after this one.
        pub insertafter: Option<String>,
        /// Put the variable before this one.
        pub insertbefore: Option<String>,
    }
    mutually_exclusive: [&["insertafter", "insertbefore"]];
}

const LIMIT: u64 = 4 << 20;

/// The crontab that shall be.
#[derive(Debug)]
pub(crate) struct TableChange {
    name: PathBuf,
    before: String,
    after: String,
}

impl Change for TableChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let (before, after) = (self.before.as_bytes(), self.after.as_bytes());
        Ok(vec![diff::file(&self.name, Some(before), Some(after))])
    }
}

impl Module for Cron {
    type Change = TableChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<TableChange>, Failure> {
        self.validate()?;
        let before = self.read(host)?;
        let mut table = Table::parse(&before);
        match (self.state, self.env) {
            (Presence::Absent, true) => table.remove_variable(&self.name),
            (Presence::Absent, false) => table.remove_job(&self.name),
            (Presence::Present, true) => {
                let value = self.job.as_deref().unwrap_or_default();
                let line = format!("{}=\"{value}\"", self.name);
                let place = self.place(&table)?;
                table.set_variable(&self.name, &line, place);
            }
            (Presence::Present, false) => table.set_job(&self.name, &self.line()),
        }
        result.insert("jobs".to_owned(), table.jobs().into());
        result.insert("envs".to_owned(), table.variables().into());
        let after = table.text();
        if before == after {
            return Ok(Check::InSync);
        }
        let name = self.file().unwrap_or_else(|| PathBuf::from("crontab"));
        Ok(Check::Drift(TableChange { name, before, after }))
    }

    fn apply(
        &self,
        change: TableChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        if let Some(path) = self.file() {
            if self.backup {
                content::keep_backup(host, &path, result)?;
            }
            if change.after.trim().is_empty() && !self.state.is_present() {
                return Ok(host.remove(&path)?);
            }
            let is_new = host.stat(&path, true)?.is_none();
            let mode = is_new.then_some(0o644);
            return Ok(host.write(WriteFile {
                path: &path,
                content: &mut change.after.as_bytes(),
                attributes: Attributes { mode, ..Attributes::default() },
                validate: None,
                in_place: false,
            })?);
        }
        if self.backup && !change.before.is_empty() {
            self.back_up(&change.before, host, result)?;
        }
        let mut command = self.crontab("-");
        command.stdin = Some(Secret::new(change.after.into_bytes()));
        tool::run(host, &command).map(drop)
    }
}

impl Cron {
    fn validate(&self) -> Result<(), Failure> {
        if self.file().is_some_and(|file| files::tidy(&file) == Path::new("/etc/crontab")) {
            return Err(Failure::new(
                "Will not manage /etc/crontab via cron_file, see documentation.",
            ));
        }
        let has_fields = [&self.minute, &self.hour, &self.day, &self.month, &self.weekday]
            .iter()
            .any(|field| *field != "*");
        let fields = [&self.minute, &self.hour, &self.day, &self.month, &self.weekday];
        let splits = |text: &str| text.contains(['\n', '\r', '\0']);
        let is_odd = |user: &String| user.starts_with('-') || user.contains(char::is_whitespace);
        let fault = if self.special_time.is_some() && has_fields {
            "You must specify time and date fields or special time."
        } else if self.state.is_present() && self.job.is_none() {
            "You must specify 'job' to install a new cron job or variable"
        } else if self.cron_file.is_some() && self.user.is_none() && self.state.is_present() {
            "To use cron_file=... parameter you must specify user=... as well"
        } else if (self.insertafter.is_some() || self.insertbefore.is_some()) && !self.env {
            "Insertafter and insertbefore parameters are valid only with env=yes"
        } else if self.env && (self.name.contains([' ', '=']) || self.name.is_empty()) {
            "Invalid name for environment variable"
        } else if self.job.as_deref().is_some_and(splits) {
            "Job should not contain line breaks"
        } else if splits(&self.name) || self.user.as_ref().is_some_and(is_odd) {
            "name and user must be words of one line"
        } else if fields.iter().any(|field| field.is_empty() || field.contains(char::is_whitespace))
        {
            "minute, hour, day, month and weekday must be single words"
        } else {
            return Ok(());
        };
        Err(Failure::new(fault))
    }

    /// The file, when it is not a user's crontab.
    fn file(&self) -> Option<PathBuf> {
        self.cron_file.as_ref().map(|file| Path::new("/etc/cron.d").join(file))
    }

    fn crontab(&self, word: &str) -> Command {
        let mut args = Vec::new();
        if let Some(user) = &self.user {
            args.extend(["-u", user]);
        }
        args.push(word);
        Command::new("crontab", args)
    }

    fn read(&self, host: &dyn Probe) -> Result<String, Failure> {
        if let Some(path) = self.file() {
            let bytes = host.read(&path, LIMIT)?.unwrap_or_default();
            return String::from_utf8(bytes)
                .map_err(|_| Failure::new(format!("{} is not text in UTF-8", path.display())));
        }
        let output = host.query(&self.crontab("-l"))?;
        match output.status {
            0 => Ok(output.stdout_text()),
            // There is none yet.
            1 if output.stderr_text().contains("no crontab") || output.stderr.is_empty() => {
                Ok(String::new())
            }
            _ => Err(tool::failure(&output, "Unable to read crontab: ")),
        }
    }

    fn line(&self) -> String {
        let disabled = if self.disabled { "#" } else { "" };
        let job = self.job.as_deref().unwrap_or_default().trim_matches(['\r', '\n']);
        let user = match (&self.cron_file, &self.user) {
            (Some(_), Some(user)) => format!("{user} "),
            _ => String::new(),
        };
        match self.special_time {
            Some(special) => format!("{disabled}@{} {user}{job}", special.as_str()),
            None => format!(
                "{disabled}{} {} {} {} {} {user}{job}",
                self.minute, self.hour, self.day, self.month, self.weekday
            ),
        }
    }

    /// The line that a new variable goes to.
    fn place(&self, table: &Table) -> Result<usize, Failure> {
        let find = |name: &String| {
            table
                .find_variable(name)
                .ok_or_else(|| Failure::new(format!("Variable named '{name}' not found.")))
        };
        match (&self.insertafter, &self.insertbefore) {
            (Some(name), _) => Ok(find(name)? + 1),
            (None, Some(name)) => find(name),
            (None, None) => Ok(0),
        }
    }

    fn back_up(&self, before: &str, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let user = self.user.as_deref().unwrap_or("own");
        let path = files::backup_path(host, Path::new(&format!("/var/backups/crontab.{user}")));
        if let Some(folder) = path.parent()
            && host.stat(folder, true)?.is_none()
        {
            host.make_directory(folder, Attributes::default())?;
        }
        host.write(WriteFile {
            path: &path,
            content: &mut before.as_bytes(),
            attributes: Attributes { mode: Some(0o600), ..Attributes::default() },
            validate: None,
            in_place: false,
        })?;
        result.insert("backup_file".to_owned(), files::path_value(&path));
        Ok(())
    }
}
