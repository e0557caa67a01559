//! The filter `json_query`: JMESPath, as the collection community.general has it.

use super::PLAIN;
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::value::Value;

pub(super) fn register(environment: &mut Environment) {
    for name in ["json_query", "community.general.json_query"] {
        environment.filter(name, PLAIN, json_query);
    }
}

fn json_query(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let query = args.required("expr")?.to_string();
    args.finish()?;
    let wrong = |error: jmespath::JmespathError| {
        Error::value_error(format!("JMESPathError in json_query filter plugin: {error}"))
    };
    let expression = jmespath::compile(&query).map_err(wrong)?;
    let found = expression.search(value.to_json()?).map_err(wrong)?;
    let json = serde_json::to_value(&*found)
        .map_err(|error| Error::value_error(format!("json_query gave no data: {error}")))?;
    Ok(Value::from_json(json))
}
