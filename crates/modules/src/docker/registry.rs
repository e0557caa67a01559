//! Logins to registries, where Docker's own client keeps them (`config.json`), and the names of images.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use model::Secret;
use serde_json::{Value, json};
use system::{Command, Probe};

use super::engine::Engine;
use crate::contract::Failure;

/// Docker's own registry, as `config.json` names it.
pub(crate) const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// Of the configuration of Docker's client.
const LIMIT: u64 = 4 << 20;

/// A name of an image, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageName {
    /// With the registry, if it names one.
    pub repository: String,
    /// A tag or a digest.
    pub tag: String,
}

impl ImageName {
    /// `registry:port/name:tag`, `name@sha256:...`; what has neither gets this tag.
    pub(crate) fn parse(text: &str, tag: &str) -> Result<Self, Failure> {
        let is_odd =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '%' | '\\');
        if text.is_empty() || text.starts_with('-') || text.contains(is_odd) {
            return Err(Failure::new(format!("\"{text}\" is not a valid image name")));
        }
        let split = match text.split_once('@') {
            Some((repository, digest)) => Some((repository, digest)),
            // A colon before a slash is the registry's port.
            None => text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')),
        };
        let (repository, tag) = split.unwrap_or((text, tag));
        Ok(Self { repository: repository.to_owned(), tag: tag.to_owned() })
    }

    /// As a whole.
    pub(crate) fn full(&self) -> String {
        let sign = if self.tag.contains(':') { '@' } else { ':' };
        format!("{}{sign}{}", self.repository, self.tag)
    }

    /// The registry that it names, as `config.json` names it.
    pub(crate) fn registry(&self) -> &str {
        let first = self.repository.split_once('/').map(|(first, _)| first);
        first.filter(|name| name.contains(['.', ':']) || *name == "localhost").unwrap_or(DOCKER_HUB)
    }
}

/// Whether this is an image's id and no name.
pub(crate) fn is_id(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    hex.len() == 64 && hex.chars().all(|c| c.is_ascii_hexdigit())
}

/// The configuration of Docker's client; an empty one where there is none.
pub(crate) fn configuration(host: &dyn Probe, path: &Path) -> Result<Value, Failure> {
    match host.read(path, LIMIT)? {
        None => Ok(json!({})),
        Some(bytes) if bytes.trim_ascii().is_empty() => Ok(json!({})),
        Some(bytes) => serde_json::from_slice(&bytes)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| Failure::new(format!("Invalid JSON in {}", path.display()))),
    }
}

/// The name of a registry without scheme and path: how logins are compared.
pub(crate) fn bare(registry: &str) -> &str {
    let rest = registry.split_once("://").map_or(registry, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// The user and password kept in an `auth` entry.
pub(crate) fn kept(entry: &Value) -> Option<(String, Secret<String>)> {
    let bytes = STANDARD.decode(entry["auth"].as_str()?.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.trim_end_matches('\0').split_once(':')?;
    Some((user.to_owned(), Secret::new(password.to_owned())))
}

/// The program that keeps logins for a registry, if the configuration names one.
pub(crate) fn helper(configuration: &Value, registry: &str) -> Option<String> {
    let own = configuration["credHelpers"]
        .get(registry)
        .or_else(|| configuration["credHelpers"].get(bare(registry)));
    let name = own.or_else(|| configuration.get("credsStore"))?.as_str()?;
    let is_plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_plain.then(|| format!("docker-credential-{name}"))
}

/// A call of such a program: what it reads is never in its arguments.
pub(crate) fn call(program: &str, verb: &str, input: Vec<u8>) -> Command {
    let mut command = Command::new(program, [verb]);
    command.stdin = Some(Secret::new(input));
    command
}

/// The header that logs in to the registry of an image, when there is a login for it.
pub(crate) fn login_header(
    engine: &Engine<'_>,
    image: &ImageName,
) -> Result<Vec<(String, String)>, Failure> {
    let host = engine.host();
    let folder = host.variable("DOCKER_CONFIG").unwrap_or_else(|| "~/.docker".to_owned());
    let configuration = configuration(host, &engine.at_home(&folder).join("config.json"))?;
    let registry = image.registry();
    let mut login = None;
    if let Some(program) = helper(&configuration, registry) {
        let output = host.query(&call(&program, "get", registry.as_bytes().to_vec()))?;
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if let (true, Some(user), Some(password)) =
            (output.is_success(), told["Username"].as_str(), told["Secret"].as_str())
        {
            login = Some((user.to_owned(), Secret::new(password.to_owned())));
        }
    }
    let entries = configuration["auths"].as_object();
    let entry =
        || entries?.iter().find(|(name, _)| bare(name) == bare(registry)).map(|(_, entry)| entry);
    let Some((user, password)) = login.or_else(|| kept(entry()?)) else { return Ok(Vec::new()) };
    let text =
        json!({ "username": user, "password": password.reveal(), "serveraddress": registry });
    Ok(vec![("X-Registry-Auth".to_owned(), URL_SAFE.encode(text.to_string()))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images() {
        for (text, repository, tag, registry) in [
            ("nginx", "nginx", "latest", DOCKER_HUB),
            ("nginx:1.2", "nginx", "1.2", DOCKER_HUB),
            ("r.example:5000/a/b", "r.example:5000/a/b", "latest", "r.example:5000"),
            ("localhost/a:x", "localhost/a", "x", "localhost"),
            ("a/b@sha256:00", "a/b", "sha256:00", DOCKER_HUB),
        ] {
            let name = ImageName::parse(text, "latest").expect(text);
            assert_eq!((name.repository.as_str(), name.tag.as_str()), (repository, tag), "{text}");
            assert_eq!(name.registry(), registry, "{text}");
        }
        assert_eq!(ImageName::parse("a@sha256:00", "x").expect("one").full(), "a@sha256:00");
        for odd in ["", "a b", "-x", "a?fromSrc=x"] {
            assert!(ImageName::parse(odd, "latest").is_err(), "{odd}");
        }
    }

    #[test]
    fn a_kept_login() {
        let entry = json!({ "auth": STANDARD.encode("me:se:cret") });
        let (user, password) = kept(&entry).expect("one");
        assert_eq!((user.as_str(), password.reveal().as_str()), ("me", "se:cret"));
        assert!(kept(&json!({ "auth": "%" })).is_none() && kept(&json!({})).is_none());
    }
}
