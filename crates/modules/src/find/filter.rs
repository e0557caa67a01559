//! What a file must be like.

use std::path::Path;
use std::time::SystemTime;

use pyregex::Regex;
use system::{FileKind, FileStat, Probe};

use super::{Find, Kind, Stamp};
use crate::arguments::FileMode;
use crate::codec::Codec;
use crate::contract::Failure;
use crate::glob::fits;
use crate::pattern::{self, Flags};

/// Files up to this size are looked into.
const LIMIT: u64 = 256 << 20;

/// The description, made ready.
pub(super) struct Filter<'a> {
    find: &'a Find,
    patterns: Vec<Name>,
    excludes: Vec<Name>,
    contains: Option<Regex>,
    age: Option<f64>,
    size: Option<f64>,
    now: SystemTime,
}

/// One pattern for names.
enum Name {
    Glob(String),
    Regex(Regex),
}

/// Why a whole directory is given up: its files cannot be read as told.
pub(super) struct Unreadable(pub(super) String);

impl<'a> Filter<'a> {
    pub(super) fn of(find: &'a Find, host: &dyn Probe) -> Result<Self, Failure> {
        let names = |list: &[String]| -> Result<Vec<Name>, Failure> {
            list.iter().map(|text| name(text, find.use_regex)).collect()
        };
        let contains = find.contains.as_deref().map(|text| {
            let flags = Flags { anchored: !find.read_whole_file, ..Flags::default() };
            pattern::compile("contains", text, flags)
        });
        let minute = 60.0;
        let ages = [
            ("s", 1.0),
            ("m", minute),
            ("h", 60.0 * minute),
            ("d", 24.0 * 60.0 * minute),
            ("w", 7.0 * 24.0 * 60.0 * minute),
        ];
        let sizes = [("b", 0), ("k", 10), ("m", 20), ("g", 30), ("t", 40)]
            .map(|(unit, bits)| (unit, (1_u64 << bits) as f64));
        Ok(Self {
            patterns: names(&find.patterns)?,
            excludes: names(&find.excludes)?,
            contains: contains.transpose()?,
            age: find.age.as_deref().map(|text| amount("age", text, &ages)).transpose()?,
            size: find.size.as_deref().map(|text| amount("size", text, &sizes)).transpose()?,
            now: host.now(),
            find,
        })
    }

    /// Whether something fits.
    pub(super) fn admits(
        &self,
        host: &dyn Probe,
        path: &Path,
        stat: &FileStat,
    ) -> Result<Result<bool, Unreadable>, Failure> {
        let base = path.file_name().unwrap_or_default().to_string_lossy();
        let of_kind = match self.find.file_type {
            Kind::Any => true,
            Kind::Directory => stat.kind == FileKind::Directory,
            Kind::File => stat.kind == FileKind::File,
            Kind::Link => stat.kind == FileKind::Symlink,
        };
        let plain = of_kind
            && (self.find.hidden || !base.starts_with('.'))
            && (self.patterns.is_empty() || any(&self.patterns, &base)?)
            && !any(&self.excludes, &base)?
            && self.is_of_age(stat)
            && self.is_of_mode(stat);
        if !plain {
            return Ok(Ok(false));
        }
        if stat.kind != FileKind::File || !matches!(self.find.file_type, Kind::File | Kind::Any) {
            return Ok(Ok(true));
        }
        if !self.is_of_size(stat) {
            return Ok(Ok(false));
        }
        self.holds(host, path)
    }

    fn is_of_age(&self, stat: &FileStat) -> bool {
        let stamp = match self.find.age_stamp {
            Stamp::Accessed => stat.accessed,
            Stamp::Changed => stat.changed,
            Stamp::Modified => stat.modified,
        };
        let old = match self.now.duration_since(stamp) {
            Ok(since) => since.as_secs_f64(),
            Err(ahead) => -ahead.duration().as_secs_f64(),
        };
        self.age.is_none_or(|age| if age >= 0.0 { old >= age } else { old <= -age })
    }

    fn is_of_size(&self, stat: &FileStat) -> bool {
        let has = stat.size as f64;
        self.size.is_none_or(|size| if size >= 0.0 { has >= size } else { has <= -size })
    }

    fn is_of_mode(&self, stat: &FileStat) -> bool {
        let Some(mode) = &self.find.mode else { return true };
        let wanted = match mode {
            FileMode::Exact(bits) => *bits,
            other => other.resolve(0, stat.kind == FileKind::Directory, 0),
        };
        if self.find.exact_mode { stat.mode == wanted } else { stat.mode & wanted == wanted }
    }

    /// Whether the content has what it must have.
    fn holds(&self, host: &dyn Probe, path: &Path) -> Result<Result<bool, Unreadable>, Failure> {
        let Some(regex) = &self.contains else { return Ok(Ok(true)) };
        let name = self.find.encoding.as_deref().unwrap_or("utf-8");
        let Some(codec) = Codec::named(name) else {
            return Ok(Err(Unreadable(format!("unknown encoding: {name}"))));
        };
        let Ok(Some(bytes)) = host.read(path, LIMIT) else { return Ok(Ok(false)) };
        let Some(text) = codec.decode(&bytes) else {
            return Ok(Err(Unreadable(format!(
                "Failed to read the file {} due to an encoding error. current encoding: {name}",
                path.display()
            ))));
        };
        if self.find.read_whole_file {
            return pattern::is_match(regex, &text).map(Ok);
        }
        for line in text.split_inclusive('\n') {
            if pattern::is_match(regex, line)? {
                return Ok(Ok(true));
            }
        }
        Ok(Ok(false))
    }
}

fn name(text: &str, use_regex: bool) -> Result<Name, Failure> {
    if !use_regex {
        return Ok(Name::Glob(text.to_owned()));
    }
    let flags = Flags { anchored: true, ..Flags::default() };
    pattern::compile("patterns", text, flags).map(Name::Regex)
}

fn any(names: &[Name], base: &str) -> Result<bool, Failure> {
    for name in names {
        let fits = match name {
            Name::Glob(text) => fits(text, base),
            Name::Regex(regex) => pattern::is_match(regex, base)?,
        };
        if fits {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A number with a unit.
fn amount(name: &str, text: &str, units: &[(&str, f64)]) -> Result<f64, Failure> {
    let lower = text.trim().to_lowercase();
    let (digits, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((lower.strip_suffix(unit)?, *factor)))
        .unwrap_or((&lower, 1.0));
    digits
        .parse::<i64>()
        .map(|number| number as f64 * factor)
        .map_err(|_| Failure::new(format!("failed to process {name}")).with(name, text))
}
