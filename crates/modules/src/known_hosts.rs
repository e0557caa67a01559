//! `known_hosts`: keys of other hosts, in a file as `ssh` reads it.

mod line;

use std::path::PathBuf;

use model::{Args, Diff};
use serde_json::{Value, json};
use system::{Probe, System};

use crate::arguments::{Presence, arguments};
use crate::content::{Put, Source};
use crate::contract::{Change, Check, Failure, Module};
use crate::diff;
use crate::files::{self, end_of_links, path_value};
use line::Line;

arguments! {
    /// Makes sure that the key of a host is known to `ssh`, or is not.
    pub struct KnownHosts {
        /// The host: its name, or `[name]:port`.
        pub name: String { aliases: ["host"] },
        /// The line with its key, as `ssh-keyscan` prints it; without one, `absent` removes all keys of the host.
        pub key: Option<String>,
        /// The file.
        pub path: PathBuf { default: "~/.ssh/known_hosts" },
        /// Store a hash of the host's name in the place of the name.
        pub hash_host: bool { default: false },
        /// Whether the key shall be there.
        pub state: Presence { default: "present" },
    }
}

/// Larger files are no lists of hosts.
const LIMIT: u64 = 64 << 20;

/// The file as it shall be.
#[derive(Debug)]
pub(crate) struct NewFile {
    put: Put,
    before: String,
    after: String,
}

impl Change for NewFile {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let (before, after) = (self.before.as_bytes(), self.after.as_bytes());
        Ok(vec![diff::file(&self.put.path, Some(before), Some(after))])
    }
}

impl Module for KnownHosts {
    type Change = NewFile;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<NewFile>, Failure> {
        if self.name.contains(',') {
            return Err(Failure::new(
                "Comma separated list of names is not supported. Please pass a single name to lookup in the known_hosts file.",
            ));
        }
        let name = self.name.to_lowercase();
        let wanted = self.wanted(&name)?;
        let path = end_of_links(host, &self.path)?;
        let bytes = host.read(&path, LIMIT)?.unwrap_or_default();
        let before = String::from_utf8(bytes)
            .map_err(|_| Failure::new(format!("{} is not text in UTF-8", path.display())))?;
        let after = match (&self.state, &wanted) {
            (Presence::Absent, wanted) => without(&before, &name, wanted.as_ref()),
            (Presence::Present, Some(wanted)) => self.with(&before, &name, wanted),
            (Presence::Present, None) => unreachable!("a key is wanted: it was checked"),
        };
        let shown = path.display().to_string();
        result.insert("name".into(), self.name.clone().into());
        result.insert("key".into(), self.key.clone().map_or(Value::Null, Value::from));
        result.insert("path".into(), path_value(&self.path));
        result.insert("hash_host".into(), self.hash_host.into());
        result.insert("state".into(), self.state.as_str().into());
        let sides = json!({
            "before": before, "after": after, "before_header": shown, "after_header": shown,
        });
        result.insert("diff".into(), sides);
        if before == after {
            return Ok(Check::InSync);
        }
        let put = Put {
            source: Source::Bytes(after.clone().into_bytes()),
            path,
            attributes: system::Attributes::default(),
            backup: false,
            validate: None,
            in_place: false,
            title: None,
        };
        Ok(Check::Drift(NewFile { put, before, after }))
    }

    fn apply(&self, change: NewFile, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        change.put.apply(host, result)?;
        let state = result.get("state").cloned();
        files::describe(host, &self.path, result)?;
        result.insert("state".into(), state.unwrap_or_default());
        Ok(())
    }
}

impl KnownHosts {
    /// The line of the key, when one was given.
    fn wanted(&self, name: &str) -> Result<Option<Line>, Failure> {
        let Some(key) = self.key.as_deref().map(str::trim).filter(|key| !key.is_empty()) else {
            return match self.state {
                Presence::Present => Err(Failure::new("No key specified when adding a host")),
                Presence::Absent => Ok(None),
            };
        };
        let line = Line::parse(key).filter(|_| !key.contains('\n')).ok_or_else(|| {
            Failure::new(format!(
                "the key is not one line of host, type and key, as ssh-keyscan prints it: {key}"
            ))
        })?;
        if !line.is_of(name) {
            return Err(Failure::new(
                "Host parameter does not match hashed host field in supplied key",
            ));
        }
        Ok(Some(line))
    }

    /// The text with the key in it: once, with no other key of its type for the host.
    fn with(&self, text: &str, name: &str, wanted: &Line) -> String {
        let mut is_there = false;
        let mut after = String::new();
        for raw in text.split_inclusive('\n') {
            let rival = Line::parse(raw).filter(|line| line.is_of(name) && line.is_like(wanted));
            match rival {
                None => after.push_str(raw),
                Some(line)
                    if !is_there
                        && line.key == wanted.key
                        && line.is_hashed() == self.hash_host =>
                {
                    is_there = true;
                    after.push_str(raw);
                }
                // There may be several authorities, and several revoked keys.
                Some(line) if line.has_marker() && line.key != wanted.key => after.push_str(raw),
                Some(_) => {}
            }
        }
        if !is_there {
            if !after.is_empty() && !after.ends_with('\n') {
                after.push('\n');
            }
            let hosts = if self.hash_host { line::hashed(name) } else { wanted.hosts.clone() };
            after.push_str(&wanted.with_hosts(&hosts));
            after.push('\n');
        }
        after
    }
}

/// The text without the key, or without any key of the host.
fn without(text: &str, name: &str, key: Option<&Line>) -> String {
    let goes = |raw: &&str| {
        Line::parse(raw).is_some_and(|line| {
            line.is_of(name)
                && key.is_none_or(|wanted| line.is_like(wanted) && line.key == wanted.key)
        })
    };
    text.split_inclusive('\n').filter(|raw| !goes(raw)).collect()
}
