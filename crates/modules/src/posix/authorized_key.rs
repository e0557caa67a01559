//! `authorized_key`: who may log in as a user with an SSH key.

mod line;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use model::Args;
use serde_json::Value;
use system::{Account, Attributes, FileKind, Probe, System};

use crate::arguments::{Presence, arguments};
use crate::content::{Contents, Put};
use crate::contract::{Check, Failure, Module};
use crate::edits::{Edit, missing_directories};
use crate::files::{self, path_value};
use crate::http::{self, Request, Settings};

use line::Key;

arguments! {
    /// Adds keys to a user's authorized keys, and removes them.
    pub struct AuthorizedKey {
        /// The user.
        pub user: String,
        /// The keys, a line each; a URL, or with `file://` a file on the host, that has them.
        pub key: String,
        /// The file, when it is not the usual one in the user's home.
        pub path: Option<PathBuf>,
        /// Make the file's directory, and set its owner and mode.
        pub manage_dir: bool { default: true },
        /// Whether the keys are there.
        pub state: Presence { default: "present" },
        /// Options for the keys, instead of their own.
        pub key_options: Option<String>,
        /// Remove everything else from the file.
        pub exclusive: bool { default: false },
        /// A comment for the keys, instead of their own.
        pub comment: Option<String>,
        /// Check the certificate of the URL's server.
        pub validate_certs: bool { default: true },
        /// If the file is a symbolic link, change what it leads to; otherwise it is replaced.
        pub follow: bool { default: false },
    }
}

const LIMIT: u64 = 8 << 20;

impl Module for AuthorizedKey {
    type Change = Contents;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Contents>, Failure> {
        let account = host.user(&self.user)?.ok_or_else(|| {
            let user = &self.user;
            Failure::new(format!(
                "Failed to lookup user {user}: \"getpwnam(): name not found: '{user}'\""
            ))
        })?;
        let keys = self.keys(host)?;
        let path = self.path.clone().unwrap_or_else(|| account.home.join(".ssh/authorized_keys"));
        let path = if self.follow { files::real_path(host, &path)? } else { files::tidy(&path) };
        self.describe(&path, host, result)?;
        let bytes = host.read(&path, LIMIT)?;
        let before = String::from_utf8(bytes.unwrap_or_default())
            .map_err(|_| Failure::new(format!("{} is not text in UTF-8", path.display())))?;
        let after = if self.state.is_present() {
            with(&before, &keys, self.exclusive)
        } else {
            without(&before, &keys)
        };
        let Some(after) = after else { return Ok(Check::InSync) };
        let mut contents = Contents::of(&path);
        contents.first = self.directories(&path, &account, host)?;
        let attributes = Attributes {
            mode: Some(0o600),
            uid: Some(account.uid),
            gid: Some(account.gid),
            ..Attributes::default()
        };
        contents.puts.push(Put { attributes, ..Put::text(path, after) });
        Ok(Check::Drift(contents))
    }

    fn apply(&self, work: Contents, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let path = work.puts.first().map(|put| put.path.clone());
        work.apply(host, result)?;
        path.map_or(Ok(()), |path| self.describe(&path, host, result))
    }
}

impl AuthorizedKey {
    fn describe(&self, path: &Path, host: &dyn Probe, result: &mut Args) -> Result<(), Failure> {
        let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::from);
        result.insert("user".into(), self.user.clone().into());
        result.insert("key".into(), self.key.clone().into());
        result.insert("path".into(), self.path.as_deref().map_or(Value::Null, path_value));
        result.insert("keyfile".into(), path_value(path));
        result.insert("manage_dir".into(), self.manage_dir.into());
        result.insert("key_options".into(), text(&self.key_options));
        result.insert("comment".into(), text(&self.comment));
        result.insert("exclusive".into(), self.exclusive.into());
        result.insert("follow".into(), self.follow.into());
        result.insert("validate_certs".into(), self.validate_certs.into());
        result.insert("state".into(), self.state.as_str().into());
        match host.stat(path, true)? {
            Some(_) => files::describe(host, path, result),
            None => Ok(()),
        }
    }

    /// The keys that are meant, with their options and comments.
    fn keys(&self, host: &dyn Probe) -> Result<Vec<Key>, Failure> {
        let text = if let Some(path) = self.key.strip_prefix("file://") {
            let bytes = host.read(Path::new(path), LIMIT)?;
            bytes.ok_or_else(|| Failure::new(format!("Path to a key file not found: {path}")))?
        } else if self.key.starts_with("http://") || self.key.starts_with("https://") {
            self.fetch(host)?
        } else {
            self.key.clone().into_bytes()
        };
        let text = String::from_utf8(text)
            .map_err(|_| Failure::new("the keys are not text in UTF-8".to_owned()))?;
        let lines = text.lines().map(str::trim);
        let mut keys = Vec::new();
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut key = Key::parse(line)
                .ok_or_else(|| Failure::new(format!("invalid key specified: {line}")))?;
            if let Some(options) = &self.key_options {
                key.options = line::parse_options(options);
            }
            if let Some(comment) = &self.comment {
                key.comment = comment.trim().to_owned();
            }
            if key.line().contains(['\n', '\r']) {
                return Err(Failure::new("key_options and comment must be one line"));
            }
            keys.push(key);
        }
        Ok(keys)
    }

    fn fetch(&self, host: &dyn Probe) -> Result<Vec<u8>, Failure> {
        let url = &self.key;
        let failed = |why: String| Failure::new(format!("Error getting key from: {url}: {why}"));
        let settings = Settings { validate_certs: self.validate_certs, ..Settings::default() };
        let response = http::send(host, &settings, Request::get(url.as_str()))
            .map_err(|error| failed(Failure::from(error).message))?;
        if response.status != 200 {
            return Err(failed(format!("HTTP status {}", response.status)));
        }
        let mut bytes = Vec::new();
        response
            .body
            .take(LIMIT)
            .read_to_end(&mut bytes)
            .map_err(|error| failed(error.to_string()))?;
        Ok(bytes)
    }

    /// What has to be done to the file's directories before it is written.
    fn directories(
        &self,
        path: &Path,
        account: &Account,
        host: &dyn Probe,
    ) -> Result<Vec<Edit>, Failure> {
        let mut edits = missing_directories(host, path)?;
        let Some(folder) = path.parent().filter(|_| self.manage_dir) else { return Ok(edits) };
        let attributes = Attributes {
            mode: Some(0o700),
            uid: Some(account.uid),
            gid: Some(account.gid),
            ..Attributes::default()
        };
        match (edits.last_mut(), host.stat(folder, true)?) {
            (Some(Edit::MakeDirectory { attributes: made, .. }), _) => *made = attributes,
            (_, Some(stat))
                if stat.kind == FileKind::Directory
                    && (stat.mode, stat.uid, stat.gid) != (0o700, account.uid, account.gid) =>
            {
                edits.push(Edit::SetAttributes { path: folder.to_owned(), attributes });
            }
            _ => {}
        }
        Ok(edits)
    }
}

/// The text with the keys in it, each once; `None`: it is as it shall be.
fn with(text: &str, keys: &[Key], is_exclusive: bool) -> Option<String> {
    let mut missing: Vec<&Key> = Vec::new();
    for key in keys.iter().rev() {
        // The last one counts of those that are given twice.
        if !missing.iter().any(|known| known.blob == key.blob) {
            missing.insert(0, key);
        }
    }
    let wanted = missing.clone();
    let mut lines = Vec::new();
    let mut is_changed = false;
    for line in text.lines() {
        let found = Key::parse(line);
        let rival =
            found.as_ref().and_then(|found| wanted.iter().find(|key| key.blob == found.blob));
        let stays = match (rival, &found) {
            (None, _) => !is_exclusive,
            (Some(key), Some(found)) if *key == found => {
                let before = missing.len();
                missing.retain(|missing| missing.blob != key.blob);
                missing.len() < before
            }
            _ => false,
        };
        is_changed |= !stays;
        if stays {
            lines.push(line.to_owned());
        }
    }
    is_changed |= !missing.is_empty();
    lines.extend(missing.iter().map(|key| key.line()));
    is_changed.then(|| lines.iter().map(|line| format!("{line}\n")).collect())
}

/// The text without the keys; `None`: none of them is there.
fn without(text: &str, keys: &[Key]) -> Option<String> {
    let goes = |line: &str| {
        Key::parse(line).is_some_and(|found| keys.iter().any(|key| key.blob == found.blob))
    };
    let kept = text.lines().filter(|line| !goes(line)).map(|line| format!("{line}\n"));
    text.lines().any(goes).then(|| kept.collect())
}
