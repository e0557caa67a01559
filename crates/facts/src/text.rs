//! Small formats that several files of a Linux system share.

use std::collections::BTreeMap;

/// `NAME=value` lines with shell quoting, as in /etc/os-release and /etc/lsb-release.
pub(crate) fn assignments(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), unquoted(value.trim())))
        .collect()
}

/// A shell word without its quotes and escapes.
fn unquoted(word: &str) -> String {
    let mut chars = word.chars();
    let quote = match word.chars().next() {
        Some(quote @ ('"' | '\'')) if word.len() > 1 && word.ends_with(quote) => quote,
        _ => return word.to_owned(),
    };
    chars.next();
    chars.next_back();
    let mut out = String::with_capacity(word.len());
    while let Some(c) = chars.next() {
        match c {
            '\\' if quote == '"' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

/// A number of bytes for people, as Ansible writes it: `256.00 GB`.
pub(crate) fn human_size(bytes: f64) -> String {
    let units = ["Bytes", "KB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = bytes;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_assignments_are_unquoted() {
        let found = assignments("A=b\n# C=d\n E=\"f \\\"g\\\"\"\nH='i\\j'\nK=\nbroken\nL=\"\n");
        let found: Vec<_> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(found, [("A", "b"), ("E", "f \"g\""), ("H", "i\\j"), ("K", ""), ("L", "\"")]);
    }

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(human_size(0.0), "0.00 Bytes");
        assert_eq!(human_size(274_877_906_944.0), "256.00 GB");
        assert_eq!(human_size(67_108_864.0), "64.00 MB");
    }
}
