//! The command line: one file a command. Here: the list of commands, what they share, and the way from flags to functions.

mod adhoc;
mod agents;
mod assess;
mod commands;
mod compat;
mod completion;
mod config;
mod console;
mod doc;
mod explain;
mod facts;
mod galaxy;
mod inventory;
mod locale;
mod options;
mod ping;
mod playbook;
mod pull;
mod run;
mod runs;
mod serve;
mod table;
mod token;
mod vault;
mod version;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser};
use nix::unistd::Uid;
use store::Store;

use crate::error::{CliError, ErrorKind};
use crate::job::Job;
use crate::log;
use crate::remote::{self, Remote};
use crate::settings::{self, Environment};
use crate::terminal;

use commands::{Command, Program};

pub(crate) use adhoc::{AdHocArgs, Call};
pub(crate) use options::{Passwords, VaultArgs};
pub(crate) use playbook::PlaybookArgs;

/// Configuration management and release orchestration: Ansible's playbooks at the speed of persistent agents.
#[derive(Debug, Parser)]
#[command(
    name = "muster",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "Examples:
  muster playbook -i hosts site.yml              apply a playbook
  muster playbook -i hosts site.yml --check -D   say what it would change
  muster run -i hosts web -m command -a uptime   one module on the hosts of a pattern
  muster compat install /usr/local/bin           be `ansible-playbook`, `ansible` and the others

`muster COMMAND --help` explains a command."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct GlobalArgs {
    /// Where the controller keeps its state [default: /var/lib/muster for root, else ~/.local/state/muster]
    #[arg(
        long,
        global = true,
        value_name = "DIRECTORY",
        env = "MUSTER_STATE_DIR",
        hide_env_values = true
    )]
    pub(crate) state_dir: Option<PathBuf>,
    /// The controller to talk to, as host:port; without one, playbooks run in this process
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT",
        env = "MUSTER_CONTROLLER",
        hide_env_values = true
    )]
    pub(crate) controller: Option<String>,
}

impl Cli {
    /// Reads the words after `muster`.
    pub(crate) fn parse_words(words: &[OsString]) -> Result<Self, clap::Error> {
        let all = std::iter::once(OsString::from("muster")).chain(words.iter().cloned());
        Self::from_arg_matches(&commands::lenient(Self::command()).try_get_matches_from(all)?)
    }

    /// The command, when it is one that does something on hosts.
    pub(crate) fn into_job(self) -> Option<Job> {
        match self.command {
            Command::Playbook(args) => Some(Job::Playbook(Box::new(args))),
            Command::Run(args) => Some(args.into()),
            Command::Ping(args) => Some(args.into()),
            _ => None,
        }
    }
}

impl GlobalArgs {
    /// The state directory.
    pub(crate) fn state_directory(&self, environment: &Environment) -> PathBuf {
        let by_custom = || settings::state_directory(environment, Uid::effective().is_root());
        self.state_dir.clone().unwrap_or_else(by_custom)
    }

    /// The controller to talk to, when one was named.
    pub(crate) fn controller(&self) -> Option<&str> {
        self.controller.as_deref().filter(|address| !address.is_empty())
    }

    /// A connection to the controller that was named, else to the one of this machine.
    async fn remote(&self, environment: &Environment) -> Result<Remote, CliError> {
        let directory = self.state_directory(environment);
        Remote::find(self.controller(), &directory, environment).await
    }

    /// The records of runs in this machine's processes, when no controller is there to ask.
    async fn local_records(&self, environment: &Environment) -> Result<Option<Store>, CliError> {
        let directory = self.state_directory(environment);
        if self.controller().is_some() || remote::local_address(&directory).is_some() {
            return Ok(None);
        }
        Store::open(&directory).await.map(Some).map_err(CliError::failed)
    }
}

/// The words of this process's command line, as they follow `muster` whatever the process was started as.
pub(crate) fn words() -> Vec<OsString> {
    let mut all = std::env::args_os();
    let own_name = all.next().unwrap_or_default();
    let words: Vec<OsString> = all.collect();
    match Program::of(&own_name.to_string_lossy()) {
        Some(program) => program.words_of_muster(&words),
        None => words,
    }
}

/// Runs the command of this process's command line.
pub(crate) fn run() -> Result<ExitCode, CliError> {
    let mut words = std::env::args_os();
    let own_name = words.next().unwrap_or_default();
    let program = Program::of(&own_name.to_string_lossy());
    let words: Vec<OsString> = words.collect();
    if program.is_some()
        && let Err(message) = locale::check(&settings::environment())
    {
        terminal::tell(&format!("ERROR: {message}"));
        return Ok(ExitCode::FAILURE);
    }
    let parsed = match program {
        Some(program) => program.parse(&words),
        None => Cli::parse_words(&words),
    };
    let cli = match (parsed, program) {
        (Ok(cli), _) => cli,
        (Err(error), Some(program)) if commands::wants_version(&error) => {
            terminal::print(&version::version(program.name, &settings::environment())?)?;
            return Ok(ExitCode::SUCCESS);
        }
        (Err(error), _) => {
            // Help goes to standard output, everything else to standard error; nobody reading either is no error.
            let _ = error.print();
            return Ok(ExitCode::from(error.exit_code() as u8));
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("cannot start threads: {error}")))?;
    let task = runtime.spawn(dispatch(cli));
    let result = runtime.block_on(task);
    // Blocking threads of cancelled plans must not hold the program back.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match result {
        Ok(result) => result,
        Err(error) => Err(CliError::new(
            ErrorKind::Bug,
            format!("a bug in Muster: {error}; please report it with the message above"),
        )),
    }
}

async fn dispatch(cli: Cli) -> Result<ExitCode, CliError> {
    let environment = settings::environment();
    let Cli { global, command } = cli;
    let is_service = matches!(command, Command::Serve(_));
    log::start(&environment, if is_service { "info" } else { "off" })?;
    command.run(&global, &environment).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
