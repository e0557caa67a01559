//! Ranges in host names: `web[01:20]`, `db-[a:f]`, `rack[1:9:2]-[a:b]`.

use yaml::{Diagnostic, Span};

/// The most hosts that one line may name.
const LIMIT: usize = 100_000;

/// Why a text with ranges names nothing.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) message: String,
    /// The range has another shape than `begin:end`; otherwise, one of its parts is no number.
    pub(super) is_shape: bool,
}

impl Wrong {
    pub(super) fn at(self, span: &Span) -> Diagnostic {
        Diagnostic::error(self.message)
            .at(span)
            .hint("a range is `[begin:end]` or `[begin:end:step]`: `web[01:20]`, `db-[a:f]`")
    }
}

/// The names that a text with ranges stands for, in order.
pub(super) fn expand(text: &str) -> Result<Vec<String>, Wrong> {
    let Some((head, rest)) = text.split_once('[') else { return Ok(vec![text.to_owned()]) };
    let Some((range, tail)) = rest.split_once(']') else {
        return Err(Wrong {
            message: format!("the host range in `{text}` lacks its `]`"),
            is_shape: false,
        });
    };
    let words = words(range)?;
    let tails = expand(tail)?;
    if words.len().saturating_mul(tails.len()) > LIMIT {
        return Err(Wrong {
            message: format!("a host range of more than {LIMIT} hosts"),
            is_shape: false,
        });
    }
    let named = |word: &String| -> Vec<String> {
        tails.iter().map(|tail| format!("{head}{word}{tail}")).collect()
    };
    Ok(words.iter().flat_map(named).collect())
}

fn words(range: &str) -> Result<Vec<String>, Wrong> {
    let wrong = |is_shape: bool, why: &str| {
        Err(Wrong { message: format!("host range [{range}]: {why}"), is_shape })
    };
    let parts: Vec<&str> = range.split(':').collect();
    let (begin, end, step) = match parts[..] {
        [begin, end] => (begin, end, "1"),
        [begin, end, step] => (begin, end, step),
        _ => return wrong(true, "host range must be begin:end or begin:end:step"),
    };
    if end.is_empty() {
        return wrong(true, "host range must specify end value");
    }
    let begin = if begin.is_empty() { "0" } else { begin };
    let width = if begin.len() > 1 && begin.starts_with('0') { begin.len() } else { 0 };
    if width > 0 && begin.len() != end.len() {
        return wrong(true, "host range must specify equal-length begin and end formats");
    }
    let Some(step) = step.parse::<usize>().ok().filter(|step| *step > 0) else {
        return wrong(false, "the step must be a positive number");
    };
    if let (Some(first), Some(last)) = (letter(begin), letter(end)) {
        if first > last {
            return wrong(true, "host range must have begin <= end");
        }
        let named = |at| char::from(LETTERS.as_bytes()[at]).to_string();
        return Ok((first..=last).step_by(step).map(named).collect());
    }
    let (Ok(first), Ok(last)) = (begin.parse::<i64>(), end.parse::<i64>()) else {
        return wrong(false, "begin and end must both be numbers or both be letters");
    };
    if last.saturating_sub(first) / (step as i64) >= LIMIT as i64 {
        return wrong(false, "it names too many hosts");
    }
    Ok((first..=last).step_by(step).map(|number| format!("{number:0width$}")).collect())
}

/// The order of letters in ranges.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn letter(text: &str) -> Option<usize> {
    if text.len() == 1 { LETTERS.find(text) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_expand_in_order() {
        let shown = |text: &str| match expand(text) {
            Ok(names) => names.join(" "),
            Err(wrong) => {
                format!("{}: {}", if wrong.is_shape { "shape" } else { "error" }, wrong.message)
            }
        };
        for (text, expected) in [
            ("web", "web"),
            ("web[1:3]", "web1 web2 web3"),
            ("web[01:10:3].x", "web01.x web04.x web07.x web10.x"),
            ("[a:c]", "a b c"),
            ("r[1:2]-[a:b]", "r1-a r1-b r2-a r2-b"),
            ("web[:2]", "web0 web1 web2"),
            ("web[3:1]", ""),
            ("w[-1:1]", "w-1 w0 w1"),
            ("w[001:100:50]", "w001 w051"),
            ("w[y:B]", "wy wz wA wB"),
            ("w[1:999999999]", "error: host range [1:999999999]: it names too many hosts"),
            ("w[1:9999][1:9999]", "error: a host range of more than 100000 hosts"),
            ("w[1", "error: the host range in `w[1` lacks its `]`"),
            ("w[1:]", "shape: host range [1:]: host range must specify end value"),
            ("w[c:a]", "shape: host range [c:a]: host range must have begin <= end"),
            ("w[1]", "shape: host range [1]: host range must be begin:end or begin:end:step"),
            ("w[1:9:0]", "error: host range [1:9:0]: the step must be a positive number"),
            (
                "w[01:100]",
                "shape: host range [01:100]: host range must specify equal-length begin and end formats",
            ),
            (
                "w[x:1]",
                "error: host range [x:1]: begin and end must both be numbers or both be letters",
            ),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
