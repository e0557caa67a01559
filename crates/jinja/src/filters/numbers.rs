//! Filters on numbers.

use super::PLAIN;
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::value::Value;

pub(super) fn register(environment: &mut Environment) {
    environment.filter("abs", PLAIN, abs);
    environment.filter("round", PLAIN, round);
    environment.filter("log", PLAIN, log);
    environment.filter("pow", PLAIN, pow);
    environment.filter("root", PLAIN, root);
    environment.filter("human_readable", PLAIN, human_readable);
    environment.filter("human_to_bytes", PLAIN, human_to_bytes);
    environment.filter("filesizeformat", PLAIN, file_size);
}

fn number(value: &Value, what: &str) -> Result<f64, Error> {
    value.as_f64().ok_or_else(|| {
        Error::type_error(format!(
            "{what} can only be used on numbers: must be real number, not {}",
            value.type_name()
        ))
    })
}

fn abs(_scope: &Scope<'_>, value: Value, args: Args) -> Result<Value, Error> {
    args.finish()?;
    match (value.as_int(), value.as_f64()) {
        (Some(int), _) => Ok(int.saturating_abs().into()),
        (_, Some(float)) => Ok(float.abs().into()),
        _ => Err(Error::type_error(format!("bad operand type for abs(): '{}'", value.type_name()))),
    }
}

fn round(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let precision = args.int("precision")?.unwrap_or(0).clamp(-300, 300) as i32;
    let method = args.text("method")?.unwrap_or_else(|| "common".into());
    args.finish()?;
    let float = value.as_f64().ok_or_else(|| {
        Error::type_error(format!("type {} doesn't define __round__ method", value.type_name()))
    })?;
    let factor = 10_f64.powi(precision);
    Ok(match method.as_str() {
        "common" => match (value.as_int(), precision) {
            (Some(_), 0..) => value,
            // Decimal text rounds half to even on the exact value, as Python does.
            (_, 0..) => {
                let text = format!("{float:.*}", precision as usize);
                text.parse::<f64>().unwrap_or(float).into()
            }
            // Tens of an integer are an integer.
            (Some(_), _) => Value::from(((float * factor).round_ties_even() / factor) as i128),
            _ => ((float * factor).round_ties_even() / factor).into(),
        },
        "ceil" => ((float * factor).ceil() / factor).into(),
        "floor" => ((float * factor).floor() / factor).into(),
        _ => return Err(Error::value_error("method must be common, ceil or floor")),
    })
}

fn log(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let x = number(&value, "log()")?;
    let base = args.take("base").map(|base| number(&base, "log()")).transpose()?;
    args.finish()?;
    if x <= 0.0 {
        return Err(Error::value_error("math domain error"));
    }
    Ok(match base {
        None => x.ln(),
        Some(10.0) => x.log10(),
        Some(2.0) => x.log2(),
        Some(base) => x.ln() / base.ln(),
    }
    .into())
}

fn pow(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let exponent = number(&args.required("y")?, "pow()")?;
    args.finish()?;
    Ok(number(&value, "pow()")?.powf(exponent).into())
}

fn root(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let base = args.take("base").map_or(Ok(2.0), |base| number(&base, "root()"))?;
    args.finish()?;
    let x = number(&value, "root()")?;
    let is_square = base.to_bits() == 2.0_f64.to_bits();
    Ok(if is_square { x.sqrt() } else { x.powf(1.0 / base) }.into())
}

const UNITS: [(char, u32); 8] =
    [('Y', 80), ('Z', 70), ('E', 60), ('P', 50), ('T', 40), ('G', 30), ('M', 20), ('K', 10)];

fn human_readable(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let is_bits = args.flag("isbits", false);
    let unit = args.text("unit")?;
    args.finish()?;
    let size = number(&value, "human_readable()")
        .map_err(|_| {
            Error::type_error(format!(
                "human_readable() failed on bad input: '>=' not supported between instances of '{}' and 'int'",
                value.type_name()
            ))
        })?;
    let base = if is_bits { "bits" } else { "Bytes" };
    let letter =
        unit.as_deref().and_then(|unit| unit.chars().next()).map(|c| c.to_ascii_uppercase());
    let found = UNITS.iter().find(|(suffix, power)| match letter {
        None => size >= 2_f64.powi(*power as i32),
        Some(letter) => letter == *suffix,
    });
    Ok(match found {
        Some((suffix, power)) => {
            let scaled = size / 2_f64.powi(*power as i32);
            format!("{scaled:.2} {suffix}{}", if is_bits { "b" } else { "B" })
        }
        None => format!("{size:.2} {base}"),
    }
    .into())
}

fn human_to_bytes(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let default_unit = args.text("default_unit")?;
    let is_bits = args.flag("isbits", false);
    args.finish()?;
    let text = value.to_string();
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let wrong = || {
        Error::value_error(format!(
            "human_to_bytes() can't interpret the input: human_to_bytes() can't interpret following string: {}",
            value.to_string().trim()
        ))
    };
    let size: f64 = text[..end].parse().map_err(|_| wrong())?;
    let unit = text[end..].trim();
    let unit = if unit.is_empty() { default_unit.unwrap_or_default() } else { unit.to_owned() };
    let mut letters = unit.chars();
    let Some(first) = letters.next().map(|letter| letter.to_ascii_uppercase()) else {
        return Ok((size.round_ties_even() as i128).into());
    };
    let rest = letters.as_str();
    let base = if is_bits { "bit" } else { "byte" };
    let known = |rest: &str| {
        rest.is_empty()
            || rest == if is_bits { "b" } else { "B" }
            || rest.to_ascii_lowercase().trim_end_matches('s').ends_with(base)
    };
    if first == 'B' {
        let word = unit.to_ascii_lowercase();
        let fits = unit == if is_bits { "b" } else { "B" } || word.trim_end_matches('s') == base;
        return if fits { Ok((size.round_ties_even() as i128).into()) } else { Err(wrong()) };
    }
    let (_, power) = UNITS.iter().find(|(suffix, _)| *suffix == first).ok_or_else(|| {
        Error::value_error(format!(
            "human_to_bytes() can't interpret the input: human_to_bytes() failed to convert {text} (unit = {unit}). The suffix must be one of Y, Z, E, P, T, G, M, K, B"
        ))
    })?;
    if !known(rest) {
        return Err(Error::value_error(format!(
            "human_to_bytes() can't interpret the input: human_to_bytes() failed to convert {text}. Value is not a valid string (expect {} in {})",
            if is_bits { "Xb" } else { "XB" },
            if is_bits { "bits" } else { "bytes" },
        )));
    }
    Ok(((size * 2_f64.powi(*power as i32)).round() as i128).into())
}

fn file_size(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let binary = args.flag("binary", false);
    args.finish()?;
    let size = match value.as_f64() {
        Some(size) => size,
        None => value.to_string().trim().parse().map_err(|_| {
            Error::value_error(format!("could not convert string to float: {}", value.repr()))
        })?,
    };
    let base = if binary { 1024.0 } else { 1000.0 };
    if size.to_bits() == 1.0_f64.to_bits() {
        return Ok("1 Byte".into());
    }
    if size < base {
        return Ok(format!("{} Bytes", size as i128).into());
    }
    let prefixes = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
    let mut unit = base;
    for (at, prefix) in prefixes.iter().enumerate() {
        if size < unit * base || at + 1 == prefixes.len() {
            let suffix =
                if binary { format!("{}iB", prefix.to_uppercase()) } else { format!("{prefix}B") };
            return Ok(format!("{:.1} {suffix}", size / unit).into());
        }
        unit *= base;
    }
    Ok(value)
}
