//! Installing and downloading collections, with what they depend on.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};

use super::release::Index;
use super::solve::{Known, Market};
use super::wanted::Place;
use super::{Candidate, Wanted, find, info, install_artifact, look};
use crate::{Client, Error, Range, Result, Scm, Talk, Version, build};

/// How collections are installed.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct How {
    /// Install again what was asked for and is there.
    pub force: bool,
    /// Install again what that depends on, too.
    pub force_with_deps: bool,
    /// Leave out what it depends on.
    pub no_deps: bool,
    /// Take newer versions than those that are installed.
    pub upgrade: bool,
    /// Take versions before a release.
    pub pre: bool,
}

/// Where collections come from, and where they go.
pub struct Collections<'a> {
    /// Servers in the order in which they are asked; none: nothing is asked.
    pub servers: &'a [Client],
    /// The directory that has, or gets, `ansible_collections`.
    pub root: &'a Path,
    /// Who is told how it goes.
    pub talk: &'a dyn Talk,
}

/// What was chosen, and where its archive is if that is at hand.
struct Chosen {
    name: String,
    version: Version,
    archive: Option<PathBuf>,
}

impl Collections<'_> {
    /// Installs collections, and what they depend on.
    pub fn install(&self, wanted: &[Wanted], how: How) -> Result<()> {
        self.talk.say("Starting galaxy collection install process");
        let scratch = scratch()?;
        let installed = self.installed();
        let (market, archives, direct) = self.market(wanted, how, installed, scratch.path())?;
        self.talk.say("Process install dependency map");
        let chosen = choose(&market, &archives)?;
        let is_there = |it: &Chosen| {
            market.installed.get(&it.name).is_some_and(|there| there.version == it.version)
        };
        let again = |it: &Chosen| how.force_with_deps || how.force && direct.contains(&it.name);
        if chosen.iter().all(|it| is_there(it) && !again(it)) {
            self.talk.say(
                "Nothing to do. All requested collections are already installed. If you want to reinstall them, consider \
                 using `--force`.",
            );
            return Ok(());
        }
        self.talk.say("Starting collection install process");
        for it in chosen {
            if is_there(&it) && !again(&it) {
                self.talk
                    .say(&format!("'{}:{}' is already installed, skipping.", it.name, it.version));
                continue;
            }
            let archive = self.archive(&market, &it, scratch.path())?;
            install_artifact(&archive, self.root, true, self.talk)?;
        }
        Ok(())
    }

    /// Fetches the archives of collections, and of what they depend on, into a directory, with a file of requirements by
    /// which they can be installed elsewhere.
    pub fn download(&self, wanted: &[Wanted], how: How, into: &Path) -> Result<()> {
        std::fs::create_dir_all(into).map_err(|error| Error::io("make", into, &error))?;
        let scratch = scratch()?;
        let (market, archives, _) = self.market(wanted, how, HashMap::new(), scratch.path())?;
        self.talk.say("Process install dependency map");
        let mut entries = Vec::new();
        self.talk.say(&format!("Starting collection download process to '{}'", into.display()));
        for it in choose(&market, &archives)? {
            let file = file_name(&it);
            let target = into.join(&file);
            let archive = self.archive(&market, &it, scratch.path())?;
            std::fs::copy(&archive, &target)
                .map_err(|error| Error::io("write", &target, &error))?;
            self.talk.say(&format!(
                "Collection '{}:{}' was downloaded successfully",
                it.name, it.version
            ));
            entries.push(json!({"name": file, "version": it.version.to_string()}));
        }
        let path = into.join("requirements.yml");
        let list = build::pretty(&Json::Object(Map::from_iter([(
            "collections".into(),
            Json::Array(entries),
        )])));
        std::fs::write(&path, list).map_err(|error| Error::io("write", &path, &error))?;
        self.talk.say(&format!(
            "Writing requirements.yml file of downloaded collections to '{}'",
            path.display()
        ));
        Ok(())
    }

    fn installed(&self) -> HashMap<String, Candidate> {
        let found = find(self.root).into_iter().filter_map(|found| {
            let place = found.path.display().to_string();
            Some((found.name, Candidate::of(&info(&found.path).ok()?, &place).ok()?))
        });
        found.collect()
    }

    /// All that is known before a choice, the archives at hand, and the names that were asked for.
    fn market(
        &self,
        wanted: &[Wanted],
        how: How,
        installed: HashMap<String, Candidate>,
        scratch: &Path,
    ) -> Result<(Market<'_>, HashMap<String, PathBuf>, HashSet<String>)> {
        let mut market = Market {
            servers: self.servers.iter().map(Index::of).collect(),
            pinned: HashMap::new(),
            installed,
            upgrade: how.upgrade,
            with_pre: how.pre,
            no_deps: how.no_deps,
            request: Vec::new(),
            known: RefCell::new(Known::default()),
        };
        let mut archives = HashMap::new();
        for (number, wanted) in wanted.iter().enumerate() {
            let directory = scratch.join(number.to_string());
            std::fs::create_dir(&directory)
                .map_err(|error| Error::io("make", &directory, &error))?;
            if let Place::Server { name, range, source } = &wanted.place {
                market.request.push((name.clone(), range.clone(), source.clone()));
                continue;
            }
            for archive in self.fetch(wanted, &directory)? {
                let candidate = look(&archive)?;
                let range: Range = "*".parse().expect("a range");
                market.request.push((candidate.name.clone(), range, None));
                archives.insert(candidate.name.clone(), archive);
                market.pinned.insert(candidate.name.clone(), candidate);
            }
        }
        if how.force || how.force_with_deps {
            // What is to be installed again is chosen anew.
            let direct: HashSet<_> = market.request.iter().map(|(name, ..)| name).collect();
            market.installed.retain(|name, _| !how.force_with_deps && !direct.contains(name));
        }
        let direct = market.request.iter().map(|(name, ..)| name.clone()).collect();
        Ok((market, archives, direct))
    }

    /// The archives of what is not on a server.
    fn fetch(&self, wanted: &Wanted, directory: &Path) -> Result<Vec<PathBuf>> {
        match &wanted.place {
            Place::Server { .. } => Ok(Vec::new()),
            Place::Archive(path) => Ok(vec![path.clone()]),
            Place::Directory(path) => built(path, directory),
            Place::Address(address) => {
                let client = self.servers.first().ok_or_else(|| {
                    Error::failed(format!("{address} cannot be fetched without a network"))
                })?;
                let archive = directory.join("collection.tar.gz");
                self.talk.say(&format!("Downloading {address}"));
                client.download(address, &archive)?;
                Ok(vec![archive])
            }
            Place::Repository { url, inside, version } => {
                self.talk.say(&format!("Cloning into '{}'...", wanted.text));
                let tree = Scm::Git.fetch(url, "tree", version.as_deref(), directory)?;
                let inside = crate::archive::normal(inside).ok_or_else(|| {
                    Error::failed(format!(
                        "{} names a directory outside of the repository",
                        wanted.text
                    ))
                })?;
                built(&tree.join(inside), directory)
            }
        }
    }

    fn archive(&self, market: &Market<'_>, it: &Chosen, scratch: &Path) -> Result<PathBuf> {
        if let Some(archive) = &it.archive {
            return Ok(archive.clone());
        }
        let (release, index) = market.release(&it.name, &it.version)?;
        let target = scratch.join(file_name(it));
        self.talk.say(&format!("Downloading {} to {}", release.url, target.display()));
        index.download(&release, &target)?;
        let candidate = look(&target)?;
        if candidate.name == it.name && candidate.version == it.version {
            return Ok(target);
        }
        Err(Error::failed(format!(
            "{} was asked for {}:{} and gave {}:{}",
            index.client.name(),
            it.name,
            it.version,
            candidate.name,
            candidate.version
        )))
    }
}

fn choose(market: &Market<'_>, archives: &HashMap<String, PathBuf>) -> Result<Vec<Chosen>> {
    let solved = market.solve()?;
    let chosen = solved.into_iter().map(|(name, version)| {
        let archive = archives.get(&name).cloned();
        Chosen { name, version, archive }
    });
    Ok(chosen.collect())
}

fn scratch() -> Result<tempfile::TempDir> {
    tempfile::tempdir()
        .map_err(|error| Error::io("make a directory in", &std::env::temp_dir(), &error))
}

fn file_name(it: &Chosen) -> String {
    format!("{}-{}.tar.gz", it.name.replace('.', "-"), it.version)
}

/// Packs the collection of a directory, or each of those right below it.
fn built(source: &Path, output: &Path) -> Result<Vec<PathBuf>> {
    let is_source = |path: &Path| path.join("galaxy.yml").is_file();
    if is_source(source) {
        return Ok(vec![build(source, output, true)?.archive]);
    }
    let entries = std::fs::read_dir(source).map_err(|error| Error::io("list", source, &error))?;
    let mut below: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    below.retain(|path| is_source(path));
    below.sort();
    if below.is_empty() {
        return Err(Error::failed(format!(
            "The collection galaxy.yml path '{}' does not exist, nor do those of directories below.",
            source.join("galaxy.yml").display()
        )));
    }
    below.iter().map(|path| Ok(build(path, output, true)?.archive)).collect()
}
