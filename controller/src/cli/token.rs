//! `muster token`: what a host needs to join.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use proto::v1::{CreateTokenRequest, ListTokensRequest, RevokeTokenRequest};

use super::GlobalArgs;
use super::table::{Table, moment};
use crate::error::CliError;
use crate::remote::refused;
use crate::settings::Environment;
use crate::terminal;

/// `muster token`.
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  muster token create                          for any host, good for an hour and for one use
  muster token create --name web01 --lifetime 15m
  muster token list
  muster token revoke 5f1c...

On the host, as root:
  muster-agent enroll --controller HOST:PORT --token TOKEN"
)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token; this is the only time that it is shown
    Create {
        /// How long it is good, e.g. 90s, 15m, 2h, 1d [default: the controller's, one hour]
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        lifetime: Option<Duration>,
        /// Only a host of this name can use it
        #[arg(long)]
        name: Option<String>,
    },
    /// Show tokens, without their secrets
    List,
    /// Make a token useless
    Revoke {
        /// Its id, as `muster token list` shows it
        id: String,
    },
}

/// Makes, shows and revokes join tokens.
pub(crate) async fn token(
    global: &GlobalArgs,
    args: TokenArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let mut remote = global.remote(environment).await?;
    match args.action {
        Action::Create { lifetime, name } => {
            let request = CreateTokenRequest {
                lifetime_seconds: lifetime.map_or(0, |lifetime| lifetime.as_secs()),
                name: name.unwrap_or_default(),
            };
            let answer = remote.client.create_token(request).await;
            let token = answer.map_err(|status| refused(&status))?.into_inner();
            terminal::print(&format!("{}\n", token.token))?;
        }
        Action::List => {
            let answer = remote.client.list_tokens(ListTokensRequest {}).await;
            let tokens = answer.map_err(|status| refused(&status))?.into_inner().tokens;
            let mut table = Table::new(["ID", "NAME", "STATE", "CREATED", "ENDS"]);
            for token in tokens {
                let state = if token.revoked {
                    "revoked".to_owned()
                } else if !token.used_by.is_empty() {
                    format!("used by {}", token.used_by)
                } else if token.ends_at_ms <= jiff::Timestamp::now().as_millisecond() {
                    "expired".to_owned()
                } else {
                    "good".to_owned()
                };
                let (created, ends) = (moment(token.created_at_ms), moment(token.ends_at_ms));
                table.row([token.id, token.name, state, created, ends]);
            }
            terminal::print(&table.render())?;
        }
        Action::Revoke { id } => {
            let answer = remote.client.revoke_token(RevokeTokenRequest { id: id.clone() }).await;
            answer.map_err(|status| refused(&status))?;
            terminal::print(&format!("Token {id} is revoked.\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A number with its unit.
fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("`{text}` is not a duration such as 90s, 15m, 2h or 1d");
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| expected())?;
    let seconds = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return Err(expected()),
    };
    match number.checked_mul(seconds) {
        Some(0) | None => Err(expected()),
        Some(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86400), ("7", 7)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "0s", "-1h", "1w", "1.5h", "99999999999999999999d"] {
            assert!(duration(text).unwrap_err().contains("not a duration"), "{text}");
        }
    }
}
