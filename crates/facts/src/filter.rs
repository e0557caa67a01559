//! Shell patterns (`fnmatch`) for the `filter` of facts and for names of packages and services.

/// Whether a text matches a pattern of `*`, `?` and `[...]`, in time linear in both for each `*`.
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            retry = Some((p + 1, t));
            p += 1;
        } else if let Some(next) = one_matches(&pattern, p, text[t]) {
            p = next;
            t += 1;
        } else if let Some((after_star, at)) = retry {
            retry = Some((after_star, at + 1));
            p = after_star;
            t = at + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The place after the one-character pattern at `p`, when that matches.
fn one_matches(pattern: &[char], p: usize, c: char) -> Option<usize> {
    match *pattern.get(p)? {
        '?' => Some(p + 1),
        '[' => match class_end(pattern, p) {
            Some(end) => class_matches(&pattern[p + 1..end], c).then_some(end + 1),
            None => (c == '[').then_some(p + 1),
        },
        literal => (literal == c).then_some(p + 1),
    }
}

/// Where the `]` of a class stands; one directly after `[` or `[!` is part of the class.
fn class_end(pattern: &[char], start: usize) -> Option<usize> {
    let first = start + 1 + usize::from(pattern.get(start + 1) == Some(&'!'));
    (first + 1..pattern.len()).find(|at| pattern[*at] == ']')
}

fn class_matches(class: &[char], c: char) -> bool {
    let (class, negated) = match class {
        ['!', rest @ ..] => (rest, true),
        all => (all, false),
    };
    let mut rest = class;
    let mut found = false;
    while let Some(first) = rest.first() {
        if let [low, '-', high, ..] = rest {
            found |= (*low..=*high).contains(&c);
            rest = &rest[3..];
        } else {
            found |= *first == c;
            rest = &rest[1..];
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::glob_matches;

    #[test]
    fn patterns_match_as_fnmatch_does() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("ansible_*", "ansible_os_family", true),
            ("ansible_*_mb", "ansible_memtotal_mb", true),
            ("*_mb", "ansible_memory_mbx", false),
            ("eth[0-9]", "eth7", true),
            ("eth[!0-9]", "eth7", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[]x]", "]", true),
            ("[abc", "[abc", true),
            ("", "x", false),
        ] {
            assert_eq!(glob_matches(pattern, text), expected, "{pattern} {text}");
        }
        let many = "a*".repeat(40);
        assert!(!glob_matches(&format!("{many}b"), &"a".repeat(200)));
    }
}
