//! YAML files of metadata as plain data. Knows no meaning of any key.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use yaml::{Node, NodeValue, SourceFile};

use crate::{Error, Result};

/// More than any file of metadata.
const LIMIT: u64 = 16 << 20;

/// Reads one file; an empty one is null.
pub(crate) fn read(path: &Path) -> Result<Json> {
    let size = std::fs::metadata(path).map_err(|error| Error::io("read", path, &error))?.len();
    if size > LIMIT {
        return Err(Error::failed(format!("{} is too large ({size} bytes)", path.display())));
    }
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
    parse(path, &bytes)
}

/// Reads the text of a file.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Json> {
    let read = || -> yaml::Result<Json> {
        let file: Arc<SourceFile> = SourceFile::from_bytes(path, bytes)?;
        Ok(plain(&yaml::load_one(&file)?.0))
    };
    read().map_err(|diagnostic| Error::Content(Box::new(diagnostic)))
}

fn plain(node: &Node) -> Json {
    match &node.value {
        NodeValue::Null => Json::Null,
        NodeValue::Bool(value) => Json::Bool(*value),
        NodeValue::Int(value) => Json::from(*value),
        NodeValue::Float(value) => Json::from(*value),
        NodeValue::BigInt(text) | NodeValue::Timestamp(text) => Json::from(&**text),
        NodeValue::Str { text, .. } => Json::from(&**text),
        NodeValue::Seq(items) => Json::Array(items.iter().map(plain).collect()),
        NodeValue::Map(entries) => Json::Object(
            entries
                .iter()
                .map(|(key, value)| (text(&plain(key)), plain(value)))
                .collect::<Map<_, _>>(),
        ),
    }
}

/// A scalar as people write it.
pub(crate) fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The text of a key, when there is one that is not null.
pub(crate) fn text_of(map: &Json, key: &str) -> Option<String> {
    map.get(key).filter(|value| !value.is_null()).map(text).filter(|text| !text.is_empty())
}
