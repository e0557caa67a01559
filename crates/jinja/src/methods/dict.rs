//! Methods of dicts.

use crate::args::Args;
use crate::error::{Error, ErrorKind};
use crate::eval::Scope;
use crate::eval::access::missing;
use crate::value::{Dict, Map, Value, ensure_hashable};

pub(super) const NAMES: &[&str] = &[
    "clear",
    "copy",
    "fromkeys",
    "get",
    "items",
    "keys",
    "pop",
    "popitem",
    "setdefault",
    "update",
    "values",
    "__setitem__",
    "__getitem__",
    "__delitem__",
    "__contains__",
    "__len__",
    "has_key",
];

pub(super) fn call(
    scope: &Scope<'_>,
    receiver: &Value,
    dict: &Dict,
    name: &str,
    args: &mut Args,
) -> Result<Value, Error> {
    let read = |key: &Value, item: Value| scope.element(receiver, item, key);
    Ok(match name {
        "get" => {
            let key = key(args)?;
            let default = args.take("default").unwrap_or_else(Value::none);
            match dict.get_value(&key) {
                Some(item) => read(&key, item)?,
                None => missing(receiver, &key).map(|_| default)?,
            }
        }
        "items" => {
            let entries = scope.entries(receiver)?.unwrap_or_default().into_iter();
            entries.map(|(key, item)| Value::tuple(vec![key, item])).collect()
        }
        "keys" => Value::list(scope.iterate(receiver)?),
        "values" => {
            let entries = scope.entries(receiver)?.unwrap_or_default().into_iter();
            entries.map(|(_, item)| item).collect()
        }
        "__getitem__" => {
            let key = key(args)?;
            let item = dict.get_value(&key).ok_or_else(|| no_key(&key))?;
            read(&key, item)?
        }
        "has_key" | "__contains__" => dict.read().contains_key(&key(args)?).into(),
        "__len__" => dict.len().into(),
        "copy" => Value::dict(dict.snapshot()).marked(receiver.marks()).with_origin(None),
        "fromkeys" => {
            let keys = scope.iterate(&args.required("iterable")?)?;
            let item = args.take("value").unwrap_or_else(Value::none);
            Value::dict(keys.into_iter().map(|key| (key, item.clone())).collect())
        }
        _ => change(scope, receiver, dict, name, args)?,
    })
}

fn change(
    scope: &Scope<'_>,
    receiver: &Value,
    dict: &Dict,
    name: &str,
    args: &mut Args,
) -> Result<Value, Error> {
    Ok(match name {
        "clear" => {
            let old = std::mem::take(&mut *dict.write());
            drop(old);
            Value::none()
        }
        "pop" => {
            let key = key(args)?;
            let default = args.take("default");
            let removed = dict.write().shift_remove(&key);
            match (removed, default) {
                (Some(item), _) => scope.element(receiver, item, &key)?,
                (None, Some(default)) => default,
                (None, None) => return Err(no_key(&key)),
            }
        }
        "popitem" => {
            let last = dict.write().pop();
            let (key, item) = last
                .ok_or_else(|| Error::new(ErrorKind::Value, "'popitem(): dictionary is empty'"))?;
            let item = scope.element(receiver, item, &key)?;
            Value::tuple(vec![key, item])
        }
        "setdefault" => {
            let key = key(args)?;
            let default = args.take("default").unwrap_or_else(Value::none);
            let item = dict.write().entry(key.clone()).or_insert(default).clone();
            scope.element(receiver, item, &key)?
        }
        "update" => {
            let mut map = Map::new();
            if let Some(other) = args.next_positional() {
                map = pairs(scope, &other)?;
            }
            map.extend(args.rest_named().into_iter().map(|(name, value)| (name.into(), value)));
            dict.write().extend(map);
            Value::none()
        }
        "__setitem__" => {
            let key = key(args)?;
            let item = args.required("value")?;
            dict.write().insert(key, item);
            Value::none()
        }
        "__delitem__" => {
            let key = key(args)?;
            dict.write().shift_remove(&key).ok_or_else(|| no_key(&key))?;
            Value::none()
        }
        _ => return Err(Error::no_attribute("dict", &Value::from(name))),
    })
}

fn key(args: &mut Args) -> Result<Value, Error> {
    let key = args.required("key")?;
    ensure_hashable(&key)?;
    Ok(key)
}

fn no_key(key: &Value) -> Error {
    Error::new(ErrorKind::Value, key.repr())
}

/// The entries of a dict, or of a list of pairs: what `dict()` and `update()` take.
pub(crate) fn pairs(scope: &Scope<'_>, value: &Value) -> Result<Map, Error> {
    if let Some(entries) = scope.entries(value)? {
        return Ok(entries.into_iter().collect());
    }
    let mut map = Map::new();
    for (at, pair) in scope.iterate(value)?.iter().enumerate() {
        let items = scope.iterate(pair).map_err(|_| {
            Error::type_error(format!(
                "cannot convert dictionary update sequence element #{at} to a sequence"
            ))
        })?;
        let [key, item] = items.as_slice() else {
            return Err(Error::value_error(format!(
                "dictionary update sequence element #{at} has length {}; 2 is required",
                items.len()
            )));
        };
        ensure_hashable(key)?;
        map.insert(key.clone(), item.clone());
    }
    Ok(map)
}
