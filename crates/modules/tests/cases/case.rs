//! What a case file says.

use std::collections::BTreeMap;

use model::Args;
use serde::Deserialize;
use serde_json::Value;

/// One case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What it shows, as a claim.
    pub name: String,
    /// The host before.
    #[serde(default)]
    pub before: Host,
    /// The module's arguments.
    #[serde(default)]
    pub args: Args,
    /// How it ends: `ok`, `changed`, `failed`, `skipped`.
    pub expect: String,
    /// How check mode ends, where that is not the same.
    pub check: Option<String>,
    /// How a second run ends, where that is not `ok`; allowed for modules that act each time, and after a failure.
    pub again: Option<String>,
    /// The message of a failure, whole or, ending in `...`, its beginning; starting with `...`, its end.
    pub message: Option<String>,
    /// Keys of the result. `null`: the key is null or not there.
    #[serde(default)]
    pub result: Args,
    /// Warnings, as a whole.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Diffs: for each, `before` and `after`.
    pub diff: Option<Vec<DiffSides>>,
    /// What is done to the host in memory, as a whole.
    pub effects: Option<Vec<String>>,
    /// What the Docker Engine was told, as a whole.
    pub told: Option<Vec<String>>,
    /// Files afterwards: what is named must be so. `null`: not there.
    #[serde(default)]
    pub after: BTreeMap<String, Option<File>>,
}

/// The two sides of a diff.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiffSides {
    /// Before.
    pub before: Value,
    /// After.
    pub after: Value,
}

/// A host, or what is laid over one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Host {
    /// Files by path; `null` takes one away.
    pub files: BTreeMap<String, Option<File>>,
    /// Users.
    pub users: Vec<User>,
    /// Groups.
    pub groups: Vec<Group>,
    /// Users to remove.
    pub users_removed: Vec<String>,
    /// Groups to remove.
    pub groups_removed: Vec<String>,
    /// The step's environment.
    pub environment: BTreeMap<String, String>,
    /// What programs answer.
    pub commands: Vec<Answer>,
    /// Texts that are offered as blobs.
    pub blobs: Vec<String>,
    /// A Docker Engine with these things, named by `DOCKER_HOST`.
    pub engine: Option<Value>,
    /// Effects that fail.
    pub faults: Vec<Fault>,
}

/// A file: a text alone is its content.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum File {
    /// A regular file with mode 0644.
    Content(String),
    /// Anything.
    Described(Described),
}

/// A file in full; what is not said is not looked at afterwards.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Described {
    /// `file`, `directory`, `link`, `hard`, `fifo`, `socket`, `block`, `char`.
    pub kind: Option<String>,
    /// Content of a file.
    pub content: Option<String>,
    /// Target of a link, symbolic or hard.
    pub target: Option<String>,
    /// Octal digits.
    pub mode: Option<String>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Flags, as `lsattr` has them.
    pub flags: Option<String>,
    /// SELinux label.
    pub label: Option<String>,
    /// Seconds since 1970.
    pub modified: Option<u64>,
    /// Seconds since 1970.
    pub accessed: Option<u64>,
}

/// A user.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    /// Login name.
    pub name: String,
    /// Number.
    pub uid: u32,
    /// Number of the primary group.
    pub gid: u32,
    /// Full name.
    #[serde(default)]
    pub gecos: String,
    /// Home directory.
    #[serde(default)]
    pub home: String,
    /// Login shell.
    #[serde(default)]
    pub shell: String,
}

/// A group.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    /// Name.
    pub name: String,
    /// Number.
    pub gid: u32,
    /// Members by name.
    #[serde(default)]
    pub members: Vec<String>,
}

/// What a program answers. Answers to the same command line are given in turn.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// The command line; a `*` at its end stands for any rest.
    pub run: String,
    /// Exit status.
    #[serde(default)]
    pub rc: i32,
    /// Standard output.
    #[serde(default)]
    pub stdout: String,
    /// Standard error.
    #[serde(default)]
    pub stderr: String,
    /// What it does to the host; its `commands` take the place of earlier answers to the same lines.
    pub then: Option<Host>,
}

/// An effect that fails.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// The beginning of the effect, e.g. `write /etc/motd`.
    pub effect: String,
    /// `ENOSPC`, `EROFS`, `EACCES`, `EPERM`.
    pub errno: String,
}
