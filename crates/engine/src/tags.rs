//! Which tasks `--tags` and `--skip-tags` choose.

use std::collections::BTreeSet;

/// Whether a task with these tags runs. `only` empty means all.
///
/// `always` runs unless it is skipped by name; `never` does not run unless it is chosen by name; `tagged`, `untagged`
/// and `all` may stand among the chosen and the skipped.
pub fn chosen(tags: &BTreeSet<String>, only: &[String], skip: &[String]) -> bool {
    let has = |list: &[String], word: &str| list.iter().any(|entry| entry == word);
    let meets = |list: &[String]| list.iter().any(|entry| tags.contains(entry));
    let all = only.is_empty() || has(only, "all");
    let run = if tags.contains("always") && !meets(skip) {
        return !has(skip, "always");
    } else if tags.contains("never") {
        meets(only)
    } else {
        all || meets(only)
            || (has(only, "tagged") && !tags.is_empty())
            || (has(only, "untagged") && tags.is_empty())
    };
    let skipped = meets(skip)
        || has(skip, "all")
        || (has(skip, "tagged") && !tags.is_empty())
        || (has(skip, "untagged") && tags.is_empty());
    run && !skipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_choose_as_in_ansible() {
        let list = |text: &str| -> Vec<String> {
            text.split_whitespace().map(ToOwned::to_owned).collect()
        };
        for (tags, only, skip, expected) in [
            ("", "", "", true),
            ("a", "", "", true),
            ("a", "a", "", true),
            ("a", "b", "", false),
            ("", "a", "", false),
            ("a b", "b", "", true),
            ("a", "", "a", false),
            ("a b", "a", "b", false),
            ("always", "b", "", true),
            ("always", "", "always", false),
            ("always a", "b", "a", false),
            ("never", "", "", false),
            ("never", "all", "", false),
            ("never a", "a", "", true),
            ("never", "never", "", true),
            ("a", "tagged", "", true),
            ("", "tagged", "", false),
            ("", "untagged", "", true),
            ("a", "untagged", "", false),
            ("a", "", "tagged", false),
            ("a", "all", "", true),
        ] {
            let set = list(tags).into_iter().collect();
            assert_eq!(
                chosen(&set, &list(only), &list(skip)),
                expected,
                "{tags:?} --tags {only:?} --skip-tags {skip:?}"
            );
        }
    }
}
