//! Inventories in YAML or JSON form: groups with `hosts`, `vars` and `children`.

use yaml::{Diagnostic, Node};

use super::{Inventory, ini};
use crate::Vars;
use crate::value::value_from_node;

/// Reads a document into the inventory.
pub(super) fn read(inventory: &mut Inventory, document: &Node) -> Result<(), Diagnostic> {
    if document.is_null() {
        return Err(Diagnostic::error("Parsed empty YAML file").at(&document.span));
    }
    let Some(entries) = document.as_map() else {
        let message = format!("an inventory must be a mapping of groups, not {}", document.kind());
        return Err(Diagnostic::error(message).at(&document.span));
    };
    if let Some((key, _)) = entries.iter().find(|(key, _)| key.as_str() == Some("plugin")) {
        return Err(
            Diagnostic::error("Plugin configuration YAML file, not YAML inventory").at(&key.span)
        );
    }
    entries.iter().try_for_each(|(name, body)| group(inventory, group_name(name)?, body))
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

fn group_name(node: &Node) -> Result<&str, Diagnostic> {
    node.as_str().ok_or_else(|| {
        let message = format!("the name of a group must be text, not {}", node.kind());
        Diagnostic::error(message).at(&node.span).hint("put it in quotes")
    })
}

fn group(inventory: &mut Inventory, name: &str, body: &Node) -> Result<(), Diagnostic> {
    let name = &*inventory.safe_name(name);
    if body.is_null() {
        inventory.group(name);
        return Ok(());
    }
    let Some(entries) = body.as_map() else {
        let message = format!("Skipping '{name}' as this is not a valid group definition");
        inventory.warn(&Diagnostic::warning(message).at(&body.span));
        return Ok(());
    };
    inventory.group(name);
    for (key, value) in entries {
        match key.as_str() {
            Some("hosts") => hosts(inventory, name, value)?,
            Some("children") => {
                for (node, body) in entries_of(value, "children", name)? {
                    let child = inventory.safe_name(group_name(node)?);
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
            _ => unexpected(inventory, name, key),
        }
    }
    Ok(())
}

fn unexpected(inventory: &mut Inventory, group: &str, key: &Node) {
    let known = ["vars", "children", "hosts"];
    let written = key.span.text();
    let message = format!(
        "Skipping unexpected key ({written}) in group ({group}), only \"vars\", \"children\" and \"hosts\" are valid"
    );
    let mut warning = Diagnostic::warning(message).at(&key.span);
    if let Some(near) = crate::nearest(written, known) {
        warning = warning.hint(format!("did you mean `{near}`?"));
    }
    inventory.warn(&warning);
}

fn hosts(inventory: &mut Inventory, group: &str, node: &Node) -> Result<(), Diagnostic> {
    for (name, body) in entries_of(node, "hosts", group)? {
        let vars = body.map_or_else(|| Ok(Vars::new()), |body| host_vars(inventory, name, body))?;
        let Some(pattern) = name.as_str() else {
            let message = format!("Host pattern {} must be a string", name.span.text());
            return Err(Diagnostic::error(message)
                .at(&name.span)
                .hint(format!("put it in quotes: \"{}\"", name.span.text())));
        };
        let named = ini::hosts(pattern, &name.span)?;
        inventory.put_all(group, named, &vars);
    }
    Ok(())
}

fn host_vars(inventory: &mut Inventory, host: &Node, body: &Node) -> Result<Vars, Diagnostic> {
    if body.is_null() || body.as_seq().is_some_and(<[Node]>::is_empty) {
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
    if node.as_str().is_some() {
        return Ok(vec![(node, None)]);
    }
    let entries = node.as_map().ok_or_else(|| {
        let message = format!("`{what}` of group {group} must be a mapping, not {}", node.kind());
        let hint = format!("end each name of `{what}` with a colon");
        Diagnostic::error(message).at(&node.span).hint(hint)
    })?;
    Ok(entries.iter().map(|(key, value)| (key, Some(value))).collect())
}
