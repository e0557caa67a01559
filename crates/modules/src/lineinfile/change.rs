//! The edit itself: from the lines of a file and what is wanted to the new text. Pure.

use pyregex::Regex;

use crate::contract::Failure;
use crate::pattern::{expand, gave_up, is_match};

/// What is wanted.
pub(super) struct Request {
    pub(super) line: String,
    pub(super) has_line: bool,
    pub(super) regexp: Option<Regex>,
    pub(super) search_string: Option<String>,
    pub(super) backrefs: bool,
    pub(super) anchor: Anchor,
    pub(super) first: bool,
    pub(super) absent: bool,
}

/// Where a new line goes.
pub(super) enum Anchor {
    Begin,
    End,
    After(Regex),
    Before(Regex),
}

/// The lines of a file, with their ends. Bytes that are not UTF-8 survive: they are only looked at lossily.
pub(super) struct Lines<'a>(Vec<&'a [u8]>);

impl<'a> Lines<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes.split_inclusive(|byte| *byte == b'\n').collect())
    }

    fn text(&self, index: usize) -> std::borrow::Cow<'_, str> {
        let line = self.0[index];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// What the lines of the file end with.
    fn ending(&self) -> &'static [u8] {
        if self.0.first().is_some_and(|line| line.ends_with(b"\r\n")) { b"\r\n" } else { b"\n" }
    }
}

/// What came of an edit.
pub(super) struct Outcome {
    /// The new text; `None`: nothing changes.
    pub(super) text: Option<Vec<u8>>,
    /// How many lines were found, with `absent`.
    pub(super) found: usize,
    added: bool,
}

impl Outcome {
    /// What Ansible says of it.
    pub(super) fn message(&self, request: &Request) -> String {
        match (&self.text, request.absent) {
            (None, _) => String::new(),
            (Some(_), true) => format!("{} line(s) removed", self.found),
            (Some(_), false) if self.added => "line added".to_owned(),
            (Some(_), false) => "line replaced".to_owned(),
        }
    }
}

/// Edits the lines.
pub(super) fn edit(lines: &Lines<'_>, request: &Request) -> Result<Outcome, Failure> {
    if request.absent { remove(lines, request) } else { put(lines, request) }
}

fn remove(lines: &Lines<'_>, request: &Request) -> Result<Outcome, Failure> {
    let mut text = Vec::new();
    let mut found = 0;
    for index in 0..lines.0.len() {
        let line = lines.text(index);
        let hit = match (&request.regexp, &request.search_string) {
            (Some(regexp), _) => is_match(regexp, &line)?,
            (None, Some(search)) => line.contains(search.as_str()),
            (None, None) => line == request.line,
        };
        if hit {
            found += 1;
        } else {
            text.extend_from_slice(lines.0[index]);
        }
    }
    Ok(Outcome { text: (found > 0).then_some(text), found, added: false })
}

/// Where things are: the line to replace, the line that is there already, the place for a new one.
#[derive(Default)]
struct Places {
    matched: Option<usize>,
    same: Option<usize>,
    anchor: Option<usize>,
}

fn find(lines: &Lines<'_>, request: &Request) -> Result<Places, Failure> {
    let mut places = Places::default();
    let put = |place: &mut Option<usize>, index: usize| {
        if place.is_none() || !request.first {
            *place = Some(index);
        }
    };
    for index in 0..lines.0.len() {
        let line = lines.text(index);
        let hit = match (&request.regexp, &request.search_string) {
            (Some(regexp), _) => is_match(regexp, &line)?,
            (None, Some(search)) => line.contains(search.as_str()),
            (None, None) => false,
        };
        if hit {
            put(&mut places.matched, index);
        }
        if line == request.line.as_str() {
            put(&mut places.same, index);
        }
        let anchored = match &request.anchor {
            Anchor::After(regex) | Anchor::Before(regex) => is_match(regex, &line)?,
            Anchor::Begin | Anchor::End => false,
        };
        if anchored {
            put(&mut places.anchor, index);
        }
    }
    Ok(places)
}

fn put(lines: &Lines<'_>, request: &Request) -> Result<Outcome, Failure> {
    debug_assert!(request.has_line, "checked with the arguments");
    let places = find(lines, request)?;
    if let Some(index) = places.matched {
        return replace(lines, request, index);
    }
    let unchanged = Outcome { text: None, found: 0, added: false };
    if request.backrefs || places.same.is_some() {
        return Ok(unchanged);
    }
    let at = match (&request.anchor, places.anchor) {
        (Anchor::Begin, _) => 0,
        (Anchor::After(_), Some(index)) => index + 1,
        (Anchor::Before(_), Some(index)) => index,
        _ => lines.0.len(),
    };
    let mut text = Vec::new();
    for line in &lines.0[..at] {
        text.extend_from_slice(line);
    }
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.extend_from_slice(lines.ending());
    }
    text.extend_from_slice(request.line.as_bytes());
    text.extend_from_slice(lines.ending());
    for line in &lines.0[at..] {
        text.extend_from_slice(line);
    }
    Ok(Outcome { text: Some(text), found: 0, added: true })
}

fn replace(lines: &Lines<'_>, request: &Request, index: usize) -> Result<Outcome, Failure> {
    let old = lines.text(index);
    let new = match &request.regexp {
        Some(regexp) if request.backrefs => {
            let captures = regexp.captures(&*old).map_err(gave_up)?;
            captures
                .map_or_else(|| request.line.clone(), |captures| expand(&request.line, &captures))
        }
        _ => request.line.clone(),
    };
    let new = new.trim_end_matches(['\r', '\n']);
    if old == new && lines.0[index].ends_with(b"\n") {
        return Ok(Outcome { text: None, found: 0, added: false });
    }
    let mut text = Vec::new();
    for (at, line) in lines.0.iter().enumerate() {
        if at == index {
            text.extend_from_slice(new.as_bytes());
            text.extend_from_slice(lines.ending());
        } else {
            text.extend_from_slice(line);
        }
    }
    Ok(Outcome { text: Some(text), found: 0, added: false })
}
