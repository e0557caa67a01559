//! The messages of a session, parsed.

use std::time::Duration;

use model::{Args, DeployPlan, PlanId};

use crate::decode::{id, object, required, to_json};
use crate::v1::{agent_message, controller_message};
use crate::{DecodeError, GoodbyeReason, ProtocolRange, Report, v1};

/// Longer labels, versions and reasons are cut: they are for people.
const MAX_LABEL: usize = 1024;

/// From an agent.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentMessage {
    /// The first message of a session.
    Hello(Hello),
    /// What happened on the host.
    Report(Report),
    /// A plan that will not be carried out.
    Refused {
        /// The plan.
        plan: PlanId,
        /// Why, for people.
        reason: String,
    },
    /// `ansible_facts` without the prefix.
    Facts(Args),
    /// Asks for a pong.
    Ping(u64),
    /// Answers a ping.
    Pong(u64),
}

/// Who connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The protocols that the agent speaks.
    pub protocols: ProtocolRange,
    /// For people.
    pub agent_version: String,
    /// A label.
    pub hostname: String,
    /// Random at each start of the machine.
    pub boot_id: String,
    /// Plans in the ledger whose end has not been acknowledged.
    pub open_plans: Vec<PlanId>,
    /// The number of the next new report.
    pub next_seq: u64,
}

/// From a controller.
#[derive(Debug, Clone, PartialEq)]
pub enum ControllerMessage {
    /// Answers Hello.
    Welcome(Welcome),
    /// Work.
    Plan(DeployPlan),
    /// Every report up to this number was recorded durably.
    Ack(u64),
    /// Stop a plan.
    Cancel(PlanId),
    /// Asks for a pong.
    Ping(u64),
    /// Answers a ping.
    Pong(u64),
    /// The session ends.
    Goodbye(Goodbye),
}

/// The session is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Welcome {
    /// The protocol that both speak from here on.
    pub protocol: u32,
    /// Grows with each start of the controller.
    pub epoch: u64,
}

/// The session ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goodbye {
    /// Why.
    pub reason: GoodbyeReason,
    /// For people.
    pub message: String,
    /// Stay away at least so long.
    pub retry_after: Duration,
}

impl TryFrom<v1::AgentMessage> for AgentMessage {
    type Error = DecodeError;

    fn try_from(message: v1::AgentMessage) -> Result<Self, DecodeError> {
        Ok(match required("agent_message.what", message.what)? {
            agent_message::What::Hello(hello) => Self::Hello(hello.try_into()?),
            agent_message::What::Report(report) => Self::Report(report.try_into()?),
            agent_message::What::Refused(refused) => Self::Refused {
                plan: id("refused.plan", &refused.plan)?,
                reason: label(refused.reason),
            },
            agent_message::What::Facts(facts) => {
                Self::Facts(object("facts.facts_json", &facts.facts_json)?)
            }
            agent_message::What::Ping(ping) => Self::Ping(ping.nonce),
            agent_message::What::Pong(pong) => Self::Pong(pong.nonce),
        })
    }
}

impl From<AgentMessage> for v1::AgentMessage {
    fn from(message: AgentMessage) -> Self {
        let what = match message {
            AgentMessage::Hello(hello) => agent_message::What::Hello(hello.into()),
            AgentMessage::Report(report) => agent_message::What::Report(report.into()),
            AgentMessage::Refused { plan, reason } => {
                agent_message::What::Refused(v1::PlanRefused { plan: plan.to_string(), reason })
            }
            AgentMessage::Facts(facts) => {
                agent_message::What::Facts(v1::Facts { facts_json: to_json(&facts) })
            }
            AgentMessage::Ping(nonce) => agent_message::What::Ping(v1::Ping { nonce }),
            AgentMessage::Pong(nonce) => agent_message::What::Pong(v1::Pong { nonce }),
        };
        Self { what: Some(what) }
    }
}

impl TryFrom<v1::Hello> for Hello {
    type Error = DecodeError;

    fn try_from(hello: v1::Hello) -> Result<Self, DecodeError> {
        let protocols = ProtocolRange { min: hello.min_protocol, max: hello.protocol_version };
        if protocols.min > protocols.max || protocols.min == 0 {
            let (field, expected) = ("hello.min_protocol", "a protocol up to `protocol_version`");
            return Err(DecodeError::Invalid { field, expected });
        }
        let boot_id = Some(label(hello.boot_id)).filter(|id| !id.is_empty());
        Ok(Self {
            protocols,
            agent_version: label(hello.agent_version),
            hostname: label(hello.hostname),
            boot_id: required("hello.boot_id", boot_id)?,
            open_plans: hello
                .open_plans
                .iter()
                .map(|plan| id("hello.open_plans", plan))
                .collect::<Result<_, _>>()?,
            next_seq: hello.next_seq,
        })
    }
}

impl From<Hello> for v1::Hello {
    fn from(hello: Hello) -> Self {
        Self {
            protocol_version: hello.protocols.max,
            min_protocol: hello.protocols.min,
            agent_version: hello.agent_version,
            hostname: hello.hostname,
            boot_id: hello.boot_id,
            open_plans: hello.open_plans.iter().map(PlanId::to_string).collect(),
            next_seq: hello.next_seq,
        }
    }
}

impl TryFrom<v1::ControllerMessage> for ControllerMessage {
    type Error = DecodeError;

    fn try_from(message: v1::ControllerMessage) -> Result<Self, DecodeError> {
        Ok(match required("controller_message.what", message.what)? {
            controller_message::What::Welcome(welcome) => {
                Self::Welcome(Welcome { protocol: welcome.protocol_version, epoch: welcome.epoch })
            }
            controller_message::What::Plan(plan) => Self::Plan((&plan).try_into()?),
            controller_message::What::Ack(ack) => Self::Ack(ack.up_to_seq),
            controller_message::What::Cancel(cancel) => {
                Self::Cancel(id("cancel.plan", &cancel.plan)?)
            }
            controller_message::What::Ping(ping) => Self::Ping(ping.nonce),
            controller_message::What::Pong(pong) => Self::Pong(pong.nonce),
            controller_message::What::Goodbye(goodbye) => Self::Goodbye(Goodbye {
                reason: goodbye.reason(),
                message: label(goodbye.message),
                retry_after: Duration::from_millis(goodbye.retry_after_ms),
            }),
        })
    }
}

impl From<Welcome> for v1::ControllerMessage {
    fn from(welcome: Welcome) -> Self {
        Self::from(controller_message::What::Welcome(v1::Welcome {
            protocol_version: welcome.protocol,
            epoch: welcome.epoch,
        }))
    }
}

impl From<Goodbye> for v1::ControllerMessage {
    fn from(goodbye: Goodbye) -> Self {
        Self::from(controller_message::What::Goodbye(v1::Goodbye {
            reason: goodbye.reason.into(),
            message: goodbye.message,
            retry_after_ms: goodbye.retry_after.as_millis() as u64,
        }))
    }
}

impl From<controller_message::What> for v1::ControllerMessage {
    fn from(what: controller_message::What) -> Self {
        Self { what: Some(what) }
    }
}

/// Text for people: bounded, and without control characters that would play with a terminal.
fn label(text: String) -> String {
    text.chars()
        .take(MAX_LABEL)
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::ReportBody;

    fn hello() -> Hello {
        Hello {
            protocols: ProtocolRange { min: 1, max: 2 },
            agent_version: "0.1.0".into(),
            hostname: "web01".into(),
            boot_id: "b".into(),
            open_plans: vec![PlanId::generate()],
            next_seq: 4,
        }
    }

    #[test]
    fn messages_survive_the_wire() {
        let plan = PlanId::generate();
        let report = Report { seq: NonZeroU64::new(1), plan, body: ReportBody::Ended };
        for message in [
            AgentMessage::Hello(hello()),
            AgentMessage::Report(report),
            AgentMessage::Refused { plan, reason: "no room".into() },
            AgentMessage::Facts(Args::from_iter([("os".into(), 1.into())])),
            AgentMessage::Ping(1),
            AgentMessage::Pong(u64::MAX),
        ] {
            let back = AgentMessage::try_from(v1::AgentMessage::from(message.clone())).unwrap();
            assert_eq!(back, message);
        }
        let welcome = Welcome { protocol: 1, epoch: 7 };
        let back = ControllerMessage::try_from(v1::ControllerMessage::from(welcome)).unwrap();
        assert_eq!(back, ControllerMessage::Welcome(welcome));
        let goodbye = Goodbye {
            reason: GoodbyeReason::Clone,
            message: "m".into(),
            retry_after: Duration::from_secs(3),
        };
        let back = ControllerMessage::try_from(v1::ControllerMessage::from(goodbye.clone()));
        assert_eq!(back.unwrap(), ControllerMessage::Goodbye(goodbye));
    }

    #[test]
    fn bad_hellos_are_refused() {
        let check = |change: fn(&mut v1::Hello), expected: &str| {
            let mut wire = v1::Hello::from(hello());
            change(&mut wire);
            assert_eq!(Hello::try_from(wire).unwrap_err().to_string(), expected);
        };
        check(|hello| hello.boot_id.clear(), "`hello.boot_id` is missing");
        check(|hello| hello.open_plans[0].clear(), "`hello.open_plans` is not valid");
        let range = "`hello.min_protocol` is not a protocol up to `protocol_version`";
        check(|hello| hello.min_protocol = 3, range);
        check(|hello| hello.min_protocol = 0, range);
        assert!(AgentMessage::try_from(v1::AgentMessage::default()).is_err());
    }

    #[test]
    fn text_for_people_is_harmless() {
        let wire = v1::Hello {
            hostname: format!("a\u{1b}[2J\n{}", "x".repeat(5000)),
            ..v1::Hello::from(hello())
        };
        let hostname = Hello::try_from(wire).unwrap().hostname;
        assert!(hostname.starts_with("a\u{fffd}[2J\u{fffd}xxx"), "{hostname}");
        assert_eq!(hostname.chars().count(), MAX_LABEL);
    }
}
