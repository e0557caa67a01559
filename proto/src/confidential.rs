//! `Debug` for messages that hold secrets: it shows what they are about, never what they hold.

use std::fmt;

use crate::v1::{CreateTokenResponse, Plan, RunAs, StartRunRequest, Step};

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("digest", &hex::encode(&self.digest))
            .field("body", &format_args!("({} bytes)", self.body.len()))
            .finish()
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("id", &self.id)
            .field("module", &self.module)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RunAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunAs")
            .field("user", &self.user)
            .field("method", &self.method())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for StartRunRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartRunRequest")
            .field("kind", &self.kind())
            .field("bundle", &hex::encode(&self.bundle))
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CreateTokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateTokenResponse").field("id", &self.id).finish_non_exhaustive()
    }
}
