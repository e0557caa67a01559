//! `docker_image`: images, built, loaded, pulled, tagged, pushed, archived and removed.

mod context;

use std::path::PathBuf;

use model::{Args, Diff};
use serde_json::{Map, Value, json};
use system::{Attributes, Probe, System, WriteFile};

use super::engine::{Connection, Worker, query, stream};
use super::registry::{ImageName, is_id};
use super::{image, size};
use crate::arguments::part;
use crate::arguments::{Presence, arguments, choices, python_text};
use crate::contract::{Change, Check, Failure, Module};
use crate::diff;
use crate::http::url::form_encoded;

/// Of an archive that is loaded.
const ARCHIVE_LIMIT: u64 = 4 << 30;

choices! {
    /// Where an image comes from.
    pub enum Source {
        /// A Dockerfile.
        Build = "build",
        /// An archive.
        Load = "load",
        /// Nowhere: it must be here.
        Local = "local",
        /// A registry.
        Pull = "pull",
    }
}

arguments! {
    /// Builds, loads, pulls, tags, pushes, archives and removes images.
    pub struct DockerImage {
        /// Its name, with or without tag.
        pub name: String,
        /// The tag of a name without one.
        pub tag: String { default: "latest" },
        /// Where it comes from.
        pub source: Option<Source>,
        /// How it is built: `path`, `dockerfile`, `args` and so on.
        pub build: Option<Args>,
        /// How it is pulled: `platform`.
        pub pull: Option<Args>,
        /// The archive that it is loaded from.
        pub load_path: Option<PathBuf>,
        /// The archive that it is written to.
        pub archive_path: Option<PathBuf>,
        /// One more name of it.
        pub repository: Option<String>,
        /// Push it.
        pub push: bool { default: false },
        /// Get it even if it is here.
        pub force_source: bool { default: false },
        /// Give it the other name even if that is another image's.
        pub force_tag: bool { default: false },
        /// Remove it with all its names.
        pub force_absent: bool { default: false },
        /// Whether it shall be here.
        pub state: Presence { default: "present" },
        pub connection: Connection,
    }
}

arguments! {
    /// How an image is built.
    pub struct BuildOption {
        /// The directory that it is built from.
        pub path: PathBuf,
        /// The Dockerfile in it.
        pub dockerfile: Option<String>,
        /// Values for its `ARG`s.
        pub args: Option<Args>,
        /// Images whose layers may be used.
        pub cache_from: Option<Vec<String>>,
        /// Limits of the containers that build.
        pub container_limits: Option<Args>,
        /// Lines of their hosts file.
        pub etc_hosts: Option<Args>,
        /// Accepted: see `timeout`.
        pub http_timeout: Option<u64>,
        /// Labels of the image.
        pub labels: Option<Args>,
        /// The network of the containers that build.
        pub network: Option<String>,
        /// Use no layers from before.
        pub nocache: bool { default: false },
        /// Its platform.
        pub platform: Option<String>,
        /// Pull the image that it is built on.
        pub pull: bool { default: false },
        /// Remove the containers that built.
        pub rm: bool { default: true },
        /// The size of their `/dev/shm`.
        pub shm_size: Option<String>,
        /// The stage to stop at.
        pub target: Option<String>,
        /// Accepted: no proxies are handed on.
        pub use_config_proxy: Option<bool>,
    }
}

arguments! {
    /// How an image is pulled.
    pub struct PullOption {
        /// Its platform.
        pub platform: Option<String>,
    }
}

/// What is to be done to an image.
#[derive(Default)]
pub(crate) struct ImageChange {
    gets: Option<Source>,
    removes: bool,
    tags: bool,
    archives: bool,
    before: Map<String, Value>,
    after: Map<String, Value>,
}

impl Change for ImageChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state("image", json!(self.before), json!(self.after))])
    }
}

impl Module for DockerImage {
    type Change = ImageChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<ImageChange>, Failure> {
        self.validate(host)?;
        let engine = self.connection.engine(host)?;
        let found = image::find(&engine, &self.name, &self.tag)?;
        result.insert("image".into(), found.clone().unwrap_or_else(|| json!({})));
        result.insert("actions".into(), json!([]));
        let mut change = ImageChange::default();
        let mut differs = |name: &str, before: Value, after: Value| {
            change.before.insert(name.to_owned(), before);
            change.after.insert(name.to_owned(), after);
        };
        if !self.state.is_present() {
            differs("exists", found.is_some().into(), false.into());
            change.removes = found.is_some();
            return Ok(if change.removes { Check::Drift(change) } else { Check::InSync });
        }
        if found.is_none() || self.force_source {
            let source = self.source.filter(|source| found.is_none() || *source != Source::Local);
            if found.is_none() {
                differs("exists", false.into(), true.into());
                if matches!(source, Some(Source::Local) | None) {
                    let full = self.full()?.full();
                    return Err(Failure::new(format!("Cannot find the image {full} locally.")));
                }
            }
            change.gets = source;
        }
        if let Some(other) = self.other_name()? {
            let named = engine.find(&format!("/images/{}/json", form_encoded(&other.full())))?;
            let id = |image: &Option<Value>| image.as_ref().map(|image| image["Id"].clone());
            let is_free = named.is_none() || self.force_tag || change.gets.is_some();
            if is_free && (found.is_none() || id(&named) != id(&found)) {
                change.tags = true;
                change.before.insert("repository".into(), id(&named).unwrap_or_default());
                change.after.insert("repository".into(), other.full().into());
            }
        }
        if let Some(path) = &self.archive_path
            && (change.gets.is_some() || !self.is_archived(host, found.as_ref())?)
        {
            change.archives = true;
            change.before.insert("archive".into(), Value::Null);
            change.after.insert("archive".into(), path.to_string_lossy().into_owned().into());
        }
        Ok(self.verdict(found.is_some(), change))
    }

    fn apply(
        &self,
        change: ImageChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        let worker = self.connection.worker(host)?;
        let before = image::find(&worker, &self.name, &self.tag)?;
        if change.removes {
            return self.remove(&worker, before.as_ref(), result);
        }
        let mut is_changed = change.tags || change.archives;
        if let Some(source) = change.gets {
            match source {
                Source::Build => self.build(&worker, result)?,
                Source::Load => self.load(&worker)?,
                Source::Pull => self.fetch(&worker)?,
                Source::Local => {}
            }
            let after = image::find(&worker, &self.name, &self.tag)?;
            let id = |image: &Option<Value>| image.as_ref().map(|image| image["Id"].clone());
            is_changed |= id(&before) != id(&after);
        }
        let full = self.full()?.full();
        if let Some(other) = self.other_name()?.filter(|_| change.tags) {
            let pairs =
                [("repo", other.repository.as_str()), ("tag", other.tag.as_str()), ("force", "1")];
            let path = format!("/images/{}/tag{}", form_encoded(&full), query(&pairs));
            worker.post(&format!("Error tagging image {full}"), &path, None)?;
        }
        if let Some(path) = self.archive_path.as_ref().filter(|_| change.archives) {
            let bytes = worker.bytes(&format!("/images/{}/get", form_encoded(&full)))?;
            let attributes = Attributes::default();
            let content = &mut bytes.as_slice();
            host.write(WriteFile { path, content, attributes, validate: None, in_place: false })?;
        }
        if self.push {
            let name = self.other_name()?.map_or_else(|| self.full(), Ok)?;
            is_changed |= image::push(&worker, &name)?;
        }
        result.insert("changed".into(), is_changed.into());
        let found = image::find(&worker, &self.name, &self.tag)?;
        result.insert("image".into(), found.unwrap_or_else(|| json!({})));
        Ok(())
    }
}

impl DockerImage {
    fn full(&self) -> Result<ImageName, Failure> {
        if is_id(&self.name) {
            return Ok(ImageName { repository: self.name.clone(), tag: String::new() });
        }
        ImageName::parse(&self.name, &self.tag)
    }

    fn other_name(&self) -> Result<Option<ImageName>, Failure> {
        let tag = self.full()?.tag;
        let tag = if tag.is_empty() { "latest" } else { tag.as_str() };
        self.repository.as_ref().map(|name| ImageName::parse(name, tag)).transpose()
    }

    fn validate(&self, host: &dyn Probe) -> Result<(), Failure> {
        if is_id(&self.name) && self.state.is_present() && self.source != Some(Source::Local) {
            return Err(Failure::new("Image ID cannot be used with source other than local"));
        }
        self.full()?;
        self.other_name()?;
        if let Some(given) = &self.pull {
            part::<PullOption>("pull", given, host)?;
        }
        match (self.source, &self.build, &self.load_path) {
            (Some(Source::Build), None, _) => {
                Err(Failure::new("source is build but all of the following are missing: build"))
            }
            (Some(Source::Load), _, None) => {
                Err(Failure::new("source is load but all of the following are missing: load_path"))
            }
            (Some(Source::Build), Some(given), _) => {
                let build: BuildOption = part("build", given, host)?;
                let is_folder = host
                    .stat(&build.path, true)?
                    .is_some_and(|stat| stat.kind == system::FileKind::Directory);
                if is_folder {
                    Ok(())
                } else {
                    let path = build.path.display();
                    Err(Failure::new(format!(
                        "Requested build path {path} could not be found or you do not have access."
                    )))
                }
            }
            (Some(Source::Load), _, Some(path)) => match host.stat(path, true)? {
                Some(_) => Ok(()),
                None => Err(Failure::new(format!(
                    "Error loading image {}. Specified path {} does not exist.",
                    self.name,
                    path.display()
                ))),
            },
            _ => Ok(()),
        }
    }

    /// A push and a second build or pull may turn out to be no change.
    fn verdict(&self, is_here: bool, change: ImageChange) -> Check<ImageChange> {
        if change.tags || change.archives || (change.gets.is_some() && !is_here) {
            Check::Drift(change)
        } else if change.gets.is_some() || self.push {
            Check::Upkeep(change)
        } else {
            Check::InSync
        }
    }

    /// Whether the archive has this image.
    fn is_archived(&self, host: &dyn Probe, found: Option<&Value>) -> Result<bool, Failure> {
        let (Some(path), Some(found)) = (&self.archive_path, found) else { return Ok(false) };
        let Some(reader) = host.open(path)? else { return Ok(false) };
        let manifest = context::manifest(reader).unwrap_or_default();
        let id = found["Id"].as_str().unwrap_or_default();
        let hex = id.strip_prefix("sha256:").unwrap_or(id);
        Ok(manifest.as_array().is_some_and(|images| {
            images.len() == 1
                && images[0]["Config"].as_str().is_some_and(|config| config.contains(hex))
        }))
    }

    fn remove(
        &self,
        worker: &Worker<'_>,
        found: Option<&Value>,
        result: &mut Args,
    ) -> Result<(), Failure> {
        let full = if is_id(&self.name) { self.name.clone() } else { self.full()?.full() };
        let force = if self.force_absent { "true" } else { "false" };
        let path = format!("/images/{}{}", form_encoded(&full), query(&[("force", force)]));
        worker.delete(&format!("Error removing image {full}"), &path)?;
        let mut gone = found.cloned().unwrap_or_else(|| json!({}));
        gone["state"] = "Deleted".into();
        result.insert("image".into(), gone);
        Ok(())
    }

    fn fetch(&self, worker: &Worker<'_>) -> Result<(), Failure> {
        let options: Option<PullOption> =
            self.pull.as_ref().map(|given| part("pull", given, worker.host)).transpose()?;
        let platform = options.and_then(|options| options.platform);
        image::pull(worker, &self.full()?, platform.as_deref()).map(drop)
    }

    fn load(&self, worker: &Worker<'_>) -> Result<(), Failure> {
        let path = self.load_path.as_ref().expect("it was asked for");
        let doing = format!("Error loading image {} from {}", self.name, path.display());
        let archive = worker.host.read(path, ARCHIVE_LIMIT)?.unwrap_or_default();
        stream(&doing, &worker.post_archive(&doing, "/images/load", Vec::new(), archive)?)?;
        let full = self.full()?.full();
        match image::find(worker, &self.name, &self.tag)? {
            Some(_) => Ok(()),
            None => {
                Err(Failure::new(format!("{doing}: the archive has no image of the name {full}")))
            }
        }
    }

    fn build(&self, worker: &Worker<'_>, result: &mut Args) -> Result<(), Failure> {
        let given = self.build.as_ref().expect("it was asked for");
        let build: BuildOption = part("build", given, worker.host)?;
        let full = self.full()?.full();
        let doing = format!("Error building {full}");
        let archive = context::archive(worker.host, &build.path, build.dockerfile.as_deref())?;
        let pairs = build.pairs(&full)?;
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let bytes = worker.post_archive(
            &doing,
            &format!("/build{}", query(&pairs)),
            Vec::new(),
            archive,
        )?;
        let lines = stream(&doing, &bytes)?;
        let text: String = lines.iter().filter_map(|line| line["stream"].as_str()).collect();
        result.insert("stdout".into(), text.into());
        Ok(())
    }
}

impl BuildOption {
    /// The parameters of the request.
    fn pairs(&self, full: &str) -> Result<Vec<(&'static str, String)>, Failure> {
        let texts = |given: &Args| -> String {
            let pairs = given.iter().map(|(key, value)| (key.clone(), python_text(value).into()));
            Value::Object(pairs.collect()).to_string()
        };
        let mut pairs = vec![
            ("t", full.to_owned()),
            ("nocache", self.nocache.to_string()),
            ("rm", self.rm.to_string()),
            ("forcerm", self.rm.to_string()),
        ];
        let mut set =
            |key: &'static str, value: Option<String>| pairs.extend(value.map(|v| (key, v)));
        set("dockerfile", self.dockerfile.clone());
        set("pull", self.pull.then(|| "true".to_owned()));
        set("buildargs", self.args.as_ref().map(texts));
        set("labels", self.labels.as_ref().map(texts));
        set("networkmode", self.network.clone());
        set("platform", self.platform.clone());
        set("target", self.target.clone());
        set("cachefrom", self.cache_from.as_ref().map(|list| json!(list).to_string()));
        let hosts = |hosts: &Args| {
            let line = |(name, ip): (&String, &Value)| format!("{name}:{}", python_text(ip));
            hosts.iter().map(line).collect::<Vec<_>>().join(",")
        };
        set("extrahosts", self.etc_hosts.as_ref().map(hosts));
        if let Some(text) = &self.shm_size {
            set("shmsize", Some(size::bytes("build.shm_size", text)?.to_string()));
        }
        for (name, key) in [
            ("memory", "memory"),
            ("memswap", "memswap"),
            ("cpushares", "cpushares"),
            ("cpusetcpus", "cpusetcpus"),
        ] {
            let value = self.container_limits.as_ref().and_then(|limits| limits.get(name));
            let value = value.map(python_text);
            let value = match value {
                Some(text) if name.starts_with("mem") && text != "-1" => {
                    Some(size::bytes(name, &text)?.to_string())
                }
                other => other,
            };
            set(key, value);
        }
        Ok(pairs)
    }
}
