//! Which type a scalar without a tag has: YAML 1.1 by PyYAML's patterns.
//!
//! Shared by the loader (text to value) and the emitter (does this text need quotes?).

use crate::NodeValue;

/// The value of a plain scalar, or `None` if it is text.
pub(crate) fn plain(text: &str) -> Option<NodeValue> {
    if is_null(text) {
        return Some(NodeValue::Null);
    }
    if let Some(value) = boolean(text) {
        return Some(NodeValue::Bool(value));
    }
    if is_int(text) {
        return integer(text);
    }
    if is_float(text) {
        return float(text).map(NodeValue::Float);
    }
    is_timestamp(text).then(|| NodeValue::Timestamp(text.into()))
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// The boolean that a plain scalar spells: one of three casings, and neither `y` nor `n`.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// `[-+]?(0b[0-1_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*(:[0-5]?[0-9])+)`.
fn is_int(text: &str) -> bool {
    let text = unsigned(text);
    let all = |digits: &str, allowed: fn(&u8) -> bool| {
        !digits.is_empty() && digits.bytes().all(|byte| byte == b'_' || allowed(&byte))
    };
    if let Some(digits) = text.strip_prefix("0b") {
        return all(digits, |byte| matches!(byte, b'0' | b'1'));
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return all(digits, u8::is_ascii_hexdigit);
    }
    if let Some(digits) = text.strip_prefix('0') {
        return digits.is_empty() || all(digits, |byte| matches!(byte, b'0'..=b'7'));
    }
    let (whole, sixtieths) = text.split_once(':').map_or((text, None), |(a, b)| (a, Some(b)));
    is_decimal(whole) && sixtieths.is_none_or(|parts| parts.split(':').all(is_sixtieth))
}

/// The three float patterns with digits need a point; `1e3` is text.
fn is_float(text: &str) -> bool {
    let body = unsigned(text);
    if matches!(body, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    if let Some(rest) = text.strip_prefix('.') {
        let (digits, exponent) = split_exponent(rest);
        return is_decimal(digits) && exponent;
    }
    let Some((whole, rest)) = body.split_once('.') else { return false };
    if let Some((whole, sixtieths)) = whole.split_once(':') {
        return is_decimal(whole)
            && sixtieths.split(':').all(is_sixtieth)
            && rest.bytes().all(is_digit_or_underscore);
    }
    let (digits, exponent) = split_exponent(rest);
    is_decimal(whole) && digits.bytes().all(is_digit_or_underscore) && exponent
}

/// The digits before an exponent, and whether what follows them is one or nothing.
fn split_exponent(text: &str) -> (&str, bool) {
    let Some((digits, exponent)) = text.split_once(['e', 'E']) else { return (text, true) };
    let Some(power) = exponent.strip_prefix(['+', '-']) else { return (digits, false) };
    (digits, !power.is_empty() && power.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_decimal(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(is_digit_or_underscore)
}

fn is_digit_or_underscore(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'_'
}

fn is_sixtieth(text: &str) -> bool {
    match text.as_bytes() {
        [unit] => unit.is_ascii_digit(),
        [ten, unit] => matches!(ten, b'0'..=b'5') && unit.is_ascii_digit(),
        _ => false,
    }
}

/// A date `2001-12-14`, or a date and a time with optional fraction and zone.
pub(crate) fn is_timestamp(text: &str) -> bool {
    let Some((year, rest)) =
        digits(text, 4, 4).and_then(|(y, rest)| Some((y, rest.strip_prefix('-')?)))
    else {
        return false;
    };
    let Some((month, rest)) =
        digits(rest, 1, 2).and_then(|(m, rest)| Some((m, rest.strip_prefix('-')?)))
    else {
        return false;
    };
    let Some((day, rest)) = digits(rest, 1, 2) else { return false };
    if rest.is_empty() {
        return year.len() + month.len() + day.len() == 8;
    }
    let blank = |c: char| c == ' ' || c == '\t';
    let time = match rest.strip_prefix(['T', 't']) {
        Some(time) => time,
        None if rest.starts_with(blank) => rest.trim_start_matches(blank),
        None => return false,
    };
    let zone = digits(time, 1, 2)
        .and_then(|(_, rest)| digits(rest.strip_prefix(':')?, 2, 2))
        .and_then(|(_, rest)| digits(rest.strip_prefix(':')?, 2, 2))
        .map(|(_, rest)| match rest.strip_prefix('.') {
            Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
            None => rest,
        });
    zone.is_some_and(|zone| zone.is_empty() || is_zone(zone.trim_start_matches(blank)))
}

fn is_zone(zone: &str) -> bool {
    if zone == "Z" {
        return true;
    }
    let Some((_, rest)) = zone.strip_prefix(['-', '+']).and_then(|rest| digits(rest, 1, 2)) else {
        return false;
    };
    rest.is_empty()
        || rest
            .strip_prefix(':')
            .and_then(|rest| digits(rest, 2, 2))
            .is_some_and(|(_, r)| r.is_empty())
}

/// The leading digits, as many as `most`, if there are at least `least`, and what follows them.
fn digits(text: &str, least: usize, most: usize) -> Option<(&str, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    (count >= least).then(|| text.split_at(count))
}

/// The integer that a scalar spells, in any of YAML 1.1's bases, or `None` if it spells none (or is too large in
/// another base than ten).
pub(crate) fn integer(text: &str) -> Option<NodeValue> {
    let text = text.replace('_', "");
    let negative = text.starts_with('-');
    let digits = unsigned(&text);
    let magnitude = if let Some(binary) = digits.strip_prefix("0b") {
        i128::from_str_radix(binary, 2).ok()?
    } else if let Some(hex) = digits.strip_prefix("0x") {
        i128::from_str_radix(hex, 16).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i128::from_str_radix(digits, 8).ok()?
    } else if digits.contains(':') {
        sexagesimal(digits)?
    } else if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    } else if let Ok(magnitude) = digits.parse::<i128>() {
        magnitude
    } else {
        let sign = if negative { "-" } else { "" };
        return Some(NodeValue::BigInt(format!("{sign}{digits}").into()));
    };
    let value = if negative { -magnitude } else { magnitude };
    Some(
        i64::try_from(value)
            .map_or_else(|_| NodeValue::BigInt(value.to_string().into()), NodeValue::Int),
    )
}

fn sexagesimal(digits: &str) -> Option<i128> {
    digits
        .split(':')
        .try_fold(0_i128, |value, part| value.checked_mul(60)?.checked_add(part.parse().ok()?))
}

/// The float that a scalar spells.
pub(crate) fn float(text: &str) -> Option<f64> {
    let text = text.replace('_', "").to_lowercase();
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    let body = unsigned(&text);
    let magnitude = match body {
        ".inf" => f64::INFINITY,
        ".nan" => f64::NAN,
        _ if body.contains(':') => body
            .split(':')
            .try_fold(0.0, |value, part| Some(value * 60.0 + part.parse::<f64>().ok()?))?,
        _ => body.parse().ok()?,
    };
    Some(sign * magnitude)
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}
