//! Signatures of commits and tags.

use system::Probe;

use super::refs::Found;
use super::{Git, succeeded};
use crate::contract::Failure;
use crate::tool;

impl Git {
    /// Refuses a version without a good signature of one of the keys that are allowed.
    pub(super) fn verify(&self, found: &Found, host: &dyn Probe) -> Result<(), Failure> {
        let tag = format!("refs/tags/{}", self.version.trim_start_matches("refs/tags/"));
        let kind = host.query(&self.within(["cat-file", "-t", &tag])?)?;
        let is_tag = found.branch.is_none() && kind.stdout_text().trim() == "tag";
        let (verb, name) = match &found.commit {
            _ if is_tag => ("verify-tag", tag.as_str()),
            Some(commit) => ("verify-commit", commit.as_str()),
            None => ("verify-commit", self.version.as_str()),
        };
        let output = host.query(&self.within([verb, "--raw", name])?)?;
        let refused = |why: &str| {
            let version = &self.version;
            Failure::new(format!("Failed to verify GPG signature of commit/tag \"{version}\"{why}"))
        };
        if !output.is_success() {
            let failure = tool::failure(&output, "");
            return Err(Failure { message: refused("").message, ..failure });
        }
        if self.gpg_allowlist.is_empty() {
            return Ok(());
        }
        let said = format!("{}\n{}", succeeded(&output, "")?, output.stderr_text());
        let is_allowed = fingerprints(&said).iter().any(|found| {
            self.gpg_allowlist.iter().any(|allowed| allowed.eq_ignore_ascii_case(found))
        });
        if is_allowed { Ok(()) } else { Err(refused(": the key is not in gpg_allowlist")) }
    }
}

/// Those of the signing key and of its primary key, from the status lines of GnuPG.
fn fingerprints(text: &str) -> Vec<&str> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("[GNUPG:] VALIDSIG "));
    lines
        .flat_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            [words.first().copied(), words.get(9).copied()].into_iter().flatten()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::fingerprints;

    #[test]
    fn both_keys_of_a_signature_count() {
        let text = "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG AB x\n\
                    [GNUPG:] VALIDSIG ABCD 2024-01-01 17 0 4 0 1 10 00 EFGH\n[GNUPG:] TRUST_ULTIMATE 0 pgp\n";
        assert_eq!(fingerprints(text), ["ABCD", "EFGH"]);
        assert!(fingerprints("[GNUPG:] ERRSIG ABCD\n").is_empty());
    }
}
