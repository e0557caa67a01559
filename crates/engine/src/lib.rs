//! Plays the tree: director, strategies, tasks and actions. Owns the [`Link`] trait and the channel of events.
//!
//! Knows nothing of the wire, the store, modules, or any concrete link.

pub mod link;
