//! The command line of `muster-agent`.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use identity::JoinToken;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::session::{chain, hostname};
use crate::settings::{STATE_DIRECTORY, Settings};
use crate::state::State;
use crate::{enrol, resident, stdio};

/// The unit that `muster-agent unit` prints.
const UNIT: &str = include_str!("../muster-agent.service");
/// Where that unit expects the program.
const INSTALLED: &str = "/usr/local/bin/muster-agent";

/// Carries out deploy plans on this host for a Muster controller.
///
/// To make this host manageable, ask the controller for a token and enrol once:
///
///   controller$ muster token create
///   host#       muster-agent enroll --controller muster.example.org:7443 --token muster1.…
///   host#       muster-agent unit > /etc/systemd/system/muster-agent.service
///   host#       systemctl enable --now muster-agent
#[derive(Debug, Parser)]
#[command(name = "muster-agent", version, verbatim_doc_comment, arg_required_else_help = true)]
struct Cli {
    /// Serve one controller over standard input and output; it starts this over SSH, nobody types it
    #[arg(long)]
    stdio: bool,
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct Common {
    /// Settings file [default: /etc/muster/agent.yml, if it exists]
    #[arg(long, global = true, value_name = "FILE", env = "MUSTER_AGENT_CONFIG")]
    config: Option<PathBuf>,
    /// Where identity and ledger are kept [default: /var/lib/muster-agent]
    #[arg(long, global = true, value_name = "DIR", env = "MUSTER_AGENT_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// What is logged to standard error: error, warn, info, debug, or e.g. `agent=debug`
    #[arg(long, global = true, value_name = "FILTER", env = "MUSTER_LOG")]
    log: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Give this host an identity: trades a join token for a certificate
    ///
    /// The token says which controller it is from: an impostor is noticed before the token is shown to it.
    /// A token works once. Make one with `muster token create` on the controller.
    Enroll(Enroll),
    /// Stay connected to the controller and carry out its plans (what the systemd unit starts)
    Run {
        /// Another address than the one of enrolment
        #[arg(long, value_name = "HOST:PORT", env = "MUSTER_CONTROLLER")]
        controller: Option<String>,
    },
    /// Say who this host is, and to which controller it belongs
    Status,
    /// Print a systemd unit for the resident agent
    Unit,
    /// The same as --stdio
    #[command(hide = true)]
    Stdio,
}

#[derive(Debug, Args)]
struct Enroll {
    /// The controller's address
    #[arg(long, value_name = "HOST:PORT", env = "MUSTER_CONTROLLER")]
    controller: Option<String>,
    /// The join token, or `-` to read it from standard input (so that it is not seen in the list of processes)
    #[arg(long, value_name = "TOKEN", env = "MUSTER_JOIN_TOKEN", hide_env_values = true)]
    token: String,
    /// The name under which playbooks know this host [default: its hostname]
    #[arg(long, value_name = "LABEL")]
    name: Option<String>,
    /// Take a new identity although this host has one
    #[arg(long)]
    force: bool,
}

/// Runs the program.
pub fn main() -> ExitCode {
    // A worker inherits nothing but its orders.
    if executor::is_worker() {
        return executor::worker_main();
    }
    identity::install_provider();
    let cli = Cli::parse();
    let command = match (cli.stdio, cli.command) {
        (true, _) => Command::Stdio,
        (false, Some(command)) => command,
        // clap has shown the help already when nothing at all was given.
        (false, None) => return fail("no command given; see `muster-agent --help`"),
    };
    // The program over SSH is given everything by its controller.
    let settings = match command {
        Command::Unit => return print(&unit()),
        Command::Stdio => Settings::default(),
        _ => match Settings::read(cli.common.config.as_deref()) {
            Ok(settings) => settings,
            Err(error) => return fail(&chain(&error)),
        },
    };
    let default_log = if matches!(command, Command::Stdio) { "warn" } else { "info" };
    let log = cli.common.log.or_else(|| settings.log.clone());
    if let Err(error) = start_log(log.as_deref().unwrap_or(default_log)) {
        return fail(&error);
    }
    let directory = cli.common.state_dir.or_else(|| settings.state_dir.clone());
    let state = State::new(directory.unwrap_or_else(|| STATE_DIRECTORY.into()));
    match command {
        Command::Enroll(arguments) => enroll(&state, &settings, arguments),
        Command::Run { controller } => run(state, controller.or(settings.controller)),
        Command::Status => status(&state),
        Command::Stdio => serve_stdio(),
        Command::Unit => ExitCode::SUCCESS,
    }
}

/// The unit for the program that prints it.
fn unit() -> String {
    let own = std::env::current_exe().map(|path| path.display().to_string());
    UNIT.replace(INSTALLED, own.as_deref().unwrap_or(INSTALLED))
}

fn start_log(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| format!("cannot understand the log filter `{filter}`: {error}"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        log.init();
    } else {
        // The journal has its own clock.
        log.with_ansi(false).without_time().init();
    }
    Ok(())
}

fn runtime() -> Result<Runtime, String> {
    // Steps run on threads of their own; one thread is enough for a connection.
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))
}

fn enroll(state: &State, settings: &Settings, arguments: Enroll) -> ExitCode {
    let Some(controller) = arguments.controller.or_else(|| settings.controller.clone()) else {
        return fail("which controller? Give --controller HOST:PORT");
    };
    let enrolled = read_token(&arguments.token).and_then(|token| {
        let name = arguments.name.or_else(|| settings.name.clone()).unwrap_or_else(hostname);
        let enrolment = enrol::enrol(state, &controller, &token, name, arguments.force);
        runtime()?.block_on(enrolment).map_err(|error| chain(&error))
    });
    match enrolled {
        Ok(enrolment) => print(&format!(
            "Enrolled as `{}` (agent {}) with {}.\nStart it with `muster-agent run`, or as a service: see \
             `muster-agent unit`.\n",
            enrolment.name, enrolment.agent_id, enrolment.controller
        )),
        Err(error) => fail(&error),
    }
}

fn read_token(text: &str) -> Result<JoinToken, String> {
    let mut read = String::new();
    let text = if text == "-" {
        let input = std::io::stdin();
        input
            .lock()
            .take(4096)
            .read_to_string(&mut read)
            .map_err(|error| format!("cannot read the token: {error}"))?;
        read.as_str()
    } else {
        text
    };
    text.parse().map_err(|error| chain(&error as &identity::ParseTokenError))
}

fn run(state: State, controller: Option<String>) -> ExitCode {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    go_home();
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = resident::run(state, controller) => ended.map_err(|error| chain(&error)),
            // The ledger is on disk: there is nothing to save.
            () = terminated() => Ok(()),
        }
    });
    // Not waiting for threads of steps: what they do is found in the ledger at the next start.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Steps run where a login would begin, as over SSH.
fn go_home() {
    let home = std::env::var_os("HOME").map(PathBuf::from).or_else(|| {
        nix::unistd::User::from_uid(nix::unistd::Uid::effective()).ok().flatten().map(|it| it.dir)
    });
    if home.is_none_or(|home| std::env::set_current_dir(home).is_err())
        && let Err(error) = std::env::set_current_dir("/")
    {
        tracing::warn!("cannot change to the root directory: {error}");
    }
}

async fn terminated() {
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => signal.recv().await.unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
}

fn serve_stdio() -> ExitCode {
    let streams = executor::take_standard_streams()
        .map_err(|error| format!("cannot use the standard streams: {error}"));
    let served = streams.and_then(|(input, output)| {
        let runtime = runtime()?;
        let served = runtime.block_on(stdio::serve(input, output));
        // A reader that waits for input which never comes must not hold us.
        runtime.shutdown_background();
        served
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn status(state: &State) -> ExitCode {
    match state.load() {
        Ok((enrolment, credentials)) => {
            let ends = credentials
                .peer()
                .map_or_else(|error| error.to_string(), |peer| peer.ends.to_string());
            print(&format!(
                "name:         {}\nagent:        {}\ncontroller:   {}\ncertificate:  good until {ends}\n\
                 open plans:   {}\nstate:        {}\n",
                enrolment.name,
                enrolment.agent_id,
                enrolment.controller,
                state.open_plans(),
                state.directory().display()
            ))
        }
        Err(error) => fail(&chain(&error)),
    }
}

fn print(text: &str) -> ExitCode {
    // A reader that has gone away has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "muster-agent: {message}");
    ExitCode::from(1)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        let parse = |words: &[&str]| Cli::try_parse_from([&["muster-agent"], words].concat());
        assert!(parse(&["--stdio"]).is_ok_and(|cli| cli.stdio));
        assert!(parse(&["enroll", "--controller", "c:1", "--token", "t"]).is_ok());
        assert!(parse(&["enroll", "--controller", "c:1"]).is_err(), "a token is needed");
        assert!(parse(&["run", "--state-dir", "/x"]).is_ok());
    }

    #[test]
    fn tokens_are_checked_before_anything_is_sent() {
        let error = read_token("hunter2").expect_err("no token");
        assert_eq!(error, "not a join token: it should begin with `muster1.`");
    }
}
