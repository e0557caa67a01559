//! `apt_key`: the keys that apt trusts, through `apt-key`.

use std::path::PathBuf;

use model::{Args, Diff, Secret};
use serde_json::{Value, json};
use system::{Command, Probe, System};

use crate::arguments::{Presence, arguments};
use crate::contract::{Change, Check, Failure, Module};
use crate::openpgp::{self, Key};
use crate::{diff, tool};

arguments! {
    /// Adds keys that apt trusts, and removes them. Systems that have no `apt-key` any more have `deb822_repository`.
    pub struct AptKey {
        /// The key's id or fingerprint; known, it need not be fetched to be looked for.
        pub id: Option<String>,
        /// Whether it is there.
        pub state: Presence { default: "present" },
        /// The key itself.
        pub data: Option<String>,
        /// A file on the host that has it.
        pub file: Option<PathBuf>,
        /// A URL that has it.
        pub url: Option<String>,
        /// A server of keys that has it; `id` is needed then.
        pub keyserver: Option<String>,
        /// The file of trusted keys, when it is not apt's own.
        pub keyring: Option<PathBuf>,
        /// Check the certificate of the URL's server.
        pub validate_certs: bool { default: true },
    }
    mutually_exclusive: [&["data", "file", "keyserver", "url"]];
}

/// What `apt-key` is to do.
pub(crate) struct Work {
    command: Command,
    id: String,
    before: Vec<String>,
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let is_there = self.before.iter().any(|known| self.id.ends_with(known));
        let word = |is_there| if is_there { "present" } else { "absent" };
        Ok(vec![diff::state(&self.id, json!(word(is_there)), json!(word(!is_there)))])
    }
}

impl Module for AptKey {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        if tool::find(host, "apt-key").is_none() {
            return Err(Failure::new(
                "apt-key is not on this host: newer systems have no such program; use deb822_repository, or put the key into /etc/apt/keyrings",
            ));
        }
        let id = self.id.as_deref().map(|text| {
            let failure = || Failure::new("Invalid key_id").with("id", text);
            openpgp::id_of(text).ok_or_else(failure)
        });
        let mut content = None;
        let id = if let Some(id) = id {
            id?
        } else {
            let bytes = self.content(host)?.filter(|_| self.state.is_present());
            let bytes =
                bytes.ok_or_else(|| Failure::new("Invalid key_id").with("id", Value::Null))?;
            let keys = openpgp::read(host, &bytes, &self.shown())?;
            content = Some(bytes);
            keys[0].id.clone()
        };
        let keys = self.keys(host)?;
        let before = shortened(&keys, &id);
        self.describe(&id, &before, result);
        let is_there = keys.iter().any(|key| key.is(&id));
        if is_there == self.state.is_present() {
            return Ok(Check::InSync);
        }
        let command = match self.state {
            Presence::Absent => self.command(&["del", &id]),
            Presence::Present => self.addition(host, &id, content)?,
        };
        Ok(Check::Drift(Work { command, id, before }))
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let output = host.run(&work.command)?;
        if !output.is_success() {
            let words = if self.state.is_present() { "fetching or adding" } else { "removing" };
            return Err(tool::failure(&output, &format!("Error {words} key {}: ", work.id)));
        }
        let keys = self.keys(host)?;
        result.insert("after".into(), shortened(&keys, &work.id).into());
        let is_there = keys.iter().any(|key| key.is(&work.id));
        if is_there != self.state.is_present() {
            let verb = if self.state.is_present() { "add" } else { "remove" };
            return Err(failed_to(verb));
        }
        Ok(())
    }
}

fn failed_to(verb: &str) -> Failure {
    Failure::new(format!(
        "apt-key did not return an error, but failed to {verb} the key (check that the id is correct and *not* a subkey)"
    ))
}

/// The ids of keys, as long as the one that is asked for.
fn shortened(keys: &[Key], id: &str) -> Vec<String> {
    let digits = if id.len() >= 16 { 16 } else { 8 };
    let ids = keys.iter().filter(|key| !key.is_part).map(|key| end_of(&key.id, digits).to_owned());
    ids.collect()
}

fn end_of(id: &str, digits: usize) -> &str {
    id.get(id.len().saturating_sub(digits)..).unwrap_or(id)
}

impl AptKey {
    fn describe(&self, id: &str, before: &[String], result: &mut Args) {
        result.insert("id".into(), self.id.as_deref().unwrap_or(id).into());
        result.insert("key_id".into(), id.into());
        result.insert("short_id".into(), end_of(id, 8).into());
        result.insert("fp".into(), end_of(id, 16).into());
        result.insert("before".into(), before.into());
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut args = Vec::new();
        if let Some(keyring) = &self.keyring {
            args.extend(["--keyring".to_owned(), keyring.to_string_lossy().into_owned()]);
        }
        args.extend(words.iter().map(|word| (*word).to_owned()));
        let mut command = Command::new("apt-key", args);
        for (name, value) in [("LC_ALL", "C.UTF-8"), ("APT_KEY_DONT_WARN_ON_DANGEROUS_USAGE", "1")]
        {
            command.environment.insert(name.to_owned(), value.to_owned());
        }
        command
    }

    /// The keys that are trusted.
    fn keys(&self, host: &dyn Probe) -> Result<Vec<Key>, Failure> {
        let output = host.query(&self.command(&["adv", "--list-public-keys", "--with-colons"]))?;
        // A keyring that is not there yet has none.
        let is_new = match &self.keyring {
            Some(keyring) => host.stat(keyring, true)?.is_none(),
            None => false,
        };
        if !output.is_success() && !is_new {
            return Err(tool::failure(&output, "Unable to list public keys: "));
        }
        Ok(openpgp::listed(&output.stdout_text()))
    }

    /// What the key's source is called in errors.
    fn shown(&self) -> String {
        match (&self.file, &self.url) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(url)) => url.clone(),
            (None, None) => "inline data".to_owned(),
        }
    }

    /// The key, from where it can be had; `None`: no place was said.
    fn content(&self, host: &dyn Probe) -> Result<Option<Vec<u8>>, Failure> {
        if let Some(data) = &self.data {
            return Ok(Some(data.clone().into_bytes()));
        }
        if let Some(path) = &self.file {
            let content = host.read(path, openpgp::LIMIT)?;
            let message = || Failure::new(format!("Unable to extract key from '{}'", self.shown()));
            return content.ok_or_else(message).map(Some);
        }
        self.url.as_ref().map(|url| openpgp::fetch(host, url, self.validate_certs)).transpose()
    }

    fn addition(
        &self,
        host: &dyn Probe,
        id: &str,
        content: Option<Vec<u8>>,
    ) -> Result<Command, Failure> {
        if let Some(server) = &self.keyserver {
            if server.starts_with('-') || server.contains(char::is_whitespace) {
                return Err(Failure::new(format!("`{server}` is no server of keys")));
            }
            return Ok(self.command(&["adv", "--no-tty", "--keyserver", server, "--recv", id]));
        }
        let content = match content {
            Some(content) => Some(content),
            None => self.content(host)?,
        };
        let content = content.ok_or_else(|| {
            Failure::new("there is no key to add: say data, file, url or keyserver")
        })?;
        // Another key than the one that is meant must not be trusted for a moment.
        if !openpgp::read(host, &content, &self.shown())?.iter().any(|key| key.is(id)) {
            return Err(failed_to("add"));
        }
        let mut command = self.command(&["add", "-"]);
        command.stdin = Some(Secret::new(content));
        Ok(command)
    }
}
