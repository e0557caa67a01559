//! What a package must be like: `name[extra]>=1,<2`. What is not understood is left to pip.

use std::cmp::Ordering;

/// One requirement.
#[derive(Debug, Clone)]
pub(super) struct Requirement {
    /// As pip gets it.
    pub(super) text: String,
    /// The name in its normal form; `None`: a file, a URL, or with conditions.
    pub(super) name: Option<String>,
    /// What the version must be: operators and versions.
    limits: Vec<(String, String)>,
}

impl Requirement {
    pub(super) fn parse(text: &str) -> Self {
        let text = text.trim().to_owned();
        let unknown = Self { text: text.clone(), name: None, limits: Vec::new() };
        let is_letter = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let end = text.find(|c: char| !is_letter(c)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return unknown;
        }
        // Extras may need more than the package itself: only pip knows.
        let mut limits = Vec::new();
        for limit in rest.split(',').map(str::trim).filter(|limit| !limit.is_empty()) {
            let end = limit.find(|c: char| !"<>=!~".contains(c)).unwrap_or(limit.len());
            let (operator, version) = limit.split_at(end);
            let version = version.trim();
            let is_version = |c: char| c.is_ascii_alphanumeric() || ".*+!-_".contains(c);
            if operator.is_empty() || version.is_empty() || !version.chars().all(is_version) {
                return unknown;
            }
            limits.push((operator.to_owned(), version.to_owned()));
        }
        let name = Some(normal(name));
        Self { text, name, limits }
    }

    /// A name and nothing else.
    pub(super) fn is_plain(&self) -> bool {
        self.name.is_some() && self.limits.is_empty()
    }

    /// Whether a version will do; `None`: only pip knows.
    pub(super) fn admits(&self, version: &str) -> Option<bool> {
        for (operator, wanted) in &self.limits {
            if !admits(operator, wanted, version)? {
                return Some(false);
            }
        }
        Some(true)
    }
}

fn admits(operator: &str, wanted: &str, version: &str) -> Option<bool> {
    if let Some(beginning) = wanted.strip_suffix(".*") {
        let (beginning, own) = (release(beginning)?, release(version)?);
        let starts =
            (0..beginning.len()).all(|at| own.get(at).copied().unwrap_or(0) == beginning[at]);
        return match operator {
            "==" => Some(starts),
            "!=" => Some(!starts),
            _ => None,
        };
    }
    if operator == "===" {
        return Some(wanted == version);
    }
    let order = compare(&release(version)?, &release(wanted)?);
    Some(match operator {
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        ">=" => order.is_ge(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        "<" => order.is_lt(),
        "~=" => {
            let mut beginning = release(wanted)?;
            beginning.pop()?;
            let own = release(version)?;
            let starts =
                (0..beginning.len()).all(|at| own.get(at).copied().unwrap_or(0) == beginning[at]);
            order.is_ge() && starts
        }
        _ => return None,
    })
}

/// The numbers of a plain release; `None`: it has more than numbers.
fn release(version: &str) -> Option<Vec<u64>> {
    version.trim_start_matches('v').split('.').map(|part| part.parse().ok()).collect()
}

fn compare(a: &[u64], b: &[u64]) -> Ordering {
    let at = |list: &[u64], index| list.get(index).copied().unwrap_or(0);
    (0..a.len().max(b.len()))
        .map(|index| at(a, index).cmp(&at(b, index)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// A name as indexes compare it: `Foo_Bar.baz` is `foo-bar-baz`.
pub(super) fn normal(name: &str) -> String {
    let words = name.split(['-', '_', '.']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_numbers() {
        for (text, version, answer) in [
            ("a", "1", Some(true)),
            ("a==1.0", "1", Some(true)),
            ("a>=1.9,<2", "1.10", Some(true)),
            ("a>=1.9,<2", "2.0", Some(false)),
            ("a~=1.4", "1.9", Some(true)),
            ("a~=1.4.2", "1.5", Some(false)),
            ("a==1.*", "1.7.3", Some(true)),
            ("a!=1.7", "1.7.0", Some(false)),
            ("a===1.0", "1", Some(false)),
            ("a>1", "2.0rc1", None),
        ] {
            assert_eq!(Requirement::parse(text).admits(version), answer, "{text} {version}");
        }
    }

    #[test]
    fn what_is_no_name_is_left_to_pip() {
        for text in ["./dir", "git+https://x.test/a", "a[extra]", "a; python_version<'3'", "a @ b"]
        {
            assert_eq!(Requirement::parse(text).name, None, "{text}");
        }
        assert_eq!(Requirement::parse("Foo_Bar>=1").name.as_deref(), Some("foo-bar"));
        assert!(Requirement::parse("a").is_plain() && !Requirement::parse("a==1").is_plain());
    }
}
