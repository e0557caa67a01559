//! `muster serve`: the controller as a service.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::GlobalArgs;
use crate::error::{CliError, ErrorKind};
use crate::server::{Server, ServerSettings};
use crate::settings::Environment;
use crate::terminal;

/// Seconds that agents have to come back with the results of runs that were cut off.
const RECOVERY_SECONDS: u64 = 60;

/// `muster serve`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  muster serve                                    listen on port 7443 of all addresses
  muster serve --listen 10.0.0.1:7443 --name ctl.example.org

Then, on this machine: `muster token create`, and on each host: `muster-agent enroll`.
MUSTER_LOG says what is logged to standard error: error, warn, info, debug [default: info].
MUSTER_RECOVERY_SECONDS: how long agents are waited for to close runs that were cut off [default: 60].")]
pub(crate) struct ServeArgs {
    /// Where to listen for agents and operators
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:7443")]
    listen: String,
    /// Another name or address of this machine, for its certificate; may be given again
    #[arg(long = "name", value_name = "NAME", num_args = 1..)]
    names: Vec<String>,
}

/// Serves until SIGTERM or Ctrl-C.
pub(crate) async fn serve(
    global: &GlobalArgs,
    args: ServeArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let settings = ServerSettings {
        directory: global.state_directory(environment),
        listen: args.listen,
        names: args.names,
        recovery: recovery(environment)?,
    };
    let directory = settings.directory.clone();
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone())?;
    let server = Server::start(settings, stop).await?;
    terminal::print(&format!(
        "muster serves on {} (authority {}); to admit a host: muster --state-dir {} token create\n",
        server.address,
        server.fingerprint,
        directory.display()
    ))?;
    server.serve().await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

fn recovery(environment: &Environment) -> Result<Duration, CliError> {
    const NAME: &str = "MUSTER_RECOVERY_SECONDS";
    let Some(text) = environment.get(NAME).filter(|text| !text.is_empty()) else {
        return Ok(Duration::from_secs(RECOVERY_SECONDS));
    };
    let seconds = text.parse().map_err(|_| {
        CliError::options(format!("{NAME} is `{text}`, which is not a whole number of seconds"))
    })?;
    Ok(Duration::from_secs(seconds))
}

/// The first signal ends the service in peace, the second one at once.
#[expect(
    clippy::disallowed_methods,
    reason = "at once: no run is waited for, the next start closes them"
)]
fn stop_on_signals(stop: CancellationToken) -> Result<(), CliError> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stop.is_cancelled() {
                std::process::exit(ErrorKind::Interrupted.exit_code().into());
            }
            tracing::info!("stopping; once more to stop at once");
            stop.cancel();
        }
    });
    Ok(())
}
