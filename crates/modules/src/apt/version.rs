//! Debian version numbers: `[epoch:]upstream[-revision]`, compared as dpkg compares them.

use std::cmp::Ordering;

/// Compares two versions.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let ((a_epoch, a_upstream, a_revision), (b_epoch, b_upstream, b_revision)) =
        (parts(a), parts(b));
    a_epoch
        .cmp(&b_epoch)
        .then_with(|| compare_part(a_upstream, b_upstream))
        .then_with(|| compare_part(a_revision, b_revision))
}

fn parts(version: &str) -> (u64, &str, &str) {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
        None => (0, version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// Alternately text, in which `~` comes before the end and letters before all else, and numbers.
fn compare_part(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (a_text, a_rest) = split(a, |byte| !byte.is_ascii_digit());
        let (b_text, b_rest) = split(b, |byte| !byte.is_ascii_digit());
        let texts = compare_text(a_text, b_text);
        let (a_number, a_rest) = split(a_rest, |byte| byte.is_ascii_digit());
        let (b_number, b_rest) = split(b_rest, |byte| byte.is_ascii_digit());
        let (a_number, b_number) =
            (a_number.trim_start_matches('0'), b_number.trim_start_matches('0'));
        let order =
            texts.then(a_number.len().cmp(&b_number.len())).then_with(|| a_number.cmp(b_number));
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
    Ordering::Equal
}

fn split(text: &str, inside: fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !inside(byte)).unwrap_or(text.len());
    text.split_at(end)
}

fn compare_text(a: &str, b: &str) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    let (a, b) = (a.as_bytes(), b.as_bytes());
    (0..a.len().max(b.len()))
        .map(|at| weight(a.get(at)).cmp(&weight(b.get(at))))
        .find(|order| *order != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_in_dpkg() {
        for (a, order, b) in [
            ("1.0", "=", "1.0"),
            ("1.0", "=", "1.00"),
            ("1.0", "=", "0:1.0-"),
            ("1.2", "<", "1.10"),
            ("1.0~rc1", "<", "1.0"),
            ("1.0~~", "<", "1.0~"),
            ("1.0", "<", "1.0a"),
            ("1.0a", "<", "1.0+b"),
            ("1.0-1", "<", "1.0-1+deb12u1"),
            ("1.0-1~bpo12+1", "<", "1.0-1"),
            ("1:0.1", ">", "2.0"),
            ("2.36-9+deb12u10", ">", "2.36-9+deb12u9"),
            ("20240101", ">", "9"),
            ("99999999999999999999998", "<", "99999999999999999999999"),
        ] {
            let expected = match order {
                "<" => Ordering::Less,
                ">" => Ordering::Greater,
                _ => Ordering::Equal,
            };
            assert_eq!(compare(a, b), expected, "{a} {order} {b}");
            assert_eq!(compare(b, a), expected.reverse(), "{b} and {a}");
        }
    }
}
