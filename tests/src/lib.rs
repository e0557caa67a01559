//! What the whole-system tests share: a fleet of booted Debian hosts, the programs under test, a file server.

pub mod fleet;
pub mod programs;
pub mod webserver;
