//! A home directory for an account that has none: a copy of the skeleton that belongs to the account.

use std::path::Path;

use system::{Account, Attributes, FileKind, Probe, System, WriteFile};

use super::User;
use crate::contract::Failure;

/// Deeper skeletons are a mistake.
const MAX_DEPTH: usize = 32;

/// Makes the home directory when it is wanted and missing.
pub(super) fn ensure(user: &User, account: &Account, host: &dyn System) -> Result<(), Failure> {
    if !user.create_home || host.stat(&account.home, true)?.is_some() {
        return Ok(());
    }
    let mode = match user.umask()? {
        Some(umask) => 0o777 & !umask,
        None => default_mode(host)?,
    };
    make_parents(&account.home, host)?;
    let owner =
        Attributes { uid: Some(account.uid), gid: Some(account.gid), ..Attributes::default() };
    host.make_directory(&account.home, Attributes { mode: Some(mode), ..owner.clone() })?;
    let skeleton = user.skeleton.as_deref().unwrap_or(Path::new("/etc/skel"));
    if host.stat(skeleton, true)?.is_some() {
        copy_tree(skeleton, &account.home, &owner, host, 0)?;
    }
    Ok(())
}

/// The directory that a home is moved into.
pub(super) fn make_parent(user: &User, host: &dyn System) -> Result<(), Failure> {
    user.home.as_deref().map_or(Ok(()), |home| make_parents(home, host))
}

fn make_parents(path: &Path, host: &dyn System) -> Result<(), Failure> {
    let parents = path.ancestors().skip(1);
    let missing: Vec<&Path> = parents
        .take_while(|parent| !host.stat(parent, true).is_ok_and(|found| found.is_some()))
        .collect();
    for parent in missing.into_iter().rev() {
        let attributes =
            Attributes { mode: Some(0o755), uid: Some(0), gid: Some(0), ..Attributes::default() };
        host.make_directory(parent, attributes)?;
    }
    Ok(())
}

/// `HOME_MODE` of login.defs, or what its `UMASK` leaves.
fn default_mode(host: &dyn Probe) -> Result<u32, Failure> {
    const LIMIT: u64 = 1 << 20;
    let text = host.read(Path::new("/etc/login.defs"), LIMIT)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let octal = |name: &str| {
        let words = text.lines().filter_map(|line| line.split_once(char::is_whitespace));
        let value = words.rev().find(|(key, _)| *key == name)?.1.trim();
        u32::from_str_radix(value, 8).ok().filter(|mode| *mode <= 0o777)
    };
    Ok(octal("HOME_MODE").unwrap_or_else(|| 0o777 & !octal("UMASK").unwrap_or(0o022)))
}

fn copy_tree(
    from: &Path,
    to: &Path,
    owner: &Attributes,
    host: &dyn System,
    depth: usize,
) -> Result<(), Failure> {
    if depth > MAX_DEPTH {
        return Err(Failure::new(format!("{} is nested too deep", from.display())));
    }
    for name in host.list(from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        let Some(stat) = host.stat(&from, false)? else { continue };
        let attributes = Attributes { mode: Some(stat.mode), ..owner.clone() };
        match stat.kind {
            FileKind::Directory => {
                host.make_directory(&to, attributes)?;
                copy_tree(&from, &to, owner, host, depth + 1)?;
            }
            FileKind::Symlink => {
                host.symlink(&host.read_link(&from)?, &to)?;
                host.set_attributes(&to, owner.clone(), false)?;
            }
            FileKind::File => {
                let Some(mut content) = host.open(&from)? else { continue };
                let content = &mut *content;
                host.write(WriteFile {
                    path: &to,
                    content,
                    attributes,
                    validate: None,
                    in_place: false,
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}
