//! TOML text: plain values first, then a table for each mapping; lists one item a line.

use std::fmt::Write as _;

use jinja::{Kind, Value};
use yaml::Diagnostic;

use crate::Vars;

/// The text of a document.
pub(super) fn render(entries: &Vars) -> Result<String, Diagnostic> {
    let entries: Vec<(String, Value)> =
        entries.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    let mut out = String::new();
    table(&mut out, "", &entries)?;
    Ok(out)
}

fn table(out: &mut String, path: &str, entries: &[(String, Value)]) -> Result<(), Diagnostic> {
    let (tables, plain): (Vec<_>, Vec<_>) =
        entries.iter().partition(|(_, value)| value.as_dict().is_some());
    if !path.is_empty() && (!plain.is_empty() || tables.is_empty()) {
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(out, "[{path}]");
    }
    for (name, value) in plain {
        let _ = write!(out, "{} = ", key(name));
        literal(out, name, value, 0)?;
        out.push('\n');
    }
    for (name, value) in tables {
        let below = if path.is_empty() { key(name) } else { format!("{path}.{}", key(name)) };
        table(out, &below, &entries_of(value))?;
    }
    Ok(())
}

fn entries_of(dict: &Value) -> Vec<(String, Value)> {
    let entries = dict.as_dict().map(jinja::Dict::snapshot).unwrap_or_default();
    entries.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
}

/// A name as it is, or in quotes.
fn key(name: &str) -> String {
    let is_bare = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if !name.is_empty() && name.chars().all(is_bare) { name.to_owned() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push('\t'),
            control if control.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

fn literal(out: &mut String, name: &str, value: &Value, depth: usize) -> Result<(), Diagnostic> {
    if let Some(items) = value.sequence() {
        if items.is_empty() {
            out.push_str("[]");
            return Ok(());
        }
        out.push_str("[\n");
        for item in &items {
            out.push_str(&"    ".repeat(depth + 1));
            literal(out, name, item, depth + 1)?;
            out.push_str(",\n");
        }
        out.push_str(&"    ".repeat(depth));
        out.push(']');
        return Ok(());
    }
    if value.as_dict().is_some() {
        out.push('{');
        for (number, (name, value)) in entries_of(value).iter().enumerate() {
            out.push_str(if number == 0 { " " } else { ", " });
            let _ = write!(out, "{} = ", key(name));
            literal(out, name, value, depth)?;
        }
        out.push_str(" }");
        return Ok(());
    }
    match value.kind() {
        Kind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        Kind::Int | Kind::Float => out.push_str(&value.to_string()),
        Kind::None => {
            let error =
                Diagnostic::error(format!("TOML has no null, which is the value of `{name}`"));
            return Err(match value.origin() {
                Some(origin) => error.at(origin),
                None => error,
            });
        }
        _ => out.push_str(&quoted(&value.to_string())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_toml() {
        let json = serde_json::json!({
            "a b": "q\"\\\n\u{1}é", "n": 1, "f": 1.5, "t": true, "e": [], "l": [1, [2, {"x": "y", "z": 1}]],
            "d": {}, "t1": {"t2": {"x": 1}}, "t3": {"y": 2, "t4": {}},
        });
        let value = Value::from_json(json);
        let vars = entries_of(&value).into_iter().map(|(key, value)| (key.into(), value)).collect();
        assert_eq!(
            render(&vars).expect("TOML"),
            "\"a b\" = \"q\\\"\\\\\\n\\u0001é\"\nn = 1\nf = 1.5\nt = true\ne = []\nl = [\n    1,\n    [\n        2,\n        \
             { x = \"y\", z = 1 },\n    ],\n]\n\n[d]\n\n[t1.t2]\nx = 1\n\n[t3]\ny = 2\n\n[t3.t4]\n"
        );
        let null = Vars::from([("x".into(), Value::none())]);
        assert_eq!(
            render(&null).expect_err("null").message(),
            "TOML has no null, which is the value of `x`"
        );
    }
}
