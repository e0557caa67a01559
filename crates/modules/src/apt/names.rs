//! The packages that are asked for.

use std::cmp::Ordering;

use system::{Command, Probe};

use super::dpkg::{Database, Package, State as Installed};
use super::{Apt, State, version};
use crate::contract::Failure;

/// One package that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// With its architecture, if that was given.
    pub(super) name: String,
    version: Option<Version>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Version {
    /// May be a pattern.
    Is(String),
    AtLeast(String),
}

/// What is asked for, patterns resolved.
pub(super) fn requests(
    apt: &Apt,
    database: &Database,
    host: &dyn Probe,
) -> Result<Vec<Request>, Failure> {
    let mut requests = Vec::new();
    for word in &apt.name {
        let request = Request::parse(word)?;
        if !is_pattern(&request.name) {
            requests.push(request);
            continue;
        }
        let names = if apt.state == State::Absent {
            installed_names(&request.name, database)
        } else {
            known_names(&request.name, host)?
        };
        if names.is_empty() && apt.state != State::Absent {
            return Err(Failure::new(format!(
                "No package(s) matching '{}' available",
                request.name
            )));
        }
        let version = &request.version;
        requests.extend(names.into_iter().map(|name| Request { name, version: version.clone() }));
    }
    Ok(requests)
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

fn installed_names(pattern: &str, database: &Database) -> Vec<String> {
    let names = database.iter().map(|package| package.name.as_str());
    let mut names: Vec<String> =
        names.filter(|name| facts::glob_matches(pattern, name)).map(str::to_owned).collect();
    names.dedup();
    names
}

/// The names that apt knows.
fn known_names(pattern: &str, host: &dyn Probe) -> Result<Vec<String>, Failure> {
    let prefix: String = pattern.chars().take_while(|c| !matches!(c, '*' | '?' | '[')).collect();
    let mut args = vec!["pkgnames".to_owned()];
    args.extend((!prefix.is_empty()).then_some(prefix));
    let output = host.query(&Command::new("apt-cache", args))?;
    let text = output.stdout_text();
    let mut names: Vec<String> =
        text.lines().filter(|name| facts::glob_matches(pattern, name)).map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

impl Request {
    /// `name`, `name:architecture`, `name=version`, `name>=version`, with patterns in name and version.
    fn parse(word: &str) -> Result<Self, Failure> {
        let word = word.trim();
        let (name, version) = match (word.split_once(">="), word.split_once('=')) {
            (Some((name, version)), _) => (name, Some(Version::AtLeast(version.trim().to_owned()))),
            (None, Some((name, version))) => (name, Some(Version::Is(version.trim().to_owned()))),
            (None, None) => (word, None),
        };
        let name = name.trim();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "+-._:*?[]!~".contains(c);
        // apt takes `-x` for an option and `x-` for "remove x".
        let is_odd = name.starts_with('-') || name.ends_with('-') || !name.chars().all(allowed);
        if name.is_empty() || is_odd {
            return Err(Failure::new(format!(
                "No package matching '{}' is available",
                word.escape_debug()
            )));
        }
        Ok(Self { name: name.to_owned(), version })
    }

    fn find<'a>(&self, database: &'a Database) -> Option<&'a Package> {
        database.find(&self.name)
    }

    pub(super) fn is_installed(&self, database: &Database) -> bool {
        self.find(database).is_some_and(Package::is_installed)
    }

    /// Installed as asked for; of a version pattern only apt knows whether there is a newer one.
    pub(super) fn is_satisfied(&self, database: &Database) -> bool {
        let Some(package) = self.find(database).filter(|package| package.is_installed()) else {
            return false;
        };
        match &self.version {
            None => true,
            Some(Version::Is(wanted)) => *wanted == package.version,
            Some(Version::AtLeast(wanted)) => {
                version::compare(&package.version, wanted) != Ordering::Less
            }
        }
    }

    /// Something of it is there to be removed.
    pub(super) fn is_there(&self, database: &Database, purge: bool) -> bool {
        let Some(package) = self.find(database) else { return false };
        let is_there = match package.state {
            Installed::Installed | Installed::Partly => true,
            Installed::ConfigFiles => purge,
            Installed::Absent => false,
        };
        let fits = match &self.version {
            None => true,
            Some(Version::Is(wanted)) => facts::glob_matches(wanted, &package.version),
            Some(Version::AtLeast(wanted)) => {
                version::compare(&package.version, wanted) != Ordering::Less
            }
        };
        is_there && fits
    }

    /// A virtual package that an installed one provides. Apt is asked only when there is such a one, since a real package
    /// of the name may exist besides.
    pub(super) fn is_only_provided(
        &self,
        database: &Database,
        host: &dyn Probe,
    ) -> Result<bool, Failure> {
        let is_candidate = self.version.is_none()
            && !self.is_installed(database)
            && database.is_provided(&self.name);
        Ok(is_candidate && candidate(&self.name, host)?.is_none())
    }

    /// The word for `apt-get install`.
    pub(super) fn word(&self, host: &dyn Probe) -> Result<String, Failure> {
        Ok(match &self.version {
            None => self.name.clone(),
            Some(Version::Is(version)) => format!("{}={version}", self.name),
            Some(Version::AtLeast(wanted)) => {
                let found = candidate(&self.name, host)?;
                let found = found.filter(|found| version::compare(found, wanted) != Ordering::Less);
                let found = found.ok_or_else(|| {
                    let name = &self.name;
                    Failure::new(format!(
                        "no available installation candidate for {name}>={wanted}"
                    ))
                })?;
                format!("{}={found}", self.name)
            }
        })
    }
}

/// The version that apt would install.
fn candidate(name: &str, host: &dyn Probe) -> Result<Option<String>, Failure> {
    let command = super::command::quiet(Command::new("apt-cache", ["policy", "--", name]));
    let output = host.query(&command)?;
    let text = output.stdout_text();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("Candidate:"));
    Ok(line.map(str::trim).filter(|version| *version != "(none)").map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Package: curl\nStatus: install ok installed\nVersion: 7.88.1-10\n\n\
        Package: vim\nStatus: deinstall ok config-files\nVersion: 9\n\n";

    #[test]
    fn requests_are_compared_with_what_is_installed() {
        let database = Database::parse(STATUS.as_bytes()).expect("reads");
        for (word, satisfied, there, there_to_purge) in [
            ("curl", true, true, true),
            ("curl=7.88.1-10", true, true, true),
            ("curl=7.88*", false, true, true),
            ("curl=8", false, false, false),
            ("curl>=7.80", true, true, true),
            ("curl >= 8", false, false, false),
            ("vim", false, false, true),
            ("nosuch", false, false, false),
        ] {
            let request = Request::parse(word).expect("a request");
            assert_eq!(request.is_satisfied(&database), satisfied, "{word} satisfied");
            assert_eq!(request.is_there(&database, false), there, "{word} there");
            assert_eq!(request.is_there(&database, true), there_to_purge, "{word} to purge");
        }
    }

    #[test]
    fn odd_names_are_refused() {
        for word in ["", " ", "-o=x", "curl-", "a b", "a;b", "=1", "a\n"] {
            let parsed = Request::parse(word);
            assert!(word == "a\n" || parsed.is_err(), "{word:?}");
        }
        assert_eq!(Request::parse("g++ ").expect("a name").name, "g++");
    }
}
