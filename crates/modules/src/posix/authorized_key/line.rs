//! Lines of `authorized_keys`: options, type, key, comment. Text to text; no files.

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// As they are written, without the commas between them.
    pub options: Vec<String>,
    pub kind: String,
    pub blob: String,
    pub comment: String,
}

const KINDS: &[&str] = &[
    "ssh-rsa",
    "ssh-dss",
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
];

fn is_kind(word: &str) -> bool {
    let plain = word.strip_suffix("-cert-v01@openssh.com");
    KINDS.iter().any(|kind| {
        *kind == word || plain.is_some_and(|plain| kind.trim_end_matches("@openssh.com") == plain)
    })
}

impl Key {
    /// The key of a line; `None`: it has none, or is a comment.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.starts_with('#') {
            return None;
        }
        let first = line.split_whitespace().next()?;
        let (options, rest) = if is_kind(first) {
            (Vec::new(), line)
        } else {
            let end = unquoted(line, char::is_whitespace)?;
            (parse_options(&line[..end]), line[end..].trim_start())
        };
        let (kind, rest) = rest.split_once(char::is_whitespace)?;
        let rest = rest.trim_start();
        let (key, comment) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        (is_kind(kind) && !key.is_empty()).then(|| Self {
            options,
            kind: kind.to_owned(),
            blob: key.to_owned(),
            comment: comment.trim().to_owned(),
        })
    }

    /// The line, without its end.
    pub(super) fn line(&self) -> String {
        let mut words = Vec::new();
        let options = self.options.join(",");
        if !options.is_empty() {
            words.push(options.as_str());
        }
        words.extend([self.kind.as_str(), self.blob.as_str()]);
        if !self.comment.is_empty() {
            words.push(&self.comment);
        }
        words.join(" ")
    }
}

/// Options from the text in front of a key.
pub(super) fn parse_options(text: &str) -> Vec<String> {
    let mut options = Vec::new();
    let mut rest = text.trim();
    while let Some(comma) = unquoted(rest, |letter| letter == ',') {
        options.push(rest[..comma].trim().to_owned());
        rest = &rest[comma + 1..];
    }
    options.push(rest.trim().to_owned());
    options.retain(|option| !option.is_empty());
    options
}

/// Where the first such letter stands outside of quotes.
fn unquoted(text: &str, is_it: impl Fn(char) -> bool) -> Option<usize> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (index, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            letter if !is_quoted && is_it(letter) => return Some(index),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_options_kind_key_and_comment() {
        for (line, options, kind, comment) in [
            ("ssh-rsa KEY", &[][..], "ssh-rsa", ""),
            (" ssh-ed25519  KEY  a b ", &[], "ssh-ed25519", "a b"),
            (
                r#"no-pty,command="a, \" b" ssh-rsa KEY c"#,
                &["no-pty", r#"command="a, \" b""#],
                "ssh-rsa",
                "c",
            ),
            (
                "cert-authority sk-ssh-ed25519@openssh.com KEY",
                &["cert-authority"],
                "sk-ssh-ed25519@openssh.com",
                "",
            ),
            ("ssh-rsa-cert-v01@openssh.com KEY", &[], "ssh-rsa-cert-v01@openssh.com", ""),
        ] {
            let key = Key::parse(line).expect(line);
            assert_eq!((key.blob.as_str(), key.kind.as_str()), ("KEY", kind), "{line}");
            assert_eq!(
                (key.options.as_slice(), key.comment.as_str()),
                (options.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice(), comment)
            );
            assert_eq!(Key::parse(&key.line()), Some(key), "{line}");
        }
    }

    #[test]
    fn other_lines_have_none() {
        for line in ["", "# ssh-rsa KEY", "bogus", "ssh-rsa", "a b c", "\"unclosed ssh-rsa KEY"] {
            assert_eq!(Key::parse(line), None, "{line}");
        }
    }
}
