//! `fetch`: a file of the host is brought to the controller, piece by piece.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use base64::Engine as _;
use jinja::Value;
use model::{Args, Outcome, Verdict};
use serde_json::json;
use sha1::Digest as _;

use super::{Attempt, Call, Draft, Prepared, external, failure};
use crate::link::Unreachable;
use crate::talk::Way;

/// What one answer carries at most.
const PIECE: u64 = 2 << 20;

/// What was asked for.
struct Fetch {
    src: String,
    dest: PathBuf,
    fail_on_missing: bool,
    validate_checksum: bool,
    /// The content's own `slurp`: as in Ansible, it is asked for what cannot be looked at.
    slurp: Option<Draft>,
}

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    call.only(&["src", "dest", "flat", "fail_on_missing", "validate_checksum"])?;
    for name in ["src", "dest"] {
        let what = if name == "src" { "source" } else { "destination" };
        match call.args.get(name).filter(|value| !value.is_none()) {
            None => return Err(failure("src and dest are required")),
            Some(value) if value.as_str().is_none() => {
                return Err(failure(format!(
                    "Invalid type supplied for {what} option, it must be a string"
                )));
            }
            Some(_) => {}
        }
    }
    let src = call.required("src")?;
    let fetch = Fetch {
        dest: destination(call, &src)?,
        slurp: external::in_place_of(call, "slurp", json!({ "src": src }))?,
        src,
        fail_on_missing: call.flag("fail_on_missing", true)?,
        validate_checksum: call.flag("validate_checksum", true)?,
    };
    Ok(Prepared::Talk(Box::new(move |way| {
        Box::pin(async move {
            if way.attributes.mode.check {
                let message = "check mode not (yet) supported for this module";
                let mut outcome = Outcome::skipped(message);
                outcome.result.insert("msg".into(), message.into());
                return Ok((outcome, Vec::new()));
            }
            Ok((fetch.carry_out(way).await?, Vec::new()))
        })
    })))
}

/// Where the file goes: below a directory of the host's name, unless `flat` says otherwise.
fn destination(call: &Call<'_>, src: &str) -> Attempt<PathBuf> {
    let dest = call.required("dest")?;
    let place = call.files.beside_playbook(Path::new(&dest));
    if call.flag("flat", false)? {
        if dest.ends_with('/') {
            return Ok(place.join(Path::new(src).file_name().unwrap_or_default()));
        }
        if place.is_dir() {
            return Err(failure(
                "dest is an existing directory, use a trailing slash if you want to fetch src into that directory",
            ));
        }
        return Ok(place);
    }
    let host = jinja::Variables::get(call.scope, "inventory_hostname")
        .map_or_else(String::new, |name: Value| name.to_string());
    // Nothing in the path of the host leads out of the directory here.
    let parts = Path::new(src).components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    Ok(parts.fold(place.join(host), |path, part| path.join(part)))
}

impl Fetch {
    async fn carry_out(&self, way: &Way<'_>) -> Result<Outcome, Unreachable> {
        let stat = json!({
            "path": self.src, "follow": true, "get_mime": false, "get_attributes": false,
            "checksum_algorithm": "sha1",
        });
        let outcome = way.ask_once(draft("stat", stat)).await?;
        if let Verdict::Failed { message } = &outcome.verdict {
            let denied = message.contains("Permission denied");
            let unreadable = format!("File is not readable: {}: Permission denied", self.src);
            return Ok(if denied { self.missing(&unreadable) } else { outcome });
        }
        let stat = outcome.result.get("stat").cloned().unwrap_or_default();
        let is = |key: &str| stat.get(key).and_then(serde_json::Value::as_bool) == Some(true);
        if let Some(slurp) = self.slurp.as_ref().filter(|_| !is("readable")) {
            return Ok(self.slurped(way.ask_once(slurp.clone()).await?));
        }
        if !is("exists") {
            return Ok(self.missing("the remote file does not exist, not transferring, ignored"));
        }
        if is("isdir") {
            let message = "remote file is a directory, fetch cannot work on directories";
            return Ok(self.missing(message));
        }
        if !is("readable") {
            return Ok(self.missing(&format!("File is not readable: {}", self.src)));
        }
        if self.dest.is_dir() {
            return Ok(Outcome::failed(format!(
                "calculated dest '{}' is an existing directory, use another path that does not point to an existing directory",
                self.dest.display()
            )));
        }
        let remote = stat.get("checksum").and_then(serde_json::Value::as_str);
        if let Ok(Some((sha1, md5))) = sums_of(&self.dest)
            && Some(sha1.as_str()) == remote
        {
            let mut result = self.result(&sha1, &md5);
            result.insert("file".into(), self.src.clone().into());
            return Ok(Outcome::ok(result));
        }
        self.transfer(way, remote).await
    }

    /// Keeps what the content's own module read.
    fn slurped(&self, outcome: Outcome) -> Outcome {
        let content = outcome.result.get("content").and_then(serde_json::Value::as_str);
        let bytes =
            content.and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok());
        let Some(bytes) = bytes.filter(|_| !outcome.is_failed()) else { return outcome };
        let written = Partial::beside(&self.dest).and_then(|mut file| {
            file.write(&bytes)?;
            let sums = file.sums();
            file.keep(&self.dest).map(|()| sums)
        });
        match written {
            Ok((sha1, md5)) => {
                let mut result = self.result(&sha1, &md5);
                result.insert("remote_checksum".into(), sha1.into());
                result.insert("remote_md5sum".into(), serde_json::Value::Null);
                Outcome::new(Verdict::Changed, result)
            }
            Err(error) => self.unwritable(&error),
        }
    }

    fn unwritable(&self, error: &std::io::Error) -> Outcome {
        Outcome::failed(format!("cannot write {}: {error}", self.dest.display()))
    }

    fn missing(&self, message: &str) -> Outcome {
        if self.fail_on_missing {
            return Outcome::failed(message);
        }
        let ending = if message.ends_with(", ignored") { "" } else { ", ignored" };
        Outcome::ok(Args::from_iter([
            ("msg".to_owned(), format!("{message}{ending}").into()),
            ("file".to_owned(), self.src.clone().into()),
        ]))
    }

    fn result(&self, sha1: &str, md5: &str) -> Args {
        Args::from_iter([
            ("checksum".to_owned(), sha1.into()),
            ("md5sum".to_owned(), md5.into()),
            ("dest".to_owned(), self.dest.to_string_lossy().into()),
        ])
    }

    async fn transfer(&self, way: &Way<'_>, remote: Option<&str>) -> Result<Outcome, Unreachable> {
        let mut file = match Partial::beside(&self.dest) {
            Ok(file) => file,
            Err(error) => return Ok(self.unwritable(&error)),
        };
        let mut offset = 0;
        loop {
            let args = json!({"src": self.src, "_offset": offset, "_length": PIECE});
            let outcome = way.ask_once(draft("slurp", args)).await?;
            let content = outcome.result.get("content").and_then(serde_json::Value::as_str);
            let bytes = content
                .and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok());
            let Some(bytes) = bytes.filter(|_| !outcome.is_failed()) else { return Ok(outcome) };
            if bytes.is_empty() {
                break;
            }
            offset += bytes.len() as u64;
            if let Err(error) = file.write(&bytes) {
                return Ok(self.unwritable(&error));
            }
        }
        let (sha1, md5) = file.sums();
        let mut result = self.result(&sha1, &md5);
        if self.validate_checksum && remote.is_some_and(|remote| remote != sha1) {
            result.insert("file".into(), self.src.clone().into());
            result.insert("remote_checksum".into(), remote.into());
            let message = "checksum mismatch".to_owned();
            return Ok(Outcome::new(Verdict::Failed { message }, result));
        }
        if let Err(error) = file.keep(&self.dest) {
            return Ok(self.unwritable(&error));
        }
        result.insert("remote_checksum".into(), remote.into());
        result.insert("remote_md5sum".into(), serde_json::Value::Null);
        Ok(Outcome::new(Verdict::Changed, result))
    }
}

fn draft(module: &str, args: serde_json::Value) -> Draft {
    let args = args.as_object().cloned().unwrap_or_default();
    Draft { module: module.to_owned(), args }
}

/// A file that takes the place of another when it is whole.
struct Partial {
    file: tempfile::NamedTempFile,
    sha1: sha1::Sha1,
    md5: md5::Md5,
}

impl Partial {
    fn beside(path: &Path) -> std::io::Result<Self> {
        let directory = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory)?;
        let file = tempfile::Builder::new().prefix(".muster-fetch-").tempfile_in(directory)?;
        Ok(Self { file, sha1: sha1::Sha1::new(), md5: md5::Md5::new() })
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.sha1.update(bytes);
        self.md5.update(bytes);
        self.file.write_all(bytes)
    }

    fn sums(&self) -> (String, String) {
        (hex::encode(self.sha1.clone().finalize()), hex::encode(self.md5.clone().finalize()))
    }

    fn keep(self, path: &Path) -> std::io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(path).map(drop).map_err(|error| error.error)
    }
}

/// SHA-1 and MD5 of a file, if it is there.
fn sums_of(path: &Path) -> std::io::Result<Option<(String, String)>> {
    if !path.is_file() {
        return Ok(None);
    }
    let (mut file, mut sha1, mut md5) = (File::open(path)?, sha1::Sha1::new(), md5::Md5::new());
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(Some((hex::encode(sha1.finalize()), hex::encode(md5.finalize()))));
        }
        sha1.update(&buffer[..count]);
        md5.update(&buffer[..count]);
    }
}
