//! The link through a real `ssh` and a real sshd.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::link::{Links as _, Target};
use links::{BlobDirectory, SshLinks, SshSettings};
use model::Secret;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::host::{agent_program, plan, run, shell, step};
use crate::sshd::{Sshd, missing};

fn links(directory: &tempfile::TempDir) -> SshLinks {
    let blobs = Arc::new(BlobDirectory::open(directory.path().join("blobs")).unwrap());
    let settings = SshSettings { agent: Some(agent_program()), ..SshSettings::default() };
    SshLinks::new(settings, blobs)
}

/// Says so when a test cannot do its work.
fn is_skipped() -> bool {
    let missing = missing();
    if let Some(missing) = missing {
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        // To where the person looks who runs the tests.
        let _ = writeln!(std::io::stderr(), "skipped: {missing}");
    }
    missing.is_some()
}

async fn refusal(links: &SshLinks, target: &Target) -> String {
    match links.open(target).await {
        Ok(_) => panic!("it was let in"),
        Err(error) => error.message,
    }
}

#[tokio::test]
async fn an_agent_is_brought_once_and_serves_until_the_end_of_the_run() {
    if is_skipped() {
        return;
    }
    let sshd = Sshd::start().await;
    let target = sshd.target();
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let links = links(&directory);
        let link = links.open(&target).await.unwrap();
        let said = run(&*link, plan([step("ping", json!({})), shell("echo $PPID")])).await;
        assert_eq!((said.end.as_ref(), said.story().as_str()), (Ok(&()), "+0 -0 +1 -1"));
        let same = links.open(&target).await.unwrap();
        let again = run(&*same, plan([shell("echo $PPID")])).await;
        let agent = said.outcomes()[1].result["stdout"].as_str().unwrap();
        assert_eq!(again.outcomes()[0].result["stdout"], agent, "one connection a host and run");
        links.close().await;
        let pid = Pid::from_raw(agent.parse().unwrap());
        let is_gone = async {
            while kill(pid, None).is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(5), is_gone).await.expect("the agent ends with the run");
    }
    assert_eq!(sshd.brought().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    if is_skipped() {
        return;
    }
    let sshd = Sshd::start().await;
    let directory = tempfile::tempdir().unwrap();
    let links = links(&directory);
    let refused = Target { port: Some(1), ..sshd.target() };
    let message = refusal(&links, &refused).await;
    assert!(message.contains("nothing listens on the host's SSH port"), "{message}");

    let mut stranger = sshd.target();
    stranger.private_key = Some(directory.path().join("none"));
    let message = refusal(&links, &stranger).await;
    assert!(message.contains("Permission denied"), "{message}");

    let with_password = Target {
        password: Some(Secret::new("hunter2".to_owned())),
        user: Some("nobody".to_owned()),
        ..sshd.target()
    };
    let message = refusal(&links, &with_password).await;
    assert!(message.contains("Permission denied") && !message.contains("hunter2"), "{message}");

    let unknown = sshd.target();
    std::fs::write(sshd.directory.path().join("known_hosts"), "").unwrap();
    let message = refusal(&links, &unknown).await;
    assert!(message.contains("the host's key is not known"), "{message}");

    let nowhere = Target { address: "no-such-host.invalid".to_owned(), ..sshd.target() };
    let message = refusal(&links, &nowhere).await;
    assert!(message.contains("check ansible_host and DNS"), "{message}");

    let options = [("ansible_ssh_executable".to_owned(), "/nowhere/ssh".to_owned())];
    let without = Target { options: options.into(), ..sshd.target() };
    let message = refusal(&links, &without).await;
    assert!(message.contains("cannot find `/nowhere/ssh`"), "{message}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_noticed_at_once() {
    if is_skipped() {
        return;
    }
    let sshd = Sshd::start().await;
    let directory = tempfile::tempdir().unwrap();
    let links = links(&directory);
    let link = links.open(&sshd.target()).await.unwrap();
    let said = run(&*link, plan([shell("echo $PPID")])).await;
    let agent: i32 = said.outcomes()[0].result["stdout"].as_str().unwrap().parse().unwrap();
    let (sender, _reports) = mpsc::channel(8);
    let started = Instant::now();
    let running = link.run(plan([shell("sleep 20")]), sender);
    let killing = async {
        sleep(Duration::from_millis(300)).await;
        kill(Pid::from_raw(agent), Signal::SIGKILL).unwrap();
    };
    let (end, ()) = tokio::join!(running, killing);
    let message = end.expect_err("the agent is dead").message;
    assert!(message.starts_with("lost the connection to the host via ssh"), "{message}");
    assert!(started.elapsed() < Duration::from_secs(5));
    // The next one begins anew.
    let link = links.open(&sshd.target()).await.unwrap();
    assert_eq!(run(&*link, plan([shell("true")])).await.end, Ok(()));
    links.close().await;
}
