//! Ways to this machine, each as a link, and plans for it.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use engine::link::{Link, Links as _};
use executor::{Executor, Program};
use identity::JoinToken;
use links::{AgentLink, BlobDirectory, GrpcLinks, InProcessLinks, Timing, serve_child};
use model::{Args, DeployPlan, Mode, Outcome, PlanId, Step, StepId, StepReport};
use tokio::io::join;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::controller::{Controller, target};

/// The program under test.
pub(crate) fn agent_program() -> PathBuf {
    env!("CARGO_BIN_EXE_muster-agent").into()
}

/// A link to this machine.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) link: Arc<dyn Link>,
    pub(crate) blobs: Arc<BlobDirectory>,
    /// What has to live as long as the link.
    _keep: Box<dyn Any + Send>,
}

/// In this process.
pub(crate) async fn in_process() -> Way {
    let directory = tempfile::tempdir().unwrap();
    let blobs = Arc::new(BlobDirectory::open(directory.path()).unwrap());
    let program = Program { path: Some(agent_program()), args: vec![executor::WORKER.into()] };
    let links = InProcessLinks::new(Executor::new(program), blobs.clone());
    let link = links.open(&target("here")).await.unwrap();
    Way { name: "in process", link, blobs, _keep: Box::new((directory, links)) }
}

/// An agent over a pipe, as `ssh` starts it.
pub(crate) async fn pipe() -> Way {
    let directory = tempfile::tempdir().unwrap();
    let blobs = Arc::new(BlobDirectory::open(directory.path()).unwrap());
    let mut child = Command::new(agent_program())
        .args(["--stdio", "--log", "debug"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let io = join(child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let link = AgentLink::new("the agent", Timing::default());
    let cut = CancellationToken::new();
    serve_child(io, link.clone(), &blobs, cut.clone());
    link.wait_connected(Duration::from_secs(10)).await.unwrap();
    Way { name: "pipe", link, blobs, _keep: Box::new((directory, child, cut.drop_guard())) }
}

/// A resident agent over TLS.
pub(crate) async fn resident() -> Way {
    let controller = Controller::start().await;
    let agent = Resident::enrol(&controller, "web01").await;
    let running = agent.start();
    let links = GrpcLinks::new(controller.gateway.clone());
    let link = links.open(&target("web01")).await.unwrap();
    let blobs = controller.blobs.clone();
    Way { name: "resident", link, blobs, _keep: Box::new((controller, agent, running)) }
}

/// An enrolled agent.
pub(crate) struct Resident {
    pub(crate) state: tempfile::TempDir,
}

impl Resident {
    /// Enrols with the program's own command.
    pub(crate) async fn enrol(controller: &Controller, name: &str) -> Self {
        let state = tempfile::tempdir().unwrap();
        let token = controller.token(|_| {});
        let output = enrol(&controller.address, &token, state.path(), &["--name", name]).await;
        assert!(output.0, "{}", output.1);
        Self { state }
    }

    /// Starts `muster-agent run`.
    pub(crate) fn start(&self) -> Child {
        Command::new(agent_program())
            .args(["run", "--log", "debug", "--state-dir"])
            .arg(self.state.path())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }
}

/// Runs `muster-agent enroll`; whether it worked, and all that it said.
pub(crate) async fn enrol(
    address: &str,
    token: &JoinToken,
    state: &Path,
    more: &[&str],
) -> (bool, String) {
    let output = Command::new(agent_program())
        .args(["enroll", "--controller", address])
        .args(more)
        .arg("--state-dir")
        .arg(state)
        .env("MUSTER_JOIN_TOKEN", token.reveal())
        .output()
        .await
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// A step of a module, with arguments as JSON.
pub(crate) fn step(module: &str, args: serde_json::Value) -> Step {
    let serde_json::Value::Object(args) = args else { panic!("arguments are an object") };
    Step {
        id: StepId(0),
        module: module.to_owned(),
        args: args.into_iter().collect::<Args>(),
        mode: Mode::default(),
        run_as: None,
        environment: BTreeMap::new(),
        timeout: None,
        no_log: false,
    }
}

/// A step that runs a shell command line.
pub(crate) fn shell(line: &str) -> Step {
    step("shell", serde_json::json!({ "_raw_params": line }))
}

pub(crate) fn plan(steps: impl IntoIterator<Item = Step>) -> DeployPlan {
    let steps = steps.into_iter().zip(0..).map(|(step, id)| Step { id: StepId(id), ..step });
    DeployPlan { id: PlanId::generate(), digest: None, steps: steps.collect(), keep_going: false }
}

/// What a link said, and how it ended.
pub(crate) struct Said {
    pub(crate) reports: Vec<StepReport>,
    pub(crate) end: Result<(), String>,
}

/// Runs a plan to its end.
pub(crate) async fn run(link: &dyn Link, plan: DeployPlan) -> Said {
    let (sender, mut receiver) = mpsc::channel(8);
    let collect = async {
        let mut reports = Vec::new();
        while let Some(report) = receiver.recv().await {
            reports.push(report);
        }
        reports
    };
    let (end, reports) = tokio::join!(link.run(plan, sender), collect);
    Said { reports, end: end.map_err(|error| error.message) }
}

impl Said {
    /// The outcomes of the steps that ended.
    pub(crate) fn outcomes(&self) -> Vec<&Outcome> {
        let mut outcomes = Vec::new();
        for report in &self.reports {
            if let StepReport::Finished { outcome, .. } = report {
                outcomes.push(&**outcome);
            }
        }
        outcomes
    }

    /// Starts and ends in short, e.g. `+0 -0 +1 -1`.
    pub(crate) fn story(&self) -> String {
        let word = |report: &StepReport| match report {
            StepReport::Started(step) => Some(format!("+{step}")),
            StepReport::Finished { step, .. } => Some(format!("-{step}")),
            StepReport::Output { .. } => None,
        };
        self.reports.iter().filter_map(word).collect::<Vec<_>>().join(" ")
    }
}
