//! Sessions that go wrong: dead, cloned, revoked and ill-behaved agents, and records that cannot be kept.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use engine::link::Links as _;
use links::GrpcLinks;
use model::{PlanId, StepReport};
use proto::{AgentMessage, ControllerMessage, GoodbyeReason, Hello, ProtocolRange, ReportBody, v1};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::agent::{FakeAgent, PATIENCE, finished, hello, output, plan, started};
use crate::controller::{Controller, target, valid};
use crate::sessions::{Pair, Running};

#[tokio::test]
async fn an_agent_without_a_sign_of_life_is_given_up() {
    let mut pair = Pair::new().await;
    pair.agent.is_alive = false;
    let running = Running::start(pair.link.clone(), plan(1));
    pair.agent.plan().await;
    let begin = Instant::now();
    // It reads, but says nothing: until the controller closes the session.
    assert_eq!(pair.agent.try_next().await.unwrap(), None);
    assert!(begin.elapsed() > Duration::from_secs(1), "{:?}", begin.elapsed());
    assert!(running.end().await.1.is_err());
}

#[tokio::test]
async fn agents_without_a_common_protocol_are_told() {
    let controller = Controller::start().await;
    let credentials = controller.agent("web01", valid());
    let too_new = Hello { protocols: ProtocolRange { min: 8, max: 9 }, ..hello("boot", &[]) };
    let mut agent = FakeAgent::open(controller.channel(&credentials).await, too_new).await;
    let goodbye = agent.goodbye().await;
    assert_eq!(goodbye.reason, GoodbyeReason::Version);
    assert_eq!(
        goodbye.message,
        "no common protocol: the controller speaks 1, the agent 8 to 9; upgrade the controller"
    );
    assert_eq!(agent.try_next().await.unwrap(), None);
}

#[tokio::test]
async fn agents_that_break_the_protocol_are_told() {
    let controller = Controller::start().await;
    let credentials = controller.agent("web01", valid());
    let check = async |message: v1::AgentMessage, expected: &str| {
        let channel = controller.channel(&credentials).await;
        let mut agent = FakeAgent::join(channel, hello("boot", &[])).await;
        agent.out.send(message).await.unwrap();
        let goodbye = agent.goodbye().await;
        assert_eq!(goodbye.reason, GoodbyeReason::Protocol);
        assert_eq!(goodbye.message, expected);
        assert_eq!(agent.try_next().await.unwrap(), None);
    };
    check(v1::AgentMessage { what: None }, "`agent_message.what` is missing").await;
    check(AgentMessage::Hello(hello("boot", &[])).into(), "a second hello").await;
    let bad = v1::Report { seq: 0, plan: PlanId::generate().to_string(), what: None };
    let report = v1::agent_message::What::Report(bad);
    check(v1::AgentMessage { what: Some(report) }, "`report.what` is missing").await;
    let large = v1::Facts { facts_json: vec![b' '; proto::MAX_MESSAGE] };
    let large = v1::agent_message::What::Facts(large);
    let limit = "Error, decoded message length too large: found 4194314 bytes, the limit is: \
                 4194304 bytes";
    check(v1::AgentMessage { what: Some(large) }, limit).await;

    let channel = controller.channel(&credentials).await;
    let (out, messages) = tokio::sync::mpsc::channel(1);
    out.send(AgentMessage::Ping(1).into()).await.unwrap();
    let mut client = v1::agents_client::AgentsClient::new(channel);
    let messages = tokio_stream::wrappers::ReceiverStream::new(messages);
    let mut answers = client.connect(messages).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let ControllerMessage::Goodbye(goodbye) = answer.try_into().unwrap() else {
        panic!("no goodbye")
    };
    assert_eq!(goodbye.message, "the first message of a session must be a hello");
}

#[tokio::test]
async fn a_second_connection_of_the_same_machine_wins() {
    let mut pair = Pair::new().await;
    let running = Running::start(pair.link.clone(), plan(1));
    let id = pair.agent.plan().await.id;
    let mut old = pair.agent;
    let channel = pair.controller.channel(&pair.credentials).await;
    let new = FakeAgent::join(channel, hello("boot", &[id])).await;
    assert_eq!(old.goodbye().await.reason, GoodbyeReason::Replaced);
    assert_eq!(old.try_next().await.unwrap(), None);
    new.report(1, id, ReportBody::Ended).await;
    assert_eq!(running.end().await.1, Ok(()));
}

#[tokio::test]
async fn a_second_machine_with_the_same_identity_is_refused() {
    let mut pair = Pair::new().await;
    let channel = pair.controller.channel(&pair.credentials).await;
    let mut clone = FakeAgent::open(channel, hello("another boot", &[])).await;
    // The first one is alive: it answers pings while it waits.
    let running = Running::start(pair.link.clone(), plan(1));
    let id = pair.agent.plan().await.id;
    let (goodbye, heard) = tokio::join!(clone.goodbye(), async {
        timeout(Duration::from_secs(1), pair.agent.next()).await
    });
    assert_eq!(goodbye.reason, GoodbyeReason::Clone);
    assert!(heard.is_err(), "{heard:?}");
    pair.agent.report(1, id, ReportBody::Ended).await;
    assert_eq!(running.end().await.1, Ok(()), "the first one is not disturbed");
}

#[tokio::test]
async fn a_machine_that_was_started_anew_is_not_a_clone() {
    let pair = Pair::new().await;
    // The old connection is open, but nobody is behind it.
    let channel = pair.controller.channel(&pair.credentials).await;
    FakeAgent::join(channel, hello("the next boot", &[])).await;
    drop(pair.agent);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_acknowledged() {
    let mut pair = Pair::new().await;
    pair.controller.records.is_full.store(true, Ordering::SeqCst);
    pair.agent.report(1, PlanId::generate(), ReportBody::Ended).await;
    match pair.agent.next().await {
        ControllerMessage::Goodbye(goodbye) => {
            assert_eq!(goodbye.reason, GoodbyeReason::Unavailable);
        }
        other => panic!("{other:?}"),
    }
    pair.controller.records.is_full.store(false, Ordering::SeqCst);
    pair.reconnect(&[]).await;
    pair.agent.report(1, PlanId::generate(), ReportBody::Ended).await;
    pair.agent.acknowledged(1).await;
}

#[tokio::test]
async fn a_revoked_agent_is_cut_within_five_seconds() {
    let mut pair = Pair::new().await;
    let channel = pair.controller.channel(&pair.credentials).await;
    pair.controller.records.revoked.lock().unwrap().insert(pair.id);
    let begin = Instant::now();
    assert_eq!(pair.agent.goodbye().await.reason, GoodbyeReason::Revoked);
    let end = pair.agent.try_next().await;
    assert!(matches!(end, Err(_) | Ok(None)), "{end:?}");
    assert!(begin.elapsed() < Duration::from_secs(5));
    // Another connection of it, which did nothing, is cut as well.
    let mut client = v1::agents_client::AgentsClient::new(channel);
    let request = v1::GetBlobRequest { digest: vec![0; 32], offset: 0 };
    assert!(client.get_blob(request).await.is_err());
}

#[tokio::test]
async fn an_agent_cannot_report_for_another() {
    let mut pair = Pair::new().await;
    let other = pair.controller.agent("web02", valid());
    let channel = pair.controller.channel(&other).await;
    let mut other = FakeAgent::join(channel, hello("other boot", &[])).await;
    let running = Running::start(pair.link.clone(), plan(1));
    let id = pair.agent.plan().await.id;
    other.report(1, id, ReportBody::Step(finished(0))).await;
    other.report(2, id, ReportBody::Ended).await;
    other.acknowledged(2).await;
    pair.agent.report(1, id, ReportBody::Step(started(0))).await;
    pair.agent.report(2, id, ReportBody::Ended).await;
    assert_eq!(running.end().await, (vec![started(0)], Ok(())));
}

#[tokio::test]
async fn a_flood_of_output_is_dropped_before_verdicts() {
    let mut pair = Pair::new().await;
    let running = Running::start(pair.link.clone(), plan(1));
    let id = pair.agent.plan().await.id;
    // The run does not listen yet.
    pair.agent.report(1, id, ReportBody::Step(started(0))).await;
    for _ in 0..5000 {
        pair.agent.report(0, id, ReportBody::Step(output(0, &"x".repeat(1000)))).await;
    }
    pair.agent.report(2, id, ReportBody::Step(finished(0))).await;
    pair.agent.report(3, id, ReportBody::Ended).await;
    pair.agent.acknowledged(3).await;
    let (reports, result) = running.end().await;
    assert_eq!(result, Ok(()));
    assert_eq!((reports.first(), reports.last()), (Some(&started(0)), Some(&finished(0))));
    let is_output = |report: &&StepReport| matches!(report, StepReport::Output { .. });
    let count = reports.iter().filter(is_output).count();
    assert!((1..300).contains(&count), "{count}");
}

#[tokio::test]
async fn who_does_not_speak_tls_is_dropped_and_disturbs_nobody() {
    let pair = Pair::new().await;
    let mut silent = TcpStream::connect(&pair.controller.address).await.unwrap();
    let links = GrpcLinks::new(pair.controller.gateway.clone());
    assert!(links.open(&target("web01")).await.is_ok());
    let end = timeout(PATIENCE, silent.read(&mut [0; 1])).await.expect("it is closed");
    assert_eq!(end.unwrap(), 0);
}
