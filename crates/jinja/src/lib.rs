//! Jinja as Ansible's users know it: minijinja's parser under an evaluator of our own, over a [`Value`] of our own.
//!
//! Only text that a trusted source file holds is ever a template ([`Value::trusted`]); whatever an evaluation, a host or
//! a lookup returns is data. Values carry [`Marks`] (trusted, secret, unknown) and the [`yaml::Span`] they came from.
//! This crate must not know playbooks, inventories or hosts: variables and the controller's files come through the
//! traits [`Variables`] and [`Controller`].

mod args;
mod ast;
mod check;
mod compile;
mod controller;
mod environment;
mod error;
mod eval;
mod filters;
mod format;
mod globals;
mod limits;
mod lookups;
mod methods;
mod origin;
mod regexes;
mod templar;
mod template_variables;
mod tests;
mod value;

pub use args::Args;
pub use check::{Form, check};
pub use controller::{
    CommandResult, Controller, Disk, SearchKind, ends, expand_home, open_regular, read_regular,
};
pub use environment::{Environment, Function, Operation, Traits};
pub use error::{Error, ErrorKind, Note};
pub use eval::Scope;
pub use limits::Limits;
pub use lookups::Configuration;

pub use templar::{Templar, TemplateOptions, Variables};
pub use template_variables::template_variables;
pub use value::{Dict, Kind, List, Map, Marks, Object, Undefined, Value};
