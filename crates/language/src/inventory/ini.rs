//! Inventories in INI form.

use std::sync::Arc;

use jinja::Value;
use model::HostName;
use yaml::{Diagnostic, SourceFile, Span};

use super::{Inventory, literal, ranges};
use crate::Vars;

enum Section {
    Hosts(String),
    Children(String),
    Vars(String),
}

/// Reads a file into the inventory.
pub(super) fn read(inventory: &mut Inventory, file: &Arc<SourceFile>) -> Result<(), Diagnostic> {
    let mut section = Section::Hosts("ungrouped".to_owned());
    let mut offset = 0;
    for line in file.text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let text = line.trim();
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        let begin = start + line.len() - line.trim_start().len();
        let span = file.span(begin, begin + text.len());
        if text.starts_with('[') && !is_host_range(text) {
            section = header(text, &span)?;
            let (Section::Hosts(group) | Section::Children(group) | Section::Vars(group)) =
                &section;
            inventory.group(group);
            continue;
        }
        match &section {
            Section::Hosts(group) => host_line(inventory, group, text, &span)?,
            Section::Children(group) => {
                let child = without_comment(text);
                inventory.adopt(group, child);
            }
            Section::Vars(group) => {
                let (name, value) = assignment(text, &span)?;
                set_group_var(inventory, group, &name, value);
            }
        }
    }
    Ok(())
}

/// A host line may begin with a range: `[a:c].example.com`.
fn is_host_range(text: &str) -> bool {
    text.split_once(']')
        .is_some_and(|(_, rest)| !rest.trim().is_empty() && !rest.trim_start().starts_with('#'))
}

fn header(text: &str, span: &Span) -> Result<Section, Diagnostic> {
    let inner = without_comment(text).strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let Some(inner) = inner.map(str::trim).filter(|inner| !inner.is_empty()) else {
        return Err(Diagnostic::error(format!("invalid section entry: '{text}'"))
            .at(span)
            .hint("a section is `[group]`, `[group:children]` or `[group:vars]`"));
    };
    match inner.rsplit_once(':') {
        None => Ok(Section::Hosts(inner.to_owned())),
        Some((group, "children")) => Ok(Section::Children(group.to_owned())),
        Some((group, "vars")) => Ok(Section::Vars(group.to_owned())),
        Some((group, "hosts")) => Ok(Section::Hosts(group.to_owned())),
        Some((group, kind)) => {
            Err(Diagnostic::error(format!("section [{group}:{kind}] has unknown type: {kind}"))
                .at(span)
                .hint("it may be `hosts`, `children` or `vars`"))
        }
    }
}

fn without_comment(text: &str) -> &str {
    match text.find(" #") {
        Some(at) => text[..at].trim_end(),
        None => text,
    }
}

fn host_line(
    inventory: &mut Inventory,
    group: &str,
    text: &str,
    span: &Span,
) -> Result<(), Diagnostic> {
    let words = split(text).ok_or_else(|| Diagnostic::error("a quote is not closed").at(span))?;
    let Some((pattern, settings)) = words.split_first() else { return Ok(()) };
    let (pattern, port) = split_port(pattern);
    let mut vars = Vars::new();
    if let Some(port) = port {
        vars.insert("ansible_port".into(), Value::from(i64::from(port)));
    }
    for setting in settings {
        let Some((name, value)) = setting.split_once('=') else {
            return Err(Diagnostic::error(format!(
                "Expected key=value host variable assignment, got: {setting}"
            ))
            .at(span));
        };
        vars.insert(name.into(), literal::value(value, span));
    }
    for name in ranges::expand(pattern, span)? {
        let name = HostName::new(name);
        inventory.put(&name, group);
        inventory.hosts[&name].vars.extend(vars.clone());
    }
    Ok(())
}

/// Words as a shell splits them, and nothing behind a `#` that begins a word.
fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '#' if word.is_none() => break,
            quote @ ('\'' | '"') => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        end if end == quote => break,
                        '\\' if quote == '"' => match letters.next()? {
                            same @ ('"' | '\\') => word.push(same),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(letters.next()?),
            space if space.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

/// `host:port`, but neither an IPv6 address nor the colon of a range.
fn split_port(text: &str) -> (&str, Option<u16>) {
    if let Some((host, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once("]:"))
        && host.matches(':').count() > 1
        && let Ok(port) = port.parse()
    {
        return (host, Some(port));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.contains('[') && host.ends_with(']') => {
            match port.parse() {
                Ok(port) => (host, Some(port)),
                Err(_) => (text, None),
            }
        }
        _ => (text, None),
    }
}

fn assignment(text: &str, span: &Span) -> Result<(String, Value), Diagnostic> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(Diagnostic::error(format!("expected key=value, got: {text}"))
            .at(span)
            .hint("lines of a `:vars` section are `name = value`"));
    };
    let value = value.trim();
    let value = match value.find(" #") {
        Some(at) if !value.starts_with(['\'', '"']) => value[..at].trim_end(),
        _ => value,
    };
    Ok((name.trim().to_owned(), literal::value(value, span)))
}

/// Sets a variable of a group; `ansible_group_priority` is the group's own.
pub(super) fn set_group_var(inventory: &mut Inventory, group: &str, name: &str, value: Value) {
    let group = inventory.group(group);
    if name == "ansible_group_priority"
        && let Some(priority) = value.as_i64().or_else(|| value.as_str()?.parse().ok())
    {
        group.priority = priority;
        return;
    }
    group.vars.insert(name.into(), value);
}
