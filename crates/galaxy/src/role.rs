//! Roles: what asks for them, which are installed, and how they get here with the roles that they need.

mod fetch;
mod install;
mod installed;
mod requirement;

pub use install::{Install, Roles};
pub use installed::Installed;
pub use requirement::{Requirement, collections_of, requirements};
