//! Host patterns: `all`, `web*`, `~regex`, `a:b`, `a,b`, `!x`, `&x`, `group[0]`, `group[1:3]`.

use fancy_regex::Regex;
use indexmap::IndexSet;
use model::HostName;
use yaml::Diagnostic;

use crate::inventory::{Inventory, Selection};

/// The hosts that patterns choose, less those that `limit` leaves out.
pub(crate) fn select(
    inventory: &Inventory,
    patterns: &[String],
    limit: Option<&str>,
) -> Result<Selection, Diagnostic> {
    let mut warnings = Vec::new();
    let mut chosen = evaluate(inventory, &split(patterns), &mut warnings)?;
    if let Some(limit) = limit {
        let limits = split(&[limit.to_owned()]);
        let allowed = evaluate(inventory, &limits, &mut warnings)?;
        chosen.retain(|host| allowed.contains(host));
    }
    Ok(Selection { hosts: chosen.into_iter().collect(), warnings })
}

/// The single patterns of a text: separated by commas, or by colons that stand in no bracket and no IPv6 address.
fn split(patterns: &[String]) -> Vec<String> {
    let mut parts = Vec::new();
    for pattern in patterns {
        for part in pattern.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if part.starts_with('~') || is_address(part) {
                parts.push(part.to_owned());
            } else {
                parts.extend(split_colons(part));
            }
        }
    }
    parts
}

fn is_address(part: &str) -> bool {
    part.trim_start_matches(['!', '&']).parse::<std::net::Ipv6Addr>().is_ok()
}

fn split_colons(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for letter in text.chars() {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            ':' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().expect("never empty").push(letter);
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Unions first, then intersections, then exclusions, wherever they stand.
fn evaluate(
    inventory: &Inventory,
    parts: &[String],
    warnings: &mut Vec<String>,
) -> Result<IndexSet<HostName>, Diagnostic> {
    let kind = |wanted: Option<char>| {
        parts.iter().filter(move |part| {
            part.chars().next().filter(|first| matches!(first, '&' | '!')) == wanted
        })
    };
    let mut chosen: IndexSet<HostName> = IndexSet::new();
    let mut plain = kind(None).peekable();
    if plain.peek().is_none() && !parts.is_empty() {
        chosen.extend(matching(inventory, "all", warnings)?);
    }
    for part in plain {
        chosen.extend(matching(inventory, part, warnings)?);
    }
    for part in kind(Some('&')) {
        let others: IndexSet<HostName> =
            matching(inventory, &part[1..], warnings)?.into_iter().collect();
        chosen.retain(|host| others.contains(host));
    }
    for part in kind(Some('!')) {
        let others: IndexSet<HostName> =
            matching(inventory, &part[1..], warnings)?.into_iter().collect();
        chosen.retain(|host| !others.contains(host));
    }
    Ok(chosen)
}

fn matching(
    inventory: &Inventory,
    part: &str,
    warnings: &mut Vec<String>,
) -> Result<Vec<HostName>, Diagnostic> {
    let (name, subscript) = split_subscript(part);
    let matcher = Matcher::new(name)?;
    let mut hosts: IndexSet<HostName> = IndexSet::new();
    let mut found = false;
    for group in inventory.groups().filter(|group| matcher.matches(&group.name)) {
        found = true;
        hosts.extend(inventory.hosts_of(&group.name));
    }
    let by_name = inventory.hosts().filter(|host| matcher.matches(host.name.as_str()));
    hosts.extend(by_name.map(|host| host.name.clone()));
    if hosts.is_empty()
        && let Some(local) = inventory.host(name)
    {
        hosts.insert(local.name.clone());
    }
    if hosts.is_empty() && !found {
        warnings.push(format!("Could not match supplied host pattern, ignoring: {part}"));
    }
    let hosts: Vec<HostName> = hosts.into_iter().collect();
    Ok(match subscript {
        None => hosts,
        Some(subscript) => subscript.of(hosts),
    })
}

enum Matcher {
    Exact(String),
    Pattern(Regex),
}

impl Matcher {
    fn new(text: &str) -> Result<Self, Diagnostic> {
        let regex = |source: &str| {
            Regex::new(source)
                .map(Self::Pattern)
                .map_err(|error| Diagnostic::error(format!("host pattern {text}: {error}")))
        };
        if let Some(source) = text.strip_prefix('~') {
            return regex(&format!("^(?:{source})"));
        }
        if text.contains(['*', '?', '[']) {
            return regex(&glob(text));
        }
        Ok(Self::Exact(text.to_owned()))
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(text) => text == name,
            Self::Pattern(regex) => regex.is_match(name).unwrap_or(false),
        }
    }
}

fn glob(text: &str) -> String {
    let mut source = String::from("^");
    for letter in text.chars() {
        match letter {
            '*' => source.push_str(".*"),
            '?' => source.push('.'),
            '[' | ']' | '-' => source.push(letter),
            '!' => source.push('^'),
            other => source.push_str(&fancy_regex::escape(&other.to_string())),
        }
    }
    source.push('$');
    source
}

enum Subscript {
    One(i64),
    Slice(i64, Option<i64>),
}

impl Subscript {
    fn of(&self, hosts: Vec<HostName>) -> Vec<HostName> {
        let count = hosts.len() as i64;
        let position = |index: i64| if index < 0 { index + count } else { index };
        let (first, last) = match self {
            Self::One(index) => (position(*index), position(*index)),
            Self::Slice(first, last) => (position(*first).max(0), last.map_or(count - 1, position)),
        };
        let wanted = |index: usize| (first..=last).contains(&(index as i64));
        hosts
            .into_iter()
            .enumerate()
            .filter(|(index, _)| wanted(*index))
            .map(|(_, host)| host)
            .collect()
    }
}

/// `group[0]`, `group[-1]`, `group[1:3]`, `group[2:]`; other brackets belong to a glob.
fn split_subscript(part: &str) -> (&str, Option<Subscript>) {
    let Some((name, inner)) = part.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) else {
        return (part, None);
    };
    if part.starts_with('~') || name.is_empty() {
        return (part, None);
    }
    let number = |text: &str| text.parse::<i64>().ok();
    let subscript = match inner.split_once(':') {
        Some((first, last)) => {
            let first = if first.is_empty() { Some(0) } else { number(first) };
            let end = if last.is_empty() { Some(None) } else { number(last).map(Some) };
            first.zip(end).map(|(first, last)| Subscript::Slice(first, last))
        }
        None => number(inner).map(Subscript::One),
    };
    match subscript {
        Some(subscript) => (name, Some(subscript)),
        None => (part, None),
    }
}
