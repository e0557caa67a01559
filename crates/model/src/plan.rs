//! Deploy plans: what the controller sends to one host, with nothing left to decide.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Args, Digest, PlanId, Secret, StepId};

/// A module call with nothing left to decide: rendered, addressed, bounded.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its place in the plan.
    pub id: StepId,
    /// The module's short or full name, e.g. `copy` or `ansible.builtin.copy`.
    pub module: String,
    /// The module's arguments, fully rendered. Large contents are named by digest and fetched when needed.
    pub args: Args,
    /// Check and diff.
    pub mode: Mode,
    /// The user to become, when that is not the agent's own.
    pub run_as: Option<RunAs>,
    /// Variables added to the environment of what the module starts.
    pub environment: BTreeMap<String, String>,
    /// After this long the step is killed and has failed. `None`: no limit.
    pub timeout: Option<Duration>,
    /// The task is `no_log`: neither arguments nor results may be logged anywhere.
    pub no_log: bool,
}

/// How a step is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mode {
    /// Only say what would change.
    pub check: bool,
    /// Report before and after of what changes.
    pub diff: bool,
}

/// Privilege escalation: the user that a step runs as, and the way there.
#[derive(Debug, Clone, PartialEq)]
pub struct RunAs {
    /// `become_user`. Empty: whom the method takes when it is told nobody, which is root.
    pub user: String,
    /// `become_method`.
    pub method: BecomeMethod,
    /// `become_exe`: the program used instead of the method's own.
    pub exe: Option<String>,
    /// `become_flags`, split into words. `None`: the method's default.
    pub flags: Option<Vec<String>>,
    /// The password that the method asks for.
    pub password: Option<Secret<String>>,
    /// The directory in which the method is started.
    pub chdir: Option<String>,
    /// What the method's question for the password begins with, in any case of letters. Empty: whatever it asks.
    pub prompts: Vec<String>,
    /// How long the method may take until the step can begin. `None`: the host's own limit.
    pub patience: Option<Duration>,
}

impl RunAs {
    /// The user by the method as it comes, without a password.
    pub fn new(user: impl Into<String>, method: BecomeMethod) -> Self {
        Self {
            user: user.into(),
            method,
            exe: None,
            flags: None,
            password: None,
            chdir: None,
            prompts: Vec::new(),
            patience: None,
        }
    }
}

/// The ways to another user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BecomeMethod {
    /// `sudo -u USER`; when the agent is root and no password or flags are given, directly by setuid.
    Sudo,
    /// `su USER`; when the agent is root, directly by setuid.
    Su,
}

/// An ordered, immutable list of steps for one host. The agent stops at the first step that fails.
#[derive(Debug, Clone, PartialEq)]
pub struct DeployPlan {
    /// Names the plan for ever; an agent that has seen it answers from its ledger.
    pub id: PlanId,
    /// The digest of the plan's canonical encoding on the wire; `None` until `proto` encodes it.
    pub digest: Option<Digest>,
    /// The steps, with ids 0, 1, 2, ...
    pub steps: Vec<Step>,
    /// Go on with the next step after one has failed (the items of a `loop`).
    pub keep_going: bool,
}
