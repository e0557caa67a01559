//! Diffs as modules make them: bounded, and honest about what is not text.

use std::path::Path;

use model::{Diff, DiffContent};
use serde_json::Value;

/// Contents above this size are not shown.
pub(crate) const LIMIT: u64 = 104_448;

/// One side, from its bytes; the size says how much there is when `bytes` is only the beginning.
pub(crate) fn content(bytes: &[u8], size: u64) -> DiffContent {
    if size > LIMIT {
        return DiffContent::TooLarge(size);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => DiffContent::Text(text.to_owned()),
        _ => DiffContent::Binary(size),
    }
}

/// Before and after of a file's content; `None`: there is no such file.
pub(crate) fn file(path: &Path, before: Option<&[u8]>, after: Option<&[u8]>) -> Diff {
    let side = |bytes: Option<&[u8]>| match bytes {
        None => DiffContent::Text(String::new()),
        Some(bytes) => content(bytes, bytes.len() as u64),
    };
    Diff {
        before_header: path.display().to_string(),
        after_header: path.display().to_string(),
        before: side(before),
        after: side(after),
    }
}

/// Before and after of state that is not text, e.g. the attributes of a file.
pub(crate) fn state(name: &str, before: Value, after: Value) -> Diff {
    Diff {
        before_header: name.to_owned(),
        after_header: name.to_owned(),
        before: DiffContent::State(before),
        after: DiffContent::State(after),
    }
}
