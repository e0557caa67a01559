//! Inserting what hosts included into their walks.

use std::sync::Arc;

use indexmap::IndexMap;
use model::{Cause, EventKind, HostName, HostResult, Item, Verdict};
use yaml::Diagnostic;

use super::{Batch, Place};
use crate::actions::Include;
use crate::cursor::{BlockNode, Node};
use crate::events::Announcement;
use crate::includes;
use crate::walk::Planned;

/// What a host wants to include.
pub(super) struct Wanted {
    pub(super) include: Include,
    /// The result of the task that includes it.
    pub(super) result: HostResult,
}

impl Batch<'_> {
    /// Reads what hosts included and inserts it; hosts that included the same walk the same nodes. Gives the hosts whose
    /// include names something that is not there: they failed.
    pub(super) fn insert_includes(
        &mut self,
        leaf: &Place,
        announcement: &Announcement,
        mut wanted: Vec<Wanted>,
    ) -> Result<Vec<HostName>, Diagnostic> {
        wanted.sort_by_key(|wanted| self.walkers.get_index_of(&wanted.result.host));
        let mut read: Vec<(Include, Arc<BlockNode<Planned>>, Vec<HostName>)> = Vec::new();
        let mut blocks: IndexMap<HostName, Vec<Node<Planned>>> = IndexMap::new();
        let mut unread = Vec::new();
        for Wanted { include, result } in wanted {
            let known = read.iter().position(|(other, ..)| *other == include);
            let index = match known {
                Some(index) => index,
                None => match self.read_include(leaf, &include) {
                    Ok(block) => {
                        read.push((include, Arc::new(block), Vec::new()));
                        read.len() - 1
                    }
                    Err(error) if error.is_missing() => {
                        unread.push(self.fail_include(leaf, result, &error));
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            let host = result.host;
            read[index].2.push(host.clone());
            blocks.entry(host).or_default().push(Node::Block(read[index].1.clone()));
        }
        for (include, _, hosts) in &read {
            let file = include.what.name();
            let item = include.label.clone().map(|label| Item { label });
            let event = EventKind::Included { file, hosts: hosts.clone(), item };
            self.world.events.send_in(announcement, event);
        }
        for (host, nodes) in blocks {
            self.walkers[&host].cursor.insert(Arc::new(BlockNode::plain(nodes)));
        }
        self.publish_roles();
        Ok(unread)
    }

    fn read_include(
        &mut self,
        leaf: &Place,
        include: &Include,
    ) -> Result<BlockNode<Planned>, Diagnostic> {
        self.inserted += 1;
        let key = leaf.key.child(self.inserted);
        let directory = &self.play.directory;
        includes::load(self.world, &mut self.builder, directory, &leaf.task, include, &key)
    }

    /// A host's include needs a file that is not there: its task failed after all.
    fn fail_include(
        &mut self,
        leaf: &Place,
        mut result: HostResult,
        error: &Diagnostic,
    ) -> HostName {
        let span = &leaf.task.task.span;
        let cause = |message: &str, span| Cause {
            message: message.to_owned(),
            place: Some(crate::events::place(span)),
            hint: None,
        };
        result.causes =
            vec![cause("Task failed", span), cause(error.message(), error.span().unwrap_or(span))];
        result.outcome.verdict = Verdict::Failed { message: String::new() };
        result.outcome.result.insert("reason".into(), error.message().into());
        let walker = &mut self.walkers[&result.host];
        result.rescued = walker.cursor.would_rescue();
        let (host, outcome) = (result.host.clone(), result.outcome.clone());
        self.world.events.send(EventKind::TaskFinished { result, looped: false });
        self.fail_host(&leaf.task, &host, &outcome);
        host
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
