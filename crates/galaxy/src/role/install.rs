//! Installing roles, with those that they need; removing them.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::fetch::{Fetched, fetch};
use super::installed::{Installed, write_note};
use super::requirement::Requirement;
use crate::{Client, Error, Result, Talk, archive};

/// What `install` was told besides which roles.
#[derive(Debug, Clone, Copy, Default)]
pub struct Install {
    /// Install again what is there.
    pub force: bool,
    /// And what it needs.
    pub force_with_deps: bool,
    /// Do not look at what roles need.
    pub no_deps: bool,
    /// Go on after failures.
    pub ignore_errors: bool,
}

/// The directories of roles, and what helps to fill them.
pub struct Roles<'a> {
    /// Where roles are; new ones go to the first.
    pub paths: Vec<PathBuf>,
    /// The server for roles that are only named.
    pub server: Option<Client>,
    /// Who is told.
    pub talk: &'a dyn Talk,
}

impl Roles<'_> {
    /// Installs them. Failures have been told; the answer is whether all went well.
    pub fn install(&self, wanted: Vec<Requirement>, how: Install) -> Result<()> {
        let mut pending: VecDeque<(Requirement, bool)> =
            wanted.into_iter().map(|role| (role, false)).collect();
        while let Some((role, is_needed)) = pending.pop_front() {
            let may_replace = how.force_with_deps || (how.force && !is_needed);
            match self.install_one(&role, may_replace) {
                Ok(Some(done)) if !how.no_deps => self.add_needs(&done, how, &mut pending)?,
                Ok(_) => {}
                Err(error) => {
                    self.talk
                        .warn(&format!("- {} was NOT installed successfully: {error}", role.name));
                    if !how.ignore_errors {
                        return Err(Error::failed(
                            "- you can use --ignore-errors to skip failed roles and finish processing the list.",
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn add_needs(
        &self,
        role: &Installed,
        how: Install,
        pending: &mut VecDeque<(Requirement, bool)>,
    ) -> Result<()> {
        let Some(needs) = role.needs()? else {
            self.talk.warn(&format!(
                "Meta file {} is empty. Skipping dependencies.",
                role.path.display()
            ));
            return Ok(());
        };
        for need in needs {
            let label = need.label();
            // A role of the same collection or playbook: nothing to fetch.
            if !need.source.contains('.') && !need.source.contains("://") && need.scm.is_none() {
                continue;
            }
            if pending.iter().any(|(other, _)| other.name == need.name) {
                self.talk.say(&format!("- dependency {} already pending installation.", need.name));
                continue;
            }
            match Installed::find(&need.name, &self.paths) {
                None => self.talk.say(&format!("- adding dependency: {label}")),
                Some(_) if how.force_with_deps => {}
                Some(there) => {
                    let version = there.version();
                    if need.version.is_some() && need.version != version {
                        self.talk.warn(&format!(
                            "- dependency {label} from role {} differs from already installed version ({}), skipping",
                            role.name,
                            version.as_deref().unwrap_or("unknown"),
                        ));
                    } else {
                        self.talk.say(&format!(
                            "- dependency {} is already installed, skipping.",
                            need.name
                        ));
                    }
                    continue;
                }
            }
            pending.push_back((need, true));
        }
        Ok(())
    }

    /// Installs one; nothing when it is there and stays.
    fn install_one(&self, role: &Requirement, may_replace: bool) -> Result<Option<Installed>> {
        if let Some(there) = Installed::find(&role.name, &self.paths) {
            let version = there.version();
            let known = version.as_deref().unwrap_or("None");
            match &role.version {
                wanted if may_replace => {
                    let wanted = wanted.as_deref().unwrap_or("unspecified");
                    self.talk
                        .say(&format!("- changing role {} from {known} to {wanted}", role.name));
                }
                Some(wanted) if Some(wanted) != version.as_ref() => {
                    self.talk.warn(&format!("- {} ({known}) is already installed - use --force to change version to {wanted}", role.name));
                    return Ok(None);
                }
                _ => {
                    let label = version.map_or_else(
                        || role.name.clone(),
                        |version| format!("{} ({version})", role.name),
                    );
                    self.talk.say(&format!("- {label} is already installed, skipping."));
                    return Ok(None);
                }
            }
        }
        let scratch = tempfile::tempdir().map_err(|error| {
            Error::failed(format!("cannot make a directory for downloads: {error}"))
        })?;
        let fetched = fetch(role, self.server.as_ref(), scratch.path(), self.talk)?;
        self.unpack(role, &fetched).map(Some)
    }

    fn unpack(&self, role: &Requirement, fetched: &Fetched) -> Result<Installed> {
        let root =
            self.paths.first().ok_or_else(|| Error::failed("there is no directory for roles"))?;
        let is_plain = archive::normal(Path::new(&role.name))
            .is_some_and(|path| path == Path::new(&role.name));
        if role.name.is_empty() || !is_plain {
            return Err(Error::failed(format!(
                "Invalid role name: path {} is not a subpath of the roles path {}",
                role.name,
                root.display()
            )));
        }
        let names = archive::names(&fetched.archive)?;
        let inside = role_inside(&names).ok_or_else(|| {
            Error::failed("this role does not appear to have a meta/main.yml file.")
        })?;
        let path = root.join(&role.name);
        self.talk.say(&format!("- extracting {} to {}", role.name, path.display()));
        archive::place(&path, |fresh| {
            archive::unpack(&fetched.archive, &inside, fresh, "role")?;
            let there = Installed { name: role.name.clone(), path: fresh.to_owned() };
            // Metadata that cannot be read must not stay.
            there.meta()?;
            write_note(fresh, fetched.version.as_deref())
        })?;
        let label = Requirement { version: fetched.version.clone(), ..role.clone() }.label();
        self.talk.say(&format!("- {label} was installed successfully"));
        Ok(Installed { name: role.name.clone(), path })
    }

    /// Removes roles; those that are not there are said to be so.
    pub fn remove(&self, names: &[String]) -> Result<()> {
        for name in names {
            match Installed::find(name, &self.paths) {
                Some(role) => {
                    std::fs::remove_dir_all(&role.path)
                        .map_err(|error| Error::io("remove", &role.path, &error))?;
                    self.talk.say(&format!("- successfully removed {name}"));
                }
                None => self.talk.say(&format!("- {name} is not installed, skipping.")),
            }
        }
        Ok(())
    }
}

/// The directory of the role inside an archive: that of the `meta/main.yml` with the shortest way.
fn role_inside(names: &[PathBuf]) -> Option<PathBuf> {
    let metas = names.iter().filter_map(|name| {
        let name = archive::normal(name)?;
        let is_meta = ["meta/main.yml", "meta/main.yaml"].iter().any(|file| name.ends_with(file));
        if is_meta { name.parent()?.parent().map(Path::to_owned) } else { None }
    });
    metas.min_by_key(|path| path.components().count())
}
