//! What `apt-get` prints, for the counts and the diff.

/// The closing line: `1 upgraded, 2 newly installed, 0 to remove and 3 not upgraded.`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Summary {
    pub(crate) upgraded: u64,
    pub(crate) installed: u64,
    pub(crate) downgraded: u64,
    pub(crate) reinstalled: u64,
    pub(crate) removed: u64,
}

impl Summary {
    /// Reads the summary; `None` when apt printed none, e.g. because it failed.
    pub(crate) fn parse(output: &str) -> Option<Self> {
        let line = output
            .lines()
            .rev()
            .find(|line| line.contains(" newly installed, ") && line.contains(" not upgraded"))?;
        let mut summary = Self::default();
        for part in line.trim_end_matches('.').replace(" and ", ", ").split(", ") {
            let (number, what) = part.split_once(' ')?;
            let number = number.parse().ok()?;
            match what {
                "upgraded" => summary.upgraded = number,
                "newly installed" => summary.installed = number,
                "downgraded" => summary.downgraded = number,
                "reinstalled" => summary.reinstalled = number,
                "to remove" => summary.removed = number,
                _ => {}
            }
        }
        Some(summary)
    }

    /// Whether apt has something to do.
    pub(crate) fn is_work(self) -> bool {
        self != Self::default()
    }
}

/// The lists of packages that stand before the summary, as Ansible shows them in a diff.
pub(crate) fn changes(output: &str) -> String {
    let headings = [
        "The following NEW packages will be installed:",
        "The following packages will be upgraded:",
        "The following packages will be DOWNGRADED:",
        "The following packages will be REMOVED:",
        "The following held packages will be changed:",
    ];
    let mut kept = String::new();
    let mut inside = false;
    for line in output.lines() {
        if headings.contains(&line.trim_end()) {
            inside = true;
        } else if !line.starts_with("  ") {
            inside = false;
        }
        if inside {
            kept.push_str(line.trim_end());
            kept.push('\n');
        }
    }
    kept
}

/// Whether `clean` or `autoclean` deletes something.
pub(crate) fn deletes(output: &str) -> bool {
    output.lines().any(|line| line.starts_with("Del "))
}

/// The package that apt has never heard of.
pub(crate) fn unknown_package(stderr: &str) -> Option<&str> {
    stderr.lines().find_map(|line| line.strip_prefix("E: Unable to locate package "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "Reading package lists...\nThe following additional packages will be installed:\n  libx\n\
        The following NEW packages will be installed:\n  libx nginx\nThe following packages will be upgraded:\n  curl\n\
        1 upgraded, 2 newly installed, 1 downgraded, 0 to remove and 7 not upgraded.\n\
        Inst libx (1.0 Debian:12 [amd64])\nConf libx (1.0 Debian:12 [amd64])\nRemv old [1]\n";

    #[test]
    fn the_summary_is_counted() {
        let summary = Summary::parse(OUTPUT).expect("has one");
        let expected = Summary { upgraded: 1, installed: 2, downgraded: 1, ..Summary::default() };
        assert_eq!(summary, expected);
        assert!(summary.is_work());
        let idle = "0 upgraded, 0 newly installed, 0 to remove and 12 not upgraded.";
        assert!(!Summary::parse(idle).expect("has one").is_work());
        assert_eq!(Summary::parse("E: Unable to locate package x"), None);
    }

    #[test]
    fn changes_are_kept_for_the_diff() {
        assert_eq!(
            changes(OUTPUT),
            "The following NEW packages will be installed:\n  libx nginx\n\
             The following packages will be upgraded:\n  curl\n"
        );
        assert!(deletes("Del curl 7.88 [316 kB]\n") && !deletes(OUTPUT));
        assert_eq!(unknown_package("W: x\nE: Unable to locate package y\n"), Some("y"));
    }
}
