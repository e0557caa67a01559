//! The lines of `fstab(5)` and of the kernel's table of mounts. Text to text; no files.

/// An entry of fstab, with nothing escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub source: String,
    pub path: String,
    pub kind: String,
    pub options: String,
    pub dump: String,
    pub pass: String,
}

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.starts_with('#') {
            return None;
        }
        let fields: Vec<String> = line.split_whitespace().map(unescape).collect();
        let field = |index: usize| fields.get(index).cloned();
        if !(4..=6).contains(&fields.len()) {
            return None;
        }
        let number = |index| field(index).unwrap_or_else(|| "0".to_owned());
        Some(Self {
            source: field(0)?,
            path: field(1)?,
            kind: field(2)?,
            options: field(3)?,
            dump: number(4),
            pass: number(5),
        })
    }

    /// The line, without its end.
    pub(super) fn line(&self) -> String {
        let fields = [&self.source, &self.path, &self.kind, &self.options, &self.dump, &self.pass];
        fields.map(|field| escape(field)).join(" ")
    }

    /// What is not mounted anywhere (swap) is told apart by its source.
    fn is_same(&self, other: &Self) -> bool {
        self.path == other.path && (!is_nowhere(&self.path) || self.source == other.source)
    }
}

fn is_nowhere(path: &str) -> bool {
    matches!(path, "none" | "swap")
}

/// The text with the entry in it.
pub(super) fn with(text: &str, wanted: &Entry) -> String {
    let entries = || text.lines().filter_map(Entry::parse);
    if entries().any(|entry| entry == *wanted) {
        return text.to_owned();
    }
    let mut is_there = false;
    let mut after = String::new();
    for line in text.lines() {
        let is_it = !is_there && Entry::parse(line).is_some_and(|entry| entry.is_same(wanted));
        if is_it {
            is_there = true;
            after.push_str(&wanted.line());
        } else {
            after.push_str(line);
        }
        after.push('\n');
    }
    if !is_there {
        after.push_str(&wanted.line());
        after.push('\n');
    }
    after
}

/// The text without what is mounted at a path; with a source, only what is mounted from there.
pub(super) fn without(text: &str, path: &str, source: Option<&str>) -> String {
    let goes = |line: &&str| {
        Entry::parse(line).is_some_and(|entry| {
            let counts = is_nowhere(path) && source.is_some();
            entry.path == path && (!counts || source == Some(entry.source.as_str()))
        })
    };
    text.split_inclusive('\n').filter(|line| !goes(line)).collect()
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mounted {
    pub source: String,
    /// The part of the source that is seen: `/`, or the directory of a bind mount.
    pub root: String,
}

/// What is mounted at a path last, in the text of `/proc/self/mountinfo`.
pub(super) fn mounted_at(table: &str, path: &str) -> Option<Mounted> {
    let mut found = table.lines().filter_map(|line| {
        let (place, device) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3).map(unescape);
        let (root, point) = (place.next()?, place.next()?);
        let source = unescape(device.split(' ').nth(1)?);
        (point == path).then_some(Mounted { source, root })
    });
    found.next_back()
}

fn escape(field: &str) -> String {
    field.replace(' ', "\\040").replace('\t', "\\011")
}

/// `\040` and its like become the letters that they mean.
fn unescape(field: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = field.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|_| first == b'\\');
        let code = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(source: &str, path: &str, options: &str) -> Entry {
        let text = |text: &str| text.to_owned();
        Entry {
            source: text(source),
            path: text(path),
            kind: text("ext4"),
            options: text(options),
            dump: text("0"),
            pass: text("0"),
        }
    }

    #[test]
    fn entries_are_added_changed_and_removed_and_the_rest_stays() {
        let text = "# c\n/dev/a   /a ext4\tro\nbroken\n/dev/s none swap sw 0 0";
        assert_eq!(with(text, &entry("/dev/a", "/a", "ro")), text);
        assert_eq!(
            with(text, &entry("/dev/a b", "/a", "rw")),
            "# c\n/dev/a\\040b /a ext4 rw 0 0\nbroken\n/dev/s none swap sw 0 0\n"
        );
        assert!(
            with(text, &entry("/dev/t", "none", "sw"))
                .ends_with("sw 0 0\n/dev/t none ext4 sw 0 0\n")
        );
        assert_eq!(without(text, "/a", Some("other")), "# c\nbroken\n/dev/s none swap sw 0 0");
        assert_eq!(without(text, "none", Some("/dev/x")), text);
        assert_eq!(without(text, "/nosuch", None), text);
    }

    #[test]
    fn the_last_mount_at_a_path_is_seen() {
        let table = "22 1 0:1 / /a\\040b rw - tmpfs tmpfs rw\n23 1 8:1 /dir /a\\040b rw shared:1 - ext4 /dev/sda1 rw\n";
        let found = mounted_at(table, "/a b").expect("it is mounted");
        assert_eq!((found.source.as_str(), found.root.as_str()), ("/dev/sda1", "/dir"));
        assert_eq!(mounted_at(table, "/a"), None);
    }
}
