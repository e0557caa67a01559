//! Host patterns: `all`, `web*`, `~regex`, `a:b`, `a,b`, `!x`, `&x`, `group[0]`, `group[1:3]`.

use std::net::Ipv6Addr;

use fancy_regex::Regex;
use indexmap::IndexSet;
use model::HostName;
use yaml::Diagnostic;

use crate::inventory::{Inventory, Mismatch, Selection};

/// The hosts that patterns choose, less those that `limit` leaves out. Nothing but separators chooses all.
pub(crate) fn select(
    inventory: &Inventory,
    patterns: &[String],
    limit: Option<&str>,
) -> Result<Selection, Diagnostic> {
    let mut warnings = Vec::new();
    let mut chosen = evaluate(inventory, patterns, &mut warnings)?;
    if let Some(limit) = limit.filter(|limit| !split(limit).is_empty()) {
        let allowed = evaluate(inventory, &[limit.to_owned()], &mut warnings)?;
        chosen.retain(|host| allowed.contains(host));
    }
    Ok(Selection { hosts: chosen.into_iter().collect(), warnings })
}

/// The single patterns of a text. With commas, only they separate; else colons and spaces outside brackets do.
fn split(pattern: &str) -> Vec<String> {
    let pattern = pattern.trim();
    if pattern.contains(',') {
        let parts = pattern.split(',').map(str::trim).filter(|part| !part.is_empty());
        return parts.map(ToOwned::to_owned).collect();
    }
    if is_address(pattern.trim_start_matches(['!', '&'])) {
        return vec![pattern.to_owned()];
    }
    let mut parts = vec![String::new()];
    let mut in_brackets = false;
    for letter in pattern.chars() {
        match letter {
            '[' => in_brackets = true,
            ']' => in_brackets = false,
            separator if !in_brackets && (separator == ':' || separator.is_whitespace()) => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = parts.last_mut() {
            last.push(letter);
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// An IPv6 address, or a host with its port: the colons in them separate nothing.
fn is_address(text: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<Ipv6Addr>().is_ok()
        || text.split_once(':').is_some_and(|(_, port)| !port.is_empty() && is_port(port))
}

/// Unions first, then intersections, then exclusions, wherever they stand.
fn evaluate(
    inventory: &Inventory,
    patterns: &[String],
    warnings: &mut Vec<String>,
) -> Result<IndexSet<HostName>, Diagnostic> {
    let parts: Vec<String> = patterns.iter().flat_map(|pattern| split(pattern)).collect();
    let (others, plain): (Vec<&String>, Vec<&String>) =
        parts.iter().partition(|part| part.starts_with(['&', '!']));
    let mut chosen: IndexSet<HostName> = IndexSet::new();
    if plain.is_empty() {
        chosen.extend(inventory.hosts_of("all"));
    }
    for part in plain {
        chosen.extend(matching(inventory, part, warnings)?);
    }
    for sign in ['&', '!'] {
        for part in others.iter().filter_map(|part| part.strip_prefix(sign)) {
            let named: IndexSet<HostName> =
                matching(inventory, part, warnings)?.into_iter().collect();
            chosen.retain(|host| named.contains(host) == (sign == '&'));
        }
    }
    Ok(chosen)
}

fn matching(
    inventory: &Inventory,
    part: &str,
    warnings: &mut Vec<String>,
) -> Result<Vec<HostName>, Diagnostic> {
    let (name, subscript) = split_subscript(part, warnings);
    let mut hosts: IndexSet<HostName> = IndexSet::new();
    let mut is_known = false;
    if let Some(regex) = regex(name)? {
        let matches = |name: &str| regex.is_match(name).unwrap_or(false);
        for group in inventory.groups().filter(|group| matches(&group.name)) {
            is_known = true;
            hosts.extend(inventory.hosts_of(&group.name));
        }
        let by_name = inventory.hosts().filter(|host| matches(host.name.as_str()));
        hosts.extend(by_name.map(|host| host.name.clone()));
    } else if inventory.group_named(name).is_some() {
        is_known = true;
        hosts.extend(inventory.hosts_of(name));
    } else if let Some(host) = inventory.host(name) {
        hosts.insert(host.name.clone());
    }
    if hosts.is_empty() && !is_known {
        unmatched(inventory, name, warnings)?;
    }
    let hosts: Vec<HostName> = hosts.into_iter().collect();
    Ok(match subscript {
        None => hosts,
        Some(Subscript::One(index)) => {
            let at = if index < 0 { index + hosts.len() as i64 } else { index };
            let found = usize::try_from(at).ok().and_then(|at| hosts.get(at));
            match found {
                Some(host) => vec![host.clone()],
                None if hosts.is_empty() => Vec::new(),
                None => {
                    let message = format!("No hosts matched the subscripted pattern '{part}'");
                    return Err(Diagnostic::error(message)
                        .note(format!("`{name}` has {} hosts", hosts.len())));
                }
            }
        }
        Some(Subscript::Slice(first, last)) => {
            let count =
                last.map_or(usize::MAX, |last| last.saturating_add(1).saturating_sub(first));
            hosts.into_iter().skip(first).take(count).collect()
        }
    })
}

/// A pattern that matches nothing: what that means is a setting.
fn unmatched(
    inventory: &Inventory,
    name: &str,
    warnings: &mut Vec<String>,
) -> Result<(), Diagnostic> {
    let message = format!("Could not match supplied host pattern, ignoring: {name}");
    match inventory.options().mismatch {
        Mismatch::Ignore => {}
        Mismatch::Warning => warnings.push(message),
        Mismatch::Error => {
            let groups = inventory.groups().map(|group| &*group.name);
            let hosts = inventory.hosts().map(|host| host.name.as_str());
            let error = Diagnostic::error(message);
            return Err(match crate::nearest(name, groups.chain(hosts)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error,
            });
        }
    }
    Ok(())
}

/// The regular expression of a pattern that is not simply a name.
fn regex(pattern: &str) -> Result<Option<Regex>, Diagnostic> {
    let source = match pattern.strip_prefix('~') {
        Some("") => return Err(Diagnostic::error("host pattern `~` lacks its regular expression")),
        Some(source) => format!("^(?:{source})"),
        None if pattern.contains(['*', '?', '[']) => glob(pattern),
        None => return Ok(None),
    };
    let wrong = |error| {
        Diagnostic::error(format!("host pattern `{pattern}` is not a regular expression: {error}"))
    };
    Regex::new(&source).map(Some).map_err(wrong)
}

/// Whether shell wildcards match the whole of a text.
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    Regex::new(&glob(pattern)).is_ok_and(|regex| regex.is_match(text).unwrap_or(false))
}

/// Shell wildcards as a regular expression: `*`, `?`, `[abc]`, `[!abc]`. A bracket that is not closed is a letter.
fn glob(pattern: &str) -> String {
    let mut source = String::from("^");
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        let class = rest.find(']').filter(|end| letter == '[' && *end > 0);
        match (letter, class) {
            (_, Some(end)) => {
                let (inner, negated) = match rest[..end].strip_prefix('!') {
                    Some(inner) => (inner, "^"),
                    None => (&rest[..end], ""),
                };
                let inner = inner.replace('\\', "\\\\").replace(['[', '&', '^', '~'], "");
                if inner.is_empty() {
                    source.push_str("(?!)");
                } else {
                    source.extend(["[", negated, &inner, "]"]);
                }
                rest = &rest[end + 1..];
            }
            ('*', _) => source.push_str(".*"),
            ('?', _) => source.push('.'),
            _ => source.push_str(&fancy_regex::escape(&letter.to_string())),
        }
    }
    source.push('$');
    source
}

enum Subscript {
    /// Negative: from the end.
    One(i64),
    /// Both ends are in it.
    Slice(usize, Option<usize>),
}

/// `group[0]`, `group[-1]`, `group[1:3]`, `group[2:]`; other brackets belong to a glob.
fn split_subscript<'p>(part: &'p str, warnings: &mut Vec<String>) -> (&'p str, Option<Subscript>) {
    let split = part.strip_suffix(']').and_then(|rest| rest.rsplit_once('['));
    let Some((name, inner)) = split.filter(|(name, _)| !name.is_empty() && !part.starts_with('~'))
    else {
        return (part, None);
    };
    if let Ok(index) = inner.parse() {
        return (name, Some(Subscript::One(index)));
    }
    let Some((first, last)) = inner.split_once([':', '-']) else { return (part, None) };
    let Ok(first) = first.parse() else { return (part, None) };
    let Some(last) = (if last.is_empty() { Some(None) } else { last.parse().ok().map(Some) })
    else {
        return (part, None);
    };
    if inner.contains('-') {
        let warning = "Use [x:y] inclusive subscripts instead of [x-y] which has been removed";
        warnings.push(warning.to_owned());
    }
    (name, Some(Subscript::Slice(first, last)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::Memory;

    fn choose(pattern: &str, limit: Option<&str>) -> Result<String, String> {
        struct NoPrograms;
        impl crate::Programs for NoPrograms {
            fn is_program(&self, _: &std::path::Path) -> bool {
                false
            }
            fn run(&self, _: &std::path::Path, _: &[&str]) -> Result<crate::Printed, String> {
                Err(String::new())
            }
        }
        let text =
            "u\n[web]\nw2\nw1\nw3.x\n2001:db8::1\n[p:children]\nweb\ndb\n[db]\nd1\nw1\n[empty]\n";
        let sources = crate::Sources {
            files: Arc::new(Memory::new([("hosts", text)])),
            programs: Arc::new(NoPrograms),
            names: vec!["hosts".to_owned()],
            options: crate::InventoryOptions::default(),
            vault: Arc::default(),
        };
        let inventory = Inventory::load(&Arc::new(sources)).expect("loads");
        let selection = inventory
            .select(&[pattern.to_owned()], limit)
            .map_err(|error| error.message().to_owned())?;
        let hosts = selection.hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(" ");
        let warnings = selection.warnings.iter().map(|it| {
            it.strip_prefix("Could not match supplied host pattern, ignoring: ").unwrap_or(it)
        });
        let warnings = warnings.collect::<Vec<_>>().join(", ");
        Ok(if warnings.is_empty() { hosts } else { format!("{hosts} | {warnings}") })
    }

    #[test]
    fn patterns_choose_hosts() {
        for (pattern, expected) in [
            ("all", "u w2 w1 w3.x 2001:db8::1 d1"),
            ("*", "u w2 w1 w3.x 2001:db8::1 d1"),
            ("p", "w2 w1 w3.x 2001:db8::1 d1"),
            ("db:web", "d1 w1 w2 w3.x 2001:db8::1"),
            ("db, u", "d1 w1 u"),
            ("u db", "u d1 w1"),
            ("web:&db", "w1"),
            ("web:!db", "w2 w3.x 2001:db8::1"),
            ("!web*,all", "u d1"),
            ("!web", "u d1"),
            ("&db", "w1 d1"),
            ("&web,&db", "w1"),
            ("web[0]", "w2"),
            ("web[-1]", "2001:db8::1"),
            ("web[1:2]", "w1 w3.x"),
            ("web[2:]", "w3.x 2001:db8::1"),
            ("web[5:2]", ""),
            ("w*[0]", "w2"),
            ("w?", "w2 w1"),
            ("w[!2]", "w1"),
            ("w[1-2]*", "w2 w1"),
            ("*.x", "w3.x"),
            (r"~w\d$", "w2 w1"),
            ("~(d|u)", "u d1 w1"),
            ("2001:db8::1", "2001:db8::1"),
            ("!2001:db8::1", "u w2 w1 w3.x d1"),
            ("localhost", "localhost"),
            ("127.0.0.1,w1", "127.0.0.1 w1"),
            ("empty", ""),
            ("empty[0]", ""),
            ("", "u w2 w1 w3.x 2001:db8::1 d1"),
            (",,", "u w2 w1 w3.x 2001:db8::1 d1"),
            (",,w1", "w1"),
            ("all[-1]", "d1"),
            ("all,localhost", "u w2 w1 w3.x 2001:db8::1 d1 localhost"),
        ] {
            assert_eq!(choose(pattern, None).as_deref(), Ok(expected), "{pattern}");
        }
    }

    #[test]
    fn what_matches_nothing_is_told() {
        for (pattern, expected) in [
            ("nope", " | nope"),
            ("web:nope", "w2 w1 w3.x 2001:db8::1 | nope"),
            ("web:!nope", "w2 w1 w3.x 2001:db8::1 | nope"),
            ("web:&nope", " | nope"),
            ("nope[0]", " | nope"),
            ("W1", " | W1"),
            ("web[x]", " | web[x]"),
            ("w[]", " | w[]"),
            ("w[", " | w["),
            ("w!1", " | w!1"),
            ("web:dbs,u", "u | web:dbs"),
            ("w1:22", " | w1:22"),
            (
                "web[0-1]",
                "w2 w1 | Use [x:y] inclusive subscripts instead of [x-y] which has been removed",
            ),
        ] {
            assert_eq!(choose(pattern, None).as_deref(), Ok(expected), "{pattern}");
        }
        for part in ["web[99]", "web[-99]", "w?[2]"] {
            let message = format!("No hosts matched the subscripted pattern '{part}'");
            assert_eq!(choose(part, None), Err(message));
        }
        assert_eq!(choose("~", None), Err("host pattern `~` lacks its regular expression".into()));
        assert!(choose("~(", None).is_err_and(|why| why.contains("not a regular expression")));
    }

    #[test]
    fn a_limit_takes_away() {
        for (limit, expected) in [
            ("web", "w1"),
            ("!web", "d1"),
            ("u", ""),
            ("", "d1 w1"),
            (",", "d1 w1"),
            ("nope", " | nope"),
            ("w*:!w2", "w1"),
            ("d1,w1", "d1 w1"),
        ] {
            assert_eq!(choose("db", Some(limit)).as_deref(), Ok(expected), "{limit}");
        }
    }
}
