//! Lookups that need the run: `inventory_hostnames`, which asks the inventory.

use std::sync::Weak;

use jinja::{Environment, Error, ErrorKind, Value};

use crate::state::read;
use crate::world::World;

/// Adds them to the tables; they look into the world that is being made.
pub(crate) fn register(environment: &mut Environment, world: &Weak<World>) {
    let world = world.clone();
    environment.lookup("inventory_hostnames", move |_, terms, _| {
        let patterns: Vec<String> =
            terms.sequence().unwrap_or_default().iter().map(ToString::to_string).collect();
        let world =
            world.upgrade().ok_or_else(|| Error::new(ErrorKind::Lookup, "the run is over"))?;
        // A pattern that nothing matches chooses nothing.
        let Ok(chosen) = read(&world.inventory).select(&patterns, None) else {
            return Ok(Value::list(Vec::new()));
        };
        Ok(chosen.hosts.iter().map(|host| Value::from(host.as_str())).collect())
    });
}
