//! Diffs of results as unified diffs, in Ansible's form and colours.

use model::{Diff, DiffContent};
use similar::{ChangeTag, TextDiff};

use crate::screen::{Screen, Tone};
use crate::text::{Layout, harmless, json};

/// The diffs of a result, ready to be written as one line; empty when there is nothing to show.
pub(crate) fn render(diffs: &[Diff], screen: &Screen) -> String {
    let mut out = String::new();
    for diff in diffs {
        for (content, side) in [(&diff.before, "destination"), (&diff.after, "source")] {
            let what = match content {
                DiffContent::Binary(_) => "appears to be binary".to_owned(),
                DiffContent::TooLarge(size) => format!("of {size} bytes is too large to show"),
                DiffContent::Text(_) | DiffContent::State(_) => continue,
            };
            out.extend(["diff skipped: ", side, " file ", &what, "\n"]);
        }
        if let (Some(before), Some(after)) = (text(&diff.before), text(&diff.after))
            && before != after
        {
            write_unified(&mut out, diff, &before, &after, screen);
        }
    }
    out
}

fn text(content: &DiffContent) -> Option<String> {
    match content {
        DiffContent::Text(text) => Some(text.clone()),
        DiffContent::State(state) => Some(json(state, Layout::Pretty) + "\n"),
        DiffContent::Binary(_) | DiffContent::TooLarge(_) => None,
    }
}

fn write_unified(out: &mut String, diff: &Diff, before: &str, after: &str, screen: &Screen) {
    let mut put = |text: String, tone| out.push_str(&screen.paint(&text, tone));
    put(format!("--- {}\n", header("before", &diff.before_header)), Tone::DiffRemoved);
    put(format!("+++ {}\n", header("after", &diff.after_header)), Tone::DiffAdded);
    let lines = TextDiff::from_lines(before, after);
    for hunk in lines.unified_diff().context_radius(3).iter_hunks() {
        put(format!("{}\n", hunk.header()), Tone::DiffHunk);
        for change in hunk.iter_changes() {
            let (mark, tone) = match change.tag() {
                ChangeTag::Equal => (' ', Tone::Plain),
                ChangeTag::Insert => ('+', Tone::DiffAdded),
                ChangeTag::Delete => ('-', Tone::DiffRemoved),
            };
            let line = change.value();
            let end = if line.ends_with('\n') { "" } else { "\n\\ No newline at end of file\n" };
            put(format!("{mark}{}{end}", harmless(line)), tone);
        }
    }
}

fn header(side: &str, header: &str) -> String {
    if header.is_empty() || header == side {
        side.to_owned()
    } else if header.starts_with(&format!("{side}: ")) {
        harmless(header).into_owned()
    } else {
        format!("{side}: {}", harmless(header))
    }
}
