//! `--start-at-task`: what comes before the first task of that name is passed over.

use std::sync::{Arc, RwLock};

use crate::cursor::{BlockNode, Cursor, Key, Leaf};
use crate::scope::PlayScope;
use crate::state::{HostState, write};
use crate::walk::Planned;
use crate::world::World;

/// Where a host begins in a play.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// At the beginning.
    Beginning,
    /// With this task; facts are gathered all the same.
    At(Key),
    /// Nowhere: the task comes in a later play.
    Later,
}

impl Start {
    /// Looks for the task among those that the play holds before it runs.
    pub(super) fn find(
        world: &World,
        scope: &PlayScope,
        state: &RwLock<HostState>,
        root: &Arc<BlockNode<Planned>>,
    ) -> Self {
        let wanted = crate::state::read(&world.start_at).clone();
        let Some(wanted) = wanted else { return Self::Beginning };
        let mut cursor = Cursor::new(root.clone());
        let is_chosen = |leaf: &Leaf<Planned>| super::is_chosen(world, scope, state, &leaf.task);
        while let Some(leaf) = cursor.peek(is_chosen) {
            if is_named(&leaf.task, &wanted) {
                return Self::At(leaf.key.clone());
            }
            cursor.advance();
        }
        Self::Later
    }

    /// Whether a task is not passed over.
    pub(super) fn lets(&self, leaf: &Leaf<Planned>) -> bool {
        match self {
            Self::Beginning => true,
            Self::At(key) => leaf.key >= *key || is_gathering(&leaf.task),
            Self::Later => false,
        }
    }
}

impl super::Batch<'_> {
    /// The task was found: later plays begin at their beginning.
    pub(super) fn note_start(&self) {
        if self.walkers.values().any(|walker| matches!(walker.start, Start::At(_))) {
            *write(&self.world.start_at) = None;
        }
    }
}

fn is_gathering(planned: &Planned) -> bool {
    let action = &planned.task.action;
    &*action.written == "gather_facts" && &*action.name == "setup"
}

/// Whether a task has that name, or one that the pattern matches: alone, or behind its role's.
fn is_named(planned: &Planned, wanted: &str) -> bool {
    let task = &planned.task;
    let written = task.common.name.as_ref().map(ToString::to_string);
    let name = written.unwrap_or_else(|| task.action.written.to_string());
    let whole = planned.role.as_ref().map(|played| format!("{} : {name}", played.role.name));
    [Some(name), whole]
        .into_iter()
        .flatten()
        .any(|name| name == wanted || language::glob_matches(wanted, &name))
}
