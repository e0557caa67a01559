//! What a repository offers, as `git ls-remote --symref` tells it.

use std::collections::BTreeMap;

/// Names of commits.
#[derive(Debug, Clone, Default)]
pub(super) struct Refs {
    commits: BTreeMap<String, String>,
    /// The branch that HEAD names.
    default: Option<String>,
}

/// A version, found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Its commit; `None`: the repository does not tell.
    pub(super) commit: Option<String>,
    /// The branch that it is.
    pub(super) branch: Option<String>,
    /// It can be named to `git clone --branch`.
    pub(super) is_named: bool,
}

impl Refs {
    pub(super) fn parse(text: &str) -> Self {
        let mut refs = Self::default();
        for line in text.lines() {
            let Some((commit, name)) = line.split_once('\t') else { continue };
            match commit.strip_prefix("ref: refs/heads/") {
                Some(branch) if name == "HEAD" => refs.default = Some(branch.to_owned()),
                Some(_) => {}
                None => drop(refs.commits.insert(name.to_owned(), commit.to_owned())),
            }
        }
        refs
    }

    /// A branch, a tag, a full name, a commit, or `HEAD`.
    pub(super) fn find(&self, version: &str) -> Found {
        let commit = |name: String| self.commits.get(&name).cloned();
        let branch = match version {
            "HEAD" => self.default.clone(),
            _ => version
                .strip_prefix("refs/heads/")
                .map(str::to_owned)
                .or_else(|| commit(format!("refs/heads/{version}")).map(|_| version.to_owned())),
        };
        if let Some(branch) = branch {
            let commit = commit(format!("refs/heads/{branch}"));
            return Found { commit, branch: Some(branch), is_named: true };
        }
        let tag = version.strip_prefix("refs/tags/").unwrap_or(version);
        let tagged =
            commit(format!("refs/tags/{tag}^{{}}")).or_else(|| commit(format!("refs/tags/{tag}")));
        if tagged.is_some() {
            return Found { commit: tagged, branch: None, is_named: true };
        }
        let is_whole = version.len() == 40 && version.bytes().all(|byte| byte.is_ascii_hexdigit());
        let whole = is_whole.then(|| version.to_lowercase());
        Found {
            commit: whole.or_else(|| commit(version.to_owned())),
            branch: None,
            is_named: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_branches_tags_or_commits() {
        let refs = Refs::parse(
            "ref: refs/heads/main\tHEAD\na1\tHEAD\na1\trefs/heads/main\nb2\trefs/heads/dev\n\
             c3\trefs/tags/v1\nd4\trefs/tags/v1^{}\n",
        );
        let found = |commit: &str, branch: Option<&str>, is_named| Found {
            commit: Some(commit.to_owned()),
            branch: branch.map(str::to_owned),
            is_named,
        };
        assert_eq!(refs.find("HEAD"), found("a1", Some("main"), true));
        assert_eq!(refs.find("dev"), found("b2", Some("dev"), true));
        assert_eq!(refs.find("v1"), found("d4", None, true));
        let commit = "0123456789012345678901234567890123456789";
        assert_eq!(refs.find(commit), found(commit, None, false));
        assert_eq!(refs.find("nosuch").commit, None);
    }
}
