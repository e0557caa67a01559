//! The inventory as people ask for it: as JSON, as a graph, and what one host sees.

use std::fmt::Write as _;

use jinja::{Marks, Value};
use model::HostName;
use serde_json::{Map, Value as Json, json};

use super::Inventory;
use crate::{Level, Vars};

impl Inventory {
    /// `--list`: every group with its hosts and children, and the variables of every host. With `export`, variables stand
    /// where they were set instead of at the hosts.
    pub fn to_json(&self, export: bool) -> Json {
        let mut hostvars = Map::new();
        for host in self.hosts_of("all") {
            let vars = self.merged(&host, |level| !export || level >= Level::InventoryHost);
            if !vars.is_empty() {
                hostvars.insert(host.to_string(), json_of(&vars));
            }
        }
        let mut groups = Map::new();
        groups.insert("_meta".into(), json!({"hostvars": hostvars, "profile": "inventory_legacy"}));
        for group in self.groups.values() {
            let mut body = Map::new();
            if !group.hosts.is_empty() && &*group.name != "all" {
                body.insert("hosts".into(), group.hosts.iter().map(HostName::as_str).collect());
            }
            if !group.children.is_empty() {
                body.insert("children".into(), group.children.iter().map(|it| &**it).collect());
            }
            let vars = self.vars_of_group(&group.name);
            if export && !vars.is_empty() {
                body.insert("vars".into(), json_of(&vars));
            }
            if !body.is_empty() {
                groups.insert(group.name.to_string(), Json::Object(body));
            }
        }
        Json::Object(groups)
    }

    /// `--host`: the variables that a host has from the inventory.
    pub fn host_vars(&self, host: &HostName) -> Json {
        json_of(&self.merged(host, |_| true))
    }

    /// The variables of a host from the levels that are wanted.
    fn merged(&self, host: &HostName, is_wanted: impl Fn(Level) -> bool) -> Vars {
        let mut vars = Vars::new();
        for layer in self.layers(host).iter().rev().filter(|layer| is_wanted(layer.level)) {
            vars.extend(layer.vars.clone());
        }
        vars.shift_remove("inventory_file");
        vars.shift_remove("inventory_dir");
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
                write_vars(&self.merged(host, |_| true), &indent(depth + 1), out);
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
        for layer in
            self.group_layers.get(name).cloned().into_iter().chain(files.into_iter().flatten())
        {
            vars.extend(layer.vars.clone());
        }
        if group.priority != 1 {
            vars.insert("ansible_group_priority".into(), group.priority.into());
        }
        vars
    }
}

fn write_vars(vars: &Vars, indent: &str, out: &mut String) {
    let mut vars: Vec<_> = vars.iter().collect();
    vars.sort_by_key(|(name, _)| *name);
    for (name, value) in vars {
        let _ = writeln!(out, "{indent}--{{{name} = {value}}}");
    }
}

/// Values as they were written: templates stay templates, and text that is data says so.
fn json_of(vars: &Vars) -> Json {
    Json::Object(vars.iter().map(|(name, value)| (name.to_string(), told(value))).collect())
}

fn told(value: &Value) -> Json {
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
