//! Values with behaviour: what templates may call, index or iterate, and data cannot be.

use std::any::Any;
use std::cmp::Ordering;

use crate::args::Args;
use crate::error::{Error, ErrorKind};
use crate::eval::Scope;
use crate::value::Value;

/// Something with behaviour: `hostvars`, a namespace, a function, a date.
pub trait Object: Any + Send + Sync {
    /// Python's name of the class, for messages.
    fn type_name(&self) -> &str;

    /// The attribute or item of that key; `None` if there is none.
    fn get(&self, _key: &Value) -> Option<Result<Value, Error>> {
        None
    }

    /// The keys, for an object that acts as a dict; `None` if it does not.
    fn keys(&self) -> Option<Vec<Value>> {
        None
    }

    /// The elements, for an object that can be iterated; a dict's are its keys.
    fn iterate(&self) -> Option<Vec<Value>> {
        self.keys()
    }

    /// Sets an attribute (`{% set ns.x = 1 %}`).
    fn set(&self, name: &str, _value: Value) -> Result<(), Error> {
        Err(Error::new(
            ErrorKind::Type,
            format!("cannot assign attribute '{name}' on non-namespace object"),
        ))
    }

    /// Calls it.
    fn call(&self, _scope: &Scope<'_>, _args: Args) -> Result<Value, Error> {
        Err(Error::new(ErrorKind::Type, format!("'{}' object is not callable", self.type_name())))
    }

    /// Whether it can be called with undefined arguments.
    fn takes_undefined(&self) -> bool {
        false
    }

    /// Calls a method; the default calls the attribute of that name.
    fn call_method(&self, scope: &Scope<'_>, name: &str, args: Args) -> Result<Value, Error> {
        match self.get(&Value::from(name)) {
            Some(method) => scope.call(&method?, args),
            None if self.keys().is_some() => self.dict_method(name, args),
            None => Err(Error::no_attribute(self.type_name(), &Value::from(name))),
        }
    }

    /// The methods of a mapping.
    fn dict_method(&self, name: &str, mut args: Args) -> Result<Value, Error> {
        let keys = || self.keys().unwrap_or_default();
        let value = |key: &Value| self.get(key).unwrap_or_else(|| Ok(Value::none()));
        let result = match name {
            "keys" => Value::list(keys()),
            "values" => Value::list(keys().iter().map(value).collect::<Result<_, _>>()?),
            "items" => {
                let pair = |key: Value| Ok(Value::tuple(vec![key.clone(), value(&key)?]));
                Value::list(keys().into_iter().map(pair).collect::<Result<_, Error>>()?)
            }
            "get" => {
                let key = args.required("key")?;
                let default = args.next_positional();
                match self.get(&key) {
                    Some(found) => found?,
                    None => default.unwrap_or_else(Value::none),
                }
            }
            _ => return Err(Error::no_attribute(self.type_name(), &Value::from(name))),
        };
        args.finish()?;
        Ok(result)
    }

    /// Whether `callable` is true for it.
    fn is_callable(&self) -> bool {
        false
    }

    /// Python's truth.
    fn is_true(&self) -> bool {
        self.keys().is_none_or(|keys| !keys.is_empty())
    }

    /// Python's `str()`.
    fn text(&self) -> String {
        format!("<{}>", self.type_name())
    }

    /// Python's `repr()`.
    fn repr(&self) -> String {
        self.text()
    }

    /// Whether a variable can hold it: dicts of a kind, and what has a form as data.
    fn is_storable(&self) -> bool {
        self.keys().is_some() || self.to_data().is_some()
    }

    /// What it is as data (JSON, module arguments, results); `None` if it has no such form.
    fn to_data(&self) -> Option<Value> {
        None
    }

    /// The order between two objects of one class.
    fn compare(&self, _other: &dyn Object) -> Option<Ordering> {
        None
    }

    /// `self - other` or `self + other`, where the class has them.
    fn arithmetic(&self, _op: char, _other: &Value) -> Option<Result<Value, Error>> {
        None
    }
}
