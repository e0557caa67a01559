//! Who is who: the private authority, join tokens, certificates, and what TLS demands of both sides.
//!
//! An agent's identity is the random id in its certificate; a host's name is a label and never decides anything.
//! Knows nothing of the wire's messages, nor of where tokens and revocations are recorded: it only judges.

mod authority;
mod credentials;
mod peer;
mod request;
mod tls;
mod token;

pub use authority::{
    Authority, AuthorityError, DEFAULT_AGENT_LIFETIME, Issued, SERVER_NAME, Validity,
};
pub use credentials::{Credentials, FileError};
pub use peer::{Identity, Peer, PeerError, Serial};
pub use request::{CertificateRequest, RequestError};
pub use tls::{
    TlsError, client_config, enrolment_client_config, explain, install_provider, server_config,
};
pub use token::{BadProof, JoinToken, ParseTokenError, TokenError, TokenId, TokenKey, TokenRecord};
