//! Conditions on versions, as collections write them: `>=2.15,<2.20`.

/// Whether a version fulfils all conditions. What is no condition holds: a collection is not refused for it.
pub(super) fn is_in(version: &str, conditions: &str) -> bool {
    let version = numbers(version);
    conditions.split(',').map(str::trim).filter(|part| !part.is_empty()).all(|part| {
        let end = part.find(|c: char| !"<>=!~".contains(c)).unwrap_or(part.len());
        let (operator, other) = part.split_at(end);
        let other = other.trim();
        let prefix = numbers(other.trim_end_matches(".*"));
        let begins = version.len() >= prefix.len() && version[..prefix.len()] == prefix;
        let (version, other_numbers) = (padded(&version), padded(&prefix));
        match operator {
            ">=" => version >= other_numbers,
            "<=" => version <= other_numbers,
            ">" => version > other_numbers,
            "<" => version < other_numbers,
            "==" if other.ends_with(".*") => begins,
            "==" => version == other_numbers,
            "!=" if other.ends_with(".*") => !begins,
            "!=" => version != other_numbers,
            "~=" => {
                let series = &other_numbers[..prefix.len().saturating_sub(1).min(4)];
                version >= other_numbers && version[..series.len()] == *series
            }
            _ => true,
        }
    })
}

fn numbers(version: &str) -> Vec<u64> {
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
    version.split('.').map_while(|part| digits(part).parse().ok()).collect()
}

fn padded(numbers: &[u64]) -> [u64; 4] {
    let mut out = [0; 4];
    numbers.iter().zip(&mut out).for_each(|(number, place)| *place = *number);
    out
}

#[cfg(test)]
mod tests {
    use super::is_in;

    #[test]
    fn conditions_are_compared_by_number() {
        for (conditions, expected) in [
            ("", true),
            (">=2.9.10", true),
            (">=2.9,<2.20", true),
            (">=2.9,<2.19", false),
            (">2.19.0", false),
            ("==2.19.*", true),
            ("!=2.19.*", false),
            ("!=2.19.1", true),
            ("~=2.18", true),
            ("~=2.18.1", false),
            (">=2.99", false),
            ("<=2.19", true),
            ("nonsense", true),
        ] {
            assert_eq!(is_in("2.19.0", conditions), expected, "{conditions}");
        }
    }
}
