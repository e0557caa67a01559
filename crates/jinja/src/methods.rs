//! Python's methods of text, bytes, lists, tuples and dicts.

mod bytes;
mod dict;
mod list;
mod text;

pub(crate) use bytes::{decode, encode};
pub(crate) use dict::pairs;
pub(crate) use text::{capitalize, lines, padded, split_text};

use std::sync::Arc;

use crate::args::Args;
use crate::error::Error;
use crate::eval::Scope;
use crate::value::{Object, Repr, Value};

/// Whether the value's class has a method of that name.
pub(crate) fn exists(value: &Value, name: &str) -> bool {
    let names: &[&str] = match &value.repr {
        Repr::Str(_) => text::NAMES,
        Repr::Bytes(_) => bytes::NAMES,
        Repr::List(_) => list::NAMES,
        Repr::Tuple(_) => list::TUPLE_NAMES,
        Repr::Dict(_) => dict::NAMES,
        Repr::Int(_) | Repr::Bool(_) => &["bit_length"],
        Repr::Float(_) => &["is_integer"],
        _ => &[],
    };
    names.contains(&name)
}

/// An attribute of a number: Python's numbers have parts.
pub(crate) fn number_part(value: &Value, name: &str) -> Option<Value> {
    let is_float = matches!(value.repr, Repr::Float(_));
    Some(match (name, value.as_int()) {
        ("real" | "numerator", Some(int)) => int.into(),
        ("denominator", Some(_)) => 1.into(),
        ("imag", Some(_)) => 0.into(),
        ("real", None) if is_float => value.clone(),
        ("imag", None) if is_float => 0.0.into(),
        _ => return None,
    })
}

/// Calls a method that [`exists`]. Undefined arguments are refused before, templates in them evaluated.
pub(crate) fn call(
    scope: &Scope<'_>,
    receiver: &Value,
    name: &str,
    mut args: Args,
) -> Result<Value, Error> {
    let result = match &receiver.repr {
        Repr::Str(text) => text::call(scope, text, name, &mut args),
        Repr::Bytes(content) => bytes::call(content, name, &mut args),
        Repr::List(items) => list::call(scope, receiver, items, name, &mut args),
        Repr::Tuple(items) => list::call_tuple(items, name, &mut args),
        Repr::Dict(entries) => dict::call(scope, receiver, entries, name, &mut args),
        Repr::Int(_) | Repr::Bool(_) => {
            let magnitude = receiver.as_int().unwrap_or_default().unsigned_abs();
            Ok(Value::from(128 - magnitude.leading_zeros()))
        }
        Repr::Float(value) => Ok(Value::from(value.fract() == 0.0)),
        _ => Err(Error::no_attribute(receiver.type_name(), &Value::from(name))),
    }?;
    args.finish()
        .map_err(|error| error.prefixed(&format!("{}.{name}() ", receiver.type_name())))?;
    Ok(result)
}

/// A method taken off its value: `{% set add = items.append %}`.
pub(crate) struct BoundMethod {
    receiver: Value,
    name: Arc<str>,
}

impl BoundMethod {
    pub(crate) fn bind(receiver: Value, name: &str) -> Value {
        Value::object(Arc::new(Self { receiver, name: name.into() }))
    }
}

impl Object for BoundMethod {
    fn type_name(&self) -> &'static str {
        "builtin_function_or_method"
    }

    fn call(&self, scope: &Scope<'_>, args: Args) -> Result<Value, Error> {
        scope.call_method(&self.receiver, &self.name, args)
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn text(&self) -> String {
        format!("<built-in method {} of {} object>", self.name, self.receiver.type_name())
    }
}
