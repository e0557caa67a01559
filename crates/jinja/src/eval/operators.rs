//! Arithmetic, membership and slices, with Python's results and Python's messages.

use crate::ast::BinaryOp;
use crate::error::{Error, ErrorKind};
use crate::eval::Scope;
use crate::format::percent;
use crate::value::{Repr, Value};

/// Integers beyond this many bits are refused; Python's have no end.
const TOO_LARGE: &str = "the integer is too large (more than 127 bits)";

fn overflow() -> Error {
    Error::new(ErrorKind::Limit, TOO_LARGE)
}

fn unsupported(op: BinaryOp, left: &Value, right: &Value) -> Error {
    let (left_name, right_name) = (left.type_name(), right.type_name());
    let message = match (op, &left.repr) {
        (BinaryOp::Add, Repr::Str(_) | Repr::List(_) | Repr::Tuple(_)) => {
            format!("can only concatenate {left_name} (not \"{right_name}\") to {left_name}")
        }
        (BinaryOp::Mul, Repr::Str(_) | Repr::List(_) | Repr::Tuple(_)) => {
            format!("can't multiply sequence by non-int of type '{right_name}'")
        }
        _ => format!(
            "unsupported operand type(s) for {}: '{left_name}' and '{right_name}'",
            op.symbol()
        ),
    };
    Error::type_error(message)
}

pub(super) fn negate(value: &Value) -> Result<Value, Error> {
    match value.as_int() {
        Some(int) => int.checked_neg().map(Value::from).ok_or_else(overflow),
        None => value.as_f64().map(|float| Value::from(-float)).ok_or_else(|| {
            Error::type_error(format!("bad operand type for unary -: '{}'", value.type_name()))
        }),
    }
}

pub(super) fn binary(
    scope: &Scope<'_>,
    op: BinaryOp,
    left: &Value,
    right: &Value,
) -> Result<Value, Error> {
    if let (Some(a), Some(b)) = (left.as_int(), right.as_int()) {
        return integers(op, a, b);
    }
    if let (Some(a), Some(b)) = (left.as_f64(), right.as_f64()) {
        return floats(op, a, b);
    }
    match (op, &left.repr, &right.repr) {
        (BinaryOp::Add, Repr::Str(a), Repr::Str(b)) => {
            scope.check_size(a.len() + b.len())?;
            Ok(Value::from([&**a, &**b].concat()))
        }
        (BinaryOp::Add, Repr::List(a), Repr::List(b)) => {
            let (mut items, more) = (a.snapshot(), b.snapshot());
            items.extend(more);
            Ok(Value::list(items))
        }
        (BinaryOp::Add, Repr::Tuple(a), Repr::Tuple(b)) => {
            Ok(Value::tuple(a.iter().chain(b.iter()).cloned().collect()))
        }
        (BinaryOp::Add, Repr::Bytes(a), Repr::Bytes(b)) => Ok(Value::from([&**a, &**b].concat())),
        (BinaryOp::Mul, _, _) => match (left.as_int(), right.as_int()) {
            (None, Some(times)) => repeat(scope, left, times),
            (Some(times), None) => repeat(scope, right, times),
            _ => None,
        }
        .unwrap_or_else(|| Err(unsupported(op, left, right))),
        (BinaryOp::Rem, Repr::Str(template), _) => percent(template, right).map(Value::from),
        (BinaryOp::Add | BinaryOp::Sub, Repr::Object(object), _) => object
            .arithmetic(if op == BinaryOp::Add { '+' } else { '-' }, right)
            .unwrap_or_else(|| Err(unsupported(op, left, right))),
        _ => Err(unsupported(op, left, right)),
    }
}

impl Scope<'_> {
    /// `left + right`.
    pub(crate) fn add(&self, left: &Value, right: &Value) -> Result<Value, Error> {
        binary(self, BinaryOp::Add, left, right)
    }

    /// `left % right`.
    pub(crate) fn remainder(&self, left: &Value, right: &Value) -> Result<Value, Error> {
        binary(self, BinaryOp::Rem, left, right)
    }
}

fn repeat(scope: &Scope<'_>, value: &Value, times: i128) -> Option<Result<Value, Error>> {
    let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
    let size = match &value.repr {
        Repr::Str(text) => text.len(),
        Repr::List(list) => list.len(),
        Repr::Tuple(items) => items.len(),
        _ => return None,
    };
    if let Err(error) = scope.check_size(size.saturating_mul(times)) {
        return Some(Err(error));
    }
    // Nothing repeated any number of times is nothing, and must not be tried so often.
    let times = if size == 0 { 0 } else { times };
    Some(Ok(match &value.repr {
        Repr::Str(text) => Value::from(text.repeat(times)),
        Repr::List(list) => {
            let items = list.snapshot();
            Value::list((0..times).flat_map(|_| items.iter().cloned()).collect())
        }
        Repr::Tuple(items) => {
            Value::tuple((0..times).flat_map(|_| items.iter().cloned()).collect())
        }
        _ => return None,
    }))
}

fn zero_division(message: &str) -> Error {
    Error::value_error(message)
}

fn integers(op: BinaryOp, a: i128, b: i128) -> Result<Value, Error> {
    let result = match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Sub => a.checked_sub(b),
        BinaryOp::Mul => a.checked_mul(b),
        BinaryOp::Div if b == 0 => return Err(zero_division("division by zero")),
        BinaryOp::Div => return Ok(Value::from(a as f64 / b as f64)),
        BinaryOp::FloorDiv | BinaryOp::Rem if b == 0 => {
            return Err(zero_division("integer division or modulo by zero"));
        }
        BinaryOp::FloorDiv => a
            .checked_div(b)
            .map(|quotient| if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }),
        BinaryOp::Rem => a
            .checked_rem(b)
            .map(|rest| if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }),
        BinaryOp::Pow if b < 0 => return floats(op, a as f64, b as f64),
        BinaryOp::Pow => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
    };
    result.map(Value::from).ok_or_else(overflow)
}

fn floats(op: BinaryOp, a: f64, b: f64) -> Result<Value, Error> {
    let divides = matches!(op, BinaryOp::Div | BinaryOp::FloorDiv | BinaryOp::Rem);
    if divides && b == 0.0 {
        return Err(zero_division(match op {
            BinaryOp::Div => "float division by zero",
            BinaryOp::FloorDiv => "float floor division by zero",
            _ => "float modulo",
        }));
    }
    Ok(Value::from(match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => a / b,
        BinaryOp::FloorDiv => (a / b).floor(),
        BinaryOp::Rem => {
            let rest = a % b;
            if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
        }
        BinaryOp::Pow if a == 0.0 && b < 0.0 => {
            return Err(zero_division("0.0 cannot be raised to a negative power"));
        }
        BinaryOp::Pow => a.powf(b),
    }))
}

/// Python's `item in container`.
pub(crate) fn contains(container: &Value, item: &Value) -> Result<bool, Error> {
    Ok(match &container.repr {
        Repr::Str(text) => match item.as_str() {
            Some(part) => text.contains(part),
            None => {
                return Err(Error::type_error(format!(
                    "'in <string>' requires string as left operand, not {}",
                    item.type_name()
                )));
            }
        },
        Repr::List(list) => list.snapshot().contains(item),
        Repr::Tuple(items) => items.contains(item),
        Repr::Dict(dict) => {
            crate::value::ensure_hashable(item)?;
            dict.read().contains_key(item)
        }
        Repr::Bytes(bytes) => item
            .as_int()
            .is_some_and(|int| u8::try_from(int).is_ok_and(|byte| bytes.contains(&byte))),
        Repr::Object(object) => match object.keys() {
            Some(keys) => keys.contains(item),
            None => match object.iterate() {
                Some(items) => items.contains(item),
                None => return Err(not_a_container(container)),
            },
        },
        _ => return Err(not_a_container(container)),
    })
}

fn not_a_container(value: &Value) -> Error {
    Error::type_error(format!("argument of type '{}' is not iterable", value.type_name()))
}

/// `value[start:stop:step]`.
pub(super) fn slice(
    value: &Value,
    start: Option<&Value>,
    stop: Option<&Value>,
    step: Option<&Value>,
) -> Result<Value, Error> {
    let bound = |value: Option<&Value>| match value {
        None => Ok(None),
        Some(value) => value.as_int().map(Some).ok_or_else(|| {
            Error::type_error("slice indices must be integers or None or have an __index__ method")
        }),
    };
    let (start, stop, step) = (bound(start)?, bound(stop)?, bound(step)?.unwrap_or(1));
    if step == 0 {
        return Err(Error::value_error("slice step cannot be zero"));
    }
    Ok(match &value.repr {
        Repr::Str(text) => {
            let letters: Vec<char> = text.chars().collect();
            let at = positions(letters.len(), start, stop, step);
            Value::from(at.map(|at| letters[at]).collect::<String>())
        }
        Repr::List(list) => {
            let items = list.snapshot();
            let at = positions(items.len(), start, stop, step);
            Value::list(at.map(|at| items[at].clone()).collect())
        }
        Repr::Tuple(items) => {
            let at = positions(items.len(), start, stop, step);
            Value::tuple(at.map(|at| items[at].clone()).collect())
        }
        Repr::Bytes(bytes) => {
            let at = positions(bytes.len(), start, stop, step);
            Value::from(at.map(|at| bytes[at]).collect::<Vec<u8>>())
        }
        _ => {
            return Err(Error::type_error(format!(
                "'{}' object is not subscriptable",
                value.type_name()
            )));
        }
    })
}

/// The positions that a slice selects, clamped as Python clamps them.
fn positions(
    len: usize,
    start: Option<i128>,
    stop: Option<i128>,
    step: i128,
) -> impl Iterator<Item = usize> {
    let len = len as i128;
    let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let clamp = |bound: i128| {
        let bound = if bound < 0 { bound + len } else { bound };
        bound.clamp(low, high)
    };
    let start = start.map_or(if step > 0 { low } else { high }, clamp);
    let stop = stop.map_or(if step > 0 { high } else { low }, clamp);
    let mut at = start;
    std::iter::from_fn(move || {
        let inside = if step > 0 { at < stop } else { at > stop };
        inside.then(|| {
            let current = at;
            at = at.saturating_add(step);
            current as usize
        })
    })
}
