//! How the client is connected: over TCP or through a socket of this host, with an ear for the words behind a status,
//! which the client library drops.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, LazyBuffers, NextTimeout,
    RustlsConnector, Transport,
};

/// A client, and what it will hear.
pub(super) fn agent(config: Config, socket: Option<&Path>) -> (Agent, Reason) {
    let reason = Reason::default();
    let listening = Listening(reason.clone());
    let agent = match socket {
        None => {
            let connector = DefaultConnector::new().chain(listening);
            Agent::with_parts(config, connector, DefaultResolver::default())
        }
        Some(path) => {
            let connector =
                ().chain(Socket(path.to_owned()))
                    .chain(RustlsConnector::default())
                    .chain(listening);
            Agent::with_parts(config, connector, Nowhere)
        }
    };
    (agent, reason)
}

/// The words behind the status of the last answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Reason(Arc<Mutex<Option<String>>>);

impl Reason {
    pub(super) fn heard(&self) -> Option<String> {
        self.0.lock().ok()?.take()
    }

    /// Takes them from the beginning of an answer: `HTTP/1.1 404 NOT FOUND`.
    fn listen(&self, input: &[u8]) {
        let Some(rest) = input.strip_prefix(b"HTTP/1.") else { return };
        let Some(end) = rest.iter().position(|byte| *byte == b'\r') else { return };
        let line = String::from_utf8_lossy(&rest[..end]);
        let words = line.splitn(3, ' ').nth(2).filter(|words| !words.is_empty());
        if let (Some(words), Ok(mut heard)) = (words, self.0.lock()) {
            *heard = Some(words.to_owned());
        }
    }
}

/// Wraps connections so that the reason is heard.
#[derive(Debug)]
struct Listening(Reason);

impl<In: Transport> Connector<In> for Listening {
    type Out = Heard<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(|inner| Heard { inner, reason: self.0.clone() }))
    }
}

#[derive(Debug)]
struct Heard<In> {
    inner: In,
    reason: Reason,
}

impl<In: Transport> Transport for Heard<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let has_more = self.inner.await_input(timeout)?;
        self.reason.listen(self.inner.buffers().input());
        Ok(has_more)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// Connects to a socket of this host.
#[derive(Debug)]
struct Socket(PathBuf);

impl Connector<()> for Socket {
    type Out = SocketTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let stream = self.open()?;
        let (input, output) =
            (details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(SocketTransport { stream, buffers: LazyBuffers::new(input, output) }))
    }
}

impl Socket {
    /// A server that was started by the task before may need a moment until it listens.
    fn open(&self) -> std::io::Result<UnixStream> {
        const PATIENCE: Duration = Duration::from_secs(2);
        let begun = Instant::now();
        loop {
            match UnixStream::connect(&self.0) {
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::NotFound | ErrorKind::ConnectionRefused
                    ) && begun.elapsed() < PATIENCE =>
                {
                    std::thread::sleep(Duration::from_millis(50));
                }
                answer => return answer,
            }
        }
    }
}

#[derive(Debug)]
struct SocketTransport {
    stream: UnixStream,
    buffers: LazyBuffers,
}

/// How long to wait; no limit when the library knows none.
fn patience(timeout: NextTimeout) -> Option<Duration> {
    timeout.not_zero().map(|left| *left)
}

impl Transport for SocketTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.set_write_timeout(patience(timeout))?;
        let output = &self.buffers.output()[..amount];
        self.stream.write_all(output)?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.set_read_timeout(patience(timeout))?;
        let input = self.buffers.input_append_buf();
        let count = match self.stream.read(input) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(ureq::Error::Timeout(timeout.reason));
            }
            Err(error) => return Err(error.into()),
        };
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        true
    }
}

/// A socket needs no address.
#[derive(Debug)]
struct Nowhere;

impl Resolver for Nowhere {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(([127, 0, 0, 1], 0).into());
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn the_words_behind_a_status_are_heard() {
        for (input, expected) in [
            ("HTTP/1.1 404 NOT FOUND\r\nServer: x\r\n", Some("NOT FOUND")),
            ("HTTP/1.0 200 OK\r\n", Some("OK")),
            ("HTTP/1.1 204 \r\n", None),
            ("HTTP/1.1 200 O", None),
            ("some body\r\n", None),
        ] {
            let reason = Reason::default();
            reason.listen(input.as_bytes());
            assert_eq!(reason.heard().as_deref(), expected, "{input}");
        }
    }
}
