//! Inventories that a program prints as JSON.

use std::path::Path;

use jinja::Value;
use model::HostName;
use serde_json::{Map, Value as Json};
use yaml::{Diagnostic, NodeValue, StrStyle, Tag};

use super::{Inventory, Sources};
use crate::Vars;
use crate::variables::extend;

/// Runs inventory programs: the language itself runs nothing.
pub trait Programs: Send + Sync {
    /// Whether the file can be executed.
    fn is_program(&self, path: &Path) -> bool;
    /// Runs it with these arguments; the error says why that was not possible.
    fn run(&self, path: &Path, arguments: &[&str]) -> Result<Printed, String>;
}

/// What a program left behind.
#[derive(Debug, Clone, Default)]
pub struct Printed {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error.
    pub err: Vec<u8>,
}

/// A value of these names, not a group.
const META: &str = "_meta";

impl Inventory {
    pub(super) fn add_program(&mut self, sources: &Sources, path: &Path) -> Result<(), Diagnostic> {
        let mut program = Program { sources, path, said: String::new() };
        let told = |error: Diagnostic, said: &str| match said.trim() {
            "" => error,
            said => error.note(format!("standard error from inventory script:\n{said}")),
        };
        match program.read(self) {
            Ok(()) => {
                if sources.options.show_program_errors && !program.said.trim().is_empty() {
                    self.errors.push(program.said.trim_end().to_owned());
                }
                Ok(())
            }
            Err(error) => Err(told(error, &program.said)),
        }
    }
}

type Fallible<T = ()> = Result<T, Diagnostic>;

fn wrong<T>(message: impl Into<String>) -> Fallible<T> {
    Err(Diagnostic::error(message))
}

struct Program<'a> {
    sources: &'a Sources,
    path: &'a Path,
    /// What it has written to standard error.
    said: String,
}

impl Program<'_> {
    /// Runs the program; gives its output as text.
    fn run(&mut self, arguments: &[&str]) -> Fallible<String> {
        let printed = self.sources.programs.run(self.path, arguments).map_err(|why| {
            let words = arguments.join(" ");
            let path = self.path.display();
            Diagnostic::error(format!(
                "Failed to execute inventory script command '{path} {words}': {why}"
            ))
            .hint("is the interpreter in its first line installed?")
        })?;
        self.said.push_str(&String::from_utf8_lossy(&printed.err));
        match printed.code {
            Some(0) => {}
            Some(code) => {
                return wrong(format!("Inventory script returned non-zero exit code {code}."));
            }
            None => return wrong("Inventory script was ended by a signal."),
        }
        String::from_utf8(printed.out).or_else(|error| {
            let at = error.utf8_error().valid_up_to();
            wrong(format!(
                "Inventory script result contained characters that cannot be interpreted as UTF-8 (at byte {at})."
            ))
        })
    }

    fn read(&mut self, inventory: &mut Inventory) -> Fallible {
        let text = self.run(&["--list"])?;
        let json: Json = serde_json::from_str(&text).or_else(|error| {
            wrong(format!(
                "Unable to get JSON decoder for inventory script result: Value could not be parsed as JSON: {error}."
            ))
        })?;
        let Json::Object(mut groups) = json else {
            return wrong(format!(
                "Unable to get JSON decoder for inventory script result: Value is '{}' instead of 'dict'.",
                kind(&json)
            ));
        };
        let hostvars = hostvars_of(groups.shift_remove(META))?;
        let before = inventory.hosts.len();
        let mut named: Vec<HostName> = Vec::new();
        for (name, body) in &groups {
            read_group(inventory, name, body, &mut named)?;
        }
        named.extend(inventory.hosts.keys().skip(before).cloned());
        named.sort_unstable();
        named.dedup();
        for host in named {
            let vars = match &hostvars {
                Some(all) => all.get(host.as_str()).cloned().unwrap_or_default(),
                None => self.host(&host)?,
            };
            let vars = match vars {
                Json::Null => continue,
                Json::Object(vars) => vars_of(&vars)?,
                other => {
                    return wrong(format!(
                        "Invalid data from file, expected dictionary and got a {} for the variables of host {host}",
                        kind(&other)
                    ));
                }
            };
            let merges = inventory.options().merge_hashes;
            if let Some(host) = inventory.host_mut(&host) {
                extend(&mut host.vars, vars, merges);
            }
        }
        Ok(())
    }

    /// The variables of a host from a program that does not print them with the groups.
    fn host(&mut self, host: &HostName) -> Fallible<Json> {
        let text = self.run(&["--host", host.as_str()])?;
        if text.trim().is_empty() {
            return Ok(Json::Null);
        }
        serde_json::from_str(&text).or_else(|error| {
            wrong(format!(
                "Inventory script result for host '{host}' could not be parsed as JSON: {error}"
            ))
        })
    }
}

fn read_group(
    inventory: &mut Inventory,
    name: &str,
    body: &Json,
    named: &mut Vec<HostName>,
) -> Fallible {
    let group = inventory.safe_name(name);
    inventory.group(&group);
    let empty = Map::new();
    let (body, hosts) = match body {
        Json::Object(body) => (body, body.get("hosts")),
        other => (&empty, Some(other)),
    };
    let is_malformed = !body.is_empty()
        && !["hosts", "vars", "children"].iter().any(|key| body.contains_key(*key));
    if is_malformed {
        return malformed(inventory, name, body, named);
    }
    for host in names(hosts, name, "hosts")? {
        let host = HostName::new(host);
        inventory.put(&host, &group);
        named.push(host);
    }
    match body.get("vars") {
        None => {}
        Some(Json::Object(vars)) => {
            for (key, value) in vars_of(vars)? {
                inventory.set_group_var(&group, &key, value)?;
            }
        }
        Some(other) => return wrong(wrong_type(name, "vars", other, "dict")),
    }
    let children = match body.get("children") {
        Some(Json::String(child)) => vec![child.clone()],
        children => names(children, name, "children")?,
    };
    for child in children {
        let child = inventory.safe_name(&child);
        inventory.adopt(&group, &child)?;
    }
    Ok(())
}

/// A group without hosts, variables and children is a host of its own name with variables, which are data.
fn malformed(
    inventory: &mut Inventory,
    name: &str,
    body: &Map<String, Json>,
    named: &mut Vec<HostName>,
) -> Fallible {
    inventory.warnings.push(format!(
        "Treating malformed group '{name}' as the sole host of that group. Variables provided in this manner cannot \
         be templated."
    ));
    let group = inventory.safe_name(name);
    let host = HostName::new(name);
    inventory.put(&host, &group);
    named.push(host);
    for (key, value) in vars_of(body)? {
        inventory.set_group_var(&group, &key, value.untrusted())?;
    }
    Ok(())
}

/// `_meta.hostvars`; none when there is no `_meta`.
fn hostvars_of(meta: Option<Json>) -> Fallible<Option<Map<String, Json>>> {
    let meta = match meta {
        None => return Ok(None),
        Some(Json::Object(meta)) => meta,
        Some(other) => {
            return wrong(format!(
                "Unable to get JSON decoder for inventory script result: Value contains '_meta' which is '{}' \
                 instead of 'dict'.",
                kind(&other)
            ));
        }
    };
    match meta.get("profile") {
        None => {}
        Some(Json::String(profile)) if profile == "inventory_legacy" => {}
        Some(Json::String(profile)) if profile.starts_with("inventory_") => {
            return wrong(format!(
                "Unable to get JSON decoder for inventory script result: Unknown profile name '{profile}'."
            ));
        }
        Some(Json::String(profile)) => {
            return wrong(format!("Non-inventory profile '{profile}' is not allowed."));
        }
        Some(other) => {
            return wrong(format!(
                "Unable to get JSON decoder for inventory script result: Value contains '_meta.profile' which is \
                 '{}' instead of 'str'.",
                kind(other)
            ));
        }
    }
    match meta.get("hostvars") {
        Some(Json::Object(all)) => Ok(Some(all.clone())),
        other => wrong(wrong_type(META, "hostvars", other.unwrap_or(&Json::Null), "dict")),
    }
}

fn wrong_type(group: &str, key: &str, found: &Json, expected: &str) -> String {
    let found = kind(found);
    format!("Value contains '{group}.{key}' which is '{found}' instead of '{expected}'.")
}

/// Python's names for what JSON becomes.
fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "NoneType",
        Json::Bool(_) => "bool",
        Json::Number(number) if number.is_f64() => "float",
        Json::Number(_) => "int",
        Json::String(_) => "str",
        Json::Array(_) => "list",
        Json::Object(_) => "dict",
    }
}

fn names(json: Option<&Json>, group: &str, key: &str) -> Fallible<Vec<String>> {
    let Some(json) = json else { return Ok(Vec::new()) };
    let Some(list) = json.as_array() else { return wrong(wrong_type(group, key, json, "list")) };
    list.iter()
        .map(|name| match name {
            Json::String(name) if !name.is_empty() => Ok(name.clone()),
            other => wrong(format!(
                "Invalid name supplied in `{key}` of group {group}, expected a string but got a {} for {other}",
                kind(other)
            )),
        })
        .collect()
}

/// What a program printed is trusted as the file of an inventory is: the operator chose to run it. It may say itself
/// that a text is data, or encrypted.
fn vars_of(entries: &Map<String, Json>) -> Fallible<Vars> {
    entries.iter().map(|(name, value)| Ok((name.as_str().into(), trusted(value)?))).collect()
}

fn trusted(json: &Json) -> Fallible<Value> {
    Ok(match json {
        Json::String(text) => Value::trusted(text.as_str(), None),
        Json::Array(items) => {
            Value::list(items.iter().map(trusted).collect::<Result<Vec<_>, _>>()?)
        }
        Json::Object(entries) => {
            if let Some(value) = tagged(entries)? {
                return Ok(value);
            }
            let entry = |(name, value): (&String, &Json)| {
                Ok::<_, Diagnostic>((name.as_str().into(), trusted(value)?))
            };
            Value::dict(entries.iter().map(entry).collect::<Result<_, _>>()?)
        }
        other => Value::from_json(other.clone()),
    })
}

/// `{"__ansible_unsafe": "text"}` and `{"__ansible_vault": "text"}`.
fn tagged(entries: &Map<String, Json>) -> Fallible<Option<Value>> {
    if entries.len() != 1 {
        return Ok(None);
    }
    let text = |key: &str| {
        entries.get(key).map(|value| {
            value.as_str().map(ToOwned::to_owned).ok_or_else(|| {
                Diagnostic::error(format!(
                    "Inventory script result could not be parsed as JSON: `{key}` must be a text, not '{}'",
                    kind(value)
                ))
            })
        })
    };
    if let Some(text) = text("__ansible_unsafe") {
        return Ok(Some(Value::from(text?)));
    }
    match text("__ansible_vault") {
        None => Ok(None),
        Some(text) => {
            let file = yaml::SourceFile::new("inventory script output", text?);
            let node = yaml::Node {
                value: NodeValue::Str { text: file.text.as_ref().into(), style: StrStyle::Block },
                span: file.span(0, file.text.len()),
                tag: Some(Tag::Vault),
            };
            crate::value_from_node(&node).map(Some)
        }
    }
}
