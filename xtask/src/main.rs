//! Chores: what CI runs, and a fleet to play with. `cargo xtask --help`.
#![expect(clippy::print_stdout, reason = "a tool for people at a terminal")]

mod ci;
mod conformance;
mod corpus;
mod figures;
mod fleet;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Chores of the Muster workspace", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check formatting, lints, licences, then run all tests, as CI does
    Ci,
    /// Run ansible-core's integration suite against the built binary; needs root, debootstrap and systemd-container
    Conformance(conformance::ConformanceArgs),
    /// Parse all YAML and templates in code bases, and list what PyYAML and Jinja2 read and we do not
    Corpus(corpus::CorpusArgs),
    /// Measure what tasks cost on each link, and what the programs weigh; for a release build set MUSTER_BIN_DIR
    Figures,
    /// Boot Debian hosts to play with
    Fleet {
        #[command(subcommand)]
        what: FleetChore,
    },
}

#[derive(Subcommand)]
enum FleetChore {
    /// Boot N hosts, print an inventory for them, and keep them until Ctrl-C
    Up {
        /// How many hosts
        #[arg(default_value_t = 3)]
        count: usize,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().chore {
        Chore::Ci => ci::run(),
        Chore::Conformance(args) => conformance::run(&args),
        Chore::Corpus(args) => corpus::run(&args),
        Chore::Figures => figures::run(),
        Chore::Fleet { what: FleetChore::Up { count } } => fleet::up(count),
    }
}
