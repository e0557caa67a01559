//! Tests of what a value is, and comparisons by name.

use std::cmp::Ordering;

use super::{ANY, LAZY, PLAIN};
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::contains;
use crate::filters::truth_of;
use crate::value::{Kind, Repr, Value, compare};

type Check = fn(&Value) -> bool;

pub(super) fn register(environment: &mut Environment) {
    let undefined: [(&str, Check); 2] =
        [("defined", |value| !value.is_undefined()), ("undefined", Value::is_undefined)];
    for (name, check) in undefined {
        environment.test(name, ANY, move |_, value, args| {
            args.finish()?;
            Ok(check(&value).into())
        });
    }
    kinds(environment);
    comparisons(environment);
    environment.test("sameas", LAZY, |_, value, mut args| {
        let other = args.required("other")?;
        args.finish()?;
        Ok(is_same(&value, &other).into())
    });
    for (name, wanted) in [("truthy", true), ("falsy", false)] {
        environment.test(name, PLAIN, move |_, value, mut args| {
            let convert = args.flag("convert_bool", false);
            args.finish()?;
            let converted = if convert { truth_of(&value) } else { None };
            Ok((converted.unwrap_or_else(|| value.is_true()) == wanted).into())
        });
    }
    environment.test("filter", PLAIN, |scope, value, args| {
        args.finish()?;
        Ok(scope.environment().find_filter(&value.to_string()).is_ok().into())
    });
    environment.test("test", PLAIN, |scope, value, args| {
        args.finish()?;
        Ok(scope.environment().find_test(&value.to_string()).is_ok().into())
    });
}

fn kinds(environment: &mut Environment) {
    let checks: [(&str, Check); 17] = [
        ("none", Value::is_none),
        ("boolean", |value| value.kind() == Kind::Bool),
        ("true", |value| value.as_bool() == Some(true)),
        ("false", |value| value.as_bool() == Some(false)),
        ("integer", |value| value.kind() == Kind::Int),
        ("float", |value| value.kind() == Kind::Float),
        ("number", |value| value.as_f64().is_some()),
        ("string", |value| value.kind() == Kind::Str),
        ("mapping", is_mapping),
        ("sequence", |value| value.len().is_some()),
        ("iterable", |value| {
            value.len().is_some()
                || value.as_object().is_some_and(|object| object.iterate().is_some())
        }),
        ("callable", |value| value.as_object().is_some_and(|object| object.is_callable())),
        ("lower", |value| {
            let text = value.to_string();
            text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase)
        }),
        ("upper", |value| {
            let text = value.to_string();
            text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase)
        }),
        ("escaped", |_| false),
        ("nan", |value| value.as_f64().is_some_and(f64::is_nan)),
        ("isnan", |value| value.as_f64().is_some_and(f64::is_nan)),
    ];
    for (name, check) in checks {
        environment.test(name, LAZY, move |_, value, args| {
            args.finish()?;
            Ok(check(&value).into())
        });
    }
    for (name, wanted) in [("odd", 1.0), ("even", 0.0)] {
        environment.test(name, PLAIN, move |scope, value, args| {
            args.finish()?;
            let rest = scope.remainder(&value, &Value::from(2))?;
            Ok((rest.as_f64() == Some(wanted)).into())
        });
    }
    environment.test("divisibleby", PLAIN, |_, value, mut args| {
        let by = args.required("num")?;
        args.finish()?;
        match (value.as_int(), by.as_int()) {
            (Some(_), Some(0)) => Err(Error::value_error("integer modulo by zero")),
            (Some(int), Some(by)) => Ok((int.wrapping_rem(by) == 0).into()),
            _ => Err(Error::type_error("divisibleby needs integers")),
        }
    });
}

fn is_mapping(value: &Value) -> bool {
    value.as_dict().is_some() || value.as_object().is_some_and(|object| object.keys().is_some())
}

fn comparisons(environment: &mut Environment) {
    for (names, wanted) in [
        (&["eq", "equalto", "=="][..], &[Ordering::Equal][..]),
        (&["ne", "!="], &[Ordering::Less, Ordering::Greater]),
        (&["lt", "lessthan", "<"], &[Ordering::Less]),
        (&["le", "<="], &[Ordering::Less, Ordering::Equal]),
        (&["gt", "greaterthan", ">"], &[Ordering::Greater]),
        (&["ge", ">="], &[Ordering::Greater, Ordering::Equal]),
    ] {
        for name in names {
            environment.test(name, PLAIN, move |_, value, mut args| {
                let other = args.required("other")?;
                args.finish()?;
                let holds = match names[0] {
                    "eq" => value == other,
                    "ne" => value != other,
                    _ => wanted.contains(&compare(&value, &other, symbol(names))?),
                };
                Ok(holds.into())
            });
        }
    }
    environment.test("in", PLAIN, |_, value, mut args| {
        let container = args.required("seq")?;
        args.finish()?;
        contains(&container, &value).map(Value::from)
    });
    environment.test("contains", PLAIN, |_, value, mut args| {
        let item = args.required("item")?;
        args.finish()?;
        contains(&value, &item).map(Value::from)
    });
}

fn symbol(names: &[&'static str]) -> &'static str {
    names.last().copied().unwrap_or("<")
}

fn is_same(left: &Value, right: &Value) -> bool {
    match (&left.repr, &right.repr) {
        (Repr::List(left), Repr::List(right)) => left.is(right),
        (Repr::Dict(left), Repr::Dict(right)) => left.is(right),
        _ => left.kind() == right.kind() && left == right,
    }
}
