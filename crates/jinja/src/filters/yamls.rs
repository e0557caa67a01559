//! Filters between data and YAML.

use std::sync::Arc;

use yaml::{Emit, EmitOptions, Flow, Node, NodeValue, Quoting, SourceFile};

use super::PLAIN;
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::value::{MAX_DEPTH, Map, Marks, Repr, Value};

pub(super) fn register(environment: &mut Environment) {
    environment.filter("from_yaml", PLAIN, |_, value, args| {
        args.finish()?;
        let Some(text) = value.as_str() else { return Ok(value) };
        let (node, _) = yaml::load_one(&source(text)).map_err(|error| unreadable(&error))?;
        data(&node)
    });
    environment.filter("from_yaml_all", PLAIN, |_, value, args| {
        args.finish()?;
        if value.is_none() {
            return Ok(Value::list(Vec::new()));
        }
        let Some(text) = value.as_str() else { return Ok(value) };
        let loaded = yaml::load_all(&source(text)).map_err(|error| unreadable(&error))?;
        loaded.documents.iter().map(data).collect::<Result<_, _>>().map(Value::list)
    });
    environment.filter("to_yaml", PLAIN, |scope, value, args| {
        to_yaml(scope, &value, args, EmitOptions::default())
    });
    environment.filter("to_nice_yaml", PLAIN, |scope, value, args| {
        to_yaml(scope, &value, args, EmitOptions::nice())
    });
}

fn source(text: &str) -> Arc<SourceFile> {
    SourceFile::new("<text>", text)
}

fn unreadable(error: &yaml::Diagnostic) -> Error {
    let place = error.span().map(|span| format!(" at line {}, column {}", span.line, span.column));
    Error::value_error(format!("{}{}", error.message(), place.unwrap_or_default()))
}

/// A document as data: none of its texts is a template.
fn data(node: &Node) -> Result<Value, Error> {
    Ok(match &node.value {
        NodeValue::Null => Value::none(),
        NodeValue::Bool(value) => (*value).into(),
        NodeValue::Int(value) => (*value).into(),
        NodeValue::BigInt(digits) => digits
            .parse::<i128>()
            .map(Value::from)
            .map_err(|_| Error::value_error(format!("the integer {digits} is too large")))?,
        NodeValue::Float(value) => (*value).into(),
        NodeValue::Str { text, .. } | NodeValue::Timestamp(text) => text.clone().into(),
        NodeValue::Seq(items) => Value::list(items.iter().map(data).collect::<Result<_, _>>()?),
        NodeValue::Map(entries) => {
            let entries = entries.iter().map(|(key, item)| Ok((data(key)?, data(item)?)));
            Value::dict(entries.collect::<Result<Map, Error>>()?)
        }
    })
}

fn to_yaml(
    scope: &Scope<'_>,
    value: &Value,
    mut args: Args,
    mut options: EmitOptions,
) -> Result<Value, Error> {
    let number = |value: Value| value.as_i64().and_then(|number| i32::try_from(number).ok());
    if let Some(indent) = args.take("indent").and_then(number) {
        options.indent = indent;
    }
    if let Some(width) = args.take_named("width").filter(|width| !width.is_none()) {
        let infinite = width.as_f64().is_some_and(f64::is_infinite);
        options.width = if infinite { -1 } else { number(width).unwrap_or(-1) };
    }
    if let Some(flow) = args.take_named("default_flow_style") {
        options.flow = match flow.as_bool() {
            None => Flow::Leaves,
            Some(true) => Flow::Always,
            Some(false) => Flow::Never,
        };
    }
    for (name, slot) in [
        ("sort_keys", &mut options.sort_keys),
        ("explicit_start", &mut options.explicit_start),
        ("explicit_end", &mut options.explicit_end),
        ("allow_unicode", &mut options.allow_unicode),
        ("canonical", &mut options.canonical),
    ] {
        if let Some(flag) = args.take_named(name) {
            *slot = flag.is_true();
        }
    }
    options.style = match args.text("default_style")?.as_deref() {
        Some("'") => Some(Quoting::Single),
        Some("\"") => Some(Quoting::Double),
        Some("|") => Some(Quoting::Literal),
        Some(">") => Some(Quoting::Folded),
        _ => None,
    };
    args.finish()?;
    Ok(yaml::emit(&emitted(scope, value, 0)?, &options).into())
}

fn emitted(scope: &Scope<'_>, value: &Value, depth: usize) -> Result<Emit, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::value_error("the value is nested too deeply for YAML"));
    }
    let items = |items: &[Value]| {
        items
            .iter()
            .map(|item| emitted(scope, item, depth + 1))
            .collect::<Result<_, _>>()
            .map(Emit::Seq)
    };
    Ok(match &value.repr {
        Repr::None => Emit::Null,
        Repr::Bool(value) => Emit::Bool(*value),
        Repr::Int(value) => Emit::Int(*value),
        Repr::Float(value) => Emit::Float(*value),
        Repr::Str(text) if value.marks().has(Marks::SEALED) => {
            let sealed = scope.environment().vault().sealed(text);
            sealed.map_or_else(|| Emit::Str(text.clone()), Emit::Vault)
        }
        Repr::Str(text) => Emit::Str(text.clone()),
        Repr::Bytes(bytes) => Emit::Str(String::from_utf8_lossy(bytes).as_ref().into()),
        Repr::List(list) => items(&list.snapshot())?,
        Repr::Tuple(tuple) => items(tuple)?,
        Repr::Dict(dict) => {
            let entries = dict.snapshot().into_iter();
            let entries = entries.map(|(key, item)| {
                Ok((emitted(scope, &key, depth + 1)?, emitted(scope, &item, depth + 1)?))
            });
            Emit::Map(entries.collect::<Result<_, Error>>()?)
        }
        Repr::Undefined(why) => return Err(Error::undefined(why)),
        Repr::Object(object) => match object.to_data() {
            Some(data) => emitted(scope, &data, depth + 1)?,
            None => return Err(not_data(value)),
        },
        Repr::Omit => return Err(not_data(value)),
    })
}

fn not_data(value: &Value) -> Error {
    Error::type_error(format!("cannot represent an object of type '{}' in YAML", value.type_name()))
}
