//! The contract of [`engine::link::Link`], the same for every way to a host.

use std::time::{Duration, Instant};

use engine::link::BlobStore as _;
use model::{BecomeMethod, OutputStream, RunAs, Step, StepReport, Verdict};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::host::{Way, in_process, pipe, plan, resident, run, shell, step};

/// Lets a check run over every way.
async fn over_each(check: impl AsyncFn(&Way)) {
    for way in [in_process().await, pipe().await, resident().await] {
        let checked = timeout(Duration::from_mins(1), check(&way)).await;
        assert!(checked.is_ok(), "{}: it did not come to an end", way.name);
    }
}

fn message(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Failed { message } | Verdict::Unknown { message } => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn steps_are_reported_in_order() {
    over_each(async |way| {
        let said =
            run(&*way.link, plan([step("ping", json!({})), shell("true"), shell("true")])).await;
        assert_eq!(said.end, Ok(()), "{}", way.name);
        assert_eq!(said.story(), "+0 -0 +1 -1 +2 -2", "{}", way.name);
        assert_eq!(said.outcomes()[0].result["ping"], "pong", "{}", way.name);
        assert_eq!(said.outcomes()[1].verdict, Verdict::Changed, "{}", way.name);
    })
    .await;
}

#[tokio::test]
async fn a_failed_step_is_data_and_ends_the_plan_unless_it_keeps_going() {
    over_each(async |way| {
        let mut plan = plan([shell("exit 3"), shell("true")]);
        let said = run(&*way.link, plan.clone()).await;
        assert_eq!((said.end.as_ref(), said.story().as_str()), (Ok(&()), "+0 -0"), "{}", way.name);
        assert!(matches!(said.outcomes()[0].verdict, Verdict::Failed { .. }), "{}", way.name);
        assert_eq!(said.outcomes()[0].result["rc"], 3, "{}", way.name);
        plan.id = model::PlanId::generate();
        plan.keep_going = true;
        let said = run(&*way.link, plan).await;
        assert_eq!(
            (said.end.as_ref(), said.story().as_str()),
            (Ok(&()), "+0 -0 +1 -1"),
            "{}",
            way.name
        );
    })
    .await;
}

#[tokio::test]
async fn an_empty_plan_ends() {
    over_each(async |way| {
        let said = run(&*way.link, plan([])).await;
        assert_eq!((said.end, said.reports), (Ok(()), vec![]), "{}", way.name);
    })
    .await;
}

#[tokio::test]
async fn an_unknown_module_is_a_failure_with_a_hint() {
    over_each(async |way| {
        let said = run(&*way.link, plan([step("shel", json!({}))])).await;
        assert_eq!(said.end, Ok(()), "{}", way.name);
        let text = message(&said.outcomes()[0].verdict).to_owned();
        assert!(text.contains("`shel`") && text.contains("`shell`"), "{}: {text}", way.name);
    })
    .await;
}

#[tokio::test]
async fn output_is_seen_while_a_command_runs() {
    over_each(async |way| {
        let (sender, mut reports) = mpsc::channel(8);
        let plan = plan([shell("echo first; echo second >&2; sleep 2")]);
        let started = Instant::now();
        let running = way.link.run(plan, sender);
        let watching = async {
            let mut seen = String::new();
            while let Some(report) = reports.recv().await {
                if let StepReport::Output { stream, bytes, .. } = report {
                    let name = if stream == OutputStream::Stdout { "out" } else { "err" };
                    seen.extend([name, ":", &String::from_utf8_lossy(&bytes)]);
                    assert!(
                        started.elapsed() < Duration::from_millis(1900),
                        "{}: too late",
                        way.name
                    );
                }
            }
            seen
        };
        let (end, seen) = tokio::join!(running, watching);
        assert_eq!(end, Ok(()), "{}", way.name);
        assert!(
            seen.contains("out:first\n") && seen.contains("err:second\n"),
            "{}: {seen}",
            way.name
        );
    })
    .await;
}

#[tokio::test]
async fn output_without_end_does_not_harm() {
    over_each(async |way| {
        let line = "head -c 20000000 /dev/zero | tr '\\0' x; echo; echo the end; echo bad >&2";
        let said = run(&*way.link, plan([shell(line), shell("true")])).await;
        assert_eq!(
            (said.end.as_ref(), said.story().as_str()),
            (Ok(&()), "+0 -0 +1 -1"),
            "{}",
            way.name
        );
        let outcome = said.outcomes()[0];
        assert_eq!(outcome.verdict, Verdict::Changed, "{}: {:?}", way.name, outcome.verdict);
        assert_eq!(outcome.result["stderr"], "bad", "{}", way.name);
        let stdout = outcome.result["stdout"].as_str().unwrap();
        assert!(stdout.ends_with("the end") && stdout.len() < 4 << 20, "{}", way.name);
    })
    .await;
}

#[tokio::test]
async fn a_step_has_only_its_time() {
    over_each(async |way| {
        let slow = Step { timeout: Some(Duration::from_secs(1)), ..shell("sleep 30") };
        let started = Instant::now();
        let said = run(&*way.link, plan([slow])).await;
        assert_eq!(said.end, Ok(()), "{}", way.name);
        let text = message(&said.outcomes()[0].verdict);
        assert_eq!(text, "Timed out after 1 second(s).", "{}", way.name);
        assert!(started.elapsed() < Duration::from_secs(8), "{}", way.name);
    })
    .await;
}

#[tokio::test]
async fn a_plan_that_nobody_waits_for_is_cancelled() {
    over_each(async |way| {
        let directory = tempfile::tempdir().unwrap();
        let (begun, done) = (directory.path().join("begun"), directory.path().join("done"));
        let line = format!("touch {}; sleep 3; touch {}", begun.display(), done.display());
        let next = shell(&format!("touch {}", done.display()));
        let (sender, _reports) = mpsc::channel(8);
        let running = way.link.run(plan([shell(&line), next]), sender);
        let has_begun = async {
            while !begun.exists() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            end = running => panic!("{}: {end:?}", way.name),
            () = has_begun => {}
        }
        sleep(Duration::from_secs(4)).await;
        assert!(!done.exists(), "{}: it went on", way.name);
        let said = run(&*way.link, plan([shell("true")])).await;
        assert_eq!(said.end, Ok(()), "{}: the link goes on", way.name);
    })
    .await;
}

#[tokio::test]
async fn contents_come_by_their_digest() {
    over_each(async |way| {
        let directory = tempfile::tempdir().unwrap();
        let large: Vec<u8> = (0..500_000_u32).flat_map(u32::to_le_bytes).collect();
        for content in [b"small".as_slice(), &large, b""] {
            let digest = way.blobs.add(content).unwrap();
            let path = directory.path().join("copy");
            let args = json!({ "dest": path, "_blob": digest, "mode": "0600" });
            let said = run(&*way.link, plan([step("copy", args)])).await;
            assert_eq!(said.end, Ok(()), "{}", way.name);
            assert_eq!(
                said.outcomes()[0].verdict,
                Verdict::Changed,
                "{}: {:?}",
                way.name,
                said.reports
            );
            assert!(std::fs::read(&path).unwrap() == content, "{}", way.name);
        }
        let missing = model::Digest::of(b"nobody has this");
        let args = json!({ "dest": directory.path().join("none"), "_blob": missing });
        let said = run(&*way.link, plan([step("copy", args)])).await;
        assert_eq!(said.end, Ok(()), "{}", way.name);
        let text = message(&said.outcomes()[0].verdict).to_owned();
        assert!(text.contains(&format!("cannot get blob {missing}")), "{}: {text}", way.name);
    })
    .await;
}

#[tokio::test]
async fn a_step_runs_as_the_user_it_is_for() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: only root can become another user without asking");
        return;
    }
    over_each(async |way| {
        let as_user =
            |user, line| Step { run_as: Some(RunAs::new(user, BecomeMethod::Sudo)), ..shell(line) };
        let id = "id -un; echo $HOME; echo progress >&2";
        let said = run(&*way.link, plan([as_user("nobody", id), shell("id -un")])).await;
        assert_eq!(said.end, Ok(()), "{}", way.name);
        let outcomes = said.outcomes();
        assert_eq!(outcomes[0].result["stdout"], "nobody\n/nonexistent", "{}", way.name);
        assert_eq!(outcomes[1].result["stdout"], "root", "{}", way.name);
        let said = run(&*way.link, plan([as_user("no-such-user", "true")])).await;
        let text = message(&said.outcomes()[0].verdict).to_owned();
        assert!(text.contains("no such user"), "{}: {text}", way.name);
    })
    .await;
}

#[tokio::test]
async fn a_plan_that_comes_again_is_not_carried_out_again() {
    over_each(async |way| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let plan = plan([shell(&format!("echo x >> {}", file.path().display()))]);
        assert_eq!(run(&*way.link, plan.clone()).await.end, Ok(()), "{}", way.name);
        let again = run(&*way.link, plan).await;
        let end = again.end.expect_err("it is refused");
        assert!(end.contains("was carried out before"), "{}: {end}", way.name);
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "x\n", "{}", way.name);
    })
    .await;
}

#[tokio::test]
async fn plans_run_beside_each_other() {
    over_each(async |way| {
        let started = Instant::now();
        let one = || run(&*way.link, plan([shell("sleep 1")]));
        let (a, b, c) = tokio::join!(one(), one(), one());
        for said in [a, b, c] {
            assert_eq!(
                (said.end.as_ref(), said.story().as_str()),
                (Ok(&()), "+0 -0"),
                "{}",
                way.name
            );
        }
        assert!(started.elapsed() < Duration::from_millis(2900), "{}", way.name);
    })
    .await;
}
