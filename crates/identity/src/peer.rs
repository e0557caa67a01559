//! Who a certificate speaks of. Only certificates of our own authority get here: TLS has verified them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use model::{AgentId, ParseIdError};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// Before the id in an agent's URI.
const AGENT: &str = "muster:agent:";

/// Before the name in an operator's URI.
const OPERATOR: &str = "muster:operator:";

/// A certificate's serial number: 16 bytes, random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(pub [u8; 16]);

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for Serial {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseIdError {
            text: text.to_owned(),
            expected: "a serial number (32 hexadecimal digits)",
        })?;
        Ok(Self(bytes))
    }
}

/// An identity that our authority gave out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// A host's agent.
    Agent(AgentId),
    /// A person or a program of theirs, by name.
    Operator(String),
}

impl Identity {
    /// The URI that a certificate carries.
    pub(crate) fn uri(&self) -> String {
        match self {
            Self::Agent(id) => format!("{AGENT}{id}"),
            Self::Operator(name) => format!("{OPERATOR}{name}"),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(id) => write!(f, "agent {id}"),
            Self::Operator(name) => write!(f, "operator {name}"),
        }
    }
}

/// An identity, and the certificate that it showed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Who.
    pub identity: Identity,
    /// By which certificate.
    pub serial: Serial,
    /// When that certificate ends. TLS looks only at the start of a connection; who keeps one open looks here.
    pub ends: Timestamp,
}

/// A certificate that does not say who it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// It is no X.509 certificate.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// It has no identity of ours, or more than one.
    #[error("the certificate carries no identity of this controller")]
    NoIdentity,
}

impl Peer {
    /// Reads a certificate. It says nothing about who signed it.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, PeerError> {
        let (rest, certificate) =
            X509Certificate::from_der(certificate).map_err(|_| PeerError::Unreadable)?;
        if !rest.is_empty() {
            return Err(PeerError::Unreadable);
        }
        let names = certificate
            .subject_alternative_name()
            .map_err(|_| PeerError::Unreadable)?
            .ok_or(PeerError::NoIdentity)?;
        let [GeneralName::URI(uri)] = names.value.general_names.as_slice() else {
            return Err(PeerError::NoIdentity);
        };
        let serial = certificate.raw_serial().try_into().map_err(|_| PeerError::Unreadable)?;
        let ends = Timestamp::from_second(certificate.validity().not_after.timestamp())
            .map_err(|_| PeerError::Unreadable)?;
        Ok(Self { identity: parse_uri(uri)?, serial: Serial(serial), ends })
    }
}

fn parse_uri(uri: &str) -> Result<Identity, PeerError> {
    if let Some(id) = uri.strip_prefix(AGENT) {
        id.parse().map(Identity::Agent).map_err(|_| PeerError::NoIdentity)
    } else if let Some(name) = uri.strip_prefix(OPERATOR).filter(|name| !name.is_empty()) {
        Ok(Identity::Operator(name.to_owned()))
    } else {
        Err(PeerError::NoIdentity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_survive() {
        for identity in
            [Identity::Agent(AgentId::generate()), Identity::Operator("root@host".into())]
        {
            assert_eq!(parse_uri(&identity.uri()), Ok(identity));
        }
        for uri in ["", "muster:agent:", "muster:agent:web01", "muster:operator:", "spiffe://x"] {
            assert_eq!(parse_uri(uri), Err(PeerError::NoIdentity), "{uri}");
        }
    }

    #[test]
    fn serials_survive_their_text_form() {
        let serial = Serial([7; 16]);
        assert_eq!(serial.to_string().parse(), Ok(serial));
        assert!("07".parse::<Serial>().is_err());
    }
}
