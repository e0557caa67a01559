//! A controller on a free port, seen by an operator.

use identity::{Credentials, client_config};
use model::{Event, EventKind, PlanId, RunId, RunStatus, StepId, Verdict};
use proto::v1;
use proto::v1::operator_client::OperatorClient;
use store::{Plan, StepRecord};
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::transport::Channel;

use super::*;
use crate::bundle::Packer;

struct Controller {
    state: tempfile::TempDir,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), CliError>>,
    client: OperatorClient<Channel>,
}

fn settings(directory: &Path) -> ServerSettings {
    ServerSettings {
        directory: directory.to_owned(),
        listen: "127.0.0.1:0".into(),
        names: Vec::new(),
        recovery: Duration::from_millis(300),
    }
}

async fn start(state: tempfile::TempDir) -> Controller {
    identity::install_provider();
    let stop = CancellationToken::new();
    let server = Server::start(settings(state.path()), stop.clone()).await.unwrap();
    let address = crate::remote::local_address(state.path()).unwrap();
    assert_eq!(address, server.address.to_string());
    let serving = tokio::spawn(server.serve());
    let operator = Credentials::load(&state.path().join("operator.pem")).unwrap().unwrap();
    let channel = links::connect(&address, client_config(&operator).unwrap()).await.unwrap();
    Controller { state, stop, serving, client: OperatorClient::new(channel) }
}

impl Controller {
    async fn upload(&mut self, file: &Path) -> Digest {
        let mut packer = Packer::default();
        packer.add(file).unwrap();
        let mut data = Vec::new();
        packer.write(&mut data).unwrap();
        let digest = Digest::of(&data);
        let size = data.len() as u64;
        let piece = v1::PutBlobRequest { digest: digest.0.to_vec(), size, data };
        self.client.put_blob(tokio_stream::once(piece)).await.unwrap();
        digest
    }

    /// Starts `muster playbook` of a file, as a client in its directory does.
    async fn start(&mut self, playbook: &Path) -> Result<Vec<Event>, tonic::Status> {
        let bundle = self.upload(playbook).await;
        let directory = playbook.parent().unwrap().canonicalize().unwrap();
        let words = ["playbook", "-i", "localhost,", "-c", "local", "site.yml"];
        let request = v1::StartRunRequest {
            kind: v1::RunKind::Playbook.into(),
            arguments: words.map(ToOwned::to_owned).to_vec(),
            bundle: bundle.0.to_vec(),
            directory: directory.strip_prefix("/").unwrap().to_str().unwrap().to_owned(),
            caller: "me@here".into(),
            ..v1::StartRunRequest::default()
        };
        Ok(events(self.client.start_run(request).await?.into_inner()).await)
    }

    async fn watch(&mut self, run: RunId, after_seq: u64) -> Vec<Event> {
        let request = v1::WatchRunRequest { run: run.to_string(), after_seq };
        events(self.client.watch_run(request).await.unwrap().into_inner()).await
    }

    async fn end(self) -> tempfile::TempDir {
        self.stop.cancel();
        self.serving.await.unwrap().unwrap();
        assert!(!self.state.path().join(LISTEN_FILE).exists());
        self.state
    }
}

async fn events(mut stream: tonic::Streaming<v1::RunEvent>) -> Vec<Event> {
    let first = stream.message().await.unwrap().unwrap();
    assert!(first.event_json.is_empty() && !first.run.is_empty());
    let mut events = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        let event: Event = serde_json::from_slice(&message.event_json).unwrap();
        assert_eq!((message.seq, message.run), (event.seq, first.run.clone()));
        events.push(event);
    }
    events
}

fn playbook(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("site.yml");
    fs::write(&path, text).unwrap();
    (directory, path)
}

#[tokio::test]
async fn a_run_can_be_followed_and_read_again() {
    let mut controller = start(tempfile::tempdir().unwrap()).await;
    let (_project, path) = playbook(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - ping:\n    - debug: {msg: hello}\n",
    );
    let all = controller.start(&path).await.unwrap();
    let numbers: Vec<u64> = all.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=all.len() as u64).collect::<Vec<_>>());
    let EventKind::RunStarted { playbooks, .. } = &all[0].kind else { panic!("{all:?}") };
    assert_eq!(playbooks, &["site.yml"]);
    let EventKind::RunFinished { status, recap } = &all.last().unwrap().kind else {
        panic!("{all:?}")
    };
    assert_eq!(*status, RunStatus::Succeeded);
    assert_eq!(recap.hosts[0].ok, 2);

    let run = all[0].run;
    assert_eq!(controller.watch(run, 0).await, all);
    assert_eq!(controller.watch(run, 2).await, all[2..]);
    let runs = controller.client.list_runs(v1::ListRunsRequest::default()).await.unwrap();
    let listed = &runs.get_ref().runs[0];
    assert_eq!((listed.status.as_str(), listed.caller.as_str()), ("succeeded", "me@here"));
    assert_eq!(listed.title, "site.yml");
    let work = controller.state.path().join("work");
    assert_eq!(fs::read_dir(work).unwrap().count(), 0, "the project is gone");
    controller.end().await;
}

#[tokio::test]
async fn content_that_cannot_be_read_is_shown_with_its_own_names() {
    let mut controller = start(tempfile::tempdir().unwrap()).await;
    let (_project, path) = playbook("- hosts: all\n  tsks: []\n");
    let status = controller.start(&path).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert!(status.message().contains("site.yml:2:3"), "{status}");
    assert!(!status.message().contains("/work/"), "{status}");

    let request = v1::StartRunRequest {
        arguments: vec!["playbook".into(), "site.yml".into()],
        directory: "../..".into(),
        ..v1::StartRunRequest::default()
    };
    let status = controller.client.start_run(request).await.unwrap_err();
    assert_eq!(status.message(), "`../..` is not a directory inside the bundle");
    let nowhere = Digest::of(b"never sent").0.to_vec();
    let request = v1::StartRunRequest {
        arguments: vec!["playbook".into(), "site.yml".into()],
        bundle: nowhere,
        ..v1::StartRunRequest::default()
    };
    let status = controller.client.start_run(request).await.unwrap_err();
    assert!(status.message().starts_with("there is no blob"), "{status}");
    controller.end().await;
}

#[tokio::test]
async fn a_run_is_cancelled() {
    let mut controller = start(tempfile::tempdir().unwrap()).await;
    let (_project, path) =
        playbook("- hosts: all\n  gather_facts: false\n  tasks:\n    - command: sleep 60\n");
    let mut client = controller.client.clone();
    let cancelling = tokio::spawn(async move {
        loop {
            let runs = client.list_runs(v1::ListRunsRequest::default()).await.unwrap();
            if let Some(run) = runs.into_inner().runs.pop() {
                tokio::time::sleep(Duration::from_millis(200)).await;
                let request = v1::CancelRunRequest { run: run.run };
                return client.cancel_run(request).await.unwrap().into_inner().was_running;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let all = controller.start(&path).await.unwrap();
    assert!(cancelling.await.unwrap());
    let last = &all.last().unwrap().kind;
    assert!(
        matches!(last, EventKind::RunFinished { status: RunStatus::Cancelled, .. }),
        "{last:?}"
    );
    let request = v1::CancelRunRequest { run: all[0].run.to_string() };
    assert!(!controller.client.cancel_run(request).await.unwrap().get_ref().was_running);
    controller.end().await;
}

#[tokio::test]
async fn a_run_that_was_cut_off_is_told_to_its_end() {
    let state = start(tempfile::tempdir().unwrap()).await.end().await;
    let store = Store::open(state.path()).await.unwrap();
    let run = store::Run::begun("site.yml".into(), "me".into());
    let id = run.id;
    store.start_run(&run).await.unwrap();
    let kind = EventKind::TaskStarted {
        name: "deploy".into(),
        action: "ansible.builtin.command".into(),
        handler: false,
        place: None,
        check: false,
    };
    store.append_events(&[Event { run: id, seq: 1, at: Timestamp::now(), kind }]).await.unwrap();
    let agent = model::AgentId::generate();
    for host in ["web01", "web02"] {
        let plan = Plan {
            id: PlanId::generate(),
            run: id,
            host: host.into(),
            agent: Some(agent),
            after_seq: 1,
            steps: 1,
            no_log: false,
        };
        store.plan_sent(&plan).await.unwrap();
        if host == "web01" {
            let outcome = Some(model::Outcome::changed(model::Args::new()));
            let record = StepRecord { plan: plan.id, step: StepId(0), outcome };
            store.record(agent, &[record], &[plan.id]).await.unwrap();
        }
    }
    store.close().await;

    let mut controller = start(state).await;
    let all = controller.watch(id, 1).await;
    let shown: Vec<_> = all
        .iter()
        .map(|event| match &event.kind {
            EventKind::TaskFinished { result, .. } => {
                assert_eq!(result.task, "deploy");
                let is_unknown = matches!(result.outcome.verdict, Verdict::Unknown { .. });
                (event.seq, result.host.as_str(), is_unknown)
            }
            EventKind::RunFinished { status, recap } => {
                assert_eq!(*status, RunStatus::Interrupted);
                assert_eq!(recap.hosts[0].changed + recap.hosts[1].unreachable, 2);
                (event.seq, "end", false)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(shown, [(2, "web01", false), (3, "web02", true), (4, "end", false)]);
    controller.end().await;
}

#[tokio::test]
async fn tokens_and_agents_are_administered() {
    let mut controller = start(tempfile::tempdir().unwrap()).await;
    let client = &mut controller.client;
    let request = v1::CreateTokenRequest { lifetime_seconds: 60, name: "web01".into() };
    let token = client.create_token(request).await.unwrap().into_inner();
    assert!(token.token.starts_with("muster1."));
    let tokens = client.list_tokens(v1::ListTokensRequest {}).await.unwrap().into_inner().tokens;
    assert_eq!((&tokens[0].id, tokens[0].name.as_str()), (&token.id, "web01"));
    client.revoke_token(v1::RevokeTokenRequest { id: token.id }).await.unwrap();
    let tokens = client.list_tokens(v1::ListTokensRequest {}).await.unwrap().into_inner().tokens;
    assert!(tokens[0].revoked);

    let too_long = v1::CreateTokenRequest { lifetime_seconds: u64::MAX, name: String::new() };
    assert_eq!(client.create_token(too_long).await.unwrap_err().code(), Code::InvalidArgument);
    let gone = client.revoke_token(v1::RevokeTokenRequest { id: "x".into() }).await.unwrap_err();
    assert_eq!(gone.message(), "there is no token `x`; `muster token list` shows the ids");
    let request = v1::ShowAgentRequest { agent: "web01".into() };
    let unknown = client.show_agent(request).await.unwrap_err();
    assert_eq!(unknown.message(), "no agent named `web01` is enrolled");
    let request = v1::WatchRunRequest { run: "x".into(), after_seq: 0 };
    assert_eq!(client.watch_run(request).await.unwrap_err().code(), Code::InvalidArgument);
    let status = client.status(v1::StatusRequest {}).await.unwrap().into_inner();
    assert_eq!((status.agents_connected, status.runs_running), (0, 0));
    controller.end().await;
}

#[tokio::test]
async fn what_hinders_a_start_is_said() {
    let controller = start(tempfile::tempdir().unwrap()).await;
    let render = |error: CliError| error.render(yaml::Style::Plain);
    let again = Server::start(settings(controller.state.path()), CancellationToken::new()).await;
    let text = render(again.err().unwrap());
    assert!(text.starts_with("a controller runs already with the state directory"), "{text}");

    let other = tempfile::tempdir().unwrap();
    let address = crate::remote::local_address(controller.state.path()).unwrap();
    let taken = ServerSettings { listen: address, ..settings(other.path()) };
    let text = render(Server::start(taken, CancellationToken::new()).await.err().unwrap());
    assert!(text.contains("cannot listen on") && text.contains("hint: "), "{text}");

    let other = tempfile::tempdir().unwrap();
    fs::write(
        other.path().join("muster.db"),
        "not a database, but long enough to be one".repeat(9),
    )
    .unwrap();
    let damaged = Server::start(settings(other.path()), CancellationToken::new()).await;
    let text = render(damaged.err().unwrap());
    assert!(text.contains("is damaged or is no database"), "{text}");
    controller.end().await;
}
