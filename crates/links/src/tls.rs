//! Connections: accepted, brought through their TLS handshake, and cut when their certificate is worth nothing any more.
//!
//! TLS looks at a certificate only when a connection begins; here all open ones are looked at every few seconds. The
//! cut is made below HTTP/2, so that it ends every stream of every service.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::{BoxFuture, ready};
use hyper_util::rt::TokioIo;
use identity::{Identity, Peer};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint};

use crate::access::Caller;

/// From the first byte to the end of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// A client waits so long for the controller's machine to answer.
const CONNECT: Duration = Duration::from_secs(10);

/// Who shows no certificate can enrol, which takes a moment, and has nothing else to do here.
const ANONYMOUS: Duration = Duration::from_secs(30);

/// Handshakes at once; more wait in the system's queue.
const HANDSHAKES: usize = 256;

/// Accepted connections that wait to be served.
const ACCEPTED: usize = 64;

/// After an error of `accept` (usually: no file descriptors left), before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The open connections of peers with certificates.
#[derive(Default)]
pub(crate) struct Connections {
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    last: u64,
    peers: HashMap<u64, (Peer, CancellationToken)>,
}

impl Connections {
    /// Connections whose peers a judge does not want any more, each with the way to cut it.
    pub(crate) fn unwanted(
        &self,
        is_unwanted: impl Fn(&Peer) -> bool,
    ) -> Vec<(Peer, CancellationToken)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.peers.values().filter(|(peer, _)| is_unwanted(peer)).cloned().collect()
    }

    fn enter(self: &Arc<Self>, caller: &Caller) -> (CancellationToken, Option<Entry>) {
        let cut = CancellationToken::new();
        let Caller::Certified(peer) = caller else { return (cut, None) };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.last += 1;
        let number = open.last;
        open.peers.insert(number, (peer.clone(), cut.clone()));
        (cut, Some(Entry { connections: self.clone(), number }))
    }
}

/// Takes a connection off the list when it is dropped.
struct Entry {
    connections: Arc<Connections>,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.peers.remove(&self.number);
    }
}

/// A connection that knows who is at its other end, and can be cut.
pub(crate) struct Connection<Io> {
    io: Io,
    caller: Caller,
    cut: BoxFuture<'static, ()>,
    is_cut: bool,
    _entry: Option<Entry>,
}

impl<Io> Connection<Io> {
    /// A connection to a process of our own.
    pub(crate) fn to_child(io: Io, cut: CancellationToken) -> Self {
        let cut = Box::pin(cut.cancelled_owned());
        Self { io, caller: Caller::Child, cut, is_cut: false, _entry: None }
    }

    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        self.is_cut = self.is_cut || self.cut.as_mut().poll(context).is_ready();
        if self.is_cut { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

impl<Io> Connected for Connection<Io> {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Connection<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Connection<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// What [`accept`] gives.
pub(crate) type TlsConnection = Connection<tokio_rustls::server::TlsStream<TcpStream>>;

/// Accepts until nobody wants connections any more. The configuration is looked at for each connection anew.
pub(crate) fn accept(
    listener: TcpListener,
    tls: Arc<ArcSwap<ServerConfig>>,
    connections: Arc<Connections>,
) -> mpsc::Receiver<TlsConnection> {
    let (accepted, receiver) = mpsc::channel(ACCEPTED);
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    tokio::spawn(async move {
        loop {
            let permit = handshakes.clone().acquire_owned().await.expect("it is never closed");
            let stream = tokio::select! {
                stream = listener.accept() => stream,
                () = accepted.closed() => return,
            };
            let (stream, address) = match stream {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (tls, connections) = (tls.load_full(), connections.clone());
            let accepted = accepted.clone();
            tokio::spawn(async move {
                let result = timeout(HANDSHAKE, handshake(stream, tls, &connections)).await;
                drop(permit);
                match result {
                    // Nobody wants it when the server is stopping.
                    Ok(Ok(connection)) => drop(accepted.send(connection).await),
                    Ok(Err(error)) => {
                        let reason = identity::explain(&error).unwrap_or_else(|| error.to_string());
                        tracing::info!(%address, "no connection: {reason}");
                    }
                    Err(_) => {
                        tracing::info!(%address, "no connection: the handshake took too long");
                    }
                }
            });
        }
    });
    receiver
}

async fn handshake(
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    connections: &Arc<Connections>,
) -> io::Result<TlsConnection> {
    stream.set_nodelay(true)?;
    let stream = TlsAcceptor::from(tls).accept(stream).await?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let caller = match certificate {
        None => Caller::Anonymous,
        Some(certificate) => Caller::Certified(Peer::of(certificate).map_err(io::Error::other)?),
    };
    let (cut, entry) = connections.enter(&caller);
    let cut: BoxFuture<'static, ()> = match &caller {
        Caller::Anonymous => Box::pin(sleep(ANONYMOUS)),
        Caller::Certified(_) | Caller::Child => Box::pin(cut.cancelled_owned()),
    };
    Ok(Connection { io: stream, caller, cut, is_cut: false, _entry: entry })
}

/// No connection to a controller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot connect to {address}: {reason}")]
pub struct ConnectError {
    /// As given.
    pub address: String,
    /// What went wrong and what to do about it, for people.
    pub reason: String,
}

/// Connects to a controller at `host:port`, once: there is no connection behind the channel when this one ends.
pub async fn connect(address: &str, config: ClientConfig) -> Result<Channel, ConnectError> {
    let failed = |reason: String| ConnectError { address: address.to_owned(), reason };
    let stream = timeout(CONNECT, TcpStream::connect(address))
        .await
        .map_err(|_| failed(format!("no answer within {} s", CONNECT.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    stream.set_nodelay(true).map_err(|error| failed(error.to_string()))?;
    let name = ServerName::try_from(identity::SERVER_NAME).expect("a constant DNS name");
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = timeout(HANDSHAKE, handshake)
        .await
        .map_err(|_| failed("the TLS handshake took too long".into()))?
        .map_err(|error| failed(identity::explain(&error).unwrap_or_else(|| error.to_string())))?;
    let mut stream = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_| {
        ready(stream.take().ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted)))
    });
    Endpoint::from_static("http://controller")
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(10))
        .connect_with_connector(connector)
        .await
        .map_err(|error| failed(identity::explain(&error).unwrap_or_else(|| error.to_string())))
}

/// The agent behind a request.
pub(crate) fn agent_of(caller: Option<&Caller>) -> Option<model::AgentId> {
    match caller {
        Some(Caller::Certified(Peer { identity: Identity::Agent(id), .. })) => Some(*id),
        _ => None,
    }
}
