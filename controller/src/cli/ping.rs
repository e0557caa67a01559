//! `muster ping PATTERN`: whether hosts can be managed.

use std::process::ExitCode;

use clap::Args;

use super::GlobalArgs;
use super::adhoc::{AdHocArgs, Call, ad_hoc};
use crate::error::CliError;
use crate::settings::Environment;

/// `muster ping`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  muster ping -i hosts all
  muster ping -i localhost, -c local all")]
pub(crate) struct PingArgs {
    /// The hosts
    #[arg(value_name = "PATTERN", default_value = "all")]
    pattern: String,
    #[command(flatten)]
    shared: AdHocArgs,
}

/// Pings hosts.
pub(crate) async fn ping(
    _global: &GlobalArgs,
    args: PingArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let call = Call { pattern: args.pattern, module: "ping".to_owned(), arguments: String::new() };
    ad_hoc(&args.shared, &call, environment).await
}
