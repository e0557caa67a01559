//! Inventories in YAML or JSON form: groups with `hosts`, `vars` and `children`.

use model::HostName;
use yaml::{Diagnostic, Node};

use super::{Inventory, ini, ranges};
use crate::value::{value_from_node, vars_from_node};

/// Reads a document into the inventory.
pub(super) fn read(inventory: &mut Inventory, document: &Node) -> Result<(), Diagnostic> {
    let Some(entries) = document.as_map() else {
        return Err(Diagnostic::error(format!(
            "an inventory must be a mapping of groups, not {}",
            document.kind()
        ))
        .at(&document.span));
    };
    for (name, body) in entries {
        group(inventory, &text(name)?, body)?;
    }
    Ok(())
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
    inventory.group(name);
    if body.is_null() {
        return Ok(());
    }
    let Some(entries) = body.as_map() else {
        return Err(Diagnostic::error(format!(
            "group {name} must be a mapping, not {}",
            body.kind()
        ))
        .at(&body.span)
        .hint("a group has `hosts`, `vars` and `children`"));
    };
    for (key, value) in entries {
        match key.as_str() {
            Some("hosts") => hosts(inventory, name, value)?,
            Some("children") => {
                for (child, body) in mapping(value, "children")? {
                    let child = text(child)?;
                    inventory.adopt(name, &child);
                    group(inventory, &child, body)?;
                }
            }
            Some("vars") => {
                for (variable, value) in vars_from_node(value, &format!("`vars` of group {name}"))? {
                    ini::set_group_var(inventory, name, &variable, value);
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
    if let Some(name) = node.as_str() {
        return add(inventory, group, name, node, node);
    }
    for (name, body) in mapping(node, "hosts")? {
        let name_text = text(name)?;
        add(inventory, group, &name_text, name, body)?;
    }
    Ok(())
}

fn add(
    inventory: &mut Inventory,
    group: &str,
    pattern: &str,
    name: &Node,
    body: &Node,
) -> Result<(), Diagnostic> {
    for host in ranges::expand(pattern, &name.span)? {
        let host = HostName::new(host);
        inventory.put(&host, group);
        if let Some(entries) = body.as_map() {
            for (key, value) in entries {
                let value = value_from_node(value)?;
                inventory.hosts[&host].vars.insert(text(key)?.into(), value);
            }
        } else if !body.is_null() && !std::ptr::eq(name, body) {
            return Err(Diagnostic::error(format!(
                "the variables of host {host} must be a mapping, not {}",
                body.kind()
            ))
            .at(&body.span));
        }
    }
    Ok(())
}

fn mapping<'n>(node: &'n Node, what: &str) -> Result<&'n [(Node, Node)], Diagnostic> {
    if node.is_null() {
        return Ok(&[]);
    }
    node.as_map().ok_or_else(|| {
        Diagnostic::error(format!("`{what}` must be a mapping, not {}", node.kind()))
            .at(&node.span)
            .hint(format!("end each name of `{what}` with a colon"))
    })
}
