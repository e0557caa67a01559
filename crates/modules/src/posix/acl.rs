//! `acl`: access control lists of files and directories, through `setfacl` and `getfacl`.

use std::path::PathBuf;

use model::{Args, Diff};
use serde_json::json;
use system::{Command, FileKind, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

choices! {
    /// What is wanted of an entry.
    pub enum State {
        /// It is not there.
        Absent = "absent",
        /// It is there.
        Present = "present",
        /// The list is only shown.
        Query = "query",
    }
}

choices! {
    /// Whom an entry is about.
    pub enum Kind {
        /// A group.
        Group = "group",
        /// The most that users and groups with entries get.
        Mask = "mask",
        /// Everybody else.
        Other = "other",
        /// A user.
        User = "user",
    }
}

choices! {
    /// What becomes of the mask.
    pub enum Recalculate {
        /// What setfacl does by itself.
        Default = "default",
        /// It is made to allow what entries say.
        Mask = "mask",
        /// It stays.
        NoMask = "no_mask",
    }
}

arguments! {
    /// Sets and removes entries of access control lists, and shows them.
    pub struct Acl {
        /// The file or directory.
        pub path: PathBuf { aliases: ["name"] },
        /// What is wanted.
        pub state: State { default: "query" },
        /// Whom the entry is about.
        pub etype: Option<Kind>,
        /// The user or group; the owner's own when empty.
        pub entity: String { default: "" },
        /// `r`, `w`, `x` and `X`.
        pub permissions: Option<String>,
        /// The entry in one: `user:anna:rwx`, instead of the last three.
        pub entry: Option<String>,
        /// It is for what will be made in the directory.
        pub default: bool { default: false },
        /// Follow symbolic links.
        pub follow: bool { default: true },
        /// Everything in the directory, too.
        pub recursive: bool { default: false, aliases: ["recurse"] },
        /// What becomes of the mask.
        pub recalculate_mask: Recalculate { default: "default" },
        /// The lists of NFS version 4; not supported.
        pub use_nfsv4_acls: bool { default: false },
    }
    mutually_exclusive: [&["entry", "etype"], &["entry", "permissions"]];
}

/// An entry is set or removed.
pub(crate) struct Edit {
    command: Command,
    entry: String,
    is_wanted: bool,
}

impl Change for Edit {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let word = |is_there: bool| if is_there { "present" } else { "absent" };
        let sides = [!self.is_wanted, self.is_wanted].map(|is_there| json!(word(is_there)));
        let [before, after] = sides;
        Ok(vec![diff::state(&self.entry, before, after)])
    }
}

impl Module for Acl {
    type Change = Edit;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Edit>, Failure> {
        let entry = self.entry()?;
        let path = self.path.display();
        let Some(stat) = host.stat(&self.path, self.follow)? else {
            return Err(Failure::new(format!("Path not found or not accessible: {path}")));
        };
        if self.default && stat.kind != FileKind::Directory && !self.recursive {
            return Err(Failure::new(format!(
                "{path} is no directory, and has no default entries"
            )));
        }
        result.insert("acl".into(), self.list(host)?.into());
        let Some(entry) = entry else {
            result.insert("msg".into(), "current acl".into());
            return Ok(Check::InSync);
        };
        let is_wanted = self.state == State::Present;
        let word = if is_wanted { "present" } else { "absent" };
        result.insert("msg".into(), format!("{entry} is {word}").into());
        let output = host.query(&self.command(&entry, true))?;
        if !output.is_success() {
            return Err(tool::failure(&output, "setfacl: "));
        }
        // It prints what the list of each file would be; stars stand for what stays.
        if output.stdout_text().lines().all(|line| line.trim_end().ends_with("*,*")) {
            return Ok(Check::InSync);
        }
        let command = self.command(&entry, false);
        Ok(Check::Drift(Edit { command, entry, is_wanted }))
    }

    fn apply(&self, edit: Edit, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        tool::run(host, &edit.command)?;
        result.insert("acl".into(), self.list(host)?.into());
        Ok(())
    }
}

impl Acl {
    /// The entry in setfacl's words; `None`: there is none, the list is only shown.
    fn entry(&self) -> Result<Option<String>, Failure> {
        let refuse = |what: &str| Err(Failure::new(what));
        if self.use_nfsv4_acls {
            return refuse("use_nfsv4_acls is not supported: use `command: nfs4_setfacl`");
        }
        if self.state == State::Query {
            let has_more = self.recursive || self.recalculate_mask != Recalculate::Default;
            return match (has_more, &self.entry) {
                (true, _) => {
                    refuse("recursive and recalculate_mask MUST NOT be set when 'state=query'.")
                }
                (_, Some(_)) => refuse("'entry' MUST NOT be set when 'state=query'."),
                _ => Ok(None),
            };
        }
        let is_wanted = self.state == State::Present;
        let (kind, entity, permissions) = match (&self.entry, self.etype) {
            (Some(entry), _) => parts(entry)?,
            (None, Some(kind)) => {
                let kind = kind.as_str().to_owned();
                (kind, self.entity.clone(), self.permissions.clone())
            }
            (None, None) => {
                return refuse("'etype' MUST be set when 'state=present' or 'state=absent'.");
            }
        };
        let is_odd = |letter: char| letter.is_whitespace() || ":,".contains(letter);
        if entity.contains(is_odd) {
            return Err(Failure::new(format!("`{entity}` is neither a user nor a group")));
        }
        if matches!(kind.as_str(), "mask" | "other") && !entity.is_empty() {
            return Err(Failure::new(format!("entity MUST NOT be set when etype is '{kind}'.")));
        }
        if !is_wanted {
            if self.permissions.is_some() {
                return refuse("'permissions' MUST NOT be set when 'state=absent'.");
            }
            return Ok(Some(format!("{kind}:{entity}")));
        }
        match permissions {
            Some(text)
                if !text.is_empty() && text.chars().all(|letter| "rwxX-".contains(letter)) =>
            {
                Ok(Some(format!("{kind}:{entity}:{text}")))
            }
            Some(text) => Err(Failure::new(format!("`{text}` are no permissions: say r, w, x, X"))),
            None => refuse("'permissions' MUST be set when 'state=present'."),
        }
    }

    fn command(&self, entry: &str, is_dry: bool) -> Command {
        let is_default = self.default || self.entry.as_deref().is_some_and(is_for_default);
        let flags = [
            (is_dry, "--test"),
            (is_default, "--default"),
            (self.recursive, "--recursive"),
            (self.recursive && self.follow, "--logical"),
            (self.recursive && !self.follow, "--physical"),
            (self.recalculate_mask == Recalculate::Mask, "--mask"),
            (self.recalculate_mask == Recalculate::NoMask, "--no-mask"),
        ];
        let mut args: Vec<String> =
            flags.iter().filter(|(on, _)| *on).map(|(_, flag)| (*flag).to_owned()).collect();
        let verb = if self.state == State::Present { "--modify" } else { "--remove" };
        args.push(format!("{verb}={entry}"));
        args.extend(["--".to_owned(), self.path.to_string_lossy().into_owned()]);
        Command::new("setfacl", args)
    }

    /// The list as it is.
    fn list(&self, host: &dyn Probe) -> Result<Vec<String>, Failure> {
        let path = self.path.to_string_lossy();
        let words = ["--absolute-names", "--omit-header", "--", &*path];
        let output = host.query(&Command::new("getfacl", words))?;
        if !output.is_success() {
            return Err(tool::failure(&output, "getfacl: "));
        }
        let text = output.stdout_text();
        Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }
}

fn is_for_default(entry: &str) -> bool {
    entry.starts_with("default:") || entry.starts_with("d:")
}

/// Kind, user or group, and permissions of an entry.
fn parts(entry: &str) -> Result<(String, String, Option<String>), Failure> {
    let rest = entry.strip_prefix("default:").or_else(|| entry.strip_prefix("d:"));
    let fields: Vec<&str> = rest.unwrap_or(entry).split(':').collect();
    let kind = match fields[0] {
        "u" | "user" => "user",
        "g" | "group" => "group",
        "m" | "mask" => "mask",
        "o" | "other" => "other",
        _ => "",
    };
    match fields.as_slice() {
        [_, entity, permissions] if !kind.is_empty() => {
            Ok((kind.to_owned(), (*entity).to_owned(), Some((*permissions).to_owned())))
        }
        [_, entity] if !kind.is_empty() => Ok((kind.to_owned(), (*entity).to_owned(), None)),
        _ => Err(Failure::new(format!(
            "'entry' MUST have 2 or 3 sections divided by ':', beginning with user, group, mask or other: `{entry}`"
        ))),
    }
}
