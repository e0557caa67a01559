//! A run in this very process: no server, nothing set up, nothing left behind.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use engine::Run;
use engine::link::Links;
use links::BlobDirectory;
use model::{Event, EventKind, RunStatus};
use report::Reporter;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::archive::Archive;
use crate::cli::GlobalArgs;
use crate::content::Content;
use crate::error::{CliError, ErrorKind};
use crate::job::{Job, Surroundings};
use crate::person::Typist;
use crate::recorder::{Recorder, Screen};
use crate::remote::Remote;
use crate::settings::{Environment, Settings};
use crate::ways::Ways;

/// After an interruption, hosts have so long to be told.
const FAREWELL: Duration = Duration::from_secs(3);

/// Does a job in this process, or on the controller that was named.
pub(crate) async fn run(
    global: &GlobalArgs,
    job: Job,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let settings = Settings::resolve(environment, Path::new(""))?;
    let passwords = job.ask_passwords(&settings)?;
    if let Some(address) = global.controller() {
        let directory = global.state_directory(environment);
        let remote = Remote::connect(address, &directory, environment).await?;
        return remote.run(&job, &settings, passwords, environment).await;
    }
    let content = job.load(Surroundings::here(&settings, passwords))?;
    let archive = Archive::new(&job.title(), global.state_directory(environment));
    play(content, job.reporter(&settings), archive).await
}

/// Plays the content and reports it; gives the exit code.
async fn play(
    content: Content,
    reporter: Box<dyn Reporter>,
    archive: Archive,
) -> Result<ExitCode, CliError> {
    let directory = tempfile::Builder::new()
        .prefix("muster-")
        .tempdir()
        .map_err(|error| CliError::failed(format!("cannot make a temporary directory: {error}")))?;
    let blobs = Arc::new(BlobDirectory::open(directory.path().join("blobs"))?);
    let links: Arc<dyn Links> = Arc::new(Ways::new(&blobs, None));
    let (events, happened) = mpsc::unbounded_channel();
    let (shown, seen) = watch::channel(0);
    let mut content = content;
    let asking: Arc<AtomicBool> = Arc::default();
    let typist = Typist::new(seen, content.warnings.len() as u64, asking.clone());
    content.options.person = Some(Arc::new(typist));
    let screen = tokio::task::spawn_blocking(move || {
        show(happened, Screen::new(reporter, asking), archive, &shown)
    });
    let run = engine_run(content, links.clone(), blobs, events.clone());
    let mut task = tokio::spawn(run.play());
    let ended = tokio::select! {
        ended = &mut task => Some(ended),
        result = interrupted() => { result?; None }
    };
    match ended {
        Some(Ok(_)) => {}
        Some(Err(error)) => {
            let message = format!("a bug in Muster: {error}; please report it");
            return Err(CliError::new(ErrorKind::Bug, message));
        }
        None => {
            task.abort();
            // An error of the task says that it was aborted, as it should be.
            if timeout(FAREWELL, task).await.is_err() {
                return Err(CliError::failed(
                    "interrupted; what the controller was doing cannot be ended",
                ));
            }
            let _ = timeout(FAREWELL, links.close()).await;
        }
    }
    drop(events);
    let (code, archive) = screen.await.map_err(|error| CliError::new(ErrorKind::Bug, error))?;
    archive.keep().await;
    Ok(code)
}

/// The engine's run of some content. Warnings come first.
pub(crate) fn engine_run(
    content: Content,
    links: Arc<dyn Links>,
    blobs: Arc<BlobDirectory>,
    events: mpsc::UnboundedSender<EventKind>,
) -> Run {
    let Content { playbooks, inventory, loader, options, configuration, vault, warnings } = content;
    for message in warnings {
        // Nobody listening is no reason to stop.
        let _ = events.send(EventKind::Warned { message });
    }
    let mut environment = crate::lookups::environment().with_vault(vault);
    environment.allow_broken_conditionals =
        configuration.flag("ALLOW_BROKEN_CONDITIONALS").unwrap_or_default();
    environment.allow_embedded_templates =
        configuration.flag("ALLOW_EMBEDDED_TEMPLATES").unwrap_or(true);
    environment.configuration = Some(configuration);
    Run { playbooks, inventory, options, links, blobs, loader, environment, events }
}

/// Shows events until no more can come. A run without an end of its own was stopped by a person.
fn show(
    mut happened: mpsc::UnboundedReceiver<EventKind>,
    mut screen: Screen,
    mut archive: Archive,
    shown: &watch::Sender<u64>,
) -> (ExitCode, Archive) {
    let mut recorder = Recorder::new(archive.run());
    let mut see = |event: Event| {
        screen.see(&event);
        archive.add(event);
    };
    while let Some(kind) = happened.blocking_recv() {
        see(recorder.record(kind));
        shown.send_modify(|count| *count += 1);
    }
    recorder.close(RunStatus::Cancelled).into_iter().for_each(&mut see);
    (screen.finish(), archive)
}

/// Ends with Ctrl-C or SIGTERM.
pub(crate) async fn interrupted() -> Result<(), CliError> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
