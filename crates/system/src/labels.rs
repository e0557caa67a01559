//! What a file carries besides owner and mode: the flags of its file system (`chattr`) and its SELinux label, each as a
//! change that can be laid over what is there. Knows no files.

/// The flags that there are, with `lsattr`'s letters in its order.
pub const FLAGS: &[(char, u32)] = &[
    ('s', 0x0000_0001),
    ('u', 0x0000_0002),
    ('S', 0x0000_0008),
    ('D', 0x0001_0000),
    ('i', 0x0000_0010),
    ('a', 0x0000_0020),
    ('d', 0x0000_0040),
    ('A', 0x0000_0080),
    ('c', 0x0000_0004),
    ('E', 0x0000_0800),
    ('j', 0x0000_4000),
    ('I', 0x0000_1000),
    ('t', 0x0000_8000),
    ('T', 0x0002_0000),
    ('e', 0x0008_0000),
    ('V', 0x0010_0000),
    ('C', 0x0080_0000),
    ('x', 0x0200_0000),
    ('F', 0x4000_0000),
    ('N', 0x1000_0000),
    ('P', 0x2000_0000),
    ('m', 0x0000_0400),
];

/// Those that keep even root from changing or replacing a file.
const HOLDING: u32 = 0x0000_0010 | 0x0000_0020;

/// Flags to set and to take away; the others stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlagChange {
    /// To set.
    pub add: u32,
    /// To take away.
    pub remove: u32,
}

impl FlagChange {
    /// The flags as they would be.
    pub fn over(self, current: u32) -> u32 {
        (current & !self.remove) | self.add
    }

    /// What has to be gone before anything else of the file can be changed.
    pub fn first(self, current: u32) -> u32 {
        current & !(self.remove & HOLDING)
    }
}

/// The extended attribute that has the label.
pub const LABEL: &str = "security.selinux";

/// Parts of an SELinux label to set; the others stay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the parts of a label, in its order")]
pub struct LabelChange {
    pub user: Option<String>,
    pub role: Option<String>,
    pub kind: Option<String>,
    pub level: Option<String>,
}

impl LabelChange {
    /// The label as it would be: `user:role:type[:level]`. `None` when what is there is no label and parts are missing.
    pub fn over(&self, current: &str) -> Option<String> {
        let mut parts = current.splitn(4, ':').map(str::to_owned);
        let mut part = |wanted: &Option<String>| {
            let current = parts.next().filter(|part| !part.is_empty());
            wanted.clone().or(current)
        };
        let (user, role, kind) = (part(&self.user)?, part(&self.role)?, part(&self.kind)?);
        Some(match part(&self.level) {
            Some(level) => format!("{user}:{role}:{kind}:{level}"),
            None => format!("{user}:{role}:{kind}"),
        })
    }
}

/// A label without the zero byte that ends it in the kernel.
pub(crate) fn label_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{FlagChange, LabelChange};

    #[test]
    fn parts_of_a_label_are_laid_over_it() {
        let kind = LabelChange { kind: Some("etc_t".into()), ..LabelChange::default() };
        assert_eq!(
            kind.over("system_u:object_r:usr_t:s0:c1,c2").as_deref(),
            Some("system_u:object_r:etc_t:s0:c1,c2")
        );
        assert_eq!(kind.over("u:r:t").as_deref(), Some("u:r:etc_t"));
        assert_eq!(kind.over(""), None);
    }

    #[test]
    fn what_holds_a_file_goes_first() {
        let change = FlagChange { add: 0x80, remove: 0x10 };
        assert_eq!((change.first(0x50), change.over(0x50)), (0x40, 0xc0));
    }
}
