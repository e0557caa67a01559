//! The language: playbooks, roles, inventory, host patterns and variables, from trusted source files to typed trees.
//!
//! Knows nothing of the network or of hosts' state; files come through the `Source` trait.

mod arguments;
mod collections;
mod common;
mod extra_vars;
mod field;
mod inventory;
mod library;
mod loader;
mod names;
mod pattern;
mod reader;
mod routing;
mod source;
mod tree;
mod value;
mod variables;

pub use collections::{Collections, Trail, VersionMismatch};
pub use extra_vars::extra_vars;
pub use inventory::{
    Format, Group, GroupNames, Host, Inventory, InventoryOptions, Listing, Mismatch, Precedence,
    Printed, Programs, Selection, Sources,
};
pub use loader::{Duplicates, Loader, Place, RoleRequest};
pub use names::{canonical_action, is_directive, is_task_keyword, nearest};
pub use pattern::glob_matches;
pub use source::{Files, Memory, Source, Unlocked, read_document};
pub use tree::{Action, Block, Common, Item, Loop, LoopControl, Play, Playbook, Role, Task, Vars};
pub use value::{is_variable_name, value_from_node, vars_from_node};
pub use variables::{Layer, Level, Scope, merged};
