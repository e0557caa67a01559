//! Children as the arguments give them, written as XML.

use serde_json::{Map, Value};

use super::InputType;
use super::edit::{escaped, escaped_value, parse};
use crate::arguments::python_text;
use crate::contract::Failure;

/// All children, one behind the other.
pub(super) fn children(list: &[Value], input: InputType) -> Result<String, Failure> {
    let mut text = String::new();
    for child in list {
        match input {
            InputType::Xml => {
                let piece = python_text(child);
                let wrapped = format!("<wanted>{piece}</wanted>");
                parse(&wrapped).map_err(|error| {
                    Failure::new(format!("invalid XML in children: {error}: `{piece}`"))
                })?;
                text.push_str(piece.trim());
            }
            InputType::Yaml => text.push_str(&element(child)?),
        }
    }
    Ok(text)
}

fn element(child: &Value) -> Result<String, Failure> {
    match child {
        Value::Object(map) if map.len() == 1 => {
            let (name, content) = map.iter().next().expect("it has one");
            check_name(name)?;
            match content {
                Value::Object(inner) => described(name, inner),
                Value::Null => Ok(format!("<{name}/>")),
                value => Ok(format!("<{name}>{}</{name}>", escaped(&python_text(value)))),
            }
        }
        Value::Object(_) => Err(Failure::new(
            "Can only create children from hashes with one key, the name of the element",
        )),
        name => {
            let name = python_text(name);
            check_name(&name)?;
            Ok(format!("<{name}/>"))
        }
    }
}

/// An element with attributes, a value (`+value`) and children (`_`).
fn described(name: &str, inner: &Map<String, Value>) -> Result<String, Failure> {
    let (mut attributes, mut content) = (String::new(), String::new());
    if let Some(value) = inner.get("+value") {
        content.push_str(&escaped(&python_text(value)));
    }
    for (key, value) in inner.iter().filter(|(key, _)| *key != "+value" && *key != "_") {
        check_name(key)?;
        attributes.push_str(&format!(" {key}=\"{}\"", escaped_value(&python_text(value))));
    }
    match inner.get("_") {
        None => {}
        Some(Value::Array(list)) => {
            for child in list {
                content.push_str(&element(child)?);
            }
        }
        Some(_) => return Err(Failure::new(format!("the children `_` of {name} are no list"))),
    }
    Ok(if content.is_empty() {
        format!("<{name}{attributes}/>")
    } else {
        format!("<{name}{attributes}>{content}</{name}>")
    })
}

/// A name that would not be one of XML could smuggle in more than a name.
fn check_name(name: &str) -> Result<(), Failure> {
    let is_start = |c: char| c.is_alphabetic() || c == '_';
    let is_inner = |c: char| is_start(c) || c.is_numeric() || matches!(c, '-' | '.' | ':');
    let fits = name.starts_with(is_start) && name.chars().all(is_inner);
    if fits { Ok(()) } else { Err(Failure::new(format!("`{name}` is no name of XML"))) }
}
