//! `set_stats`: numbers and texts for the end of the run, for each host or for all together.

use jinja::{Map, Value};
use model::{Args, Outcome};

use super::set_fact::valid_name;
use super::{Attempt, Call, Effect, Prepared};
use crate::attributes::to_bool;

/// What a task wants remembered.
#[derive(Debug, Clone)]
pub(crate) struct Stats {
    pub(crate) data: Map,
    pub(crate) per_host: bool,
    /// Adds to what is there instead of replacing it.
    pub(crate) aggregate: bool,
}

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    call.only_options(&["data", "per_host", "aggregate"])?;
    let flag = |name: &str, default: bool| -> Attempt<bool> {
        let value = call.args.get(name).filter(|value| !value.is_none());
        // A word that is no boolean counts as false.
        Ok(value.map_or(default, |value| to_bool(name, value).unwrap_or(false)))
    };
    let (per_host, aggregate) = (flag("per_host", false)?, flag("aggregate", true)?);
    let given = match call.args.get("data") {
        Some(value) => match value.as_dict() {
            Some(dict) => dict.snapshot(),
            None => {
                let failed = Outcome::failed("The 'data' option needs to be a dictionary/hash");
                return Ok(Prepared::Done(failed, Vec::new()));
            }
        },
        None => Map::new(),
    };
    let mut data = Map::new();
    for (name, value) in given {
        data.insert(valid_name(&call.templar.resolve(&name)?)?.into(), value);
    }
    let shown = Value::dict(data.clone()).to_json()?;
    let mut result = Args::new();
    result.insert(
        "ansible_stats".into(),
        serde_json::json!({ "data": shown, "per_host": per_host, "aggregate": aggregate }),
    );
    let effects = if data.is_empty() {
        vec![]
    } else {
        vec![Effect::Stats(Stats { data, per_host, aggregate })]
    };
    Ok(Prepared::Done(Outcome::ok(result), effects))
}
