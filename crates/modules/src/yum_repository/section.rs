//! Files of repositories: sections of `key = value`, where a value may go on in indented lines. Text to text; no files.

use std::collections::BTreeMap;

/// The keys of a section.
pub(super) type Keys = BTreeMap<String, String>;

fn header(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix('[')?.strip_suffix(']')
}

/// What stands in a section; `None`: there is none of that name.
pub(super) fn find(text: &str, name: &str) -> Option<Keys> {
    let mut found: Option<Keys> = None;
    let mut is_inside = false;
    let mut last = String::new();
    for line in text.lines() {
        if let Some(section) = header(line) {
            is_inside = section == name;
            if is_inside {
                found.get_or_insert_default();
            }
            continue;
        }
        let Some(keys) = found.as_mut().filter(|_| is_inside) else { continue };
        if line.trim().is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let Some(value) = keys.get_mut(&last) {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((key, value)) = line.split_once(['=', ':']) {
            key.trim().clone_into(&mut last);
            keys.insert(last.clone(), value.trim().to_owned());
        }
    }
    found
}

/// The section as text.
pub(super) fn text(name: &str, keys: &Keys) -> String {
    let lines =
        keys.iter().map(|(key, value)| format!("{key} = {}\n", value.replace('\n', "\n\t")));
    format!("[{name}]\n{}\n", lines.collect::<String>())
}

/// The text with another section in the place of the one of that name, or at the end; `None`: without it.
pub(super) fn replaced(text: &str, name: &str, section: Option<&str>) -> String {
    let mut after = String::new();
    let mut section = section;
    let mut is_inside = false;
    for line in text.split_inclusive('\n') {
        if let Some(found) = header(line) {
            is_inside = found == name;
            if is_inside {
                after.push_str(section.take().unwrap_or_default());
            }
        }
        if !is_inside {
            after.push_str(line);
        }
    }
    if let Some(section) = section {
        if !after.is_empty() && !after.ends_with('\n') {
            after.push('\n');
        }
        if !after.is_empty() && !after.ends_with("\n\n") {
            after.push('\n');
        }
        after.push_str(section);
    }
    after
}

/// Whether there is any section.
pub(super) fn has_any(text: &str) -> bool {
    text.lines().any(|line| header(line).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# c\n[a]\nbaseurl=http://a\n  http://b\n# d\nname : A\n\n[b]\nx = 1";

    #[test]
    fn sections_are_read_replaced_and_removed() {
        let keys = find(FILE, "a").expect("it is there");
        assert_eq!(keys["baseurl"], "http://a\nhttp://b");
        assert_eq!(keys["name"], "A");
        assert_eq!(find(FILE, "c"), None);
        let new = text("a", &Keys::from([("u".to_owned(), "1\n2".to_owned())]));
        assert_eq!(replaced(FILE, "a", Some(&new)), "# c\n[a]\nu = 1\n\t2\n\n[b]\nx = 1");
        assert_eq!(
            replaced(FILE, "b", None),
            "# c\n[a]\nbaseurl=http://a\n  http://b\n# d\nname : A\n\n"
        );
        assert_eq!(replaced("[b]\nx = 1", "a", Some(&new)), "[b]\nx = 1\n\n[a]\nu = 1\n\t2\n\n");
        assert!(!has_any("# c\n"));
    }
}
