//! What a run knows of its hosts: facts, registered results, notifications. Only the director writes it.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use indexmap::IndexMap;
use jinja::{Map, Value};
use language::{Inventory, Layer, Level};
use model::{Args, HostName};

/// How a host stands in the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It takes part.
    Alive,
    /// A task failed and nobody rescued it.
    Failed,
    /// It did not answer.
    Unreachable,
}

/// What the run knows of one host.
#[derive(Debug)]
pub(crate) struct HostState {
    pub(crate) name: HostName,
    pub(crate) fate: Fate,
    /// No source of the inventory names it: it is this machine.
    pub(crate) is_implicit: bool,
    /// `inventory_hostname`, `group_names`, `ansible_facts`...
    pub(crate) magic: Arc<Layer>,
    /// Variables from the inventory, group_vars and host_vars, highest precedence first.
    pub(crate) inventory: Vec<Arc<Layer>>,
    /// `ansible_facts`.
    pub(crate) facts: Map,
    /// The facts under their `ansible_` names.
    pub(crate) fact_vars: Arc<Layer>,
    /// `include_vars`.
    pub(crate) included: Arc<Layer>,
    /// `register` and `set_fact`.
    pub(crate) set: Arc<Layer>,
    /// Handlers that will run at the next flush, by their number in the play.
    pub(crate) notified: BTreeSet<usize>,
    /// Facts were gathered in this run.
    pub(crate) gathered: bool,
}

impl HostState {
    pub(crate) fn new(name: HostName, inventory: Vec<Arc<Layer>>) -> Self {
        let empty = |level, what: &str| Arc::new(Layer::new(level, what, IndexMap::new()));
        Self {
            name,
            fate: Fate::Alive,
            is_implicit: false,
            magic: empty(Level::Magic, "host"),
            inventory,
            facts: Map::new(),
            fact_vars: empty(Level::Facts, "facts"),
            included: empty(Level::IncludeVars, "include_vars"),
            set: empty(Level::SetFacts, "set_fact and register"),
            notified: BTreeSet::new(),
            gathered: false,
        }
    }

    /// Adds facts: what a module returned as `ansible_facts`. Facts are data. `as_named`: they are variables under the
    /// names that the module gave them, too. `injected`: they are variables with the prefix `ansible_`.
    pub(crate) fn learn(&mut self, facts: &Args, as_named: bool, injected: bool) {
        let layer = Arc::make_mut(&mut self.fact_vars);
        for (name, value) in facts {
            let value = Value::from_json(value.clone());
            let short = name.strip_prefix("ansible_").unwrap_or(name);
            self.facts.insert(short.into(), value.clone());
            if !injected && !as_named {
                continue;
            }
            let long =
                if name.starts_with("ansible_") { name.clone() } else { format!("ansible_{name}") };
            let variable = if as_named { name.clone() } else { long };
            layer.vars.insert(variable.into(), value);
        }
        self.show_facts();
    }

    fn show_facts(&mut self) {
        let facts = Value::dict(self.facts.clone());
        Arc::make_mut(&mut self.magic).vars.insert("ansible_facts".into(), facts);
    }

    /// Sets what the host is called and where it belongs.
    pub(crate) fn identify(&mut self, inventory: &Inventory) {
        let groups = inventory.group_names(&self.name);
        self.is_implicit = inventory.is_implicit(&self.name);
        let name = self.name.as_str();
        let short = name.split('.').next().unwrap_or(name);
        let layer = Arc::make_mut(&mut self.magic);
        let mut set = |name: &str, value: Value| layer.vars.insert(name.into(), value);
        set("inventory_hostname", Value::from(name));
        set("inventory_hostname_short", Value::from(short));
        set("group_names", Value::list(groups.iter().map(|group| Value::from(&**group)).collect()));
        set("ansible_facts", Value::dict(self.facts.clone()));
    }

    /// Sets variables that last for the run.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        Arc::make_mut(&mut self.set).vars.insert(name.into(), value);
    }

    /// Variables read by `include_vars`.
    pub(crate) fn include(&mut self, name: &str, value: Value, merges: bool) {
        let vars = &mut Arc::make_mut(&mut self.included).vars;
        let value = match vars.get(name).filter(|_| merges) {
            Some(known) => language::merged(known, &value),
            None => value,
        };
        vars.insert(name.into(), value);
    }

    /// `meta: clear_facts`.
    pub(crate) fn forget_facts(&mut self) {
        self.facts.clear();
        Arc::make_mut(&mut self.fact_vars).vars.clear();
        self.show_facts();
        self.gathered = false;
    }
}

/// All hosts of a run, in the order of the inventory; `add_host` adds more.
#[derive(Debug, Default)]
pub(crate) struct Hosts(RwLock<IndexMap<HostName, Arc<RwLock<HostState>>>>);

impl Hosts {
    /// The state of a host, if the run knows it.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<RwLock<HostState>>> {
        read(&self.0).get(&HostName::from(name)).cloned()
    }

    pub(crate) fn insert(&self, state: HostState) {
        write(&self.0).insert(state.name.clone(), Arc::new(RwLock::new(state)));
    }

    pub(crate) fn names(&self) -> Vec<HostName> {
        read(&self.0).keys().cloned().collect()
    }

    /// Reads a host's state; the host must be known.
    pub(crate) fn with<T>(&self, host: &HostName, look: impl FnOnce(&HostState) -> T) -> T {
        let cell =
            self.get(host.as_str()).expect("the director made a state for every host of the play");
        let state = read(&cell);
        look(&state)
    }

    /// Changes a host's state; the host must be known. For the director only.
    pub(crate) fn change<T>(&self, host: &HostName, change: impl FnOnce(&mut HostState) -> T) -> T {
        let cell =
            self.get(host.as_str()).expect("the director made a state for every host of the play");
        let mut state = write(&cell);
        change(&mut state)
    }
}

/// A lock that survives a panic of another holder: the state is replaced whole, never left half-written.
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// See [`read`].
pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
