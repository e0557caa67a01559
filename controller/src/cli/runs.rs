//! `muster runs`: what was done, and how it went.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use model::RunId;
use proto::v1::{CancelRunRequest, ListRunsRequest, RunSummary};
use report::{Console, JsonLines, Reporter};
use store::Store;

use super::GlobalArgs;
use super::table::{Table, moment};
use crate::error::CliError;
use crate::recorder::Screen;
use crate::remote::refused;
use crate::settings::Environment;
use crate::terminal;

/// `muster runs`.
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  muster runs list
  muster runs show 0199c5f0-...           as it looked when it ran
  muster runs show 0199c5f0-... --json    every event, one JSON object a line
  muster runs cancel 0199c5f0-...

Without a controller, these are the runs of this machine."
)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the latest runs
    List {
        /// How many
        #[arg(short = 'n', long, default_value_t = 50)]
        limit: u32,
    },
    /// Show a run as it looked; one that goes on, until it ends
    Show {
        /// Its id
        run: RunId,
        /// Every event, one JSON object a line
        #[arg(long)]
        json: bool,
        /// Show more; up to -vvvv
        #[arg(short, long, action = clap::ArgAction::Count)]
        verbose: u8,
    },
    /// Stop a run
    Cancel {
        /// Its id
        run: RunId,
    },
}

/// Shows and stops runs.
pub(crate) async fn runs(
    global: &GlobalArgs,
    args: RunsArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let local = global.local_records(environment).await?;
    match (args.action, local) {
        (Action::List { limit }, Some(store)) => {
            let runs = store.runs(limit).await.map_err(CliError::failed)?;
            list(runs.into_iter().map(summary).collect::<Result<_, _>>()?)
        }
        (Action::List { limit }, None) => {
            let mut remote = global.remote(environment).await?;
            let answer = remote.client.list_runs(ListRunsRequest { limit }).await;
            list(answer.map_err(|status| refused(&status))?.into_inner().runs)
        }
        (Action::Show { run, json, verbose }, Some(store)) => {
            replay(&store, run, reporter(json, verbose)).await
        }
        (Action::Show { run, json, verbose }, None) => {
            let remote = global.remote(environment).await?;
            remote.replay(&run.to_string(), reporter(json, verbose)).await
        }
        (Action::Cancel { .. }, Some(_)) => Err(CliError::failed(
            "runs of this machine end with the command that started them: press Ctrl-C there",
        )),
        (Action::Cancel { run }, None) => {
            let mut remote = global.remote(environment).await?;
            let answer = remote.client.cancel_run(CancelRunRequest { run: run.to_string() }).await;
            let was_running = answer.map_err(|status| refused(&status))?.into_inner().was_running;
            let said = if was_running { "is being stopped" } else { "had ended already" };
            terminal::print(&format!("Run {run} {said}.\n"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(runs: Vec<RunSummary>) -> Result<ExitCode, CliError> {
    let mut table = Table::new(["ID", "STATUS", "STARTED", "ENDED", "BY", "WHAT"]);
    for run in runs {
        let ended = run.ended_at_ms.map(moment).unwrap_or_default();
        table.row([run.run, run.status, moment(run.started_at_ms), ended, run.caller, run.title]);
    }
    terminal::print(&table.render())?;
    Ok(ExitCode::SUCCESS)
}

fn summary(run: store::Run) -> Result<RunSummary, CliError> {
    let status = serde_json::to_value(run.status).map_err(CliError::failed)?;
    Ok(RunSummary {
        run: run.id.to_string(),
        title: run.title,
        status: status.as_str().unwrap_or_default().to_owned(),
        started_at_ms: run.started.as_millisecond(),
        ended_at_ms: run.ended.map(Timestamp::as_millisecond),
        caller: run.caller,
    })
}

fn reporter(json: bool, verbose: u8) -> Box<dyn Reporter> {
    if json {
        return Box::new(JsonLines::new(Box::new(io::stdout())));
    }
    let options = terminal::report_options(verbose, true);
    Box::new(Console::new(Box::new(io::stdout()), Box::new(io::stderr()), options))
}

async fn replay(
    store: &Store,
    run: RunId,
    reporter: Box<dyn Reporter>,
) -> Result<ExitCode, CliError> {
    if store.run(run).await.map_err(CliError::failed)?.is_none() {
        return Err(CliError::failed(format!("there is no run {run}")));
    }
    let mut screen = Screen::new(reporter, Arc::default());
    let mut last = 0;
    loop {
        let events = store.events(run, last, 1000).await.map_err(CliError::failed)?;
        let Some(newest) = events.last() else { break };
        last = newest.seq;
        for event in &events {
            screen.see(event);
        }
    }
    screen.finish();
    Ok(ExitCode::SUCCESS)
}
