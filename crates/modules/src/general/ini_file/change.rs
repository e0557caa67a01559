//! The edit of a text in the style of INI: which lines it takes, and what becomes of them. Knows no files.

/// What is wanted of the text.
pub(super) struct Request {
    /// The section; `None`: what is before the first one.
    pub(super) section: Option<String>,
    /// Options with values that the section must have.
    pub(super) having: Vec<(String, Vec<Option<String>>)>,
    /// The option; `None`: the section as a whole.
    pub(super) option: Option<String>,
    /// Its values; `None` stands for the bare word.
    pub(super) values: Vec<Option<String>>,
    /// It shall be there.
    pub(super) is_present: bool,
    /// No other value shall be there.
    pub(super) exclusive: bool,
    /// How lines are written and recognised.
    pub(super) spelling: Spelling,
}

/// How lines are written and recognised.
pub(super) struct Spelling {
    /// No spaces around `=`.
    pub(super) is_tight: bool,
    /// Such spaces make no difference.
    pub(super) ignores_spaces: bool,
    /// A comment that reads like an option counts as that option.
    pub(super) takes_comments: bool,
}

/// A section went.
pub(super) const REMOVED: &str = "section removed";

/// The lines of a text, without their ends.
pub(super) struct Text {
    lines: Vec<String>,
}

/// The text as it is compared: without byte order mark, with one kind of line end.
fn plain(text: &str) -> String {
    text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n")
}

impl Text {
    pub(super) fn of(text: &str) -> Self {
        let text = plain(text);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.is_empty() {
            lines.push(String::new());
        }
        Self { lines }
    }

    /// The new text, if it is another. A last line without end gets one, and counts.
    pub(super) fn into_changed(self, before: &str, is_edited: bool) -> Option<String> {
        let before = plain(before);
        let mut after = self.lines.join("\n");
        if !self.lines.is_empty() {
            after.push('\n');
        }
        (is_edited || !before.is_empty()).then_some(after).filter(|after| *after != before)
    }

    fn headers(&self) -> impl Iterator<Item = usize> {
        (0..self.lines.len()).filter(|at| self.lines[*at].starts_with('['))
    }

    /// The sections of a name: where the header is, and where the next one is.
    fn sections<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (usize, usize)> + 'a {
        let is_named = move |at: &usize| {
            let inner = self.lines[*at][1..].trim_start();
            inner.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(']'))
        };
        self.headers()
            .filter(is_named)
            .map(|at| (at, self.headers().find(|other| *other > at).unwrap_or(self.lines.len())))
    }

    /// The lines of the section that is meant, behind its header; `None` when there is none.
    fn body(&self, request: &Request) -> Option<(usize, usize)> {
        let Some(name) = &request.section else {
            return Some((0, self.headers().next().unwrap_or(self.lines.len())));
        };
        let has = |body: &(usize, usize), option: &str, value: &Option<String>| {
            self.lines[body.0..body.1].iter().any(|line| {
                request.spelling.read(line, option).is_some_and(|found| found == value.as_deref())
            })
        };
        let is_there = |body: &(usize, usize), option: &str| {
            let mut lines = self.lines[body.0..body.1].iter();
            lines.any(|line| request.spelling.read(line, option).is_some())
        };
        self.sections(name).map(|(header, end)| (header + 1, end)).find(|body| {
            request.having.iter().all(|(option, values)| {
                is_there(body, option) && values.iter().all(|value| has(body, option, value))
            })
        })
    }
}

impl Spelling {
    fn write(&self, option: &str, value: Option<&str>) -> String {
        match value {
            None => option.to_owned(),
            Some(value) if self.is_tight => format!("{option}={value}"),
            Some(value) => format!("{option} = {value}"),
        }
    }

    /// The value of a line that sets an option (`Some(None)`: the bare word); `None` for other lines.
    #[expect(clippy::option_option, reason = "no line, a bare word and a value are three things")]
    fn read<'a>(&self, line: &'a str, option: &str) -> Option<Option<&'a str>> {
        let blank = [' ', '\t'];
        let line = line.trim_start_matches(blank);
        let line = match line.strip_prefix(['#', ';']) {
            Some(comment) if self.takes_comments => comment.trim_start_matches(blank),
            _ => line,
        };
        let rest = line.strip_prefix(option)?.trim_start_matches(blank);
        match rest.strip_prefix('=') {
            Some(value) => Some(Some(value.trim_start_matches(blank))),
            None => rest.is_empty().then_some(None),
        }
    }

    fn is_active(line: &str) -> bool {
        !line.trim_start_matches([' ', '\t']).starts_with(['#', ';'])
    }
}

/// Whether a text has a section that the request means.
pub(super) fn has_section(text: &str, request: &Request) -> bool {
    Text::of(text).body(request).is_some()
}

/// Edits the text; returns what was done, in Ansible's words, or `None`.
pub(super) fn edit(text: &mut Text, request: &Request) -> Option<&'static str> {
    let body = text.body(request);
    match (&request.option, body) {
        (None, None) if request.is_present => {
            text.lines.extend(new_section(request));
            Some("only section added")
        }
        (Some(_), None) if request.is_present => {
            text.lines.extend(new_section(request));
            Some("section and option added")
        }
        (_, None) => None,
        (None, Some(_)) if request.is_present => None,
        (None, Some((start, end))) => {
            text.lines.drain(start - 1..end);
            Some(REMOVED)
        }
        (Some(option), Some(body)) if request.is_present => set(text, body, option, request),
        (Some(option), Some((start, end))) => {
            let before = text.lines.len();
            let spelling = Spelling { takes_comments: false, ..request.spelling };
            let mut at = 0;
            text.lines.retain(|line| {
                at += 1;
                let found = spelling.read(line, option).filter(|_| at > start && at <= end);
                let is_meant = |value: Option<&str>| {
                    request.exclusive || request.values.iter().any(|one| one.as_deref() == value)
                };
                !found.is_some_and(is_meant)
            });
            (text.lines.len() < before).then_some("option changed")
        }
    }
}

/// The lines of a section that is not there yet.
fn new_section(request: &Request) -> Vec<String> {
    let Request { section, having, option, values, spelling, .. } = request;
    let mut lines = vec![format!("[{}]", section.as_deref().unwrap_or_default())];
    for (name, values) in having.iter().filter(|(name, _)| option.as_ref() != Some(name)) {
        if values.is_empty() {
            lines.push(name.clone());
        }
        lines.extend(values.iter().map(|value| spelling.write(name, value.as_deref())));
    }
    if let Some(option) = option {
        lines.extend(values.iter().map(|value| spelling.write(option, value.as_deref())));
    }
    lines
}

/// Gives an option its values within the lines of a section.
fn set(
    text: &mut Text,
    (start, end): (usize, usize),
    option: &str,
    request: &Request,
) -> Option<&'static str> {
    let spelling = &request.spelling;
    let mut wanted = request.values.clone();
    let mut message = None;
    let old: Vec<String> = text.lines.drain(start..end).collect();
    // First the lines that have one of the values, then those whose value has to go.
    let mut keeps = Vec::new();
    for (at, line) in old.iter().enumerate() {
        let fits = |value: &Option<String>| {
            let written = spelling.write(option, value.as_deref());
            let is_here = || old[at..].iter().map(String::as_str).take(written.lines().count());
            spelling.read(line, option).is_some_and(|found| found == value.as_deref())
                || (written.contains('\n') && written.lines().eq(is_here()))
        };
        keeps.push(wanted.iter().position(fits).map(|found| wanted.remove(found)));
    }
    let mut new: Vec<String> = Vec::new();
    for (line, keeps) in old.into_iter().zip(keeps) {
        let written = match keeps {
            Some(value) if value.as_ref().is_some_and(|value| value.contains('\n')) => line.clone(),
            Some(_) if spelling.ignores_spaces && Spelling::is_active(&line) => line.clone(),
            Some(value) => spelling.write(option, value.as_deref()),
            None if request.exclusive && spelling.read(&line, option).is_some() => {
                message = Some("option changed");
                if wanted.is_empty() {
                    continue;
                }
                let value = wanted.remove(0);
                spelling.write(option, value.as_deref())
            }
            None => line.clone(),
        };
        if written != line {
            message = Some("option changed");
        }
        new.push(written);
    }
    let is_filler = |line: &String| line.trim().is_empty() || !Spelling::is_active(line);
    let place = new.iter().rposition(|line| !is_filler(line)).map_or(0, |at| at + 1);
    if !wanted.is_empty() {
        message = Some("option added");
    }
    let added: Vec<_> =
        wanted.iter().map(|value| spelling.write(option, value.as_deref())).collect();
    new.splice(place..place, added);
    text.lines.splice(start..start, new);
    message
}
