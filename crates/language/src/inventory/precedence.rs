//! Which variables of the inventory a host sees, and which of them win.
//!
//! From the lowest: variables of `all` in inventory files; of other groups there; `group_vars/all` beside inventories, then
//! beside playbooks; other `group_vars` beside inventories, then beside playbooks; variables of the host in inventory
//! files; `host_vars` beside inventories, then beside playbooks. Among groups: by depth, `ansible_group_priority`, name.

use std::sync::Arc;

use indexmap::IndexSet;
use model::HostName;

use super::{Group, Inventory, Precedence};
use crate::{Layer, Level};

impl Inventory {
    /// The variables of a host from inventory sources, `group_vars` and `host_vars`: highest precedence first.
    pub fn layers(&self, host: &HostName) -> Vec<Arc<Layer>> {
        let known = self.host(host.as_str());
        let name = known.map_or(host, |known| &known.name);
        let mut layers: Vec<Arc<Layer>> = Vec::new();
        for playbook in [true, false] {
            layers.extend(self.directories(playbook).filter_map(|one| one.host(name)));
        }
        if let Some(host) = known.filter(|host| !host.vars.is_empty() || host.source.is_some()) {
            let mut vars = host.vars.clone();
            if let Some(source) = &host.source {
                let directory = source.parent().unwrap_or(source);
                vars.insert("inventory_file".into(), (&*source.to_string_lossy()).into());
                vars.insert("inventory_dir".into(), (&*directory.to_string_lossy()).into());
            }
            let source = format!("inventory, host {name}");
            layers.push(Arc::new(Layer::new(Level::InventoryHost, source, vars)));
        }
        let others = self.by_precedence(name);
        for step in self.options().precedence.iter().rev() {
            match step {
                Precedence::GroupsPluginsPlay => layers.extend(self.file_layers(&others, true)),
                Precedence::GroupsPluginsInventory => {
                    layers.extend(self.file_layers(&others, false));
                }
                Precedence::AllPluginsPlay => {
                    layers.extend(self.file_layers(&["all".into()], true));
                }
                Precedence::AllPluginsInventory => {
                    layers.extend(self.file_layers(&["all".into()], false));
                }
                Precedence::GroupsInventory => {
                    layers.extend(
                        others.iter().filter_map(|name| self.group_layers.get(name).cloned()),
                    );
                }
                Precedence::AllInventory => layers.extend(self.group_layers.get("all").cloned()),
            }
        }
        layers
    }

    /// What expressions of `constructed` see of a host: no group is settled yet, so that `all` counts only for hosts
    /// that were put there. Highest precedence first.
    pub(super) fn layers_under_construction(
        &self,
        name: &HostName,
        vars_plugins: bool,
    ) -> Vec<Arc<Layer>> {
        let Some(host) = self.hosts.get(name) else { return Vec::new() };
        let mut groups = self.by_precedence(name);
        let short = name.as_str().split('.').next().unwrap_or_default();
        let mut own = host.vars.clone();
        own.insert("inventory_hostname".into(), name.as_str().into());
        own.insert("inventory_hostname_short".into(), short.into());
        own.insert(
            "group_names".into(),
            jinja::Value::list(
                self.group_names(name).iter().map(|group| (&**group).into()).collect(),
            ),
        );
        if self.group_ancestry(host.groups.iter().map(|group| &**group)).contains("all") {
            groups.push("all".into());
        }
        let mut layers = Vec::new();
        if vars_plugins {
            layers.extend(self.directories(false).filter_map(|one| one.host(name)));
            layers.extend(self.file_layers(&groups, false));
        }
        layers.push(Arc::new(Layer::new(Level::InventoryHost, format!("host {name}"), own)));
        layers.extend(groups.iter().filter_map(|group| self.group_layers.get(group).cloned()));
        layers
    }

    /// What directories say of groups: the more specific group wins, whatever the directory.
    pub(super) fn file_layers(&self, groups: &[Arc<str>], playbook: bool) -> Vec<Arc<Layer>> {
        let of = |group| self.directories(playbook).filter_map(move |one| one.group(group));
        groups.iter().flat_map(|group| of(group)).collect()
    }

    /// The groups of a host, ancestors included and `all` left out, by name.
    pub fn group_names(&self, host: &HostName) -> Vec<Arc<str>> {
        let mut names = self.by_precedence(host);
        names.sort_unstable();
        names
    }

    /// The groups of a host without `all`, the most specific first.
    fn by_precedence(&self, host: &HostName) -> Vec<Arc<str>> {
        let Some(host) = self.hosts.get(host) else { return Vec::new() };
        let own = host.groups.iter().map(|group| &**group);
        let mut groups: Vec<&Group> = self
            .group_ancestry(own)
            .into_iter()
            .filter(|name| *name != "all")
            .filter_map(|name| self.group_named(name))
            .collect();
        groups.sort_by_key(|group| {
            let depth = self.depths.get(&group.name).copied().unwrap_or(0);
            std::cmp::Reverse((depth, group.priority, &*group.name))
        });
        groups.into_iter().map(|group| group.name.clone()).collect()
    }

    /// Groups with all their ancestors.
    pub(super) fn group_ancestry<'a>(
        &'a self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> IndexSet<&'a str> {
        let mut found: IndexSet<&str> = names.into_iter().collect();
        let mut next = 0;
        while let Some(name) = found.get_index(next).copied() {
            if let Some(group) = self.groups.get(name) {
                found.extend(group.parents.iter().map(|parent| &**parent));
            }
            next += 1;
        }
        found
    }

    /// The longest way down from `all` to each group.
    pub(super) fn settle_depths(&mut self) {
        self.depths.clear();
        let mut waiting: std::collections::HashMap<&str, usize> =
            self.groups.values().map(|group| (&*group.name, group.parents.len())).collect();
        let mut ready: Vec<&Arc<Group>> =
            self.groups.values().filter(|group| group.parents.is_empty()).collect();
        while let Some(group) = ready.pop() {
            let below = *self.depths.entry(group.name.clone()).or_default() + 1;
            for child in &group.children {
                let depth = self.depths.entry(child.clone()).or_default();
                *depth = below.max(*depth);
                if let Some(left) = waiting.get_mut(&**child) {
                    *left -= 1;
                    ready.extend((*left == 0).then(|| &self.groups[child]));
                }
            }
        }
    }

    pub(super) fn settle_layers(&mut self) {
        let with_vars = self.groups.values().filter(|group| !group.vars.is_empty());
        self.group_layers = with_vars
            .map(|group| {
                let level = match &*group.name {
                    "all" => Level::InventoryGroupAll,
                    _ => Level::InventoryGroup,
                };
                let source = format!("inventory, group {}", group.name);
                (group.name.clone(), Arc::new(Layer::new(level, source, group.vars.clone())))
            })
            .collect();
    }
}
