//! Which versions of collections go together: `PubGrub`, asked about what is at hand and on servers.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use pubgrub::{
    DefaultStringReporter, Dependencies, DependencyConstraints, DependencyProvider,
    PackageResolutionStatistics, PubGrubError, Ranges, Reporter as _,
};

use super::Candidate;
use super::release::{Index, Release};
use crate::{Error, Range, Result, Version};

/// The name of the request itself; no collection is called so.
const REQUEST: &str = "what was asked for";

/// Where versions come from, and which are preferred.
pub(super) struct Market<'a> {
    /// Servers in the order in which they are asked.
    pub(super) servers: Vec<Index<'a>>,
    /// Collections that are at hand: the only choice for their names.
    pub(super) pinned: HashMap<String, Candidate>,
    /// Collections that are installed: the first choice, unless newer ones are wanted.
    pub(super) installed: HashMap<String, Candidate>,
    /// Newer versions are better than installed ones.
    pub(super) upgrade: bool,
    /// Versions before a release will do.
    pub(super) with_pre: bool,
    /// Nothing but what was asked for.
    pub(super) no_deps: bool,
    /// Names and ranges that were asked for, and the server that they are to come from.
    pub(super) request: Vec<(String, Range, Option<String>)>,
    pub(super) known: RefCell<Known>,
}

/// What servers have said.
#[derive(Default)]
pub(super) struct Known {
    versions: HashMap<String, (usize, Vec<Version>)>,
    releases: HashMap<(String, String), Release>,
    /// Versions before a release that were asked for by name.
    named: HashSet<(String, String)>,
}

impl Market<'_> {
    /// A version for each collection that is needed, by name.
    pub(super) fn solve(&self) -> Result<BTreeMap<String, Version>> {
        let start: Version = "0.0.0".parse().expect("a version");
        match pubgrub::resolve(self, REQUEST.to_owned(), start) {
            Ok(chosen) => Ok(chosen.into_iter().filter(|(name, _)| name != REQUEST).collect()),
            Err(PubGrubError::NoSolution(mut proof)) => {
                proof.collapse_no_versions();
                let proof = DefaultStringReporter::report(&proof)
                    .replace(&format!("{REQUEST} 0.0.0"), REQUEST)
                    .replace("is forbidden", "cannot be had");
                Err(Error::failed(format!(
                    "Failed to resolve the requested dependencies map. Could not satisfy the requirements:\n{proof}\n({})",
                    self.asked()
                )))
            }
            Err(
                PubGrubError::ErrorRetrievingDependencies { source, .. }
                | PubGrubError::ErrorChoosingVersion { source, .. }
                | PubGrubError::ErrorInShouldCancel(source),
            ) => Err(source),
        }
    }

    fn asked(&self) -> String {
        let servers: Vec<_> = self.servers.iter().map(|index| index.client.name()).collect();
        if servers.is_empty() {
            return "no server was asked".to_owned();
        }
        format!("asked: {}", servers.join(", "))
    }

    /// Where a version is on a server.
    pub(super) fn release(&self, name: &str, version: &Version) -> Result<(Release, &Index<'_>)> {
        let server = self.versions(name)?.0;
        let index = self.servers.get(server).ok_or_else(|| {
            Error::failed(format!("there is no server to ask for {name}:{version}"))
        })?;
        let key = (name.to_owned(), version.to_string());
        if let Some(release) = self.known.borrow().releases.get(&key) {
            return Ok((release.clone(), index));
        }
        let release = index.release(name, version)?;
        self.known.borrow_mut().releases.insert(key, release.clone());
        Ok((release, index))
    }

    /// The versions that the first server has that knows the name, and which server that is.
    fn versions(&self, name: &str) -> Result<(usize, Vec<Version>)> {
        if let Some(known) = self.known.borrow().versions.get(name) {
            return Ok(known.clone());
        }
        let source = self.request.iter().find(|(wanted, ..)| wanted == name);
        let source = source.and_then(|(.., source)| source.as_deref());
        let mut found = (self.servers.len(), Vec::new());
        for (number, index) in self.servers.iter().enumerate() {
            if source.is_some_and(|source| !index.client.is_called(source)) {
                continue;
            }
            let versions = index.versions(name)?;
            if !versions.is_empty() {
                found = (number, versions);
                break;
            }
        }
        self.known.borrow_mut().versions.insert(name.to_owned(), found.clone());
        Ok(found)
    }

    fn needs(
        &self,
        dependencies: &[(String, Range)],
    ) -> DependencyConstraints<String, Ranges<Version>> {
        let mut all: BTreeMap<String, Ranges<Version>> = BTreeMap::new();
        for (name, range) in dependencies {
            let named = range.named().map(|version| (name.clone(), version.to_string()));
            self.known.borrow_mut().named.extend(named);
            let versions = all.entry(name.clone()).or_insert_with(Ranges::full);
            *versions = versions.intersection(&range.versions());
        }
        all.into_iter().collect()
    }
}

impl DependencyProvider for Market<'_> {
    type P = String;
    type V = Version;
    type VS = Ranges<Version>;
    type M = String;
    type Priority = (u32, Reverse<String>);
    type Err = Error;

    /// Names that have led into trouble first, else in their order.
    fn prioritize(
        &self,
        name: &String,
        _: &Ranges<Version>,
        statistics: &PackageResolutionStatistics,
    ) -> Self::Priority {
        (statistics.conflict_count(), Reverse(name.clone()))
    }

    fn choose_version(&self, name: &String, range: &Ranges<Version>) -> Result<Option<Version>> {
        if name == REQUEST {
            return Ok(Some("0.0.0".parse().expect("a version")));
        }
        let fits = |candidate: &&Candidate| range.contains(&candidate.version);
        if let Some(pinned) = self.pinned.get(name) {
            return Ok(Some(pinned).filter(fits).map(|it| it.version.clone()));
        }
        let installed = self.installed.get(name).filter(fits).map(|it| it.version.clone());
        if installed.is_some() && !self.upgrade {
            return Ok(installed);
        }
        let (_, versions) = self.versions(name)?;
        if versions.is_empty() && self.request.iter().any(|(wanted, ..)| wanted == name) {
            return Err(Error::failed(format!(
                "Failed to resolve the requested dependencies map. Could not satisfy the following requirements:\n\
                 * {name}:{range} (direct request; {})",
                self.asked()
            )));
        }
        let known = self.known.borrow();
        let is_named =
            |version: &Version| known.named.contains(&(name.clone(), version.to_string()));
        let best = versions
            .into_iter()
            .filter(|version| range.contains(version))
            .filter(|version| self.with_pre || !version.is_pre() || is_named(version))
            .max();
        Ok(best.max(installed))
    }

    fn get_dependencies(
        &self,
        name: &String,
        version: &Version,
    ) -> Result<Dependencies<String, Ranges<Version>, String>> {
        if name == REQUEST {
            let request = self.request.iter().map(|(name, range, _)| (name.clone(), range.clone()));
            return Ok(Dependencies::Available(self.needs(&request.collect::<Vec<_>>())));
        }
        if self.no_deps {
            return Ok(Dependencies::Available(self.needs(&[])));
        }
        let at_hand = [&self.pinned, &self.installed]
            .into_iter()
            .find_map(|list| list.get(name).filter(|candidate| candidate.version == *version));
        Ok(Dependencies::Available(match at_hand {
            Some(candidate) => self.needs(&candidate.dependencies),
            None => self.needs(&self.release(name, version)?.0.candidate.dependencies),
        }))
    }
}
