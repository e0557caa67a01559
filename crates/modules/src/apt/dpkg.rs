//! What is installed, read from dpkg's own database without starting anything.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use system::Probe;

const STATUS: &str = "/var/lib/dpkg/status";
/// A big installation's is 10 MiB.
const LIMIT: u64 = 512 << 20;

/// A package that dpkg knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) architecture: String,
    pub(crate) version: String,
    pub(crate) state: State,
    /// `apt-mark hold`.
    pub(crate) held: bool,
    pub(crate) section: String,
    provides: Vec<String>,
}

/// How far a package is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum State {
    /// Completely.
    Installed,
    /// Removed, with its configuration left.
    ConfigFiles,
    /// Unpacked or half configured: dpkg has work left.
    Partly,
    #[default]
    Absent,
}

/// dpkg's database.
#[derive(Debug, Default)]
pub(crate) struct Database {
    /// By name; more than one with several architectures.
    packages: BTreeMap<String, Vec<Package>>,
    provided: BTreeMap<String, BTreeSet<String>>,
    /// The machine's own architecture, from the package `dpkg` itself.
    native: String,
}

impl Database {
    /// Reads the database; empty when there is none.
    pub(crate) fn read(probe: &dyn Probe) -> system::Result<Self> {
        match probe.open(Path::new(STATUS))? {
            Some(reader) => Self::parse(reader.take(LIMIT)).map_err(|source| system::Error::Path {
                doing: "read",
                path: STATUS.into(),
                source,
            }),
            None => Ok(Self::default()),
        }
    }

    pub(crate) fn parse(reader: impl Read) -> std::io::Result<Self> {
        let mut database = Self::default();
        let mut package = Package::default();
        let mut lines = BufReader::with_capacity(1 << 16, reader);
        let mut line = Vec::new();
        loop {
            line.clear();
            let end = lines.read_until(b'\n', &mut line)? == 0;
            let text = line.trim_ascii_end();
            if text.is_empty() {
                database.add(std::mem::take(&mut package));
                if end {
                    return Ok(database);
                }
                continue;
            }
            package.read_field(text);
        }
    }

    fn add(&mut self, package: Package) {
        if package.name.is_empty() || package.state == State::Absent {
            return;
        }
        if package.name == "dpkg" {
            self.native.clone_from(&package.architecture);
        }
        if package.state == State::Installed {
            for name in &package.provides {
                self.provided.entry(name.clone()).or_default().insert(package.name.clone());
            }
        }
        self.packages.entry(package.name.clone()).or_default().push(package);
    }

    /// A package by `name` or `name:architecture`. Without an architecture the machine's own comes first.
    pub(crate) fn find(&self, name: &str) -> Option<&Package> {
        let (name, architecture) = match name.split_once(':') {
            Some((name, "native")) => (name, Some(self.native.as_str())),
            Some((name, "any")) => (name, None),
            None => (name, None),
            Some((name, architecture)) => (name, Some(architecture)),
        };
        let all = self.packages.get(name)?;
        match architecture {
            Some(wanted) => all
                .iter()
                .find(|package| package.architecture == wanted || package.architecture == "all"),
            None => all
                .iter()
                .find(|package| package.architecture == self.native && package.is_installed())
                .or_else(|| all.iter().find(|package| package.is_installed()))
                .or_else(|| all.first()),
        }
    }

    /// Whether an installed package provides a virtual one.
    pub(crate) fn is_provided(&self, name: &str) -> bool {
        self.provided.contains_key(name)
    }

    /// All packages.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Package> {
        self.packages.values().flatten()
    }
}

impl Package {
    pub(crate) fn is_installed(&self) -> bool {
        self.state == State::Installed
    }

    fn read_field(&mut self, line: &[u8]) {
        // Only these are wanted; looking at bytes first keeps the file's megabytes cheap.
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let value = || String::from_utf8_lossy(line[colon + 1..].trim_ascii()).into_owned();
        match &line[..colon] {
            b"Package" => self.name = value(),
            b"Version" => self.version = value(),
            b"Architecture" => self.architecture = value(),
            b"Section" => self.section = value(),
            b"Status" => {
                let status = value();
                let words: Vec<&str> = status.split(' ').collect();
                self.held = words.first() == Some(&"hold");
                self.state = match words.last() {
                    Some(&"installed") => State::Installed,
                    Some(&"config-files") => State::ConfigFiles,
                    Some(&"not-installed") | None => State::Absent,
                    Some(_) => State::Partly,
                };
            }
            b"Provides" => {
                let names = value();
                let names = names.split(',').filter_map(|name| name.split_whitespace().next());
                self.provides = names.map(str::to_owned).collect();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.21\n\n\
        Package: exim4\nStatus: hold ok installed\nArchitecture: all\nVersion: 4.96-1\nSource: exim (4.96)\n\
        Provides: mail-transport-agent, smtp (= 1)\nDescription: x\n Package: not a field\n .\n\n\
        Package: vim\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 9\nProvides: editor\n\n\n\
        Package: libc6\nStatus: install ok installed\nArchitecture: i386\nVersion: 2.36\n\n\
        Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.37\n\n\
        Package: half\nStatus: install ok unpacked\nVersion: 1\n\n\
        Package: gone\nStatus: unknown ok not-installed\n";

    #[test]
    fn the_database_is_read() {
        let database = Database::parse(TEXT.as_bytes()).expect("reads");
        let find = |name: &str| database.find(name).expect("is known");
        let exim = find("exim4");
        assert!(exim.is_installed() && exim.held);
        assert_eq!(exim.version, "4.96-1");
        assert!(database.is_provided("smtp") && !database.is_provided("editor"));
        assert_eq!(find("vim").state, State::ConfigFiles);
        assert_eq!(find("half").state, State::Partly);
        assert!(database.find("gone").is_none() && database.find("nosuch").is_none());
        assert_eq!(find("libc6").version, "2.37", "the machine's own architecture");
        assert_eq!(find("libc6:i386").version, "2.36");
        assert_eq!(find("libc6:native").version, "2.37");
        assert!(database.find("libc6:arm64").is_none());
        assert_eq!(database.iter().count(), 6);
    }

    #[test]
    fn a_broken_database_is_not_the_end() {
        let database =
            Database::parse(&b"\xff\xfe\nPackage\n\nPackage: a\nStatus: x\n"[..]).expect("reads");
        assert_eq!(database.find("a").map(|package| package.state), Some(State::Partly));
    }
}
