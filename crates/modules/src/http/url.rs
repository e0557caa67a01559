//! The little of URLs that the client needs: logins in them, joining a relative one, comparing origins.

use model::Secret;

use super::Login;

/// A URL without `user:password@`, and those apart.
pub(crate) fn without_login(url: &str) -> (String, Option<Login>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let Some((login, host)) = authority.rsplit_once('@') else { return (url.to_owned(), None) };
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let login =
        Login { user: percent_decoded(user), password: Secret::new(percent_decoded(password)) };
    (format!("{scheme}://{host}{path}"), Some(login))
}

/// A URL as people may see it.
pub(crate) fn masked(url: &str) -> String {
    match without_login(url) {
        (plain, None) => plain,
        (plain, Some(_)) => plain.replacen("://", "://****:****@", 1),
    }
}

/// The last part of a URL's path, as the name of a file.
pub(crate) fn file_name(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path =
        path.split_once("://").map_or(path, |(_, rest)| rest.split_once('/').unwrap_or_default().1);
    let name = path.rsplit('/').next().unwrap_or_default();
    if matches!(name, "" | "." | "..") { "index.html" } else { name }
}

/// Whether two URLs name the same scheme, host and port.
pub(crate) fn same_origin(a: &str, b: &str) -> bool {
    origin(a).eq_ignore_ascii_case(origin(b))
}

/// Where a `Location` leads from a base URL.
pub(crate) fn join(base: &str, location: &str) -> String {
    let mut location = location.split('#').next().unwrap_or_default();
    if location.contains("://") {
        return location.to_owned();
    }
    // `https:path`: the scheme says nothing new.
    let scheme = base.split("://").next().unwrap_or_default();
    if let Some((given, rest)) = location.split_once(':')
        && given.eq_ignore_ascii_case(scheme)
    {
        location = rest;
    }
    let origin = origin(base);
    if let Some(rest) = location.strip_prefix("//") {
        return format!("{scheme}://{rest}");
    }
    if location.starts_with('/') {
        return format!("{origin}{}", without_dots(location));
    }
    let path = base[origin.len()..].split(['?', '#']).next().unwrap_or_default();
    if location.is_empty() || location.starts_with('?') {
        return format!("{origin}{path}{location}");
    }
    let folder = path.rfind('/').map_or("/", |slash| &path[..=slash]);
    format!("{origin}{}", without_dots(&format!("{folder}{location}")))
}

/// `scheme://host:port` of a URL.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    &url[..end]
}

/// A path with `.` and `..` resolved, keeping its query.
fn without_dots(path_and_query: &str) -> String {
    let (path, query) =
        path_and_query.find('?').map_or((path_and_query, ""), |at| path_and_query.split_at(at));
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (index, segment) in segments.iter().enumerate() {
        let last = index + 1 == segments.len();
        match *segment {
            "." if last => kept.push(""),
            "." => {}
            ".." => {
                kept.pop();
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

/// `%41` as `A`; what is not an escape stays.
pub(crate) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(escape.unwrap_or(bytes[at]));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Text as a form's field: spaces become `+`, all but letters, digits and `_.-~` is escaped.
pub(crate) fn form_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => write!(out, "%{byte:02X}").expect("a string takes all text"),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_leave_the_url() {
        let (url, login) = without_login("https://me:s%3Acret@host:8443/x?y@z");
        assert_eq!(url, "https://host:8443/x?y@z");
        let login = login.expect("has a login");
        assert_eq!((login.user.as_str(), login.password.reveal().as_str()), ("me", "s:cret"));
        let (url, login) = without_login("http://host/a@b");
        assert_eq!((url.as_str(), login.is_none()), ("http://host/a@b", true));
    }

    #[test]
    fn locations_join() {
        let base = "http://h:1/a/b?q";
        for (location, joined) in [
            ("https://o/x", "https://o/x"),
            ("//o/x", "http://o/x"),
            ("/x/./y/../z", "http://h:1/x/z"),
            ("c?d", "http://h:1/a/c?d"),
            ("../../..", "http://h:1/"),
            ("?n", "http://h:1/a/b?n"),
            ("", "http://h:1/a/b"),
            ("c#frag", "http://h:1/a/c"),
        ] {
            assert_eq!(join(base, location), joined, "{location}");
        }
        assert_eq!(join("http://h", "x"), "http://h/x");
    }

    #[test]
    fn forms_encode() {
        assert_eq!(form_encoded("a b&c=ü~"), "a+b%26c%3D%C3%BC~");
        assert_eq!(percent_decoded("%zz%4"), "%zz%4");
        assert!(same_origin("http://H/a", "http://h/b?c") && !same_origin("http://h", "https://h"));
    }
}
