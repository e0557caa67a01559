//! `muster facts HOST`: what a host is, as it last said.

use std::process::ExitCode;

use clap::Args;
use proto::v1::GetFactsRequest;

use super::GlobalArgs;
use crate::error::CliError;
use crate::remote::refused;
use crate::settings::Environment;
use crate::terminal;

/// `muster facts`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  muster facts web01
  muster facts web01 | jq .distribution")]
pub(crate) struct FactsArgs {
    /// The host's name, or its agent's id
    host: String,
}

/// Prints facts as JSON.
pub(crate) async fn facts(
    global: &GlobalArgs,
    args: FactsArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let json = match global.local_records(environment).await? {
        Some(store) => {
            let known = store.facts(&args.host.as_str().into()).await;
            let known = known.map_err(CliError::failed)?;
            let unknown = || CliError::failed(format!("nothing is known of {}", args.host));
            serde_json::Value::Object(known.ok_or_else(unknown)?.facts)
        }
        None => {
            let mut remote = global.remote(environment).await?;
            let answer = remote.client.get_facts(GetFactsRequest { host: args.host }).await;
            let answer = answer.map_err(|status| refused(&status))?.into_inner();
            serde_json::from_slice(&answer.facts_json).map_err(CliError::failed)?
        }
    };
    terminal::print(&format!("{json:#}\n"))?;
    Ok(ExitCode::SUCCESS)
}
