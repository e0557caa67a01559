//! The plugin `generator`: a host for every combination of the values of layers, in groups named by templates.

use std::sync::Arc;

use jinja::{Disk, Environment, Templar, Value};
use model::HostName;
use yaml::{Diagnostic, Node};

use super::plugin_file::{PluginFile, text};
use super::{Inventory, check_name};
use crate::value::value_from_node;
use crate::{Layer, Level, Scope, Vars};

/// More hosts than this are a mistake.
const LIMIT: usize = 100_000;
/// Parents of parents deeper than this are a mistake.
const MAX_DEPTH: usize = 64;

/// Adds what a file describes to the inventory.
pub(super) fn read(
    inventory: &mut Inventory,
    file: &PluginFile<'_>,
    environment: &Environment,
) -> Result<(), Diagnostic> {
    for warning in file.unknown(&["hosts", "layers"]) {
        inventory.warn(&warning);
    }
    let missing = |what: &str| {
        Diagnostic::error(format!("the inventory plugin generator needs `{what}`")).at(file.span)
    };
    let hosts = file.get("hosts").ok_or_else(|| missing("hosts"))?;
    let name = hosts.get("name").ok_or_else(|| missing("hosts.name").or_at(&hosts.span))?;
    file.get("layers").ok_or_else(|| missing("layers"))?;
    for vars in combinations(file.map("layers")?)? {
        let layer = Arc::new(Layer::new(Level::PlayVars, "layers", vars));
        let scope = Scope::new([layer]);
        let controller = Disk::default();
        let templar = Templar::new(environment, &scope, &controller);
        let host = resolved(&templar, name)?;
        check_name("host", &host).map_err(|error| error.at(&name.span))?;
        let host = HostName::new(host);
        inventory.ensure_host(&host);
        let mut groups = Groups { inventory, templar, depth: 0 };
        groups.parents_of(&Member::Host(host), hosts)?;
    }
    Ok(())
}

/// Every combination of the values of the layers; the last layer changes fastest.
fn combinations(layers: &[(Node, Node)]) -> Result<Vec<Vars>, Diagnostic> {
    let mut all = vec![Vars::new()];
    for (name, values) in layers {
        let items = match values.as_seq() {
            Some(items) => items.iter().map(value_from_node).collect::<Result<Vec<_>, _>>()?,
            None => {
                let message = format!(
                    "the layer {} must be a list of values, not {}",
                    name.span.text(),
                    values.kind()
                );
                return Err(Diagnostic::error(message).at(&values.span));
            }
        };
        if all.len().saturating_mul(items.len()) > LIMIT {
            return Err(Diagnostic::error(format!("these layers make more than {LIMIT} hosts"))
                .at(&name.span));
        }
        let name: Arc<str> = text(name)?.into();
        let with = |vars: &Vars, value: &Value| {
            let mut vars = vars.clone();
            vars.insert(name.clone(), value.clone());
            vars
        };
        all = all
            .iter()
            .flat_map(|vars| items.iter().map(|item| with(vars, item)).collect::<Vec<_>>())
            .collect();
    }
    Ok(all)
}

enum Member {
    Host(HostName),
    Group(String),
}

impl Member {
    fn name(&self) -> &str {
        match self {
            Self::Host(host) => host.as_str(),
            Self::Group(group) => group,
        }
    }
}

struct Groups<'a, 't> {
    inventory: &'a mut Inventory,
    templar: Templar<'t>,
    depth: usize,
}

impl Groups<'_, '_> {
    /// Puts a host or group into the groups that its description names as `parents`.
    fn parents_of(&mut self, member: &Member, description: &Node) -> Result<(), Diagnostic> {
        let Some(parents) = description.get("parents").filter(|node| !node.is_null()) else {
            return Ok(());
        };
        if self.depth > MAX_DEPTH {
            return Err(Diagnostic::error("these parents are nested too deeply").at(&parents.span));
        }
        let Some(parents) = parents.as_seq() else {
            let message = format!("`parents` must be a list, not {}", parents.kind());
            return Err(Diagnostic::error(message).at(&parents.span));
        };
        for parent in parents {
            let Some(name) = parent.get("name").filter(|node| !node.is_null()) else {
                let message = format!("Element {} has a parent with no name.", member.name());
                return Err(Diagnostic::error(message).at(&parent.span));
            };
            let group = resolved(&self.templar, name)?;
            let group = self.inventory.safe_name(&group);
            check_name("group", &group).map_err(|error| error.at(&name.span))?;
            self.inventory.group(&group);
            match member {
                Member::Host(host) => self.inventory.put(host, &group),
                Member::Group(child) => {
                    self.inventory.adopt(&group, child).map_err(|error| error.at(&name.span))?;
                }
            }
            self.vars_of(&group, parent)?;
            self.depth += 1;
            self.parents_of(&Member::Group(group), parent)?;
            self.depth -= 1;
        }
        Ok(())
    }

    fn vars_of(&mut self, group: &str, description: &Node) -> Result<(), Diagnostic> {
        let Some(vars) = description.get("vars").filter(|node| !node.is_null()) else {
            return Ok(());
        };
        let Some(entries) = vars.as_map() else {
            let message = format!("`vars` of group {group} must be a mapping, not {}", vars.kind());
            return Err(Diagnostic::error(message).at(&vars.span));
        };
        for (key, value) in entries {
            let name = text(key)?;
            self.inventory.check_var_name(name, &key.span);
            let written = value_from_node(value)?;
            // What a text says is decided by the layers; templates inside lists and mappings are for those who use them.
            let is_text = written.as_str().is_some();
            let value = if is_text {
                self.templar
                    .resolve(&written)
                    .map_err(|error| Diagnostic::from(error).or_at(&value.span))?
            } else {
                written
            };
            self.inventory
                .set_group_var(group, name, value)
                .map_err(|error| error.at(&key.span))?;
        }
        Ok(())
    }
}

fn resolved(templar: &Templar<'_>, name: &Node) -> Result<String, Diagnostic> {
    let resolved = templar.resolve(&value_from_node(name)?);
    resolved.map(|name| name.to_string()).map_err(|error| Diagnostic::from(error).or_at(&name.span))
}
