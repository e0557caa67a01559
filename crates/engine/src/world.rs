//! What a whole run shares: inventory, hosts, links, options, and the tables of the template engine.

use std::sync::{Arc, RwLock};

use indexmap::IndexMap;
use jinja::{Environment, Value};
use language::{Inventory, Layer, Level, Loader};
use model::HostName;
use yaml::Diagnostic;

use crate::events::Events;
use crate::link::{BlobStore, Links};
use crate::options::Options;
use crate::state::{Fate, HostState, Hosts, read, write};
use crate::stats::CustomStats;

/// What a whole run shares.
pub(crate) struct World {
    pub(crate) environment: Environment,
    pub(crate) options: Options,
    pub(crate) inventory: RwLock<Inventory>,
    pub(crate) hosts: Hosts,
    pub(crate) extra: Arc<Layer>,
    pub(crate) links: Arc<dyn Links>,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) loader: Arc<Loader>,
    /// Modules in Python, as hosts get them.
    pub(crate) packages: crate::python::Packages,
    pub(crate) events: Events,
    /// The name that `--start-at-task` looks for, until a play has such a task.
    pub(crate) start_at: RwLock<Option<String>>,
    /// `set_stats`.
    pub(crate) stats: RwLock<CustomStats>,
}

impl World {
    /// The state of a host, made when it is first asked for; `None` for a host that is not in the inventory.
    pub(crate) fn state(&self, name: &str) -> Option<Arc<RwLock<HostState>>> {
        if let Some(state) = self.hosts.get(name) {
            return Some(state);
        }
        let inventory = read(&self.inventory);
        let host = inventory.host(name)?;
        let mut state = HostState::new(host.name.clone(), inventory.layers(&host.name));
        state.identify(&inventory);
        drop(inventory);
        self.hosts.insert(state);
        self.hosts.get(name)
    }

    /// Takes in what `add_host` or `group_by` changed about a host.
    pub(crate) fn refresh(&self, host: &HostName) {
        if self.state(host.as_str()).is_none() {
            return;
        }
        let inventory = read(&self.inventory);
        self.hosts.change(host, |state| {
            state.inventory = inventory.layers(host);
            state.identify(&inventory);
        });
    }

    /// `meta: refresh_inventory`: the sources are read again, and every host sees what they say now.
    pub(crate) fn reload_inventory(&self) -> Result<(), Diagnostic> {
        let mut fresh = read(&self.inventory).reload()?;
        for warning in fresh.warnings.drain(..) {
            self.events.warn(warning);
        }
        *write(&self.inventory) = fresh;
        for host in self.hosts.names() {
            self.refresh(&host);
        }
        Ok(())
    }

    /// `meta: clear_host_errors`.
    pub(crate) fn forgive(&self) {
        for host in self.hosts.names() {
            self.hosts.change(&host, |state| state.fate = Fate::Alive);
        }
    }

    /// `groups`.
    pub(crate) fn groups(&self) -> Value {
        let inventory = read(&self.inventory);
        let groups = inventory.groups().map(|group| {
            let hosts = inventory
                .hosts_of(&group.name)
                .iter()
                .map(|host| Value::from(host.as_str()))
                .collect();
            (Value::from(&*group.name), Value::list(hosts))
        });
        Value::dict(groups.collect())
    }
}

/// A layer of variables that Muster sets.
pub(crate) fn magic(source: &str, vars: IndexMap<Arc<str>, Value>) -> Arc<Layer> {
    Arc::new(Layer::new(Level::Magic, source, vars))
}
