//! Paths with `*`, `?` and `[...]` in them, as Python's `glob` reads them.

use std::path::{Path, PathBuf};

use system::{FileKind, Probe};

use crate::contract::Failure;

/// The paths that a pattern stands for, in order. A pattern without wildcards stands for itself, if it is there.
pub(crate) fn glob(host: &dyn Probe, pattern: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut places = vec![PathBuf::new()];
    for part in pattern.components() {
        let text = part.as_os_str().to_string_lossy();
        let mut next = Vec::new();
        for place in places {
            if !text.contains(['*', '?', '[']) {
                next.push(place.join(part));
            } else if host.stat(&place, true)?.is_some_and(|stat| stat.kind == FileKind::Directory)
            {
                for name in host.list(&place)? {
                    let found = name.to_string_lossy();
                    let hidden = found.starts_with('.') && !text.starts_with('.');
                    if !hidden && fits(&text, &found) {
                        next.push(place.join(name));
                    }
                }
            }
        }
        places = next;
    }
    let mut found = Vec::new();
    for place in places {
        if host.stat(&place, false)?.is_some() {
            found.push(place);
        }
    }
    Ok(found)
}

/// Whether a name fits a pattern of `*`, `?` and `[...]`.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut from) = (0, 0);
    // After the last `*`: where to go on when what follows does not fit.
    let mut retry: Option<(usize, usize)> = None;
    while from < name.len() {
        let step = match pattern.get(at) {
            Some('*') => {
                retry = Some((at + 1, from));
                at += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => in_set(&pattern[at..], name[from]),
            Some(letter) if *letter == name[from] => Some(1),
            _ => None,
        };
        match (step, retry) {
            (Some(length), _) => {
                at += length;
                from += 1;
            }
            (None, Some((after_star, taken))) => {
                retry = Some((after_star, taken + 1));
                at = after_star;
                from = taken + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

/// The length of the set at the beginning of the pattern, when the letter is in it.
fn in_set(pattern: &[char], letter: char) -> Option<usize> {
    let negated = pattern.get(1) == Some(&'!');
    let start = if negated { 2 } else { 1 };
    let Some(length) = pattern.iter().skip(start + 1).position(|c| *c == ']') else {
        return (letter == '[').then_some(1);
    };
    let end = start + 1 + length;
    let set = &pattern[start..end];
    let mut found = false;
    let mut at = 0;
    while at < set.len() {
        if at + 2 < set.len() && set[at + 1] == '-' {
            found |= (set[at]..=set[at + 2]).contains(&letter);
            at += 3;
        } else {
            found |= set[at] == letter;
            at += 1;
        }
    }
    (found != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        let yes = [("*", ""), ("a*c", "abbc"), ("*.d", "x.d"), ("[a-c]?", "bz"), ("[!a]", "b")];
        let also = [("a*b*c", "aXbYc"), ("[", "["), ("[]]", "]"), ("**", "x")];
        for (pattern, name) in yes.iter().chain(&also) {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a", "b"), ("[!a]", "a"), ("a*c", "abd"), ("?", ""), ("*a", "b")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!fits(&"*a".repeat(30), &"a".repeat(29)));
    }
}
