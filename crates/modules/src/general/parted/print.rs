//! What `parted --machine ... print` tells of a disk and its partitions.

use model::Args;
use serde_json::{Value, json};

/// A disk, as printed in some unit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Disk {
    /// As `disk` of the result.
    pub(super) facts: Value,
    /// The kind of partition table; `unknown`: none.
    pub(super) table: String,
    pub(super) size: String,
    pub(super) partitions: Vec<Partition>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Partition {
    pub(super) number: u32,
    pub(super) end: String,
    pub(super) name: String,
    pub(super) flags: Vec<String>,
    /// As one of `partitions` of the result.
    pub(super) facts: Value,
}

impl Disk {
    /// From the output; `None`: it is none of that kind.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(|line| line.trim_end_matches(';'));
        let kind = lines.find(|line| matches!(*line, "BYT" | "CHS" | "CYL"))?;
        let disk = lines.next()?;
        // The path may have colons.
        let fields: Vec<&str> = disk.rsplitn(8, ':').collect();
        let &[_, model, table, physical, logical, _, size, device] = fields.as_slice() else {
            return None;
        };
        let (shown, unit) = value(size);
        let mut facts = json!({
            "dev": device,
            "size": shown,
            "unit": unit,
            "table": table,
            "model": model,
            "logical_block": logical.parse::<u64>().ok()?,
            "physical_block": physical.parse::<u64>().ok()?,
        });
        if kind != "BYT" {
            facts["chs_info"] = geometry(lines.next()?)?;
        }
        let has_size = kind != "CHS";
        let partitions = lines.filter_map(|line| Partition::parse(line, has_size)).collect();
        Some(Self { facts, table: table.to_owned(), size: size.to_owned(), partitions })
    }

    pub(super) fn find(&self, number: u32) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.number == number)
    }

    /// Puts it into a result.
    pub(super) fn show(&self, result: &mut Args) {
        result.insert("disk".to_owned(), self.facts.clone());
        let partitions: Vec<Value> =
            self.partitions.iter().map(|partition| partition.facts.clone()).collect();
        result.insert("partitions".to_owned(), partitions.into());
    }
}

impl Partition {
    /// `number:begin:end[:size]:file system:name:flags`.
    fn parse(line: &str, has_size: bool) -> Option<Self> {
        let mut fields = line.split(':');
        let number = fields.next()?.parse().ok()?;
        let (begin, end) = (fields.next()?, fields.next()?);
        let size = if has_size { fields.next()? } else { "" };
        let kind = fields.next()?;
        // A name may have colons.
        let rest: Vec<&str> = fields.collect();
        let (flags, name) = rest.split_last()?;
        let name = name.join(":");
        let flags: Vec<String> = flags
            .split(',')
            .map(str::trim)
            .filter(|flag| !flag.is_empty())
            .map(str::to_owned)
            .collect();
        let (size, unit) = if has_size { value(size) } else { (json!(""), "chs".to_owned()) };
        let facts = json!({
            "num": number,
            "begin": value(begin).0,
            "end": value(end).0,
            "size": size,
            "unit": unit,
            "fstype": kind,
            "name": name,
            "flags": flags,
        });
        Some(Self { number, end: end.to_owned(), name, flags, facts })
    }
}

/// A number with its unit, or a cylinder, head and sector.
fn value(text: &str) -> (Value, String) {
    let parts: Vec<u64> = text.split(',').filter_map(|part| part.parse().ok()).collect();
    if let &[cylinder, head, sector] = parts.as_slice() {
        let place = json!({"cylinder": cylinder, "head": head, "sector": sector});
        return (place, "chs".to_owned());
    }
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    (json!(number.parse::<f64>().unwrap_or_default()), unit.to_lowercase())
}

/// `cylinders:heads:sectors:size of a cylinder`.
fn geometry(line: &str) -> Option<Value> {
    let mut fields = line.split(':');
    let mut number = || fields.next()?.parse::<u64>().ok();
    let (cylinders, heads, sectors) = (number()?, number()?, number()?);
    let (size, unit) = value(fields.next()?);
    Some(json!({
        "cylinders": cylinders,
        "heads": heads,
        "sectors": sectors,
        "cyl_size": size,
        "cyl_size_unit": unit,
    }))
}

/// The number of bytes of a value printed in bytes.
pub(super) fn bytes(text: &str) -> Option<u64> {
    text.strip_suffix('B')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_read_in_every_unit() {
        let gpt = "BYT;\n/dev/disk/by-path/pci:0:204800kiB:file:512:4096:gpt:A Disk:;\n1:17.0kiB:51200kiB:51183kiB:ext4:my:data:boot, esp;\n";
        let disk = Disk::parse(gpt).expect("a disk");
        assert_eq!(disk.facts["dev"], "/dev/disk/by-path/pci:0");
        assert_eq!((&disk.facts["size"], &disk.facts["unit"]), (&json!(204_800.0), &json!("kib")));
        let part = disk.find(1).expect("the first");
        assert_eq!((part.name.as_str(), part.flags.len()), ("my:data", 2));
        assert_eq!(part.facts["begin"], 17.0);
        let chs = "CHS;\n/dev/x:3199,3,31:file:512:512:msdos::;\n3200:4:32:65.5kB;\n1:0,1,2:1119,3,31:::boot;\n";
        let disk = Disk::parse(chs).expect("a disk");
        assert_eq!(disk.facts["chs_info"]["cyl_size"], 65.5);
        assert_eq!(disk.partitions[0].facts["end"]["cylinder"], 1119);
        assert_eq!(disk.partitions[0].facts["size"], "");
        for none in ["", "BYT;\n", "BYT;\n/dev/x:1B\n", "Error: nothing\n"] {
            assert_eq!(Disk::parse(none), None, "{none}");
        }
    }
}
