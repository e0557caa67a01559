//! Flags and SELinux labels as arguments, and how they differ from what a file has.

use std::path::Path;

use system::{Attributes, FLAGS, FileKind, FileStat, FlagChange, LABEL, LabelChange, Probe};

use super::{AttributeDrift, FileAttributes};
use crate::contract::Failure;

/// Flags that nobody sets: the file system does, or they come with how a file is stored.
const OF_THE_FILE_SYSTEM: &str = "eEINV";

impl FileAttributes {
    /// The wanted flags: `[=+-]LETTERS`.
    pub(super) fn flags(&self) -> Result<Option<FlagChange>, Failure> {
        let text = match self.attributes.as_deref().map(str::trim) {
            None | Some("") => return Ok(None),
            Some(text) => text,
        };
        let letters = text.trim_start_matches(['+', '-', '=']);
        let mut flags = 0;
        for letter in letters.chars() {
            let known = FLAGS.iter().find(|(known, _)| *known == letter);
            flags |= known.map(|(_, flag)| flag).ok_or_else(|| no_flag(text, letter))?;
        }
        Ok(Some(match text.as_bytes()[0] {
            b'+' => FlagChange { add: flags, remove: 0 },
            b'-' => FlagChange { add: 0, remove: flags },
            _ => {
                let settable =
                    FLAGS.iter().filter(|(letter, _)| !OF_THE_FILE_SYSTEM.contains(*letter));
                FlagChange { add: flags, remove: settable.map(|(_, flag)| flag).sum() }
            }
        }))
    }

    /// The wanted label, where there is SELinux; without it nobody asks for one.
    pub(super) fn label(&self, host: &dyn Probe) -> Result<Option<LabelChange>, Failure> {
        // `_default` is what the policy says, and that is what a file gets by itself.
        let part = |part: &Option<String>| part.clone().filter(|text| text != "_default");
        let change = LabelChange {
            user: part(&self.seuser),
            role: part(&self.serole),
            kind: part(&self.setype),
            level: part(&self.selevel),
        };
        for part in [&change.user, &change.role, &change.kind, &change.level].into_iter().flatten()
        {
            if part.is_empty() || part.contains([' ', '\n', '\0']) {
                return Err(Failure::new(format!(
                    "invalid selinux context: `{}`",
                    part.escape_debug()
                )));
            }
        }
        if change == LabelChange::default() {
            return Ok(None);
        }
        let has_selinux = host.stat(Path::new("/sys/fs/selinux/enforce"), true)?.is_some();
        Ok(has_selinux.then_some(change))
    }

    /// Flags and label that are not as wanted.
    pub(super) fn drift_of_marks(
        host: &dyn Probe,
        path: &Path,
        current: &FileStat,
        wanted: Attributes,
        drift: &mut AttributeDrift,
    ) -> Result<(), Failure> {
        let has_flags = matches!(current.kind, FileKind::File | FileKind::Directory);
        if let Some(change) = wanted.flags.filter(|_| has_flags) {
            let flags = host.flags(path)?.unwrap_or_default();
            if change.over(flags) != flags {
                drift.set.flags = Some(change);
                drift.before.insert("attributes".into(), letters(flags).into());
                drift.after.insert("attributes".into(), letters(change.over(flags)).into());
            }
        }
        if let Some(change) = wanted.label.filter(|_| current.kind != FileKind::Symlink) {
            let label = host.xattr(path, LABEL)?.unwrap_or_default();
            let label = String::from_utf8_lossy(&label).trim_end_matches('\0').to_owned();
            let new = change.over(&label);
            if new.as_ref() != Some(&label) {
                drift.set.label = Some(change);
                drift.before.insert("secontext".into(), label.into());
                drift.after.insert("secontext".into(), new.into());
            }
        }
        Ok(())
    }
}

/// Flags as `lsattr` shows them, without the dashes.
pub(crate) fn letters(flags: u32) -> String {
    FLAGS.iter().filter(|(_, flag)| flags & flag != 0).map(|(letter, _)| letter).collect()
}

fn no_flag(text: &str, letter: char) -> Failure {
    let known: String = FLAGS.iter().map(|(letter, _)| letter).collect();
    Failure::new(format!(
        "attributes: `{}` in `{}` is no flag; flags are {known}",
        letter.escape_debug(),
        text.escape_debug()
    ))
}
