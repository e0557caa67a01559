//! The archive of a role, from wherever its requirement says.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::document::text_of;
use crate::{Client, Error, Requirement, Result, Talk};

/// The archive, and the version that it has.
pub(super) struct Fetched {
    pub(super) archive: PathBuf,
    pub(super) version: Option<String>,
}

/// Fetches it into a directory of its own, unless it is a file already.
pub(super) fn fetch(
    wanted: &Requirement,
    server: Option<&Client>,
    into: &Path,
    talk: &dyn Talk,
) -> Result<Fetched> {
    let archive = into.join("role.tar");
    let version = wanted.version.clone();
    if let Some(scm) = wanted.scm {
        let tree = scm.fetch(&wanted.source, &wanted.name, version.as_deref(), into)?;
        scm.pack(&tree, &archive)?;
        return Ok(Fetched { archive, version });
    }
    let local = wanted.source.strip_prefix("file://").unwrap_or(&wanted.source);
    if Path::new(local).is_file() {
        return Ok(Fetched { archive: local.into(), version });
    }
    let client = server
        .ok_or_else(|| Error::failed(format!("there is no server to ask for {}", wanted.name)))?;
    if wanted.source.contains("://") {
        talk.say(&format!("- downloading role from {}", wanted.source));
        client.download(&wanted.source, &archive)?;
        return Ok(Fetched { archive, version });
    }
    let (url, version) = on_server(wanted, client, talk)?;
    talk.say(&format!("- downloading role from {url}"));
    client.download(&url, &archive)?;
    Ok(Fetched { archive, version: Some(version) })
}

fn on_server(wanted: &Requirement, client: &Client, talk: &dyn Talk) -> Result<(String, String)> {
    let nothing =
        || Error::failed(format!("- sorry, {} was not found on {}.", wanted.source, client.api()));
    let invalid =
        || Error::failed(format!("- Galaxy's answer about {} is not complete", wanted.source));
    client.ask("")?;
    let (owner, name) = wanted.source.rsplit_once('.').ok_or_else(|| {
        Error::failed(format!(
            "Invalid role name ({}). Specify role as format: username.rolename",
            wanted.source
        ))
    })?;
    talk.say(&format!("- downloading role '{name}', owned by {owner}"));
    let found = client.ask(&format!(
        "v1/roles/?owner__username={}&name={}",
        escaped(owner),
        escaped(name)
    ))?;
    let found =
        found.as_ref().and_then(|found| found.get("results")?.get(0)).ok_or_else(nothing)?;
    let id = text_of(found, "id").ok_or_else(invalid)?;
    let mut versions = Vec::new();
    let mut next = Some(format!("v1/roles/{}/versions/?page_size=50", escaped(&id)));
    while let Some(page) = next.take().filter(|_| versions.len() < 10_000) {
        let page = client.ask(&page)?.unwrap_or_default();
        versions.extend(
            page.get("results")
                .and_then(Json::as_array)
                .into_iter()
                .flatten()
                .filter_map(|version| text_of(version, "name")),
        );
        next = text_of(&page, "next_link").map(|link| link.trim_start_matches("/api/").to_owned());
    }
    let version = match &wanted.version {
        Some(version) if versions.is_empty() || versions.contains(version) => version.clone(),
        Some(version) => {
            return Err(Error::failed(format!(
                "- the specified version ({version}) of {} was not found in the list of available versions ({}).",
                wanted.name,
                versions.join(", ")
            )));
        }
        None => latest(&versions)
            .or_else(|| text_of(found, "github_branch"))
            .unwrap_or_else(|| "master".to_owned()),
    };
    let (user, repository) =
        text_of(found, "github_user").zip(text_of(found, "github_repo")).ok_or_else(invalid)?;
    let url = format!(
        "https://github.com/{}/{}/archive/{}.tar.gz",
        escaped(&user),
        escaped(&repository),
        escaped(&version)
    );
    Ok((url, version))
}

/// The latest, numbers compared as numbers and a leading `v` left aside.
fn latest(versions: &[String]) -> Option<String> {
    let key = |version: &&String| -> Vec<(u64, String)> {
        let parts = version.trim_start_matches('v').split(['.', '-']);
        parts.map(|part| (part.parse().unwrap_or(0), part.to_owned())).collect()
    };
    versions.iter().max_by_key(key).cloned()
}

/// Text as a part of an address.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_latest_is_by_numbers() {
        let all = ["1.9.0", "v1.10.0", "1.2"].map(str::to_owned);
        assert_eq!(super::latest(&all).unwrap(), "v1.10.0");
        assert_eq!(super::escaped("a/../b?c"), "a%2F..%2Fb%3Fc");
    }
}
