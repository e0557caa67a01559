//! The executor with steps that only tests have; this very test program is also their become worker.

use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use model::{
    Args, BecomeMethod, DeployPlan, Digest, Mode, Outcome, OutputStream, PlanId, RunAs, Secret,
    Step, StepId, StepReport, Verdict,
};
use nix::unistd::{Gid, Uid, getgroups};
use system::BlobSource;

use crate::attempt::{Context, Runner};
use crate::executor::Executor;
use crate::worker::worker_with;
use crate::{Cancel, Manner, Program};

/// What a step does; its module names it.
fn act(step: &Step, context: &Context) -> Outcome {
    match step.module.as_str() {
        "ok" => Outcome::ok(Args::new()),
        "fail" => Outcome::failed("as asked"),
        "panic" => panic!("the secret is {}", step.args["secret"]),
        "print" => {
            (context.output)(OutputStream::Stdout, b"one");
            (context.output)(OutputStream::Stderr, b"two");
            Outcome::ok(Args::new())
        }
        "wait" => loop {
            if context.cancel.is_cancelled()
                || context.deadline.is_some_and(|deadline| Instant::now() >= deadline)
            {
                break Outcome::failed("stopped");
            }
            std::thread::sleep(Duration::from_millis(5));
        },
        "who" => {
            let mut args = Args::new();
            args.insert("uid".into(), Uid::effective().as_raw().into());
            args.insert("gid".into(), Gid::effective().as_raw().into());
            let groups = getgroups().expect("read");
            args.insert("groups".into(), groups.into_iter().map(Gid::as_raw).collect());
            args.insert("home".into(), std::env::var("HOME").unwrap_or_default().into());
            args.insert("pid".into(), std::process::id().into());
            let directory = std::env::current_dir().expect("there");
            args.insert("directory".into(), directory.display().to_string().into());
            Outcome::ok(args)
        }
        "die" => std::process::abort(),
        "blob" => match read_blob(context) {
            Ok(size) => Outcome::ok(Args::from_iter([("size".to_owned(), size.into())])),
            Err(message) => Outcome::failed(message),
        },
        other => Outcome::failed(format!("no module `{other}`")),
    }
}

fn read_blob(context: &Context) -> Result<usize, String> {
    let mut blob = context.blobs.open(Digest::of(b"wanted")).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    blob.read_to_end(&mut bytes).map_err(|error| error.to_string())
}

fn runner() -> Arc<Runner> {
    Arc::new(act)
}

#[test]
#[ignore = "started by the other tests as their become worker"]
fn become_worker() {
    worker_with(&runner());
}

fn executor() -> Executor {
    let args = ["--ignored", "--exact", "tests::become_worker", "--nocapture"];
    Executor::with_runner(Program { path: None, args: args.map(Into::into).into() }, runner())
}

/// Knows one blob of this many bytes.
struct Blobs(Option<usize>);

impl BlobSource for Blobs {
    fn open(&self, digest: Digest) -> system::Result<Box<dyn Read + Send>> {
        match self.0 {
            Some(size) => Ok(Box::new(std::io::repeat(b'x').take(size as u64))),
            None => Err(system::Error::Blob { digest, reason: "nobody has it".to_owned() }),
        }
    }
}

fn step(module: &str) -> Step {
    Step {
        id: StepId(0),
        module: module.to_owned(),
        args: Args::new(),
        mode: Mode::default(),
        run_as: None,
        environment: std::collections::BTreeMap::new(),
        timeout: None,
        no_log: false,
    }
}

fn plan(modules: &[&str], keep_going: bool) -> DeployPlan {
    let steps = modules.iter().enumerate();
    let steps = steps.map(|(id, module)| Step { id: StepId(id as u32), ..step(module) }).collect();
    DeployPlan { id: PlanId::generate(), digest: None, steps, keep_going }
}

fn run(executor: &Executor, plan: &DeployPlan, cancel: &Cancel) -> Vec<StepReport> {
    let reports = Mutex::new(Vec::new());
    let blobs: Arc<dyn BlobSource> = Arc::new(Blobs(Some(1_000_000)));
    executor.run_plan(plan, &blobs, cancel, &|report| reports.lock().unwrap().push(report));
    reports.into_inner().unwrap()
}

fn run_one(executor: &Executor, step: &Step, blobs: Blobs) -> Outcome {
    let blobs: Arc<dyn BlobSource> = Arc::new(blobs);
    executor.run_step(step, Manner::New, &blobs, &Cancel::default(), &|_| {})
}

fn message(outcome: &Outcome) -> &str {
    match &outcome.verdict {
        Verdict::Failed { message } | Verdict::Unknown { message } => message,
        other => panic!("{other:?}"),
    }
}

fn finished(reports: &[StepReport]) -> Vec<u32> {
    let finished = |report: &StepReport| match report {
        StepReport::Finished { step, .. } => Some(step.0),
        _ => None,
    };
    reports.iter().filter_map(finished).collect()
}

#[test]
fn a_plan_stops_at_its_first_failure_unless_it_keeps_going() {
    let modules = ["ok", "fail", "ok"];
    let executor = executor();
    let cancel = Cancel::default();
    assert_eq!(finished(&run(&executor, &plan(&modules, false), &cancel)), [0, 1]);
    let reports = run(&executor, &plan(&modules, true), &cancel);
    assert_eq!(finished(&reports), [0, 1, 2]);
    assert_eq!(reports[0], StepReport::Started(StepId(0)));
    assert_eq!(reports.len(), 6);
}

#[test]
fn output_comes_between_start_and_end_and_not_for_no_log() {
    let executor = executor();
    let mut plan = plan(&["print"], false);
    let texts = |reports: &[StepReport]| -> Vec<Vec<u8>> {
        let text = |report: &StepReport| match report {
            StepReport::Output { bytes, .. } => Some(bytes.clone()),
            _ => None,
        };
        reports.iter().filter_map(text).collect()
    };
    let reports = run(&executor, &plan, &Cancel::default());
    assert_eq!(texts(&reports), [b"one", b"two"]);
    assert!(matches!(reports.last(), Some(StepReport::Finished { .. })));
    plan.steps[0].no_log = true;
    assert!(texts(&run(&executor, &plan, &Cancel::default())).is_empty());
}

#[test]
fn a_panic_is_a_bug_of_that_step_alone() {
    let executor = executor();
    let mut step = step("panic");
    step.args.insert("secret".into(), "hunter2".into());
    let text = message(&run_one(&executor, &step, Blobs(None))).to_owned();
    assert!(text.contains("bug in the module `panic`") && text.contains("hunter2"), "{text}");
    step.no_log = true;
    let text = message(&run_one(&executor, &step, Blobs(None))).to_owned();
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn time_is_up() {
    let step = Step { timeout: Some(Duration::from_millis(1010)), ..step("wait") };
    let outcome = run_one(&executor(), &step, Blobs(None));
    assert_eq!(message(&outcome), "Timed out after 1 second(s).");
    assert_eq!(outcome.result["timedout"]["period"], 1);
}

#[test]
fn a_cancelled_plan_ends_with_its_running_step() {
    let executor = executor();
    let cancel = Cancel::default();
    let plan = plan(&["wait", "ok"], true);
    let reports = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&executor, &plan, &cancel));
        std::thread::sleep(Duration::from_millis(50));
        cancel.cancel();
        running.join().unwrap()
    });
    assert_eq!(finished(&reports), [0]);
    let Some(StepReport::Finished { outcome, .. }) = reports.last() else { panic!("{reports:?}") };
    assert_eq!(message(outcome), "The step was cancelled.");
}

fn as_user(module: &str, user: &str) -> Step {
    Step { run_as: Some(RunAs::new(user, BecomeMethod::Sudo)), ..step(module) }
}

/// Whether we may become others; says so when a test cannot do its work.
fn is_root() -> bool {
    let is_root = Uid::effective().is_root();
    if !is_root {
        eprintln!("skipped: only root can become another user without asking");
    }
    is_root
}

#[test]
fn root_becomes_another_user_with_that_users_groups_and_home() {
    if !is_root() {
        return;
    }
    let executor = executor();
    let nobody = nix::unistd::User::from_name("nobody").expect("read").expect("there");
    let first = run_one(&executor, &as_user("who", "nobody"), Blobs(None));
    assert_eq!(first.verdict, Verdict::Ok, "{first:?}");
    assert_eq!(first.result["uid"], nobody.uid.as_raw());
    assert_eq!(first.result["gid"], nobody.gid.as_raw());
    assert_eq!(first.result["groups"], serde_json::json!([nobody.gid.as_raw()]));
    assert_eq!(first.result["home"], nobody.dir.display().to_string());
    let second = run_one(&executor, &as_user("who", "nobody"), Blobs(None));
    assert_eq!(second.result["pid"], first.result["pid"], "the worker is kept");
    executor.release_workers();
    let third = run_one(&executor, &as_user("who", "nobody"), Blobs(None));
    assert_ne!(third.result["pid"], first.result["pid"], "it was released");
}

#[test]
fn a_worker_reports_times_out_is_cancelled_and_fetches_blobs() {
    if !is_root() {
        return;
    }
    let executor = executor();
    for (size, expected) in [(0, 0), (1_000_000, 1_000_000)] {
        let outcome = run_one(&executor, &as_user("blob", "nobody"), Blobs(Some(size)));
        assert_eq!(outcome.result.get("size"), Some(&expected.into()), "{outcome:?}");
    }
    let missing = run_one(&executor, &as_user("blob", "nobody"), Blobs(None));
    assert!(message(&missing).contains("nobody has it"), "{missing:?}");

    let step = Step { timeout: Some(Duration::from_secs(1)), ..as_user("wait", "nobody") };
    let outcome = run_one(&executor, &step, Blobs(None));
    assert_eq!(message(&outcome), "Timed out after 1 second(s).");

    let cancel = Cancel::default();
    let plan = DeployPlan { steps: vec![as_user("wait", "nobody")], ..plan(&[], false) };
    let reports = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&executor, &plan, &cancel));
        std::thread::sleep(Duration::from_millis(300));
        cancel.cancel();
        running.join().unwrap()
    });
    let Some(StepReport::Finished { outcome, .. }) = reports.last() else { panic!("{reports:?}") };
    assert_eq!(message(outcome), "The step was cancelled.");

    let plan = DeployPlan { steps: vec![as_user("print", "nobody")], ..plan };
    assert_eq!(run(&executor, &plan, &Cancel::default()).len(), 4);
}

#[test]
fn a_worker_that_dies_leaves_the_step_unknown_and_the_next_one_a_new_worker() {
    if !is_root() {
        return;
    }
    let executor = executor();
    let outcome = run_one(&executor, &as_user("die", "nobody"), Blobs(None));
    assert!(matches!(outcome.verdict, Verdict::Unknown { .. }), "{outcome:?}");
    assert!(message(&outcome).contains("become worker for `nobody` ended with signal: 6"));
    let next = run_one(&executor, &as_user("who", "nobody"), Blobs(None));
    assert_eq!(next.verdict, Verdict::Ok, "{next:?}");
}

#[test]
fn one_worker_carries_out_several_steps_at_once() {
    if !is_root() {
        return;
    }
    let executor = executor();
    run_one(&executor, &as_user("ok", "nobody"), Blobs(None));
    let started = Instant::now();
    let step = Step { timeout: Some(Duration::from_secs(1)), ..as_user("wait", "nobody") };
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| run_one(&executor, &step, Blobs(None)));
        }
    });
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

/// A program in place of `sudo` or `su`.
struct Stand {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

fn stand(script: &str) -> Stand {
    let directory = tempfile::tempdir().expect("made");
    let path = directory.path().join("stand");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("set");
    Stand { _directory: directory, path }
}

fn by_program(method: BecomeMethod, program: &Stand, password: Option<&str>) -> Step {
    let mut step = as_user("who", "someone");
    step.run_as = step.run_as.map(|request| RunAs {
        method,
        exe: Some(program.path.display().to_string()),
        password: password.map(|it| Secret::new(it.to_owned())),
        ..request
    });
    step
}

const ASKING_SUDO: &str = r#"
while [ "$1" != -- ]; do [ "$1" = -p ] && prompt=$2; shift; done; shift
printf %s "$prompt" >&2
read -r password
[ "$password" = right ] && exec "$@"
echo "Sorry, try again." >&2; printf %s "$prompt" >&2; read -r password
echo "sudo: 1 incorrect password attempt" >&2; exit 1"#;

const ASKING_SU: &str = r#"
[ -t 0 ] || { echo "su: must be run from a terminal" >&2; exit 1; }
printf 'Password: ' >&2
password=$(head -n 1)
[ "$password" = right ] && exec sh -c "$3"
echo; echo "su: Authentication failure" >&2; exit 1"#;

#[test]
fn sudo_and_su_are_given_the_password_that_they_ask_for() {
    let executor = executor();
    for (method, script, name) in
        [(BecomeMethod::Sudo, ASKING_SUDO, "sudo"), (BecomeMethod::Su, ASKING_SU, "su")]
    {
        let program = stand(script);
        let right = run_one(&executor, &by_program(method, &program, Some("right")), Blobs(None));
        assert_eq!(right.verdict, Verdict::Ok, "{name}: {right:?}");
        let wrong = run_one(&executor, &by_program(method, &program, Some("wrong")), Blobs(None));
        assert_eq!(message(&wrong), format!("Incorrect {name} password"));
        if method == BecomeMethod::Su {
            let missing = run_one(&executor, &by_program(method, &program, None), Blobs(None));
            assert_eq!(message(&missing), "Missing su password");
        }
    }
}

#[test]
fn a_way_that_takes_too_long_is_as_a_host_that_does_not_answer() {
    let silent = stand("printf 'Parole: ' >&2; exec sleep 20");
    let mut step = by_program(BecomeMethod::Su, &silent, Some("right"));
    let request = step.run_as.as_mut().expect("as another user");
    request.prompts = vec!["Password".to_owned()];
    request.patience = Some(Duration::from_secs(1));
    let outcome = run_one(&executor(), &step, Blobs(None));
    let expected = "Timed out waiting for become success or become password prompt: Timeout (1s) waiting for \
                    privilege escalation prompt: su said Parole:";
    assert_eq!(message(&outcome), expected);
    assert_eq!(outcome.result["unreachable"], true);
}

#[test]
fn sudo_is_started_in_the_directory_that_was_asked_for() {
    let program = stand("pwd >&2; exit 1");
    let mut step = by_program(BecomeMethod::Sudo, &program, None);
    for (directory, expected) in [
        ("/usr", "sudo ended with exit status: 1: /usr"),
        ("/no/such", "cannot cd to /no/such: No such file or directory (os error 2)"),
    ] {
        step.run_as.as_mut().expect("as another user").chdir = Some(directory.to_owned());
        assert_eq!(message(&run_one(&executor(), &step, Blobs(None))), expected);
    }
}

#[test]
fn the_command_line_that_leads_to_another_user_is_told() {
    let program = stand(ASKING_SUDO);
    let mut step = by_program(BecomeMethod::Sudo, &program, Some("right"));
    step.run_as.as_mut().expect("as another user").flags = Some(vec!["it's".to_owned()]);
    let plan = DeployPlan { steps: vec![step], ..plan(&[], false) };
    let reports = run(&executor(), &plan, &Cancel::default());
    let told = reports.iter().find_map(|report| match report {
        StepReport::Output { stream: OutputStream::Agent, bytes, .. } => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => None,
    });
    let told = told.expect("it was told");
    let begin = format!(
        r"EXEC {} 'it'\''s' -p '[sudo via muster] password:' -u someone --",
        program.path.display()
    );
    assert!(told.starts_with(&begin) && !told.contains("right"), "{told}");
}

#[test]
fn refusals_and_missing_programs_are_failures_with_their_reason() {
    let executor = executor();
    let refusing = stand("echo 'me is not in the sudoers file.' >&2; exit 1");
    let step = by_program(BecomeMethod::Sudo, &refusing, None);
    let outcome = run_one(&executor, &step, Blobs(None));
    let expected = "sudo ended with exit status: 1: me is not in the sudoers file.";
    assert_eq!(message(&outcome), expected);

    let mut gone = stand("");
    gone.path.set_extension("gone");
    let outcome = run_one(&executor, &by_program(BecomeMethod::Sudo, &gone, None), Blobs(None));
    assert!(message(&outcome).ends_with("is not installed on this host"), "{outcome:?}");

    let outcome = run_one(&executor, &as_user("who", "no-such-user-here"), Blobs(None));
    let expected = "cannot become `no-such-user-here`: there is no such user on this host";
    assert_eq!(message(&outcome), expected);
}
