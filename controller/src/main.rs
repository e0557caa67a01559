//! `muster`: the program that people use. It composes the crates: command line, settings, runs, server.

mod archive;
mod bundle;
mod cli;
mod content;
mod error;
mod job;
mod listing;
mod programs;
mod recorder;
mod remote;
mod runner;
mod settings;
mod terminal;
mod ways;

use std::process::ExitCode;

fn main() -> ExitCode {
    // A become worker is started often, and for another user: it must not look at flags or settings.
    if std::env::args_os().nth(1).is_some_and(|word| word == "worker") {
        return executor::worker_main();
    }
    identity::install_provider();
    log();
    match cli::run() {
        Ok(code) => code,
        Err(error) => error.report(),
    }
}

/// What Muster does, on standard error: as much as `MUSTER_LOG` says, in the words of `tracing`'s filters.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("MUSTER_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
