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
use crate::files::{self, Checksums, FileAttributes, each_piece, path_value, tidy};
use crate::http::{self, Client, Request, Response, Settings};

arguments! {
    /// Downloads files from HTTP and HTTPS servers.
    pub struct GetUrl {
        /// Where from.
        pub url: String,
        /// The file, or a directory that gets a file of the URL's name.
        pub dest: PathBuf,
        /// `ALGORITHM:DIGEST`, or `ALGORITHM:URL` of a list of digests; the algorithm is md5, sha1, sha256, sha384 or sha512.
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
    Download { dest: PathBuf, wanted: Option<Wanted>, attributes: Attributes },
}

impl Change for Work {
    fn diff(&self, host: &dyn Probe) -> Result<Vec<model::Diff>, Failure> {
        match self {
            Self::Attributes(edits) => edits.diff(host),
            Self::Download { .. } => Ok(Vec::new()),
        }
    }
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
            other => {
                return Err(Failure::new(format!(
                    "the checksum algorithm `{other}` is not known: md5, sha1, sha224, sha256, sha384 and sha512 are"
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
        let dest = self.destination(host)?;
        result.insert("url".into(), self.url.clone().into());
        result.insert("dest".into(), path_value(&dest));
        let wanted = self.wanted(host)?;
        let current = host.stat(&dest, true)?;
        match &current {
            Some(stat) if stat.kind != FileKind::File => {
                let kind = stat.kind.name();
                return Err(Failure::new(format!(
                    "cannot download to {}: it is a {kind}",
                    dest.display()
                )));
            }
            Some(stat) if self.is_right(host, &dest, wanted.as_ref())? => {
                return self.attributes_only(host, &dest, stat, result);
            }
            Some(_) => {}
            None => refuse_without_parent(host, &dest)?,
        }
        let attributes = self.attributes.resolve(host, current.as_ref(), false)?;
        let work = Work::Download { dest, wanted: wanted.clone(), attributes };
        // A forced download may bring what is there already; nothing but the download tells.
        Ok(if current.is_some() && wanted.is_none() {
            Check::CannotTell(work)
        } else {
            Check::Drift(work)
        })
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let dest = match work {
            Work::Attributes(edits) => {
                edits.apply(host)?;
                self.destination(host)?
            }
            Work::Download { dest, wanted, attributes } => {
                self.download(host, &dest, wanted.as_ref(), attributes, result)?;
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
    /// A file in the directory `dest`, named as the URL's last part, or `dest` itself.
    fn destination(&self, host: &dyn Probe) -> Result<PathBuf, Failure> {
        let dest = tidy(&self.dest);
        let is_directory =
            host.stat(&dest, true)?.is_some_and(|stat| stat.kind == FileKind::Directory);
        if !is_directory {
            return Ok(dest);
        }
        let path = self.url.split(['?', '#']).next().unwrap_or_default();
        let path = path.split_once("://").map_or(path, |(_, rest)| rest);
        let name =
            path.split_once('/').and_then(|(_, path)| path.rsplit('/').next()).unwrap_or_default();
        let name = if matches!(name, "" | "." | "..") { "index.html" } else { name };
        Ok(dest.join(name))
    }

    /// Whether the file that is there need not be downloaded.
    fn is_right(
        &self,
        host: &dyn Probe,
        dest: &Path,
        wanted: Option<&Wanted>,
    ) -> Result<bool, Failure> {
        match wanted {
            Some(wanted) => wanted.is_digest_of(host, dest),
            None => Ok(!self.force),
        }
    }

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
        edits.set_attributes(dest, self.attributes.drift(host, stat)?);
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
        let is_url = ["http://", "https://"].iter().any(|scheme| rest.starts_with(scheme));
        let digest = if is_url { self.listed(host, rest)? } else { rest.to_owned() };
        let digest: String = digest
            .chars()
            .filter(|letter| !letter.is_whitespace())
            .collect::<String>()
            .to_lowercase();
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
        let response = self.get(host, list)?;
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

    /// The answer to a GET, which must be a success.
    fn get(&self, host: &dyn Probe, url: &str) -> Result<Response, Failure> {
        let headers =
            self.headers.iter().map(|(name, value)| (name.clone(), python_text(value))).collect();
        let request = Request { headers, ..Request::get(url) };
        let response = http::send(host, &self.settings(host)?, request)
            .map_err(|error| Failure::new(format!("Request failed: {error}")).with("url", url))?;
        if (200..300).contains(&response.status) {
            return Ok(response);
        }
        Err(Failure::new(format!("Request failed: HTTP status {} of {url}", response.status))
            .with("status_code", response.status)
            .with("url", url))
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
        dest: &Path,
        wanted: Option<&Wanted>,
        attributes: Attributes,
        result: &mut Args,
    ) -> Result<(), Failure> {
        let start = host.now();
        let old = Checksums::of_file(host, dest)?.map(|sums| sums.sha1());
        let response = self.get(host, &self.url)?;
        let (status, length) = (response.status, length_of(&response, self.client.decompress));
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
            attributes,
            validate: Some(&mut judge),
            in_place: self.attributes.unsafe_writes,
        });
        let seen = seen.into_inner();
        result.insert(
            "elapsed".into(),
            host.now().duration_since(start).unwrap_or_default().as_secs().into(),
        );
        result.insert("status_code".into(), status.into());
        match verdict {
            Verdict::Wrong(message) => return Err(Failure::new(message)),
            Verdict::Same => drop(result.insert("changed".into(), false.into())),
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
                "the download broke off: {} of {length} bytes came",
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
        let count = self.body.read(buffer)?;
        let mut seen = self.seen.borrow_mut();
        seen.size += count as u64;
        seen.sums.update(&buffer[..count]);
        if let Some(hasher) = &mut seen.hasher {
            hasher.update(&buffer[..count]);
        }
        Ok(count)
    }
}

/// The digest beside a file's name in a list as `sha256sum` writes it, or the only digest of a list with one line.
fn find_digest<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut lone = None;
    let mut lines = 0;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        lines += 1;
        let mut words = line.split_whitespace();
        let digest = words.next()?;
        match words.next() {
            None => lone = Some(digest),
            Some(file) => {
                let file = file.trim_start_matches('*');
                if file.strip_prefix("./").unwrap_or(file) == name {
                    return Some(digest);
                }
            }
        }
    }
    lone.filter(|_| lines == 1)
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
    }
}
