//! Filters that order and choose: sort, unique, min, max, groupby.

use std::cmp::Ordering;

use super::STRUCTURAL;
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::value::{Map, Value, compare, ensure_hashable};

pub(super) fn register(environment: &mut Environment) {
    environment.filter("sort", STRUCTURAL, sort);
    environment.filter("unique", STRUCTURAL, unique);
    environment.filter("min", STRUCTURAL, |scope, value, args| {
        extreme(scope, &value, args, Ordering::Less)
    });
    environment.filter("max", STRUCTURAL, |scope, value, args| {
        extreme(scope, &value, args, Ordering::Greater)
    });
    environment.filter("groupby", STRUCTURAL, group_by);
    environment.filter("dictsort", STRUCTURAL, dict_sort);
}

/// Sorts by a key; the first failure to compare is the error. A comparison sort of Rust's would not stop at it.
pub(crate) fn sorted(
    items: Vec<Value>,
    reverse: bool,
    key: impl Fn(&Value) -> Result<Value, Error>,
) -> Result<Vec<Value>, Error> {
    let mut keyed =
        items.into_iter().map(|item| Ok((key(&item)?, item))).collect::<Result<Vec<_>, Error>>()?;
    // Comparing neighbours first finds mixed classes before the sort meets an inconsistent order.
    for pair in keyed.windows(2) {
        compare(&pair[1].0, &pair[0].0, "<")?;
    }
    let mut failure = None;
    keyed.sort_by(|(left, _), (right, _)| {
        let order = compare(left, right, "<").unwrap_or_else(|error| {
            failure.get_or_insert(error);
            Ordering::Equal
        });
        if reverse { order.reverse() } else { order }
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(keyed.into_iter().map(|(_, item)| item).collect()),
    }
}

/// What an item is compared by: itself or its attributes, without regard to case unless it is asked for.
fn comparison_key(
    scope: &Scope<'_>,
    item: &Value,
    attribute: Option<&Value>,
    case_sensitive: bool,
) -> Result<Value, Error> {
    let fold = |value: Value| match value.as_str() {
        Some(text) if !case_sensitive => Value::from(text.to_lowercase()),
        _ => value,
    };
    let Some(attribute) = attribute else { return Ok(fold(item.clone())) };
    let by_path = |path: &Value| -> Result<Value, Error> {
        let value = scope.path(item, path)?;
        scope.force(value).map(fold)
    };
    match attribute.as_str() {
        Some(paths) if paths.contains(',') => {
            let parts = paths.split(',').map(|path| by_path(&Value::from(path)));
            Ok(Value::tuple(parts.collect::<Result<_, _>>()?))
        }
        _ => by_path(attribute),
    }
}

fn sort(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let reverse = args.flag("reverse", false);
    let case_sensitive = args.flag("case_sensitive", false);
    let attribute = args.take("attribute").filter(|attribute| !attribute.is_none());
    args.finish()?;
    let items = scope.iterate(&value)?;
    sorted(items, reverse, |item| comparison_key(scope, item, attribute.as_ref(), case_sensitive))
        .map(Value::list)
}

fn unique(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let case_sensitive = args.take("case_sensitive");
    let attribute = args.take("attribute").filter(|attribute| !attribute.is_none());
    args.finish()?;
    let needs_hash =
        case_sensitive.as_ref().is_some_and(|flag| !flag.is_true()) || attribute.is_some();
    let case_sensitive = case_sensitive.is_some_and(|flag| flag.is_true());
    let mut seen = Seen::default();
    let mut kept = Vec::new();
    for item in scope.iterate(&value)? {
        let key = comparison_key(scope, &item, attribute.as_ref(), case_sensitive)?;
        if needs_hash {
            ensure_hashable(&key).map_err(|error| {
                error.prefixed("Jinja2's unique filter failed and we cannot fall back to Ansible's version as it does not support the parameters supplied: ")
            })?;
        }
        if seen.insert(key) {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
}

/// Values that were met; lists and dicts, which have no hash, are compared one by one.
#[derive(Default)]
pub(super) struct Seen {
    hashed: Map,
    others: Vec<Value>,
}

impl Seen {
    pub(super) fn contains(&self, value: &Value) -> bool {
        if ensure_hashable(value).is_ok() {
            self.hashed.contains_key(value)
        } else {
            self.others.contains(value)
        }
    }

    /// Whether it is new.
    pub(super) fn insert(&mut self, value: Value) -> bool {
        if self.contains(&value) {
            return false;
        }
        if ensure_hashable(&value).is_ok() {
            self.hashed.insert(value, Value::none());
        } else {
            self.others.push(value);
        }
        true
    }
}

fn extreme(
    scope: &Scope<'_>,
    value: &Value,
    mut args: Args,
    wanted: Ordering,
) -> Result<Value, Error> {
    let case_sensitive = args.take_named("case_sensitive").is_some_and(|flag| flag.is_true());
    let attribute = args.take_named("attribute");
    args.finish()?;
    let mut best: Option<(Value, Value)> = None;
    for item in scope.iterate(value)? {
        let key = comparison_key(scope, &item, attribute.as_ref(), case_sensitive)?;
        let symbol = if wanted == Ordering::Less { "<" } else { ">" };
        let better = match &best {
            Some((known, _)) => compare(&key, known, symbol)? == wanted,
            None => true,
        };
        if better {
            best = Some((key, item));
        }
    }
    Ok(best.map_or_else(
        || Value::undefined_because("", "No aggregated item, sequence was empty."),
        |(_, item)| item,
    ))
}

fn group_by(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let attribute = args.required("attribute")?;
    let default = args.take("default");
    let case_sensitive = args.flag("case_sensitive", false);
    args.finish()?;
    let mut keyed = Vec::new();
    for item in scope.iterate(&value)? {
        let mut key = scope.path(&item, &attribute)?;
        if let (true, Some(default)) = (key.is_undefined(), &default) {
            key = default.clone();
        }
        keyed.push(Value::tuple(vec![scope.force(key)?, item]));
    }
    let fold = |pair: &Value| {
        let key = pair.as_tuple().map_or_else(Value::none, |pair| pair[0].clone());
        match key.as_str() {
            Some(text) if !case_sensitive => Value::from(text.to_lowercase()),
            _ => key,
        }
    };
    let keyed = sorted(keyed, false, |pair| Ok(fold(pair)))?;
    let mut groups: Vec<(Value, Value, Vec<Value>)> = Vec::new();
    for pair in keyed {
        let Some([key, item]) = pair.as_tuple() else { continue };
        let folded = fold(&pair);
        match groups.last_mut() {
            Some((known, _, items)) if *known == folded => items.push(item.clone()),
            _ => groups.push((folded, key.clone(), vec![item.clone()])),
        }
    }
    let groups = groups.into_iter();
    let group =
        |(_, key, items)| Value::named_tuple(vec![key, Value::list(items)], &["grouper", "list"]);
    Ok(groups.map(group).collect())
}

fn dict_sort(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let case_sensitive = args.flag("case_sensitive", false);
    let by = args.text("by")?.unwrap_or_else(|| "key".into());
    let reverse = args.flag("reverse", false);
    args.finish()?;
    let at = match by.as_str() {
        "key" => 0,
        "value" => 1,
        _ => {
            return Err(Error::value_error("You can only sort by either \"key\" or \"value\""));
        }
    };
    let entries = scope.entries(&value)?.ok_or_else(|| {
        Error::type_error(format!("'{}' object has no attribute 'items'", value.type_name()))
    })?;
    let pairs = entries.into_iter().map(|(key, item)| Value::tuple(vec![key, item])).collect();
    let sorted = sorted(pairs, reverse, |pair| {
        let part = pair.as_tuple().map_or_else(Value::none, |pair| pair[at].clone());
        comparison_key(scope, &part, None, case_sensitive)
    })?;
    Ok(Value::list(sorted))
}
