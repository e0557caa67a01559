//! Rust values into ours.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use indexmap::Equivalent;

use super::{Repr, Undefined, Value};

impl From<Undefined> for Value {
    fn from(why: Undefined) -> Self {
        Self::plain(Repr::Undefined(Arc::new(why)))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::plain(Repr::Bool(value))
    }
}

macro_rules! from_integers {
    ($($type:ty)*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::plain(Repr::Int(value.into()))
            }
        }
    )*};
}
from_integers!(i32 i64 i128 u8 u16 u32 u64);

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::plain(Repr::Int(value as i128))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::plain(Repr::Float(value))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::plain(Repr::Str(text.into()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::plain(Repr::Str(text.into()))
    }
}

impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Self {
        Self::plain(Repr::Str(text))
    }
}

impl From<char> for Value {
    fn from(letter: char) -> Self {
        Self::from(letter.encode_utf8(&mut [0; 4]) as &str)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::plain(Repr::Bytes(bytes.into()))
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::list(items)
    }
}

impl From<super::Map> for Value {
    fn from(map: super::Map) -> Self {
        Self::dict(map)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(Self::none, Into::into)
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::list(items.into_iter().map(Into::into).collect())
    }
}

/// Looking a text key up costs no allocation: text hashes as the value that holds it.
impl Equivalent<Value> for str {
    fn equivalent(&self, key: &Value) -> bool {
        key.as_str() == Some(self)
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.repr {
            Repr::Str(text) => text.hash(state),
            Repr::Bool(value) => i128::from(*value).hash(state),
            Repr::Int(value) => value.hash(state),
            Repr::Float(value) => hash_float(*value, state),
            Repr::Tuple(items) => items.iter().for_each(|item| item.hash(state)),
            Repr::Bytes(bytes) => bytes.hash(state),
            _ => self.kind().hash(state),
        }
    }
}

/// `1.0` and `1` are one key.
fn hash_float<H: Hasher>(value: f64, state: &mut H) {
    if value.fract() == 0.0 && value.abs() < 1e30 {
        (value as i128).hash(state);
    } else {
        value.to_bits().hash(state);
    }
}
