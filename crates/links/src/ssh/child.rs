//! One running `ssh`, from its start to its end.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::link::Target;
use nix::sys::memfd::{MFdFlags, memfd_create};
use proto::{Goodbye, GoodbyeReason};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, BufReader, join};
use tokio::process::{Child as Process, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{SshSettings, bootstrap, command, failure, program};
use crate::{AgentLink, BlobDirectory, serve_child};

/// Above the connection timeout: for the login, and for a slow host to start a shell.
const LOGIN: Duration = Duration::from_secs(30);
/// What is remembered of what ssh and the agent print.
const MEMORY: usize = 8 << 10;
/// How long the agent may take to end by itself.
const PARTING: Duration = Duration::from_secs(3);

/// Answers `ssh` when it asks for a password, and nothing else it may ask. The password is not in it.
const ASKPASS: &str =
    "#!/bin/sh\ncase \"$1\" in\n*yes/no*) echo no ;;\n*) exec cat \"$MUSTER_ASKPASS\" ;;\nesac\n";

/// A connection to a host, and the agent at its end.
pub(crate) struct Child {
    link: Arc<AgentLink>,
    cut: CancellationToken,
    /// Changes when the process has ended.
    ended: watch::Receiver<bool>,
}

impl Child {
    /// Connects, brings the agent if it is not there, and starts it. The error is a message for people.
    pub(crate) async fn start(
        target: &Target,
        settings: &SshSettings,
        blobs: &Arc<BlobDirectory>,
    ) -> Result<Self, String> {
        let password = target
            .password
            .as_ref()
            .map(|password| Askpass::new(password.reveal()))
            .transpose()
            .map_err(|error| format!("cannot hand the password to ssh: {error}"))?;
        let mut process = spawn(target, password.as_ref())?;
        let mut stdin = process.stdin.take().expect("piped");
        let mut stdout = BufReader::new(process.stdout.take().expect("piped"));
        let said = Said::listen(process.stderr.take().expect("piped"));
        let limit = target.connect_timeout + LOGIN;
        let begun = match timeout(limit, bootstrap::greeting(&mut stdout)).await {
            Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
            Ok(Err(message)) => Err(message),
            Ok(Ok(None)) => Ok(None),
            Ok(Ok(Some(machine))) => bring(&machine, settings, &mut stdout, &mut stdin).await,
        };
        // From here on nobody asks for it.
        drop(password);
        match begun {
            Ok(Some(())) => {
                Ok(Self::serve(target, settings, blobs, Running { process, stdin, stdout, said }))
            }
            Ok(None) => Err(last_words(target, process, &said).await),
            Err(message) => Err(format!("{}: {message}", target.address)),
        }
    }

    fn serve(
        target: &Target,
        settings: &SshSettings,
        blobs: &Arc<BlobDirectory>,
        running: Running,
    ) -> Self {
        let Running { process, stdin, stdout, said } = running;
        let link = AgentLink::new(format!("the agent on {}", target.host), settings.timing);
        let cut = CancellationToken::new();
        serve_child(join(stdout, stdin), Arc::clone(&link), blobs, cut.clone());
        let (ending, ended) = watch::channel(false);
        let (target, watched) = (target.clone(), Arc::clone(&link));
        let stop = cut.clone();
        tokio::spawn(async move {
            let mut process = process;
            let status = tokio::select! {
                status = process.wait() => status,
                () = stop.cancelled() => {
                    // Its input is closed now, and that ends it; if not, so does this.
                    if timeout(PARTING, process.wait()).await.is_err() {
                        let _ = process.start_kill();
                    }
                    process.wait().await
                }
            };
            let code = status.ok().and_then(|status| status.code());
            watched.fail(failure::lost(&target, &said.text_when_closed().await, code));
            stop.cancel();
            // Nobody waits when the run is over.
            let _ = ending.send(true);
        });
        Self { link, cut, ended }
    }

    pub(crate) fn link(&self) -> Arc<AgentLink> {
        Arc::clone(&self.link)
    }

    pub(crate) fn is_alive(&self) -> bool {
        !*self.ended.borrow()
    }

    /// Says goodbye, and waits for the end.
    pub(crate) async fn close(&self) {
        self.link.close(Goodbye {
            reason: GoodbyeReason::Stopping,
            message: "the run is over".to_owned(),
            retry_after: Duration::ZERO,
        });
        let mut ended = self.ended.clone();
        if timeout(PARTING, ended.wait_for(|ended| *ended)).await.is_err() {
            self.cut.cancel();
            let _ = timeout(2 * PARTING, ended.wait_for(|ended| *ended)).await;
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.cut.cancel();
    }
}

struct Running {
    process: Process,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    said: Said,
}

fn spawn(target: &Target, password: Option<&Askpass>) -> Result<Process, String> {
    let (program, words) = command::line(target);
    let mut command = Command::new(&program);
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Away from the terminal: its Ctrl-C is for us, and we end the connection in order.
    command.process_group(0).kill_on_drop(true);
    if let Some(password) = password {
        command.env("SSH_ASKPASS", password.script()).env("SSH_ASKPASS_REQUIRE", "force");
        command.env("MUSTER_ASKPASS", password.secret());
        // Before version 8.4 ssh asked the program only when there was a display.
        if std::env::var_os("DISPLAY").is_none() {
            command.env("DISPLAY", ":0");
        }
    }
    command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("cannot find `{program}`: the ssh connection needs the OpenSSH client")
        }
        std::io::ErrorKind::ArgumentListTooLong => "the ssh arguments are too long".to_owned(),
        _ => format!("cannot run `{program}`: {error}"),
    })
}

async fn bring(
    machine: &bootstrap::Machine,
    settings: &SshSettings,
    stdout: &mut BufReader<ChildStdout>,
    stdin: &mut ChildStdin,
) -> Result<Option<()>, String> {
    let (given, machine) =
        (settings.agent.clone(), (machine.system.clone(), machine.machine.clone()));
    let found = tokio::task::spawn_blocking(move || {
        program::find(given.as_deref(), &machine.0, &machine.1)
    });
    let program = found.await.map_err(|error| format!("a bug in Muster: {error}"))??;
    bootstrap::deliver(&program, stdout, stdin).await
}

/// Why ssh ended before the agent began.
async fn last_words(target: &Target, mut process: Process, said: &Said) -> String {
    let status = timeout(PARTING, process.wait()).await;
    let code = status.ok().and_then(Result::ok).and_then(|status| status.code());
    failure::not_connected(target, &said.text_when_closed().await, code)
}

/// What ssh and the agent print to standard error: the end of it.
#[derive(Clone)]
struct Said {
    text: Arc<Mutex<Vec<u8>>>,
    closed: CancellationToken,
}

impl Said {
    fn listen(stderr: ChildStderr) -> Self {
        let said = Self { text: Arc::default(), closed: CancellationToken::new() };
        tokio::spawn(said.clone().collect(stderr));
        said
    }

    async fn collect(self, mut stderr: impl AsyncRead + Unpin) {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
            let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
            text.extend_from_slice(&buffer[..length]);
            let surplus = text.len().saturating_sub(MEMORY);
            text.drain(..surplus);
        }
        self.closed.cancel();
    }

    async fn text_when_closed(&self) -> String {
        // A multiplexing master keeps it open.
        let _ = timeout(Duration::from_millis(500), self.closed.cancelled()).await;
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Gives `ssh` a password without argument, environment or file on disk: it reads our memory file through /proc.
struct Askpass {
    directory: TempDir,
    secret: File,
}

impl Askpass {
    fn new(password: &str) -> std::io::Result<Self> {
        let mut secret = File::from(memfd_create(c"askpass", MFdFlags::MFD_CLOEXEC)?);
        secret.write_all(format!("{password}\n").as_bytes())?;
        let directory = tempfile::Builder::new().prefix("muster-askpass-").tempdir()?;
        let script = directory.path().join("askpass");
        std::fs::write(&script, ASKPASS)?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700))?;
        Ok(Self { directory, secret })
    }

    fn script(&self) -> std::path::PathBuf {
        self.directory.path().join("askpass")
    }

    fn secret(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.secret.as_raw_fd())
    }
}
