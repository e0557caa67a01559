//! Reading parts of values: attributes, items, elements; templates inside are evaluated when they are read.

use crate::error::Error;
use crate::eval::Scope;
use crate::methods::{self, BoundMethod};
use crate::value::{Marks, Reason, Repr, Undefined, Value};

/// What reading a part gives that is not there: undefined, or an error where not all of the value is known.
pub(crate) fn missing(value: &Value, key: &Value) -> Result<Value, Error> {
    if value.marks.has(Marks::PARTIAL) {
        return Err(Error::unknown(None, value.origin()));
    }
    Ok(Value::from(Undefined {
        name: key.to_string().into(),
        reason: Reason::Attribute { class: value.type_name().into(), quoted: key.repr().into() },
    }))
}

impl Scope<'_> {
    /// `value.name`: a method or attribute first, then an item.
    pub(crate) fn attribute(&self, value: &Value, key: &Value) -> Result<Value, Error> {
        if value.is_undefined() {
            return Ok(value.clone());
        }
        let name = key.as_str().unwrap_or_default();
        if let Repr::Object(object) = &value.repr {
            return match object.get(key) {
                Some(found) => Ok(found?.marked(value.marks.to_element())),
                None => self.special(value, key),
            };
        }
        if let Repr::Dict(dict) = &value.repr
            && !methods::exists(value, name)
        {
            return match dict.get(name) {
                Some(found) => self.element(value, found, key),
                None => missing(value, key),
            };
        }
        self.own_attribute(value, key)
    }

    /// An attribute of the value's class: a method or a part of a number, never a dict's item.
    pub(crate) fn own_attribute(&self, value: &Value, key: &Value) -> Result<Value, Error> {
        let name = key.as_str().unwrap_or_default();
        match &value.repr {
            Repr::Undefined(_) => Ok(value.clone()),
            Repr::Object(_) => self.attribute(value, key),
            _ if methods::exists(value, name) => Ok(BoundMethod::bind(value.clone(), name)),
            Repr::Int(_) | Repr::Bool(_) | Repr::Float(_) => {
                methods::number_part(value, name).map_or_else(|| missing(value, key), Ok)
            }
            Repr::Tuple(items) => {
                let field = items.fields().iter().position(|field| *field == name);
                field.map_or_else(|| missing(value, key), |at| Ok(items[at].clone()))
            }
            _ => missing(value, key),
        }
    }

    /// `value[key]`: an item first, then a method.
    pub(crate) fn item(&self, value: &Value, key: &Value) -> Result<Value, Error> {
        if value.is_undefined() {
            return Ok(value.clone());
        }
        if let Repr::Undefined(why) = &key.repr {
            return Err(Error::undefined(why));
        }
        let found = match &value.repr {
            Repr::Dict(dict) if crate::value::ensure_hashable(key).is_ok() => dict.get_value(key),
            Repr::List(list) => {
                let items = list.read();
                index(key, items.len()).map(|at| items[at].clone())
            }
            Repr::Tuple(items) => index(key, items.len()).map(|at| items[at].clone()),
            Repr::Str(text) => letter(text, key).map(Value::from),
            Repr::Bytes(bytes) => index(key, bytes.len()).map(|at| Value::from(bytes[at])),
            Repr::Object(object) => {
                return match object.get(key) {
                    Some(found) => Ok(found?.marked(value.marks.to_element())),
                    None => self.special(value, key),
                };
            }
            _ => None,
        };
        match (found, key.as_str()) {
            (Some(found), _) => self.element(value, found, key),
            (None, Some(_)) => self.own_attribute(value, key),
            (None, None) => missing(value, key),
        }
    }

    /// Objects that need the run to answer.
    fn special(&self, value: &Value, key: &Value) -> Result<Value, Error> {
        if value.downcast::<crate::globals::AllVariables>().is_some()
            && let Some(name) = key.as_str()
            && let Some(found) = self.run.templar.variable_value(name)?
        {
            return Ok(found);
        }
        missing(value, key)
    }

    /// A part of a container: evaluated if it is a template, and as secret and unknown as the whole.
    pub(crate) fn element(
        &self,
        container: &Value,
        part: Value,
        key: &Value,
    ) -> Result<Value, Error> {
        let part = part.marked(container.marks.to_element());
        if !container.marks.has(Marks::TEMPLATE) || part.as_str().is_none() {
            return Ok(part);
        }
        self.run.templar.evaluated_text(part, || key.repr())
    }

    /// The elements that a loop would see: a list's, a dict's keys, a text's letters.
    pub fn iterate(&self, value: &Value) -> Result<Vec<Value>, Error> {
        let items = match &value.repr {
            Repr::List(list) => list.snapshot(),
            Repr::Tuple(items) => items.to_vec(),
            Repr::Dict(dict) => dict.keys(),
            Repr::Str(text) => text.chars().map(Value::from).collect(),
            Repr::Bytes(bytes) => bytes.iter().map(|byte| Value::from(*byte)).collect(),
            Repr::Object(object) => match object.iterate() {
                Some(items) => items,
                None if value.downcast::<crate::globals::AllVariables>().is_some() => {
                    self.templar().names().into_iter().map(Value::from).collect()
                }
                None => return Err(not_iterable(value)),
            },
            Repr::Undefined(why) => return Err(Error::undefined(why)),
            _ => return Err(not_iterable(value)),
        };
        let taint = value.marks.to_element();
        if taint == Marks::NONE && !value.marks.has(Marks::TEMPLATE) {
            return Ok(items);
        }
        items
            .into_iter()
            .enumerate()
            .map(|(at, item)| self.element(value, item, &Value::from(at)))
            .collect()
    }

    /// The entries of a dict, each value evaluated.
    pub fn entries(&self, value: &Value) -> Result<Option<Vec<(Value, Value)>>, Error> {
        let entries: Vec<(Value, Value)> = match &value.repr {
            Repr::Dict(dict) => dict.snapshot().into_iter().collect(),
            Repr::Object(object) => match object.keys() {
                Some(keys) => {
                    let entries = keys.into_iter().map(|key| {
                        let item = self.item(value, &key)?;
                        Ok((key, item))
                    });
                    return entries.collect::<Result<_, Error>>().map(Some);
                }
                None => return Ok(None),
            },
            Repr::Undefined(why) => return Err(Error::undefined(why)),
            _ => return Ok(None),
        };
        let entries = entries.into_iter().map(|(key, item)| {
            let item = self.element(value, item, &key)?;
            Ok((key.marked(value.marks.to_element()), item))
        });
        entries.collect::<Result<_, Error>>().map(Some)
    }

    /// The value with every template in it evaluated; an error if something in it is undefined.
    pub fn force(&self, value: Value) -> Result<Value, Error> {
        if let Repr::Undefined(why) = &value.repr {
            return Err(Error::undefined(why));
        }
        if value.marks.has(Marks::TEMPLATE) { self.templar().resolved(&value) } else { Ok(value) }
    }

    /// `value.a.b` by a path, as `map(attribute='a.b')` writes it.
    pub(crate) fn path(&self, value: &Value, path: &Value) -> Result<Value, Error> {
        let Some(text) = path.as_str() else {
            return self.item(value, path);
        };
        let mut current = value.clone();
        for part in text.split('.') {
            let key = match part.parse::<i64>() {
                Ok(at) if part.bytes().all(|byte| byte.is_ascii_digit()) => Value::from(at),
                _ => Value::from(part),
            };
            current = self.item(&current, &key)?;
        }
        Ok(current)
    }
}

fn not_iterable(value: &Value) -> Error {
    Error::type_error(format!("'{}' object is not iterable", value.type_name()))
}

/// Python's index: negative ones count from the end.
pub(crate) fn index(key: &Value, len: usize) -> Option<usize> {
    let at = key.as_int()?;
    let at = if at < 0 { at + len as i128 } else { at };
    usize::try_from(at).ok().filter(|at| *at < len)
}

fn letter(text: &str, key: &Value) -> Option<char> {
    if text.is_ascii() {
        return index(key, text.len()).map(|at| char::from(text.as_bytes()[at]));
    }
    index(key, text.chars().count()).and_then(|at| text.chars().nth(at))
}
