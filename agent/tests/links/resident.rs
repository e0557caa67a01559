//! Resident agents: enrolment, and what becomes of plans when the agent or the controller dies.

use std::time::Duration;

use engine::link::Link as _;
use model::{StepReport, Verdict};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::controller::Controller;
use crate::host::{Resident, enrol, plan, run, shell};

async fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn enrolment_is_for_the_right_controller_and_once() {
    let (controller, other) = (Controller::start().await, Controller::start().await);
    let state = tempfile::tempdir().unwrap();
    let token = controller.token(|_| {});
    let (worked, said) = enrol(&other.address, &token, state.path(), &[]).await;
    assert!(!worked && said.contains("not the one that the join token names"), "{said}");
    assert!(!controller.records.tokens.lock().unwrap()[&token.id].is_used);

    let (worked, said) =
        enrol(&controller.address, &token, state.path(), &["--name", "web01"]).await;
    assert!(worked && said.contains("Enrolled as `web01`"), "{said}");
    let (worked, said) = enrol(&controller.address, &token, state.path(), &[]).await;
    assert!(!worked && said.contains("already as `web01`"), "{said}");
    let (worked, said) = enrol(&controller.address, &token, state.path(), &["--force"]).await;
    assert!(!worked && said.contains("has been used already"), "{said}");
}

#[tokio::test]
async fn a_controller_that_is_not_there_is_named() {
    let controller = Controller::start().await;
    let state = tempfile::tempdir().unwrap();
    let token = controller.token(|_| {});
    let (worked, said) = enrol("127.0.0.1:1", &token, state.path(), &[]).await;
    assert!(!worked && said.contains("127.0.0.1:1: Connection refused"), "{said}");
}

#[tokio::test]
async fn a_killed_agent_tells_what_it_knows_and_runs_nothing_twice() {
    let controller = Controller::start().await;
    let agent = Resident::enrol(&controller, "web01").await;
    let mut running = agent.start();
    let id = controller.records.agents.lock().unwrap().keys().copied().next().unwrap();
    let link = controller.gateway.link(id);
    link.wait_connected(Duration::from_secs(10)).await.unwrap();

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("runs");
    let line = format!("echo x >> {}; sleep 5", file.display());
    let plan = plan([shell("true"), shell(&line), shell("true")]);
    let (sender, mut reports) = mpsc::channel(8);
    let waiting = tokio::spawn({
        let (link, plan) = (link.clone(), plan.clone());
        async move { link.run(plan, sender).await }
    });
    wait_for("the command runs", || file.exists()).await;
    kill(Pid::from_raw(running.id().unwrap() as i32), Signal::SIGKILL).unwrap();
    running.wait().await.unwrap();
    let _again = agent.start();

    let mut story = Vec::new();
    while let Some(report) = reports.recv().await {
        match report {
            StepReport::Started(step) => story.push(format!("+{step}")),
            StepReport::Finished { step, outcome } => {
                story.push(format!("-{step}"));
                if step.0 == 1 {
                    let Verdict::Unknown { message } = &outcome.verdict else {
                        panic!("{outcome:?}")
                    };
                    assert!(message.contains("may or may not"), "{message}");
                }
            }
            StepReport::Output { .. } => {}
        }
    }
    assert_eq!(story.join(" "), "+0 -0 +1 -1");
    assert_eq!(waiting.await.unwrap(), Ok(()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "x\n");
    wait_for("the plan is forgotten", || {
        std::fs::read_dir(agent.state.path().join("plans")).unwrap().count() == 0
    })
    .await;
}

#[tokio::test]
async fn results_wait_for_a_controller_that_is_away() {
    let controller = Controller::start().await;
    let agent = Resident::enrol(&controller, "web01").await;
    let _running = agent.start();
    let id = controller.records.agents.lock().unwrap().keys().copied().next().unwrap();
    let link = controller.gateway.link(id);
    link.wait_connected(Duration::from_secs(10)).await.unwrap();

    let directory = tempfile::tempdir().unwrap();
    let (begun, done) = (directory.path().join("begun"), directory.path().join("done"));
    let line = format!("touch {}; sleep 1; touch {}", begun.display(), done.display());
    let plan = plan([shell(&line), shell("echo later")]);
    let running = tokio::spawn({
        let (link, plan) = (link.clone(), plan.clone());
        async move { run(&*link, plan).await }
    });
    wait_for("the command runs", || begun.exists()).await;
    // The records are full: the controller acknowledges nothing and ends the session.
    controller.records.is_full.store(true, std::sync::atomic::Ordering::SeqCst);
    wait_for("the command has ended", || done.exists()).await;
    // The run may lose patience; the results must come all the same.
    running.await.unwrap();
    controller.records.is_full.store(false, std::sync::atomic::Ordering::SeqCst);
    let recorded = || {
        let reports = controller.records.reports.lock().unwrap();
        reports.iter().any(|(_, it)| it.plan == plan.id && it.body == proto::ReportBody::Ended)
    };
    wait_for("the end is recorded", recorded).await;
    let mut finished = Vec::new();
    for (_, report) in controller.records.reports.lock().unwrap().iter() {
        if let proto::ReportBody::Step(StepReport::Finished { step, outcome }) = &report.body {
            finished.push((step.0, outcome.is_failed()));
        }
    }
    finished.dedup();
    assert_eq!(finished.first(), Some(&(0, false)), "{finished:?}");
}

#[tokio::test]
async fn a_ledger_that_cannot_be_written_refuses_plans_and_the_agent_stays() {
    let controller = Controller::start().await;
    let agent = Resident::enrol(&controller, "web01").await;
    // Root is not stopped by permissions, but by a file where a directory should be.
    std::fs::write(agent.state.path().join("plans"), "").unwrap();
    let _running = agent.start();
    let id = controller.records.agents.lock().unwrap().keys().copied().next().unwrap();
    let link = controller.gateway.link(id);
    link.wait_connected(Duration::from_secs(10)).await.unwrap();
    let end = run(&*link, plan([shell("true")])).await.end.expect_err("it cannot be recorded");
    assert!(end.contains("cannot record the plan, so it did not begin"), "{end}");
    std::fs::remove_file(agent.state.path().join("plans")).unwrap();
    let said = run(&*link, plan([shell("true")])).await;
    assert_eq!((said.end.as_ref(), said.story().as_str()), (Ok(&()), "+0 -0"));
}
