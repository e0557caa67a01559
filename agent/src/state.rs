//! The state directory: who this agent is and whom it belongs to.
//!
//! ```text
//! STATE/agent.pem        key and certificate (0600)
//! STATE/enrolment.yml    the controller's address, the agent's id and name
//! STATE/plans, recent    the ledger
//! STATE/epoch            the newest start of the controller that was seen
//! ```

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use identity::Credentials;
use model::AgentId;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::ledger::disk::{make_directory, replace};

/// A state directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be read or written.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The file that says where the controller is cannot be understood.
    #[error("{} is damaged; enrol this host again with `muster-agent enroll --force`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_yaml::Error,
    },
    /// The key or certificate cannot be used.
    #[error(transparent)]
    Credentials(#[from] identity::FileError),
    /// Nobody has enrolled this host.
    #[error(
        "this host is not enrolled ({} has no credentials); make a token with `muster token create` on the \
         controller, then run `muster-agent enroll --controller HOST:PORT --token TOKEN` here", directory.display()
    )]
    NotEnrolled {
        /// The state directory.
        directory: PathBuf,
    },
    /// Another agent runs with the same state.
    #[error("another muster-agent is using {}", directory.display())]
    Busy {
        /// The state directory.
        directory: PathBuf,
    },
}

/// What enrolment found out, besides the credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// `HOST:PORT`.
    pub controller: String,
    /// The agent's identity.
    pub agent_id: AgentId,
    /// The label under which the host is known.
    pub name: String,
    /// The oldest protocol that the controller spoke.
    pub min_protocol: u32,
}

/// A state directory.
#[derive(Debug, Clone)]
pub struct State {
    directory: PathBuf,
}

impl State {
    /// The state in a directory, which may not exist yet.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn credentials_file(&self) -> PathBuf {
        self.directory.join("agent.pem")
    }

    fn enrolment_file(&self) -> PathBuf {
        self.directory.join("enrolment.yml")
    }

    /// Holds the directory for this process alone.
    pub fn lock(&self) -> Result<Flock<File>, StateError> {
        let directory = self.directory.clone();
        let io = |source| StateError::Io { doing: "open", path: directory.clone(), source };
        let file = File::open(&self.directory).map_err(io)?;
        Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|_| StateError::Busy { directory: self.directory.clone() })
    }

    /// Makes the directory, for its owner only.
    pub fn create(&self) -> Result<(), StateError> {
        make_directory(&self.directory).map_err(|source| StateError::Io {
            doing: "make",
            path: self.directory.clone(),
            source,
        })
    }

    /// Whether this host is enrolled.
    pub fn is_enrolled(&self) -> bool {
        self.credentials_file().exists()
    }

    /// Who this agent is.
    pub fn load(&self) -> Result<(Enrolment, Credentials), StateError> {
        let not_enrolled = || StateError::NotEnrolled { directory: self.directory.clone() };
        let credentials = Credentials::load(&self.credentials_file())?.ok_or_else(not_enrolled)?;
        let path = self.enrolment_file();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(not_enrolled()),
            Err(source) => return Err(StateError::Io { doing: "read", path, source }),
        };
        let enrolment =
            serde_yaml::from_str(&text).map_err(|source| StateError::Damaged { path, source })?;
        Ok((enrolment, credentials))
    }

    /// Keeps a new identity. The credentials come last: they are what makes the host enrolled.
    pub fn save(&self, enrolment: &Enrolment, credentials: &Credentials) -> Result<(), StateError> {
        let path = self.enrolment_file();
        let text = serde_yaml::to_string(enrolment).expect("plain fields serialise");
        replace(&path, text.as_bytes()).map_err(|source| StateError::Io {
            doing: "write",
            path,
            source,
        })?;
        self.renew(credentials)
    }

    /// Keeps a new certificate of the same identity.
    pub fn renew(&self, credentials: &Credentials) -> Result<(), StateError> {
        Ok(credentials.save(&self.credentials_file())?)
    }

    /// How many plans have not been acknowledged.
    pub fn open_plans(&self) -> usize {
        std::fs::read_dir(self.directory.join("plans")).map_or(0, Iterator::count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_not_enrolled_is_told_what_to_do() {
        let directory = tempfile::tempdir().expect("made");
        let error = State::new(directory.path()).load().expect_err("nothing there").to_string();
        assert!(error.contains("muster-agent enroll --controller"), "{error}");
        assert!(!State::new(directory.path()).is_enrolled());
    }

    #[test]
    fn one_agent_holds_the_directory() {
        let directory = tempfile::tempdir().expect("made");
        let state = State::new(directory.path());
        let held = state.lock().expect("free");
        assert!(matches!(state.lock(), Err(StateError::Busy { .. })));
        drop(held);
        state.lock().expect("free again");
        let gone = State::new(directory.path().join("gone"));
        assert!(matches!(gone.lock(), Err(StateError::Io { .. })));
    }
}
