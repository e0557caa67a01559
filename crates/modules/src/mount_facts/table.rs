//! Tables of mounts: fstab and mtab, Solaris' vfstab, and what the program `mount` prints.

use model::Args;
use serde_json::{Value, json};

/// One mount, as a table tells it.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    pub(super) device: String,
    pub(super) path: String,
    pub(super) kind: String,
    /// What else this kind of table tells.
    more: Args,
    line: String,
}

impl Row {
    pub(super) fn into_facts(self, source: &str, uuid: Option<String>, sizes: Args) -> Value {
        let mut facts = Args::from_iter([
            ("device".to_owned(), Value::from(self.device)),
            ("mount".to_owned(), self.path.into()),
            ("fstype".to_owned(), self.kind.into()),
            ("uuid".to_owned(), uuid.into()),
        ]);
        facts.extend(self.more);
        facts.extend(sizes);
        let context = json!({ "source": source, "source_data": self.line });
        facts.insert("ansible_context".to_owned(), context);
        facts.into()
    }
}

/// The rows of a file, as the first kind of table that all of its lines fit; none when they fit none.
pub(super) fn of_file(text: &str) -> Vec<Row> {
    let lines = || {
        let lines = text.lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
    };
    let of_kind = |parse: fn(&str) -> Option<Row>| lines().map(parse).collect::<Option<Vec<_>>>();
    of_kind(of_fstab).or_else(|| of_kind(of_vfstab)).unwrap_or_default()
}

/// The rows of what `mount` prints, as the first kind of output that all of its lines fit.
pub(super) fn of_program(text: &str) -> Vec<Row> {
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let of_kind = |parse: fn(&str) -> Option<Row>| lines().map(parse).collect::<Option<Vec<_>>>();
    of_kind(of_linux).or_else(|| of_kind(of_bsd)).unwrap_or_default()
}

fn row(line: &str, device: &str, path: &str, kind: &str, more: Value) -> Row {
    let Value::Object(more) = more else { unreachable!("made by json! as an object") };
    Row {
        device: device.to_owned(),
        path: path.to_owned(),
        kind: kind.to_owned(),
        more,
        line: line.to_owned(),
    }
}

/// `device path type options [dump [pass]]`.
fn of_fstab(line: &str) -> Option<Row> {
    let known = line.split_once(" #").map_or(line, |(known, _)| known);
    let words: Vec<String> = known.split_whitespace().map(facts::unescaped).collect();
    let [device, path, kind, options, numbers @ ..] = words.as_slice() else { return None };
    let mut more = json!({ "options": options });
    for (name, number) in ["dump", "passno"].iter().zip(numbers) {
        more[*name] = number.parse::<i64>().ok()?.into();
    }
    (numbers.len() <= 2).then(|| row(line, device, path, kind, more))
}

/// `device device-to-check path type pass at-boot options`.
fn of_vfstab(line: &str) -> Option<Row> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let &[device, check, path, kind, pass, boot, options] = words.as_slice() else { return None };
    let pass = pass.parse::<i64>().map_or_else(|_| pass.into(), Value::from);
    let more =
        json!({"device_to_fsck": check, "passno": pass, "mount_at_boot": boot, "options": options});
    Some(row(line, device, path, kind, more))
}

/// `device on path type TYPE (options)`, and perhaps a label in brackets.
fn of_linux(line: &str) -> Option<Row> {
    let (device, rest) = line.split_once(" on ")?;
    let (path, rest) = rest.rsplit_once(" type ")?;
    let (kind, options) = rest.split_once(" (")?;
    let (options, _) = options.rsplit_once(')')?;
    Some(row(line, device, path, kind, json!({ "options": options })))
}

/// `device on path (TYPE, option, option)`.
fn of_bsd(line: &str) -> Option<Row> {
    let (device, rest) = line.split_once(" on ")?;
    let (path, rest) = rest.rsplit_once(" (")?;
    let (kind, options) = match rest.strip_suffix(')')?.split_once(", ") {
        Some((kind, options)) => (kind, options),
        None => (rest.strip_suffix(')')?, ""),
    };
    Some(row(line, device, path, kind, json!({ "options": options })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(rows: &[Row]) -> Vec<[&str; 3]> {
        rows.iter().map(|row| [row.device.as_str(), &row.path, &row.kind]).collect()
    }

    #[test]
    fn a_file_is_read_as_the_kind_of_table_that_it_is() {
        let fstab = "# by hand\nUUID=1 /a\\040b ext4 defaults 0 1 # root\n/dev/x none swap sw\n";
        assert_eq!(told(&of_file(fstab)), [["UUID=1", "/a b", "ext4"], ["/dev/x", "none", "swap"]]);
        let vfstab = "fd - /dev/fd fd - no -\n/dev/dsk/c0 /dev/rdsk/c0 / ufs 1 no -\n";
        let rows = of_file(vfstab);
        assert_eq!(told(&rows), [["fd", "/dev/fd", "fd"], ["/dev/dsk/c0", "/", "ufs"]]);
        assert_eq!(rows[1].more["passno"], 1);
        for none in
            ["", "/dev/x /x ext4", "/dev/x /x ext4 rw x 0", "a b c d e f g h\n", "\0\u{fffd}"]
        {
            assert_eq!(of_file(none), [], "{none}");
        }
    }

    #[test]
    fn what_mount_prints_is_read() {
        let linux =
            "/dev/a on / type ext4 (rw,relatime)\nsrv:/x on /mnt/type on type nfs4 (ro) [data]\n";
        assert_eq!(
            told(&of_program(linux)),
            [["/dev/a", "/", "ext4"], ["srv:/x", "/mnt/type on", "nfs4"]]
        );
        let bsd = "/dev/ada0p2 on / (ufs, local, soft-updates)\ndevfs on /dev (devfs)\n";
        assert_eq!(
            told(&of_program(bsd)),
            [["/dev/ada0p2", "/", "ufs"], ["devfs", "/dev", "devfs"]]
        );
        assert_eq!(of_program("mount: bad usage\n"), []);
    }
}
