//! `deb822_repository`: sources of packages, each in a file of fields.

mod stanza;

use std::io::Read as _;
use std::path::Path;

use model::Args;
use serde_json::Value;
use system::{Attributes, Probe, System};

use crate::arguments::{FileMode, Presence, arguments, choices};
use crate::content::{Contents, Put, Source};
use crate::contract::{Check, Failure, Module};
use crate::edits::Edit;
use crate::files::{FileAttributes, path_value};
use crate::http::{self, Request, Settings};
use stanza::Stanza;

choices! {
    /// What a source has.
    pub enum Kind {
        /// Packages.
        Deb = "deb",
        /// Their sources.
        DebSrc = "deb-src",
    }
}

arguments! {
    /// Adds and removes sources of packages for apt, in the format of fields.
    pub struct Deb822Repository {
        /// The name of the source; the file is called after it.
        pub name: String,
        /// Whether it is there.
        pub state: Presence { default: "present" },
        /// Allow that what was trusted is not any more.
        pub allow_downgrade_to_insecure: Option<bool>,
        /// Allow sources that nobody signed.
        pub allow_insecure: Option<bool>,
        /// Allow weak signatures.
        pub allow_weak: Option<bool>,
        /// Only these architectures.
        pub architectures: Vec<String>,
        /// Fetch files by their hashes.
        pub by_hash: Option<String>,
        /// Look at the dates of the source.
        pub check_date: Option<bool>,
        /// Look whether it has expired.
        pub check_valid_until: Option<bool>,
        /// Its components.
        pub components: Vec<String>,
        /// By how many seconds its date may lie ahead.
        pub date_max_future: Option<i64>,
        /// Whether it is used.
        pub enabled: Option<bool>,
        /// Packages that are not taken from it.
        pub exclude: Vec<String>,
        /// The only packages that are taken from it.
        pub include: Vec<String>,
        /// Where its InRelease file is.
        pub inrelease_path: Option<String>,
        /// Which languages are fetched.
        pub languages: Vec<String>,
        /// Fetch differences of indexes.
        pub pdiffs: Option<bool>,
        /// Who signs it: a file, a URL that is fetched into a file, a fingerprint, or the key itself.
        pub signed_by: Option<String>,
        /// Its suites.
        pub suites: Vec<String>,
        /// What is fetched.
        pub targets: Vec<String>,
        /// Whether it is trusted without a signature.
        pub trusted: Option<bool>,
        /// What it has.
        pub types: Vec<Kind> { default: ["deb"] },
        /// Where it is.
        pub uris: Vec<String>,
        /// The mode of its file.
        pub mode: FileMode { default: "0644" },
        /// For modules in Python; nothing is needed here.
        pub _install: bool { named: "install_python_debian", default: false },
    }
}

const SOURCES: &str = "/etc/apt/sources.list.d";
const KEYRINGS: &str = "/etc/apt/keyrings";
/// Keys and sources are small.
const LIMIT: u64 = 8 << 20;

impl Module for Deb822Repository {
    type Change = Contents;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Contents>, Failure> {
        let slug = self.slug()?;
        let path = Path::new(SOURCES).join(format!("{slug}.sources"));
        let keys =
            ["asc", "gpg"].map(|ending| Path::new(KEYRINGS).join(format!("{slug}.{ending}")));
        result.insert("dest".into(), path_value(&path));
        result.insert("key_filename".into(), Value::Null);
        let mut contents = Contents::of(&path);
        if !self.state.is_present() {
            result.insert("repo".into(), Value::Null);
            for place in std::iter::once(&path).chain(&keys) {
                if host.stat(place, false)?.is_some() {
                    contents.then.push(Edit::Remove(place.clone()));
                    contents.then.note("state", "file", "absent");
                }
            }
            return Ok(settled(contents));
        }
        let signed_by = match &self.signed_by {
            Some(text) if text.starts_with("http://") || text.starts_with("https://") => {
                let key = fetch(host, text)?;
                let is_text = key.starts_with(b"-----BEGIN PGP");
                let place = &keys[usize::from(!is_text)];
                add(host, &mut contents, place, key, &FileMode::Exact(0o644))?;
                result.insert("key_filename".into(), path_value(place));
                Some(place.to_string_lossy().into_owned())
            }
            other => other.clone(),
        };
        let text = self.stanza(signed_by).text()?;
        result.insert("repo".into(), text.clone().into());
        add(host, &mut contents, &path, text.into_bytes(), &self.mode)?;
        Ok(settled(contents))
    }

    fn apply(
        &self,
        contents: Contents,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        contents.apply(host, result).map(drop)
    }
}

fn settled(contents: Contents) -> Check<Contents> {
    if contents.is_empty() { Check::InSync } else { Check::Drift(contents) }
}

/// A file that shall have a content and a mode.
fn add(
    host: &dyn Probe,
    contents: &mut Contents,
    path: &Path,
    content: Vec<u8>,
    mode: &FileMode,
) -> Result<(), Failure> {
    let current = host.stat(path, false)?;
    let attributes = FileAttributes { mode: Some(mode.clone()), ..FileAttributes::none() };
    let source = Source::Bytes(content);
    if let Some(stat) = &current
        && source.found_in(host, path, stat)?.is_some()
    {
        contents.then.set_attributes(path, attributes.drift(host, path, stat)?);
        return Ok(());
    }
    if let Some(folder) = path.parent()
        && host.stat(folder, true)?.is_none()
    {
        contents.first.push(Edit::MakeDirectory {
            path: folder.to_owned(),
            attributes: Attributes { mode: Some(0o755), ..Attributes::default() },
        });
    }
    contents.puts.push(Put {
        source,
        attributes: attributes.resolve(host, current.as_ref(), false)?,
        path: path.to_owned(),
        backup: false,
        validate: None,
        in_place: false,
        title: None,
    });
    Ok(())
}

fn fetch(host: &dyn Probe, url: &str) -> Result<Vec<u8>, Failure> {
    let response = http::send(host, &Settings::default(), Request::get(url))?;
    if response.status != 200 {
        return Err(Failure::new(format!(
            "could not fetch signed_by key from {url}: HTTP status {}",
            response.status
        )));
    }
    let mut key = Vec::new();
    let read = response.body.take(LIMIT + 1).read_to_end(&mut key);
    read.map_err(|error| Failure::new(format!("could not fetch {url}: {error}")))?;
    if key.len() as u64 > LIMIT {
        return Err(Failure::new(format!("the key at {url} has more than {LIMIT} bytes")));
    }
    Ok(key)
}

impl Deb822Repository {
    /// The name of its files: what is no letter or digit becomes a dash.
    fn slug(&self) -> Result<String, Failure> {
        let mut slug = String::new();
        for letter in self.name.to_lowercase().chars() {
            if letter.is_ascii_alphanumeric() || letter == '-' {
                slug.push(letter);
            } else if !slug.ends_with('-') {
                slug.push('-');
            }
        }
        if slug.chars().all(|letter| letter == '-') {
            return Err(Failure::new(format!("`{}` cannot name a file", self.name)));
        }
        Ok(slug)
    }

    /// Its fields, in the order of the arguments' names.
    fn stanza(&self, signed_by: Option<String>) -> Stanza {
        let mut stanza = Stanza::default();
        stanza.flag("Allow-Downgrade-To-Insecure", self.allow_downgrade_to_insecure);
        stanza.flag("Allow-Insecure", self.allow_insecure);
        stanza.flag("Allow-Weak", self.allow_weak);
        stanza.words("Architectures", &self.architectures);
        stanza.text_field("By-Hash", self.by_hash.as_deref().map(word_of_flag));
        stanza.flag("Check-Date", self.check_date);
        stanza.flag("Check-Valid-Until", self.check_valid_until);
        stanza.words("Components", &self.components);
        stanza.text_field("Date-Max-Future", self.date_max_future.map(|number| number.to_string()));
        stanza.flag("Enabled", self.enabled);
        stanza.words("Exclude", &self.exclude);
        stanza.words("Include", &self.include);
        stanza.text_field("InRelease-Path", self.inrelease_path.clone());
        stanza.words("Languages", &self.languages);
        stanza.text_field("X-Repolib-Name", Some(self.name.clone()));
        stanza.flag("PDiffs", self.pdiffs);
        stanza.text_field("Signed-By", signed_by);
        stanza.words("Suites", &self.suites);
        stanza.words("Targets", &self.targets);
        stanza.flag("Trusted", self.trusted);
        let types: Vec<String> = self.types.iter().map(|kind| kind.as_str().to_owned()).collect();
        stanza.words("Types", &types);
        stanza.words("URIs", &self.uris);
        stanza
    }
}

/// `by_hash` is a flag or `force`.
fn word_of_flag(text: &str) -> String {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => "yes".to_owned(),
        "false" | "no" | "off" | "0" => "no".to_owned(),
        other => other.to_owned(),
    }
}
