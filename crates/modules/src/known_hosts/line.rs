//! One line of a file of known hosts. See sshd(8).

use std::hash::{BuildHasher, RandomState};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use crate::glob::fits;

/// `[@marker] hosts type key [comment]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    marker: Option<String>,
    pub(super) hosts: String,
    kind: String,
    pub(super) key: String,
    comment: Option<String>,
}

impl Line {
    /// `None`: a comment, an empty line, or none of ours.
    pub(super) fn parse(raw: &str) -> Option<Self> {
        let raw = raw.trim();
        if raw.starts_with('#') {
            return None;
        }
        let (marker, rest) = match raw.split_once(char::is_whitespace) {
            Some((marker, rest)) if marker.starts_with('@') => (Some(marker.to_owned()), rest),
            _ => (None, raw),
        };
        let mut words = rest.trim_start().splitn(2, char::is_whitespace);
        let hosts = words.next().filter(|hosts| !hosts.is_empty())?.to_owned();
        let mut words = words.next()?.trim_start().splitn(2, char::is_whitespace);
        let kind = words.next()?.to_owned();
        let mut words = words.next()?.trim_start().splitn(2, char::is_whitespace);
        let key = words.next().filter(|key| !key.is_empty())?.to_owned();
        let comment = words.next().map(str::trim).filter(|text| !text.is_empty());
        Some(Self { marker, hosts, kind, key, comment: comment.map(str::to_owned) })
    }

    /// Whether the key is for another purpose than being the host's own.
    pub(super) fn has_marker(&self) -> bool {
        self.marker.is_some()
    }

    /// Whether the name of the host is stored as a hash.
    pub(super) fn is_hashed(&self) -> bool {
        self.hosts.starts_with("|1|")
    }

    /// Whether it is about a host, whose name is in lower case.
    pub(super) fn is_of(&self, name: &str) -> bool {
        if let Some(hash) = self.hosts.strip_prefix("|1|") {
            return hash.split_once('|').is_some_and(|(salt, sum)| {
                STANDARD
                    .decode(salt)
                    .is_ok_and(|salt| STANDARD.encode(keyed_sum(&salt, name)) == sum)
            });
        }
        let mut found = false;
        for pattern in self.hosts.split(',') {
            let pattern = pattern.to_lowercase();
            match pattern.strip_prefix('!') {
                Some(pattern) if matches(pattern, name) => return false,
                Some(_) => {}
                None => found |= matches(&pattern, name),
            }
        }
        found
    }

    /// Whether it has a key of the same kind, for the same purpose.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.marker == other.marker && self.kind == other.kind
    }

    /// The line with other hosts.
    pub(super) fn with_hosts(&self, hosts: &str) -> String {
        let words = [self.marker.as_deref(), Some(hosts), Some(&self.kind), Some(&self.key)];
        let words = words.into_iter().chain([self.comment.as_deref()]).flatten();
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Brackets are not special in these patterns, but `[host]:port` has them.
fn matches(pattern: &str, name: &str) -> bool {
    pattern == name || (!pattern.contains('[') && fits(pattern, name))
}

/// A name as a hash with a salt of its own.
pub(super) fn hashed(name: &str) -> String {
    // Unique is enough; nothing depends on its being secret.
    let mut salt = Vec::new();
    for _ in 0..3 {
        salt.extend(RandomState::new().hash_one(name).to_le_bytes());
    }
    salt.truncate(20);
    format!("|1|{}|{}", STANDARD.encode(&salt), STANDARD.encode(keyed_sum(&salt, name)))
}

/// HMAC-SHA1, which is what the file's format says.
fn keyed_sum(key: &[u8], text: &str) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut block = if key.len() > BLOCK { Sha1::digest(key).to_vec() } else { key.to_vec() };
    block.resize(BLOCK, 0);
    let pad = |with: u8| block.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = Sha1::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha1::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_written() {
        let text = "@cert-authority *.a.test,!b.a.test ssh-rsa AAAA= me@here and there";
        let line = Line::parse(text).expect("a line");
        assert_eq!(line.with_hosts(&line.hosts), text);
        assert!(line.is_of("x.a.test") && !line.is_of("b.a.test") && !line.is_of("a.test"));
        for none in ["", "# a b c", "host", "host ssh-rsa"] {
            assert_eq!(Line::parse(none), None, "{none}");
        }
    }

    #[test]
    fn hashed_names_are_found() {
        let line = Line::parse(&format!("{} ssh-rsa AAAA=", hashed("web"))).expect("a line");
        assert!(line.is_hashed() && line.is_of("web") && !line.is_of("web2"));
        // Made by `ssh-keygen -H`.
        let known = "|1|Xsb3c1sZi9AMXumRw6ArzRlqd/4=|zHT7W84+O17lXlZ36XI5RzpppH8= ssh-rsa AAAA=";
        assert!(Line::parse(known).expect("a line").is_of("example.com"));
    }

    #[test]
    fn ports_are_no_patterns() {
        let line = Line::parse("[web]:22 ssh-rsa AAAA=").expect("a line");
        assert!(line.is_of("[web]:22") && !line.is_of("w:22"));
    }
}
