//! What Muster does, on standard error, for those who look after it.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::error::CliError;
use crate::settings::Environment;

/// Starts the log: as much as `MUSTER_LOG` says, else as the command does.
pub(crate) fn start(environment: &Environment, default: &str) -> Result<(), CliError> {
    let filter = environment.get("MUSTER_LOG").map_or("", String::as_str);
    let filter = if filter.is_empty() { default } else { filter };
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        CliError::options(format!("MUSTER_LOG is `{filter}`, which is not a filter: {error}"))
            .hint("one of error, warn, info, debug, or e.g. `links=debug,info`")
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        log.init();
    } else {
        // The journal has its own clock.
        log.with_ansi(false).without_time().init();
    }
    Ok(())
}
