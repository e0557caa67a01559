//! Loops: the items of `loop` and `with_NAME`, and the variables that each of them brings.

use std::sync::Arc;

use indexmap::IndexMap;
use jinja::{Error, ErrorKind, Map, Templar, Value};
use language::{Common, Task};
use model::Args;

use crate::attributes::to_bool;

/// An item of a loop.
#[derive(Debug, Clone)]
pub(crate) struct LoopItem {
    /// `item` (or `loop_var`), `index_var`, `ansible_loop`...
    pub(crate) vars: IndexMap<Arc<str>, Value>,
    /// What people see of it; `loop_control.label` replaces it.
    pub(crate) label: serde_json::Value,
    /// What its result holds besides the outcome.
    pub(crate) result: Args,
}

struct Names {
    item: String,
    index: Option<String>,
    extended: bool,
    all: bool,
}

/// The items of a task; `None` when it has no loop.
///
/// A loop over something undefined is no error when the task's conditions, which need no item, say that it does not run.
pub(crate) fn items(
    task: &Task,
    chain: &[Arc<Common>],
    templar: &Templar<'_>,
) -> Result<Option<Vec<LoopItem>>, Error> {
    let Some(r#loop) = &task.r#loop else { return Ok(None) };
    let values = match values(r#loop, templar) {
        Ok(values) => values,
        Err(error) if is_excluded(chain, templar) => {
            drop(error);
            return Ok(None);
        }
        Err(error) => return Err(error.at(|| Some(r#loop.span.clone()))),
    };
    let names = names(task, templar)?;
    let all = names.all.then(|| Value::list(values.clone()));
    Ok(Some(
        (0..values.len()).map(|index| loop_item(&names, &values, index, all.as_ref())).collect(),
    ))
}

fn is_excluded(chain: &[Arc<Common>], templar: &Templar<'_>) -> bool {
    chain
        .iter()
        .rev()
        .flat_map(|common| &common.when)
        .any(|condition| matches!(templar.condition(condition), Ok(false)))
}

fn values(r#loop: &language::Loop, templar: &Templar<'_>) -> Result<Vec<Value>, Error> {
    let value = templar.resolve(&r#loop.value)?;
    if let Some(name) = &r#loop.lookup {
        let found = templar.lookup(name, value)?;
        return Ok(found.sequence().unwrap_or_default());
    }
    if value.as_str().is_none()
        && value.as_dict().is_none()
        && let Some(values) = value.sequence()
    {
        return Ok(values);
    }
    let message =
        format!("The `loop` value must resolve to a 'list', not '{}'.", value.type_name());
    let hint = "Provide a list of items/templates, or a template resolving to a list.";
    Err(Error::new(ErrorKind::Type, message).hinted(Some(hint.to_owned())))
}

fn names(task: &Task, templar: &Templar<'_>) -> Result<Names, Error> {
    let control = &task.loop_control;
    let text = |raw: &Option<Value>| -> Result<Option<String>, Error> {
        raw.as_ref().map(|raw| Ok(templar.resolve(raw)?.to_string())).transpose()
    };
    let flag = |name: &str, raw: &Option<Value>| -> Result<Option<bool>, Error> {
        raw.as_ref().map(|raw| to_bool(name, &templar.resolve(raw)?)).transpose()
    };
    let extended = flag("extended", &control.extended)?.unwrap_or(false);
    Ok(Names {
        item: text(&control.loop_var)?.unwrap_or_else(|| "item".to_owned()),
        index: text(&control.index_var)?,
        extended,
        all: extended && flag("extended_allitems", &control.extended_allitems)?.unwrap_or(true),
    })
}

/// `loop_control.pause`: how long to wait between items.
pub(crate) fn pause(
    control: &language::LoopControl,
    templar: &Templar<'_>,
) -> Result<Option<std::time::Duration>, Error> {
    let Some(raw) = &control.pause else { return Ok(None) };
    let pause = crate::attributes::seconds("pause", &templar.resolve(raw)?)?;
    Ok(Some(pause).filter(|pause| !pause.is_zero()))
}

fn loop_item(names: &Names, values: &[Value], index: usize, all: Option<&Value>) -> LoopItem {
    let value = &values[index];
    let shown = value.to_json().unwrap_or_else(|_| value.to_string().into());
    let mut vars: IndexMap<Arc<str>, Value> = IndexMap::new();
    let mut result = Args::new();
    let mut set = |name: &str, value: Value, json: serde_json::Value| {
        vars.insert(name.into(), value);
        result.insert(name.to_owned(), json);
    };
    set(&names.item, value.clone(), shown.clone());
    set("ansible_loop_var", Value::from(names.item.as_str()), names.item.clone().into());
    if let Some(name) = &names.index {
        set(name, Value::from(index as i64), index.into());
        set("ansible_index_var", Value::from(name.as_str()), name.clone().into());
    }
    if names.extended {
        let extended = extended(values, index, all);
        let json = extended.to_json().unwrap_or_default();
        set("ansible_loop", extended, json);
    }
    LoopItem { vars, label: shown, result }
}

fn extended(values: &[Value], index: usize, all: Option<&Value>) -> Value {
    let last = values.len() - 1;
    let number = |number: usize| Value::from(number as i64);
    let mut map = Map::new();
    map.extend(all.map(|all| ("allitems".into(), all.clone())));
    map.insert("index".into(), number(index + 1));
    map.insert("index0".into(), number(index));
    map.insert("first".into(), Value::from(index == 0));
    map.insert("last".into(), Value::from(index == last));
    map.insert("length".into(), number(values.len()));
    map.insert("revindex".into(), number(values.len() - index));
    map.insert("revindex0".into(), number(last - index));
    if index > 0 {
        map.insert("previtem".into(), values[index - 1].clone());
    }
    if index < last {
        map.insert("nextitem".into(), values[index + 1].clone());
    }
    Value::dict(map)
}
