//! Collections on a Galaxy server: its interface v3, <https://galaxy.ansible.com/api/v3/>.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::path::Path;

use serde_json::Value as Json;

use super::{Candidate, dependencies};
use crate::document::text_of;
use crate::{Client, Error, Result, Version, build};

/// More pages than any collection has.
const PAGES: usize = 1000;

/// One version of a collection on a server.
#[derive(Debug, Clone)]
pub(super) struct Release {
    pub(super) candidate: Candidate,
    pub(super) url: String,
    sha256: String,
}

/// A server that speaks v3, and the address of what it has.
pub(super) struct Index<'a> {
    pub(super) client: &'a Client,
    root: OnceCell<String>,
}

impl<'a> Index<'a> {
    /// A server that has not been asked yet.
    pub(super) fn of(client: &'a Client) -> Self {
        Self { client, root: OnceCell::new() }
    }

    /// Which versions of the interface it speaks, it says at its own address or at `api/` below.
    fn root(&self) -> Result<&str> {
        if let Some(root) = self.root.get() {
            return Ok(root);
        }
        let below = self.client.api();
        let own = format!("{}/", self.client.url().trim_end_matches('/'));
        for address in [&below, &own] {
            let answer = self.client.ask(address)?.unwrap_or_default();
            if let Some(versions) = answer.get("available_versions") {
                let root = text_of(versions, "v3").ok_or_else(|| {
                    Error::failed(format!(
                        "the Galaxy server {} speaks {versions}, and not v3, in which collections are asked for",
                        self.client.name()
                    ))
                })?;
                let root = format!("{address}{}/", root.trim_matches('/'));
                return Ok(self.root.get_or_init(|| root));
            }
        }
        Err(Error::failed(format!(
            "Tried to find galaxy API root at {below} but no 'available_versions' are available on {}",
            self.client.name()
        )))
    }

    fn address(&self, name: &str) -> Result<String> {
        Ok(format!("{}collections/{}/versions/", self.root()?, name.replace('.', "/")))
    }

    /// All versions of a collection; none when the server does not know it.
    pub(super) fn versions(&self, name: &str) -> Result<Vec<Version>> {
        let (mut versions, mut seen) = (Vec::new(), HashSet::new());
        let mut next = Some(format!("{}?limit=100", self.address(name)?));
        while let Some(address) = next.take() {
            if seen.len() >= PAGES || !seen.insert(address.clone()) {
                return Err(Error::failed(format!(
                    "the list of versions of {name} on {} has no end",
                    self.client.name()
                )));
            }
            let Some(page) = self.client.ask(&address)? else { break };
            let entries = page.get("data").or(page.get("results")).and_then(Json::as_array);
            // What is no version cannot be chosen.
            versions.extend(
                entries
                    .into_iter()
                    .flatten()
                    .filter_map(|entry| text_of(entry, "version")?.parse().ok()),
            );
            let link = page.get("links").and_then(|links| text_of(links, "next"));
            next = link.or_else(|| text_of(&page, "next")).map(|link| joined(&address, &link));
        }
        Ok(versions)
    }

    /// One version.
    pub(super) fn release(&self, name: &str, version: &Version) -> Result<Release> {
        let address = format!("{}{version}/", self.address(name)?);
        let incomplete = |what: &str| {
            Error::failed(format!("the answer of {address} is not complete: there is no {what}"))
        };
        let answer = self.client.ask(&address)?.ok_or_else(|| incomplete("such version"))?;
        let artifact = answer.get("artifact").cloned().unwrap_or_default();
        let metadata = answer.get("metadata").cloned().unwrap_or_default();
        Ok(Release {
            candidate: Candidate {
                name: name.to_owned(),
                version: version.clone(),
                dependencies: dependencies(&metadata["dependencies"], &address)?,
            },
            url: joined(
                &address,
                &text_of(&answer, "download_url").ok_or_else(|| incomplete("download_url"))?,
            ),
            sha256: text_of(&artifact, "sha256")
                .ok_or_else(|| incomplete("sha256 of the artifact"))?,
        })
    }

    /// Fetches a version's archive, and makes sure that it is what the server said.
    pub(super) fn download(&self, release: &Release, target: &Path) -> Result<()> {
        self.client.download(&release.url, target)?;
        let sum = build::sha256(target).map_err(|error| Error::io("read", target, &error))?;
        if sum == release.sha256 {
            return Ok(());
        }
        Err(Error::failed(format!(
            "Mismatch artifact hash with downloaded file: {} has the SHA-256 {sum}, and {} said {}",
            release.url,
            self.client.name(),
            release.sha256
        )))
    }
}

/// The address that a link on a page leads to.
fn joined(page: &str, link: &str) -> String {
    if link.contains("://") {
        return link.to_owned();
    }
    if !link.starts_with('/') {
        return format!(
            "{}/{link}",
            page.rsplit_once('/').map_or(page, |(directory, _)| directory)
        );
    }
    let host = page.find("://").map_or(0, |at| at + 3);
    let end = page[host..].find('/').map_or(page.len(), |at| host + at);
    format!("{}{link}", &page[..end])
}

#[cfg(test)]
mod tests {
    #[test]
    fn links_are_joined() {
        for (page, link, whole) in [
            ("http://h:1/api/v3/x/?limit=1", "/api/v3/y/", "http://h:1/api/v3/y/"),
            ("http://h/api/v3/x/", "y.tar.gz", "http://h/api/v3/x/y.tar.gz"),
            ("http://h/api/", "https://other/y", "https://other/y"),
        ] {
            assert_eq!(super::joined(page, link), whole);
        }
    }
}
