//! Ranges in host names: `web[01:20]`, `db-[a:f]`, `rack[1:9:2]-[a:b]`.

use yaml::{Diagnostic, Span};

/// The most hosts that one line may name.
const LIMIT: usize = 100_000;

/// The names that a text with ranges stands for, in order.
pub(super) fn expand(text: &str, span: &Span) -> Result<Vec<String>, Diagnostic> {
    let Some((head, rest)) = text.split_once('[') else { return Ok(vec![text.to_owned()]) };
    let Some((range, tail)) = rest.split_once(']') else {
        return Err(
            Diagnostic::error("host range must be `[begin:end]`; the `]` is missing").at(span)
        );
    };
    let tails = expand(tail, span)?;
    let mut names = Vec::new();
    for word in words(range, span)? {
        if names.len() + tails.len() > LIMIT {
            return Err(
                Diagnostic::error(format!("a host range of more than {LIMIT} hosts")).at(span)
            );
        }
        names.extend(tails.iter().map(|tail| format!("{head}{word}{tail}")));
    }
    Ok(names)
}

fn words(range: &str, span: &Span) -> Result<Vec<String>, Diagnostic> {
    let wrong = |why: &str| Err(Diagnostic::error(format!("host range [{range}]: {why}")).at(span));
    let parts: Vec<&str> = range.split(':').collect();
    let [begin, end] = parts[..parts.len().min(2)] else {
        return wrong("must be begin:end or begin:end:step");
    };
    let step = match parts.get(2) {
        Some(step) => match step.parse::<usize>() {
            Ok(step) if step > 0 => step,
            _ => return wrong("the step must be a positive number"),
        },
        None => 1,
    };
    if parts.len() > 3 || end.is_empty() {
        return wrong("must be begin:end or begin:end:step");
    }
    let begin = if begin.is_empty() { "0" } else { begin };
    if let (Ok(first), Ok(last)) = (begin.parse::<usize>(), end.parse::<usize>()) {
        let width = if begin.len() > 1 && begin.starts_with('0') { begin.len() } else { 0 };
        if width > 0 && begin.len() != end.len() {
            return wrong("begin and end must have as many digits when begin is padded with zeros");
        }
        if first > last {
            return wrong("begin is behind end");
        }
        if (last - first) / step >= LIMIT {
            return wrong("it names too many hosts");
        }
        return Ok((first..=last)
            .step_by(step)
            .map(|number| format!("{number:0width$}"))
            .collect());
    }
    let letter = |text: &str| {
        let mut letters = text.chars();
        letters.next().filter(|letter| letter.is_ascii_alphabetic() && letters.next().is_none())
    };
    match (letter(begin), letter(end)) {
        (Some(first), Some(last)) if first <= last => {
            Ok((first..=last).step_by(step).map(String::from).collect())
        }
        _ => wrong("begin and end must both be numbers or both be letters, in order"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_expand_in_order() {
        let span = yaml::SourceFile::new("hosts", "").span(0, 0);
        let shown = |text: &str| match expand(text, &span) {
            Ok(names) => names.join(" "),
            Err(diagnostic) => format!("error: {}", diagnostic.message()),
        };
        for (text, expected) in [
            ("web", "web"),
            ("web[1:3]", "web1 web2 web3"),
            ("web[01:10:3].x", "web01.x web04.x web07.x web10.x"),
            ("[a:c]", "a b c"),
            ("r[1:2]-[a:b]", "r1-a r1-b r2-a r2-b"),
            ("web[:2]", "web0 web1 web2"),
            ("web[3:1]", "error: host range [3:1]: begin is behind end"),
            ("web[1:999999999]", "error: host range [1:999999999]: it names too many hosts"),
            ("web[1", "error: host range must be `[begin:end]`; the `]` is missing"),
            (
                "web[01:100]",
                "error: host range [01:100]: begin and end must have as many digits when begin is padded with zeros",
            ),
            (
                "web[x:1]",
                "error: host range [x:1]: begin and end must both be numbers or both be letters, in order",
            ),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
