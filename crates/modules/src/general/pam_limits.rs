//! `pam_limits`: limits of users and groups in a file that PAM reads.

use std::path::{Path, PathBuf};

use model::{Args, Diff};
use system::{FileKind, Probe, System};

use crate::arguments::{arguments, choices};
use crate::content::{Put, Target};
use crate::contract::{Change, Check, Failure, Module};

choices! {
    /// What is limited.
    pub enum Item {
        /// The size of core files, in KB.
        Core = "core",
        /// The size of data, in KB.
        Data = "data",
        /// The size of files, in KB.
        Fsize = "fsize",
        /// Memory that is locked, in KB.
        Memlock = "memlock",
        /// Open files.
        Nofile = "nofile",
        /// Resident memory, in KB.
        Rss = "rss",
        /// The size of the stack, in KB.
        Stack = "stack",
        /// CPU time in minutes.
        Cpu = "cpu",
        /// Processes.
        Nproc = "nproc",
        /// Address space, in KB.
        As = "as",
        /// Logins of this user.
        Maxlogins = "maxlogins",
        /// Logins on the system.
        Maxsyslogins = "maxsyslogins",
        /// The priority that processes start with.
        Priority = "priority",
        /// Locked files.
        Locks = "locks",
        /// Pending signals.
        Sigpending = "sigpending",
        /// Memory of message queues, in bytes.
        Msgqueue = "msgqueue",
        /// The highest nice priority.
        Nice = "nice",
        /// The highest realtime priority.
        Rtprio = "rtprio",
        /// The directory to change the root to.
        Chroot = "chroot",
    }
}

choices! {
    /// Which limit it is.
    pub enum Kind {
        /// The one that the user cannot exceed.
        Hard = "hard",
        /// The one that holds at first.
        Soft = "soft",
        /// Both.
        Both = "-",
    }
}

arguments! {
    /// Sets a limit in the file that `pam_limits` reads.
    pub struct PamLimits {
        /// Whom it concerns: a user, `@group`, `*`, or a range of ids.
        pub domain: String,
        /// Which limit it is.
        pub limit_type: Kind,
        /// What is limited.
        pub limit_item: Item,
        /// The limit: a number, or `unlimited`, `infinity` or `-1` for none.
        pub value: String,
        /// A value in the file that is higher stays.
        pub use_max: bool { default: false },
        /// A value in the file that is lower stays.
        pub use_min: bool { default: false },
        /// Keep the old version of the file.
        pub backup: bool { default: false },
        /// The file; made if it is missing.
        pub dest: PathBuf { default: "/etc/security/limits.conf" },
        /// A comment at the end of the line.
        pub comment: String { default: "" },
    }
}

const LIMIT: u64 = 4 << 20;

impl Change for Put {
    fn diff(&self, host: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Put::diff(self, host).map(|diff| vec![diff])
    }
}

/// A limit that can be compared; none is higher than any.
fn height(value: &str) -> Option<i128> {
    match value {
        "unlimited" | "infinity" | "-1" => Some(i128::MAX),
        number => number.parse().ok(),
    }
}

/// The parts of a line that sets a limit.
struct Line<'a> {
    words: [&'a str; 4],
    comment: &'a str,
}

impl<'a> Line<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (text, comment) = text.split_at(text.find('#').unwrap_or(text.len()));
        let words: Vec<&str> = text.split_whitespace().collect();
        Some(Self { words: words.try_into().ok()?, comment: comment.trim_end() })
    }
}

impl Module for PamLimits {
    type Change = Put;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Put>, Failure> {
        self.validate(host)?;
        let target = Target::find(host, &self.dest)?;
        let shown = self.dest.display();
        let bytes = host.read(&target.path, LIMIT)?.unwrap_or_default();
        let before = String::from_utf8(bytes)
            .map_err(|_| Failure::new(format!("{shown} is not text in UTF-8")))?;
        let (after, line) = self.edited(&before)?;
        result.insert("msg".into(), line.into());
        if after == before {
            return Ok(Check::InSync);
        }
        let mut put = Put::text(target.path, after);
        put.backup = self.backup;
        Ok(Check::Drift(put))
    }

    fn apply(&self, put: Put, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        put.apply(host, result).map(drop)
    }
}

impl PamLimits {
    fn validate(&self, host: &dyn Probe) -> Result<(), Failure> {
        if self.use_max && self.use_min {
            return Err(Failure::new("Cannot use use_min and use_max at the same time."));
        }
        if self.domain.is_empty() || self.domain.contains(|c: char| c.is_whitespace() || c == '#') {
            return Err(Failure::new(format!("`{}` is no domain of limits.conf", self.domain)));
        }
        if self.comment.contains('\n') {
            return Err(Failure::new("comment must be one line"));
        }
        self.judge(&self.value).map_err(Failure::new)?;
        let directory = system::parent_of(&self.dest);
        let is_there = host.stat(directory, true)?.is_some_and(|s| s.kind == FileKind::Directory);
        if !is_there {
            let directory = Path::display(directory);
            return Err(Failure::new(format!(
                "directory {directory} is not writable (check presence, access rights, use sudo)"
            )));
        }
        Ok(())
    }

    /// Complains of a value that the item cannot have.
    fn judge(&self, value: &str) -> Result<(), String> {
        let (fits, wanted) = match self.limit_item {
            Item::Nice | Item::Priority => (
                value.parse::<i64>().is_ok_and(|number| (-20..=19).contains(&number)),
                "Value must be a number in the range -20 to 19 inclusive.",
            ),
            _ => (
                height(value).is_some_and(|height| height >= 0),
                "Value must either be 'unlimited', 'infinity' or -1, all of which indicate no limit, or a limit of 0 \
                 or larger.",
            ),
        };
        let item = self.limit_item.as_str();
        let message = || {
            format!(
                "Value of '{value}' for item '{item}' is invalid. {wanted} Refer to the limits.conf(5) manual pages \
                 for more details."
            )
        };
        if fits { Ok(()) } else { Err(message()) }
    }

    /// The text with the limit, and the line that holds it.
    fn edited(&self, before: &str) -> Result<(String, String), Failure> {
        let key = [self.domain.as_str(), self.limit_type.as_str(), self.limit_item.as_str()];
        let mut after = String::new();
        let mut message = None;
        for text in before.split_inclusive('\n') {
            let Some(line) = Line::read(text).filter(|line| line.words[..3] == key) else {
                after.push_str(text);
                continue;
            };
            let old = line.words[3];
            self.judge(old).map_err(|complaint| {
                let file = self.dest.display();
                Failure::new(format!("Invalid configuration found in '{file}'. {complaint}"))
            })?;
            let stays = old == self.value
                || (self.use_max && height(old) >= height(&self.value))
                || (self.use_min && height(old) <= height(&self.value));
            let written = if stays { text.to_owned() } else { self.line(line.comment) };
            after.push_str(&written);
            message = Some(written);
        }
        let message = message.unwrap_or_else(|| {
            if !after.is_empty() && !after.ends_with('\n') {
                after.push('\n');
            }
            let line = self.line("");
            after.push_str(&line);
            line
        });
        Ok((after, message))
    }

    fn line(&self, old_comment: &str) -> String {
        let (kind, item) = (self.limit_type.as_str(), self.limit_item.as_str());
        let comment = match (self.comment.as_str(), old_comment) {
            ("", "") => String::new(),
            ("", old) => format!("\t{old}"),
            (new, _) => format!("\t#{new}"),
        };
        format!("{}\t{kind}\t{item}\t{}{comment}\n", self.domain, self.value)
    }
}
