//! Inventories in YAML or JSON form: groups with `hosts`, `vars` and `children`.

use yaml::{Diagnostic, Node};

use super::{Inventory, ini};
use crate::Vars;
use crate::value::value_from_node;

/// Reads a document into the inventory.
pub(super) fn read(inventory: &mut Inventory, document: &Node) -> Result<(), Diagnostic> {
    if document.is_null() {
        return Ok(());
    }
    let Some(entries) = document.as_map() else {
        let message = format!("an inventory must be a mapping of groups, not {}", document.kind());
        return Err(Diagnostic::error(message).at(&document.span));
    };
    if let Some((key, _)) = entries.iter().find(|(key, _)| key.as_str() == Some("plugin")) {
        return Err(Diagnostic::error("inventory plugins are not supported")
            .at(&key.span)
            .hint("make an executable that prints the inventory as JSON for `--list`"));
    }
    entries.iter().try_for_each(|(name, body)| group(inventory, &text(name)?, body))
}

fn text(node: &Node) -> Result<String, Diagnostic> {
    match node.as_str() {
        Some(text) => Ok(text.to_owned()),
        None if node.as_map().is_none() && node.as_seq().is_none() => {
            Ok(node.span.text().to_owned())
        }
        None => Err(Diagnostic::error("a name must be text").at(&node.span)),
    }
}

fn group(inventory: &mut Inventory, name: &str, body: &Node) -> Result<(), Diagnostic> {
    if body.is_null() {
        inventory.group(name);
        return Ok(());
    }
    let Some(entries) = body.as_map() else {
        inventory
            .warnings
            .push(format!("Skipping '{name}' as this is not a valid group definition"));
        return Ok(());
    };
    inventory.group(name);
    for (key, value) in entries {
        match key.as_str() {
            Some("hosts") => hosts(inventory, name, value)?,
            Some("children") => {
                for (node, body) in entries_of(value, "children", name)? {
                    let child = text(node)?;
                    inventory.adopt(name, &child).map_err(|error| error.at(&node.span))?;
                    body.map_or(Ok(()), |body| group(inventory, &child, body))?;
                }
            }
            Some("vars") => {
                for (key, value) in entries_of(value, "vars", name)? {
                    let variable = text(key)?;
                    inventory.check_var_name(&variable, &key.span);
                    let value = value.map_or_else(|| Ok(jinja::Value::none()), value_from_node)?;
                    inventory
                        .set_group_var(name, &variable, value)
                        .map_err(|error| error.at(&key.span))?;
                }
            }
            _ => inventory.warnings.push(format!(
                "Skipping unexpected key ({}) in group ({name}), only \"vars\", \"children\" and \"hosts\" are valid",
                key.span.text()
            )),
        }
    }
    Ok(())
}

fn hosts(inventory: &mut Inventory, group: &str, node: &Node) -> Result<(), Diagnostic> {
    for (name, body) in entries_of(node, "hosts", group)? {
        let vars = body.map_or_else(|| Ok(Vars::new()), |body| host_vars(inventory, name, body))?;
        let named = ini::hosts(&text(name)?, &name.span)?;
        inventory.put_all(group, named, &vars);
    }
    Ok(())
}

fn host_vars(inventory: &mut Inventory, host: &Node, body: &Node) -> Result<Vars, Diagnostic> {
    if body.is_null() {
        return Ok(Vars::new());
    }
    let Some(entries) = body.as_map() else {
        let host = text(host)?;
        let message =
            format!("the variables of host {host} must be a mapping, not {}", body.kind());
        return Err(Diagnostic::error(message).at(&body.span));
    };
    entries
        .iter()
        .map(|(key, value)| {
            let name = text(key)?;
            inventory.check_var_name(&name, &key.span);
            Ok((name.into(), value_from_node(value)?))
        })
        .collect()
}

/// The entries of a mapping; a text stands for one entry without a value.
fn entries_of<'n>(
    node: &'n Node,
    what: &str,
    group: &str,
) -> Result<Vec<(&'n Node, Option<&'n Node>)>, Diagnostic> {
    if node.is_null() {
        return Ok(Vec::new());
    }
    if node.as_str().is_some() && what != "vars" {
        return Ok(vec![(node, None)]);
    }
    let entries = node.as_map().ok_or_else(|| {
        let message = format!("`{what}` of group {group} must be a mapping, not {}", node.kind());
        let hint = format!("end each name of `{what}` with a colon");
        Diagnostic::error(message).at(&node.span).hint(hint)
    })?;
    Ok(entries.iter().map(|(key, value)| (key, Some(value))).collect())
}
