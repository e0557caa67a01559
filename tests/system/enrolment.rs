//! Joining a controller with the programs that people run: whom it lets in, and what it tells the others.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;
use tests::controller::Controller;
use tests::programs::{self, expect};

fn controller(directory: &Path) -> Result<Controller> {
    std::fs::create_dir_all(directory)?;
    Controller::start(directory, std::net::Ipv4Addr::LOCALHOST)
}

fn agent(state: &Path) -> Command {
    let mut command = programs::program("muster-agent");
    command.env("MUSTER_AGENT_STATE_DIR", state).env("MUSTER_AGENT_CONFIG", "/dev/null");
    command
}

/// `muster-agent enroll`, which must exit with `code`; what it says.
fn enroll(controller: &str, token: &str, state: &Path, code: i32) -> String {
    let words = ["enroll", "--controller", controller, "--name", "web01", "--token", token];
    expect(agent(state).args(words), code)
}

fn assert_says(shown: &str, parts: &[&str]) {
    for part in parts {
        assert!(shown.contains(part), "expected {part:?} in:\n{shown}");
    }
}

/// A resident agent, ended on drop; its log is a file.
struct Resident(Child);

impl Resident {
    fn start(state: &Path, controller: &str, log: &Path) -> Result<Self> {
        let file = std::fs::File::create(log)?;
        let mut command = agent(state);
        command.args(["run", "--controller", controller]).env("MUSTER_LOG", "debug");
        Ok(Self(command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()?))
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for(log: &Path, parts: &[&str]) -> Result<()> {
    let start = Instant::now();
    loop {
        let text = std::fs::read_to_string(log)?;
        if parts.iter().any(|part| text.contains(part)) {
            return Ok(());
        }
        assert!(start.elapsed() < Duration::from_secs(30), "none of {parts:?} in:\n{text}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_token_is_good_once_and_not_for_ever() -> Result<()> {
    let directory = TempDir::new()?;
    let at = |name: &str| directory.path().join(name);
    let controller = controller(directory.path())?;
    let token = controller.token()?;
    enroll(&controller.address, &token, &at("first"), 0);
    assert_says(&enroll(&controller.address, &token, &at("second"), 1), &["token", "used"]);
    assert!(!at("second").join("identity.pem").exists(), "nothing is left of a refused enrolment");

    let create = ["token", "create", "--lifetime", "1s"];
    let shown = expect(controller.muster().args(create), 0);
    let short = shown.split_whitespace().find(|word| word.starts_with("muster1."));
    let short = short.context("a token")?;
    std::thread::sleep(Duration::from_millis(1500));
    assert_says(
        &enroll(&controller.address, short, &at("third"), 1),
        &["token ended at", "muster token create"],
    );
    Ok(())
}

#[test]
fn a_token_of_another_controller_is_not_shown_to_this_one() -> Result<()> {
    let directory = TempDir::new()?;
    let ours = controller(&directory.path().join("ours"))?;
    let other = controller(&directory.path().join("other"))?;
    let shown = enroll(&ours.address, &other.token()?, &directory.path().join("agent"), 1);
    assert_says(&shown, &["the token is from another controller"]);
    Ok(())
}

#[test]
fn a_certificate_of_a_foreign_authority_opens_nothing() -> Result<()> {
    let directory = TempDir::new()?;
    let ours = controller(&directory.path().join("ours"))?;
    let other = controller(&directory.path().join("other"))?;
    let state = directory.path().join("agent");
    enroll(&other.address, &other.token()?, &state, 0);
    let log = directory.path().join("agent.log");
    let agent = Resident::start(&state, &ours.address, &log)?;
    wait_for(&log, &["another authority", "foreign", "UnknownIssuer", "not signed by"])?;
    drop(agent);
    let agents = expect(ours.muster().args(["agents", "list"]), 0);
    assert!(!agents.contains("web01"), "{agents}");
    Ok(())
}
