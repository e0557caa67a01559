//! Logins from ~/.netrc.

use std::path::{Path, PathBuf};

use model::Secret;
use system::Probe;

use super::{HttpError, Login};

const LIMIT: u64 = 1 << 20;

/// The login for a URL's host.
pub(crate) fn login(probe: &dyn Probe, url: &str) -> Result<Option<Login>, HttpError> {
    let path = match (probe.variable("NETRC"), probe.variable("HOME")) {
        (Some(path), _) => PathBuf::from(path),
        (None, Some(home)) => Path::new(&home).join(".netrc"),
        (None, None) => return Ok(None),
    };
    let host = url.parse::<ureq::http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    let text = probe.read(&path, LIMIT).map_err(|error| HttpError(error.to_string()))?;
    let (Some(host), Some(text)) = (host, text) else { return Ok(None) };
    Ok(find(&String::from_utf8_lossy(&text), &host))
}

/// The entry of a host, or else the default one.
fn find(text: &str, host: &str) -> Option<Login> {
    let mut words = text
        .lines()
        .flat_map(|line| line.split_whitespace().take_while(|word| !word.starts_with('#')));
    let mut found = None;
    let (mut is_ours, mut login) = (false, None);
    let mut keep = |is_ours: bool, login: Option<Login>| {
        if is_ours && found.is_none() {
            found = login;
        }
    };
    while let Some(word) = words.next() {
        match word {
            "machine" => {
                keep(is_ours, login.take());
                is_ours = words.next() == Some(host);
            }
            "default" => {
                keep(is_ours, login.take());
                is_ours = true;
            }
            "login" => {
                let user = words.next().unwrap_or_default().to_owned();
                login = Some(Login { user, password: Secret::default() });
            }
            "password" => {
                let password = Secret::new(words.next().unwrap_or_default().to_owned());
                login = login.map(|login| Login { password, ..login });
            }
            _ => {}
        }
    }
    keep(is_ours, login);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_host() {
        let text = "machine a.example login anna password one\n# machine b.example login no\n\
                    machine b.example\n login ben\n password two\ndefault login any password three\n";
        let of = |host: &str| {
            let login = find(text, host).expect("has an entry");
            (login.user, login.password.reveal().clone())
        };
        assert_eq!(of("a.example"), ("anna".to_owned(), "one".to_owned()));
        assert_eq!(of("b.example"), ("ben".to_owned(), "two".to_owned()));
        assert_eq!(of("c.example"), ("any".to_owned(), "three".to_owned()));
        assert!(find("machine x login", "y").is_none());
    }
}
