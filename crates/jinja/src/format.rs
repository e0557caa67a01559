//! Python's two ways to format: `'%s' % value` and `'{}'.format(value)`.

mod braces;
mod percent;

pub(crate) use braces::braces;
pub(crate) use percent::percent;

use crate::error::{Error, ErrorKind};
use crate::value::{Value, float_text};

/// Widest field that is made; Python has no limit.
const MAX_WIDTH: usize = 1 << 20;

/// A width or precision, unless it asks for more text than a template may make.
fn bounded(number: usize) -> Result<usize, Error> {
    if number > MAX_WIDTH {
        let message = format!("a field of a format is wider than {MAX_WIDTH} characters");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    Ok(number)
}

/// How a value is to be laid out.
#[derive(Debug, Clone, Default)]
struct Layout {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    zero: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

impl Layout {
    /// Brings text to the width; numbers go to the right unless told otherwise.
    fn padded(&self, text: &str, is_number: bool) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        if missing == 0 {
            return text.to_owned();
        }
        let align = self.align.unwrap_or(match (self.zero, is_number) {
            (true, true) => '=',
            (_, true) => '>',
            _ => '<',
        });
        let fill = self.fill.unwrap_or(if self.zero { '0' } else { ' ' });
        let (left, right) = match align {
            '<' => (0, missing),
            '^' => (missing / 2, missing - missing / 2),
            _ => (missing, 0),
        };
        let fills = |count| std::iter::repeat_n(fill, count).collect::<String>();
        if align == '=' {
            let digits = text.trim_start_matches(['-', '+', ' ']);
            let sign = &text[..text.len() - digits.len()];
            return format!("{sign}{}{digits}", fills(missing));
        }
        format!("{}{text}{}", fills(left), fills(right))
    }

    fn signed(&self, is_negative: bool, digits: &str) -> String {
        match (is_negative, self.sign) {
            (true, _) => format!("-{digits}"),
            (false, Some('+')) => format!("+{digits}"),
            (false, Some(' ')) => format!(" {digits}"),
            _ => digits.to_owned(),
        }
    }

    /// An integer in the base of `kind`.
    fn integer(&self, value: i128, kind: char) -> String {
        let magnitude = value.unsigned_abs();
        let digits = match kind {
            'x' => format!("{magnitude:x}"),
            'X' => format!("{magnitude:X}"),
            'o' => format!("{magnitude:o}"),
            'b' => format!("{magnitude:b}"),
            _ => magnitude.to_string(),
        };
        let prefix = match (self.alternate, kind) {
            (true, 'x' | 'X' | 'o' | 'b') => format!("0{kind}"),
            _ => String::new(),
        };
        let size = if matches!(kind, 'x' | 'X' | 'o' | 'b') { 4 } else { 3 };
        let digits = self.grouped(&digits, size);
        self.signed(value < 0, &format!("{prefix}{digits}"))
    }

    fn grouped(&self, digits: &str, size: usize) -> String {
        let Some(separator) = self.grouping else { return digits.to_owned() };
        let mut result = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(size) {
                result.push(separator);
            }
            result.push(digit);
        }
        result
    }

    /// A float in the form of `kind`: `f`, `e`, `g` or `%`, or as `repr()` has it.
    fn float(&self, value: f64, kind: Option<char>) -> String {
        let magnitude = value.abs();
        let precision = self.precision.map(|precision| precision.min(300));
        if !magnitude.is_finite() {
            let text = if magnitude.is_nan() { "nan" } else { "inf" };
            return self.signed(value < 0.0, text);
        }
        let text = match kind {
            Some('f' | 'F') => format!("{magnitude:.*}", precision.unwrap_or(6)),
            Some('%') => format!("{:.*}%", precision.unwrap_or(6), magnitude * 100.0),
            Some('e' | 'E') => exponent(magnitude, precision.unwrap_or(6)),
            Some('g' | 'G' | 'n') => general(magnitude, precision.unwrap_or(6), self.alternate),
            _ => match precision {
                Some(precision) => {
                    let text = general(magnitude, precision.max(1), false);
                    if text.contains(['.', 'e']) { text } else { format!("{text}.0") }
                }
                None => float_text(magnitude),
            },
        };
        let text = match text.split_once('.') {
            Some((whole, rest)) => format!("{}.{rest}", self.grouped(whole, 3)),
            None if text.contains('e') => text,
            None => match text.strip_suffix('%') {
                Some(digits) => format!("{}%", self.grouped(digits, 3)),
                None => self.grouped(&text, 3),
            },
        };
        let text = if kind.is_some_and(|kind| kind.is_ascii_uppercase()) {
            text.to_uppercase()
        } else {
            text
        };
        self.signed(value.is_sign_negative(), &text)
    }
}

fn exponent(magnitude: f64, precision: usize) -> String {
    let text = format!("{magnitude:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// C's `%g`: as many significant digits, without trailing zeros.
fn general(magnitude: f64, precision: usize, keep_zeros: bool) -> String {
    let precision = precision.max(1);
    if magnitude == 0.0 {
        return "0".into();
    }
    let scientific = exponent(magnitude, precision - 1);
    let power: i32 =
        scientific.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0);
    let trim = |text: &str| {
        if keep_zeros || !text.contains('.') {
            return text.to_owned();
        }
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if power < -4 || power >= precision as i32 {
        let (digits, power) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
        return format!("{}e{power}", trim(digits));
    }
    let decimals = (precision as i32 - 1 - power).max(0) as usize;
    trim(&format!("{magnitude:.decimals$}"))
}

/// The number as an integer, cutting a float off, as `%d` does.
fn truncated(value: &Value) -> Option<i128> {
    value.as_int().or_else(|| value.as_f64().filter(|f| f.is_finite()).map(|f| f as i128))
}
