//! Whose symbolic links are followed, and to where.
//!
//! Whoever owns a link decides where it leads, at any moment. So a link of another user than root and the process's own is
//! followed only to what belongs to that same user. systemd calls anything else an unsafe path transition, and refuses
//! it likewise (systemd-tmpfiles(8)).

use std::path::Path;

use crate::{Error, FileStat};

/// Whether others than root and the user `me` can put names into a directory.
pub(crate) fn is_open_to(directory: &FileStat, me: u32) -> bool {
    !is_trusted(directory.uid, me) || directory.mode & 0o002 != 0
}

fn is_trusted(uid: u32, me: u32) -> bool {
    uid == 0 || uid == me
}

/// Whether a link in a directory leads from a user to what is not theirs.
pub(crate) fn is_led_astray(
    directory: &FileStat,
    link: &FileStat,
    there: &FileStat,
    me: u32,
) -> bool {
    if !is_trusted(link.uid, me) {
        return there.uid != link.uid;
    }
    // A link of root that others have linked to, here, by another name.
    link.links > 1 && is_open_to(directory, me) && there.uid != directory.uid
}

/// The error about a link that is not followed: the link in words, and its owner.
pub(crate) fn led_astray(path: &Path, link: &str, owner: &str) -> Error {
    Error::Refused(format!(
        "refused to follow the symbolic link {link} on the way to {}: it belongs to {owner}, and what it leads to does \
         not, so {owner} could lead any change anywhere; give the link to root (`file: path={link} state=link owner=root \
         follow=false`), or name the place that it leads to",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(uid: u32, mode: u32, links: u64) -> FileStat {
        let now = std::time::SystemTime::UNIX_EPOCH;
        FileStat {
            kind: crate::FileKind::Directory,
            mode,
            uid,
            gid: uid,
            size: 0,
            device: 1,
            rdev: 0,
            inode: 1,
            links,
            blocks: 0,
            block_size: 4096,
            accessed: now,
            modified: now,
            changed: now,
        }
    }

    #[test]
    fn who_owns_a_link_may_lead_to_what_is_theirs() {
        let (home, tmp, etc) = (owned(1000, 0o755, 2), owned(0, 0o1777, 2), owned(0, 0o755, 2));
        let [root, user, other] = [0, 1000, 1001].map(|uid| owned(uid, 0o777, 1));
        let twice = owned(0, 0o777, 2);
        for (directory, link, there, me, astray) in [
            (&home, &user, &user, 0, false),
            (&home, &user, &root, 0, true),
            (&home, &user, &other, 0, true),
            (&home, &user, &root, 1000, false),
            (&home, &root, &root, 0, false),
            (&tmp, &user, &root, 0, true),
            (&tmp, &user, &user, 0, false),
            (&etc, &twice, &root, 0, false),
            (&home, &twice, &root, 0, true),
            (&tmp, &twice, &user, 0, true),
        ] {
            assert_eq!(is_led_astray(directory, link, there, me), astray, "{link:?} -> {there:?}");
        }
    }
}
