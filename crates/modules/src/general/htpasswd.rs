//! `htpasswd`: users and hashes of their passwords in a file that web servers read.

use std::path::PathBuf;

use crypt::Scheme;
use model::{Args, Secret};
use system::{Probe, System};

use crate::arguments::{arguments, choices};
use crate::content::{Contents, Writing};
use crate::contract::{Change, Check, Failure, Module, warn};
use crate::files::{FileAttributes, path_value};
use crate::text::TextFile;

choices! {
    /// Whether the user is in the file.
    pub enum Wanted {
        /// With the password.
        Present = "present",
        /// Not at all.
        Absent = "absent",
    }
}

arguments! {
    /// Puts a user with a password into a file that web servers read, or takes one out.
    pub struct Htpasswd {
        /// The file.
        pub path: PathBuf { aliases: ["dest", "destfile"] },
        /// The user.
        pub name: String { aliases: ["username"] },
        /// The password; only its hash is written.
        pub password: Option<Secret<String>>,
        /// How new passwords are hashed: `apr_md5_crypt`, `bcrypt`, `sha256_crypt`, `sha512_crypt`, `md5_crypt`,
        /// `ldap_sha1` or `plaintext`. A hash of another scheme that is right stays.
        pub hash_scheme: String { default: "apr_md5_crypt", aliases: ["crypt_scheme"] },
        /// Whether the user is in the file.
        pub state: Wanted { default: "present" },
        /// Make the file when it is missing.
        pub create: bool { default: true },
        pub attributes: FileAttributes,
    }
}

/// New content, which is nobody's to see, and what is said when it is there.
pub(crate) struct Work {
    contents: Contents,
    message: String,
}

impl Change for Work {}

/// What is done to the text, and what is said of it before and after.
struct Edited {
    text: Option<String>,
    before: String,
    after: String,
}

impl Edited {
    fn new(text: Option<String>, message: String) -> Self {
        Self { text, before: message.clone(), after: message }
    }
}

impl Module for Htpasswd {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        let is_odd = |c: char| c == ':' || c.is_control();
        if self.name.is_empty() || self.name.contains(is_odd) {
            return Err(Failure::new(format!("user `{}` contains invalid characters", self.name)));
        }
        let file = TextFile::find(host, &self.path, "utf-8")?;
        let is_there = file.target.current.is_some();
        let shown = self.path.display();
        if !is_there && self.state == Wanted::Absent {
            warn(result, format!("{shown} does not exist"));
            result.insert("msg".into(), format!("{} not present", self.name).into());
            return Ok(Check::InSync);
        }
        if !is_there && !self.create {
            return Err(Failure::new(format!("Destination {shown} does not exist")));
        }
        let mut edited = self.edited(&file.read_text(host)?)?;
        if !is_there {
            edited.before = format!("Create {shown}");
            edited.after = format!("Created {shown} and added {}", self.name);
        }
        let writing =
            Writing { backup: false, validate: None, attributes: self.attributes.clone() };
        let new = edited.text.map(String::into_bytes);
        let is_new = new.is_some();
        let answer = file.answer(&writing, host, new, result)?;
        if matches!(answer, Check::Drift(_)) && !is_new {
            let owner = " and ownership, perms or SE linux context changed";
            edited.before.push_str(owner);
            edited.after.push_str(owner);
        }
        result.insert("msg".into(), edited.before.into());
        result.insert("path".into(), path_value(&self.path));
        Ok(match answer {
            Check::Drift(contents) => Check::Drift(Work { contents, message: edited.after }),
            _ => Check::InSync,
        })
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        result.insert("msg".into(), work.message.into());
        work.contents.apply_to(&self.path, host, result).map(drop)
    }
}

impl Htpasswd {
    fn edited(&self, before: &str) -> Result<Edited, Failure> {
        for (at, line) in before.lines().enumerate() {
            if !line.trim().is_empty() && !line.starts_with('#') && !line.contains(':') {
                let number = at + 1;
                return Err(Failure::new(format!(
                    "malformed htpasswd file (error reading line {number})"
                )));
            }
        }
        let name = self.name.as_str();
        let entry = |line: &str| {
            let (user, entry) = line.split_once(':').filter(|_| !line.starts_with('#'))?;
            (user == name).then(|| entry.to_owned())
        };
        let found = before.lines().find_map(entry);
        if self.state == Wanted::Absent {
            if found.is_none() {
                return Ok(Edited::new(None, format!("{name} not present")));
            }
            let others = before.split_inclusive('\n').filter(|line| entry(line).is_none());
            return Ok(Edited::new(Some(others.collect()), format!("Remove {name}")));
        }
        let scheme: Scheme = self.hash_scheme.parse().map_err(|crypt::Unknown(other)| {
            Failure::new(format!("no crypt handler found for algorithm: '{other}'"))
        })?;
        let password = self.password.as_ref().ok_or_else(|| {
            Failure::new("`password` is needed: a user without one cannot be told from another")
        })?;
        let password = password.reveal();
        if password.contains(['\n', '\0']) {
            return Err(Failure::new("a password of several lines is none that the file can hold"));
        }
        if found.as_deref().is_some_and(|entry| crypt::verify(password, entry.trim_end())) {
            return Ok(Edited::new(None, format!("{name} already present")));
        }
        let line = format!("{name}:{}\n", scheme.hash(password));
        let mut text = String::new();
        let mut is_written = false;
        for old in before.split_inclusive('\n') {
            if entry(old).is_some() && !is_written {
                text.push_str(&line);
                is_written = true;
            } else {
                text.push_str(old);
            }
        }
        if !is_written {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&line);
        }
        Ok(Edited::new(Some(text), format!("Add/update {name}")))
    }
}
