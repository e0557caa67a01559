//! What a whole run shares: inventory, hosts, links, options, and the tables of the template engine.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use indexmap::IndexMap;
use jinja::{Environment, Value};
use language::{Inventory, Layer, Level, Loader};
use model::HostName;

use crate::events::Events;
use crate::link::{BlobStore, Connection, Links, Target};
use crate::options::Options;
use crate::state::{Fate, HostState, Hosts, read};

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
    pub(crate) events: Events,
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

    /// The way to a host that is delegated to and is not in the inventory: `localhost` is this machine, others are reached by SSH.
    pub(crate) fn unlisted_target(&self, name: &HostName) -> Target {
        let is_local = matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1");
        let defaults = &self.options.defaults;
        Target {
            host: name.clone(),
            connection: if is_local { Connection::Local } else { Connection::Ssh },
            address: name.to_string(),
            port: None,
            user: defaults.remote_user.clone(),
            password: defaults.password.clone(),
            private_key: defaults.private_key.clone(),
            ssh_args: shlex::split(&defaults.ssh_args).unwrap_or_default(),
            host_key_checking: !defaults.no_host_key_checking,
            connect_timeout: Duration::from_secs(defaults.timeout.unwrap_or(10)),
            options: std::collections::BTreeMap::new(),
        }
    }
}

/// A layer of variables that Muster sets.
pub(crate) fn magic(source: &str, vars: IndexMap<Arc<str>, Value>) -> Arc<Layer> {
    Arc::new(Layer::new(Level::Magic, source, vars))
}
