//! Statements of SQL with values in the place of `%s` and `%(name)s`.

use model::Args;
use serde_json::Value;

use crate::arguments::python_text;
use crate::contract::Failure;

/// Statements as the argument `query` gives them: one, or a list.
pub(crate) fn list(query: &Value) -> Result<Vec<String>, Failure> {
    let list = match query {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) if many.iter().all(Value::is_string) => {
            many.iter().map(python_text).collect()
        }
        _ => {
            let message = "the query option value must be a string or list of strings";
            return Err(Failure::new(message));
        }
    };
    if list.iter().any(|sql| sql.trim().is_empty()) {
        return Err(Failure::new("a query is empty"));
    }
    Ok(list)
}

/// A statement with its values, each as `literal` writes it; `%%` stands for a `%`.
pub(crate) fn fill(
    sql: &str,
    positional: &[Value],
    named: Option<&Args>,
    literal: fn(&Value) -> String,
) -> Result<String, Failure> {
    let refused = |why: &str| Failure::new(format!("Cannot execute SQL '{sql}': {why}"));
    let mut values = positional.iter();
    let mut out = String::new();
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
        } else if let Some(after) = after.strip_prefix('s') {
            let value = values.next().ok_or_else(|| refused("there are fewer values than %s"))?;
            out.push_str(&literal(value));
            rest = after;
        } else if let Some((key, after)) =
            after.strip_prefix('(').and_then(|rest| rest.split_once(")s"))
        {
            let value = named.and_then(|args| args.get(key));
            out.push_str(&literal(
                value.ok_or_else(|| refused(&format!("there is no value `{key}`")))?,
            ));
            rest = after;
        } else {
            return Err(refused("a % that stands for itself is written %%"));
        }
    }
    if values.next().is_some() {
        return Err(refused("there are more values than %s"));
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_take_their_places() {
        let list = [json!("a"), json!(5)];
        let filled = fill("SELECT %s, %s, '5%%'", &list, None, Value::to_string).expect("filled");
        assert_eq!(filled, "SELECT \"a\", 5, '5%'");
        for odd in ["SELECT %s", "SELECT %d", "SELECT %(x)s", "SELECT 5%"] {
            assert!(fill(odd, &[], None, Value::to_string).is_err(), "{odd}");
        }
        assert!(fill("SELECT 1", &list, None, Value::to_string).is_err());
    }
}
