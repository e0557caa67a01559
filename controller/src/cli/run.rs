//! `muster run PATTERN -m MODULE -a ARGUMENTS`: Ansible's ad hoc command.

use clap::Args;

use super::adhoc::{AdHocArgs, Call};
use crate::job::Job;

/// `muster run`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  muster run -i hosts web -a uptime
  muster run -i hosts all -m service -a 'name=nginx state=restarted' --become
  muster run -i hosts db -m setup -a 'filter=ansible_distribution*'
  muster run -i localhost, -c local all -m copy -a '{\"dest\": \"/tmp/x\", \"content\": \"hello\\n\"}'")]
pub(crate) struct RunArgs {
    /// The hosts
    #[arg(value_name = "PATTERN")]
    pattern: String,
    /// The module
    #[arg(
        short,
        long = "module-name",
        visible_alias = "module",
        value_name = "MODULE",
        default_value = "command"
    )]
    module: String,
    /// Its arguments: `key=value` words, a JSON object, or a command line
    #[arg(
        short,
        long = "args",
        value_name = "ARGUMENTS",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    arguments: String,
    #[command(flatten)]
    shared: AdHocArgs,
}

impl From<RunArgs> for Job {
    fn from(args: RunArgs) -> Self {
        let RunArgs { pattern, module, arguments, shared } = args;
        Self::AdHoc(Box::new(shared), Call { pattern, module, arguments })
    }
}
