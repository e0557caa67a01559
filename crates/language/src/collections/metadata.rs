//! `meta/runtime.yml` of a collection, as data.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use yaml::{Node, NodeValue, Result};

use crate::Source;
use crate::source::read_document;

/// What a collection says of its plugins.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    /// The versions of ansible-core that it supports.
    pub(crate) requires_ansible: Option<String>,
    routes: HashMap<(String, String), Route>,
    pub(crate) groups: HashMap<String, Group>,
}

/// What is said of one name.
#[derive(Debug, Default)]
pub(crate) struct Route {
    pub(crate) redirect: Option<Arc<str>>,
    pub(crate) deprecation: Option<Removal>,
    pub(crate) tombstone: Option<Removal>,
}

/// When something goes, and what is said about it.
#[derive(Debug, Default)]
pub(crate) struct Removal {
    text: String,
    version: Option<String>,
    date: Option<String>,
}

/// Actions that take defaults together.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) actions: Vec<String>,
    /// Groups whose actions belong to it too.
    pub(crate) extends: Vec<String>,
    /// What is wrong with its metadata.
    pub(crate) problem: Option<String>,
}

impl Metadata {
    /// Reads that of the collection in a directory; nothing is said where there is no such file.
    pub(crate) fn read(source: &dyn Source, directory: &Path) -> Result<Self> {
        let path = directory.join("meta").join("runtime.yml");
        if !source.is_file(&path) {
            return Ok(Self::default());
        }
        let node = read_document(source, &path, &mut Vec::new())?;
        let mut metadata = Self {
            requires_ansible: node.get("requires_ansible").and_then(text),
            ..Self::default()
        };
        for (kind, routes) in entries(node.get("plugin_routing")) {
            for (name, route) in entries(Some(routes)) {
                metadata.routes.insert((kind.clone(), name), Route::of(route));
            }
        }
        for (name, members) in entries(node.get("action_groups")) {
            metadata.groups.insert(name, Group::of(members));
        }
        Ok(metadata)
    }

    /// What is said of a name.
    pub(crate) fn route(&self, kind: &str, name: &str) -> Option<&Route> {
        self.routes.get(&(kind.to_owned(), name.to_owned()))
    }
}

impl Route {
    fn of(node: &Node) -> Self {
        Self {
            redirect: node.get("redirect").and_then(text).map(Arc::from),
            deprecation: node.get("deprecation").filter(|it| !it.is_null()).map(Removal::of),
            tombstone: node.get("tombstone").filter(|it| !it.is_null()).map(Removal::of),
        }
    }
}

impl Removal {
    fn of(node: &Node) -> Self {
        let part = |name| node.get(name).and_then(text);
        Self {
            text: part("warning_text").unwrap_or_default(),
            version: part("removal_version"),
            date: part("removal_date"),
        }
    }

    /// For what is gone.
    pub(crate) fn removed(&self, collection: &str) -> String {
        self.told("This feature was removed", collection)
    }

    /// For what goes.
    pub(crate) fn to_be_removed(&self, collection: &str) -> String {
        self.told("This feature will be removed", collection)
    }

    fn told(&self, what: &str, collection: &str) -> String {
        let text = self.text.trim().trim_end_matches('.');
        let text = if text.is_empty() { String::new() } else { format!(" {text}.") };
        let when = match (&self.date, &self.version) {
            (Some(date), _) => format!("in a release after {date}"),
            (None, Some(version)) => format!("version {version}"),
            (None, None) => "in a future release".to_owned(),
        };
        format!("{text} {what} from collection '{collection}' {when}.")
    }
}

impl Group {
    fn of(members: &Node) -> Self {
        let mut group = Self::default();
        let mut told = 0;
        for member in members.as_seq().unwrap_or_default() {
            if let Some(name) = text(member) {
                group.actions.push(name);
            } else if let Some(keys) = member.as_map() {
                told += 1;
                let keys: Vec<&str> = keys.iter().filter_map(|(key, _)| key.as_str()).collect();
                group.take(member, &keys);
            }
        }
        if told > 1 {
            group.problem = Some("The group contains multiple metadata entries.".to_owned());
        }
        group
    }

    fn take(&mut self, member: &Node, keys: &[&str]) {
        if keys != ["metadata"] {
            self.problem = Some(format!(
                "The only expected key is metadata, but got keys: {}",
                keys.join(", ")
            ));
            return;
        }
        let Some(metadata) = member.get("metadata").filter(|node| !node.is_null()) else { return };
        let Some(options) = metadata.as_map() else {
            self.problem =
                Some(format!("The metadata is not a dictionary. Got {}", metadata.span.text()));
            return;
        };
        let unknown: Vec<&str> = options
            .iter()
            .filter_map(|(key, _)| key.as_str())
            .filter(|key| *key != "extend_group")
            .collect();
        if !unknown.is_empty() {
            self.problem =
                Some(format!("The metadata contains unexpected keys: {}", unknown.join(", ")));
        }
        match metadata.get("extend_group").map(|node| (&node.value, node)) {
            None | Some((NodeValue::Null, _)) => {}
            Some((NodeValue::Seq(groups), _)) => {
                self.extends.extend(groups.iter().filter_map(text));
            }
            Some((_, node)) => {
                self.problem = Some(format!(
                    "The metadata contains unexpected key types: extend_group is {} (expected type list)",
                    node.span.text()
                ));
            }
        }
    }
}

fn entries(node: Option<&Node>) -> impl Iterator<Item = (String, &Node)> {
    let entries = node.and_then(Node::as_map).unwrap_or_default();
    entries.iter().filter_map(|(key, value)| Some((text(key)?, value)))
}

fn text(node: &Node) -> Option<String> {
    match &node.value {
        NodeValue::Null | NodeValue::Seq(_) | NodeValue::Map(_) => None,
        _ => Some(node.as_str().unwrap_or_else(|| node.span.text()).to_owned()),
    }
}
