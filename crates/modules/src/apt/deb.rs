//! Packages in files and at URLs.

use std::cmp::Ordering;
use std::path::Path;

use system::{Attributes, Command, Probe, System, WriteFile};

use super::command::Call;
use super::dpkg::Database;
use super::{Apt, version};
use crate::contract::Failure;
use crate::http::{self, Request, Settings};
use crate::tool;

/// Whether the package in a file is not installed in its version; one that is newer already stays unless downgrades are
/// allowed.
pub(super) fn is_wanted(apt: &Apt, file: &str, host: &dyn Probe) -> Result<bool, Failure> {
    if host.stat(Path::new(file), true)?.is_none() {
        return Err(Failure::new(format!("Unable to install package: {file} does not exist")));
    }
    let command = Command::new("dpkg-deb", ["--field", file, "Package", "Version", "Architecture"]);
    let output = host.query(&command)?;
    if !output.is_success() {
        return Err(tool::failure(&output, "Unable to install package: "));
    }
    let text = output.stdout_text();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim).unwrap_or_default()
    };
    let (name, wanted, architecture) = (field("Package"), field("Version"), field("Architecture"));
    let database = Database::read(host)?;
    let found = database.find(&format!("{name}:{architecture}"));
    let found = found.or_else(|| database.find(name)).filter(|package| package.is_installed());
    Ok(match found.map(|package| version::compare(&package.version, wanted)) {
        None | Some(Ordering::Less) => true,
        Some(Ordering::Equal) => false,
        Some(Ordering::Greater) => apt.allow_downgrade || apt.force,
    })
}

/// The call that installs a package from a URL, when it is wanted.
pub(super) fn fetched(apt: &Apt, url: &str, host: &dyn System) -> Result<Option<Call>, Failure> {
    let response = http::send(host, &Settings::default(), Request::get(url))
        .map_err(|error| Failure::new(format!("Failed to download {url}: {error}")))?;
    if response.status != 200 {
        let status = response.status;
        return Err(Failure::new(format!("Failed to download {url}: HTTP status {status}")));
    }
    let path = host.scratch()?.join("package.deb");
    let mut body = response.body;
    host.write(WriteFile {
        path: &path,
        content: &mut *body,
        attributes: Attributes { mode: Some(0o644), ..Attributes::default() },
        validate: None,
        in_place: false,
    })?;
    let path = path.to_string_lossy();
    Ok(is_wanted(apt, &path, host)?.then(|| Call::install_file(&path)))
}
