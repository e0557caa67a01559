//! Writes an answer to a file.

use std::path::{Path, PathBuf};

use model::Args;
use sha1::{Digest as _, Sha1};
use system::{Attributes, FileKind, Probe, System, WriteFile};
use ureq::http::header;

use super::Uri;
use crate::contract::Failure;
use crate::http::Response;

pub(super) fn save(
    uri: &Uri,
    dest: &Path,
    response: &mut Response,
    host: &dyn System,
    result: &mut Args,
) -> Result<(), Failure> {
    let target = target(dest, response, host)?;
    let fetched = host.scratch()?.join("answer");
    host.write(WriteFile {
        path: &fetched,
        content: &mut response.body,
        attributes: Attributes { mode: Some(0o600), ..Attributes::default() },
        validate: None,
        in_place: false,
    })?;
    let old = host.stat(&target, true)?;
    let differs = checksum(host, &fetched)? != checksum(host, &target)?;
    let attributes = attributes(uri, old.as_ref().map(|stat| stat.mode), host)?;
    let is_other = old.as_ref().is_some_and(|stat| {
        attributes.mode.is_some_and(|mode| mode != stat.mode)
            || attributes.uid.is_some_and(|uid| uid != stat.uid)
            || attributes.gid.is_some_and(|gid| gid != stat.gid)
    });
    if differs {
        let mut content = host.open(&fetched)?.ok_or_else(|| {
            Failure::new(format!("{} vanished while it was used", fetched.display()))
        })?;
        let content = &mut *content;
        host.write(WriteFile {
            path: &target,
            content,
            attributes,
            validate: None,
            in_place: false,
        })?;
    } else if is_other {
        host.set_attributes(&target, attributes, true)?;
    }
    host.remove(&fetched)?;
    result.insert("changed".to_owned(), (differs || is_other).into());
    result.insert("path".to_owned(), target.to_string_lossy().into_owned().into());
    Ok(())
}

/// The file: in a directory, one of the name that the server gives, or of the URL's last part.
fn target(dest: &Path, response: &Response, host: &dyn Probe) -> Result<PathBuf, Failure> {
    let is_folder = host.stat(dest, true)?.is_some_and(|stat| stat.kind == FileKind::Directory);
    if !is_folder {
        return Ok(dest.to_owned());
    }
    let disposition =
        response.headers.get(header::CONTENT_DISPOSITION).and_then(|value| value.to_str().ok());
    let named = disposition.and_then(|value| value.split_once("filename="));
    let named =
        named.map(|(_, name)| name.split(';').next().unwrap_or(name).trim().trim_matches('"'));
    let path = response.url.split(['?', '#']).next().unwrap_or_default();
    let name = named.unwrap_or(path).rsplit('/').next().unwrap_or_default();
    let name = if matches!(name, "" | "." | "..") { "index.html" } else { name };
    Ok(dest.join(name))
}

fn checksum(host: &dyn Probe, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let Some(mut reader) = host.open(path)? else { return Ok(None) };
    let mut hash = Sha1::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        host.keep_going()?;
        let length = reader
            .read(&mut buffer)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
        if length == 0 {
            return Ok(Some(hash.finalize().to_vec()));
        }
        hash.update(&buffer[..length]);
    }
}

fn attributes(uri: &Uri, mode: Option<u32>, host: &dyn Probe) -> Result<Attributes, Failure> {
    let uid = match &uri.owner {
        None => None,
        Some(owner) => Some(match (host.user(owner)?, owner.parse()) {
            (Some(account), _) => account.uid,
            (None, Ok(uid)) => uid,
            (None, Err(_)) => {
                return Err(Failure::new(format!("chown failed: failed to look up user {owner}")));
            }
        }),
    };
    let gid = match &uri.group {
        None => None,
        Some(group) => Some(match (host.group(group)?, group.parse()) {
            (Some(entry), _) => entry.gid,
            (None, Ok(gid)) => gid,
            (None, Err(_)) => {
                return Err(Failure::new(format!("chgrp failed: failed to look up group {group}")));
            }
        }),
    };
    let umask = host.umask();
    let current = mode.unwrap_or(0o666 & !umask);
    let mode = uri.mode.as_ref().map(|mode| mode.resolve(current, false, umask));
    Ok(Attributes { mode, uid, gid })
}
