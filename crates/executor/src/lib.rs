//! Carries out steps on this machine: one after the other, each with a deadline, live output and the right user.
//!
//! Shared by the agent and by the in-process link. It is blocking code: callers put it on a blocking thread. It knows
//! nothing of the network protocol, of the ledger, or of what a playbook is.
//!
//! Reading order: [`Executor`] → `attempt` (a step in this process) → `escalation` (which way to another user) →
//! `workers` (a process for each other user) → `worker` (the other end of it).

mod attempt;
mod cancel;
mod conversation;
mod escalation;
mod executor;
mod foreign;
mod frame;
mod jobs;
mod launch;
mod live;
mod program;
mod python;
mod remote_blobs;
mod threads;
mod worker;
mod workers;

#[cfg(test)]
mod tests;

pub use attempt::{Context, Manner, Runner};
pub use cancel::Cancel;
pub use executor::{Executor, gather_facts, goes_on_after};
pub use program::{Program, WORKER, is_worker};
pub use threads::begin as begin_on_a_thread;
pub use worker::{take_standard_streams, worker_main};
