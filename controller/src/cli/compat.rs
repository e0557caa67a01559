//! `muster compat install DIRECTORY`: links under the names of Ansible's programs.

use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::GlobalArgs;
use super::commands::PROGRAMS;
use crate::error::CliError;
use crate::settings::Environment;
use crate::terminal;

/// `muster compat`.
#[derive(Debug, Args)]
pub(crate) struct CompatArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the links in a directory, which should stand in PATH before Ansible's
    Install {
        /// The directory
        directory: PathBuf,
        /// Replace what has these names now
        #[arg(long)]
        force: bool,
    },
}

/// Makes the links.
pub(crate) async fn compat(
    _: &GlobalArgs,
    args: CompatArgs,
    _: &Environment,
) -> Result<ExitCode, CliError> {
    let Action::Install { directory, force } = args.action;
    let own = std::env::current_exe()?;
    let mut said = String::new();
    for program in PROGRAMS {
        let link = directory.join(program.name);
        let failed = |error: std::io::Error| {
            let error = CliError::failed(format!("cannot make {}: {error}", link.display()));
            if force { error } else { error.hint("--force replaces what is there") }
        };
        if std::fs::read_link(&link).is_ok_and(|target| target == own) {
            continue;
        }
        if force
            && let Err(error) = std::fs::remove_file(&link)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(failed(error));
        }
        symlink(&own, &link).map_err(failed)?;
        said += &format!("{} -> {}\n", link.display(), own.display());
    }
    terminal::print(&said)?;
    Ok(ExitCode::SUCCESS)
}
