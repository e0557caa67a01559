//! Versions of collections (semantic versions), and ranges of them. Knows no collection.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use pubgrub::Ranges;

/// A semantic version; what stands after `+` does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    numbers: [u64; 3],
    pre: Vec<Part>,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

impl Version {
    /// Whether it is one before a release.
    pub fn is_pre(&self) -> bool {
        !self.pre.is_empty()
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("'{text}' is not a valid semantic version");
        let (core, _) = text.split_once('+').unwrap_or((text, ""));
        let (core, pre) = match core.split_once('-') {
            Some((_, "")) => return Err(refuse()),
            Some((core, pre)) => (core, pre.split('.').map(part).collect::<Option<Vec<_>>>()),
            None => (core, Some(Vec::new())),
        };
        let numbers: Option<Vec<u64>> = core.split('.').map(number).collect();
        let numbers = numbers.and_then(|numbers| numbers.try_into().ok()).ok_or_else(refuse)?;
        Ok(Self { numbers, pre: pre.ok_or_else(refuse)?, text: text.to_owned() })
    }
}

fn number(text: &str) -> Option<u64> {
    let is_plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_plain { text.parse().ok() } else { None }
}

fn part(text: &str) -> Option<Part> {
    let is_word =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        number(text).map(Part::Number)
    } else {
        is_word.then(|| Part::Word(text.to_owned()))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        // A release is later than all that came before it.
        let key = |version: &Self| (version.numbers, version.pre.is_empty());
        key(self).cmp(&key(other)).then_with(|| self.pre.cmp(&other.pre))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Which versions will do: `*`, `1.0.0`, `>=1.0.0,<2.0.0`.
#[derive(Debug, Clone)]
pub struct Range(Vec<(Sign, Version)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Equal,
    Other,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !matches!(*part, "" | "*")) {
            let (sign, rest) = sign(part);
            let rest = rest.trim();
            // `>=1` and `>=1.2` are taken as people mean them.
            let dots = rest.split(['-', '+']).next().unwrap_or_default().matches('.').count();
            let missing = if rest.contains(['-', '+']) { 0 } else { 2_usize.saturating_sub(dots) };
            let rest = rest.to_owned() + &".0".repeat(missing);
            parts.push((
                sign,
                rest.parse::<Version>()
                    .map_err(|_| format!("'{part}' is not a valid version or range of versions"))?,
            ));
        }
        Ok(Self(parts))
    }
}

fn sign(part: &str) -> (Sign, &str) {
    const SIGNS: [(&str, Sign); 7] = [
        (">=", Sign::AtLeast),
        ("<=", Sign::AtMost),
        ("==", Sign::Equal),
        ("!=", Sign::Other),
        (">", Sign::Greater),
        ("<", Sign::Less),
        ("=", Sign::Equal),
    ];
    let found = SIGNS.iter().find_map(|(word, sign)| Some((*sign, part.strip_prefix(word)?)));
    found.unwrap_or((Sign::Equal, part))
}

impl Range {
    /// The same for the resolver.
    pub(crate) fn versions(&self) -> Ranges<Version> {
        self.0.iter().fold(Ranges::full(), |all, (sign, named)| {
            let named = named.clone();
            all.intersection(&match sign {
                Sign::Equal => Ranges::singleton(named),
                Sign::Other => Ranges::singleton(named).complement(),
                Sign::Less => Ranges::strictly_lower_than(named),
                Sign::AtMost => Ranges::lower_than(named),
                Sign::Greater => Ranges::strictly_higher_than(named),
                Sign::AtLeast => Ranges::higher_than(named),
            })
        })
    }

    /// The versions that it names as they are.
    pub(crate) fn named(&self) -> impl Iterator<Item = &Version> {
        self.0.iter().filter(|(sign, _)| *sign == Sign::Equal).map(|(_, version)| version)
    }

    /// Whether a version will do. One before a release does only where it is named or wanted.
    pub fn holds(&self, version: &Version, with_pre: bool) -> bool {
        let is_named = self.0.iter().any(|(sign, named)| *sign == Sign::Equal && named == version);
        (with_pre || is_named || !version.is_pre())
            && self.0.iter().all(|(sign, named)| {
                let order = version.cmp(named);
                match sign {
                    Sign::Equal => order.is_eq(),
                    Sign::Other => order.is_ne(),
                    Sign::Less => order.is_lt(),
                    Sign::AtMost => order.is_le(),
                    Sign::Greater => order.is_gt(),
                    Sign::AtLeast => order.is_ge(),
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered() {
        let all =
            ["0.9.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta", "1.0.0", "1.0.1", "1.10.0"];
        for pair in all.windows(2) {
            assert!(pair[0].parse::<Version>().unwrap() < pair[1].parse().unwrap(), "{pair:?}");
        }
    }

    #[test]
    fn bad_versions_are_refused() {
        for bad in [
            "",
            "1",
            "1.0",
            "01.0.0",
            "1.0.0-",
            "1.0.0-a..b",
            "a.b.c",
            "1.0.0.0",
            "-1.0.0",
            "1.0.99999999999999999999",
        ] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
        for bad in [">=x", ">>1.0.0", "1.0.0 || 2.0.0"] {
            assert!(bad.parse::<Range>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_hold() {
        for (range, version, holds) in [
            ("*", "1.0.0", true),
            ("*", "1.0.0-rc1", false),
            ("1.0.0-rc1", "1.0.0-rc1", true),
            (">=1.0.0,<2.0.0", "1.9.9", true),
            (">=1.0.0,<2.0.0", "2.0.0", false),
            ("!=1.0.0", "1.0.0", false),
            (">=1.2", "1.2.0", true),
        ] {
            assert_eq!(
                range.parse::<Range>().unwrap().holds(&version.parse().unwrap(), false),
                holds,
                "{range} {version}"
            );
        }
    }
}
