//! `muster completion SHELL`.

use std::process::ExitCode;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, GlobalArgs};
use crate::error::CliError;
use crate::settings::Environment;
use crate::terminal;

/// `muster completion`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  muster completion bash > /etc/bash_completion.d/muster
  muster completion zsh  > ~/.zfunc/_muster
  muster completion fish > ~/.config/fish/completions/muster.fish")]
pub(crate) struct CompletionArgs {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub(crate) async fn completion(
    _: &GlobalArgs,
    args: CompletionArgs,
    _: &Environment,
) -> Result<ExitCode, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "muster", &mut script);
    terminal::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
