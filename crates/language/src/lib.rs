//! The language: playbooks, roles, inventory, host patterns and variables, from trusted source files to typed trees.
//!
//! Knows nothing of the network or of hosts' state; files come through the `Source` trait.

mod tree;
mod variables;

pub use tree::{Action, Block, Common, Item, Loop, LoopControl, Play, Playbook, Role, Task, Vars};
pub use variables::{Layer, Level, Scope};
