//! What a template puts out: one value as it is, or the text of all pieces.

use crate::error::Error;
use crate::eval::Scope;
use crate::value::{Marks, Value};

/// Collects the pieces. As in ansible-core, a template that puts out a single piece *is* that piece.
pub(crate) struct Output {
    text_only: bool,
    first: Option<Value>,
    text: String,
    pieces: usize,
    marks: Marks,
}

impl Output {
    pub(crate) fn new(text_only: bool) -> Self {
        Self { text_only, first: None, text: String::new(), pieces: 0, marks: Marks::NONE }
    }

    pub(crate) fn push_text(&mut self, scope: &Scope<'_>, text: &str) -> Result<(), Error> {
        self.settle();
        self.pieces += 1;
        scope.check_size(self.text.len() + text.len())?;
        self.text.push_str(text);
        Ok(())
    }

    /// Puts out a value; undefined ones and templates are the caller's to deal with.
    pub(crate) fn push(&mut self, scope: &Scope<'_>, value: Value) -> Result<(), Error> {
        // `None` shows as nothing, and beside other pieces it is none.
        if value.is_none() {
            return Ok(());
        }
        self.pieces += 1;
        if self.pieces == 1 && !self.text_only {
            self.first = Some(value);
            return Ok(());
        }
        self.settle();
        self.append(&value);
        scope.check_size(self.text.len())
    }

    /// The first value becomes text when a second piece follows.
    fn settle(&mut self) {
        if let Some(first) = self.first.take() {
            self.append(&first);
        }
    }

    fn append(&mut self, value: &Value) {
        self.marks = self.marks | value.marks().to_scalar();
        match value.as_str() {
            Some(text) => self.text.push_str(text),
            None => self.text.push_str(&value.to_string()),
        }
    }

    /// Whether nothing was put out, not even an empty text.
    pub(crate) fn is_untouched(&self) -> bool {
        self.pieces == 0
    }

    pub(crate) fn finish(self) -> Value {
        match self.first {
            Some(value) => value,
            None if self.pieces == 0 && !self.text_only => Value::none(),
            None => Value::from(self.text).marked(self.marks),
        }
    }
}
