//! Local facts: `*.fact` files of an administrator, JSON or INI, or programs that print one of these.

use std::path::Path;

use model::Args;
use serde_json::{Map, Value};
use system::{Command, FileKind};

use crate::host::Host;

/// Of one fact file or what one prints.
const LIMIT: u64 = 1 << 20;

pub(crate) fn local(host: &Host<'_>, facts: &mut Args) {
    let mut local = Args::new();
    for name in host.names(host.fact_path) {
        let Some(fact) = name.strip_suffix(".fact") else { continue };
        let path = host.fact_path.join(&name);
        local.insert(fact.to_owned(), value_of(host, &path).unwrap_or_else(Value::from));
    }
    facts.insert("local".to_owned(), local.into());
}

/// The fact, or what is wrong with it, which then becomes its value.
fn value_of(host: &Host<'_>, path: &Path) -> Result<Value, String> {
    let stat = host.probe.stat(path, true).map_err(|error| error.to_string())?;
    let Some(stat) = stat else {
        return Err(format!("Could not stat fact ({}): no such file", path.display()));
    };
    if stat.kind != FileKind::File {
        return Err(format!("error loading fact - {} is not a file", path.display()));
    }
    let text = if stat.mode & 0o100 == 0 {
        let bytes = host.probe.read(path, LIMIT).map_err(|error| error.to_string())?;
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    } else {
        run(host, path)?
    };
    parse(&text).ok_or_else(|| {
        let path = path.display();
        format!("error loading facts as ini - please check content: {path}")
    })
}

fn run(host: &Host<'_>, path: &Path) -> Result<String, String> {
    let mut command = Command::new(path.to_string_lossy(), Vec::<String>::new());
    command.timeout = Some(host.patience);
    let output = host
        .probe
        .query(&command)
        .map_err(|error| format!("Could not execute fact script ({}): {error}", path.display()))?;
    if !output.is_success() {
        let error = output.stderr_text();
        let (path, status) = (path.display(), output.status);
        return Err(format!("Failure executing fact script ({path}), rc: {status}, err: {error}"));
    }
    if output.stdout.len() as u64 > LIMIT {
        return Err(format!("fact script {} prints more than {LIMIT} bytes", path.display()));
    }
    Ok(output.stdout_text())
}

fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().or_else(|| ini(text))
}

/// `[section]` and `name = value` or `name: value`, with names in lower case; indented lines go on with the value before.
fn ini(text: &str) -> Option<Value> {
    let mut sections = Map::new();
    let mut current: Option<(String, Args)> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = trimmed.strip_prefix('[') {
            let (name, _) = rest.split_once(']')?;
            sections.extend(current.take().map(|(name, values)| (name, values.into())));
            current = Some((name.to_owned(), Args::new()));
            continue;
        }
        let (_, values) = current.as_mut()?;
        if line.starts_with(char::is_whitespace)
            && let Some((_, Value::String(last))) = values.iter_mut().next_back()
        {
            last.push('\n');
            last.push_str(trimmed);
            continue;
        }
        let at = trimmed.find(['=', ':'])?;
        let name = trimmed[..at].trim().to_lowercase();
        values.insert(name, trimmed[at + 1..].trim().into());
    }
    sections.extend(current.map(|(name, values)| (name, values.into())));
    for values in sections.values_mut().filter_map(Value::as_object_mut) {
        let raw = values.clone();
        for value in values.values_mut() {
            *value = interpolated(&raw, value.as_str()?, 0)?.into();
        }
    }
    Some(sections.into())
}

/// `%(name)s` is another value of the section, `%%` is `%`; any other `%` is a mistake, as in Python's configparser.
fn interpolated(section: &Args, text: &str, depth: usize) -> Option<String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        result.push_str(before);
        rest = match after.strip_prefix('%') {
            Some(after) => {
                result.push('%');
                after
            }
            None => {
                let (name, after) = after.strip_prefix('(')?.split_once(")s")?;
                let value = section.get(&name.to_lowercase()).and_then(Value::as_str);
                result.push_str(&interpolated(section, value.filter(|_| depth < 10)?, depth + 1)?);
                after
            }
        };
    }
    Some(result + rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn facts_are_json_or_ini() {
        assert_eq!(parse("[1, 2]"), Some(json!([1, 2])));
        assert_eq!(
            parse("# c\n[Web]\nPort = 80\nNames: a\n  b\n; c\n[empty]\n"),
            Some(json!({"Web": {"port": "80", "names": "a\nb"}, "empty": {}}))
        );
        assert_eq!(
            parse("[a]\nb = 100%%\nc = %(b)s of it"),
            Some(json!({"a": {"b": "100%", "c": "100% of it"}}))
        );
        assert_eq!(parse("[a]\nb = 5 % c"), None);
        assert_eq!(parse("[a]\nb = %(b)s"), None);
        assert_eq!(parse("[never closed"), None);
        assert_eq!(parse("no section = here"), None);
        assert_eq!(parse("{\"a\": NaN}"), None);
        assert_eq!(parse(&"[".repeat(100_000)), None);
    }
}
