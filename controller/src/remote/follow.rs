//! A run on a controller, seen from here: its events go to the same reporters, its end is our exit code.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Event;
use proto::v1::{CancelRunRequest, RunEvent, WatchRunRequest};
use report::Reporter;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status, Streaming};

use super::{Remote, open, refused};
use crate::cli::Passwords;
use crate::error::{CliError, ErrorKind};
use crate::job::Job;
use crate::recorder::{Screen, exit_code};
use crate::runner::interrupted;
use crate::settings::{Environment, Settings};
use crate::terminal;

/// A controller that went away may come back for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two tries to reach it.
const PAUSE: Duration = Duration::from_millis(500);

/// A run that was told to stop has so long for it.
const STOPPING: Duration = Duration::from_secs(15);

/// A run that is being followed.
struct Followed {
    run: String,
    seq: u64,
    screen: Screen,
    is_over: bool,
}

impl Followed {
    fn new(reporter: Box<dyn Reporter>) -> Self {
        Self {
            run: String::new(),
            seq: 0,
            screen: Screen::new(reporter, Arc::default()),
            is_over: false,
        }
    }

    fn take(&mut self, message: RunEvent) -> Result<(), CliError> {
        self.run = message.run;
        if message.event_json.is_empty() || message.seq <= self.seq {
            return Ok(());
        }
        let event: Event = serde_json::from_slice(&message.event_json).map_err(|error| {
            CliError::failed(format!("the controller sent an event that is not one: {error}"))
                .hint("are client and controller of the same version?")
        })?;
        self.seq = message.seq;
        self.is_over = exit_code(&event.kind).is_some();
        // A slow terminal slows this run's display only.
        self.screen.see(&event);
        Ok(())
    }
}

impl Remote {
    /// Does a job on the controller.
    pub(crate) async fn run(
        mut self,
        job: &Job,
        settings: &Settings,
        passwords: Passwords,
        environment: &Environment,
    ) -> Result<ExitCode, CliError> {
        let request = self.request(job, settings, passwords, environment).await?;
        let stream =
            self.client.start_run(request).await.map_err(|status| refused(&status))?.into_inner();
        self.follow(stream, Followed::new(job.reporter(settings))).await
    }

    /// Shows a run from its first event on; one that goes on, until it ends.
    pub(crate) async fn replay(
        mut self,
        run: &str,
        reporter: Box<dyn Reporter>,
    ) -> Result<ExitCode, CliError> {
        let mut followed = Followed::new(reporter);
        run.clone_into(&mut followed.run);
        let mut stream = self.watch(run, 0).await.map_err(|status| refused(&status))?;
        while let Some(message) = stream.message().await.map_err(|status| refused(&status))? {
            followed.take(message)?;
        }
        followed.screen.finish();
        Ok(ExitCode::SUCCESS)
    }

    async fn watch(&mut self, run: &str, after: u64) -> Result<Streaming<RunEvent>, Status> {
        let request = WatchRunRequest { run: run.to_owned(), after_seq: after };
        Ok(self.client.watch_run(request).await?.into_inner())
    }

    async fn follow(
        &mut self,
        mut stream: Streaming<RunEvent>,
        mut followed: Followed,
    ) -> Result<ExitCode, CliError> {
        loop {
            let message = tokio::select! {
                message = stream.message() => message,
                result = interrupted() => {
                    result?;
                    return self.cancel(stream, followed).await;
                }
            };
            match message {
                Ok(Some(message)) => followed.take(message)?,
                Ok(None) if followed.is_over => return Ok(followed.screen.finish()),
                Ok(None) => {
                    stream = self
                        .resume(&followed.run, followed.seq, &Status::unavailable("it ended"))
                        .await?;
                }
                Err(_) if followed.is_over => return Ok(followed.screen.finish()),
                Err(status) => {
                    stream = self.resume(&followed.run, followed.seq, &status).await?;
                }
            }
        }
    }

    /// Connects again, and goes on after the last event.
    async fn resume(
        &mut self,
        run: &str,
        after: u64,
        status: &Status,
    ) -> Result<Streaming<RunEvent>, CliError> {
        let is_lost = matches!(
            status.code(),
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal
        );
        if run.is_empty() || !is_lost {
            return Err(refused(status));
        }
        terminal::complain("WARNING", "lost the connection to the controller, trying again");
        let start = Instant::now();
        loop {
            let error = match open(&self.address, &self.identity).await {
                Ok(client) => {
                    self.client = client;
                    match self.watch(run, after).await {
                        Ok(stream) => return Ok(stream),
                        Err(status) => refused(&status),
                    }
                }
                Err(error) => error,
            };
            if start.elapsed() > PATIENCE {
                return Err(error.hint(format!(
                    "the run may still go on; `muster runs show {run}` tells how it ended"
                )));
            }
            sleep(PAUSE).await;
        }
    }

    /// Stops the run, and waits for its last events.
    async fn cancel(
        &mut self,
        mut stream: Streaming<RunEvent>,
        mut followed: Followed,
    ) -> Result<ExitCode, CliError> {
        let request = CancelRunRequest { run: followed.run.clone() };
        self.client.cancel_run(request).await.map_err(|status| refused(&status))?;
        let rest = async {
            while let Ok(Some(message)) = stream.message().await {
                followed.take(message)?;
            }
            Ok::<_, CliError>(())
        };
        tokio::select! {
            result = timeout(STOPPING, rest) => if let Ok(result) = result { result? },
            result = interrupted() => result?,
        }
        followed.screen.finish();
        Ok(ExitCode::from(ErrorKind::Interrupted.exit_code()))
    }
}
