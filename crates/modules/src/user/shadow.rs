//! Lines of /etc/shadow, and what a password hash looks like.

use model::Secret;

/// An account's line of /etc/shadow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Shadow {
    pub(crate) hash: Secret<String>,
    /// Days, as in shadow(5); `None` where the field is empty.
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    pub(crate) warn: Option<i64>,
    pub(crate) inactive: Option<i64>,
    pub(crate) expires: Option<i64>,
}

/// The line of a user, when there is one.
pub(crate) fn find(text: &str, user: &str) -> Option<Shadow> {
    let line = text.lines().find_map(|line| line.strip_prefix(user)?.strip_prefix(':'))?;
    let fields: Vec<&str> = line.split(':').collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse().ok());
    Some(Shadow {
        hash: Secret::new(fields.first().copied().unwrap_or_default().to_owned()),
        min: number(2),
        max: number(3),
        warn: number(4),
        inactive: number(5),
        expires: number(6),
    })
}

impl Shadow {
    pub(crate) fn is_locked(&self) -> bool {
        self.hash.reveal().starts_with('!')
    }

    /// Whether the account's password is this hash, locked or not.
    pub(crate) fn has_hash(&self, hash: &str) -> bool {
        self.hash.reveal().trim_start_matches('!') == hash.trim_start_matches('!')
    }
}

/// Whether a text is a hash that crypt(3) knows, or one of the marks for "no password".
pub(crate) fn looks_hashed(text: &str) -> bool {
    if matches!(text, "" | "*" | "!" | "!!" | "!*" | "*************" | "*LOCKED*") {
        return true;
    }
    let text = text.trim_start_matches('!');
    let Some(rest) = text.strip_prefix('$') else {
        // The old DES form.
        return text.len() == 13 && text.bytes().all(is_hash_byte);
    };
    let mut parts = rest.split('$');
    let length = match parts.next() {
        Some("1") => 22,
        Some("5") => 43,
        Some("6") => 86,
        Some("2a" | "2b" | "2y") => 53,
        Some("y" | "gy" | "7") => 43,
        _ => return false,
    };
    parts.next_back().is_some_and(|hash| hash.len() == length && hash.bytes().all(is_hash_byte))
}

fn is_hash_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found() {
        let text = "root:*:1:0:99999:7:::\nanna:!$6$x$y:19000:1:90:7:30:20000:\nann:x\n";
        let anna = find(text, "anna").expect("has a line");
        assert!(anna.is_locked() && anna.has_hash("$6$x$y"));
        assert_eq!((anna.min, anna.max, anna.warn), (Some(1), Some(90), Some(7)));
        assert_eq!((anna.inactive, anna.expires), (Some(30), Some(20000)));
        assert_eq!(find(text, "ann").map(|ann| ann.hash.reveal().clone()), Some("x".to_owned()));
        assert_eq!(find(text, "root").and_then(|root| root.expires), None);
        assert!(find(text, "an").is_none());
        assert_eq!(format!("{anna:?}").matches("$6").count(), 0, "a hash is never shown");
    }

    #[test]
    fn hashes_are_told_from_passwords() {
        let sha512 = format!("$6$salt${}", "a".repeat(86));
        for (text, expected) in [
            (sha512.as_str(), true),
            (&format!("!{sha512}"), true),
            (&format!("$y$j9T$salt${}", "b".repeat(43)), true),
            (&format!("$2b$10${}", "c".repeat(53)), true),
            ("!", true),
            ("*", true),
            ("", true),
            ("hunter2", false),
            ("$6$short", false),
            ("$x$y$z", false),
            ("abcdefghijklm", true),
        ] {
            assert_eq!(looks_hashed(text), expected, "{text}");
        }
    }
}
