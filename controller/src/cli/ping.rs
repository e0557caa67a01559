//! `muster ping PATTERN`: whether hosts can be managed.

use clap::Args;

use super::adhoc::{AdHocArgs, Call};
use crate::job::Job;

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

impl From<PingArgs> for Job {
    fn from(args: PingArgs) -> Self {
        let call =
            Call { pattern: args.pattern, module: "ping".to_owned(), arguments: String::new() };
        Self::AdHoc(Box::new(args.shared), call)
    }
}
