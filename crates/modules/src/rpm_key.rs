//! `rpm_key`: the keys that rpm trusts.

use std::path::Path;

use model::{Args, Diff};
use serde_json::json;
use system::{Attributes, Command, Probe, System, WriteFile};

use crate::arguments::{Presence, arguments};
use crate::contract::{Change, Check, Failure, Module};
use crate::openpgp::{self, Key};
use crate::{diff, tool};

arguments! {
    /// Adds keys that rpm trusts, and removes them.
    pub struct RpmKey {
        /// The key: a URL, a file on the host, or the id of one that is to go.
        pub key: String,
        /// Whether it is there.
        pub state: Presence { default: "present" },
        /// The key must have one of these fingerprints.
        pub fingerprint: Vec<String>,
        /// Check the certificate of the URL's server.
        pub validate_certs: bool { default: true },
    }
}

/// A key comes or goes.
pub(crate) enum Work {
    /// It is imported.
    Import(Vec<u8>),
    /// The packages that rpm keeps for it are erased.
    Erase(Vec<String>),
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let (before, after) = match self {
            Self::Import(_) => ("absent", "present"),
            Self::Erase(_) => ("present", "absent"),
        };
        Ok(vec![diff::state("key", json!(before), json!(after))])
    }
}

impl Module for RpmKey {
    type Change = Work;

    fn check(&self, host: &dyn Probe, _: &mut Args) -> Result<Check<Work>, Failure> {
        let content = self.content(host)?;
        let keys = match &content {
            Some(content) => openpgp::read(host, content, &self.key)?,
            None => Vec::new(),
        };
        let id = match keys.first() {
            Some(key) => key.id.clone(),
            None => openpgp::id_of(&self.key)
                .ok_or_else(|| Failure::new(format!("Not a valid key {}", self.key)))?,
        };
        let found = installed(host, &id)?;
        match (self.state, content) {
            (Presence::Absent, _) if found.is_empty() => Ok(Check::InSync),
            (Presence::Absent, _) => Ok(Check::Drift(Work::Erase(found))),
            (Presence::Present, None) => {
                Err(Failure::new("When importing a key, a valid file must be given"))
            }
            (Presence::Present, Some(_)) if !found.is_empty() => Ok(Check::InSync),
            (Presence::Present, Some(content)) => {
                self.verify(&keys)?;
                Ok(Check::Drift(Work::Import(content)))
            }
        }
    }

    fn apply(&self, work: Work, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        match work {
            Work::Import(content) => {
                // What was looked at is what is imported, whatever the server says next.
                let path = host.scratch()?.join("key");
                host.write(WriteFile {
                    path: &path,
                    content: &mut content.as_slice(),
                    attributes: Attributes { mode: Some(0o600), ..Attributes::default() },
                    validate: None,
                    in_place: false,
                })?;
                let command = Command::new("rpm", ["--import", &path.to_string_lossy()]);
                tool::run(host, &command).map(drop)
            }
            Work::Erase(packages) => {
                let words = ["--erase", "--allmatches"].into_iter().map(str::to_owned);
                tool::run(host, &Command::new("rpm", words.chain(packages))).map(drop)
            }
        }
    }
}

/// The packages that rpm keeps for a key.
fn installed(host: &dyn Probe, id: &str) -> Result<Vec<String>, Failure> {
    let words = ["-q", "gpg-pubkey", "--qf", "%{NAME}-%{VERSION}-%{RELEASE}\\n"];
    let mut command = Command::new("rpm", words);
    command.environment.insert("LC_ALL".to_owned(), "C.UTF-8".to_owned());
    let output = host.query(&command)?;
    let text = output.stdout_text();
    if !output.is_success() && !text.contains("is not installed") {
        return Err(tool::failure(&output, "rpm: "));
    }
    // Their version is the key's id: its last eight digits, or all of its fingerprint.
    let is_it = |package: &&str| {
        let version = package.strip_prefix("gpg-pubkey-").and_then(|rest| rest.split('-').next());
        version.is_some_and(|version| {
            let version = version.to_uppercase();
            !version.is_empty() && (id.ends_with(&version) || version.ends_with(id))
        })
    };
    Ok(text.lines().filter(is_it).map(str::to_owned).collect())
}

impl RpmKey {
    /// The key itself; `None`: an id was given.
    fn content(&self, host: &dyn Probe) -> Result<Option<Vec<u8>>, Failure> {
        if self.key.contains("://") {
            return openpgp::fetch(host, &self.key, self.validate_certs).map(Some);
        }
        let path = Path::new(&self.key);
        if openpgp::id_of(&self.key).is_some() || host.stat(path, true)?.is_none() {
            return Ok(None);
        }
        Ok(host.read(path, openpgp::LIMIT)?)
    }

    fn verify(&self, keys: &[Key]) -> Result<(), Failure> {
        let plain = |text: &String| text.split_whitespace().collect::<String>().to_uppercase();
        let wanted: Vec<String> = self.fingerprint.iter().map(plain).collect();
        if wanted.is_empty() || keys.iter().any(|key| wanted.contains(&key.fingerprint)) {
            return Ok(());
        }
        let found: Vec<&str> = keys.iter().map(|key| key.fingerprint.as_str()).collect();
        Err(Failure::new(format!(
            "The specified fingerprint, '{}', does not match any key fingerprints in '{}'",
            wanted.join("', '"),
            found.join("', '")
        )))
    }
}
