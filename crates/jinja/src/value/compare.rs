//! Equality and order as Python has them, bounded in depth because a list can contain itself.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{MAX_DEPTH, Repr, Value};
use crate::error::{Error, ErrorKind};

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        equal(self, other, 0)
    }
}

impl Eq for Value {}

fn equal(left: &Value, right: &Value, depth: usize) -> bool {
    if depth > MAX_DEPTH {
        return false;
    }
    match (&left.repr, &right.repr) {
        (Repr::Str(left), Repr::Str(right)) => left == right,
        (Repr::None, Repr::None)
        | (Repr::Omit, Repr::Omit)
        | (Repr::Undefined(_), Repr::Undefined(_)) => true,
        (Repr::Bytes(left), Repr::Bytes(right)) => left == right,
        (Repr::List(left), Repr::List(right)) => {
            left.is(right) || all_equal(&left.snapshot(), &right.snapshot(), depth)
        }
        (Repr::Tuple(left), Repr::Tuple(right)) => all_equal(left, right, depth),
        (Repr::Dict(left), Repr::Dict(right)) => {
            if left.is(right) {
                return true;
            }
            let (left, right) = (left.snapshot(), right.snapshot());
            left.len() == right.len()
                && left.iter().all(|(key, value)| {
                    right.get(key).is_some_and(|other| equal(value, other, depth + 1))
                })
        }
        (Repr::Object(left), Repr::Object(right)) => {
            Arc::ptr_eq(left, right) || left.compare(right.as_ref()) == Some(Ordering::Equal)
        }
        (Repr::Float(left), Repr::Float(right)) => left.partial_cmp(right) == Some(Ordering::Equal),
        _ => match (left.as_int(), right.as_int()) {
            (Some(left), Some(right)) => left == right,
            (Some(int), None) => {
                right.is_float() && int_cmp_float(int, right) == Some(Ordering::Equal)
            }
            (None, Some(int)) => {
                left.is_float() && int_cmp_float(int, left) == Some(Ordering::Equal)
            }
            (None, None) => false,
        },
    }
}

fn all_equal(left: &[Value], right: &[Value], depth: usize) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|(left, right)| equal(left, right, depth + 1))
}

fn int_cmp_float(int: i128, float: &Value) -> Option<Ordering> {
    (int as f64).partial_cmp(&float.as_f64()?)
}

impl Value {
    fn is_float(&self) -> bool {
        matches!(self.repr, Repr::Float(_))
    }
}

/// Python's `<`: an error names the operator and both classes.
pub(crate) fn compare(left: &Value, right: &Value, symbol: &str) -> Result<Ordering, Error> {
    compare_at(left, right, symbol, 0)
}

fn compare_at(left: &Value, right: &Value, symbol: &str, depth: usize) -> Result<Ordering, Error> {
    let order = match (&left.repr, &right.repr) {
        (Repr::Str(left), Repr::Str(right)) => Some(left.cmp(right)),
        (Repr::Bytes(left), Repr::Bytes(right)) => Some(left.cmp(right)),
        (Repr::List(left), Repr::List(right)) => {
            return compare_all(&left.snapshot(), &right.snapshot(), symbol, depth);
        }
        (Repr::Tuple(left), Repr::Tuple(right)) => return compare_all(left, right, symbol, depth),
        (Repr::Object(left), Repr::Object(right)) => left.compare(right.as_ref()),
        _ => match (left.as_int(), right.as_int(), left.as_f64(), right.as_f64()) {
            (Some(left), Some(right), ..) => Some(left.cmp(&right)),
            // Not a number is neither less nor greater; `Greater` makes `<`, `<=` and `==` false.
            (_, _, Some(left), Some(right)) => {
                Some(left.partial_cmp(&right).unwrap_or(Ordering::Greater))
            }
            _ => None,
        },
    };
    order.ok_or_else(|| {
        Error::new(
            ErrorKind::Type,
            format!(
                "'{symbol}' not supported between instances of '{}' and '{}'",
                left.type_name(),
                right.type_name()
            ),
        )
    })
}

fn compare_all(
    left: &[Value],
    right: &[Value],
    symbol: &str,
    depth: usize,
) -> Result<Ordering, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::new(ErrorKind::Recursion, "values are nested too deeply to compare"));
    }
    for (left, right) in left.iter().zip(right) {
        if !equal(left, right, depth + 1) {
            return compare_at(left, right, symbol, depth + 1);
        }
    }
    Ok(left.len().cmp(&right.len()))
}

/// Refuses what Python refuses as a key of a dict.
pub(crate) fn ensure_hashable(key: &Value) -> Result<(), Error> {
    match &key.repr {
        Repr::List(_) | Repr::Dict(_) => {
            Err(Error::new(ErrorKind::Type, format!("unhashable type: '{}'", key.type_name())))
        }
        Repr::Tuple(items) => items.iter().try_for_each(ensure_hashable),
        _ => Ok(()),
    }
}
