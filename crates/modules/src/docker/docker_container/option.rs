//! The options of a container: what is wanted, where the engine's inspection shows it, and how the two are compared.
//! Both sides are documents of one shape: `Config` and `HostConfig`, as the engine inspects containers.

use std::collections::BTreeMap;

use model::Args;
use serde_json::{Value, json};

use crate::contract::Failure;

/// How values of an option are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As they are.
    Value,
    /// In order.
    List,
    /// In any order.
    Set,
    /// By key.
    Dict,
}

/// What counts as a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Ignore,
    Strict,
    AllowMore,
}

/// One option that was asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The argument, for `comparisons`.
    pub option: &'static str,
    /// Its name in diffs.
    pub shown: &'static str,
    pub kind: Kind,
    /// Where it is, e.g. `/HostConfig/Memory`.
    pub pointer: &'static str,
    /// As the engine is told.
    pub value: Value,
    /// As the engine will show it, where that is not the same.
    pub seen: Option<Value>,
    /// Can be changed while the container stays.
    pub updates: bool,
}

impl Wanted {
    /// An option that is told and shown in the same way.
    pub(super) fn new(
        option: &'static str,
        kind: Kind,
        pointer: &'static str,
        value: Value,
    ) -> Self {
        Self { option, shown: option, kind, pointer, value, seen: None, updates: false }
    }

    /// Whether the container differs, and how it is.
    pub(super) fn difference(&self, container: &Value, comparison: Comparison) -> Option<Value> {
        let found = container.pointer(self.pointer).cloned().unwrap_or_default();
        let wanted = self.seen.as_ref().unwrap_or(&self.value);
        let found = shape(self.kind, found);
        let is_same = comparison == Comparison::Ignore
            || is_same(self.kind, wanted, &found, comparison == Comparison::AllowMore);
        (!is_same).then_some(found)
    }
}

/// What is not there, in the shape of what could be.
fn shape(kind: Kind, found: Value) -> Value {
    match (kind, &found) {
        (Kind::List | Kind::Set, Value::Null) => json!([]),
        (Kind::Dict, Value::Null) => json!({}),
        _ => found,
    }
}

fn is_same(kind: Kind, wanted: &Value, found: &Value, allow_more: bool) -> bool {
    match (kind, wanted, found) {
        (Kind::Value, _, Value::Null) => is_nothing(wanted),
        (Kind::List, Value::Array(wanted), Value::Array(found)) if allow_more => {
            let mut left = found.iter();
            wanted.iter().all(|item| left.any(|other| other == item))
        }
        (Kind::Set, Value::Array(wanted), Value::Array(found)) => {
            let has = |list: &[Value], item: &Value| list.iter().any(|other| covers(item, other));
            wanted.iter().all(|item| has(found, item))
                && (allow_more || found.iter().all(|item| wanted.iter().any(|w| covers(w, item))))
        }
        (Kind::Dict, Value::Object(wanted), Value::Object(found)) => {
            wanted.iter().all(|(key, value)| found.get(key).is_some_and(|other| other == value))
                && (allow_more || found.keys().all(|key| wanted.contains_key(key)))
        }
        _ => wanted == found,
    }
}

/// Whether an item is the one wanted; of a dictionary, only the keys that were given count.
fn covers(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted
            .iter()
            .all(|(key, value)| found.get(key).map_or(is_nothing(value), |other| other == value)),
        _ => wanted == found,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
    }
}

/// What `comparisons` says of every option.
pub(super) struct Comparisons {
    rest: Option<Comparison>,
    named: BTreeMap<String, Comparison>,
}

impl Comparisons {
    /// From the argument; `known` are the options it may name, with their kinds.
    pub(super) fn parse(given: &Args, known: &[(&'static str, Kind)]) -> Result<Self, Failure> {
        let mut comparisons = Self { rest: None, named: BTreeMap::new() };
        for (key, value) in given {
            let kind = known.iter().find(|(name, _)| name == key).map(|(_, kind)| *kind);
            let comparison = match value.as_str() {
                Some("ignore") => Comparison::Ignore,
                Some("strict") => Comparison::Strict,
                Some("allow_more_present") => Comparison::AllowMore,
                _ => return Err(Failure::new(format!("Unknown comparison mode '{value}'!"))),
            };
            match (key.as_str(), kind) {
                ("*", _) if comparison == Comparison::AllowMore => {
                    return Err(Failure::new(
                        "The wildcard can only be used with comparison modes 'strict' and 'ignore'!",
                    ));
                }
                ("*", _) => comparisons.rest = Some(comparison),
                (_, None) => {
                    return Err(Failure::new(format!(
                        "Unknown module option '{key}' in comparisons dict!"
                    )));
                }
                (_, Some(Kind::Value)) if comparison == Comparison::AllowMore => {
                    return Err(Failure::new(format!(
                        "Option '{key}' is a value and not a set/list/dict, so its comparison cannot be allow_more_present"
                    )));
                }
                _ => {
                    comparisons.named.insert(key.clone(), comparison);
                }
            }
        }
        Ok(comparisons)
    }

    /// Of one option.
    pub(super) fn of(&self, option: &str, kind: Kind) -> Comparison {
        self.named.get(option).copied().or(self.rest).unwrap_or(match (option, kind) {
            ("stop_timeout", _) => Comparison::Ignore,
            (_, Kind::Value | Kind::List) => Comparison::Strict,
            _ => Comparison::AllowMore,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(kind: Kind, wanted: Value, found: Value, comparison: Comparison) -> bool {
        let wanted = Wanted::new("x", kind, "/X", wanted);
        wanted.difference(&json!({ "X": found }), comparison).is_some()
    }

    #[test]
    fn what_counts_as_a_difference() {
        use Comparison::{AllowMore, Ignore, Strict};
        for (kind, wanted, found, comparison, expected) in [
            (Kind::Value, json!(1), json!(2), Strict, true),
            (Kind::Value, json!(1), json!(2), Ignore, false),
            (Kind::Value, json!(false), Value::Null, Strict, false),
            (Kind::Value, json!(""), Value::Null, Strict, false),
            (Kind::Value, json!("x"), Value::Null, Strict, true),
            (Kind::List, json!(["a", "b"]), json!(["b", "a"]), Strict, true),
            (Kind::List, json!(["a"]), json!(["b", "a"]), AllowMore, false),
            (Kind::List, json!(["a", "b"]), json!(["b", "a"]), AllowMore, true),
            (Kind::Set, json!(["a", "b"]), json!(["b", "a"]), Strict, false),
            (Kind::Set, json!(["a"]), json!(["b", "a"]), Strict, true),
            (Kind::Set, json!(["a"]), json!(["b", "a"]), AllowMore, false),
            (Kind::Set, json!(["a"]), Value::Null, AllowMore, true),
            (Kind::Set, json!([{"N": 1}]), json!([{"N": 1, "M": 2}]), Strict, false),
            (Kind::Dict, json!({"a": 1}), json!({"a": 1, "b": 2}), AllowMore, false),
            (Kind::Dict, json!({"a": 1}), json!({"a": 1, "b": 2}), Strict, true),
            (Kind::Dict, json!({"a": 1}), json!({"a": 2}), AllowMore, true),
            (Kind::Dict, json!({}), Value::Null, Strict, false),
        ] {
            let claim = format!("{kind:?} {wanted} {found} {comparison:?}");
            assert_eq!(differs(kind, wanted, found, comparison), expected, "{claim}");
        }
    }
}
