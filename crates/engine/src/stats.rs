//! What `set_stats` collects over a run, by host; `_run` holds what is not of one host.

use indexmap::IndexMap;
use jinja::{Map, Value};

use crate::actions::Stats;

/// Custom statistics.
#[derive(Debug, Default)]
pub(crate) struct CustomStats(IndexMap<String, Map>);

impl CustomStats {
    /// Takes in what a task says of a host.
    pub(crate) fn add(&mut self, host: &str, stats: &Stats) {
        let known = self.0.entry(host.to_owned()).or_default();
        for (name, value) in &stats.data {
            let value = match known.get(name).filter(|_| stats.aggregate) {
                Some(old) => aggregated(old, value),
                None => value.clone(),
            };
            known.insert(name.clone(), value);
        }
    }

    /// As reports show them; nothing without any.
    pub(crate) fn to_json(&self) -> Option<serde_json::Value> {
        let hosts = self.0.iter().map(|(host, data)| {
            (host.clone(), Value::dict(data.clone()).to_json().unwrap_or_default())
        });
        (!self.0.is_empty()).then(|| hosts.collect::<model::Args>().into())
    }
}

/// Numbers add up, texts and lists are joined, dictionaries are merged; values of different types replace each other.
fn aggregated(old: &Value, new: &Value) -> Value {
    if let (Some(old), Some(new)) = (old.as_dict(), new.as_dict()) {
        let mut merged = old.snapshot();
        for (key, value) in new.snapshot() {
            let both = (merged.get(&key).and_then(Value::as_dict).is_some())
                .then(|| aggregated(&merged[&key], &value));
            merged.insert(key, both.unwrap_or(value));
        }
        return Value::dict(merged);
    }
    if let (Some(old), Some(new)) = (old.as_list(), new.as_list()) {
        return Value::list(old.snapshot().into_iter().chain(new.snapshot()).collect());
    }
    if let (Some(old), Some(new)) = (old.as_str(), new.as_str()) {
        return Value::from(format!("{old}{new}"));
    }
    if let (Some(old), Some(new)) = (old.as_i64(), new.as_i64()) {
        return Value::from(old.saturating_add(new));
    }
    match (old.as_f64(), new.as_f64()) {
        (Some(old), Some(new)) if old.is_finite() => Value::from(old + new),
        _ => new.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_add_up_by_their_type() {
        for (old, new, sum) in [
            (json!(10), json!(15), json!(25)),
            (json!("a"), json!("b"), json!("ab")),
            (json!([1]), json!([2]), json!([1, 2])),
            (json!({"a": 1}), json!({"a": 2, "b": 3}), json!({"a": 2, "b": 3})),
            (json!(1.5), json!(1), json!(2.5)),
            (json!(1), json!("x"), json!("x")),
        ] {
            let sum_found =
                aggregated(&Value::from_json(old.clone()), &Value::from_json(new.clone()));
            assert_eq!(sum_found.to_json().unwrap(), sum, "{old} + {new}");
        }
    }

    #[test]
    fn without_aggregation_the_last_value_stays() {
        let mut stats = CustomStats::default();
        let of = |number: i64, aggregate| Stats {
            data: Map::from_iter([("n".into(), Value::from(number))]),
            per_host: false,
            aggregate,
        };
        stats.add("_run", &of(1, true));
        stats.add("_run", &of(2, true));
        assert_eq!(stats.to_json(), Some(json!({"_run": {"n": 3}})));
        stats.add("_run", &of(5, false));
        assert_eq!(stats.to_json(), Some(json!({"_run": {"n": 5}})));
    }
}
