//! Lookups that rearrange lists for loops.

use super::{failed, integer, terms_of};
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::filters::{parse_int, subelements_of};
use crate::format::percent;
use crate::value::{Map, Value};

pub(super) fn register(environment: &mut Environment) {
    environment.lookup("items", |_, terms, args| {
        args.finish()?;
        Ok(Value::list(flat(terms_of(&terms))))
    });
    environment.lookup("list", |_, terms, args| {
        args.finish()?;
        Ok(Value::list(terms_of(&terms)))
    });
    for name in ["flattened", "community.general.flattened"] {
        environment.lookup(name, |scope, terms, args| {
            args.finish()?;
            scope.call_filter("flatten", Value::list(terms_of(&terms)), Args::default())
        });
    }
    environment.lookup("indexed_items", |_, terms, args| {
        args.finish()?;
        let items = flat(terms_of(&terms)).into_iter().enumerate();
        Ok(items.map(|(at, item)| Value::list(vec![at.into(), item])).collect())
    });
    environment.lookup("dict", dict);
    environment.lookup("together", |scope, terms, args| {
        args.finish()?;
        let mut columns = terms_of(&terms).into_iter();
        let first = columns
            .next()
            .ok_or_else(|| failed("with_together requires at least one element in each list"))?;
        scope.iterate(&first)?;
        let rows =
            scope.call_filter("zip_longest", first, Args::new(columns.collect(), Vec::new()))?;
        rows_as_lists(scope, &rows)
    });
    for name in ["nested", "cartesian"] {
        environment.lookup(name, move |scope, terms, args| {
            args.finish()?;
            let mut columns = terms_of(&terms).into_iter().map(|term| match term.sequence() {
                Some(_) => term,
                None => Value::list(vec![term]),
            });
            let first = columns.next().ok_or_else(|| {
                failed(format!("with_{name} requires at least one element in the nested list"))
            })?;
            let rows =
                scope.call_filter("product", first, Args::new(columns.collect(), Vec::new()))?;
            rows_as_lists(scope, &rows)
        });
    }
    environment.lookup("subelements", subelements);
    environment.lookup("random_choice", |scope, terms, args| {
        args.finish()?;
        let terms = terms_of(&terms);
        if terms.is_empty() {
            return Ok(Value::list(terms));
        }
        let chosen = scope.call_filter("random", Value::list(terms), Args::default())?;
        Ok(Value::list(vec![chosen]))
    });
    environment.lookup("sequence", sequence);
}

/// Lists among the items are opened, one level deep.
fn flat(items: Vec<Value>) -> Vec<Value> {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        match item.sequence() {
            Some(inner) => all.extend(inner),
            None => all.push(item),
        }
    }
    all
}

fn rows_as_lists(scope: &Scope<'_>, rows: &Value) -> Result<Value, Error> {
    scope
        .iterate(rows)?
        .iter()
        .map(|row| scope.iterate(row).map(|row| Value::list(flat(row))))
        .collect::<Result<Vec<_>, _>>()
        .map(Value::list)
}

fn dict(scope: &Scope<'_>, terms: Value, args: Args) -> Result<Value, Error> {
    args.finish()?;
    let mut items = Vec::new();
    for term in terms_of(&terms) {
        let entries = scope.entries(&term)?.ok_or_else(|| {
            failed(format!(
                "the 'dict' lookup plugin expects a dictionary, got '{term}' of type <class '{}'>)",
                term.type_name()
            ))
        })?;
        for (key, value) in entries {
            let map: Map = [("key".into(), key), ("value".into(), value)].into_iter().collect();
            items.push(Value::dict(map));
        }
    }
    Ok(Value::list(items))
}

fn subelements(scope: &Scope<'_>, terms: Value, mut args: Args) -> Result<Value, Error> {
    let terms = terms_of(&terms);
    const WANTED: &str = "subelements lookup expects a list of two or three items, ";
    let [items, path, rest @ ..] = terms.as_slice() else { return Err(failed(WANTED)) };
    if rest.len() > 1 {
        return Err(failed(WANTED));
    }
    let is_nested = items.as_dict().is_some() || items.as_list().is_some();
    if !is_nested || path.as_str().is_none() {
        return Err(failed(format!(
            "{WANTED}first a dict or a list, second a string pointing to the subkey"
        )));
    }
    let is_flags = |flags: &Value| {
        let keys = flags.as_dict().map(crate::Dict::keys);
        keys.is_some_and(|keys| keys.iter().all(|key| key.as_str() == Some("skip_missing")))
    };
    if !rest.iter().all(is_flags) {
        return Err(failed("the optional third item must be a dict with flags skip_missing"));
    }
    let mut skip = args.take_named("skip_missing");
    args.finish()?;
    if let Some(flags) = rest.first() {
        skip = flags.get("skip_missing").or(skip);
    }
    let skip = match skip {
        Some(skip) => crate::filters::truth_of(&skip).unwrap_or(false),
        None => false,
    };
    // What a skipped item of a loop registered is no item.
    let is_wanted = |item: &Value| item.get("skipped").is_none_or(|it| it.as_bool() == Some(false));
    if items.as_dict().is_some() && !is_wanted(items) {
        return Ok(Value::list(Vec::new()));
    }
    let all = match scope.entries(items)? {
        Some(entries) => entries.into_iter().map(|(_, item)| item).collect(),
        None => scope.iterate(items)?,
    };
    let items = Value::list(all.into_iter().filter(is_wanted).collect());
    let pairs = subelements_of(scope, &items, path, skip)?;
    let path = path.as_str().unwrap_or_default();
    let path: Vec<Value> = path.split('.').map(Value::from).collect();
    let pairs = scope.iterate(&pairs)?.into_iter().map(|pair| {
        let pair = pair.sequence().unwrap_or_default();
        let [item, sub] = pair.as_slice() else { return Value::list(pair) };
        Value::list(vec![without(item, &path), sub.clone()])
    });
    Ok(pairs.collect())
}

/// The item without what the path leads to: it is the other half of the pair.
fn without(item: &Value, path: &[Value]) -> Value {
    let (Some(dict), [first, rest @ ..]) = (item.as_dict(), path) else { return item.clone() };
    let mut map = dict.snapshot();
    match map.get(first).cloned() {
        Some(inner) if !rest.is_empty() => {
            map.insert(first.clone(), without(&inner, rest));
        }
        _ => drop(map.shift_remove(first)),
    }
    Value::dict(map).marked(item.marks()).with_origin(item.origin().cloned())
}

#[derive(Default)]
struct Sequence {
    start: Option<i128>,
    end: Option<i128>,
    count: Option<i128>,
    stride: Option<i128>,
    format: Option<String>,
}

impl Sequence {
    fn set(&mut self, name: &str, text: &str) -> Result<(), Error> {
        let slot = match name {
            "start" => &mut self.start,
            "end" => &mut self.end,
            "count" => &mut self.count,
            "stride" => &mut self.stride,
            "format" => {
                self.format = Some(text.to_owned());
                return Ok(());
            }
            _ => {
                return Err(failed(format!("unrecognized arguments to with_sequence: ['{name}']"))
                    .hinted(crate::error::nearest(
                        name,
                        ["start", "end", "count", "stride", "format"].into_iter(),
                    )));
            }
        };
        // Sixteen to the digit is what the term may write, and nothing else.
        let number = match text.strip_prefix("0x").and_then(|_| parse_int(text, 16)) {
            Some(number) => number,
            None => integer("sequence", name, text)?,
        };
        *slot = Some(number);
        Ok(())
    }

    /// `5`, `2-8`, `2-8/2`, `4:host%02d`, or `start=1 end=5`.
    fn parse(&mut self, term: &str) -> Result<(), Error> {
        if term.contains('=') {
            let words = shlex::split(term).ok_or_else(|| {
                failed(format!("unknown error parsing with_sequence arguments: {term:?}"))
            })?;
            for word in words {
                let (name, text) = word.split_once('=').ok_or_else(|| {
                    failed(format!("unrecognized arguments to with_sequence: {word}"))
                })?;
                self.set(name, text)?;
            }
            return Ok(());
        }
        let (range, format) = match term.split_once(':') {
            Some((range, format)) => (range, Some(format)),
            None => (term, None),
        };
        let (range, stride) = match range.split_once('/') {
            Some((range, stride)) => (range, Some(stride)),
            None => (range, None),
        };
        let (start, end) = match range.split_once('-').filter(|(start, _)| !start.is_empty()) {
            Some((start, end)) => (Some(start), end),
            None => (None, range),
        };
        for (name, text) in
            [("start", start), ("end", Some(end)), ("stride", stride), ("format", format)]
        {
            if let Some(text) = text {
                self.set(name, text)?;
            }
        }
        Ok(())
    }

    fn items(&self, scope: &Scope<'_>) -> Result<Vec<Value>, Error> {
        let start = self.start.unwrap_or(1);
        let mut stride = self.stride.unwrap_or(1);
        let end = match (self.end, self.count) {
            (Some(_), Some(_)) => {
                return Err(failed("can't specify both count and end in with_sequence"));
            }
            (Some(end), None) => end,
            (None, Some(0)) => return Ok(Vec::new()),
            (None, Some(count)) => start + count * stride - 1,
            (None, None) => return Err(failed("must specify count or end in with_sequence")),
        };
        if self.stride.is_none() && end < start && self.count.is_none() {
            stride = 1;
        }
        if stride > 0 && end < start {
            return Err(failed("to count backwards make stride negative"));
        }
        if stride < 0 && end > start {
            return Err(failed("to count forward don't make stride negative"));
        }
        if stride == 0 {
            return Ok(Vec::new());
        }
        let len = (end - start).unsigned_abs() / stride.unsigned_abs() + 1;
        scope.check_size(usize::try_from(len).unwrap_or(usize::MAX).saturating_mul(40))?;
        let format = self.format.as_deref().unwrap_or("%d");
        let numbers = (0..len as i128).map(|at| start + at * stride);
        let texts = numbers.map(|number| {
            percent(format, &number.into())
                .map(Value::from)
                .map_err(|_| failed(format!("bad formatting string: {format}")))
        });
        texts.collect()
    }
}

fn sequence(scope: &Scope<'_>, terms: Value, mut args: Args) -> Result<Value, Error> {
    let mut options = Vec::new();
    for name in ["start", "end", "count", "stride", "format"] {
        if let Some(value) = args.take_named(name).filter(|value| !value.is_none()) {
            options.push((name, value.to_string()));
        }
    }
    args.finish()?;
    let mut terms = terms_of(&terms);
    if terms.is_empty() && !options.is_empty() {
        terms.push(Value::from(""));
    }
    let mut items = Vec::new();
    for term in terms {
        let mut sequence = Sequence::default();
        for (name, text) in &options {
            sequence.set(name, text)?;
        }
        let term = term.to_string();
        if !term.is_empty() {
            sequence.parse(&term)?;
        }
        items.extend(sequence.items(scope)?);
    }
    Ok(Value::list(items))
}
