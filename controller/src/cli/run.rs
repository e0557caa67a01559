//! `muster run PATTERN -m MODULE -a ARGUMENTS`: Ansible's ad hoc command.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::GlobalArgs;
use super::adhoc::{self, AdHocArgs, Call};
use crate::error::CliError;
use crate::job::Job;
use crate::settings::Environment;

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
    /// Let it run in the background for up to so long, and look every --poll seconds
    #[arg(short = 'B', long, value_name = "SECONDS")]
    background: Option<u64>,
    /// How often to look; 0: start it, and leave it to itself [default: 15]
    #[arg(short = 'P', long, value_name = "SECONDS")]
    poll: Option<u64>,
    /// Write each host's result to a file of its name in this directory
    #[arg(short, long, value_name = "DIRECTORY")]
    tree: Option<PathBuf>,
    /// The directory whose roles/, group_vars/ and so on count
    #[arg(long, value_name = "DIRECTORY")]
    playbook_dir: Option<PathBuf>,
    /// End the task after so long
    #[arg(long, value_name = "SECONDS")]
    task_timeout: Option<u64>,
    #[command(flatten)]
    shared: AdHocArgs,
}

/// Runs it.
pub(crate) async fn run(
    global: &GlobalArgs,
    args: RunArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    adhoc::ad_hoc(global, args.into(), environment).await
}

impl From<RunArgs> for Job {
    fn from(args: RunArgs) -> Self {
        let RunArgs { pattern, module, arguments, shared, .. } = args;
        let keywords = [
            ("async", args.background),
            ("poll", args.background.and(args.poll.or(Some(15)))),
            ("timeout", args.task_timeout),
        ];
        let keywords = keywords.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let (keywords, playbook_dir) = (keywords.collect(), args.playbook_dir);
        Self::AdHoc(Box::new(shared), Call { pattern, module, arguments, keywords, playbook_dir })
    }
}
