//! `synchronize`: rsync. It runs where the task's files come from, which is the controller as a rule: the controller says
//! how the other side is reached.

use std::path::PathBuf;

use model::{Args, Diff};
use serde_json::json;
use system::{Command, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

choices! {
    /// Which way files go.
    pub enum Mode {
        /// From the host to the controller.
        Pull = "pull",
        /// From the controller to the host.
        Push = "push",
    }
}

arguments! {
    /// Copies files and directories with rsync: only what differs goes over the wire.
    pub struct Synchronize {
        /// What is copied; with a slash at its end, what is in the directory.
        pub src: String,
        /// Where it goes.
        pub dest: String,
        /// Which way.
        pub mode: Mode { default: "push" },
        /// Everything as it is: directories, links, permissions, times, owner, group, devices.
        pub archive: bool { default: true },
        /// Tell files apart by their content, not by time and size.
        pub checksum: bool { default: false },
        /// Compress on the wire.
        pub compress: bool { default: true },
        /// Only what is there already.
        pub existing_only: bool { default: false },
        /// Remove what the source does not have.
        pub delete: bool { default: false },
        /// Directories without what is in them.
        pub dirs: bool { default: false },
        /// All that is in directories; as `archive` when not said, and so are the next six.
        pub recursive: Option<bool>,
        /// Links as links.
        pub links: Option<bool>,
        /// Permissions.
        pub perms: Option<bool>,
        /// Times.
        pub times: Option<bool>,
        /// The owner.
        pub owner: Option<bool>,
        /// The group.
        pub group: Option<bool>,
        /// What links lead to instead of links.
        pub copy_links: bool { default: false },
        /// Let files appear at the end, all at once.
        pub delay_updates: bool { default: true },
        /// Directories whose files are linked where they are the same.
        pub link_dest: Vec<PathBuf>,
        /// Keep parts of files for the next try.
        pub partial: bool { default: false },
        /// rsync at the other side.
        pub rsync_path: Option<String>,
        /// Seconds that may pass in silence.
        pub rsync_timeout: u32 { default: 0 },
        /// More options for rsync.
        pub rsync_opts: Vec<String>,
        /// The port of the other side.
        pub dest_port: Option<u16>,
        /// The key for SSH.
        pub private_key: Option<PathBuf>,
        /// Say which user at the other side is meant.
        pub set_remote_user: bool { default: true },
        /// Share connections of SSH.
        pub ssh_connection_multiplexing: bool { default: false },
        /// Use the arguments for SSH that the inventory has.
        pub use_ssh_args: bool { default: false },
        /// Check the key of the other side.
        pub verify_host: bool { default: false },
        /// How the other side is reached: a command line for rsync.
        pub rsh: Option<String> { named: "_rsh", hidden },
        /// rsync at this side.
        pub local_rsync: Option<String> { named: "_local_rsync_path", hidden },
    }
}

/// What marks a line of rsync's output as a change.
const MARK: &str = "<<CHANGED>>";

/// What rsync would do, in its own words.
pub(crate) struct Transfer {
    lines: Vec<String>,
}

impl Change for Transfer {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state("rsync", json!([]), json!(self.lines))])
    }
}

impl Module for Synchronize {
    type Change = Transfer;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Transfer>, Failure> {
        self.validate()?;
        let output = host.query(&self.command(true))?;
        if !output.is_success() {
            return Err(self.failure(&output));
        }
        let text = output.stdout_text();
        let lines: Vec<String> =
            text.lines().filter_map(|line| line.strip_prefix(MARK)).map(str::to_owned).collect();
        self.describe(&text, result);
        Ok(if lines.is_empty() { Check::InSync } else { Check::Drift(Transfer { lines }) })
    }

    fn apply(&self, _: Transfer, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let output = host.run(&self.command(false))?;
        if !output.is_success() {
            return Err(self.failure(&output));
        }
        self.describe(&output.stdout_text(), result);
        Ok(())
    }
}

impl Synchronize {
    fn validate(&self) -> Result<(), Failure> {
        let is_recursive = self.recursive.unwrap_or(self.archive);
        if self.delete && !is_recursive && !self.dirs {
            return Err(Failure::new("delete needs recursive or dirs: rsync would refuse"));
        }
        for (name, text) in [("src", &self.src), ("dest", &self.dest)] {
            if text.is_empty() || text.contains('\0') {
                return Err(Failure::new(format!("{name} must be a path")));
            }
        }
        if self.rsync_opts.iter().any(String::is_empty) {
            return Err(Failure::new(
                "an empty word in rsync_opts would have rsync copy the current directory",
            ));
        }
        Ok(())
    }

    fn command(&self, is_dry: bool) -> Command {
        let mut args = Vec::new();
        let archive = |flag: Option<bool>, on: &str, off: &str| match (self.archive, flag) {
            (true, Some(false)) => Some(off.to_owned()),
            (false, Some(true)) => Some(on.to_owned()),
            _ => None,
        };
        let flags = [
            (is_dry, "--dry-run"),
            (self.delay_updates, "--delay-updates"),
            (true, "-F"),
            (self.compress, "--compress"),
            (self.checksum, "--checksum"),
            (self.delete, "--delete-after"),
            (self.existing_only, "--existing"),
            (self.partial, "--partial"),
            (self.copy_links, "--copy-links"),
            (self.archive, "--archive"),
            (self.dirs, "--dirs"),
        ];
        args.extend(flags.iter().filter(|(on, _)| *on).map(|(_, flag)| (*flag).to_owned()));
        args.extend(archive(self.recursive, "--recursive", "--no-recursive"));
        args.extend(archive(self.links, "--links", "--no-links"));
        args.extend(archive(self.perms, "--perms", "--no-perms"));
        args.extend(archive(self.times, "--times", "--no-times"));
        args.extend(archive(self.owner, "--owner", "--no-owner"));
        args.extend(archive(self.group, "--group", "--no-group"));
        if self.rsync_timeout > 0 {
            args.push(format!("--timeout={}", self.rsync_timeout));
        }
        args.extend(self.rsh.iter().map(|rsh| format!("--rsh={rsh}")));
        args.extend(self.rsync_path.iter().map(|path| format!("--rsync-path={path}")));
        args.extend(self.link_dest.iter().map(|path| format!("--link-dest={}", path.display())));
        args.extend(self.rsync_opts.iter().cloned());
        args.push(format!("--out-format={MARK}%i %n%L"));
        args.extend(["--".to_owned(), self.src.clone(), self.dest.clone()]);
        Command::new(self.local_rsync.as_deref().unwrap_or("rsync"), args)
    }

    fn describe(&self, output: &str, result: &mut Args) {
        let plain = output.replace(MARK, "");
        let lines: Vec<&str> = plain.lines().collect();
        result.insert("cmd".into(), self.line().into());
        result.insert("msg".into(), plain.clone().into());
        result.insert("rc".into(), 0.into());
        result.insert("stdout_lines".into(), lines.into());
    }

    /// The command as people read it.
    fn line(&self) -> String {
        let command = self.command(false);
        let words = std::iter::once(command.program.as_str());
        let words = words.chain(command.args.iter().map(String::as_str));
        shlex::try_join(words).unwrap_or_else(|_| command.program.clone())
    }

    fn failure(&self, output: &system::Output) -> Failure {
        let mut failure = tool::failure(output, "").with("cmd", self.line());
        failure.result.shift_remove("stdout");
        failure.result.shift_remove("stderr");
        failure
    }
}
