//! `muster agents`: the hosts that a controller knows.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use proto::v1::{AgentSummary, ListAgentsRequest, RevokeAgentRequest, ShowAgentRequest};

use super::GlobalArgs;
use super::table::{Table, moment};
use crate::error::CliError;
use crate::remote::refused;
use crate::settings::Environment;
use crate::terminal;

/// `muster agents`.
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  muster agents list
  muster agents show web01
  muster agents revoke web01     it is cut off within seconds; its host has to enrol anew"
)]
pub(crate) struct AgentsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show all agents
    List,
    /// Show one agent
    Show {
        /// Its name or id
        agent: String,
    },
    /// Take an agent's identity away
    Revoke {
        /// Its name or id
        agent: String,
    },
}

/// Shows and revokes agents.
pub(crate) async fn agents(
    global: &GlobalArgs,
    args: AgentsArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let mut remote = global.remote(environment).await?;
    let text = match args.action {
        Action::List => {
            let answer = remote.client.list_agents(ListAgentsRequest {}).await;
            let agents = answer.map_err(|status| refused(&status))?.into_inner().agents;
            let mut table = Table::new(["NAME", "STATE", "VERSION", "LAST SEEN", "ID"]);
            for agent in agents {
                let (state, seen) = (state(&agent).to_owned(), optional(agent.last_seen_ms));
                table.row([agent.name, state, agent.agent_version, seen, agent.id]);
            }
            table.render()
        }
        Action::Show { agent } => {
            let answer = remote.client.show_agent(ShowAgentRequest { agent }).await;
            let agent = answer.map_err(|status| refused(&status))?.into_inner().agent;
            describe(&agent.unwrap_or_default())
        }
        Action::Revoke { agent } => {
            let answer = remote.client.revoke_agent(RevokeAgentRequest { agent }).await;
            let agent = answer.map_err(|status| refused(&status))?.into_inner().agent;
            let AgentSummary { name, id, .. } = agent.unwrap_or_default();
            format!("Agent {name} ({id}) is revoked.\n")
        }
    };
    terminal::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn describe(agent: &AgentSummary) -> String {
    let mut table = Table::new(["name", &agent.name]);
    for (what, value) in [
        ("id", agent.id.clone()),
        ("state", state(agent).to_owned()),
        ("host name", agent.hostname.clone()),
        ("version", agent.agent_version.clone()),
        ("enrolled", moment(agent.enrolled_at_ms)),
        ("last seen", optional(agent.last_seen_ms)),
        ("certificate ends", moment(agent.certificate_ends_ms)),
        ("revoked", optional(agent.revoked_at_ms)),
    ] {
        table.row([what.to_owned(), value]);
    }
    table.render()
}

fn state(agent: &AgentSummary) -> &'static str {
    match (agent.revoked_at_ms, agent.connected) {
        (Some(_), _) => "revoked",
        (None, true) => "connected",
        (None, false) => "away",
    }
}

fn optional(millis: Option<i64>) -> String {
    millis.map(moment).unwrap_or_default()
}
