//! Inserting what hosts included into their walks.

use std::sync::Arc;

use indexmap::IndexMap;
use model::{EventKind, HostName, Item};
use yaml::Diagnostic;

use super::{Batch, Place};
use crate::actions::Include;
use crate::cursor::{BlockNode, Node};
use crate::includes;
use crate::walk::Planned;

impl Batch<'_> {
    /// Reads what hosts included and inserts it; hosts that included the same walk the same nodes.
    pub(super) fn insert_includes(
        &mut self,
        leaf: &Place,
        mut wanted: Vec<(HostName, Include)>,
    ) -> Result<(), Diagnostic> {
        wanted.sort_by_key(|(host, _)| self.walkers.get_index_of(host));
        let mut read: Vec<(Include, Arc<BlockNode<Planned>>, Vec<HostName>)> = Vec::new();
        let mut blocks: IndexMap<HostName, Vec<Node<Planned>>> = IndexMap::new();
        for (host, include) in wanted {
            let known = read.iter().position(|(other, ..)| *other == include);
            let index = match known {
                Some(index) => index,
                None => {
                    self.inserted += 1;
                    let key = leaf.key.child(self.inserted);
                    let block = includes::load(
                        self.world,
                        &mut self.builder,
                        &self.play.directory,
                        &leaf.task,
                        &include,
                        &key,
                    )?;
                    read.push((include, Arc::new(block), Vec::new()));
                    read.len() - 1
                }
            };
            read[index].2.push(host.clone());
            blocks.entry(host).or_default().push(Node::Block(read[index].1.clone()));
        }
        for (include, _, hosts) in &read {
            let file = include.what.name();
            let item = include.label.clone().map(|label| Item { label });
            self.world.events.send(EventKind::Included { file, hosts: hosts.clone(), item });
        }
        for (host, nodes) in blocks {
            self.walkers[&host].cursor.insert(Arc::new(BlockNode::plain(nodes)));
        }
        self.publish_roles();
        Ok(())
    }

    /// Roles included with `public` show their variables to the rest of the play.
    fn publish_roles(&mut self) {
        if self.builder.used.len() != self.scope.used_roles {
            let scope = Arc::make_mut(&mut self.scope);
            scope.roles = self.builder.public.clone();
            scope.name_roles(&self.builder);
        }
    }
}
