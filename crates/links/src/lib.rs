//! The ways to a host: in process, a resident agent over gRPC, and an agent started through SSH.
//!
//! The agent is the gRPC client and the controller the server on all of them. Knows nothing of playbooks, and keeps
//! nothing: what must last goes through [`Registry`].

mod access;
mod blobs;
mod grpc;
mod in_process;
mod registry;
mod session;
mod ssh;
mod tls;

pub use access::{ACCESS, Caller, Required, judge};
pub use blobs::{BlobDirectory, Upload, UploadError};
pub use grpc::{Gateway, GatewaySettings, GrpcLinks, serve_child};
pub use in_process::InProcessLinks;
pub use registry::{AdmitError, NewAgent, Registry, Unavailable};
pub use session::{AgentLink, Timing};
pub use ssh::{SshLinks, SshSettings};
pub use tls::{ConnectError, connect};
