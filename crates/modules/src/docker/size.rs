//! Sizes and durations as people write them.

use crate::contract::Failure;

/// `64m`, `1.5G`, `512`: bytes.
pub(crate) fn bytes(option: &str, text: &str) -> Result<i64, Failure> {
    const UNITS: &str = "BKMGTPEZY";
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim();
    let refused = |why: String| Failure::new(format!("Failed to convert {option} to bytes: {why}"));
    let Ok(number) = number.parse::<f64>() else {
        return Err(refused(format!("can't interpret following string: {text}")));
    };
    let letter = unit.chars().next().map_or('B', |letter| letter.to_ascii_uppercase());
    let rest: String = unit.chars().skip(1).collect::<String>().to_lowercase();
    let power =
        UNITS.find(letter).filter(|_| matches!(rest.as_str(), "" | "b" | "ib" | "yte" | "ytes"));
    let Some(power) = power.and_then(|power| i32::try_from(power).ok()) else {
        return Err(refused(format!(
            "failed to convert {text} (unit = {unit}). The suffix must be one of Y, Z, E, P, T, G, M, K, B"
        )));
    };
    let value = (number * 1024f64.powi(power)).round();
    if value >= 9.0e18 {
        return Err(refused(format!("{text} is too large")));
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    Ok(value as i64)
}

/// `1m30s`, `5h34m56s`, `10ms`: nanoseconds.
pub(crate) fn nanoseconds(option: &str, text: &str) -> Result<i64, Failure> {
    const UNITS: [(&str, i64); 5] = [
        ("us", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let refused = || Failure::new(format!("Invalid {option}: `{text}` is no duration, e.g. 1m30s"));
    let mut rest = text.trim();
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: i64 = rest[..digits].parse().map_err(|_| refused())?;
        let after = &rest[digits..];
        // "m" stands for minutes, but "ms" goes before it.
        let (unit, factor) =
            UNITS.iter().find(|(unit, _)| after.starts_with(unit)).copied().ok_or_else(refused)?;
        total =
            number.checked_mul(factor).and_then(|n| n.checked_add(total)).ok_or_else(refused)?;
        rest = &after[unit.len()..];
    }
    if text.trim().is_empty() { Err(refused()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations() {
        for (text, wanted) in
            [("512", 512), ("64m", 64 << 20), ("1.5G", 3 << 29), ("4Kb", 4096), ("0", 0)]
        {
            assert_eq!(bytes("memory", text).expect(text), wanted, "{text}");
        }
        for odd in ["", "x", "12x", "1.2.3m", "99999Y", "-1"] {
            assert!(bytes("memory", odd).is_err(), "{odd}");
        }
        for (text, wanted) in
            [("1m30s", 90_000_000_000), ("10ms", 10_000_000), ("2h", 7_200_000_000_000)]
        {
            assert_eq!(nanoseconds("interval", text).expect(text), wanted, "{text}");
        }
        for odd in ["", "5", "s", "1d", "9999999999999h"] {
            assert!(nanoseconds("interval", odd).is_err(), "{odd}");
        }
    }
}
