//! Hosts and groups: what inventory sources say, merged in order, with the variable files that belong to them.
//!
//! Sources come through [`Source`](crate::Source) and [`Programs`]; nothing here opens a file or runs a program.

mod constructed;
mod generator;
mod ini;
mod literal;
mod options;
mod plugin_file;
mod precedence;
mod program;
mod ranges;
mod sources;
mod toml_form;
mod tree;
mod vars_files;
mod view;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use jinja::Value;
use model::HostName;
use yaml::Diagnostic;

pub use options::{GroupNames, InventoryOptions, Mismatch, Precedence};
pub use program::{Printed, Programs};
pub use sources::Sources;
pub use view::{Format, Listing};

use crate::pattern;
use crate::variables::extend;
use crate::{Layer, Vars};
use vars_files::VarsDirectory;

/// A host.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// Variables beside its name in the sources.
    vars: Vars,
    groups: IndexSet<Arc<str>>,
    /// The source that named it first.
    source: Option<Arc<Path>>,
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
    /// `ansible_group_priority`: among groups of one depth, the greater wins.
    priority: i64,
}

/// The hosts that patterns chose.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// In the order of the patterns; those of a group in the order of the inventory.
    pub hosts: Vec<HostName>,
    /// Patterns that matched nothing, for people.
    pub warnings: Vec<String>,
}

/// What a run has changed; done again when the sources are read again.
#[derive(Debug, Clone)]
enum Change {
    AddHost { name: HostName, groups: Vec<String>, vars: Vars },
    GroupHost { host: HostName, group: String, parents: Vec<String> },
}

/// All hosts and groups of a run.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// Shared with the copy that is kept while a source is tried.
    hosts: IndexMap<HostName, Arc<Host>>,
    groups: IndexMap<Arc<str>, Arc<Group>>,
    /// What it was read from, if it was read.
    sources: Option<Arc<Sources>>,
    changes: Vec<Change>,
    /// `localhost` and its addresses, for when no source names them.
    implicit: [Host; 3],
    /// The source that is being read.
    source: Option<Arc<Path>>,
    directory: Option<PathBuf>,
    vars_directories: Vec<VarsDirectory>,
    group_layers: HashMap<Arc<str>, Arc<Layer>>,
    depths: HashMap<Arc<str>, usize>,
    /// A name of a group was not that of a variable.
    has_odd_names: bool,
    /// Things that a person should know: sources that could not be read, doubtful names.
    pub warnings: Vec<String>,
    /// What inventory programs wrote to standard error.
    pub errors: Vec<String>,
    /// Things that a person who asks for details should know.
    pub notes: Vec<String>,
}

const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

impl Default for Inventory {
    fn default() -> Self {
        let implicit = LOCAL_NAMES.map(|name| Host {
            name: HostName::from(name),
            vars: Vars::from([
                (Arc::from("ansible_connection"), Value::trusted("local", None)),
                (
                    Arc::from("ansible_python_interpreter"),
                    Value::trusted("{{ ansible_playbook_python }}", None),
                ),
            ]),
            groups: IndexSet::new(),
            source: None,
        });
        let mut inventory = Self {
            hosts: IndexMap::new(),
            groups: IndexMap::new(),
            implicit,
            sources: None,
            changes: Vec::new(),
            source: None,
            directory: None,
            vars_directories: Vec::new(),
            group_layers: HashMap::new(),
            depths: HashMap::new(),
            has_odd_names: false,
            warnings: Vec::new(),
            errors: Vec::new(),
            notes: Vec::new(),
        };
        inventory.group("all");
        inventory.group("ungrouped");
        inventory.connect("all", "ungrouped");
        inventory
    }
}

impl Inventory {
    /// A host. `localhost`, `127.0.0.1` and `::1` exist in every inventory: where a source names one of them, that is
    /// it, else they are this machine.
    pub fn host(&self, name: &str) -> Option<&Host> {
        if let Some(host) = self.hosts.get(&HostName::from(name)) {
            return Some(host);
        }
        let implicit = self.implicit.iter().find(|host| host.name.as_str() == name)?;
        let named = LOCAL_NAMES.iter().find_map(|local| self.hosts.get(&HostName::from(*local)));
        Some(named.map_or(implicit, |host| host))
    }

    /// Whether no source names the host: it is this machine.
    pub fn is_implicit(&self, name: &HostName) -> bool {
        !self.hosts.contains_key(name) && LOCAL_NAMES.contains(&name.as_str())
    }

    /// All hosts that sources name, in their order.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values().map(|host| &**host)
    }

    /// All groups, `all` and `ungrouped` included.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values().map(|group| &**group)
    }

    /// A group.
    pub fn group_named(&self, name: &str) -> Option<&Group> {
        self.groups.get(name).map(|group| &**group)
    }

    /// The hosts of a group, then those of its children, then those of theirs.
    pub fn hosts_of(&self, group: &str) -> Vec<HostName> {
        let Some(root) = self.groups.get(group) else { return Vec::new() };
        let mut seen = IndexSet::from([&*root.name]);
        let mut next = 0;
        let mut members: IndexSet<&HostName> = IndexSet::new();
        while let Some(name) = seen.get_index(next).copied() {
            let group = &self.groups[name];
            members.extend(&group.hosts);
            seen.extend(group.children.iter().map(|child| &**child));
            next += 1;
        }
        members.into_iter().cloned().collect()
    }

    /// The directory of the last source: `inventory_dir`.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// The source that named a host first: `inventory_file`.
    pub fn source_of(&self, host: &HostName) -> Option<&Path> {
        self.hosts.get(host)?.source.as_deref()
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
        self.change(Change::AddHost { name: name.clone(), groups: groups.to_vec(), vars })
    }

    /// `group_by`: puts a host into a group, and that group into others.
    pub fn group_host(
        &mut self,
        host: &HostName,
        group: &str,
        parents: &[String],
    ) -> Result<(), Diagnostic> {
        let (host, group, parents) = (host.clone(), group.to_owned(), parents.to_vec());
        self.change(Change::GroupHost { host, group, parents })
    }

    /// Whether [`add_host`](Self::add_host) would change anything.
    pub fn lacks(&self, name: &HostName, groups: &[String], vars: &Vars) -> bool {
        let Some(host) = self.hosts.get(name) else { return true };
        let mut groups = groups.iter().filter(|group| !group.is_empty());
        groups.any(|group| !self.is_member(host, group))
            || vars.iter().any(|(name, value)| host.vars.get(name) != Some(value))
    }

    /// Whether [`group_host`](Self::group_host) would change anything.
    pub fn is_ungrouped(&self, host: &HostName, group: &str, parents: &[String]) -> bool {
        let is_child = |parent: &String| {
            let parent = self.groups.get(parent.as_str());
            parent.is_some_and(|parent| parent.children.contains(group))
        };
        self.hosts.get(host).is_none_or(|host| !self.is_member(host, group))
            || !parents.iter().filter(|parent| *parent != "all").all(is_child)
    }

    fn is_member(&self, host: &Host, group: &str) -> bool {
        let valid =
            options::valid_group_name(group).filter(|_| self.options().group_names.transform());
        host.groups.contains(valid.as_deref().unwrap_or(group))
    }

    fn change(&mut self, change: Change) -> Result<(), Diagnostic> {
        self.apply(change.clone())?;
        self.changes.push(change);
        Ok(())
    }

    fn apply(&mut self, change: Change) -> Result<(), Diagnostic> {
        let host = match change {
            Change::AddHost { name, groups, vars } => {
                check_name("host", name.as_str())?;
                self.put(&name, "all");
                let merges = self.options().merge_hashes;
                if let Some(host) = self.host_mut(&name) {
                    extend(&mut host.vars, vars, merges);
                }
                for group in groups.iter().filter(|group| !group.is_empty()) {
                    check_name("group", group)?;
                    let group = self.safe_name(group);
                    self.put(&name, &group);
                }
                name
            }
            // The sources may no longer name it.
            Change::GroupHost { host, .. } if self.host(host.as_str()).is_none() => return Ok(()),
            Change::GroupHost { host, group, parents } => {
                check_name("group", &group)?;
                let group = self.safe_name(&group);
                self.put(&host, &group);
                for parent in parents {
                    check_name("group", &parent)?;
                    let parent = self.safe_name(&parent);
                    if parent != group {
                        self.adopt(&parent, &group)?;
                    }
                }
                host
            }
        };
        self.settle_host(&host);
        self.settle_groups()
    }

    /// A name of a group as the settings want it.
    fn safe_name(&mut self, name: &str) -> String {
        let Some(valid) = options::valid_group_name(name) else { return name.to_owned() };
        let setting = self.options().group_names;
        if let Some(warning) = setting.warning().filter(|_| !self.has_odd_names) {
            self.warnings.push(format!("{warning}, use -vvvv to see details"));
        }
        self.has_odd_names = true;
        if setting.transform() {
            self.notes
                .push(format!("Replacing invalid character(s) in group name ({name}): {valid}"));
            valid
        } else {
            self.notes.push(format!("Not replacing invalid character(s) in group name ({name})"));
            name.to_owned()
        }
    }

    /// The settings, or the default for an inventory that was not read.
    pub(crate) fn options(&self) -> &InventoryOptions {
        static DEFAULT: std::sync::LazyLock<InventoryOptions> =
            std::sync::LazyLock::new(InventoryOptions::default);
        self.sources.as_ref().map_or(&*DEFAULT, |sources| &sources.options)
    }

    fn warn(&mut self, warning: &Diagnostic) {
        let text = warning.render(yaml::Style::Plain);
        self.warnings.push(text.strip_prefix("warning: ").unwrap_or(&text).to_owned());
    }

    fn host_mut(&mut self, name: &HostName) -> Option<&mut Host> {
        self.hosts.get_mut(name).map(Arc::make_mut)
    }

    fn group_mut(&mut self, name: &str) -> &mut Group {
        Arc::make_mut(&mut self.groups[name])
    }

    fn group(&mut self, name: &str) -> &mut Group {
        if !self.groups.contains_key(name) {
            let group = Group {
                name: name.into(),
                vars: Vars::new(),
                hosts: IndexSet::new(),
                children: IndexSet::new(),
                parents: IndexSet::new(),
                priority: 1,
            };
            self.groups.insert(name.into(), Arc::new(group));
        }
        self.group_mut(name)
    }

    fn ensure_host(&mut self, name: &HostName) -> &mut Host {
        let source = &self.source;
        Arc::make_mut(self.hosts.entry(name.clone()).or_insert_with(|| {
            Arc::new(Host {
                name: name.clone(),
                vars: Vars::new(),
                groups: IndexSet::new(),
                source: source.clone(),
            })
        }))
    }

    fn put(&mut self, host: &HostName, group: &str) {
        let group = self.group(group);
        group.hosts.insert(host.clone());
        let name = group.name.clone();
        self.ensure_host(host).groups.insert(name);
    }

    /// Puts hosts with a port and variables into a group. The port is for hosts that no source has named before.
    fn put_all(&mut self, group: &str, named: ini::Named, vars: &Vars) {
        let merges = self.options().merge_hashes;
        for name in named.hosts {
            let name = HostName::new(name);
            let port = named.port.filter(|_| !self.hosts.contains_key(&name));
            self.put(&name, group);
            let known = &mut self.ensure_host(&name).vars;
            known.extend(port.map(|port| ("ansible_port".into(), i64::from(port).into())));
            extend(known, vars.clone(), merges);
        }
    }

    /// Makes a group the child of another; refused when that closes a circle.
    fn adopt(&mut self, parent: &str, child: &str) -> Result<(), Diagnostic> {
        if parent == child {
            return Err(Diagnostic::error(format!("group `{child}` cannot be its own child")));
        }
        if self.group_ancestry([parent]).contains(child) {
            return Err(Diagnostic::error(format!(
                "adding group `{child}` as child to `{parent}` creates a recursive dependency loop"
            )));
        }
        self.connect(parent, child);
        Ok(())
    }

    fn connect(&mut self, parent: &str, child: &str) {
        let child_name = self.group(child).name.clone();
        let parent = self.group(parent);
        parent.children.insert(child_name);
        let parent_name = parent.name.clone();
        self.group_mut(child).parents.insert(parent_name);
    }

    /// Sets a variable of a group; `ansible_group_priority` is the group's own.
    fn set_group_var(&mut self, group: &str, name: &str, value: Value) -> Result<(), Diagnostic> {
        let merges = self.options().merge_hashes;
        let group = self.group(group);
        if name != "ansible_group_priority" {
            extend(&mut group.vars, [(Arc::from(name), value)], merges);
            return Ok(());
        }
        let number = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
        group.priority = number.ok_or_else(|| {
            Diagnostic::error(format!(
                "ansible_group_priority must be a whole number, not {}",
                value.repr()
            ))
        })?;
        Ok(())
    }

    /// Variables whose names no template can use are kept, as Ansible keeps them; a person should know.
    fn check_var_name(&mut self, name: &str, place: &yaml::Span) {
        if !crate::is_variable_name(name) {
            let warning =
                Diagnostic::warning(format!("inventory variable `{name}` has an invalid name"))
                    .at(place)
                    .hint(
                        "names have letters, digits and underscores, and do not begin with a digit",
                    );
            self.warn(&warning);
        }
    }

    /// Brings what is derived of all hosts and groups up to date.
    fn settle(&mut self) -> Result<(), Diagnostic> {
        for host in self.hosts.keys().cloned().collect::<Vec<_>>() {
            self.settle_host(&host);
            if self.groups.contains_key(host.as_str()) {
                self.warnings.push(format!("Found both group and host with same name: {host}"));
            }
        }
        self.settle_groups()
    }

    /// A host is in `ungrouped` exactly when it is in no other group but `all`.
    fn settle_host(&mut self, name: &HostName) {
        let Some(host) = self.hosts.get(name) else { return };
        let is_ungrouped = host.groups.contains("ungrouped");
        if host.groups.iter().all(|group| matches!(&**group, "all" | "ungrouped")) {
            if !is_ungrouped {
                self.put(name, "ungrouped");
            }
        } else if is_ungrouped {
            self.ensure_host(name).groups.shift_remove("ungrouped");
            self.group_mut("ungrouped").hosts.shift_remove(name);
        }
    }

    fn settle_groups(&mut self) -> Result<(), Diagnostic> {
        let orphans = self.groups.values().filter(|group| group.parents.is_empty());
        let orphans = orphans.map(|group| group.name.clone()).collect::<Vec<_>>();
        for orphan in orphans.iter().filter(|name| &***name != "all") {
            self.connect("all", orphan);
        }
        self.settle_depths();
        self.settle_layers();
        self.check_vars_files()
    }
}

/// Names become parts of messages and keys, never of paths; still, what nobody can have meant is refused.
fn check_name(what: &str, name: &str) -> Result<(), Diagnostic> {
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Diagnostic::error(format!("{name:?} is not a {what} name")));
    }
    Ok(())
}
