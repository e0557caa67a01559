//! From an offset in a scalar's text back to the place in the file in which the scalar was written.

use std::ops::Range;

use yaml::Span;

/// The place in the file of a range of bytes of a value's text, where `origin` is the place of the whole value.
///
/// YAML only ever adds to a text (quotes, escapes, indentation, line breaks for spaces), so the text's characters are
/// found in the file in the same order; white space is left out of the comparison.
pub(crate) fn locate(origin: &Span, text: &str, range: Range<usize>) -> Span {
    let written = origin.text();
    let (start, end) = if written == text {
        (range.start, range.end)
    } else {
        let begin = content_start(written);
        let start = follow(written, begin, text.get(..range.start).unwrap_or(text));
        let start = start + leading_noise(&written[start..], text, range.start);
        let end = follow(written, start, text.get(range.clone()).unwrap_or_default());
        (start, end)
    };
    let base = origin.start as usize;
    origin.file.span(base + start, base + end.max(start))
}

/// Where a scalar's content begins: behind tags and anchors, quotes, or a block's header line.
fn content_start(written: &str) -> usize {
    let mut at = 0;
    while written[at..].starts_with(['!', '&']) {
        let rest = &written[at..];
        let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let space = rest[word..].find(|c: char| !c.is_whitespace()).unwrap_or(0);
        at += word + space;
    }
    match written[at..].chars().next() {
        Some('|' | '>') => written[at..].find('\n').map_or(written.len(), |line| at + line + 1),
        Some('"' | '\'') => at + 1,
        _ => at,
    }
}

/// Follows the text's visible characters through what was written; gives the offset behind the last.
fn follow(written: &str, from: usize, text: &str) -> usize {
    let mut at = from;
    for letter in text.chars().filter(|letter| !letter.is_whitespace()) {
        match written[at..].find(letter) {
            Some(found) => at += found + letter.len_utf8(),
            None => return at,
        }
    }
    at
}

/// White space, and escapes, before the character that stands at the offset.
fn leading_noise(written: &str, text: &str, offset: usize) -> usize {
    text.get(offset..)
        .and_then(|rest| rest.chars().find(|letter| !letter.is_whitespace()))
        .and_then(|letter| written.find(letter))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use yaml::SourceFile;

    #[test]
    fn offsets_lead_to_the_line_and_column_of_the_file() {
        for (written, text, line, column) in [
            ("msg: a {{ xyz }}", "a {{ xyz }}", 1, 11),
            ("msg: \"a \\\"q\\\" {{ xyz }}\"", "a \"q\" {{ xyz }}", 1, 18),
            ("msg: 'it''s {{ xyz }}'", "it's {{ xyz }}", 1, 16),
            ("msg: |\n  one\n  two {{ xyz }}\n", "one\ntwo {{ xyz }}\n", 3, 10),
            ("msg: >-\n  one\n  two {{\n    xyz }}\n", "one two {{\n  xyz }}", 4, 5),
            ("msg: !custom 'a {{ xyz }}'", "a {{ xyz }}", 1, 20),
        ] {
            let file = SourceFile::new("site.yml", written);
            let origin = file.span(5, written.len());
            let at = text.find("xyz").expect("every text has it");
            let place = locate(&origin, text, at..at + 3);
            assert_eq!((place.line, place.column), (line, column), "{written:?}");
            assert_eq!(place.text(), "xyz");
        }
    }
}
