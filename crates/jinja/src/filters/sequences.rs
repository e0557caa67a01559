//! Filters that take sequences apart: first, last, slices, joins.

use super::{LAZY, PLAIN, STRUCTURAL};
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::filters::python_random::Random;
use crate::methods;
use crate::value::Value;

pub(super) fn register(environment: &mut Environment) {
    environment.filter("first", LAZY, |scope, value, args| end_item(scope, &value, args, "first"));
    environment.filter("last", LAZY, |scope, value, args| end_item(scope, &value, args, "last"));
    environment.filter("list", LAZY, |scope, value, args| {
        args.finish()?;
        scope.iterate(&value).map(Value::list)
    });
    environment.filter("tuple", LAZY, |scope, value, args| {
        args.finish()?;
        scope.iterate(&value).map(Value::tuple)
    });
    environment.filter("join", PLAIN, join);
    environment.filter("reverse", STRUCTURAL, reverse);
    environment.filter("batch", STRUCTURAL, batch);
    environment.filter("slice", STRUCTURAL, slice);
    environment.filter("random", STRUCTURAL, random);
    environment.filter("shuffle", STRUCTURAL, shuffle);
    environment.filter("split", PLAIN, split);
    environment.filter("items", STRUCTURAL, items);
}

fn end_item(scope: &Scope<'_>, value: &Value, args: Args, which: &str) -> Result<Value, Error> {
    args.finish()?;
    // Only the one element is evaluated where there is an index to it.
    let found = if let Some(list) = value.as_list() {
        let key = Value::from(if which == "first" { 0 } else { -1 });
        if list.is_empty() { None } else { Some(scope.item(value, &key)?) }
    } else {
        let mut items = scope.iterate(value)?;
        if which == "last" { items.pop() } else { items.into_iter().next() }
    };
    Ok(found.unwrap_or_else(|| {
        Value::undefined_because(which, format!("No {which} item, sequence was empty."))
    }))
}

fn join(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let separator = args.text("d")?.unwrap_or_default();
    let attribute = args.take("attribute");
    args.finish()?;
    let mut text = String::new();
    for (at, item) in scope.iterate(&value)?.into_iter().enumerate() {
        let item = match &attribute {
            Some(path) => scope.path(&item, path)?,
            None => item,
        };
        let item = scope.force(item)?;
        if at > 0 {
            text.push_str(&separator);
        }
        match item.as_str() {
            Some(piece) => text.push_str(piece),
            None => text.push_str(&item.to_string()),
        }
        scope.check_size(text.len())?;
    }
    Ok(text.into())
}

fn reverse(scope: &Scope<'_>, value: Value, args: Args) -> Result<Value, Error> {
    args.finish()?;
    if let Some(text) = value.as_str() {
        let reversed = text.chars().rev().collect::<String>();
        return Ok(Value::from(reversed).marked(value.marks().to_scalar()));
    }
    let mut items = scope.iterate(&value).map_err(|error| {
        if error.is_undefined() { error } else { error.prefixed("argument must be iterable: ") }
    })?;
    items.reverse();
    Ok(Value::list(items))
}

fn count(args: &mut Args, name: &str) -> Result<usize, Error> {
    let count = args.int(name)?.unwrap_or(0);
    usize::try_from(count)
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(|| Error::value_error(format!("{name} must be at least 1")))
}

fn batch(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let size = count(&mut args, "linecount")?;
    let fill = args.take("fill_with");
    args.finish()?;
    let items = scope.iterate(&value)?;
    if fill.is_some() {
        scope.check_size(size.saturating_mul(40))?;
    }
    let rows = items.chunks(size).map(|chunk| {
        let mut row = chunk.to_vec();
        if let Some(fill) = &fill {
            row.resize(size, fill.clone());
        }
        Value::list(row)
    });
    Ok(rows.collect())
}

fn slice(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let slices = count(&mut args, "slices")?;
    let fill = args.take("fill_with");
    args.finish()?;
    scope.check_size(slices.saturating_mul(40))?;
    let items = scope.iterate(&value)?;
    let (size, longer) = (items.len() / slices, items.len() % slices);
    let mut items = items.into_iter();
    let rows = (0..slices).map(|at| {
        let mut row: Vec<Value> = items.by_ref().take(size + usize::from(at < longer)).collect();
        if let Some(fill) = &fill
            && at >= longer
            && longer > 0
        {
            row.push(fill.clone());
        }
        Value::list(row)
    });
    Ok(rows.collect())
}

fn generator(scope: &Scope<'_>, args: &mut Args) -> Random {
    let seed = args.take("seed").filter(|seed| !seed.is_none());
    if seed.is_none() {
        scope.templar().mark_volatile();
    }
    match seed {
        Some(seed) => match (seed.as_int(), seed.as_str()) {
            (Some(int), _) => Random::from_int(int),
            (_, Some(text)) => Random::from_text(text),
            _ => Random::from_text(&seed.to_string()),
        },
        None => Random::from_system(),
    }
}

fn random(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let start = args.int("start")?;
    let step = args.int("step")?;
    let mut generator = generator(scope, &mut args);
    args.finish()?;
    if let Some(end) = value.as_int() {
        let (start, step) = (i128::from(start.unwrap_or(0)), i128::from(step.unwrap_or(1)));
        if step == 0 {
            return Err(Error::value_error("zero step for randrange()"));
        }
        let steps = (end - start + step - step.signum()) / step;
        if steps <= 0 {
            return Err(Error::value_error("empty range for randrange()"));
        }
        let steps = u64::try_from(steps)
            .map_err(|_| Error::value_error("the range for a random number is too large"))?;
        return Ok((start + step * i128::from(generator.below(steps))).into());
    }
    if start.is_some() || step.is_some() {
        return Err(Error::value_error("start and step can only be used with integer values"));
    }
    if value.is_none() || value.as_f64().is_some() {
        return Err(Error::type_error("random can only be used on sequences and integers"));
    }
    let items = scope.iterate(&value)?;
    if items.is_empty() {
        return Err(Error::value_error("Cannot choose from an empty sequence"));
    }
    let at = generator.below(items.len() as u64) as usize;
    Ok(items[at].clone())
}

fn shuffle(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let mut generator = generator(scope, &mut args);
    args.finish()?;
    // As in Ansible, what cannot be shuffled stays as it is.
    let Ok(mut items) = scope.iterate(&value) else { return Ok(value) };
    for at in (1..items.len()).rev() {
        items.swap(at, generator.below(at as u64 + 1) as usize);
    }
    Ok(Value::list(items))
}

fn split(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let separator = args.text("sep")?;
    let limit = args.int("maxsplit")?.and_then(|limit| usize::try_from(limit).ok());
    args.finish()?;
    let text = value.as_str().ok_or_else(|| {
        Error::type_error(format!(
            "descriptor 'split' for 'str' objects doesn't apply to a '{}' object",
            value.type_name()
        ))
    })?;
    methods::split_text(text, separator.as_deref(), limit, false)
}

fn items(scope: &Scope<'_>, value: Value, args: Args) -> Result<Value, Error> {
    args.finish()?;
    let entries = scope.entries(&value)?;
    let entries =
        entries.ok_or_else(|| Error::type_error("Can only get item pairs from a mapping."))?;
    Ok(entries.into_iter().map(|(key, item)| Value::tuple(vec![key, item])).collect())
}
