//! Sizes of logical volumes: `512`, `10g`, `+5G`, `-512M`, `80%VG`, `+100%FREE`.

use crate::contract::Failure;

/// By how much, rather than how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// `+`
    Larger,
    /// `-`
    Smaller,
}

/// A size.
#[derive(Debug, PartialEq)]
pub(super) struct Size {
    pub(super) direction: Option<Direction>,
    /// The number as it was written.
    number: String,
    value: f64,
    unit: Unit,
}

#[derive(Debug, PartialEq)]
enum Unit {
    /// The letter, and its bytes.
    Bytes(char, f64),
    /// A part of the volume group, its free space and so on.
    Part(String),
}

impl Size {
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let text = text.trim();
        let (direction, rest) = match text.chars().next() {
            Some('+') => (Some(Direction::Larger), &text[1..]),
            Some('-') => (Some(Direction::Smaller), &text[1..]),
            _ => (None, text),
        };
        let bad = || Failure::new(format!("Bad size specification of '{text}'"));
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, unit) = rest.split_at(end);
        if !number.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(bad());
        }
        let value: f64 = number.parse().map_err(|_| bad())?;
        let unit = match unit.strip_prefix('%') {
            Some(whole) => {
                let whole = whole.to_uppercase();
                if !["VG", "PVS", "FREE", "ORIGIN"].contains(&whole.as_str()) {
                    return Err(Failure::new(
                        "Specify extents as a percentage of VG|PVS|FREE|ORIGIN",
                    ));
                }
                if value > 100.0 {
                    return Err(Failure::new("Size percentage cannot be larger than 100%"));
                }
                if value.fract() != 0.0 {
                    return Err(bad());
                }
                Unit::Part(whole)
            }
            None => {
                let mut letters = unit.chars();
                let letter = letters.next().unwrap_or('m');
                let bytes = bytes_of(letter).filter(|_| letters.next().is_none());
                Unit::Bytes(letter, bytes.ok_or_else(bad)?)
            }
        };
        Ok(Self { direction, number: number.to_owned(), value, unit })
    }

    /// The option that takes it.
    pub(super) fn option(&self) -> &'static str {
        match self.unit {
            Unit::Bytes(..) => "-L",
            Unit::Part(_) => "-l",
        }
    }

    /// As LVM's programs take it.
    pub(super) fn word(&self) -> String {
        let sign = match self.direction {
            Some(Direction::Larger) => "+",
            Some(Direction::Smaller) => "-",
            None => "",
        };
        format!("{sign}{}", self.unsigned())
    }

    pub(super) fn unsigned(&self) -> String {
        match &self.unit {
            Unit::Bytes(letter, _) => format!("{}{letter}", self.number),
            Unit::Part(whole) => format!("{}%{whole}", self.number),
        }
    }

    pub(super) fn is_part_of_free(&self) -> bool {
        self.unit == Unit::Part("FREE".to_owned())
    }

    /// What a volume of `current` bytes shall have, in whole extents.
    pub(super) fn bytes(&self, current: u64, group: u64, free: u64, extent: u64) -> u64 {
        let amount = match &self.unit {
            Unit::Bytes(_, bytes) => ((self.value * bytes) as u64).div_ceil(extent) * extent,
            Unit::Part(whole) => {
                let whole = match whole.as_str() {
                    "FREE" => free,
                    "ORIGIN" => current,
                    _ => group,
                };
                (whole as f64 * self.value / 100.0) as u64 / extent * extent
            }
        };
        match self.direction {
            None => amount,
            Some(Direction::Larger) => current.saturating_add(amount),
            Some(Direction::Smaller) => current.saturating_sub(amount),
        }
    }
}

/// The bytes of a unit; capitals mean the same.
fn bytes_of(letter: char) -> Option<f64> {
    let power = match letter.to_ascii_lowercase() {
        'b' => return Some(1.0),
        's' => return Some(512.0),
        'k' => 1,
        'm' => 2,
        'g' => 3,
        't' => 4,
        'p' => 5,
        'e' => 6,
        _ => return None,
    };
    Some(1024f64.powi(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn sizes_become_whole_extents() {
        let table = [
            ("512", "-L 512m", 512),
            ("0.5g", "-L 0.5g", 512),
            ("510m", "-L 510m", 512),
            ("+10M", "-L +10M", 112),
            ("-12m", "-L -12m", 88),
            ("80%VG", "-l 80%VG", 800),
            ("100%free", "-l 100%FREE", 300),
            ("+50%FREE", "-l +50%FREE", 248),
            ("50%ORIGIN", "-l 50%ORIGIN", 48),
        ];
        for (text, words, mebibytes) in table {
            let size = Size::parse(text).expect("a size");
            assert_eq!(format!("{} {}", size.option(), size.word()), words);
            let bytes = size.bytes(100 * MIB, 1000 * MIB, 300 * MIB, 4 * MIB);
            assert_eq!(bytes / MIB, mebibytes, "{text}");
        }
        for bad in
            ["", "g", "10xx", "10z", ".5g", "1.2.3", "++1", "10%FOO", "110%VG", "1.5%VG", "%VG"]
        {
            assert!(Size::parse(bad).is_err(), "{bad}");
        }
    }
}
