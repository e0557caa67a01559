//! Filters from set theory on lists: union, difference, zip, product.

use super::STRUCTURAL;
use super::collections::Seen;
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::value::Value;

pub(super) fn register(environment: &mut Environment) {
    for (name, run) in [
        ("union", union as fn(Vec<Value>, Vec<Value>) -> Vec<Value>),
        ("intersect", intersect),
        ("difference", difference),
        ("symmetric_difference", symmetric_difference),
    ] {
        environment.filter(name, STRUCTURAL, move |scope, value, mut args| {
            let other = args.required("b")?;
            args.finish()?;
            Ok(Value::list(run(scope.iterate(&value)?, scope.iterate(&other)?)))
        });
    }
    environment.filter("zip", STRUCTURAL, zip);
    environment.filter("zip_longest", STRUCTURAL, zip_longest);
    environment.filter("product", STRUCTURAL, product);
    environment.filter("combinations", STRUCTURAL, combinations);
    environment.filter("permutations", STRUCTURAL, permutations);
}

fn distinct(items: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut seen = Seen::default();
    items.into_iter().filter(|item| seen.insert(item.clone())).collect()
}

fn seen(items: Vec<Value>) -> Seen {
    let mut seen = Seen::default();
    for item in items {
        seen.insert(item);
    }
    seen
}

fn union(left: Vec<Value>, right: Vec<Value>) -> Vec<Value> {
    distinct(left.into_iter().chain(right))
}

fn intersect(left: Vec<Value>, right: Vec<Value>) -> Vec<Value> {
    let right = seen(right);
    distinct(left.into_iter().filter(|item| right.contains(item)))
}

fn difference(left: Vec<Value>, right: Vec<Value>) -> Vec<Value> {
    let right = seen(right);
    distinct(left.into_iter().filter(|item| !right.contains(item)))
}

fn symmetric_difference(left: Vec<Value>, right: Vec<Value>) -> Vec<Value> {
    let (only_left, only_right) =
        (difference(left.clone(), right.clone()), difference(right, left));
    only_left.into_iter().chain(only_right).collect()
}

fn columns(scope: &Scope<'_>, value: &Value, args: &mut Args) -> Result<Vec<Vec<Value>>, Error> {
    let mut columns = vec![scope.iterate(value)?];
    for other in args.rest() {
        columns.push(scope.iterate(&other)?);
    }
    Ok(columns)
}

fn zip(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let columns = columns(scope, &value, &mut args)?;
    args.finish()?;
    let rows = columns.iter().map(Vec::len).min().unwrap_or(0);
    let row = |at: usize| Value::tuple(columns.iter().map(|column| column[at].clone()).collect());
    Ok((0..rows).map(row).collect())
}

fn zip_longest(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let fill = args.take_named("fillvalue").unwrap_or_else(Value::none);
    let columns = columns(scope, &value, &mut args)?;
    args.finish()?;
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |column: &Vec<Value>, at: usize| column.get(at).unwrap_or(&fill).clone();
    let row = |at: usize| Value::tuple(columns.iter().map(|column| cell(column, at)).collect());
    Ok((0..rows).map(row).collect())
}

fn product(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let repeat = args.take_named("repeat").and_then(|count| count.as_i64()).unwrap_or(1);
    let mut columns = columns(scope, &value, &mut args)?;
    args.finish()?;
    let once = columns.clone();
    for _ in 1..repeat.clamp(0, 64) {
        columns.extend(once.iter().cloned());
    }
    if repeat == 0 {
        columns.clear();
    }
    let size = columns.iter().fold(1_usize, |size, column| size.saturating_mul(column.len()));
    scope.check_size(size.saturating_mul(columns.len()).saturating_mul(40))?;
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for column in &columns {
        rows = rows
            .into_iter()
            .flat_map(|row| {
                column.iter().map(move |item| {
                    let mut row = row.clone();
                    row.push(item.clone());
                    row
                })
            })
            .collect();
    }
    Ok(rows.into_iter().map(Value::tuple).collect())
}

fn combinations(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let size = args
        .int("r")?
        .ok_or_else(|| Error::type_error("combinations() missing required argument 'r' (pos 2)"))?;
    let size = usize::try_from(size).map_err(|_| Error::value_error("r must be non-negative"))?;
    args.finish()?;
    let items = scope.iterate(&value)?;
    let mut rows = Vec::new();
    choose(scope, items.len(), size, &mut Vec::new(), &mut rows, true)?;
    Ok(rows_of(&items, rows))
}

fn permutations(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let items = scope.iterate(&value)?;
    let size = args.int("r")?.map_or(items.len(), |size| size.max(0) as usize);
    args.finish()?;
    let mut rows = Vec::new();
    choose(scope, items.len(), size, &mut Vec::new(), &mut rows, false)?;
    Ok(rows_of(&items, rows))
}

fn rows_of(items: &[Value], rows: Vec<Vec<usize>>) -> Value {
    let row = |row: Vec<usize>| Value::tuple(row.into_iter().map(|at| items[at].clone()).collect());
    rows.into_iter().map(row).collect()
}

/// All ways to choose `size` of `len` positions, in order or in any order.
fn choose(
    scope: &Scope<'_>,
    len: usize,
    size: usize,
    chosen: &mut Vec<usize>,
    rows: &mut Vec<Vec<usize>>,
    ascending: bool,
) -> Result<(), Error> {
    scope.step()?;
    if chosen.len() == size {
        scope.check_size(rows.len().saturating_mul(size.max(1)).saturating_mul(40))?;
        rows.push(chosen.clone());
        return Ok(());
    }
    if size > len || chosen.len() > 100 {
        return Ok(());
    }
    let start = if ascending { chosen.last().map_or(0, |last| last + 1) } else { 0 };
    for at in start..len {
        if ascending || !chosen.contains(&at) {
            chosen.push(at);
            choose(scope, len, size, chosen, rows, ascending)?;
            chosen.pop();
        }
    }
    Ok(())
}
