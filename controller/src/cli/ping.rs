//! `muster ping PATTERN`: whether hosts can be managed.

use std::process::ExitCode;

use clap::Args;

use super::GlobalArgs;
use super::adhoc::{self, AdHocArgs, Call};
use crate::error::CliError;
use crate::job::Job;
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

/// Runs it.
pub(crate) async fn ping(
    global: &GlobalArgs,
    args: PingArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    adhoc::ad_hoc(global, args.into(), environment).await
}

impl From<PingArgs> for Job {
    fn from(args: PingArgs) -> Self {
        let call = Call::new(args.pattern, "ping", "");
        Self::AdHoc(Box::new(args.shared), call)
    }
}
