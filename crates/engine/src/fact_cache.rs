//! `fact_caching = jsonfile`: facts of hosts that outlive a run, a file each, as Ansible lays them out.
//!
//! A file holds `{"__payload__": "..."}` with the facts as JSON inside; a plain mapping of facts, as older versions wrote
//! it, is read too.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use model::{Args, HostName};

/// More than the facts of any host.
const MAX_SIZE: u64 = 64 << 20;

/// A directory of cached facts.
#[derive(Debug, Clone)]
pub struct FactCache {
    /// Where the files are.
    pub directory: PathBuf,
    /// What their names begin with.
    pub prefix: String,
    /// How long facts are believed; `None`: for ever.
    pub timeout: Option<Duration>,
}

impl FactCache {
    /// The facts of a host that are still believed. What cannot be read is an error with the path.
    pub(crate) fn load(&self, host: &HostName) -> Result<Option<Args>, String> {
        let path = self.path(host);
        let failed = |why: String| format!("cached facts in {} are ignored: {why}", path.display());
        let metadata = match path.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error.to_string())),
        };
        if !metadata.is_file() || metadata.len() > MAX_SIZE {
            return Err(failed("not a file of reasonable size".into()));
        }
        let age = metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        if self.timeout.zip(age).is_some_and(|(timeout, age)| age > timeout) {
            return Ok(None);
        }
        let text = fs::read(&path).map_err(|error| failed(error.to_string()))?;
        facts(&text).map(Some).map_err(|error| failed(error.to_string()))
    }

    /// Keeps the facts of a host in place of older ones.
    pub(crate) fn keep(&self, host: &HostName, facts: &Args) -> Result<(), String> {
        let path = self.path(host);
        self.write(&path, facts)
            .map_err(|error| format!("facts cannot be kept in {}: {error}", path.display()))
    }

    fn write(&self, path: &Path, facts: &Args) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let payload = serde_json::to_string(facts)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        serde_json::to_writer(&mut file, &serde_json::json!({ "__payload__": payload }))?;
        file.flush()?;
        file.persist(path).map(drop).map_err(|error| error.error)
    }

    /// Forgets a host.
    pub(crate) fn forget(&self, host: &HostName) -> Result<(), String> {
        match fs::remove_file(self.path(host)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(format!("the cached facts of {host} cannot be removed: {error}"))
            }
            _ => Ok(()),
        }
    }

    /// A host's name is data: no separator of paths in it counts.
    fn path(&self, host: &HostName) -> PathBuf {
        let name = host.as_str().replace('%', "%25").replace('/', "%2F");
        self.directory.join(format!("{}s1_{name}", self.prefix))
    }
}

fn facts(text: &[u8]) -> serde_json::Result<Args> {
    let outer: Args = serde_json::from_slice(text)?;
    match outer.get("__payload__").and_then(serde_json::Value::as_str) {
        Some(payload) => serde_json::from_str(payload),
        None => Ok(outer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_kept_believed_for_a_while_and_forgotten() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("cache");
        let cache = FactCache { directory, prefix: "p_".into(), timeout: None };
        let host = HostName::from("../web01");
        assert_eq!(cache.load(&host), Ok(None));
        let facts: Args = serde_json::from_str(r#"{"ansible_a": [1], "b": "two"}"#).unwrap();
        cache.keep(&host, &facts).unwrap();
        assert_eq!(cache.load(&host), Ok(Some(facts)));
        assert!(cache.directory.join("p_s1_..%2Fweb01").exists());
        let old = FactCache { timeout: Some(Duration::ZERO), ..cache.clone() };
        assert_eq!(old.load(&host), Ok(None));
        cache.forget(&host).unwrap();
        cache.forget(&host).unwrap();
        assert_eq!(cache.load(&host), Ok(None));
    }

    #[test]
    fn plain_mappings_are_read_and_garbage_is_named() {
        let place = tempfile::tempdir().unwrap();
        let cache =
            FactCache { directory: place.path().into(), prefix: String::new(), timeout: None };
        let path = place.path().join("s1_web");
        fs::write(&path, r#"{"ansible_a": 1}"#).unwrap();
        assert_eq!(cache.load(&"web".into()).unwrap().unwrap().len(), 1);
        fs::write(&path, "[").unwrap();
        assert!(cache.load(&"web".into()).unwrap_err().contains("s1_web are ignored"));
    }
}
