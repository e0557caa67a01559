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
        self.recall(&mut state);
        self.hosts.insert(state);
        self.hosts.get(name)
    }

    /// Facts that an earlier run left in the cache.
    fn recall(&self, state: &mut HostState) {
        let Some(cache) = &self.options.fact_cache else { return };
        match cache.load(&state.name) {
            Ok(None) => {}
            Ok(Some(facts)) => {
                state.gathered = facts.contains_key("module_setup");
                state.learn(&facts, !self.options.facts_stay_inside, false);
            }
            Err(why) => self.events.warn(why),
        }
    }

    /// Leaves what is known of a host in the cache, for later runs.
    pub(crate) fn keep_facts(&self, state: &HostState) {
        let Some(cache) = &self.options.fact_cache else { return };
        let facts: Vec<(String, &Value)> = if self.options.facts_stay_inside {
            state.facts.iter().map(|(name, value)| (format!("ansible_{name}"), value)).collect()
        } else {
            state.fact_vars.vars.iter().map(|(name, value)| (name.to_string(), value)).collect()
        };
        let facts = facts.into_iter().map(|(name, value)| Ok((name, value.to_json()?)));
        let kept = facts.collect::<Result<_, jinja::Error>>().map_err(|error| error.to_string());
        if let Err(why) = kept.and_then(|facts| cache.keep(&state.name, &facts)) {
            self.events.warn_once(&why);
        }
    }

    /// Removes a host from the cache.
    pub(crate) fn uncache(&self, host: &HostName) {
        let Some(cache) = &self.options.fact_cache else { return };
        if let Err(why) = cache.forget(host) {
            self.events.warn_once(&why);
        }
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
