//! A real interpreter, where there is one, and modules of a few lines.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Digest, Mode, Outcome, Step, StepId, Verdict};
use serde_json::{Value, json};
use system::BlobSource;

use crate::attempt::attempt;
use crate::executor::modules_runner;
use crate::{Cancel, Manner, Runner};

/// What stands for `ansible.module_utils.basic`: it only has the arguments put into it.
const BASIC: &str = "_ANSIBLE_ARGS = None\n";

struct Blob(Vec<u8>);

impl BlobSource for Blob {
    fn open(&self, digest: Digest) -> system::Result<Box<dyn Read + Send>> {
        assert_eq!(digest, Digest::of(&self.0));
        Ok(Box::new(Cursor::new(self.0.clone())))
    }
}

fn package(text: &str) -> Vec<u8> {
    let head = "import json, os, sys\nfrom ansible.module_utils import basic\n\
                args = json.loads(basic._ANSIBLE_ARGS.decode())['ANSIBLE_MODULE_ARGS']\n";
    let files = json!({
        "ansible/__init__.py": "", "ansible/module_utils/__init__.py": "", "ansible/legacy/__init__.py": "",
        "ansible/module_utils/basic.py": BASIC, "ansible/legacy/m.py": format!("{head}{text}"),
    });
    json!({ "module": "ansible.legacy.m", "files": files }).to_string().into_bytes()
}

fn has_python() -> bool {
    std::process::Command::new("python3").arg("-c").arg("").status().is_ok_and(|it| it.success())
}

fn step(text: &str, arguments: &Value, interpreters: &[&str]) -> (Step, Arc<dyn BlobSource>) {
    let package = package(text);
    let args = json!({
        "name": "m", "_blob": Digest::of(&package).to_string(), "_arguments": arguments,
        "_interpreters": interpreters,
    });
    let step = Step {
        id: StepId(0),
        module: super::MODULE.to_owned(),
        args: args.as_object().cloned().expect("an object"),
        mode: Mode::default(),
        run_as: None,
        environment: BTreeMap::new(),
        timeout: None,
        no_log: false,
    };
    (step, Arc::new(Blob(package)))
}

fn carry_out(runner: &Arc<Runner>, step: &Step, blobs: &Arc<dyn BlobSource>) -> Outcome {
    attempt(runner, step, Manner::New, blobs, &Cancel::default(), &|_, _| {})
}

fn run(runner: &Arc<Runner>, text: &str) -> Outcome {
    let (step, blobs) = step(text, &json!({ "a": 1 }), &["python3"]);
    carry_out(runner, &step, &blobs)
}

#[test]
fn calls_share_an_interpreter_and_nothing_else() {
    if !has_python() {
        return;
    }
    let runner = modules_runner();
    let text = "seen = getattr(os, 'spoilt', False); os.spoilt = True\n\
                print(json.dumps({'changed': True, 'a': args['a'], 'seen': seen, 'by': os.getppid(),\n\
                'check': args['_ansible_check_mode'], 'words': open('/proc/self/cmdline').read()}))\n";
    let (first, second) = (run(&runner, text), run(&runner, text));
    for outcome in [&first, &second] {
        assert_eq!(outcome.verdict, Verdict::Changed, "{outcome:?}");
        assert_eq!(outcome.result["a"], 1);
        assert_eq!(outcome.result["seen"], false);
        assert_eq!(outcome.result["check"], false);
        assert!(!outcome.result["words"].as_str().expect("text").contains("ANSIBLE_MODULE_ARGS"));
    }
    assert_eq!(first.result["by"], second.result["by"], "the same interpreter");
}

#[test]
fn check_mode_and_environment_reach_the_module() {
    if !has_python() {
        return;
    }
    let text =
        "print(json.dumps({'check': args['_ansible_check_mode'], 'mine': os.environ['MINE']}))\n";
    let (mut step, blobs) = step(text, &json!({}), &["python3"]);
    step.mode.check = true;
    step.environment.insert("MINE".into(), "yes".into());
    let outcome = carry_out(&modules_runner(), &step, &blobs);
    assert_eq!((&outcome.result["check"], &outcome.result["mine"]), (&json!(true), &json!("yes")));
}

#[test]
fn what_goes_wrong_in_a_module_is_its_failure_and_not_the_next_ones() {
    if !has_python() {
        return;
    }
    let runner = modules_runner();
    for (text, message) in [
        ("raise ValueError('boom')\n", "boom"),
        ("import nosuch_module\n", "ModuleNotFoundError: No module named 'nosuch_module'"),
        ("this is no Python\n", "SyntaxError"),
        ("os.kill(os.getpid(), 9)\n", "Module result deserialization failed"),
        ("print('no object')\n", "Module result deserialization failed"),
        ("sys.exit('good bye')\n", "Module result deserialization failed"),
    ] {
        let outcome = run(&runner, text);
        let Verdict::Failed { message: said } = &outcome.verdict else { panic!("{outcome:?}") };
        assert!(said.contains(message), "{said}");
        assert_eq!(run(&runner, "print('{}')\n").verdict, Verdict::Ok, "after {text}");
    }
}

#[test]
fn a_module_ends_when_its_time_is_up() {
    if !has_python() {
        return;
    }
    let (mut step, blobs) = step("import time\ntime.sleep(60)\n", &json!({}), &["python3"]);
    step.timeout = Some(Duration::from_millis(300));
    let begun = Instant::now();
    let outcome = carry_out(&modules_runner(), &step, &blobs);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(outcome.is_failed(), "{outcome:?}");
}

#[test]
fn a_host_without_an_interpreter_is_told_of() {
    let (step, blobs) = step("", &json!({}), &["/nosuch/python3", "nosuch-python"]);
    let outcome = carry_out(&modules_runner(), &step, &blobs);
    let Verdict::Failed { message } = &outcome.verdict else { panic!("{outcome:?}") };
    assert_eq!(
        message,
        "the module `m` is written in Python and cannot run: this host has no Python: looked for /nosuch/python3, \
         nosuch-python. Install Python 3, or set `ansible_python_interpreter` to where it is"
    );
}

#[test]
fn a_program_that_is_no_python_is_told_of_and_another_tried() {
    let (mut step, blobs) = step("print('{}')\n", &json!({}), &["/bin/false"]);
    let runner = modules_runner();
    let outcome = carry_out(&runner, &step, &blobs);
    let Verdict::Failed { message } = &outcome.verdict else { panic!("{outcome:?}") };
    assert!(message.contains("`/bin/false` ended with exit status: 1"), "{message}");
    if has_python() {
        step.args.insert("_interpreters".into(), json!(["/bin/false", "python3"]));
        assert_eq!(carry_out(&runner, &step, &blobs).verdict, Verdict::Ok);
    }
}

#[test]
fn a_step_that_may_have_run_is_not_run_again() {
    let (step, blobs) = step("", &json!({}), &["python3"]);
    let (cancel, ignore) = (Cancel::default(), |_, _| {});
    let outcome = attempt(&modules_runner(), &step, Manner::InDoubt, &blobs, &cancel, &ignore);
    assert!(outcome.is_unknown(), "{outcome:?}");
}
