//! Variables in layers: what is set where, and which of it a task sees.

use std::sync::Arc;

use indexmap::IndexMap;
use jinja::{Value, Variables};

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

/// The layers that a task sees on a host, highest precedence first. Layers are shared between hosts and tasks.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    layers: Vec<Arc<Layer>>,
}

impl Scope {
    /// A scope; the first layer wins. Empty layers are left out.
    pub fn new(layers: impl IntoIterator<Item = Arc<Layer>>) -> Self {
        Self { layers: layers.into_iter().filter(|layer| !layer.vars.is_empty()).collect() }
    }

    /// The same scope with a layer above it.
    pub fn with(&self, layer: Arc<Layer>) -> Self {
        Self::new(std::iter::once(layer).chain(self.layers.iter().cloned()))
    }

    /// Every place that sets a variable, the one that wins first.
    pub fn explain<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Layer, &'a Value)> {
        self.layers.iter().filter_map(move |layer| Some((&**layer, layer.vars.get(name)?)))
    }
}

impl Variables for Scope {
    fn get(&self, name: &str) -> Option<Value> {
        self.layers.iter().find_map(|layer| layer.vars.get(name).cloned())
    }

    fn names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> =
            self.layers.iter().flat_map(|layer| layer.vars.keys().cloned()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
