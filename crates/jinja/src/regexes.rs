//! Python's regular expressions in templates: patterns are kept compiled, and what is wrong with one is an error.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use pyregex::Regex;
pub(crate) use pyregex::{Anchor, Flags, escape};

use crate::error::Error;

/// Patterns kept compiled.
const MAX_PATTERNS: usize = 2_000;

type Key = (Flags, Anchor, String);
static COMPILED: LazyLock<RwLock<HashMap<Key, Arc<Regex>>>> = LazyLock::new(Default::default);

/// A compiled pattern.
pub(crate) fn regex(pattern: &str, flags: Flags, anchor: Anchor) -> Result<Arc<Regex>, Error> {
    let key = (flags, anchor, pattern.to_owned());
    if let Some(found) = COMPILED.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Ok(found.clone());
    }
    let compiled = pyregex::compile(pattern, flags, anchor).map_err(|error| {
        let message = error.to_string();
        Error::value_error(format!("invalid regular expression: {}", python_words(&message)))
    })?;
    let compiled = Arc::new(compiled);
    let mut cache = COMPILED.write().unwrap_or_else(PoisonError::into_inner);
    if cache.len() >= MAX_PATTERNS {
        cache.clear();
    }
    cache.insert(key, compiled.clone());
    Ok(compiled)
}

/// The mistakes that people make most, in the words of Python's `re`.
fn python_words(message: &str) -> &str {
    const WORDS: [(&str, &str); 6] = [
        ("Opening parenthesis without closing", "missing ), unterminated subpattern"),
        ("unclosed group", "missing ), unterminated subpattern"),
        ("unopened group", "unbalanced parenthesis"),
        ("Target of repeat operator", "nothing to repeat"),
        ("repetition operator missing", "nothing to repeat"),
        ("unclosed character class", "unterminated character set"),
    ];
    let known = WORDS.iter().find(|(theirs, _)| message.contains(theirs));
    known.map_or(message, |(_, python)| python)
}

/// A failed match is too much back-tracking.
pub(crate) fn failed(error: &pyregex::Error) -> Error {
    Error::new(
        crate::error::ErrorKind::Limit,
        format!("the regular expression takes too long: {error}"),
    )
}
