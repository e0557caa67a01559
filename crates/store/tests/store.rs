//! The store's contract, on real files.

use jiff::{SignedDuration, Timestamp};
use model::{AgentId, Args, Event, EventKind, HostName, Outcome, PlanId, RunStatus, StepId};
use store::{Admission, Error, NewAgent, Plan, Run, StepRecord, Store, Token};

async fn open() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).await.expect("a store");
    (directory, store)
}

fn token(id: &str) -> Token {
    let now = Timestamp::now();
    Token {
        id: id.to_owned(),
        key: vec![7; 32],
        name: None,
        created: now,
        ends: now + SignedDuration::from_hours(1),
        used_by: None,
        revoked: false,
    }
}

async fn join(store: &Store, token: &str, name: &str) -> (AgentId, Admission) {
    let (id, name) = (AgentId::generate(), HostName::from(name));
    let ends = Timestamp::now() + SignedDuration::from_hours(720);
    let new = NewAgent {
        token,
        id,
        name: &name,
        serial: "01",
        certificate_ends: ends,
        agent_version: "0.1.0",
    };
    (id, store.admit(&new, Timestamp::now()).await.expect("the store answers"))
}

fn run(status: RunStatus) -> Run {
    Run { status, ..Run::begun("site.yml".into(), "ann".into()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_joiners_with_one_token_exactly_one_wins() {
    let (_directory, store) = open().await;
    for round in 0..200 {
        let id = format!("token{round}");
        store.add_token(&token(&id)).await.expect("a token");
        let names = [format!("a{round}"), format!("b{round}")];
        let joins = names.map(|name| {
            let (store, id) = (store.clone(), id.clone());
            tokio::spawn(async move { join(&store, &id, &name).await.1 })
        });
        let mut admitted = 0;
        for one in joins {
            admitted += u32::from(one.await.expect("no panic") == Admission::Admitted);
        }
        assert_eq!(admitted, 1, "round {round}");
    }
}

#[tokio::test]
async fn tokens_end_and_are_taken_back() {
    let (_directory, store) = open().await;
    let past = Timestamp::now() - SignedDuration::from_secs(1);
    store.add_token(&Token { ends: past, ..token("over") }).await.expect("a token");
    store.add_token(&token("revoked")).await.expect("a token");
    assert!(store.revoke_token("revoked").await.expect("an answer"));
    assert!(!store.revoke_token("unknown").await.expect("an answer"));
    for id in ["over", "revoked", "unknown"] {
        assert_eq!(join(&store, id, "web1").await.1, Admission::TokenUsed, "{id}");
    }
    assert_eq!(store.agent_named(&HostName::from("web1")).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_name_stays_with_an_agent_that_has_connected() {
    let (_directory, store) = open().await;
    for id in ["one", "two", "three", "four"] {
        store.add_token(&token(id)).await.expect("a token");
    }
    let (first, admission) = join(&store, "one", "web1").await;
    assert_eq!(admission, Admission::Admitted);
    let (second, admission) = join(&store, "two", "web1").await;
    assert_eq!(admission, Admission::Admitted, "the first never connected");
    store.agent_connected(second, "web1.example", "0.1.0", Timestamp::now()).await.expect("seen");
    assert_eq!(join(&store, "three", "web1").await.1, Admission::NameTaken(second));
    let unburned = store.token("three").await.expect("an answer").expect("the token");
    assert_eq!(unburned.used_by, None, "a refused admission burns nothing");
    assert!(store.revoke_agent(second, Timestamp::now()).await.expect("an answer"));
    assert_eq!(join(&store, "four", "web1").await.1, Admission::Admitted);
    let all = store.agents().await.expect("agents");
    assert_eq!(all.iter().filter(|agent| agent.revoked.is_none()).count(), 1);
    assert!(all.iter().any(|agent| agent.id == first && agent.revoked.is_some()));
    let shown = store.agent("web1").await.expect("an answer").expect("an agent");
    assert!(shown.revoked.is_none(), "a name means the agent that holds it now");
}

#[tokio::test]
async fn results_count_once_and_only_from_the_agent_that_was_asked() {
    let (_directory, store) = open().await;
    let run = run(RunStatus::Running);
    store.start_run(&run).await.expect("a run");
    let (agent, stranger) = (AgentId::generate(), AgentId::generate());
    let plan = |no_log| Plan {
        id: PlanId::generate(),
        run: run.id,
        host: HostName::from("web1"),
        agent: Some(agent),
        after_seq: 3,
        steps: 2,
        no_log,
    };
    let (open, secret) = (plan(false), plan(true));
    store.plan_sent(&open).await.expect("sent");
    store.plan_sent(&secret).await.expect("sent");
    let record =
        |plan: &Plan, step, outcome| StepRecord { plan: plan.id, step: StepId(step), outcome };
    let said =
        |text: &str| Some(Outcome::changed(Args::from_iter([("stdout".to_owned(), text.into())])));

    store.record(stranger, &[record(&open, 0, said("forged"))], &[open.id]).await.expect("dropped");
    assert_eq!(store.steps(open.id).await.expect("steps"), []);
    store
        .record(agent, &[record(&open, 0, None), record(&open, 0, said("first"))], &[])
        .await
        .expect("kept");
    store
        .record(agent, &[record(&open, 0, said("again")), record(&open, 0, None)], &[open.id])
        .await
        .expect("kept");
    assert_eq!(store.steps(open.id).await.expect("steps"), [record(&open, 0, said("first"))]);
    store.record(agent, &[record(&secret, 1, said("hunter2"))], &[]).await.expect("kept");
    assert_eq!(
        store.steps(secret.id).await.expect("steps"),
        [record(&secret, 1, Some(Outcome::changed(Args::new())))]
    );
    assert_eq!(store.plans(run.id).await.expect("plans"), [(open, true), (secret, false)]);
}

#[tokio::test]
async fn runs_and_events_survive_a_restart() {
    let (directory, store) = open().await;
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(directory.path().join("muster.db-wal")).expect("a file").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600, "nobody else reads it");
    let run = run(RunStatus::Running);
    store.start_run(&run).await.expect("a run");
    let event = |seq, text: &str| Event {
        run: run.id,
        seq,
        at: Timestamp::now(),
        kind: EventKind::Warned { message: text.into() },
    };
    let events = [event(1, "one"), event(2, "two"), event(3, "three")];
    store.append_events(&events).await.expect("kept");
    store.append_events(&[event(2, "other")]).await.expect("kept");
    let epoch = store.next_epoch().await.expect("an epoch");
    store.close().await;

    let store = Store::open(directory.path()).await.expect("opens again");
    assert!(store.next_epoch().await.expect("an epoch") > epoch);
    assert_eq!(store.events(run.id, 1, 10).await.expect("events"), events[1..]);
    assert_eq!(store.running().await.expect("runs").len(), 1);
    store.end_run(run.id, RunStatus::Interrupted, Timestamp::now()).await.expect("ended");
    assert_eq!(store.running().await.expect("runs"), []);
    assert_eq!(store.runs(5).await.expect("runs")[0].status, RunStatus::Interrupted);
}

#[tokio::test]
async fn facts_are_laid_over_each_other() {
    let store = Store::in_memory().await.expect("a store");
    let host = HostName::from("web1");
    let facts = |pairs: &[(&str, i64)]| -> Args {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect()
    };
    store.learn_facts(&host, &facts(&[("a", 1), ("b", 1)]), Timestamp::now()).await.expect("kept");
    store.learn_facts(&host, &facts(&[("b", 2)]), Timestamp::now()).await.expect("kept");
    let known = store.facts(&host).await.expect("an answer").expect("facts");
    assert_eq!(known.facts, facts(&[("a", 1), ("b", 2)]));
    assert_eq!(store.facts(&HostName::from("web2")).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_damaged_or_newer_database_is_refused_with_advice() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(
        directory.path().join("muster.db"),
        "this is no database, but long enough to look at\n".repeat(100),
    )
    .expect("a file");
    let error = Store::open(directory.path()).await.expect_err("refused");
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("restore a backup"), "{error}");

    let (directory, store) = open().await;
    store.close().await;
    let url = format!("sqlite://{}", directory.path().join("muster.db").display());
    let pool = sqlx::SqlitePool::connect(&url).await.expect("opens");
    sqlx::query("INSERT INTO _sqlx_migrations VALUES (9999, 'later', 0, 1, x'00', 0)")
        .execute(&pool)
        .await
        .expect("a row");
    pool.close().await;
    let error = Store::open(directory.path()).await.expect_err("refused");
    assert!(matches!(error, Error::Newer { .. }), "{error:?}");
}
