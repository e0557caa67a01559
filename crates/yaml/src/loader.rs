//! Text to [`Node`]s: libyaml's events, composed as PyYAML composes them, with a place for every value.
//!
//! Limits are kept while composing, so that a small file cannot become a large tree.

use crate::compose::Composer;
use crate::{Diagnostic, Node, Result, SourceFile, syntax};
use libyaml_safer::{Event, EventData, Parser};
use std::borrow::Cow;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};

/// What a source holds.
#[derive(Debug)]
pub struct Loaded {
    /// Its documents; an empty file has none.
    pub documents: Vec<Node>,
    /// What a person should look at: duplicate keys.
    pub warnings: Vec<Diagnostic>,
}

/// Reads every document of a source.
pub fn load_all(file: &Arc<SourceFile>) -> Result<Loaded> {
    refuse_control_characters(file)?;
    let text = with_final_newline(&file.text);
    without_panic_message(|| {
        let mut bytes: &[u8] = text.as_bytes();
        let mut parser = Parser::new();
        parser.set_input_string(&mut bytes);
        let mut events = Events { parser, file };
        Composer::new(&mut events).documents()
    })
    .unwrap_or_else(|| Err(syntax::unreadable(file)))
}

/// Reads a source that is to hold one document. An empty source is a null at its beginning.
pub fn load_one(file: &Arc<SourceFile>) -> Result<(Node, Vec<Diagnostic>)> {
    let Loaded { mut documents, warnings } = load_all(file)?;
    if let [first, second, ..] = documents.as_slice() {
        return Err(Diagnostic::error("expected one YAML document, found another")
            .at(&second.span)
            .also(&first.span, "the first document"));
    }
    let node = documents.pop().unwrap_or_else(|| Node {
        value: crate::NodeValue::Null,
        span: file.span(0, 0),
        tag: None,
    });
    Ok((node, warnings))
}

/// The event stream of one source.
pub(crate) struct Events<'a> {
    parser: Parser<&'a mut &'a [u8]>,
    pub(crate) file: &'a Arc<SourceFile>,
}

impl Events<'_> {
    pub(crate) fn next(&mut self) -> Result<Event> {
        let mut event = self.parser.parse().map_err(|error| syntax::explain(self.file, &error))?;
        self.undo_final_newline(&mut event);
        Ok(event)
    }

    /// Takes the newline that [`with_final_newline`] added off a block scalar that runs to the end.
    fn undo_final_newline(&self, event: &mut Event) {
        use libyaml_safer::ScalarStyle::{Folded, Literal};
        let text = &self.file.text;
        if let EventData::Scalar { value, style: Literal | Folded, .. } = &mut event.data
            && !text.ends_with(['\n', '\r'])
            && event.end_mark.index as usize >= text.len()
            && value.ends_with('\n')
        {
            value.pop();
        }
    }
}

/// The scanner panics on a block scalar that ends with the file: it gets a newline, and spaces alone on the last line
/// are dropped, so that what was added can be told from what was there.
fn with_final_newline(text: &str) -> Cow<'_, str> {
    if text.is_empty() || text.ends_with(['\n', '\r']) {
        return Cow::Borrowed(text);
    }
    let trimmed = text.trim_end_matches(' ');
    if trimmed.is_empty() || trimmed.ends_with(['\n', '\r']) {
        return Cow::Borrowed(trimmed);
    }
    Cow::Owned(format!("{text}\n"))
}

fn refuse_control_characters(file: &Arc<SourceFile>) -> Result<()> {
    let is_allowed = |c: char| {
        matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
            && c != '\u{feff}'
    };
    match file.text.char_indices().find(|(_, c)| !is_allowed(*c)) {
        None => Ok(()),
        Some((offset, c)) => Err(Diagnostic::error(format!(
            "the character U+{:04X} at byte {offset} is not allowed in YAML",
            u32::from(c)
        ))
        .at(&file.span(offset, offset + c.len_utf8()))
        .hint(
            "in a double-quoted string it can be written as an escape, as in \"\\0\" or \"\\e\"",
        )),
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs the scanner; `None` if it panicked, which it does on a few malformed texts. The panic is not news to anyone, so
/// its message is kept off the terminal.
fn without_panic_message<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                previous(info);
            }
        }));
    });
    QUIET.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(false);
    outcome.ok()
}
