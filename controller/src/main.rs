//! `muster`: the program that people use. It composes the crates: command line, settings, runs, server.

mod archive;
mod bundle;
mod cli;
mod content;
mod error;
mod job;
mod listing;
mod log;
mod log_file;
mod lookups;
mod passwords;
mod person;
mod plugin_filters;
mod programs;
mod progress;
mod recorder;
mod remote;
mod reporters;
mod runner;
mod server;
mod settings;
mod terminal;
mod typing;
mod ways;

use std::process::ExitCode;

fn main() -> ExitCode {
    // A become worker is started often, and for another user: it must not look at flags or settings.
    if executor::is_worker() {
        return executor::worker_main();
    }
    identity::install_provider();
    match cli::run() {
        Ok(code) => code,
        Err(error) => error.report(),
    }
}
