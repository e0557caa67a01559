//! Dials the controller: TCP, TLS with its name, HTTP/2. Nothing is retried here.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::transport::Channel;

use crate::session::{chain, endpoint};

/// For each of TCP and TLS.
const LIMIT: Duration = Duration::from_secs(10);

/// Opens a connection. The error is a message for people.
pub(crate) async fn dial(address: &str, tls: ClientConfig) -> Result<Channel, String> {
    let late = |what: &str| format!("{address}: no {what} within {} s", LIMIT.as_secs());
    let socket = timeout(LIMIT, TcpStream::connect(address))
        .await
        .map_err(|_| late("connection"))?
        .map_err(|error| format!("{address}: {error}"))?;
    // Small messages wait for nothing; when this fails they only wait a little.
    let _ = socket.set_nodelay(true);
    let name = ServerName::try_from(identity::SERVER_NAME).expect("a constant DNS name");
    let stream = timeout(LIMIT, TlsConnector::from(Arc::new(tls)).connect(name, socket))
        .await
        .map_err(|_| late("TLS handshake"))?
        .map_err(|error| {
            let why = identity::explain(&error).unwrap_or_else(|| chain(&error));
            format!("{address}: {why}")
        })?;
    over(stream).await.map_err(|error| format!("{address}: {error}"))
}

/// HTTP/2 over a stream that is open already. When it ends, the channel ends: reconnecting is decided elsewhere.
pub(crate) async fn over<S>(stream: S) -> Result<Channel, String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let stream = Mutex::new(Some(TokioIo::new(stream)));
    let connector = tower::service_fn(move |_: http::Uri| {
        let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move { stream.ok_or_else(|| io::Error::other("the connection has ended")) }
    });
    endpoint().connect_with_connector(connector).await.map_err(|error| chain(&error))
}
