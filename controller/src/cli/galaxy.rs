//! `muster galaxy` and `ansible-galaxy`: roles and collections from files, repositories and servers.

mod collection;
mod role;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::{NonEmptyStringValueParser, TypedValueParser as _};
use clap::{Args, Subcommand};
use galaxy::{Client, Server, Talk};
use model::Secret;

use super::GlobalArgs;
use crate::error::{CliError, ErrorKind};
use crate::settings::{Configuration, Environment, Settings};
use crate::terminal;

/// `muster galaxy`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  muster galaxy role install -r requirements.yml   install roles that a file names
  muster galaxy collection build                   pack the collection of this directory
  muster galaxy collection install community.general:>=9.0.0
  muster galaxy collection download -r requirements.yml
                                                   for hosts without a network")]
pub(crate) struct GalaxyArgs {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Roles
    Role {
        #[command(subcommand)]
        action: role::Action,
    },
    /// Collections
    Collection {
        #[command(subcommand)]
        action: collection::Action,
    },
    #[command(flatten)]
    Plain(role::Action),
}

/// Which server, and how it is asked.
#[derive(Debug, Clone, Args)]
pub(super) struct ServerArgs {
    /// The server to ask
    #[arg(short, long, value_name = "URL")]
    server: Option<String>,
    /// The token for it
    #[arg(long, visible_alias = "api-key", value_name = "TOKEN", value_parser = NonEmptyStringValueParser::new().map(Secret::new))]
    token: Option<Secret<String>>,
    /// Take the server's certificate as it is
    #[arg(short = 'c', long)]
    ignore_certs: bool,
    /// How many seconds an answer may take
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Show more; up to -vvvv
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl ServerArgs {
    /// The server that was named, else the first of the configuration.
    fn client(&self, set: &Configuration) -> Result<Client, CliError> {
        let names = set.list("GALAXY_SERVER_LIST")?;
        self.client_of(set, self.server.as_ref().or(names.first()), &names)
    }

    /// The server that was named, else all of the configuration.
    fn clients(&self, set: &Configuration) -> Result<Vec<Client>, CliError> {
        let names = set.list("GALAXY_SERVER_LIST")?;
        if self.server.is_some() || names.is_empty() {
            return Ok(vec![self.client(set)?]);
        }
        names.iter().map(|name| self.client_of(set, Some(name), &names)).collect()
    }

    fn client_of(
        &self,
        set: &Configuration,
        name: Option<&String>,
        names: &[String],
    ) -> Result<Client, CliError> {
        let name = name.filter(|name| names.contains(name));
        let option = |key| {
            name.and_then(|name| set.galaxy_option(name, key)).map(|(text, _)| text.to_owned())
        };
        let default = set.text("GALAXY_SERVER")?.unwrap_or_default();
        let url = option("url").or_else(|| self.server.clone()).unwrap_or(default);
        let validate = option("validate_certs")
            .is_none_or(|text| !matches!(text.to_lowercase().as_str(), "no" | "false" | "0"));
        let seconds = self.timeout.or(option("timeout").and_then(|text| text.parse().ok()));
        let seconds = seconds.or(set.number("GALAXY_SERVER_TIMEOUT")?).unwrap_or(60);
        Ok(Client::new(Server {
            name: name.cloned().unwrap_or_else(|| url.clone()),
            token: self.token.clone().or(option("token").map(Secret::new)),
            validate_certs: validate && !self.ignore_certs && !set.flag("GALAXY_IGNORE_CERTS")?,
            timeout: Duration::from_secs(seconds),
            url,
        }))
    }
}

struct Screen;

impl Talk for Screen {
    fn say(&self, line: &str) {
        // Nobody reading is no reason to stop half-way.
        let _ = terminal::print(&format!("{line}\n"));
    }

    fn warn(&self, line: &str) {
        terminal::complain("WARNING", line);
    }
}

fn failed(error: galaxy::Error) -> CliError {
    match error {
        galaxy::Error::Failed(text) => CliError::failed(text),
        galaxy::Error::Options(text) => CliError::options(text),
        galaxy::Error::Content(diagnostic) => CliError::new(ErrorKind::Failed, *diagnostic),
    }
}

/// Directories given on the command line in full, before those of the settings.
fn with_given(given: &[String], configured: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let given = given.iter().flat_map(|text| text.split(':')).filter(|part| !part.is_empty());
    let given = given.map(std::path::absolute).collect::<Result<Vec<_>, _>>()?;
    Ok(given.into_iter().chain(configured.iter().cloned()).collect())
}

/// Carries it out.
pub(crate) async fn galaxy(
    _: &GlobalArgs,
    args: GalaxyArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let settings = Settings::resolve(environment, std::path::Path::new(""))?;
    settings.warnings.iter().for_each(|warning| terminal::complain("WARNING", warning));
    let work = move || match args.kind {
        Kind::Role { action } => action.run(&settings, false),
        Kind::Plain(action) => action.run(&settings, true),
        Kind::Collection { action } => action.run(&settings),
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| CliError::new(ErrorKind::Bug, format!("a bug in Muster: {error}")))?
}
