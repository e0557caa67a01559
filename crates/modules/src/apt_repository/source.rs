//! One line of a file of sources: `deb [options] URL suite component...`.

/// A source, normalized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Not commented out.
    pub(super) enabled: bool,
    kind: String,
    options: Option<String>,
    url: String,
    rest: Vec<String>,
}

impl Source {
    /// Reads a line; `None`: it is no source.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let enabled = !line.starts_with('#');
        let text = line.trim_start_matches(['#', ' ', '\t']);
        let (kind, rest) = text.split_once(char::is_whitespace)?;
        if !matches!(kind, "deb" | "deb-src") {
            return None;
        }
        let rest = rest.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(inner) => {
                let (options, rest) = inner.split_once(']')?;
                let words: Vec<&str> = options.split_whitespace().collect();
                (Some(words.join(" ")), rest)
            }
            None => (None, rest),
        };
        // What follows the hash is a comment.
        let rest = rest.split('#').next().unwrap_or_default();
        let mut words = rest.split_whitespace().map(str::to_owned);
        let url = words.next()?;
        let rest: Vec<String> = words.collect();
        let is_flat = rest.first().is_some_and(|suite| suite.ends_with('/'));
        if !url.contains(':') || rest.is_empty() || (rest.len() < 2 && !is_flat) {
            return None;
        }
        Some(Self { enabled, kind: kind.to_owned(), options, url, rest })
    }

    /// Whether two lines name the same packages: options do not count.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.url.trim_end_matches('/') == other.url.trim_end_matches('/')
            && self.rest == other.rest
    }

    /// The line.
    pub(super) fn line(&self) -> String {
        let options =
            self.options.as_ref().map(|options| format!("[{options}] ")).unwrap_or_default();
        format!("{} {options}{} {}", self.kind, self.url, self.rest.join(" "))
    }

    /// A file name from the URL: `http://me:x@host.org/a/b` becomes `host_org_a_b`.
    pub(super) fn file_name(&self) -> String {
        let address = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let address = address.split_once('@').map_or(address, |(_, host)| host);
        let words = address.split(|c: char| !c.is_ascii_alphanumeric());
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_normalized() {
        let source = Source::parse(
            "  deb  [ arch=amd64  trusted=yes ] http://u:p@x.org/a-b/  main  c1 c2 # note",
        )
        .expect("a source");
        assert_eq!(source.line(), "deb [arch=amd64 trusted=yes] http://u:p@x.org/a-b/ main c1 c2");
        assert_eq!(source.file_name(), "x_org_a_b");
        let off = Source::parse("# deb http://u:p@x.org/a-b main c1 c2").expect("a source");
        assert!(!off.enabled && off.is_same(&source));
        for line in [
            "",
            "# a comment about deb files",
            "deb",
            "deb http://x",
            "deb http://x main",
            "rpm http://x a b",
            "deb [x http://x a b",
        ] {
            assert_eq!(Source::parse(line), None, "{line}");
        }
        assert!(Source::parse("deb http://x ./").is_some());
    }
}
