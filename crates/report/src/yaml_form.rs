//! Results as YAML: what `callback_result_format: yaml` shows, and how the `pretty` form is made easy on the eye.

use serde_json::Value;
use yaml::{Emit, EmitOptions, Flow};

/// A result as YAML, indented below the line of its host. `pretty`: texts of several lines are shown as they are, without
/// the white space that would need quotes, and what is said twice is left out.
pub(crate) fn render(value: &Value, pretty: bool) -> String {
    let options = EmitOptions {
        indent: if pretty { 4 } else { 2 },
        flow: Flow::Never,
        ..EmitOptions::default()
    };
    let text = yaml::emit(&emit(value, pretty), &options);
    let lines = text.trim_end_matches('\n').split('\n');
    lines.fold(String::new(), |mut out, line| {
        out.push('\n');
        if !line.is_empty() {
            out.extend(["    ", line]);
        }
        out
    })
}

fn emit(value: &Value, pretty: bool) -> Emit {
    match value {
        Value::Null => Emit::Null,
        Value::Bool(value) => Emit::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Emit::Int(number.into()),
            (None, Some(number)) => Emit::Int(number.into()),
            _ => Emit::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) if text.contains('\n') => {
            let text = if pretty { plain_lines(text) } else { text.clone() };
            Emit::Block(text.into())
        }
        Value::String(text) => Emit::Str(text.as_str().into()),
        Value::Array(items) => Emit::Seq(items.iter().map(|item| emit(item, pretty)).collect()),
        Value::Object(map) => {
            let is_said_twice = |key: &str| {
                pretty && matches!(key, "stdout_lines" | "stderr_lines") && {
                    map.contains_key(key.trim_end_matches("_lines"))
                }
            };
            let entries = map.iter().map(|(key, value)| {
                let value = if is_said_twice(key) {
                    Emit::Str("<omitted>".into())
                } else {
                    emit(value, pretty)
                };
                (Emit::Str(key.as_str().into()), value)
            });
            Emit::Map(entries.collect())
        }
    }
}

/// Lines that a block can hold: no white space at their ends, no tabs, nothing that cannot be printed.
fn plain_lines(text: &str) -> String {
    let lines = text.trim_end().split('\n').map(|line| {
        let mut plain = String::with_capacity(line.len());
        for letter in line.trim_end().chars() {
            match letter {
                '\t' => {
                    let columns = plain.chars().count();
                    plain.extend(std::iter::repeat_n(' ', 8 - columns % 8));
                }
                letter if letter.is_control() => {}
                letter => plain.push(letter),
            }
        }
        plain
    });
    lines.collect::<Vec<_>>().join("\n")
}
