//! The table that dnf and yum print before they do something: what would be installed and removed.

/// What happens to a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// It comes, and takes no older version's place.
    Install,
    /// It takes the place of an older version.
    Upgrade,
    /// It takes the place of a newer version.
    Downgrade,
    /// It goes.
    Remove,
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub verb: Verb,
    /// The package's name, or a group's.
    pub name: String,
    /// Name, version, release and architecture; a group's name.
    pub nevra: String,
}

/// The entries of the table in an output; none when there is nothing to do.
pub(super) fn entries(output: &str) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut verb = None;
    // dnf breaks lines at 80 columns: the words of an entry may go on in the next line.
    let mut words: Vec<&str> = Vec::new();
    for line in output.lines() {
        if line.starts_with("Transaction Summary") {
            break;
        }
        if !line.starts_with(' ') {
            flush(verb, &mut words, &mut found);
            verb = if line.ends_with(':') { verb_of(line) } else { verb.filter(|_| false) };
            continue;
        }
        let mut parts = line.split_whitespace().peekable();
        if parts.peek().is_some_and(|word| word.starts_with("replacing")) {
            continue;
        }
        let goes_on = line.starts_with("   ") && (1..3).contains(&words.len());
        if !goes_on {
            flush(verb, &mut words, &mut found);
        }
        words.extend(parts);
    }
    flush(verb, &mut words, &mut found);
    found
}

fn verb_of(header: &str) -> Option<Verb> {
    let verbs = [
        ("Installing", Verb::Install),
        ("Reinstalling", Verb::Install),
        ("Upgrading", Verb::Upgrade),
        ("Updating", Verb::Upgrade),
        ("Downgrading", Verb::Downgrade),
        ("Removing", Verb::Remove),
        ("Enabling module", Verb::Install),
        ("Switching module", Verb::Install),
        ("Marking packages", Verb::Install),
    ];
    verbs.iter().find(|(word, _)| header.starts_with(word)).map(|(_, verb)| *verb)
}

fn flush(verb: Option<Verb>, words: &mut Vec<&str>, found: &mut Vec<Entry>) {
    let words = std::mem::take(words);
    let (Some(verb), Some(name)) = (verb, words.first()) else { return };
    let nevra = match words.as_slice() {
        [name, arch, version, _, ..] => {
            let version = version.strip_prefix("0:").unwrap_or(version);
            format!("{name}-{version}.{arch}")
        }
        words => words.join(" "),
    };
    found.push(Entry { verb, name: (*name).to_owned(), nevra });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str) -> Vec<String> {
        entries(output).iter().map(|entry| format!("{:?} {}", entry.verb, entry.nevra)).collect()
    }

    #[test]
    fn packages_stand_below_what_happens_to_them() {
        let output = "\
Dependencies resolved.
================================================================================
 Package          Architecture        Version              Repository      Size
================================================================================
Installing:
 bar              noarch              1.0-1                t              6.0 k
Installing dependencies:
 a-very-long-name-of-a-package-that-does-not-fit
                  x86_64              1:2.0-3.el9          t              6.0 k
     replacing  old.x86_64 1.0-1
Upgrading:
 foo              noarch              0:2.0-1              t              6.0 k
Removing dependent packages:
 lib              noarch              1.0-1                @t             4

Transaction Summary
================================================================================
Install  2 Packages
";
        assert_eq!(
            read(output),
            [
                "Install bar-1.0-1.noarch",
                "Install a-very-long-name-of-a-package-that-does-not-fit-1:2.0-3.el9.x86_64",
                "Upgrade foo-2.0-1.noarch",
                "Remove lib-1.0-1.noarch",
            ]
        );
    }

    #[test]
    fn groups_are_entries_and_skipped_packages_are_not() {
        let output = "Installing Groups:\n Web Server\n\nSkipping packages with conflicts:\n x noarch 1-1 t 1 k\n\
                      Transaction Summary\n Skip 1 Package\n";
        assert_eq!(read(output), ["Install Web Server"]);
        assert!(read("Dependencies resolved.\nNothing to do.\nComplete!\n").is_empty());
    }
}
