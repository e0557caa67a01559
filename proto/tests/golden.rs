//! Messages of every released protocol must decode for ever: `golden/vN.txt` holds them, one `name hex` a line.
//!
//! Lines are only ever added. For a new message, run the test and copy the line that it prints.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use model::{
    Args, BecomeMethod, DeployPlan, Diff, DiffContent, Mode, Outcome, OutputStream, PlanId, RunAs,
    Secret, Step, StepId, StepReport, Verdict,
};
use prost::Message;
use proto::{
    AgentMessage, ControllerMessage, Goodbye, GoodbyeReason, Hello, ProtocolRange, Report,
    ReportBody, Welcome, encode_plan, v1,
};

const V1: &str = include_str!("../golden/v1.txt");

/// The golden bytes under a name. Without a line, the test says what it would have to be.
fn golden(name: &str, now: &[u8]) -> Vec<u8> {
    let line = V1.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let Some(line) = line else {
        panic!("golden/v1.txt has no `{name}`; now it would be:\n{name} {}", hex::encode(now))
    };
    hex::decode(line).expect("golden lines are hexadecimal")
}

fn plan_id() -> PlanId {
    "0199d0c4-7a00-7000-8000-000000000001".parse().expect("a UUID")
}

fn args(key: &str, value: impl Into<serde_json::Value>) -> Args {
    Args::from_iter([(key.to_owned(), value.into())])
}

fn plan() -> DeployPlan {
    let step = Step {
        id: StepId(0),
        module: "ansible.builtin.copy".into(),
        args: args("dest", "/etc/motd"),
        mode: Mode { check: true, diff: true },
        run_as: Some(RunAs {
            exe: Some("/bin/su".into()),
            flags: Some(vec!["-l".into()]),
            password: Some(Secret::new("pw".into())),
            ..RunAs::new("web", BecomeMethod::Su)
        }),
        environment: BTreeMap::from([("LANG".into(), "C".into()), ("A".into(), "b".into())]),
        timeout: Some(Duration::from_secs(30)),
        no_log: true,
    };
    let bare = Step { id: StepId(1), run_as: None, timeout: None, ..step.clone() };
    DeployPlan { id: plan_id(), digest: None, steps: vec![step, bare], keep_going: true }
}

fn outcome() -> Outcome {
    Outcome {
        verdict: Verdict::Failed { message: "no such file".into() },
        result: args("rc", 1),
        diff: vec![Diff {
            before_header: "before".into(),
            after_header: "after".into(),
            before: DiffContent::Text("a\n".into()),
            after: DiffContent::Binary(3),
        }],
        warnings: vec!["careful".into()],
    }
}

fn agent_messages() -> Vec<(&'static str, AgentMessage)> {
    let report = |seq, body| {
        AgentMessage::Report(Report { seq: NonZeroU64::new(seq), plan: plan_id(), body })
    };
    let step = StepId(1);
    let output =
        StepReport::Output { step, stream: OutputStream::Stderr, bytes: b"line\n".to_vec() };
    let finished = StepReport::Finished { step, outcome: Box::new(outcome()) };
    vec![
        (
            "hello",
            AgentMessage::Hello(Hello {
                protocols: ProtocolRange { min: 1, max: 1 },
                agent_version: "0.1.0".into(),
                hostname: "web01".into(),
                boot_id: "c0ffee".into(),
                open_plans: vec![plan_id()],
                next_seq: 300,
            }),
        ),
        ("report-started", report(298, ReportBody::Step(StepReport::Started(step)))),
        ("report-output", report(0, ReportBody::Step(output))),
        ("report-finished", report(299, ReportBody::Step(finished))),
        ("report-ended", report(300, ReportBody::Ended)),
        ("refused", AgentMessage::Refused { plan: plan_id(), reason: "disk full".into() }),
        ("facts", AgentMessage::Facts(args("hostname", "web01"))),
        ("ping", AgentMessage::Ping(7)),
        ("pong", AgentMessage::Pong(8)),
    ]
}

fn controller_messages() -> Vec<(&'static str, v1::ControllerMessage, ControllerMessage)> {
    use v1::controller_message::What;
    let welcome = Welcome { protocol: 1, epoch: 12 };
    let goodbye = Goodbye {
        reason: GoodbyeReason::Revoked,
        message: "by admin".into(),
        retry_after: Duration::from_mins(1),
    };
    let wire = encode_plan(&plan()).expect("it is small");
    let digest = Some(model::Digest::of(&wire.body));
    vec![
        ("welcome", welcome.into(), ControllerMessage::Welcome(welcome)),
        ("plan", What::Plan(wire).into(), ControllerMessage::Plan(DeployPlan { digest, ..plan() })),
        ("ack", What::Ack(v1::Ack { up_to_seq: 300 }).into(), ControllerMessage::Ack(300)),
        (
            "cancel",
            What::Cancel(v1::Cancel { plan: plan_id().to_string() }).into(),
            ControllerMessage::Cancel(plan_id()),
        ),
        ("goodbye", goodbye.clone().into(), ControllerMessage::Goodbye(goodbye)),
    ]
}

#[test]
fn agent_messages_of_protocol_1_decode() {
    for (name, expected) in agent_messages() {
        let bytes = golden(name, &v1::AgentMessage::from(expected.clone()).encode_to_vec());
        let message = v1::AgentMessage::decode(bytes.as_slice()).unwrap();
        assert_eq!(AgentMessage::try_from(message).unwrap(), expected, "{name}");
    }
}

#[test]
fn controller_messages_of_protocol_1_decode() {
    for (name, now, expected) in controller_messages() {
        let bytes = golden(name, &now.encode_to_vec());
        let message = v1::ControllerMessage::decode(bytes.as_slice()).unwrap();
        assert_eq!(ControllerMessage::try_from(message).unwrap(), expected, "{name}");
    }
}

#[test]
fn enrolment_of_protocol_1_decodes() {
    let request = v1::EnrollRequest {
        token_id: vec![1; 16],
        csr: vec![2; 3],
        proof: vec![3; 64],
        protocol_version: 1,
        min_protocol: 1,
        hostname: "web01".into(),
        agent_version: "0.1.0".into(),
    };
    let response = v1::EnrollResponse {
        certificate: vec![4; 3],
        ca: vec![vec![5; 3]],
        agent_id: "a".into(),
        name: "web01".into(),
        min_protocol: 1,
    };
    let bytes = golden("enroll-request", &request.encode_to_vec());
    assert_eq!(v1::EnrollRequest::decode(bytes.as_slice()).unwrap(), request);
    let bytes = golden("enroll-response", &response.encode_to_vec());
    assert_eq!(v1::EnrollResponse::decode(bytes.as_slice()).unwrap(), response);
}

#[test]
fn fields_of_a_later_protocol_are_skipped() {
    let mut bytes = golden("ping", &v1::AgentMessage::from(AgentMessage::Ping(7)).encode_to_vec());
    // Field 2000 of the message, with five bytes of something.
    bytes.extend([0x82, 0x7d, 5, 1, 2, 3, 4, 5]);
    let message = v1::AgentMessage::decode(bytes.as_slice()).unwrap();
    assert_eq!(AgentMessage::try_from(message).unwrap(), AgentMessage::Ping(7));
}
