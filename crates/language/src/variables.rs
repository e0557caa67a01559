//! Variables in layers: what is set where, and which of it a task sees.

use std::sync::Arc;

use indexmap::IndexMap;
use jinja::{Value, Variables};

use crate::Vars;

/// The levels of precedence, lowest first, with Ansible's numbers and meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are those of Ansible's list of variable precedence")]
pub enum Level {
    RoleDefaults,
    InventoryGroupAll,
    InventoryGroup,
    InventoryGroupVarsAll,
    PlaybookGroupVarsAll,
    InventoryGroupVars,
    PlaybookGroupVars,
    InventoryHost,
    InventoryHostVars,
    PlaybookHostVars,
    Facts,
    PlayVars,
    VarsPrompt,
    VarsFiles,
    RoleVars,
    BlockVars,
    TaskVars,
    IncludeVars,
    SetFacts,
    RoleParams,
    IncludeParams,
    ExtraVars,
    /// Set by Muster: `inventory_hostname`, `hostvars`, `groups`... and the variables of a loop.
    Magic,
}

impl Level {
    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::RoleDefaults => "role defaults",
            Self::InventoryGroupAll => "inventory, group all",
            Self::InventoryGroup => "inventory, group",
            Self::InventoryGroupVarsAll => "group_vars/all beside the inventory",
            Self::PlaybookGroupVarsAll => "group_vars/all beside the playbook",
            Self::InventoryGroupVars => "group_vars beside the inventory",
            Self::PlaybookGroupVars => "group_vars beside the playbook",
            Self::InventoryHost => "inventory, host",
            Self::InventoryHostVars => "host_vars beside the inventory",
            Self::PlaybookHostVars => "host_vars beside the playbook",
            Self::Facts => "facts of the host",
            Self::PlayVars => "vars of the play",
            Self::VarsPrompt => "vars_prompt",
            Self::VarsFiles => "vars_files",
            Self::RoleVars => "role vars",
            Self::BlockVars => "vars of a block",
            Self::TaskVars => "vars of the task",
            Self::IncludeVars => "include_vars",
            Self::SetFacts => "set_fact or register",
            Self::RoleParams => "parameters of a role",
            Self::IncludeParams => "parameters of an include or role",
            Self::ExtraVars => "extra vars",
            Self::Magic => "Muster itself",
        }
    }
}

/// Variables of one level and source.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The level.
    pub level: Level,
    /// Where they come from, for people: a file, `play vars`, `role nginx defaults`...
    pub source: Arc<str>,
    /// Raw values by name.
    pub vars: IndexMap<Arc<str>, Value>,
}

impl Layer {
    /// A layer.
    pub fn new(level: Level, source: impl Into<Arc<str>>, vars: IndexMap<Arc<str>, Value>) -> Self {
        Self { level, source: source.into(), vars }
    }
}

/// Dictionaries merged to the bottom; anything else is replaced by what is above.
pub fn merged(below: &Value, above: &Value) -> Value {
    let (Some(low), Some(high)) = (below.as_dict(), above.as_dict()) else { return above.clone() };
    let mut both = low.snapshot();
    for (key, value) in high.snapshot() {
        let value = both.get(&key).map_or(value.clone(), |known| merged(known, &value));
        both.insert(key, value);
    }
    Value::dict(both).marked(below.marks() | above.marks()).with_origin(above.origin().cloned())
}

/// Adds variables to others; `merges`: dictionaries of one name are merged.
pub(crate) fn extend(
    vars: &mut Vars,
    new: impl IntoIterator<Item = (Arc<str>, Value)>,
    merges: bool,
) {
    for (name, value) in new {
        let value = match vars.get(&name).filter(|_| merges) {
            Some(known) => merged(known, &value),
            None => value,
        };
        vars.insert(name, value);
    }
}

/// The layers that a task sees on a host, highest precedence first. Layers are shared between hosts and tasks.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    layers: Vec<Arc<Layer>>,
    /// Dictionaries of one name are merged over all layers (`hash_behaviour = merge`).
    merges: bool,
}

impl Scope {
    /// A scope; the first layer wins. Empty layers are left out.
    pub fn new(layers: impl IntoIterator<Item = Arc<Layer>>) -> Self {
        let layers = layers.into_iter().filter(|layer| !layer.vars.is_empty()).collect();
        Self { layers, merges: false }
    }

    /// The same scope; `merges` says whether dictionaries of one name are merged over all layers.
    pub fn merging(self, merges: bool) -> Self {
        Self { merges, ..self }
    }

    /// The same scope with a layer above it.
    pub fn with(&self, layer: Arc<Layer>) -> Self {
        Self::new(std::iter::once(layer).chain(self.layers.iter().cloned())).merging(self.merges)
    }

    /// Every place that sets a variable, the one that wins first.
    pub fn explain<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Layer, &'a Value)> {
        self.layers.iter().filter_map(move |layer| Some((&**layer, layer.vars.get(name)?)))
    }
}

impl Variables for Scope {
    fn get(&self, name: &str) -> Option<Value> {
        let mut values = self.layers.iter().filter_map(|layer| layer.vars.get(name));
        let first = values.next()?;
        if !self.merges || first.as_dict().is_none() {
            return Some(first.clone());
        }
        // What lies below something that is no dictionary was replaced by it.
        let dicts = values.take_while(|value| value.as_dict().is_some());
        Some(dicts.fold(first.clone(), |above, below| merged(below, &above)))
    }

    fn names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> =
            self.layers.iter().flat_map(|layer| layer.vars.keys().cloned()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
