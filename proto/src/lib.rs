//! The wire: the messages of `muster/v1/*.proto` and their conversion to and from [`model`].
//!
//! What comes in is parsed once, into types that cannot be half-valid. Knows nothing that runs.
//!
//! # Versions
//! Controller and agent each speak the protocols [`MIN_PROTOCOL`] to [`PROTOCOL_VERSION`], which are at most two: N and
//! N−1. The session speaks the highest that both know, see [`negotiate`]. Protobuf skips fields that it does not know,
//! so a field whose neglect would change what a step *does* needs a new protocol number, and must not be sent under the
//! old one. Fields are never renumbered; `golden/` holds messages of every released protocol that must decode for ever.

mod confidential;
mod decode;
mod plan;
mod report;
mod session;
mod version;

pub use decode::DecodeError;
pub use plan::{MAX_MESSAGE, PlanEncodeError, encode_plan};
pub use report::{Report, ReportBody};
pub use session::{AgentMessage, ControllerMessage, Goodbye, Hello, Welcome};
pub use v1::GoodbyeReason;
pub use version::{MIN_PROTOCOL, PROTOCOL_VERSION, ProtocolRange, VersionMismatch, negotiate};

/// The generated messages, clients and servers.
#[expect(clippy::pedantic, reason = "generated code")]
pub mod v1 {
    tonic::include_proto!("muster.v1");
}

/// The path of every RPC, as in an HTTP/2 request: `/muster.v1.Agents/Connect`.
pub const RPCS: &[&str] = include!(concat!(env!("OUT_DIR"), "/rpcs.rs"));
