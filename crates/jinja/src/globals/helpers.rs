//! Small objects with a state: namespaces, cyclers and joiners.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::args::Args;
use crate::error::Error;
use crate::eval::Scope;
use crate::methods;
use crate::value::{Map, Object, Value};

/// `namespace()`: names that a loop's body can set for those outside.
struct Namespace(Mutex<Map>);

impl Namespace {
    fn names(&self) -> MutexGuard<'_, Map> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Object for Namespace {
    fn type_name(&self) -> &'static str {
        "Namespace"
    }

    fn get(&self, key: &Value) -> Option<Result<Value, Error>> {
        self.names().get(key).cloned().map(Ok)
    }

    fn set(&self, name: &str, value: Value) -> Result<(), Error> {
        let old = self.names().insert(name.into(), value);
        drop(old);
        Ok(())
    }

    fn is_true(&self) -> bool {
        true
    }

    fn text(&self) -> String {
        let map = self.names().clone();
        format!("<Namespace {}>", Value::dict(map).repr())
    }
}

pub(super) fn namespace(scope: &Scope<'_>, mut args: Args) -> Result<Value, Error> {
    let mut map = match args.next_positional() {
        Some(value) => methods::pairs(scope, &value)?,
        None => Map::new(),
    };
    map.extend(args.rest_named().into_iter().map(|(name, value)| (Value::from(name), value)));
    args.finish()?;
    Ok(Value::object(Arc::new(Namespace(Mutex::new(map)))))
}

/// `cycler('odd', 'even')`.
struct Cycler {
    items: Vec<Value>,
    at: AtomicUsize,
}

impl Object for Cycler {
    fn type_name(&self) -> &'static str {
        "Cycler"
    }

    fn get(&self, key: &Value) -> Option<Result<Value, Error>> {
        let at = self.at.load(Ordering::Relaxed) % self.items.len();
        (key.as_str() == Some("current")).then(|| Ok(self.items[at].clone()))
    }

    fn call_method(&self, _scope: &Scope<'_>, name: &str, args: Args) -> Result<Value, Error> {
        args.finish()?;
        match name {
            "next" => {
                let at = self.at.fetch_add(1, Ordering::Relaxed) % self.items.len();
                Ok(self.items[at].clone())
            }
            "reset" => {
                self.at.store(0, Ordering::Relaxed);
                Ok(Value::none())
            }
            _ => Err(Error::no_attribute(self.type_name(), &Value::from(name))),
        }
    }
}

pub(super) fn cycler(_scope: &Scope<'_>, mut args: Args) -> Result<Value, Error> {
    let items = args.rest();
    args.finish()?;
    if items.is_empty() {
        return Err(Error::type_error("at least one item has to be provided"));
    }
    Ok(Value::object(Arc::new(Cycler { items, at: AtomicUsize::new(0) })))
}

/// `joiner(', ')`: nothing at first, then the separator.
struct Joiner {
    separator: Value,
    used: AtomicBool,
}

impl Object for Joiner {
    fn type_name(&self) -> &'static str {
        "Joiner"
    }

    fn call(&self, _scope: &Scope<'_>, args: Args) -> Result<Value, Error> {
        args.finish()?;
        let used = self.used.swap(true, Ordering::Relaxed);
        Ok(if used { self.separator.clone() } else { Value::from("") })
    }

    fn is_callable(&self) -> bool {
        true
    }
}

pub(super) fn joiner(_scope: &Scope<'_>, mut args: Args) -> Result<Value, Error> {
    let separator = args.take("sep").unwrap_or_else(|| Value::from(", "));
    args.finish()?;
    Ok(Value::object(Arc::new(Joiner { separator, used: AtomicBool::new(false) })))
}
