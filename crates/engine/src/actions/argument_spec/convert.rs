//! Lenient types: what a value of one type may stand for in another.

use jinja::{Map, Value};

use crate::attributes::to_bool;

/// The value as the wanted type, or why it cannot be.
pub(super) fn convert(wanted: &str, value: &Value) -> Result<Value, String> {
    let cannot = |what: &str| Err(format!("{} cannot be converted to {what}", class(value)));
    let text = value.as_str();
    match wanted {
        "raw" => Ok(value.clone()),
        "str" | "path" => {
            Ok(if text.is_some() { value.clone() } else { Value::from(value.to_string()) })
        }
        "bool" => boolean(value),
        "int" => match value.as_i64().or_else(|| text?.trim().parse().ok()) {
            Some(number) => Ok(Value::from(number)),
            None if value.as_f64().is_some_and(|number| number.fract() == 0.0) => Ok(value.clone()),
            None => Err(format!("{} cannot be converted to an int", quoted(value))),
        },
        "float" => match value.as_f64().or_else(|| text?.trim().parse().ok()) {
            Some(number) => Ok(Value::from(number)),
            None => cannot("a float"),
        },
        "list" => match (value.as_list(), text) {
            (Some(_), _) => Ok(value.clone()),
            (None, Some(text)) => {
                Ok(Value::list(text.split(',').map(|part| Value::from(part.trim())).collect()))
            }
            (None, None) if value.as_i64().is_some() || value.as_f64().is_some() => {
                Ok(Value::list(vec![Value::from(value.to_string())]))
            }
            _ => cannot("a list"),
        },
        "dict" => dictionary(value),
        "json" | "jsonarg" => {
            match (text, value.as_list().is_some() || value.as_dict().is_some()) {
                (Some(_), _) => Ok(value.clone()),
                (None, true) => value
                    .to_json()
                    .map(|json| Value::from(json.to_string()))
                    .map_err(|error| error.message().to_owned()),
                _ => cannot("a json string"),
            }
        }
        "bytes" => match size(value, "Bb") {
            Some(number) => Ok(Value::from(number)),
            None => cannot("a Byte value"),
        },
        "bits" => match size(value, "b") {
            Some(number) => Ok(Value::from(number)),
            None => cannot("a Bit value"),
        },
        other => Err(format!("there is no type `{other}`")),
    }
}

fn boolean(value: &Value) -> Result<Value, String> {
    if value.as_list().is_some() || value.as_dict().is_some() {
        return Err(format!("{} cannot be converted to a bool", value.type_name()));
    }
    to_bool("value", value).map(Value::from).map_err(|_| {
        format!(
            "The value '{value}' is not a valid boolean. Valid booleans include: 'y', 'yes', 'on', '1', 'true', 't', 1, \
             'n', 'no', 'off', '0', 'false', 'f', 0"
        )
    })
}

/// What people call the type of a value; nothing has the name that Ansible gives it.
fn class(value: &Value) -> &str {
    if value.is_none() { "<class 'NoneType'>" } else { value.type_name() }
}

/// As Python prints the text that it could not read as a number.
fn quoted(value: &Value) -> String {
    match value.as_str() {
        Some(text) => format!("\"'{text}'\""),
        None => format!("\"{}\"", value.repr()),
    }
}

/// A dictionary, JSON, or `key=value` words with commas or spaces between.
fn dictionary(value: &Value) -> Result<Value, String> {
    if value.as_dict().is_some() {
        return Ok(value.clone());
    }
    let Some(text) = value.as_str() else {
        return Err(format!("{} cannot be converted to a dict", class(value)));
    };
    if text.starts_with('{') {
        return serde_json::from_str(text)
            .map(Value::from_json)
            .map_err(|error| format!("unable to evaluate string as dictionary: {error}"));
    }
    let pair =
        |word: &String| word.split_once('=').map(|(key, value)| (key.into(), Value::from(value)));
    let words = shlex::split(&text.replace(',', " ")).filter(|words| !words.is_empty());
    let pairs: Option<Map> = words.and_then(|words| words.iter().map(pair).collect());
    pairs
        .map(Value::dict)
        .ok_or_else(|| "dictionary requested, could not parse JSON or key=value".to_owned())
}

/// `10K`, `1.5G`: a number with a unit of 1024.
fn size(value: &Value, unit: &str) -> Option<i64> {
    if let Some(number) = value.as_i64() {
        return Some(number);
    }
    let text = value.as_str()?.trim();
    let digits = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let number: f64 = text[..digits].trim().parse().ok()?;
    let suffix = text[digits..].trim_end_matches(|letter| unit.contains(letter)).to_uppercase();
    let power = match &*suffix {
        "" => 0,
        one => "KMGTPEZY".find(one).filter(|_| one.len() == 1)? + 1,
    };
    Some((number * 1024f64.powi(i32::try_from(power).ok()?)) as i64)
}
