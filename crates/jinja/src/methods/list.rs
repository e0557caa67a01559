//! Methods of lists and tuples.

use crate::args::Args;
use crate::error::{Error, ErrorKind};
use crate::eval::Scope;
use crate::filters::sorted;
use crate::value::{List, Value};

pub(super) const NAMES: &[&str] = &[
    "append",
    "clear",
    "copy",
    "count",
    "extend",
    "index",
    "insert",
    "pop",
    "remove",
    "reverse",
    "sort",
    "__getitem__",
    "__setitem__",
    "__delitem__",
    "__contains__",
    "__len__",
];

pub(super) const TUPLE_NAMES: &[&str] = &["count", "index"];

pub(super) fn call(
    scope: &Scope<'_>,
    receiver: &Value,
    list: &List,
    name: &str,
    args: &mut Args,
) -> Result<Value, Error> {
    Ok(match name {
        "append" => {
            let item = args.required("object")?;
            list.write().push(item);
            Value::none()
        }
        "extend" => {
            let items = scope.iterate(&args.required("iterable")?)?;
            scope.check_size(list.len() + items.len())?;
            list.write().extend(items);
            Value::none()
        }
        "insert" => {
            let at = position(args)?;
            let item = args.required("object")?;
            let mut items = list.write();
            let at = clamp(at, items.len());
            items.insert(at, item);
            Value::none()
        }
        "copy" => Value::list(list.snapshot()).marked(receiver.marks()),
        "clear" => {
            let old = std::mem::take(&mut *list.write());
            drop(old);
            Value::none()
        }
        "reverse" => {
            list.write().reverse();
            Value::none()
        }
        "sort" => {
            let reverse = args.take_named("reverse").is_some_and(|flag| flag.is_true());
            let items = sorted(scope.iterate(receiver)?, reverse, |item| Ok(item.clone()))?;
            *list.write() = items;
            Value::none()
        }
        "count" | "index" | "__contains__" => {
            search(&scope.iterate(receiver)?, "list", name, args)?
        }
        "__len__" => list.len().into(),
        _ => at_index(scope, receiver, list, name, args)?,
    })
}

fn at_index(
    scope: &Scope<'_>,
    receiver: &Value,
    list: &List,
    name: &str,
    args: &mut Args,
) -> Result<Value, Error> {
    if name == "remove" {
        let wanted = args.required("value")?;
        let at = list.snapshot().iter().position(|item| *item == wanted);
        let at = at.ok_or_else(|| Error::value_error("list.remove(x): x not in list"))?;
        list.write().remove(at);
        return Ok(Value::none());
    }
    let len = list.len();
    if name == "pop" && len == 0 {
        return Err(Error::new(ErrorKind::Value, "pop from empty list"));
    }
    let key = args.take("index").unwrap_or_else(|| Value::from(-1));
    let item = if name == "__setitem__" { Some(args.required("value")?) } else { None };
    if key.as_int().is_none() {
        return Err(Error::type_error(format!(
            "'{}' object cannot be interpreted as an integer",
            key.type_name()
        )));
    }
    let at = crate::eval::index(&key, len).ok_or_else(|| {
        let verb = if name == "pop" { "pop" } else { "list" };
        Error::new(ErrorKind::Value, format!("{verb} index out of range"))
    })?;
    Ok(match (name, item) {
        ("__setitem__", Some(item)) => {
            let old = std::mem::replace(&mut list.write()[at], item);
            drop(old);
            Value::none()
        }
        ("__getitem__", _) => scope.item(receiver, &key)?,
        ("pop", _) => {
            let item = list.write().remove(at);
            scope.element(receiver, item, &key)?
        }
        _ => {
            drop(list.write().remove(at));
            Value::none()
        }
    })
}

pub(super) fn call_tuple(items: &[Value], name: &str, args: &mut Args) -> Result<Value, Error> {
    search(items, "tuple", name, args)
}

fn search(items: &[Value], class: &str, name: &str, args: &mut Args) -> Result<Value, Error> {
    let wanted = args.required("value")?;
    match name {
        "count" => Ok(items.iter().filter(|item| **item == wanted).count().into()),
        "__contains__" => Ok(items.contains(&wanted).into()),
        _ => {
            let start = args.int("start")?.map_or(0, |start| clamp(start, items.len()));
            let stop = args.int("stop")?.map_or(items.len(), |stop| clamp(stop, items.len()));
            let found = (start..stop).find(|at| items[*at] == wanted);
            found.map(Value::from).ok_or_else(|| match class {
                "tuple" => Error::value_error("tuple.index(x): x not in tuple"),
                _ => Error::value_error(format!("{} is not in list", wanted.repr())),
            })
        }
    }
}

fn position(args: &mut Args) -> Result<i64, Error> {
    args.int("index")?.ok_or_else(|| Error::type_error("insert expected 2 arguments, got 0"))
}

fn clamp(at: i64, len: usize) -> usize {
    let at = if at < 0 { at + len as i64 } else { at };
    at.clamp(0, len as i64) as usize
}
