//! Hosts and groups: what inventory sources say, merged in order, with the variable files that belong to them.

mod ini;
mod literal;
mod ranges;
mod sources;
mod tree;
mod vars_files;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use jinja::Value;
use model::HostName;
use yaml::Diagnostic;

pub use sources::Programs;

use crate::pattern;
use crate::{Layer, Level, Vars};
use vars_files::VarsDirectory;

/// A host.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// Variables beside its name in the sources.
    vars: Vars,
    groups: IndexSet<Arc<str>>,
}

/// A group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name.
    pub name: Arc<str>,
    vars: Vars,
    hosts: IndexSet<HostName>,
    children: IndexSet<Arc<str>>,
    parents: IndexSet<Arc<str>>,
    priority: i64,
}

/// The hosts that patterns chose.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// In the order of the inventory.
    pub hosts: Vec<HostName>,
    /// Patterns that matched nothing, for people.
    pub warnings: Vec<String>,
}

/// All hosts and groups of a run.
#[derive(Debug, Clone)]
pub struct Inventory {
    hosts: IndexMap<HostName, Host>,
    groups: IndexMap<Arc<str>, Group>,
    /// `localhost`, when no source names it.
    implicit: Host,
    directory: Option<PathBuf>,
    vars_directories: Vec<VarsDirectory>,
    group_layers: HashMap<Arc<str>, Arc<Layer>>,
    depths: HashMap<Arc<str>, usize>,
    /// Things that a person should know: sources that could not be read, doubtful names.
    pub warnings: Vec<String>,
}

impl Default for Inventory {
    fn default() -> Self {
        let mut inventory = Self {
            hosts: IndexMap::new(),
            groups: IndexMap::new(),
            implicit: implicit_localhost(),
            directory: None,
            vars_directories: Vec::new(),
            group_layers: HashMap::new(),
            depths: HashMap::new(),
            warnings: Vec::new(),
        };
        inventory.group("all");
        inventory.group("ungrouped");
        inventory.adopt("all", "ungrouped");
        inventory
    }
}

fn implicit_localhost() -> Host {
    let vars = Vars::from([(Arc::from("ansible_connection"), Value::from("local"))]);
    Host { name: HostName::from("localhost"), vars, groups: IndexSet::new() }
}

impl Inventory {
    /// A host; `localhost`, `127.0.0.1` and `::1` exist in every inventory.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.get(&HostName::from(name)).or_else(|| is_local(name).then_some(&self.implicit))
    }

    /// All hosts that sources name, in their order.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values()
    }

    /// All groups, `all` and `ungrouped` included.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// The hosts of a group and its children, in the order of the inventory.
    pub fn hosts_of(&self, group: &str) -> Vec<HostName> {
        if group == "all" {
            return self.hosts.keys().cloned().collect();
        }
        let mut members = IndexSet::new();
        let mut waiting = vec![group];
        let mut seen = IndexSet::new();
        while let Some(name) = waiting.pop() {
            if let Some(group) = self.groups.get(name)
                && seen.insert(name)
            {
                members.extend(group.hosts.iter());
                waiting.extend(group.children.iter().map(|child| &**child));
            }
        }
        self.hosts.keys().filter(|host| members.contains(host)).cloned().collect()
    }

    /// The groups of a host, ancestors included and `all` left out, by name.
    pub fn group_names(&self, host: &HostName) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> =
            self.ancestry(host).into_iter().filter(|name| &**name != "all").collect();
        names.sort_unstable();
        names
    }

    /// The directory of the last source: `inventory_dir`.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// The variables of a host from inventory sources, group_vars and host_vars: highest precedence first.
    pub fn layers(&self, host: &HostName) -> Vec<Arc<Layer>> {
        let groups = self.by_precedence(host);
        let mut layers: Vec<Arc<Layer>> = Vec::new();
        let own =
            self.hosts.get(host).or_else(|| is_local(host.as_str()).then_some(&self.implicit));
        for directory in self.directories() {
            layers.extend(directory.host(host));
        }
        if let Some(own) = own.filter(|own| !own.vars.is_empty()) {
            layers.push(Arc::new(Layer::new(
                Level::InventoryHost,
                format!("inventory, host {host}"),
                own.vars.clone(),
            )));
        }
        let (all, others): (Vec<_>, Vec<_>) =
            groups.into_iter().rev().partition(|group| &**group == "all");
        for directory in self.directories() {
            layers.extend(others.iter().filter_map(|group| directory.group(group)));
        }
        for directory in self.directories() {
            layers.extend(all.iter().filter_map(|group| directory.group(group)));
        }
        layers.extend(
            others.iter().chain(&all).filter_map(|group| self.group_layers.get(group).cloned()),
        );
        layers
    }

    /// Variable directories, highest precedence first: those of playbooks before those of inventories, later before earlier.
    fn directories(&self) -> impl Iterator<Item = &VarsDirectory> {
        let of = |playbook: bool| {
            self.vars_directories.iter().rev().filter(move |one| one.playbook == playbook)
        };
        of(true).chain(of(false))
    }

    /// The groups of a host from `all` to the most specific: by depth, `ansible_group_priority`, name.
    fn by_precedence(&self, host: &HostName) -> Vec<Arc<str>> {
        let mut groups: Vec<Arc<str>> = self.ancestry(host).into_iter().collect();
        groups.sort_by_cached_key(|name| {
            let priority = self.groups.get(name).map_or(1, |group| group.priority);
            (self.depths.get(name).copied().unwrap_or(0), priority, name.clone())
        });
        groups
    }

    /// A host's groups with all their ancestors.
    fn ancestry(&self, host: &HostName) -> IndexSet<Arc<str>> {
        let mut found: IndexSet<Arc<str>> = IndexSet::new();
        let Some(own) = self.hosts.get(host) else {
            found.insert("all".into());
            return found;
        };
        let mut waiting: Vec<Arc<str>> = own.groups.iter().cloned().collect();
        while let Some(name) = waiting.pop() {
            if let Some(group) = self.groups.get(&name)
                && found.insert(name)
            {
                waiting.extend(group.parents.iter().cloned());
            }
        }
        found.insert("all".into());
        found
    }

    /// The hosts that patterns and `--limit` choose. A pattern that matches nothing is a warning, an empty choice is not an error.
    pub fn select(
        &self,
        patterns: &[String],
        limit: Option<&str>,
    ) -> Result<Selection, Diagnostic> {
        pattern::select(self, patterns, limit)
    }

    /// `add_host`.
    pub fn add_host(
        &mut self,
        name: &HostName,
        groups: &[String],
        vars: Vars,
    ) -> Result<(), Diagnostic> {
        check_name("host", name.as_str())?;
        self.ensure_host(name).vars.extend(vars);
        for group in groups.iter().filter(|group| !group.is_empty()) {
            self.put(name, group);
        }
        self.settle()
    }

    /// `group_by`: puts a host into a group, and that group into others.
    pub fn group_host(
        &mut self,
        host: &HostName,
        group: &str,
        parents: &[String],
    ) -> Result<(), Diagnostic> {
        check_name("group", group)?;
        self.ensure_host(host);
        self.put(host, group);
        for parent in parents.iter().filter(|parent| **parent != group) {
            self.adopt(parent, group);
        }
        self.settle()
    }

    fn group(&mut self, name: &str) -> &mut Group {
        self.groups.entry(name.into()).or_insert_with(|| Group {
            name: name.into(),
            vars: Vars::new(),
            hosts: IndexSet::new(),
            children: IndexSet::new(),
            parents: IndexSet::new(),
            priority: 1,
        })
    }

    fn ensure_host(&mut self, name: &HostName) -> &mut Host {
        self.hosts.entry(name.clone()).or_insert_with(|| Host {
            name: name.clone(),
            vars: Vars::new(),
            groups: IndexSet::new(),
        })
    }

    fn put(&mut self, host: &HostName, group: &str) {
        self.group(group).hosts.insert(host.clone());
        let name = self.groups[group].name.clone();
        self.ensure_host(host).groups.insert(name);
    }

    fn adopt(&mut self, parent: &str, child: &str) {
        self.group(child);
        self.group(parent);
        let (parent_name, child_name) =
            (self.groups[parent].name.clone(), self.groups[child].name.clone());
        self.groups[parent].children.insert(child_name);
        self.groups[child].parents.insert(parent_name);
    }

    /// Brings everything derived up to date: who is ungrouped, depths, layers. Group cycles are found here.
    fn settle(&mut self) -> Result<(), Diagnostic> {
        self.depths.clear();
        for name in self.groups.keys().cloned().collect::<Vec<_>>() {
            let depth = self.depth(&name, &mut Vec::new())?;
            self.depths.insert(name, depth);
        }
        let grouped =
            |host: &Host| host.groups.iter().any(|group| !matches!(&**group, "all" | "ungrouped"));
        let (bare, others): (Vec<HostName>, Vec<HostName>) = {
            let (bare, others): (Vec<&Host>, Vec<&Host>) =
                self.hosts.values().partition(|host| !grouped(host));
            (
                bare.iter().map(|host| host.name.clone()).collect(),
                others.iter().map(|host| host.name.clone()).collect(),
            )
        };
        for host in bare {
            self.put(&host, "ungrouped");
        }
        for host in others {
            self.hosts[&host].groups.shift_remove("ungrouped");
            self.groups["ungrouped"].hosts.shift_remove(&host);
        }
        self.group_layers = self
            .groups
            .values()
            .filter(|group| !group.vars.is_empty())
            .map(|group| {
                let level = if &*group.name == "all" {
                    Level::InventoryGroupAll
                } else {
                    Level::InventoryGroup
                };
                let source = format!("inventory, group {}", group.name);
                (group.name.clone(), Arc::new(Layer::new(level, source, group.vars.clone())))
            })
            .collect();
        Ok(())
    }

    fn depth(&self, name: &Arc<str>, path: &mut Vec<Arc<str>>) -> Result<usize, Diagnostic> {
        if let Some(depth) = self.depths.get(name) {
            return Ok(*depth);
        }
        path.push(name.clone());
        if let Some(start) = path[..path.len() - 1].iter().position(|other| other == name) {
            return Err(Diagnostic::error(format!(
                "groups contain each other: {}",
                path[start..].join(" -> ")
            )));
        }
        let mut deepest = 0;
        for parent in self.groups.get(name).into_iter().flat_map(|group| &group.parents) {
            deepest = deepest.max(1 + self.depth(parent, path)?);
        }
        path.pop();
        Ok(deepest)
    }
}

fn is_local(name: &str) -> bool {
    matches!(name, "localhost" | "127.0.0.1" | "::1")
}

/// Names become parts of messages and keys, never of paths; still, what nobody can have meant is refused.
fn check_name(what: &str, name: &str) -> Result<(), Diagnostic> {
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Diagnostic::error(format!("{name:?} is not a {what} name")));
    }
    Ok(())
}
