//! The modules for database servers, against servers: each of them is started for the test, from the programs on this
//! machine or else from Debian's packages, which are unpacked and not installed. `servers/*.yml` say what is done.
//! Where neither is to be had, the test says so and proves nothing.

#[path = "servers/program.rs"]
mod program;

use std::path::Path;

use model::{Args, Mode, Outcome, Step, StepId, Verdict};
use program::{Server, mariadb, postgresql};
use serde::Deserialize;
use serde_json::Value;
use system::RealSystem;

/// One call of a module.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    /// What it shows.
    name: String,
    module: String,
    #[serde(default)]
    args: Args,
    /// `ok`, `changed` or `failed`.
    expect: String,
    /// How check mode ends, where that is not the same.
    check: Option<String>,
    /// How a second run ends, where that is not `ok`.
    again: Option<String>,
    /// Keys of the result, by pointer where they begin with a slash.
    #[serde(default)]
    result: Args,
    /// A part of the message of a failure.
    message: Option<String>,
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome.verdict {
        Verdict::Ok => "ok",
        Verdict::Changed => "changed",
        Verdict::Skipped { .. } => "skipped",
        Verdict::Failed { .. } => "failed",
        Verdict::Unknown { .. } => "unknown",
    }
}

/// Check mode, the call, and the call once more.
fn prove(call: &Call, server: &Server) -> Result<(), String> {
    let mut args: Args =
        serde_json::from_str(&server.fill(&Value::Object(call.args.clone()).to_string()))
            .expect("still JSON");
    for (key, value) in &server.login {
        args.entry(key.clone()).or_insert_with(|| value.clone());
    }
    let run = |check: bool| {
        let step = Step {
            id: StepId(0),
            module: call.module.clone(),
            args: args.clone(),
            mode: Mode { check, diff: true },
            run_as: None,
            environment: server.environment.clone(),
            timeout: None,
            no_log: false,
        };
        let context = system::Context {
            environment: server.environment.clone(),
            ..system::Context::default()
        };
        modules::run(&step, &RealSystem::new(context))
    };
    let expect = |what: &str, wanted: &str, outcome: &Outcome| {
        let shown = Value::Object(outcome.result.clone());
        let said = format!("{what}: expected {wanted}, got {:?} {shown}", outcome.verdict);
        if word(outcome) == wanted { Ok(()) } else { Err(said) }
    };
    let predicted = run(true);
    expect("check mode", call.check.as_ref().unwrap_or(&call.expect), &predicted)?;
    let outcome = run(false);
    expect("the call", &call.expect, &outcome)?;
    let leak = |outcome: &Outcome| format!("{outcome:?}").contains("s3cret-word");
    if leak(&predicted) || leak(&outcome) {
        return Err("it shows a password".to_owned());
    }
    for (key, wanted) in &call.result {
        let result = Value::Object(outcome.result.clone());
        let found = if key.starts_with('/') { result.pointer(key) } else { result.get(key) };
        let wanted: Value =
            serde_json::from_str(&server.fill(&wanted.to_string())).expect("still JSON");
        if found.cloned().unwrap_or_default() != wanted {
            return Err(format!("{key}: {found:?}, not {wanted}"));
        }
    }
    if let (Some(part), Verdict::Failed { message }) = (&call.message, &outcome.verdict)
        && !message.contains(part.as_str())
    {
        return Err(format!("the message is {message:?}"));
    }
    let settled = if call.expect == "changed" { "ok" } else { call.expect.as_str() };
    let again = run(false);
    expect("a second time", call.again.as_deref().unwrap_or(settled), &again)
}

fn prove_all(file: &str, server: &Server) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers").join(file);
    let text = std::fs::read_to_string(&path).expect("readable");
    let calls: Vec<Call> =
        serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!calls.is_empty(), "{} has calls", path.display());
    let mut broken = Vec::new();
    for call in &calls {
        if let Err(complaint) = prove(call, server) {
            broken.push(format!("{}: {}\n{complaint}", call.module, call.name));
        }
    }
    assert!(
        broken.is_empty(),
        "{} of {} calls\n\n{}",
        broken.len(),
        calls.len(),
        broken.join("\n\n")
    );
}

#[test]
fn mysql_modules_against_mariadb() {
    if let Some(server) = mariadb() {
        prove_all("mysql.yml", &server);
    }
}

#[test]
fn postgresql_modules_against_postgresql() {
    if let Some(server) = postgresql() {
        prove_all("postgresql.yml", &server);
    }
}
