//! Parsed templates by their text, for the whole process: a playbook's texts are parsed once for all hosts.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use super::{Mistake, Mode, compile};
use crate::ast::Template;

/// When the texts of a cache are longer than this together, it starts anew.
const MAX_BYTES: usize = 32 << 20;

#[derive(Default)]
struct Cache {
    templates: HashMap<Arc<str>, Arc<Template>>,
    bytes: usize,
}

static VALUES: LazyLock<RwLock<Cache>> = LazyLock::new(Default::default);
static EXPRESSIONS: LazyLock<RwLock<Cache>> = LazyLock::new(Default::default);
static CONDITIONS: LazyLock<RwLock<Cache>> = LazyLock::new(Default::default);
static INCLUDED: LazyLock<RwLock<Cache>> = LazyLock::new(Default::default);
static FILES: LazyLock<RwLock<Cache>> = LazyLock::new(Default::default);

/// The parsed template of a text, from the cache if it was parsed before.
pub(crate) fn compiled(source: &Arc<str>, mode: Mode) -> Result<Arc<Template>, Mistake> {
    let cache = match mode {
        Mode::Value => &VALUES,
        Mode::Expression => &EXPRESSIONS,
        Mode::Condition => &CONDITIONS,
        Mode::File => &FILES,
        Mode::Included => &INCLUDED,
    };
    let found = cache.read().unwrap_or_else(PoisonError::into_inner).templates.get(source).cloned();
    if let Some(template) = found {
        return Ok(template);
    }
    let template = Arc::new(compile(source, mode)?);
    let mut cache = cache.write().unwrap_or_else(PoisonError::into_inner);
    if cache.bytes > MAX_BYTES {
        *cache = Cache::default();
    }
    cache.bytes += source.len() + 256;
    cache.templates.insert(source.clone(), template.clone());
    Ok(template)
}
