//! How a message that came over the wire can be wrong.

use model::{Args, Digest, ParseIdError};
use serde_json::Value;

/// A message that is not what the protocol allows.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A required field is absent.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// An enum field is unset, or has a value from another version.
    #[error("`{field}` has the unknown value {value}")]
    UnknownValue {
        /// The field.
        field: &'static str,
        /// As sent.
        value: i32,
    },
    /// A field holds something else than what it should.
    #[error("`{field}` is not {expected}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What it should be, with its article.
        expected: &'static str,
    },
    /// A field is not an id.
    #[error("`{field}` is not valid")]
    Id {
        /// The field.
        field: &'static str,
        /// Why.
        source: ParseIdError,
    },
    /// A field is not JSON.
    #[error("`{field}` is not valid JSON")]
    Json {
        /// The field.
        field: &'static str,
        /// Why; names a place, not the content.
        source: serde_json::Error,
    },
    /// A plan's bytes are not a plan.
    #[error("the plan's body cannot be decoded")]
    Body(#[source] prost::DecodeError),
    /// A plan's bytes have another digest than the message says.
    #[error("the plan's digest is {expected}, but its body has {actual}")]
    PlanDigest {
        /// As sent.
        expected: Digest,
        /// Of the bytes.
        actual: Digest,
    },
    /// A plan's steps are not numbered 0, 1, 2, ...
    #[error("step {found} stands where step {expected} should")]
    StepOrder {
        /// The place.
        expected: u32,
        /// The id found there.
        found: u32,
    },
}

impl DecodeError {
    /// The error and its causes in one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        text
    }
}

impl From<DecodeError> for tonic::Status {
    fn from(error: DecodeError) -> Self {
        Self::invalid_argument(error.chain())
    }
}

/// A message field that must be there.
pub(crate) fn required<T>(field: &'static str, value: Option<T>) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::Missing(field))
}

/// An id in its text form.
pub(crate) fn id<T>(field: &'static str, text: &str) -> Result<T, DecodeError>
where
    T: std::str::FromStr<Err = ParseIdError>,
{
    text.parse().map_err(|source| DecodeError::Id { field, source })
}

/// 32 bytes.
pub(crate) fn digest(field: &'static str, bytes: &[u8]) -> Result<Digest, DecodeError> {
    let expected = "a SHA-256 digest (32 bytes)";
    bytes.try_into().map(Digest).map_err(|_| DecodeError::Invalid { field, expected })
}

/// A JSON value.
pub(crate) fn json(field: &'static str, bytes: &[u8]) -> Result<Value, DecodeError> {
    serde_json::from_slice(bytes).map_err(|source| DecodeError::Json { field, source })
}

/// A JSON object; no bytes at all are the empty one.
pub(crate) fn object(field: &'static str, bytes: &[u8]) -> Result<Args, DecodeError> {
    if bytes.is_empty() {
        return Ok(Args::new());
    }
    match json(field, bytes)? {
        Value::Object(args) => Ok(args),
        _ => Err(DecodeError::Invalid { field, expected: "a JSON object" }),
    }
}

/// The bytes of a JSON value.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("JSON values have string keys and serialise")
}
