//! The plugin `constructed`: variables and groups that follow from the variables that hosts have.

use std::sync::Arc;

use jinja::{Disk, Environment, Templar, Value};
use model::HostName;
use yaml::{Diagnostic, Node};

use super::plugin_file::{PluginFile, expression, flag, text};
use super::{Inventory, InventoryOptions, options::valid_group_name};
use crate::{Layer, Level, Scope, Vars};

const OPTIONS: [&str; 7] = [
    "compose",
    "groups",
    "keyed_groups",
    "leading_separator",
    "strict",
    "use_extra_vars",
    "use_vars_plugins",
];

/// What is to be constructed.
struct Constructed<'n> {
    compose: &'n [(Node, Node)],
    groups: &'n [(Node, Node)],
    keyed: Vec<KeyedGroup<'n>>,
    leading_separator: bool,
    /// An expression that cannot be evaluated is an error; otherwise, it makes nothing.
    strict: bool,
    vars_plugins: bool,
    extra: Option<Arc<Layer>>,
}

/// An entry of `keyed_groups`.
struct KeyedGroup<'n> {
    node: &'n Node,
    key: Option<&'n Node>,
    prefix: &'n str,
    separator: &'n str,
    parent: Option<&'n Node>,
    default: Option<&'n str>,
    trailing_separator: bool,
}

/// Adds what a file describes to the inventory.
pub(super) fn read(
    inventory: &mut Inventory,
    file: &PluginFile<'_>,
    environment: &Environment,
    options: &InventoryOptions,
) -> Result<(), Diagnostic> {
    for warning in file.unknown(&OPTIONS) {
        inventory.warn(&warning);
    }
    let use_extra = file.flag("use_extra_vars", options.use_extra_vars)?;
    let extra = || Layer::new(Level::ExtraVars, "extra vars", options.extra_vars.clone());
    let plan = Constructed {
        compose: file.map("compose")?,
        groups: file.map("groups")?,
        keyed: file.list("keyed_groups")?.iter().map(KeyedGroup::new).collect::<Result<_, _>>()?,
        leading_separator: file.flag("leading_separator", true)?,
        strict: file.flag("strict", false)?,
        vars_plugins: file.flag("use_vars_plugins", false)?,
        extra: use_extra.then(|| Arc::new(extra())),
    };
    inventory.settle_depths();
    inventory.settle_layers();
    let hosts: Vec<HostName> = inventory.hosts().map(|host| host.name.clone()).collect();
    for host in hosts {
        plan.variables(inventory, &host, environment)?;
        let scope = plan.scope(inventory, &host);
        let controller = Disk::default();
        let templar = Templar::new(environment, &scope, &controller);
        plan.conditional_groups(inventory, &host, &templar)?;
        for keyed in &plan.keyed {
            plan.keyed_groups(inventory, &host, keyed, &templar)?;
        }
        inventory.warnings.extend(templar.take_notes());
    }
    Ok(())
}

impl<'n> KeyedGroup<'n> {
    fn new(node: &'n Node) -> Result<Self, Diagnostic> {
        if node.as_map().is_none() {
            let message =
                format!("Invalid keyed group entry, it must be a dictionary: {}", node.span.text());
            return Err(Diagnostic::error(message).at(&node.span));
        }
        let given = |name: &str| node.get(name).filter(|node| !node.is_null());
        let part = |name: &str, default| given(name).map_or(Ok(default), text);
        if given("default_value").is_some() && given("trailing_separator").is_some() {
            return Err(Diagnostic::error(
                "parameters are mutually exclusive for keyed groups: default_value|trailing_separator",
            )
            .at(&node.span));
        }
        Ok(Self {
            node,
            key: given("key"),
            prefix: part("prefix", "")?,
            separator: part("separator", "_")?,
            parent: given("parent_group"),
            default: given("default_value").map(text).transpose()?,
            trailing_separator: given("trailing_separator")
                .map_or(Ok(true), |node| flag(node, "trailing_separator"))?,
        })
    }

    /// The names that the value of the key stands for, without the prefix; `None` when it cannot name groups.
    fn bare_names(&self, value: &Value) -> Option<Vec<String>> {
        if let Some(text) = value.as_str() {
            let named = if text.is_empty() { self.default.unwrap_or("") } else { text };
            return Some(vec![named.to_owned()]);
        }
        if let Some(items) = value.sequence() {
            let named = |item: &Value| match self.default {
                Some(default) if is_empty(item) => default.to_owned(),
                _ => item.to_string(),
            };
            return Some(items.iter().map(named).collect());
        }
        let dict = value.as_dict()?.snapshot();
        let named = |(key, value): (&Value, &Value)| match self.default {
            Some(default) if is_empty(value) => format!("{key}{}{default}", self.separator),
            None if is_empty(value) && !self.trailing_separator => key.to_string(),
            _ => format!("{key}{}{value}", self.separator),
        };
        Some(dict.iter().map(named).collect())
    }
}

/// What has no name of its own: an empty text, or nothing.
fn is_empty(value: &Value) -> bool {
    value.is_none() || value.as_str() == Some("")
}

impl Constructed<'_> {
    fn scope(&self, inventory: &Inventory, host: &HostName) -> Scope {
        let layers = inventory.layers_under_construction(host, self.vars_plugins);
        Scope::new(self.extra.iter().cloned().chain(layers))
    }

    /// `compose`.
    fn variables(
        &self,
        inventory: &mut Inventory,
        host: &HostName,
        environment: &Environment,
    ) -> Result<(), Diagnostic> {
        if self.compose.is_empty() {
            return Ok(());
        }
        let scope = self.scope(inventory, host);
        let controller = Disk::default();
        let templar = Templar::new(environment, &scope, &controller);
        let mut vars = Vars::new();
        for (name, source) in self.compose {
            let variable = text(name)?;
            match evaluated(&templar, source) {
                Ok(value) => {
                    inventory.check_var_name(variable, &name.span);
                    vars.insert(variable.into(), value);
                }
                Err(error) if self.strict => {
                    return Err(in_context(
                        &format!("Could not set {variable} for host {host}"),
                        error,
                        source,
                    ));
                }
                Err(_) => {}
            }
        }
        inventory.warnings.extend(templar.take_notes());
        if let Some(host) = inventory.host_mut(host) {
            host.vars.extend(vars);
        }
        Ok(())
    }

    /// `groups`.
    fn conditional_groups(
        &self,
        inventory: &mut Inventory,
        host: &HostName,
        templar: &Templar<'_>,
    ) -> Result<(), Diagnostic> {
        for (name, condition) in self.groups {
            let group = text(name)?;
            match templar.condition(&expression(condition)?) {
                Ok(true) => {
                    let group = valid_group_name(group).unwrap_or_else(|| group.to_owned());
                    inventory.put(host, &group);
                }
                Ok(false) => {}
                Err(error) if self.strict => {
                    let doing = format!("Could not add host {host} to group {group}");
                    return Err(in_context(&doing, error, condition));
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn keyed_groups(
        &self,
        inventory: &mut Inventory,
        host: &HostName,
        keyed: &KeyedGroup<'_>,
        templar: &Templar<'_>,
    ) -> Result<(), Diagnostic> {
        let Some(key) = keyed.key else { return self.without_key(host, keyed, "None") };
        let source = key.span.text();
        let value = match evaluated(templar, key) {
            Ok(value) => value,
            Err(error) if self.strict => {
                let doing = format!("Could not generate group for host {host} from {source} entry");
                return Err(in_context(&doing, error, key));
            }
            Err(_) => return Ok(()),
        };
        let is_named = value.is_true() || keyed.default.is_some() && is_empty(&value);
        if !is_named {
            return self.without_key(host, keyed, source);
        }
        let value = if value.is_none() { Value::from("") } else { value };
        let Some(names) = keyed.bare_names(&value) else {
            return Err(Diagnostic::error(format!(
                "Invalid group name format, expected a string or a list of them or dictionary, got: {}",
                value.type_name()
            ))
            .at(&key.span)
            .note(format!("the value of `{source}` for host {host} is {}", value.repr()))
            .hint(format!("make it a text: `{source} | string`")));
        };
        for bare in names {
            let is_bare = keyed.prefix.is_empty() && !self.leading_separator;
            let separator = if is_bare { "" } else { keyed.separator };
            let name = format!("{}{separator}{bare}", keyed.prefix);
            let name = valid_group_name(&name).unwrap_or(name);
            inventory.put(host, &name);
            if let Some(parent) = keyed.parent {
                self.parent(inventory, parent, &name, templar)?;
            }
        }
        Ok(())
    }

    fn without_key(
        &self,
        host: &HostName,
        keyed: &KeyedGroup<'_>,
        source: &str,
    ) -> Result<(), Diagnostic> {
        if !self.strict {
            return Ok(());
        }
        let message =
            format!("No key or key resulted empty for {source} in host {host}, invalid entry");
        Err(Diagnostic::error(message).at(&keyed.key.unwrap_or(keyed.node).span))
    }

    fn parent(
        &self,
        inventory: &mut Inventory,
        parent: &Node,
        group: &str,
        templar: &Templar<'_>,
    ) -> Result<(), Diagnostic> {
        let source = crate::value_from_node(parent)?;
        let name = match templar.resolve(&source) {
            Ok(name) => name.to_string(),
            Err(error) if self.strict => {
                let doing =
                    format!("Could not generate parent group '{source}' for group '{group}'");
                return Err(in_context(&doing, error, parent));
            }
            Err(_) => return Ok(()),
        };
        let name = valid_group_name(&name).unwrap_or(name);
        inventory.adopt(&name, group).map_err(|error| error.at(&parent.span))
    }
}

fn evaluated(templar: &Templar<'_>, source: &Node) -> Result<Value, Diagnostic> {
    let source = expression(source)?;
    if source.is_template() {
        return Err(Diagnostic::error("an expression stands here without `{{` and `}}`"));
    }
    let text = source.as_str().unwrap_or_default();
    templar.expression(text, source.origin().cloned()).map_err(Diagnostic::from)
}

/// An error with what was being done in front, at the expression's place if it knows none.
fn in_context(doing: &str, error: impl Into<Diagnostic>, source: &Node) -> Diagnostic {
    let error: Diagnostic = error.into();
    let message = format!("{doing}: {}", error.message());
    let place = error.span().cloned().unwrap_or_else(|| source.span.clone());
    let hints = error.hints().iter().cloned();
    let outer = Diagnostic::error(message).at(&place);
    hints.fold(outer, Diagnostic::hint)
}
