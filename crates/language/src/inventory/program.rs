//! Inventories that a program prints as JSON.

use std::path::Path;

use model::HostName;
use serde_json::Value as Json;
use yaml::Diagnostic;

use super::Inventory;
use crate::Vars;

/// Runs inventory programs: the language itself runs nothing.
pub trait Programs {
    /// Whether the file is a program.
    fn is_program(&self, path: &Path) -> bool;
    /// What `PATH --list` prints, or why there is nothing.
    fn list(&self, path: &Path) -> Result<String, String>;
    /// What `PATH --host NAME` prints.
    fn host(&self, path: &Path, host: &str) -> Result<String, String>;
}

type Fallible<T = ()> = Result<T, String>;

impl Inventory {
    pub(super) fn add_program(
        &mut self,
        programs: &dyn Programs,
        path: &Path,
    ) -> Result<(), Diagnostic> {
        self.read_program(programs, path)
            .map_err(|why| Diagnostic::error(format!("inventory program {} {why}", path.display())))
    }

    fn read_program(&mut self, programs: &dyn Programs, path: &Path) -> Fallible {
        let text = programs.list(path).map_err(|why| format!("failed: {why}"))?;
        let json = parse(&text)?;
        let Some(groups) = json.as_object() else {
            return Err(format!("printed {}, not a JSON object of groups", kind(&json)));
        };
        let before = self.hosts.len();
        let mut named: Vec<HostName> = Vec::new();
        for (name, body) in groups.iter().filter(|(name, _)| *name != "_meta") {
            self.read_group(name, body, &mut named)?;
        }
        named.extend(self.hosts.keys().skip(before).cloned());
        named.sort_unstable();
        named.dedup();
        let meta = json.pointer("/_meta/hostvars");
        let meta = meta.map(|meta| object(meta, "_meta.hostvars")).transpose()?;
        for host in named {
            let vars = if let Some(all) = meta {
                all.get(host.as_str()).cloned().unwrap_or_default()
            } else {
                let text = programs.host(path, host.as_str());
                let text = text.map_err(|why| format!("failed for host {host}: {why}"))?;
                if text.trim().is_empty() { Json::Null } else { parse(&text)? }
            };
            if !vars.is_null() {
                self.hosts[&host].vars.extend(vars_of(&vars, &format!("host {host}"))?);
            }
        }
        Ok(())
    }

    fn read_group(&mut self, name: &str, body: &Json, named: &mut Vec<HostName>) -> Fallible {
        self.group(name);
        let what = format!("group {name}");
        let hosts = match body {
            Json::Array(_) => names(Some(body), &what, "hosts")?,
            Json::Object(body)
                if !["hosts", "vars", "children"].iter().any(|key| body.contains_key(*key)) =>
            {
                vec![name.to_owned()]
            }
            _ => names(object(body, &what)?.get("hosts"), &what, "hosts")?,
        };
        let is_bare = body.is_object() && hosts == [name] && body.get("hosts").is_none();
        for host in hosts {
            let host = HostName::new(host);
            self.put(&host, name);
            named.push(host);
        }
        let vars = if is_bare { Some(body) } else { body.get("vars") };
        for (key, value) in vars.map(|vars| vars_of(vars, &what)).transpose()?.unwrap_or_default() {
            self.set_group_var(name, &key, value).map_err(|error| error.message().to_owned())?;
        }
        for child in names(body.get("children"), &what, "children")? {
            self.adopt(name, &child).map_err(|error| format!("is wrong: {}", error.message()))?;
        }
        Ok(())
    }
}

fn parse(text: &str) -> Fallible<Json> {
    serde_json::from_str(text).map_err(|error| format!("printed no JSON: {error}"))
}

fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

fn object<'j>(json: &'j Json, what: &str) -> Fallible<&'j serde_json::Map<String, Json>> {
    json.as_object().ok_or_else(|| format!("printed {} for {what}, not an object", kind(json)))
}

fn names(json: Option<&Json>, what: &str, key: &str) -> Fallible<Vec<String>> {
    let Some(json) = json else { return Ok(Vec::new()) };
    let list = json
        .as_array()
        .ok_or_else(|| format!("printed {} for `{key}` of {what}, not a list", kind(json)))?;
    list.iter()
        .map(|name| match name {
            Json::String(name) => Ok(name.clone()),
            Json::Number(name) => Ok(name.to_string()),
            other => Err(format!("printed {} in `{key}` of {what}, not a name", kind(other))),
        })
        .collect()
}

/// What a program printed is trusted as the file of an inventory is: the operator chose to run it.
fn vars_of(json: &Json, what: &str) -> Fallible<Vars> {
    let entries = object(json, &format!("the variables of {what}"))?;
    Ok(entries.iter().map(|(name, value)| (name.as_str().into(), trusted(value))).collect())
}

fn trusted(json: &Json) -> jinja::Value {
    match json {
        Json::String(text) => jinja::Value::trusted(text.as_str(), None),
        Json::Array(items) => jinja::Value::list(items.iter().map(trusted).collect()),
        Json::Object(entries) => jinja::Value::dict(
            entries.iter().map(|(name, value)| (name.as_str().into(), trusted(value))).collect(),
        ),
        other => jinja::Value::from_json(other.clone()),
    }
}
