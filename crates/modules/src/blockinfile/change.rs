//! The edit itself: from a text and a wanted block to the new text. Pure.

use pyregex::Regex;

use crate::contract::Failure;
use crate::pattern;

/// What is wanted.
pub(super) struct Request {
    /// The first marker, with its line end.
    pub(super) begin: String,
    /// The second marker, with its line end.
    pub(super) end: String,
    /// What stands between; empty: no block, and no markers.
    pub(super) block: String,
    pub(super) anchor: Anchor,
    pub(super) append_newline: bool,
    pub(super) prepend_newline: bool,
}

/// Where a new block goes.
pub(super) enum Anchor {
    Begin,
    End,
    After(Place),
    Before(Place),
}

/// A place in the text.
pub(super) struct Place {
    pub(super) regex: Regex,
    /// The expression sees the whole text, not line by line.
    pub(super) whole: bool,
}

/// The new text.
pub(super) fn edit(text: &str, request: &Request) -> Result<String, Failure> {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let position = |marker: &str| lines.iter().rposition(|line| *line == marker);
    let at = match (position(&request.begin), position(&request.end)) {
        (Some(begin), Some(end)) => {
            let (first, last) = (begin.min(end), begin.max(end));
            lines.drain(first..=last);
            first
        }
        _ => place(text, &lines, &request.anchor)?,
    };
    let mut out: String = lines[..at].concat();
    let rest = &lines[at..];
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    if !request.block.is_empty() {
        let is_blank = |line: Option<&&str>| line.is_none_or(|line| *line == "\n");
        if request.prepend_newline && !is_blank(lines[..at].last()) {
            out.push('\n');
        }
        out.push_str(&request.begin);
        out.push_str(&request.block);
        if !request.block.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&request.end);
        if request.append_newline && !is_blank(rest.first()) {
            out.push('\n');
        }
    }
    out.push_str(&rest.concat());
    Ok(out)
}

/// The line before which a new block goes.
fn place(text: &str, lines: &[&str], anchor: &Anchor) -> Result<usize, Failure> {
    let (place, is_after) = match anchor {
        Anchor::Begin => return Ok(0),
        Anchor::End => return Ok(lines.len()),
        Anchor::After(place) => (place, true),
        Anchor::Before(place) => (place, false),
    };
    let mut found = None;
    if place.whole {
        if let Some(hit) = place.regex.find(text).map_err(pattern::gave_up)? {
            let upto = if is_after { hit.end() } else { hit.start() };
            found = Some(text[..upto].matches('\n').count());
        }
    } else {
        for (index, line) in lines.iter().enumerate() {
            if pattern::is_match(&place.regex, line)? {
                found = Some(index);
            }
        }
    }
    Ok(found.map_or(lines.len(), |line| (line + usize::from(is_after)).min(lines.len())))
}
