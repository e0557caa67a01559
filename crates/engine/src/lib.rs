//! Plays the tree: director, cursor, tasks and actions. Owns the [`link::Link`] trait and the channel of events.
//!
//! Knows nothing of the wire, the store, modules, or any concrete link.

pub mod link;
mod options;
mod person;
mod run;

mod actions;
mod attributes;
mod cursor;
mod events;
mod explain;
mod fact_cache;
mod includes;
mod lookups;
mod loops;
mod play;
mod prompts;
mod python;
mod scope;
mod state;
mod stats;
mod synthetic;
mod tags;
mod talk;
mod task;
mod walk;
mod world;

pub use actions::names as action_names;
pub use explain::{Candidate, Explanation, Place, View};
pub use fact_cache::FactCache;
pub use options::{Defaults, Gathering, Options};
pub use person::{Answer, Person, Question, Until};
pub use python::{Foreign, installed_collections};
pub use run::Run;
pub use tags::chosen as chosen_by_tags;
