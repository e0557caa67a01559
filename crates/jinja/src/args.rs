//! The arguments of a call, taken one after the other as Python binds them.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::error::Error;
use crate::value::Value;

/// Positional and named arguments. A callee takes what it knows by [`Args::take`] and ends with [`Args::finish`].
#[derive(Default, Clone, Debug)]
pub struct Args {
    positional: VecDeque<Value>,
    named: Vec<(Arc<str>, Value)>,
    /// Named arguments that nobody takes are no mistake.
    lenient: bool,
}

impl Args {
    /// Arguments of both sorts.
    pub fn new(positional: Vec<Value>, named: Vec<(Arc<str>, Value)>) -> Self {
        Self { positional: positional.into(), named, lenient: false }
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.positional.is_empty() && self.named.is_empty()
    }

    /// The number of positional arguments left.
    pub fn len(&self) -> usize {
        self.positional.len()
    }

    /// The next positional argument, or else the one of that name.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.positional.pop_front().or_else(|| self.take_named(name))
    }

    /// The argument of that name, never a positional one.
    pub fn take_named(&mut self, name: &str) -> Option<Value> {
        let index = self.named.iter().position(|(known, _)| **known == *name)?;
        Some(self.named.remove(index).1)
    }

    /// The next positional argument.
    pub fn next_positional(&mut self) -> Option<Value> {
        self.positional.pop_front()
    }

    /// Like [`Args::take`], for an argument that must be there.
    pub fn required(&mut self, name: &str) -> Result<Value, Error> {
        self.take(name).ok_or_else(|| {
            Error::type_error(format!("missing 1 required positional argument: '{name}'"))
        })
    }

    /// A text argument.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        Ok(self.take(name).filter(|value| !value.is_none()).map(|value| value.to_string()))
    }

    /// A boolean argument: anything is true or false, as in Python.
    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        self.take(name).map_or(default, |value| value.is_true())
    }

    /// An integer argument.
    pub fn int(&mut self, name: &str) -> Result<Option<i64>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(value) if value.is_none() => Ok(None),
            Some(value) => match value.as_i64() {
                Some(int) => Ok(Some(int)),
                None => value
                    .as_f64()
                    .filter(|float| float.fract() == 0.0)
                    .map(|float| Some(float as i64))
                    .ok_or_else(|| {
                        Error::type_error(format!(
                            "argument '{name}' must be an integer, not '{}'",
                            value.type_name()
                        ))
                    }),
            },
        }
    }

    /// All positional arguments that are left.
    pub fn rest(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.positional).into()
    }

    /// All named arguments that are left.
    pub fn rest_named(&mut self) -> Vec<(Arc<str>, Value)> {
        std::mem::take(&mut self.named)
    }

    /// Puts a positional argument first.
    pub fn push_front(&mut self, value: Value) {
        self.positional.push_front(value);
    }

    /// Adds a named argument.
    pub(crate) fn push_named(&mut self, name: &str, value: Value) {
        self.named.push((name.into(), value));
    }

    /// Whether an argument of that name is given by name.
    pub fn has_named(&self, name: &str) -> bool {
        self.named.iter().any(|(known, _)| **known == *name)
    }

    /// Every argument's value.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.positional.iter().chain(self.named.iter().map(|(_, value)| value))
    }

    /// Every argument's value, to change.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.positional.iter_mut().chain(self.named.iter_mut().map(|(_, value)| value))
    }

    /// The same arguments for a lookup: it ignores options that it does not know.
    pub(crate) fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Refuses arguments that nobody took.
    pub fn finish(self) -> Result<(), Error> {
        if let Some((name, _)) = self.named.first().filter(|_| !self.lenient) {
            return Err(Error::type_error(format!("got an unexpected keyword argument '{name}'")));
        }
        if !self.positional.is_empty() {
            return Err(Error::type_error(format!(
                "got {} unexpected positional argument(s)",
                self.positional.len()
            )));
        }
        Ok(())
    }
}
