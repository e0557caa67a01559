//! The controller's side of the wire against agents that can misbehave: real sockets, real TLS, records in memory.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test, as it should")]

mod access;
mod agent;
mod blobs;
mod controller;
mod enrolment;
mod sessions;
mod trouble;
