//! Which protocol two peers speak.

use std::fmt;

/// The newest protocol that this program speaks.
pub const PROTOCOL_VERSION: u32 = 1;

/// The oldest protocol that this program speaks: N−1, once there has been one.
pub const MIN_PROTOCOL: u32 = 1;

/// The protocols that a program speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtocolRange {
    /// The oldest.
    pub min: u32,
    /// The newest.
    pub max: u32,
}

impl ProtocolRange {
    /// What this program speaks.
    pub const OURS: Self = Self { min: MIN_PROTOCOL, max: PROTOCOL_VERSION };
}

impl fmt::Display for ProtocolRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            write!(f, "{}", self.max)
        } else {
            write!(f, "{} to {}", self.min, self.max)
        }
    }
}

/// Two programs have no protocol in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no common protocol: the controller speaks {controller}, the agent {agent}; upgrade the {}",
    if agent.max < controller.min { "agent" } else { "controller" }
)]
pub struct VersionMismatch {
    /// The controller's.
    pub controller: ProtocolRange,
    /// The agent's.
    pub agent: ProtocolRange,
}

/// The protocol that a controller and an agent speak with each other: the newest that both know.
pub fn negotiate(controller: ProtocolRange, agent: ProtocolRange) -> Result<u32, VersionMismatch> {
    let version = controller.max.min(agent.max);
    if version >= controller.min && version >= agent.min {
        Ok(version)
    } else {
        Err(VersionMismatch { controller, agent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_common_protocol_is_spoken() {
        let range = |min, max| ProtocolRange { min, max };
        assert_eq!(negotiate(range(1, 2), range(1, 1)), Ok(1));
        assert_eq!(negotiate(range(2, 3), range(2, 3)), Ok(3));
        assert_eq!(negotiate(range(1, 2), range(2, 3)), Ok(2));
        let too_old = negotiate(range(2, 3), range(1, 1)).unwrap_err();
        assert_eq!(
            too_old.to_string(),
            "no common protocol: the controller speaks 2 to 3, the agent 1; upgrade the agent"
        );
        let too_new = negotiate(range(1, 1), range(2, 3)).unwrap_err();
        assert!(too_new.to_string().ends_with("upgrade the controller"), "{too_new}");
    }
}
