//! The agent that a controller starts over SSH: one session over standard input and output, and nothing on disk.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use executor::Executor;
use nix::sys::stat::{SFlag, fstat};
use proto::MIN_PROTOCOL;
use tokio::io::{AsyncRead, AsyncWrite, join};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::blobs::ControllerBlobs;
use crate::desk::Desk;
use crate::dial::over;
use crate::session::{Agent, Ending, client};

/// How long running steps have to end when the controller is gone.
const GRACE: Duration = Duration::from_secs(2);

/// Serves one controller until the input ends. The error is a message for people.
pub async fn serve(input: File, output: File) -> Result<(), String> {
    let io = join(reader(input)?, writer(output)?);
    serve_over(io).await
}

/// Serves one controller over any stream until it ends.
pub async fn serve_over<S>(io: S) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (connection, current) = watch::channel(None);
    let blobs = ControllerBlobs { runtime: Handle::current(), client: current, directory: None };
    let desk = Desk::open(None, Executor::default(), Arc::new(blobs))
        .map_err(|error| error.to_string())?;
    let (_, facts) = watch::channel(None);
    let agent = Agent { desk, client: connection, facts, min_protocol: MIN_PROTOCOL, state: None };
    let channel = over(io).await?;
    let ending = agent.hold(client(channel), || tracing::debug!("welcome")).await;
    agent.desk.cancel_all();
    agent.desk.wait_idle(GRACE).await;
    match ending {
        Ending::Goodbye(goodbye) => {
            tracing::info!("the controller said goodbye: {}", goodbye.message);
            Ok(())
        }
        // How a controller usually ends: it closes the pipe.
        Ending::Lost(reason) => {
            tracing::debug!("{reason}");
            Ok(())
        }
    }
}

/// What is at the other end of a stream: sshd takes pipes or sockets, tests also files.
fn kind(file: &File) -> SFlag {
    fstat(file)
        .map_or(SFlag::empty(), |stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT)
}

fn reader(file: File) -> Result<Box<dyn AsyncRead + Send + Unpin>, String> {
    let failed = |error: io::Error| format!("cannot read standard input: {error}");
    Ok(match kind(&file) {
        SFlag::S_IFIFO => {
            Box::new(pipe::Receiver::from_owned_fd(OwnedFd::from(file)).map_err(failed)?)
        }
        SFlag::S_IFSOCK => Box::new(socket(file).map_err(failed)?),
        _ => Box::new(tokio::fs::File::from_std(file)),
    })
}

fn writer(file: File) -> Result<Box<dyn AsyncWrite + Send + Unpin>, String> {
    let failed = |error: io::Error| format!("cannot write standard output: {error}");
    Ok(match kind(&file) {
        SFlag::S_IFIFO => {
            Box::new(pipe::Sender::from_owned_fd(OwnedFd::from(file)).map_err(failed)?)
        }
        SFlag::S_IFSOCK => Box::new(socket(file).map_err(failed)?),
        _ => Box::new(tokio::fs::File::from_std(file)),
    })
}

fn socket(file: File) -> io::Result<UnixStream> {
    let socket = std::os::unix::net::UnixStream::from(OwnedFd::from(file));
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}
