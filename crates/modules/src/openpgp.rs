//! OpenPGP keys as `apt_key` and `rpm_key` need them: fetched, and told apart. gpg reads them; nothing is kept.

use std::io::Read as _;

use model::Secret;
use system::{Command, Probe};

use crate::contract::Failure;
use crate::http::{self, Request, Settings};
use crate::tool;

/// Larger than any key.
pub(crate) const LIMIT: u64 = 8 << 20;

/// A key, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// Sixteen digits.
    pub id: String,
    /// All digits; empty when gpg did not say.
    pub fingerprint: String,
    /// It belongs to the key before it.
    pub is_part: bool,
}

impl Key {
    /// Whether an id means this key: the end of its fingerprint.
    pub(crate) fn is(&self, id: &str) -> bool {
        self.id.ends_with(id) || self.fingerprint.ends_with(id)
    }
}

/// An id as it is compared: capital digits without `0x`; `None`: it is no id.
pub(crate) fn id_of(text: &str) -> Option<String> {
    let text: String = text.split_whitespace().collect::<String>().to_uppercase();
    let digits = text.strip_prefix("0X").unwrap_or(&text);
    let is_id = digits.len() >= 8 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
    is_id.then(|| digits.to_owned())
}

/// The keys in what gpg lists `--with-colons`.
pub(crate) fn listed(output: &str) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for line in output.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        match (fields[0], fields.get(4), fields.get(9)) {
            (kind @ ("pub" | "sub"), Some(id), _) => keys.push(Key {
                id: (*id).to_owned(),
                fingerprint: String::new(),
                is_part: kind == "sub",
            }),
            ("fpr", _, Some(fingerprint)) => {
                if let Some(key) = keys.last_mut().filter(|key| key.fingerprint.is_empty()) {
                    (*fingerprint).clone_into(&mut key.fingerprint);
                }
            }
            _ => {}
        }
    }
    keys
}

/// The keys in a file's content; none when it has none. `shown` names it in errors.
pub(crate) fn read(host: &dyn Probe, content: &[u8], shown: &str) -> Result<Vec<Key>, Failure> {
    // Without a home and a keyring gpg has nothing to write.
    let words = ["--homedir", "/", "--no-options", "--batch", "--no-keyring"];
    let more = ["--trust-model", "always", "--lock-never", "--with-colons", "--show-keys"];
    let mut command = Command::new("gpg", words.iter().chain(&more).copied());
    command.stdin = Some(Secret::new(content.to_vec()));
    let output = host.query(&command)?;
    let keys = listed(&output.stdout_text());
    if keys.is_empty() {
        let mut failure = tool::failure(&output, "");
        failure.message = format!("Unable to extract key from '{shown}'");
        return Err(failure);
    }
    Ok(keys)
}

/// What a server offers as a key.
pub(crate) fn fetch(host: &dyn Probe, url: &str, validate_certs: bool) -> Result<Vec<u8>, Failure> {
    let failed = |why: String| Failure::new(format!("Failed to download key at {url}: {why}"));
    let settings = Settings { validate_certs, ..Settings::default() };
    let response = http::send(host, &settings, Request::get(url))
        .map_err(|error| failed(Failure::from(error).message))?;
    if response.status != 200 {
        return Err(failed(format!("HTTP status {}", response.status)));
    }
    let mut content = Vec::new();
    let read = response.body.take(LIMIT + 1).read_to_end(&mut content);
    read.map_err(|error| failed(error.to_string()))?;
    if content.len() as u64 > LIMIT {
        return Err(failed(format!("it has more than {LIMIT} bytes")));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_parts_and_fingerprints() {
        let keys = listed(
            "tru:t:1\npub:-:2048:1:AA983954CBB22692:17::\nfpr:::::::::0A2FDF2DAA983954CBB22692:\nuid:-::::\n\
             sub:-:2048:1:1111111122222222:17::\nfpr:::::::::33331111111122222222:\nodd\n",
        );
        assert_eq!(keys.len(), 2);
        assert!(
            keys[0].is("CBB22692") && keys[0].is("0A2FDF2DAA983954CBB22692") && !keys[0].is_part
        );
        assert!(keys[1].is_part && keys[1].fingerprint == "33331111111122222222");
        assert!(listed("").is_empty());
    }

    #[test]
    fn ids_are_hexadecimal() {
        assert_eq!(id_of("0xcbb2 2692").as_deref(), Some("CBB22692"));
        assert_eq!(id_of("zz"), None);
        assert_eq!(id_of("12"), None);
        assert_eq!(id_of("/etc/key"), None);
    }
}
