//! JSON in and out. What comes in is data.

use serde_json::{Number, Value as Json};

use super::{MAX_DEPTH, Map, Object, Repr, Value};
use crate::error::{Error, ErrorKind};

impl Value {
    /// Data from JSON: results, facts, extra variables given as JSON. Nothing in it is a template.
    pub fn from_json(json: Json) -> Self {
        match json {
            Json::Null => Self::none(),
            Json::Bool(value) => value.into(),
            Json::Number(number) => from_number(&number),
            Json::String(text) => text.into(),
            Json::Array(items) => items.into_iter().map(Self::from_json).collect(),
            Json::Object(entries) => Self::from_object(entries),
        }
    }

    /// A dict from a JSON object.
    pub fn from_object(entries: serde_json::Map<String, Json>) -> Self {
        Self::dict(
            entries.into_iter().map(|(key, value)| (key.into(), Self::from_json(value))).collect(),
        )
    }

    /// The value as JSON: tuples become arrays, keys text, bytes text where they are UTF-8.
    ///
    /// Fails for undefined values, placeholders and functions: they are not data.
    pub fn to_json(&self) -> Result<Json, Error> {
        to_json(self, 0)
    }
}

fn from_number(number: &Number) -> Value {
    if let Some(int) = number.as_i64() {
        int.into()
    } else if let Some(int) = number.as_u64() {
        int.into()
    } else {
        number.as_f64().map_or_else(Value::none, Value::from)
    }
}

fn to_json(value: &Value, depth: usize) -> Result<Json, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::new(ErrorKind::Recursion, "a value is nested too deeply for JSON"));
    }
    Ok(match &value.repr {
        Repr::Undefined(why) => return Err(Error::undefined(why)),
        Repr::None => Json::Null,
        Repr::Bool(value) => Json::Bool(*value),
        Repr::Int(value) => int_to_json(*value),
        Repr::Float(value) => Number::from_f64(*value)
            .map_or_else(|| Json::String(super::float_text(*value)), Json::Number),
        Repr::Str(text) => Json::String(text.to_string()),
        Repr::Bytes(bytes) => Json::String(String::from_utf8_lossy(bytes).into_owned()),
        Repr::List(list) => array(&list.snapshot(), depth)?,
        Repr::Tuple(items) => array(items, depth)?,
        Repr::Dict(dict) => object(&dict.snapshot(), depth)?,
        Repr::Omit => return Err(Error::new(ErrorKind::Type, "'omit' is not data")),
        Repr::Object(object) => match object.to_data() {
            Some(data) => to_json(&data, depth + 1)?,
            None => match object.keys() {
                Some(keys) => object_entries(&**object, &keys, depth)?,
                None => return Err(not_data(value)),
            },
        },
    })
}

fn not_data(value: &Value) -> Error {
    Error::new(
        ErrorKind::Type,
        format!("Type '{}' is unsupported for variable storage.", value.type_name()),
    )
}

fn int_to_json(value: i128) -> Json {
    if let Ok(int) = i64::try_from(value) {
        Json::Number(int.into())
    } else if let Ok(int) = u64::try_from(value) {
        Json::Number(int.into())
    } else {
        Number::from_f64(value as f64).map_or(Json::Null, Json::Number)
    }
}

fn array(items: &[Value], depth: usize) -> Result<Json, Error> {
    items.iter().map(|item| to_json(item, depth + 1)).collect::<Result<_, _>>().map(Json::Array)
}

fn object(map: &Map, depth: usize) -> Result<Json, Error> {
    let entries = map.iter().map(|(key, value)| Ok((key_text(key), to_json(value, depth + 1)?)));
    entries.collect::<Result<_, Error>>().map(Json::Object)
}

/// What acts as a dict is one as data.
fn object_entries(of: &dyn Object, keys: &[Value], depth: usize) -> Result<Json, Error> {
    let entries = keys.iter().filter_map(|key| Some((key, of.get(key)?)));
    let entries = entries.map(|(key, value)| Ok((key_text(key), to_json(&value?, depth + 1)?)));
    entries.collect::<Result<_, Error>>().map(Json::Object)
}

/// A key as Python's `json` writes it.
pub(crate) fn key_text(key: &Value) -> String {
    match &key.repr {
        Repr::Bool(true) => "true".into(),
        Repr::Bool(false) => "false".into(),
        Repr::None => "null".into(),
        _ => key.to_string(),
    }
}
