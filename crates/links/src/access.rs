//! Who may call what: one table for every RPC of every service, and the layer that enforces it.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{Either, Ready, ready};
use identity::{Identity, Peer};
use tonic::Status;
use tower::{Layer, Service};

use crate::registry::Registry;

/// The identity that an RPC needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Required {
    /// None: the RPC proves what it needs by itself.
    Anyone,
    /// An agent's.
    Agent,
    /// An operator's.
    Operator,
}

/// Every RPC there is. What is not in here is refused.
pub const ACCESS: &[(&str, Required)] = &[
    ("/muster.v1.Enrolment/Enroll", Required::Anyone),
    ("/muster.v1.Agents/Connect", Required::Agent),
    ("/muster.v1.Agents/GetBlob", Required::Agent),
    ("/muster.v1.Agents/Renew", Required::Agent),
    ("/muster.v1.Operator/Status", Required::Operator),
    ("/muster.v1.Operator/PutBlob", Required::Operator),
    ("/muster.v1.Operator/StartRun", Required::Operator),
    ("/muster.v1.Operator/WatchRun", Required::Operator),
    ("/muster.v1.Operator/CancelRun", Required::Operator),
    ("/muster.v1.Operator/ListRuns", Required::Operator),
    ("/muster.v1.Operator/ListAgents", Required::Operator),
    ("/muster.v1.Operator/ShowAgent", Required::Operator),
    ("/muster.v1.Operator/RevokeAgent", Required::Operator),
    ("/muster.v1.Operator/CreateToken", Required::Operator),
    ("/muster.v1.Operator/ListTokens", Required::Operator),
    ("/muster.v1.Operator/RevokeToken", Required::Operator),
    ("/muster.v1.Operator/GetFacts", Required::Operator),
];

/// Who is at the other end of a connection; a request carries it among its extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular: no certificate was shown.
    Anonymous,
    /// The owner of a certificate that TLS has verified.
    Certified(Peer),
    /// An agent that we started ourselves, over its standard input and output.
    Child,
}

/// Decides by the table alone.
pub fn judge(caller: &Caller, path: &str) -> Result<(), Status> {
    let Some((_, required)) = ACCESS.iter().find(|(rpc, _)| *rpc == path) else {
        return Err(Status::permission_denied(format!(
            "`{path}` is not an RPC of this controller"
        )));
    };
    let wanted = match required {
        Required::Anyone => return Ok(()),
        Required::Agent => "an agent",
        Required::Operator => "an operator",
    };
    let shown = match (caller, required) {
        (Caller::Child, Required::Agent) => return Ok(()),
        (Caller::Child, _) => "an agent's",
        (Caller::Anonymous, _) => {
            let message = format!("`{path}` needs the certificate of {wanted}, and none was shown");
            return Err(Status::unauthenticated(message));
        }
        (Caller::Certified(peer), required) => match (&peer.identity, required) {
            (Identity::Agent(_), Required::Agent) | (Identity::Operator(_), Required::Operator) => {
                return Ok(());
            }
            (Identity::Agent(_), _) => "an agent's",
            (Identity::Operator(_), _) => "an operator's",
        },
    };
    let message = format!("`{path}` needs the certificate of {wanted}, and {shown} was shown");
    Err(Status::permission_denied(message))
}

/// Puts the table in front of all services.
#[derive(Clone)]
pub(crate) struct AccessLayer {
    /// `None`: no certificates, so none to revoke.
    pub(crate) registry: Option<Arc<dyn Registry>>,
}

impl<S> Layer<S> for AccessLayer {
    type Service = Access<S>;

    fn layer(&self, inner: S) -> Access<S> {
        Access { inner, registry: self.registry.clone() }
    }
}

/// A service behind the table.
#[derive(Clone)]
pub(crate) struct Access<S> {
    inner: S,
    registry: Option<Arc<dyn Registry>>,
}

impl<S> Access<S> {
    fn judge(&self, request: &http::Request<tonic::body::Body>) -> Result<(), Status> {
        let caller = request.extensions().get::<Caller>().unwrap_or(&Caller::Anonymous);
        judge(caller, request.uri().path())?;
        let (Caller::Certified(peer), Some(registry)) = (caller, &self.registry) else {
            return Ok(());
        };
        if registry.is_revoked(peer) {
            return Err(Status::unauthenticated(format!("{} was revoked", peer.identity)));
        }
        if peer.ends <= jiff::Timestamp::now() {
            return Err(Status::unauthenticated(
                "the certificate ended while the connection was open",
            ));
        }
        Ok(())
    }
}

type Response = http::Response<tonic::body::Body>;

impl<S> Service<http::Request<tonic::body::Body>> for Access<S>
where
    S: Service<http::Request<tonic::body::Body>, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        match self.judge(&request) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(status) => {
                tracing::warn!(path = request.uri().path(), "refused: {}", status.message());
                Either::Right(ready(Ok(status.into_http())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rpc_is_in_the_table_once() {
        let table: BTreeSet<&str> = ACCESS.iter().map(|(path, _)| *path).collect();
        assert_eq!(table.len(), ACCESS.len());
        assert_eq!(table, proto::RPCS.iter().copied().collect());
    }

    #[test]
    fn a_child_is_an_agent_and_nothing_else() {
        for (path, required) in ACCESS {
            let is_allowed = judge(&Caller::Child, path).is_ok();
            assert_eq!(is_allowed, *required != Required::Operator, "{path}");
        }
    }
}
