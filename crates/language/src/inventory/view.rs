//! The inventory as people ask for it: as JSON, YAML or TOML, as a graph, and what one host sees.

mod toml_text;

use std::fmt::Write as _;
use std::sync::Arc;

use indexmap::IndexSet;
use jinja::{Marks, Value};
use model::HostName;
use serde_json::{Map, Value as Json, json};
use yaml::{Diagnostic, Emit, EmitOptions, Flow};

use super::{Group, Inventory};
use crate::{Level, Vars};

/// What of an inventory is to be shown.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Variables stand where they were set, not at the hosts.
    pub export: bool,
    /// Only these hosts.
    pub limit: Option<IndexSet<HostName>>,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Format {
    Json,
    Yaml,
    Toml,
}

/// Variables that Ansible sets itself: they are no part of an inventory.
const INTERNAL: [&str; 23] = [
    "ansible_collection_name",
    "ansible_config_file",
    "ansible_diff_mode",
    "ansible_facts",
    "ansible_forks",
    "ansible_inventory_sources",
    "ansible_limit",
    "ansible_play_hosts",
    "ansible_playbook_python",
    "ansible_run_tags",
    "ansible_skip_tags",
    "ansible_verbosity",
    "ansible_version",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "play_hosts",
    "playbook_dir",
    "role_name",
];

impl Inventory {
    /// `--list`: every group with its hosts and children, and the variables of every host.
    pub fn list(&self, listing: &Listing, format: Format) -> Result<String, Diagnostic> {
        match format {
            Format::Json => Ok(json_text(&self.to_json(listing))),
            Format::Yaml => {
                let mut seen = Seen::default();
                let all = self.tree("all", listing, &mut seen);
                let tree =
                    if all.is_empty() { Vec::new() } else { vec![(text("all"), Emit::Map(all))] };
                Ok(yaml_text(Emit::Map(tree)))
            }
            Format::Toml => toml_text::render(&self.tables(listing)),
        }
    }

    /// `--host`: the variables that a host has from the inventory.
    pub fn show_host(
        &self,
        host: &HostName,
        export: bool,
        format: Format,
    ) -> Result<String, Diagnostic> {
        let vars = self.vars_of_host(host, export);
        match format {
            Format::Json => Ok(json_text(&json_of(&vars))),
            Format::Yaml => Ok(yaml_text(emitted(&vars))),
            Format::Toml => toml_text::render(&vars),
        }
    }

    /// The parts of `--list` as JSON.
    pub fn to_json(&self, listing: &Listing) -> Json {
        let mut hostvars = Map::new();
        for host in self.hosts_of("all").iter().filter(|host| listing.shows(host)) {
            let vars = self.vars_of_host(host, listing.export);
            if !vars.is_empty() {
                hostvars.insert(host.to_string(), json_of(&vars));
            }
        }
        let mut groups = Map::new();
        groups.insert("_meta".into(), json!({"hostvars": hostvars, "profile": "inventory_legacy"}));
        for group in self.groups.values() {
            let mut body = Map::new();
            let hosts: Vec<&str> = hosts_to_show(group, listing).map(HostName::as_str).collect();
            if !hosts.is_empty() {
                body.insert("hosts".into(), hosts.into());
            }
            if !group.children.is_empty() {
                body.insert("children".into(), group.children.iter().map(|it| &**it).collect());
            }
            let vars = self.vars_of_group(&group.name);
            if listing.export && !vars.is_empty() {
                body.insert("vars".into(), json_of(&vars));
            }
            if !body.is_empty() {
                groups.insert(group.name.to_string(), Json::Object(body));
            }
        }
        Json::Object(groups)
    }

    /// A group as YAML nests it: what has been shown before is only named.
    fn tree(&self, name: &str, listing: &Listing, seen: &mut Seen) -> Vec<(Emit, Emit)> {
        let Some(group) = self.groups.get(name) else { return Vec::new() };
        let mut children = Vec::new();
        for child in &group.children {
            if seen.groups.insert(child.clone()) {
                let below = self.tree(child, listing, seen);
                if !below.is_empty() {
                    children.push((text(child), Emit::Map(below)));
                }
            } else {
                children.push((text(child), Emit::Map(Vec::new())));
            }
        }
        let mut hosts = Vec::new();
        for host in hosts_to_show(group, listing) {
            let vars = if seen.hosts.insert(host.clone()) {
                emitted(&self.vars_of_host(host, listing.export))
            } else {
                Emit::Map(Vec::new())
            };
            hosts.push((text(host.as_str()), vars));
        }
        let mut parts = Vec::new();
        for (name, part) in [("children", children), ("hosts", hosts)] {
            if !part.is_empty() {
                parts.push((text(name), Emit::Map(part)));
            }
        }
        let vars = self.vars_of_group(name);
        if listing.export && !vars.is_empty() {
            parts.push((text("vars"), emitted(&vars)));
        }
        parts
    }

    /// The groups as TOML has them, one beside the other.
    fn tables(&self, listing: &Listing) -> Vars {
        let mut seen = IndexSet::new();
        let mut tables = Vars::new();
        for group in self.groups.values() {
            let mut body = jinja::Map::new();
            let children: Vec<Value> = group
                .children
                .iter()
                .filter(|child| &***child != "ungrouped")
                .map(|child| (&**child).into())
                .collect();
            if !children.is_empty() && &*group.name != "all" {
                body.insert("children".into(), Value::list(children));
            }
            let mut hosts = jinja::Map::new();
            for host in hosts_to_show(group, listing) {
                let vars = if seen.insert(host.clone()) {
                    self.vars_of_host(host, listing.export)
                } else {
                    Vars::new()
                };
                hosts.insert(host.as_str().into(), dict(vars));
            }
            if !hosts.is_empty() {
                body.insert("hosts".into(), Value::dict(hosts));
            }
            let vars = self.vars_of_group(&group.name);
            if listing.export && !vars.is_empty() {
                body.insert("vars".into(), dict(vars));
            }
            if !body.is_empty() {
                tables.insert(group.name.clone(), Value::dict(body));
            }
        }
        tables
    }

    /// The variables of a host; with `export`, those that were set for it alone.
    fn vars_of_host(&self, host: &HostName, export: bool) -> Vars {
        let layers = self.layers(host);
        let wanted =
            layers.iter().rev().filter(|layer| !export || layer.level >= Level::InventoryHost);
        let mut vars = Vars::new();
        for layer in wanted {
            vars.extend(layer.vars.clone());
        }
        if !export {
            vars.extend(self.options().extra_vars.clone());
        }
        vars.retain(|name, _| !INTERNAL.contains(&&**name));
        vars
    }

    /// `--graph`: a group with its children and hosts, and with `vars` their variables; `None` if there is no such group.
    pub fn graph(&self, group: &str, vars: bool) -> Option<String> {
        self.groups.get(group)?;
        let mut out = format!("@{group}:\n");
        self.draw(group, vars, 1, &mut out);
        Some(out)
    }

    fn draw(&self, group: &str, vars: bool, depth: usize, out: &mut String) {
        let indent = |depth: usize| "  |".repeat(depth);
        let group = &self.groups[group];
        for child in &group.children {
            let _ = writeln!(out, "{}--@{child}:", indent(depth));
            self.draw(child, vars, depth + 1, out);
        }
        for host in group.hosts.iter().filter(|_| &*group.name != "all") {
            let _ = writeln!(out, "{}--{host}", indent(depth));
            if vars {
                write_vars(&self.vars_of_host(host, false), &indent(depth + 1), out);
            }
        }
        if vars {
            write_vars(&self.vars_of_group(&group.name), &indent(depth), out);
        }
    }

    /// What is set for a group itself, in sources and in files.
    fn vars_of_group(&self, name: &str) -> Vars {
        let group = &self.groups[name];
        let of_files = |playbook| self.file_layers(std::slice::from_ref(&group.name), playbook);
        let files = [false, true].map(|playbook| of_files(playbook).into_iter().rev());
        let mut vars = Vars::new();
        let own = self.group_layers.get(name).cloned();
        for layer in own.into_iter().chain(files.into_iter().flatten()) {
            vars.extend(layer.vars.clone());
        }
        if group.priority != 1 {
            vars.insert("ansible_group_priority".into(), group.priority.into());
        }
        vars
    }
}

/// The hosts that a group names itself. Those of `all` stand in `ungrouped`, or in their groups.
fn hosts_to_show<'a>(group: &'a Group, listing: &'a Listing) -> impl Iterator<Item = &'a HostName> {
    let is_all = &*group.name == "all";
    group.hosts.iter().filter(move |host| !is_all && listing.shows(host))
}

impl Listing {
    fn shows(&self, host: &HostName) -> bool {
        self.limit.as_ref().is_none_or(|limit| limit.contains(host))
    }
}

#[derive(Default)]
struct Seen {
    groups: IndexSet<Arc<str>>,
    hosts: IndexSet<HostName>,
}

fn write_vars(vars: &Vars, indent: &str, out: &mut String) {
    let mut vars: Vec<_> = vars.iter().collect();
    vars.sort_by_key(|(name, _)| *name);
    for (name, value) in vars {
        let _ = writeln!(out, "{indent}--{{{name} = {value}}}");
    }
}

fn text(text: &str) -> Emit {
    Emit::Str(text.into())
}

fn dict(vars: Vars) -> Value {
    let entries = vars.into_iter().map(|(name, value)| (name.into(), value));
    Value::dict(entries.collect::<jinja::Map>())
}

fn yaml_text(value: Emit) -> String {
    yaml::emit(&value, &EmitOptions { flow: Flow::Never, ..EmitOptions::default() })
}

fn emitted(vars: &Vars) -> Emit {
    Emit::Map(vars.iter().map(|(name, value)| (text(name), emit(value))).collect())
}

fn emit(value: &Value) -> Emit {
    if let Some(value) = value.as_bool() {
        return Emit::Bool(value);
    }
    if let Some(number) = value.as_i64() {
        return Emit::Int(number.into());
    }
    if let Some(items) = value.sequence() {
        return Emit::Seq(items.iter().map(emit).collect());
    }
    if let Some(dict) = value.as_dict() {
        let entries = dict.snapshot();
        return Emit::Map(entries.iter().map(|(key, value)| (emit(key), emit(value))).collect());
    }
    match (value.as_f64(), value.is_none()) {
        (Some(number), _) => Emit::Float(number),
        (None, true) => Emit::Null,
        (None, false) => Emit::Str(value.to_string().into()),
    }
}

/// Values as they were written: templates stay templates, and text that is data says so.
fn json_of(vars: &Vars) -> Json {
    Json::Object(vars.iter().map(|(name, value)| (name.to_string(), told(value))).collect())
}

fn told(value: &Value) -> Json {
    if let Some(sealed) = value.as_sealed() {
        return json!({ "__ansible_vault": **sealed });
    }
    if let Some(text) = value.as_str() {
        let is_trusted = value.marks().has(Marks::TRUSTED);
        return if is_trusted { text.into() } else { json!({ "__ansible_unsafe": text }) };
    }
    if let Some(items) = value.sequence() {
        return items.iter().map(told).collect();
    }
    match value.as_dict() {
        Some(dict) => {
            let entries = dict.snapshot();
            Json::Object(
                entries.iter().map(|(key, value)| (key.to_string(), told(value))).collect(),
            )
        }
        None => value.to_json().unwrap_or_else(|_| value.repr().into()),
    }
}

/// As Python's `json.dumps` indents it, sorted by key.
fn json_text(json: &Json) -> String {
    let mut json = json.clone();
    json.sort_all_objects();
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    serde::Serialize::serialize(&json, &mut serializer).expect("memory takes every byte");
    out.push(b'\n');
    String::from_utf8(out).expect("JSON is UTF-8")
}
