//! The agent: enrols, keeps a connection to its controller, carries out plans and remembers what it did.
//!
//! The agent is the gRPC client on every kind of link. It never sees templates, variables or other hosts' data.
//!
//! Reading order: `ledger` (what must never be forgotten, without any IO) → `desk` (carries out its decisions) →
//! `session` (one connection) → [`resident`] and [`stdio`] (the two ways to live). [`commands`] is the command line.

mod backoff;
mod blobs;
pub mod commands;
mod desk;
mod dial;
pub mod enrol;
mod fit;
mod ledger;
pub mod resident;
mod session;
pub mod settings;
pub mod state;
pub mod stdio;
