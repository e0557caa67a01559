//! Sessions that go well: plans, reports, acknowledgements, coming back.

use std::sync::Arc;
use std::time::Duration;

use engine::link::{Connection, Link, Links as _, Unreachable};
use links::{AgentLink, GrpcLinks, serve_child};
use model::{AgentId, Args, DeployPlan, PlanId, StepReport};
use proto::{AgentMessage, ControllerMessage, GoodbyeReason, ReportBody};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

use crate::agent::{FakeAgent, PATIENCE, finished, hello, output, plan, started};
use crate::controller::{Controller, TIMING, agent_id, target, valid};

/// A plan that is being run.
pub(crate) struct Running {
    pub(crate) id: PlanId,
    pub(crate) reports: mpsc::Receiver<StepReport>,
    pub(crate) result: JoinHandle<Result<(), Unreachable>>,
}

impl Running {
    pub(crate) fn start(link: Arc<dyn Link>, plan: DeployPlan) -> Self {
        let (sender, reports) = mpsc::channel(1);
        let id = plan.id;
        Self { id, reports, result: tokio::spawn(async move { link.run(plan, sender).await }) }
    }

    /// All reports, and how it ended.
    pub(crate) async fn end(mut self) -> (Vec<StepReport>, Result<(), Unreachable>) {
        let mut reports = Vec::new();
        while let Some(report) = timeout(PATIENCE, self.reports.recv()).await.expect("an end") {
            reports.push(report);
        }
        (reports, self.result.await.unwrap())
    }
}

/// A controller with one connected agent.
pub(crate) struct Pair {
    pub(crate) controller: Controller,
    pub(crate) credentials: identity::Credentials,
    pub(crate) agent: FakeAgent,
    pub(crate) id: AgentId,
    pub(crate) link: Arc<dyn Link>,
}

impl Pair {
    pub(crate) async fn new() -> Self {
        let controller = Controller::start().await;
        let credentials = controller.agent("web01", valid());
        let id = agent_id(&credentials);
        let channel = controller.channel(&credentials).await;
        let agent = FakeAgent::join(channel, hello("boot", &[])).await;
        let links = GrpcLinks::new(controller.gateway.clone());
        let link = links.open(&target("web01")).await.unwrap();
        Self { controller, credentials, agent, id, link }
    }

    /// The agent's connection ends, and it comes back.
    pub(crate) async fn reconnect(&mut self, open: &[PlanId]) {
        let channel = self.controller.channel(&self.credentials).await;
        self.agent = FakeAgent::join(channel, hello("boot", open)).await;
    }
}

fn step(report: StepReport) -> ReportBody {
    ReportBody::Step(report)
}

#[tokio::test]
async fn a_plan_is_carried_out_recorded_and_acknowledged() {
    let mut pair = Pair::new().await;
    let sent = plan(2);
    let running = Running::start(pair.link.clone(), sent.clone());
    let received = pair.agent.plan().await;
    assert_eq!(DeployPlan { digest: None, ..received }, sent);
    let said = [started(0), finished(0), started(1), finished(1)];
    for (seq, report) in (1..).zip(&said) {
        pair.agent.report(seq, sent.id, step(report.clone())).await;
    }
    pair.agent.report(0, sent.id, step(output(1, "hi"))).await;
    pair.agent.report(5, sent.id, ReportBody::Ended).await;
    let (mut reports, result) = running.end().await;
    assert_eq!(result, Ok(()));
    assert_eq!(reports.pop(), Some(output(1, "hi")));
    assert_eq!(reports, said);
    pair.agent.acknowledged(5).await;
    let kept = pair.controller.records.reports.lock().unwrap();
    let seqs: Vec<u64> = kept.iter().map(|(_, report)| report.seq.unwrap().get()).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5], "output is not kept");
    assert!(kept.iter().all(|(agent, _)| *agent == pair.id));
}

#[tokio::test]
async fn repeated_reports_are_harmless() {
    let mut pair = Pair::new().await;
    let running = Running::start(pair.link.clone(), plan(1));
    let id = running.id;
    pair.agent.plan().await;
    for seq in [1, 1, 9] {
        pair.agent.report(seq, id, step(started(0))).await;
    }
    // A step that the plan does not have.
    pair.agent.report(10, id, step(finished(7))).await;
    for seq in [2, 2, 11] {
        pair.agent.report(seq, id, step(finished(0))).await;
    }
    pair.agent.report(12, id, ReportBody::Ended).await;
    pair.agent.report(12, id, ReportBody::Ended).await;
    assert_eq!(running.end().await, (vec![started(0), finished(0)], Ok(())));
    pair.agent.acknowledged(12).await;
}

#[tokio::test]
async fn an_agent_that_comes_back_goes_on_with_its_plan() {
    let mut pair = Pair::new().await;
    let running = Running::start(pair.link.clone(), plan(1));
    let id = running.id;
    pair.agent.plan().await;
    pair.agent.report(1, id, step(started(0))).await;
    pair.agent.acknowledged(1).await;
    pair.reconnect(&[id]).await;
    pair.agent.report(2, id, step(finished(0))).await;
    pair.agent.report(3, id, ReportBody::Ended).await;
    // Not sent again: the first thing heard is the acknowledgement.
    pair.agent.acknowledged(3).await;
    assert_eq!(running.end().await, (vec![started(0), finished(0)], Ok(())));
}

#[tokio::test]
async fn a_plan_that_did_not_arrive_is_sent_again() {
    let mut pair = Pair::new().await;
    let running = Running::start(pair.link.clone(), plan(1));
    let first = pair.agent.plan().await;
    pair.reconnect(&[]).await;
    assert_eq!(pair.agent.plan().await, first);
    pair.agent.report(1, first.id, ReportBody::Ended).await;
    assert_eq!(running.end().await.1, Ok(()));
}

#[tokio::test]
async fn a_plan_for_an_absent_agent_waits_for_it() {
    let mut pair = Pair::new().await;
    drop(pair.agent);
    let running = Running::start(pair.link.clone(), plan(1));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let channel = pair.controller.channel(&pair.credentials).await;
    pair.agent = FakeAgent::join(channel, hello("boot", &[])).await;
    let id = pair.agent.plan().await.id;
    pair.agent.report(1, id, ReportBody::Ended).await;
    assert_eq!(running.end().await.1, Ok(()));
}

#[tokio::test]
async fn reports_that_nobody_waits_for_are_kept() {
    let mut pair = Pair::new().await;
    let id = PlanId::generate();
    pair.agent.report(41, id, step(finished(0))).await;
    pair.agent.report(42, id, ReportBody::Ended).await;
    pair.agent.acknowledged(42).await;
    assert_eq!(pair.controller.records.reports.lock().unwrap().len(), 2);
    let facts = Args::from_iter([("os".to_owned(), "linux".into())]);
    pair.agent.say(AgentMessage::Facts(facts.clone())).await;
    pair.agent.report(43, id, ReportBody::Ended).await;
    pair.agent.acknowledged(43).await;
    assert_eq!(*pair.controller.records.facts.lock().unwrap(), [(pair.id, facts)]);
}

#[tokio::test]
async fn a_run_that_goes_away_cancels_its_plan() {
    let mut pair = Pair::new().await;
    let running = Running::start(pair.link.clone(), plan(1));
    pair.agent.plan().await;
    running.result.abort();
    assert_eq!(pair.agent.next().await, ControllerMessage::Cancel(running.id));
}

#[tokio::test]
async fn an_absent_agent_learns_later_that_its_plan_was_cancelled() {
    let mut pair = Pair::new().await;
    let running = Running::start(pair.link.clone(), plan(1));
    let id = running.id;
    pair.agent.plan().await;
    drop(pair.agent);
    let (_, result) = running.end().await;
    let message = result.unwrap_err().message;
    assert!(message.contains("in the middle of a plan, and it did not come back"), "{message}");
    let channel = pair.controller.channel(&pair.credentials).await;
    pair.agent = FakeAgent::join(channel, hello("boot", &[id, PlanId::generate()])).await;
    assert_eq!(pair.agent.next().await, ControllerMessage::Cancel(id));
}

#[tokio::test]
async fn a_refused_plan_is_not_reached() {
    let mut pair = Pair::new().await;
    let running = Running::start(pair.link.clone(), plan(1));
    pair.agent.plan().await;
    let refused = AgentMessage::Refused { plan: running.id, reason: "no space left".into() };
    pair.agent.say(refused).await;
    let message = running.end().await.1.unwrap_err().message;
    assert!(message.ends_with("refused the plan: no space left"), "{message}");
}

#[tokio::test]
async fn hosts_are_found_by_name_or_address() {
    let pair = Pair::new().await;
    let links = GrpcLinks::new(pair.controller.gateway.clone());
    assert_eq!(links.default_connection(&"web01".into()).await, Connection::Agent);
    assert_eq!(links.default_connection(&"db01".into()).await, Connection::Ssh);
    let mut aliased = target("frontend");
    aliased.address = "web01".into();
    assert!(links.open(&aliased).await.is_ok());
    aliased.address = "web99".into();
    let error = links.open(&aliased).await.err().unwrap();
    assert_eq!(error.message, "no agent is enrolled as `frontend` or `web99`");
    let absent = agent_id(&pair.controller.agent("web02", valid()));
    let mut target = target("web02");
    target.connect_timeout = Duration::from_millis(50);
    let error = links.open(&target).await.err().unwrap();
    assert_eq!(error.message, format!("agent {absent} is not connected (waited 0.05 s)"));
    assert_eq!(pair.controller.gateway.connected(), [pair.id]);
}

#[tokio::test]
async fn a_stopping_controller_says_goodbye() {
    let mut pair = Pair::new().await;
    pair.controller.stop.cancel();
    assert_eq!(pair.agent.goodbye().await.reason, GoodbyeReason::Stopping);
    let serving = std::mem::replace(&mut pair.controller.serving, tokio::spawn(async {}));
    timeout(PATIENCE, serving).await.expect("it stops").unwrap();
    let sessions = pair.controller.records.sessions.lock().unwrap();
    assert_eq!(*sessions, [(pair.id, "connected"), (pair.id, "disconnected")]);
}

#[tokio::test]
async fn the_same_session_runs_over_any_pipe() {
    let controller = Controller::start().await;
    let link = AgentLink::new("web01", TIMING);
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let cut = CancellationToken::new();
    serve_child(ours, link.clone(), &controller.blobs, cut.clone());
    let mut theirs = Some(hyper_util::rt::TokioIo::new(theirs));
    let connector =
        tower::service_fn(move |_| std::future::ready(theirs.take().ok_or(std::fmt::Error)));
    let endpoint = Endpoint::from_static("http://stdio");
    let channel = endpoint.connect_with_connector(connector).await.unwrap();
    let mut agent = FakeAgent::open(channel, hello("boot", &[])).await;
    link.wait_connected(PATIENCE).await.unwrap();
    assert!(matches!(agent.next().await, ControllerMessage::Welcome(_)));
    let running = Running::start(link.clone(), plan(1));
    let id = agent.plan().await.id;
    agent.report(1, id, step(finished(0))).await;
    agent.report(2, id, ReportBody::Ended).await;
    agent.acknowledged(2).await;
    assert_eq!(running.end().await, (vec![finished(0)], Ok(())));

    let running = Running::start(link.clone(), plan(1));
    agent.plan().await;
    cut.cancel();
    link.fail("ssh ended: Connection reset by peer");
    let message = running.end().await.1.unwrap_err().message;
    assert_eq!(message, "ssh ended: Connection reset by peer");
}
