//! What the last words of `ssh` mean, for people.

use engine::link::Target;

/// Parts of what ssh says, and what to do about it. The first that fits is taken.
const MEANINGS: &[(&[&str], &str)] = &[
    (
        &["REMOTE HOST IDENTIFICATION HAS CHANGED"],
        "the host's key is not the one that is known: the host was installed anew, or somebody is in between. \
         If the new key is right, remove the old one with `ssh-keygen -R {address}`",
    ),
    (
        &["Host key verification failed", "No ED25519 host key is known", "host key is known for"],
        "the host's key is not known: connect once with `ssh {address}` and check it, or add it to known_hosts",
    ),
    (
        &[
            "Permission denied",
            "Too many authentication failures",
            "no more authentication methods",
        ],
        "the host does not let us in: check user, key and password",
    ),
    (&["Connection refused"], "nothing listens on the host's SSH port"),
    (
        &["Could not resolve hostname", "Name or service not known"],
        "the name is not known: check ansible_host and DNS",
    ),
    (&["No route to host", "Network is unreachable"], "there is no way to the host's network"),
    (&["Connection timed out", "Operation timed out", "timed out"], "the host does not answer"),
    (
        &["Connection closed by", "Connection reset", "kex_exchange"],
        "the host closed the connection",
    ),
    (
        &["UNPROTECTED PRIVATE KEY", "bad permissions"],
        "others can read the private key: `chmod 600` it",
    ),
    (
        &["Bad configuration option", "unknown option", "usage: ssh"],
        "ssh does not take these arguments",
    ),
    (&["No space left on device", "Disk quota exceeded"], "the host's file system is full"),
    (
        &["administratively prohibited", "This account"],
        "the host does not run commands for this user",
    ),
];

/// The message of a connection that was not made, in Ansible's words with what they mean.
pub(crate) fn not_connected(target: &Target, said: &str, status: Option<i32>) -> String {
    format!("Failed to connect to the host via ssh: {}", explained(target, said, status))
}

/// The message of a connection that broke.
pub(crate) fn lost(target: &Target, said: &str, status: Option<i32>) -> String {
    format!("lost the connection to the host via ssh: {}", explained(target, said, status))
}

fn explained(target: &Target, said: &str, status: Option<i32>) -> String {
    let said = last_words(said);
    let meaning = MEANINGS
        .iter()
        .find(|(parts, _)| parts.iter().any(|part| said.contains(part)))
        .map(|(_, meaning)| meaning.replace("{address}", &target.address));
    let said = match (said.as_str(), status) {
        ("", Some(status)) => format!("ssh ended with status {status} and said nothing"),
        ("", None) => "ssh was killed".to_owned(),
        (said, _) => said.to_owned(),
    };
    match meaning {
        Some(meaning) => format!("{said} ({meaning})"),
        None => said,
    }
}

/// The lines that matter: without greetings about keys, and not more than a screenful.
fn last_words(said: &str) -> String {
    let is_chatter = |line: &&str| {
        !line.trim().is_empty()
            && !line.starts_with("Warning: Permanently added")
            && !line.starts_with("debug1:")
    };
    let lines: Vec<&str> = said.lines().map(str::trim_end).filter(is_chatter).collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::command::tests::target;
    use super::*;

    #[test]
    fn what_ssh_says_is_explained() {
        for (said, expected) in [
            ("ssh: connect to host 192.0.2.7 port 22: Connection refused\r\n", "nothing listens"),
            ("deploy@192.0.2.7: Permission denied (publickey,password).", "does not let us in"),
            ("Host key verification failed.\n", "`ssh 192.0.2.7`"),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                "ssh-keygen -R",
            ),
            (
                "ssh: Could not resolve hostname web01: Name or service not known",
                "ansible_host and DNS",
            ),
            ("ssh: connect to host 192.0.2.7 port 22: No route to host", "no way to"),
            ("ssh: connect to host 192.0.2.7 port 22: Connection timed out", "does not answer"),
            ("head: write error: No space left on device", "file system is full"),
        ] {
            let message = not_connected(&target(), said, Some(255));
            assert!(message.contains(expected) && message.contains(said.trim_end()), "{message}");
        }
    }

    #[test]
    fn greetings_are_left_out_and_silence_is_told() {
        let said =
            "Warning: Permanently added '192.0.2.7' to the list of known hosts.\r\nsomething new\n";
        let expected = "Failed to connect to the host via ssh: something new";
        assert_eq!(not_connected(&target(), said, Some(255)), expected);
        let silent = lost(&target(), "", Some(255));
        assert!(silent.ends_with("ssh ended with status 255 and said nothing"), "{silent}");
    }
}
