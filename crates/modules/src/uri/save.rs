//! Writes an answer to a file.

use std::path::{Path, PathBuf};

use model::Args;
use system::{Attributes, FileKind, Probe, System, WriteFile};

use super::Uri;
use crate::contract::Failure;
use crate::files::{Checksums, path_value};
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
    let sum = |path: &Path| Checksums::of_file(host, path).map(|sums| sums.map(|sums| sums.sha1()));
    let differs = sum(&fetched)? != sum(&target)?;
    let attributes = uri.file.resolve(host, old.as_ref(), false)?;
    let is_other = match &old {
        Some(stat) => !uri.file.drift(host, &target, stat)?.is_none(),
        None => false,
    };
    if differs {
        let mut content = host.open(&fetched)?.ok_or_else(|| {
            Failure::new(format!("{} vanished while it was used", fetched.display()))
        })?;
        let content = &mut *content;
        let written = host.write(WriteFile {
            path: &target,
            content,
            attributes,
            validate: None,
            in_place: false,
        });
        written.map_err(|error| {
            let reason = Failure::from(error).message;
            Failure::new(format!("Could not replace {}: {reason}", target.display()))
        })?;
    } else if is_other {
        host.set_attributes(&target, attributes, true)?;
    }
    host.remove(&fetched)?;
    result.insert("changed".to_owned(), (differs || is_other).into());
    result.insert("path".to_owned(), path_value(&target));
    Ok(())
}

/// The file: in a directory, one named by the answer.
fn target(dest: &Path, response: &Response, host: &dyn Probe) -> Result<PathBuf, Failure> {
    let is_folder = host.stat(dest, true)?.is_some_and(|stat| stat.kind == FileKind::Directory);
    if !is_folder {
        return Ok(dest.to_owned());
    }
    Ok(dest.join(response.file_name()))
}
