//! `get_url`: downloads a file. With a checksum, a file that is right already is not downloaded, and one that is wrong is
//! never seen at its destination.

use std::cell::RefCell;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{Args, Secret};
use sha2::digest::DynDigest;
use system::{Attributes, FileKind, FileStat, Probe, System, WriteFile};

use crate::arguments::{arguments, python_text};
use crate::content::keep_backup;
use crate::contract::{Change, Check, Failure, Module};
use crate::edits::Edits;
use crate::files::{self, AttributeDrift, Checksums, FileAttributes, each_piece, path_value, tidy};
use crate::http::{self, Client, Request, Response, Settings};

arguments! {
    /// Downloads files from HTTP and HTTPS servers.
    pub struct GetUrl {
        /// Where from.
        pub url: String,
        /// The file, or a directory that gets a file of the URL's name.
        pub dest: PathBuf,
        /// `ALGORITHM:DIGEST`, or `ALGORITHM:URL` of a list of digests; the algorithm is md5, sha1, sha224 to sha512, or sha3_224 to sha3_512.
        pub checksum: String { default: "" },
        /// Download although the file is there.
        pub force: bool { default: false },
        /// Keep the old version beside the file.
        pub backup: bool { default: false },
        /// Seconds to wait for a connection and between bytes.
        pub timeout: u64 { default: 10 },
        /// Headers of the request.
        pub headers: Args,
        pub client: Client,
        /// The user to log in as.
        pub url_username: Option<String> { aliases: ["username"] },
        /// That user's password.
        pub url_password: Option<Secret<String>> { aliases: ["password"] },
        /// Where the download is kept meanwhile. It is written beside its destination; this is accepted and not needed.
        pub tmp_dest: Option<PathBuf>,
        pub attributes: FileAttributes,
    }
}

/// Of a list of checksums.
const LIST_LIMIT: u64 = 8 << 20;

/// What has to be done.
#[derive(Debug)]
pub(crate) enum Work {
    /// Only owner and mode.
    Attributes(Edits),
    /// The file.
    Download { dest: PathBuf, wanted: Option<Wanted>, attributes: Attributes, response: Response },
}

impl Change for Work {
    fn diff(&self, host: &dyn Probe) -> Result<Vec<model::Diff>, Failure> {
        match self {
            Self::Attributes(edits) => edits.diff(host),
            Self::Download { .. } => Ok(Vec::new()),
        }
    }
}

/// What is written.
struct Destination<'a> {
    path: &'a Path,
    attributes: Attributes,
    wanted: Option<&'a Wanted>,
}

/// A digest that the file must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    algorithm: String,
    digest: String,
}

impl Wanted {
    fn hasher(&self) -> Result<Box<dyn DynDigest>, Failure> {
        Ok(match self.algorithm.as_str() {
            "md5" => Box::new(md5::Md5::default()),
            "sha1" => Box::new(sha1::Sha1::default()),
            "sha224" => Box::new(sha2::Sha224::default()),
            "sha256" => Box::new(sha2::Sha256::default()),
            "sha384" => Box::new(sha2::Sha384::default()),
            "sha512" => Box::new(sha2::Sha512::default()),
            "sha3_224" => Box::new(sha3::Sha3_224::default()),
            "sha3_256" => Box::new(sha3::Sha3_256::default()),
            "sha3_384" => Box::new(sha3::Sha3_384::default()),
            "sha3_512" => Box::new(sha3::Sha3_512::default()),
            other => {
                return Err(Failure::new(format!(
                    "the checksum algorithm `{other}` is not known: md5, sha1, sha224, sha256, sha384, sha512 and sha3_224 to sha3_512 are"
                )));
            }
        })
    }

    fn is_digest_of(&self, host: &dyn Probe, path: &Path) -> Result<bool, Failure> {
        let mut hasher = self.hasher()?;
        let is_there = each_piece(host, path, |bytes| hasher.update(bytes))?;
        Ok(is_there && self.is(&*hasher))
    }

    fn is(&self, hasher: &dyn DynDigest) -> bool {
        hex::encode(hasher.box_clone().finalize()) == self.digest
    }
}

impl Module for GetUrl {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        let given = tidy(&self.dest);
        let is_folder =
            host.stat(&given, true)?.is_some_and(|stat| stat.kind == FileKind::Directory);
        let name = |name: &str| if is_folder { given.join(name) } else { given.clone() };
        let mut dest = name(http::url::file_name(&self.url));
        result.insert("url".into(), http::url::masked(&self.url).into());
        result.insert("dest".into(), path_value(&dest));
        let wanted = self.wanted(host)?;
        let mut current = regular(host, &dest)?;
        if let Some(stat) = &current
            && is_right(host, &dest, wanted.as_ref())?
        {
            return self.attributes_only(host, &dest, stat, result);
        }
        // The beginning of the answer is what tells, also in check mode; the file is read when it is written.
        let known = current.as_ref().filter(|_| !self.force && !is_folder);
        let response = self.get(host, &self.url, known)?;
        result.insert("status_code".into(), response.status.into());
        if let Some(stat) = current.as_ref().filter(|_| response.status == 304) {
            let check = self.attributes_only(host, &dest, stat, result)?;
            result.insert("msg".into(), format!("HTTP Error 304: {}", response.reason).into());
            return Ok(check);
        }
        if is_folder && dest != name(response.file_name()) {
            dest = name(response.file_name());
            result.insert("dest".into(), path_value(&dest));
            current = regular(host, &dest)?;
            if let Some(stat) = &current
                && is_right(host, &dest, wanted.as_ref())?
            {
                return self.attributes_only(host, &dest, stat, result);
            }
        }
        let attributes = self.attributes.resolve(host, current.as_ref(), false)?;
        let size = response.headers.get("content-length").and_then(|size| size.to_str().ok());
        let message = format!("OK ({} bytes)", size.unwrap_or("unknown"));
        result.insert("msg".into(), message.into());
        // One that is there may be the same; only the whole of it tells.
        let is_unsure = current.is_some() && wanted.is_none();
        let work = Work::Download { dest, wanted, attributes, response };
        Ok(if is_unsure { Check::CannotTell(work) } else { Check::Drift(work) })
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let dest = match work {
            Work::Attributes(edits) => {
                let dest = edits.path().to_owned();
                edits.apply(host)?;
                dest
            }
            Work::Download { dest, wanted, attributes, response } => {
                let target = Destination { path: &dest, attributes, wanted: wanted.as_ref() };
                self.download(host, &target, response, result)?;
                dest
            }
        };
        files::describe(host, &dest, result)
    }

    fn is_repeatable(&self) -> bool {
        true
    }
}

impl GetUrl {
    fn attributes_only(
        &self,
        host: &dyn Probe,
        dest: &Path,
        stat: &FileStat,
        result: &mut Args,
    ) -> Result<Check<Work>, Failure> {
        result.insert("msg".into(), "file already exists".into());
        files::describe(host, dest, result)?;
        let mut edits = Edits::of(dest);
        edits.set_attributes(dest, self.attributes.drift(host, dest, stat)?);
        Ok(if edits.is_empty() { Check::InSync } else { Check::Drift(Work::Attributes(edits)) })
    }

    fn wanted(&self, host: &dyn Probe) -> Result<Option<Wanted>, Failure> {
        if self.checksum.trim().is_empty() {
            return Ok(None);
        }
        let Some((algorithm, rest)) = self.checksum.split_once(':') else {
            return Err(Failure::new(
                "The checksum parameter has to be in format <algorithm>:<checksum>",
            ));
        };
        let rest = rest.trim();
        let is_url =
            ["http://", "https://", "file://"].iter().any(|scheme| rest.starts_with(scheme));
        let digest = if is_url { self.listed(host, rest)? } else { rest.to_owned() };
        let digest: String =
            digest.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
        if digest.is_empty() || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Failure::new(format!(
                "The checksum format is invalid: `{digest}` is not hexadecimal"
            )));
        }
        let wanted = Wanted { algorithm: algorithm.trim().to_lowercase(), digest };
        let expected = wanted.hasher()?.output_size() * 2;
        if wanted.digest.len() != expected {
            return Err(Failure::new(format!(
                "The checksum format is invalid: {} has {expected} digits, not {}",
                wanted.algorithm,
                wanted.digest.len()
            )));
        }
        Ok(Some(wanted))
    }

    /// The digest of this URL's file in a list of digests.
    fn listed(&self, host: &dyn Probe, list: &str) -> Result<String, Failure> {
        let response = self.get(host, list, None)?;
        let mut text = String::new();
        response.body.take(LIST_LIMIT).read_to_string(&mut text).map_err(|error| {
            Failure::new(format!("cannot read the checksums of {list}: {error}"))
        })?;
        let path = self.url.split(['?', '#']).next().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default();
        find_digest(&text, name).map(ToOwned::to_owned).ok_or_else(|| {
            Failure::new(format!("Unable to find a checksum for file '{name}' in '{list}'"))
        })
    }

    /// The answer to a GET, which must be a success, or say that the file that is there is still right.
    fn get(
        &self,
        host: &dyn Probe,
        url: &str,
        current: Option<&FileStat>,
    ) -> Result<Response, Failure> {
        let mut headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.clone(), python_text(value))).collect();
        if let Some(stat) = current {
            headers.push(("If-Modified-Since".to_owned(), http::date(stat.modified)));
        }
        let request = Request { headers, ..Request::get(url) };
        let shown = http::url::masked(url);
        let response = http::send(host, &self.settings(host)?, request).map_err(|error| {
            let why = error.0;
            let why = why.strip_prefix("Request failed: ").unwrap_or(&why);
            Failure::new(format!("Request failed: {why}")).with("url", shown.as_str())
        })?;
        if (200..300).contains(&response.status) || (response.status == 304 && current.is_some()) {
            return Ok(response);
        }
        let why = format!("HTTP Error {}: {}", response.status, response.reason);
        Err(Failure::new(format!("Request failed: {why}"))
            .with("response", why)
            .with("status_code", response.status)
            .with("url", shown))
    }

    fn settings(&self, host: &dyn Probe) -> Result<Settings, Failure> {
        let login = http::login(self.url_username.as_ref(), self.url_password.as_ref());
        Ok(Settings {
            timeout: Duration::from_secs(self.timeout),
            ..self.client.settings(host, &self.url, login)?
        })
    }

    /// Streams the answer into the file; it takes the file's place only when it is whole and has the wanted digest.
    fn download(
        &self,
        host: &dyn System,
        target: &Destination<'_>,
        response: Response,
        result: &mut Args,
    ) -> Result<(), Failure> {
        let Destination { path: dest, ref attributes, wanted } = *target;
        let start = host.now();
        let old = Checksums::of_file(host, dest)?.map(|sums| sums.sha1());
        let length = length_of(&response, self.client.decompress);
        let seen = RefCell::new(Seen {
            hasher: wanted.map(Wanted::hasher).transpose()?,
            ..Seen::default()
        });
        let mut reader = Watched { body: response.body, seen: &seen };
        let mut verdict = Verdict::Replace;
        let mut judge = |_: &Path| {
            verdict = seen.borrow().judge(wanted, length, old.as_deref());
            match &verdict {
                Verdict::Replace if self.backup => keep_backup(host, dest, result)
                    .map_err(|failure| system::Error::Refused(failure.message)),
                Verdict::Replace => Ok(()),
                Verdict::Same | Verdict::Wrong(_) => {
                    Err(system::Error::Refused("not taken".to_owned()))
                }
            }
        };
        let written = host.write(WriteFile {
            path: dest,
            content: &mut reader,
            attributes: attributes.clone(),
            validate: Some(&mut judge),
            in_place: self.attributes.unsafe_writes,
        });
        let seen = seen.into_inner();
        result.insert(
            "elapsed".into(),
            host.now().duration_since(start).unwrap_or_default().as_secs().into(),
        );
        match verdict {
            Verdict::Wrong(message) => return Err(Failure::new(message)),
            Verdict::Same => {
                let drift = match host.stat(dest, true)? {
                    Some(stat) => self.attributes.drift(host, dest, &stat)?,
                    None => AttributeDrift::default(),
                };
                if drift.is_none() {
                    result.insert("changed".into(), false.into());
                } else {
                    host.set_attributes(dest, drift.set, true)?;
                }
            }
            Verdict::Replace => written?,
        }
        result.insert("checksum_src".into(), seen.sums.sha1().into());
        result.insert("checksum_dest".into(), old.into());
        result.insert("md5sum".into(), seen.sums.md5().into());
        result.insert("msg".into(), format!("OK ({} bytes)", seen.size).into());
        Ok(())
    }
}

/// The length that the server announced; unknown when the answer was unpacked on the way.
fn length_of(response: &Response, decompress: bool) -> Option<u64> {
    if decompress && response.headers.contains_key("content-encoding") {
        return None;
    }
    response.headers.get("content-length")?.to_str().ok()?.parse().ok()
}

/// What came so far.
#[derive(Default)]
struct Seen {
    sums: Checksums,
    size: u64,
    hasher: Option<Box<dyn DynDigest>>,
}

enum Verdict {
    /// The new file takes the old one's place.
    Replace,
    /// It is the old file.
    Same,
    /// It is not what was asked for.
    Wrong(String),
}

impl Seen {
    fn judge(&self, wanted: Option<&Wanted>, length: Option<u64>, old: Option<&str>) -> Verdict {
        if let Some(length) = length.filter(|length| *length != self.size) {
            return Verdict::Wrong(format!(
                "Incomplete read: {} of {length} bytes came",
                self.size
            ));
        }
        if let (Some(wanted), Some(hasher)) = (wanted, &self.hasher)
            && !wanted.is(&**hasher)
        {
            let found = hex::encode(hasher.box_clone().finalize());
            return Verdict::Wrong(format!(
                "The checksum of the download did not match: expected {0}:{1}, got {0}:{found}",
                wanted.algorithm, wanted.digest
            ));
        }
        if old == Some(self.sums.sha1().as_str()) { Verdict::Same } else { Verdict::Replace }
    }
}

/// Reads, and counts checksums on the way.
struct Watched<'a> {
    body: Box<dyn Read>,
    seen: &'a RefCell<Seen>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut seen = self.seen.borrow_mut();
        let count = self.body.read(buffer).map_err(|error| {
            let message = format!("Incomplete read: {} bytes came: {error}", seen.size);
            io::Error::new(error.kind(), message)
        })?;
        seen.size += count as u64;
        seen.sums.update(&buffer[..count]);
        if let Some(hasher) = &mut seen.hasher {
            hasher.update(&buffer[..count]);
        }
        Ok(count)
    }
}

/// The digest beside a file's name in a list as `sha256sum` writes it, also with `--tag`, or the only digest of a list
/// with one line.
fn find_digest<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut lone = None;
    let mut lines = 0;
    let is_it = |file: &str| file.strip_prefix("./").unwrap_or(file) == name;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        lines += 1;
        if let Some((left, digest)) = line.rsplit_once(") = ") {
            if left.split_once(" (").is_some_and(|(_, file)| is_it(file)) {
                return Some(digest);
            }
            continue;
        }
        match line.split_once(char::is_whitespace) {
            None => lone = Some(line),
            Some((digest, file)) => {
                if is_it(file.trim_start().trim_start_matches('*')) {
                    return Some(digest);
                }
            }
        }
    }
    lone.filter(|_| lines == 1)
}

/// What is at the file's place, which must be a regular file, or nothing in a directory.
fn regular(host: &dyn Probe, path: &Path) -> Result<Option<FileStat>, Failure> {
    match host.stat(path, true)? {
        Some(stat) if stat.kind != FileKind::File => {
            let (path, kind) = (path.display(), stat.kind.name());
            Err(Failure::new(format!("cannot download to {path}: it is a {kind}")))
        }
        Some(stat) => Ok(Some(stat)),
        None => refuse_without_parent(host, path).map(|()| None),
    }
}

/// Whether the file that is there has the digest that is wanted.
fn is_right(host: &dyn Probe, path: &Path, wanted: Option<&Wanted>) -> Result<bool, Failure> {
    wanted.map_or(Ok(false), |wanted| wanted.is_digest_of(host, path))
}

fn refuse_without_parent(host: &dyn Probe, path: &Path) -> Result<(), Failure> {
    let parent = system::parent_of(path);
    match host.stat(parent, true)? {
        Some(stat) if stat.kind == FileKind::Directory => Ok(()),
        _ => Err(Failure::new(format!("Destination {} does not exist", parent.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_in_lists() {
        let list = "aa11  ./other.tar.gz\nbb22 *app.tar.gz\ncc33  app.tar.gz.asc\n";
        assert_eq!(find_digest(list, "app.tar.gz"), Some("bb22"));
        assert_eq!(find_digest(list, "other.tar.gz"), Some("aa11"));
        assert_eq!(find_digest(list, "missing"), None);
        assert_eq!(find_digest("dd44\n", "anything"), Some("dd44"));
        assert_eq!(find_digest("", "anything"), None);
        let tagged = "SHA256 (a b.txt) = ee55\nSHA256 (c.txt) = ff66\n";
        assert_eq!(find_digest(tagged, "c.txt"), Some("ff66"));
        assert_eq!(find_digest(tagged, "a b.txt"), Some("ee55"));
    }
}
