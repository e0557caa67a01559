//! YAML 1.1 exactly as PyYAML and Ansible read and write it, with a place for every value.
//!
//! Also the vocabulary of places and messages ([`SourceFile`], [`Span`], [`Diagnostic`]) for everything that reads the
//! language. Knows nothing of templates, playbooks or files on disk.

mod compose;
mod diagnostic;
mod emit;
mod loader;
mod node;
mod resolve;
mod source;
mod syntax;

pub use diagnostic::{Diagnostic, Result, Severity, Style};
pub use emit::{Emit, EmitOptions, Flow, Quoting, emit};
pub use loader::{Loaded, load_all, load_one};
pub use node::{Node, NodeValue, StrStyle, Tag};
pub use source::{SourceFile, Span};
