//! Filters on any value: defaults, booleans, numbers out of text, types.

use super::{ANY, LAZY, PLAIN};
use crate::args::Args;
use crate::environment::Environment;
use crate::error::{Error, ErrorKind};
use crate::eval::Scope;
use crate::value::{Kind, Value};

pub(super) fn register(environment: &mut Environment) {
    environment.filter("default", ANY, default);
    environment.filter("d", ANY, default);
    environment.filter("mandatory", ANY, mandatory);
    environment.filter("ternary", ANY, ternary);
    environment.filter("type_debug", ANY, |_, value, args| {
        args.finish()?;
        Ok(value.type_name().into())
    });
    environment.filter("bool", PLAIN, bool);
    environment.filter("int", PLAIN, int);
    environment.filter("float", PLAIN, float);
    environment.filter("string", PLAIN, |_, value, args| {
        args.finish()?;
        Ok(if value.kind() == Kind::Str { value } else { value.to_string().into() })
    });
    environment.filter("ansible._protomatter.finalize", PLAIN, |_, value, args| {
        args.finish()?;
        crate::templar::finalized(value)
    });
    environment.filter("length", LAZY, length);
    environment.filter("count", LAZY, length);
    environment.filter("pprint", PLAIN, |_, value, args| {
        args.finish()?;
        Ok(value.repr().into())
    });
}

fn default(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let default = args.take("default_value").unwrap_or_else(|| Value::from(""));
    let also_false = args.flag("boolean", false);
    args.finish()?;
    if value.is_undefined() {
        return Ok(default);
    }
    if also_false && !scope.force(value.clone())?.is_true() {
        return Ok(default);
    }
    Ok(value)
}

fn mandatory(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let message = args.text("msg")?;
    args.finish()?;
    let Some(why) = value.as_undefined() else { return Ok(value) };
    let message = message.unwrap_or_else(|| match &*why.name {
        "" => "Mandatory variable not defined.".into(),
        name => format!("Mandatory variable '{name}' not defined."),
    });
    Err(Error::new(ErrorKind::Assertion, message))
}

fn ternary(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let value = scope.force(value)?;
    let (yes, no) = (args.required("true_val")?, args.required("false_val")?);
    let none = args.take("none_val");
    args.finish()?;
    Ok(match none {
        Some(none) if value.is_none() && !none.is_none() => none,
        _ if value.is_true() => yes,
        _ => no,
    })
}

fn bool(scope: &Scope<'_>, value: Value, args: Args) -> Result<Value, Error> {
    args.finish()?;
    let known = value.as_str().map(|text| text.trim().to_lowercase());
    let known = match known.as_deref() {
        // One letter is a boolean for arguments of modules alone.
        Some("y" | "t" | "n" | "f") => None,
        _ => truth_of(&value),
    };
    if let Some(known) = known {
        return Ok(known.into());
    }
    scope.note(format!(
        "The `bool` filter coerced invalid value {} ({}) to False.",
        if value.is_secret() { "***".into() } else { value.repr() },
        value.type_name()
    ));
    Ok(false.into())
}

/// Ansible's booleans in text and numbers.
pub(crate) fn truth_of(value: &Value) -> Option<bool> {
    if let Some(known) = value.as_bool() {
        return Some(known);
    }
    if let Some(number) = value.as_f64() {
        return match number {
            1.0 => Some(true),
            0.0 => Some(false),
            _ => None,
        };
    }
    match value.as_str()?.trim().to_lowercase().as_str() {
        "yes" | "on" | "1" | "true" | "y" | "t" => Some(true),
        "no" | "off" | "0" | "false" | "n" | "f" => Some(false),
        _ => None,
    }
}

fn int(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let default = args.take("default").unwrap_or_else(|| Value::from(0));
    let base = args.int("base")?.unwrap_or(10);
    args.finish()?;
    let found = match (value.as_int(), value.as_f64(), value.as_str()) {
        (Some(int), ..) => Some(int),
        (_, Some(float), _) if float.is_finite() => Some(float as i128),
        (.., Some(text)) => parse_int(text, base).or_else(|| {
            let float = parse_float(text)?;
            float.is_finite().then_some(float as i128)
        }),
        _ => None,
    };
    Ok(found.map_or(default, Value::from))
}

/// A text as an integer as Python's `int()` reads it.
pub(crate) fn parse_int(text: &str, base: i64) -> Option<i128> {
    let text = text.trim().replace('_', "");
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match (base, lower.get(..2)) {
        (16 | 0, Some("0x")) => (16, &lower[2..]),
        (8 | 0, Some("0o")) => (8, &lower[2..]),
        (2 | 0, Some("0b")) => (2, &lower[2..]),
        (0, _) => (10, lower.as_str()),
        _ => (base, lower.as_str()),
    };
    let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base))?;
    if digits.starts_with(['-', '+']) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, base).ok()?;
    Some(if negative { -magnitude } else { magnitude })
}

fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim().replace('_', "");
    match text.to_ascii_lowercase().trim_start_matches(['+', '-']) {
        "inf" | "infinity" | "nan" => text.to_ascii_lowercase().parse().ok(),
        rest if rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') => text.parse().ok(),
        _ => None,
    }
}

fn float(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let default = args.take("default").unwrap_or_else(|| Value::from(0.0));
    args.finish()?;
    let found = value.as_f64().or_else(|| value.as_str().and_then(parse_float));
    Ok(found.map_or(default, Value::from))
}

fn length(scope: &Scope<'_>, value: Value, args: Args) -> Result<Value, Error> {
    args.finish()?;
    match value.len() {
        // How long a list of secrets is is none.
        Some(len) => Ok(Value::from(len)),
        None => match scope.iterate(&value) {
            Ok(items) => Ok(Value::from(items.len())),
            Err(_) => Err(Error::type_error(format!(
                "object of type '{}' has no len()",
                value.type_name()
            ))),
        },
    }
}
