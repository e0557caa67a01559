//! Filters on dicts: combine, dict2items, items2dict.

use super::STRUCTURAL;
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::value::{MAX_DEPTH, Map, Value, ensure_hashable};

pub(super) fn register(environment: &mut Environment) {
    environment.filter("combine", STRUCTURAL, combine);
    environment.filter("community.general.dict", STRUCTURAL, |scope, value, args| {
        args.finish()?;
        crate::methods::pairs(scope, &value).map(Value::dict)
    });
    environment.filter("dict2items", STRUCTURAL, dict_to_items);
    environment.filter("items2dict", STRUCTURAL, items_to_dict);
    environment.filter("rekey_on_member", STRUCTURAL, rekey_on_member);
}

/// What becomes of two lists under one key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ListMerge {
    Replace,
    Keep,
    Append,
    Prepend,
    AppendNew,
    PrependNew,
}

impl ListMerge {
    fn parse(text: &str) -> Result<Self, Error> {
        Ok(match text {
            "replace" => Self::Replace,
            "keep" => Self::Keep,
            "append" => Self::Append,
            "prepend" => Self::Prepend,
            "append_rp" => Self::AppendNew,
            "prepend_rp" => Self::PrependNew,
            _ => {
                return Err(Error::value_error(
                    "merge_hash: 'list_merge' argument can only be equal to 'replace', 'keep', 'append', 'prepend', 'append_rp' or 'prepend_rp'",
                ));
            }
        })
    }
}

fn combine(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let recursive = args.take_named("recursive").is_some_and(|flag| flag.is_true());
    let lists = args.take_named("list_merge").map(|text| text.to_string());
    let lists = ListMerge::parse(lists.as_deref().unwrap_or("replace"))?;
    let mut all = vec![value];
    all.extend(args.rest());
    if !args.is_empty() {
        return Err(Error::type_error(
            "'recursive' and 'list_merge' are the only valid keyword arguments",
        ));
    }
    let mut result = Map::new();
    let dicts = flat(scope, all)?;
    for (at, dict) in dicts.iter().enumerate() {
        let entries = scope.entries(dict)?.ok_or_else(|| {
            let (left, right) = match at {
                0 => (dict, dicts.get(1).unwrap_or(dict)),
                _ => (&dicts[at - 1], dict),
            };
            Error::type_error(format!(
                "failed to combine variables, expected dicts but got a '{}' and a '{}'.",
                left.type_name(),
                right.type_name()
            ))
        })?;
        result = merged(result, entries.into_iter().collect(), recursive, lists, 0)?;
    }
    Ok(Value::dict(result))
}

/// Dicts, also those in lists; `None` does not count.
fn flat(scope: &Scope<'_>, values: Vec<Value>) -> Result<Vec<Value>, Error> {
    let mut dicts = Vec::new();
    for value in values {
        match value.sequence() {
            Some(_) => dicts.extend(scope.iterate(&value)?),
            None => dicts.push(value),
        }
    }
    dicts.retain(|value| !value.is_none());
    Ok(dicts)
}

fn merged(
    mut base: Map,
    over: Map,
    recursive: bool,
    lists: ListMerge,
    depth: usize,
) -> Result<Map, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::value_error("the dicts are nested too deeply to combine"));
    }
    for (key, new) in over {
        let old = base.get(&key);
        let value = match old {
            Some(old) if recursive && old.as_dict().is_some() && new.as_dict().is_some() => {
                let (old, new) = (
                    old.as_dict().map(crate::Dict::snapshot).unwrap_or_default(),
                    new.as_dict().map(crate::Dict::snapshot).unwrap_or_default(),
                );
                Value::dict(merged(old, new, recursive, lists, depth + 1)?)
            }
            Some(old) => match (old.as_list(), new.as_list()) {
                (Some(old), Some(new)) => {
                    Value::list(merged_lists(old.snapshot(), new.snapshot(), lists))
                }
                _ => new,
            },
            None => new,
        };
        base.insert(key, value);
    }
    Ok(base)
}

fn merged_lists(mut old: Vec<Value>, mut new: Vec<Value>, how: ListMerge) -> Vec<Value> {
    match how {
        ListMerge::Replace => new,
        ListMerge::Keep => old,
        ListMerge::Append => {
            old.append(&mut new);
            old
        }
        ListMerge::Prepend => {
            new.append(&mut old);
            new
        }
        ListMerge::AppendNew => {
            old.retain(|item| !new.contains(item));
            old.append(&mut new);
            old
        }
        ListMerge::PrependNew => {
            old.retain(|item| !new.contains(item));
            new.append(&mut old);
            new
        }
    }
}

fn dict_to_items(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let key_name = args.take("key_name").unwrap_or_else(|| Value::from("key"));
    let value_name = args.take("value_name").unwrap_or_else(|| Value::from("value"));
    args.finish()?;
    let entries = scope.entries(&value)?.ok_or_else(|| {
        Error::type_error(format!(
            "dict2items requires a dictionary, got <class '{}'> instead.",
            value.type_name()
        ))
    })?;
    let items = entries.into_iter().map(|(key, item)| {
        Value::dict([(key_name.clone(), key), (value_name.clone(), item)].into_iter().collect())
    });
    Ok(items.collect())
}

fn items_to_dict(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let key_name = args.take("key_name").unwrap_or_else(|| Value::from("key"));
    let value_name = args.take("value_name").unwrap_or_else(|| Value::from("value"));
    args.finish()?;
    if value.sequence().is_none() {
        return Err(Error::type_error(format!(
            "items2dict requires a list, got <class '{}'> instead.",
            value.type_name()
        )));
    }
    let mut map = Map::new();
    for item in scope.iterate(&value)? {
        if item.as_dict().is_none() && item.as_object().is_none() {
            return Err(Error::type_error(format!(
                "items2dict requires a list of dictionaries, got {} instead.",
                value.repr()
            )));
        }
        let (key, content) = (scope.item(&item, &key_name)?, scope.item(&item, &value_name)?);
        if key.is_undefined() || content.is_undefined() {
            return Err(Error::type_error(format!(
                "items2dict requires each dictionary in the list to contain the keys '{key_name}' and '{value_name}', got {} instead.",
                value.repr()
            )));
        }
        ensure_hashable(&key)?;
        map.insert(key, content);
    }
    Ok(Value::dict(map))
}

fn rekey_on_member(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let key = args.required("key")?;
    let duplicates = args.text("duplicates")?.unwrap_or_else(|| "error".into());
    args.finish()?;
    if !["error", "overwrite"].contains(&&*duplicates) {
        return Err(Error::value_error(format!(
            "duplicates parameter to rekey_on_member has unknown value '{duplicates}'"
        )));
    }
    let items = match scope.entries(&value)? {
        Some(entries) => entries.into_iter().map(|(_, item)| item).collect(),
        None if value.sequence().is_some() => scope.iterate(&value)?,
        None => return Err(Error::type_error("Type is not a valid list, set, or dict")),
    };
    let mut map = Map::new();
    for item in items {
        if scope.entries(&item)?.is_none() {
            return Err(Error::type_error("List item is not a valid dict"));
        }
        let member = scope.item(&item, &key)?;
        if member.is_undefined() {
            return Err(Error::value_error(format!("Key {} was not found.", key.repr())));
        }
        ensure_hashable(&member)?;
        if duplicates != "overwrite" && map.contains_key(&member) {
            return Err(Error::value_error(format!(
                "Key {} is not unique, cannot convert to dict.",
                member.repr()
            )));
        }
        map.insert(member, item);
    }
    Ok(Value::dict(map))
}
