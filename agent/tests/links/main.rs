//! This agent at a controller's end of the wire: one contract for every link, and what becomes of plans when a side dies.

#![expect(clippy::unwrap_used, reason = "in a test that is how a failure is told")]

// One controller for tests, shared with the tests of the crate that it belongs to.
#[expect(dead_code, reason = "not every test file uses all of it")]
#[path = "../../../crates/links/tests/grpc/controller.rs"]
mod controller;

mod contract;
mod host;
mod resident;
mod ssh;
mod sshd;
