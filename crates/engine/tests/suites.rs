//! Runs `suites/*.md`: each case is a heading, files in fences, flags, and the transcript that must come out.
//!
//! The fleet is in memory: a host "runs" modules by simple rules (see [`carry_out`]), so that suites are about the
//! language and the engine, and take milliseconds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use engine::link::{BlobStore, Connection, Link, Links, Target, Unreachable};
use engine::{Answer, Options, Person, Question, Run, Until};
use language::{Inventory, InventoryOptions, Loader, Printed, Programs, Sources};
use model::{
    Args, DeployPlan, Digest, EventKind, HostName, HostResult, Outcome, Step, StepReport, Verdict,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use vault::{Key, Keyring};

struct Fleet;

struct FakeLink {
    host: HostName,
}

#[async_trait]
impl Links for Fleet {
    async fn open(&self, target: &Target) -> Result<Arc<dyn Link>, Unreachable> {
        if target.address.starts_with("dead") {
            return Err(Unreachable { message: format!("{} does not answer", target.address) });
        }
        Ok(Arc::new(FakeLink { host: target.host.clone() }))
    }

    async fn default_connection(&self, _host: &HostName) -> Connection {
        Connection::Ssh
    }

    async fn close(&self) {}
}

#[async_trait]
impl Link for FakeLink {
    async fn run(
        &self,
        plan: DeployPlan,
        reports: mpsc::Sender<StepReport>,
    ) -> Result<(), Unreachable> {
        for step in &plan.steps {
            let _ = reports.send(StepReport::Started(step.id)).await;
            let outcome = carry_out(&self.host, step);
            let failed = outcome.is_failed();
            let _ = reports
                .send(StepReport::Finished { step: step.id, outcome: Box::new(outcome) })
                .await;
            if failed && !plan.keep_going {
                break;
            }
        }
        Ok(())
    }
}

/// What the hosts of the suites do: `ping` answers, `command` echoes its text and fails for `false`, `setup` gives two
/// facts, anything else has changed. `whoami` tells the user, `env` the environment.
fn carry_out(host: &HostName, step: &Step) -> Outcome {
    let text = step.args.get("_raw_params").and_then(Value::as_str).unwrap_or_default();
    let result = |value: Value| value.as_object().cloned().expect("an object");
    match step.module.as_str() {
        "ping" => Outcome::ok(result(json!({"ping": "pong"}))),
        "setup" => Outcome::ok(result(json!({"ansible_facts": {
            "ansible_hostname": host.as_str(), "ansible_evil": "{{ 6 * 7 }}"
        }}))),
        "command" | "shell" if step.mode.check => Outcome::new(
            Verdict::Skipped { reason: "not in check mode".into() },
            result(json!({"cmd": text, "rc": 0, "stdout": "", "stdout_lines": []})),
        ),
        "command" | "shell" if text == "false" => Outcome::new(
            Verdict::Failed { message: "non-zero return code".into() },
            result(json!({"rc": 1, "stdout": "", "stderr": "no"})),
        ),
        "command" | "shell" if text == "die" => Outcome::unknown("may have run"),
        "command" if text == "whoami" => {
            let user =
                step.run_as.as_ref().map_or("nobody in particular", |run_as| run_as.user.as_str());
            Outcome::changed(result(json!({"rc": 0, "stdout": user})))
        }
        "command" if text == "env" => {
            let shown: Vec<String> =
                step.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
            Outcome::changed(result(json!({"rc": 0, "stdout": shown.join(" ")})))
        }
        "command" | "shell" => Outcome::changed(result(json!({"rc": 0, "stdout": text}))),
        _ if step.mode.check => Outcome::changed(result(json!({"checked": true}))),
        _ => Outcome::changed(step.args.clone()),
    }
}

struct NoBlobs;

impl BlobStore for NoBlobs {
    fn add(&self, bytes: &[u8]) -> std::io::Result<Digest> {
        Ok(Digest::of(bytes))
    }

    fn add_file(&self, path: &Path) -> std::io::Result<(Digest, u64)> {
        let bytes = std::fs::read(path)?;
        Ok((Digest::of(&bytes), bytes.len() as u64))
    }
}

struct NoPrograms;

impl Programs for NoPrograms {
    fn is_program(&self, _path: &Path) -> bool {
        false
    }

    fn run(&self, _path: &Path, _arguments: &[&str]) -> Result<Printed, String> {
        Err("suites run no programs".into())
    }
}

/// A case of a suite.
#[derive(Default)]
struct Case {
    name: String,
    files: BTreeMap<String, String>,
    flags: String,
    answers: String,
    expected: String,
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("## ") {
            cases.push(Case { name: name.to_owned(), ..Case::default() });
        } else if let Some(label) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let body = body.join("\n") + "\n";
            let case = cases.last_mut().expect("a fence stands below a heading");
            match label.split_once(' ') {
                Some((_, file)) => drop(case.files.insert(file.to_owned(), body)),
                None if label == "flags" => case.flags = body.trim().to_owned(),
                None if label == "answers" => case.answers = body,
                None => case.expected = body,
            }
        }
    }
    cases
}

/// Gives the lines of a case, and then nothing more.
#[derive(Debug)]
struct Script(Mutex<Vec<String>>);

#[async_trait]
impl Person for Script {
    fn is_there(&self) -> bool {
        true
    }

    async fn ask(&self, question: Question, _after: u64) -> Answer {
        if let Until::Over(_) = question.until {
            return Answer::TimeOver;
        }
        match self.0.lock().expect("nobody panicked").pop() {
            Some(line) if line == "^C" => Answer::Interrupted,
            Some(line) => Answer::Text(line),
            None => Answer::Nobody,
        }
    }
}

fn options(flags: &str, answers: &str) -> Options {
    let lines: Vec<String> = answers.lines().rev().map(ToOwned::to_owned).collect();
    let person: Option<Arc<dyn Person>> =
        if lines.is_empty() { None } else { Some(Arc::new(Script(Mutex::new(lines)))) };
    let mut options = Options { person, ..Options::default() };
    let mut words = flags.split_whitespace();
    while let Some(word) = words.next() {
        let mut next = || words.next().expect("the flag has a value").to_owned();
        match word {
            "--check" => options.check = true,
            "--limit" => options.limit = Some(next()),
            "--tags" => options.tags = next().split(',').map(ToOwned::to_owned).collect(),
            "--skip-tags" => options.skip_tags = next().split(',').map(ToOwned::to_owned).collect(),
            "--force-handlers" => options.force_handlers = true,
            "--debug" => options.task_debugger = true,
            "--step" => options.step = true,
            "-e" => {
                let pair = next();
                let (name, value) = pair.split_once('=').expect("name=value");
                options.extra_vars.push((name.to_owned(), jinja::Value::trusted(value, None)));
            }
            other => panic!("the suites know no flag {other}"),
        }
    }
    options
}

/// Plays a case in a directory of its own and returns the transcript.
fn play(case: &Case) -> String {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path();
    for (name, text) in &case.files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }
    let transcript = run(root, &options(&case.flags, &case.answers));
    let transcript = transcript.replace(&format!("{}/", root.display()), "");
    transcript.replace(&root.display().to_string(), ".")
}

/// Opens what is encrypted in suites.
const VAULT_PASSWORD: &[u8] = b"suite";

fn run(root: &Path, options: &Options) -> String {
    let vault = Arc::new(Keyring::new(vec![Key::new("default", VAULT_PASSWORD.to_vec())], false));
    let source = Arc::new(language::Unlocked::new(language::Files, vault.clone()));
    let loader = Arc::new(Loader::new(source.clone()).with_vault(vault.clone()));
    let hosts = root.join("hosts").display().to_string();
    let sources = Arc::new(Sources {
        files: source.clone(),
        programs: Arc::new(NoPrograms),
        names: vec![hosts],
        options: InventoryOptions { any_unparsed_is_failed: true, ..InventoryOptions::default() },
        vault: vault.clone(),
    });
    let mut inventory = match Inventory::load(&sources) {
        Ok(inventory) => inventory,
        Err(diagnostic) => return diagnostic.render(yaml::Style::Plain),
    };
    if let Err(diagnostic) = inventory.add_vars_directory(&*source, root, true) {
        return diagnostic.render(yaml::Style::Plain);
    }
    let playbook: PathBuf = root.join("site.yml");
    let playbook = match loader.playbook(&playbook) {
        Ok(playbook) => playbook,
        Err(diagnostic) => return diagnostic.render(yaml::Style::Plain),
    };
    let (events, mut stream) = mpsc::unbounded_channel();
    let run = Run {
        playbooks: vec![playbook],
        inventory,
        options: options.clone(),
        links: Arc::new(Fleet),
        blobs: Arc::new(NoBlobs),
        loader,
        environment: jinja::Environment::new().with_vault(vault),
        events,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run.play());
    let mut lines = Vec::new();
    while let Ok(event) = stream.try_recv() {
        tell(&event, &mut lines);
    }
    in_host_order(lines)
}

/// One line an event; the results of a task are put into the order of their hosts, which is not fixed.
fn in_host_order(lines: Vec<String>) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut pending: Vec<String> = Vec::new();
    for line in lines {
        if line.starts_with("  ") {
            pending.push(line);
        } else {
            pending.sort_by_key(|line| {
                line.trim().split([' ', ':']).next().unwrap_or_default().to_owned()
            });
            out.append(&mut pending);
            out.push(line);
        }
    }
    out.append(&mut pending);
    out.join("\n") + "\n"
}

fn tell(event: &EventKind, lines: &mut Vec<String>) {
    match event {
        EventKind::PlayStarted { name, hosts, .. } => {
            let hosts: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
            lines.push(format!("PLAY {name} [{}]", hosts.join(" ")));
        }
        EventKind::NoHostsMatched { name } => lines.push(format!("PLAY {name} has no hosts")),
        EventKind::TaskStarted { name, handler, .. } => {
            lines.push(format!("{} {name}", if *handler { "HANDLER" } else { "TASK" }));
        }
        EventKind::ItemFinished { result, item } => {
            lines.push(format!("  {} (item={})", told(result), item.label));
        }
        EventKind::TaskFinished { result, looped: false } => {
            lines.push(format!("  {}", told(result)));
        }
        EventKind::TaskFinished { result, looped: true } if result.outcome.is_skipped() => {
            lines.push(format!("  {}", told(result)));
        }
        EventKind::HostUnreachable { host, message, ignored } => {
            lines.push(format!(
                "  {host}: unreachable{}: {message}",
                if *ignored { " (ignored)" } else { "" }
            ));
        }
        EventKind::Retried { host, left, .. } => {
            lines.push(format!("  {host}: retrying, {left} left"));
        }
        EventKind::Included { file, hosts, .. } => {
            let hosts: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
            lines.push(format!("  included {file} for {}", hosts.join(" ")));
        }
        EventKind::Warned { message } => lines.push(format!("WARNING {message}")),
        EventKind::Aborted { message } => lines.push(format!("ABORTED {message}")),
        EventKind::RunFinished { recap, .. } => {
            for (host, c) in &recap.hosts {
                lines.push(format!(
                    "RECAP {host} ok={} changed={} unreachable={} failed={} skipped={} rescued={} ignored={}",
                    c.ok, c.changed, c.unreachable, c.failed, c.skipped, c.rescued, c.ignored
                ));
            }
        }
        _ => {}
    }
}

fn told(result: &HostResult) -> String {
    let outcome = &result.outcome;
    let verdict = match &outcome.verdict {
        Verdict::Ok if outcome.is_changed() => "changed".to_owned(),
        Verdict::Ok => "ok".to_owned(),
        Verdict::Changed => "changed".to_owned(),
        Verdict::Skipped { .. } => "skipped".to_owned(),
        Verdict::Failed { message } => format!("failed: {message}"),
        Verdict::Unknown { message } => format!("unknown: {message}"),
    };
    let show = ["msg", "stdout"]
        .iter()
        .find_map(|key| outcome.result.get(*key))
        .filter(|_| !outcome.is_failed());
    let only = |args: &Args| {
        args.iter()
            .find(|(key, _)| !matches!(key.as_str(), "changed" | "failed"))
            .map(|(key, value)| format!("{key}={value}"))
    };
    let shown = match show {
        Some(value) if result.action != "assert" => format!(" {value}"),
        None if result.action == "debug" => {
            only(&outcome.result).map(|text| format!(" {text}")).unwrap_or_default()
        }
        _ => String::new(),
    };
    let to = result.delegated_to.as_ref().map(|host| format!(" -> {host}")).unwrap_or_default();
    let mut marks = String::new();
    for (is, mark) in [
        (result.ignored, " (ignored)"),
        (result.rescued, " (rescued)"),
        (result.no_log, " (no_log)"),
    ] {
        if is {
            marks += mark;
        }
    }
    let mut causes = String::new();
    for cause in result.causes.iter().filter(|cause| cause.place.as_ref() != result.place.as_ref())
    {
        let place = cause
            .place
            .as_ref()
            .map(|place| format!("{}:{}:{}: ", place.file, place.line, place.column));
        let hint = cause.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        causes += &format!("\n    {}{}{hint}", place.unwrap_or_default(), cause.message);
    }
    format!("{}{to}: {verdict}{shown}{marks}{causes}", result.host)
}

/// `UPDATE_SUITES=1` writes the transcripts that came out into the files; read the diff before you commit it.
#[test]
fn every_suite_comes_out_as_written() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("suites");
    let update = std::env::var_os("UPDATE_SUITES").is_some();
    let mut failures = 0;
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("suites")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    for path in paths {
        let mut text = std::fs::read_to_string(&path).expect("a suite");
        for case in cases(&text) {
            let actual = play(&case);
            if actual == case.expected {
                continue;
            }
            if update {
                text = with_transcript(&text, &case.name, &actual);
                continue;
            }
            failures += 1;
            println!(
                "== {}: {}\n{}",
                path.display(),
                case.name,
                difference(&case.expected, &actual)
            );
        }
        if update {
            std::fs::write(&path, text).expect("a suite can be written");
        }
    }
    assert_eq!(failures, 0, "cases that came out differently");
}

fn with_transcript(text: &str, name: &str, transcript: &str) -> String {
    let start = text.find(&format!("## {name}\n")).expect("the case is there");
    let begin = start
        + text[start..].find("```transcript\n").expect("it has a transcript")
        + "```transcript\n".len();
    let end = begin + text[begin..].find("```").expect("the fence ends");
    format!("{}{transcript}{}", &text[..begin], &text[end..])
}

fn difference(expected: &str, actual: &str) -> String {
    let (expected, actual): (Vec<&str>, Vec<&str>) =
        (expected.lines().collect(), actual.lines().collect());
    let mut out = String::new();
    for index in 0..expected.len().max(actual.len()) {
        match (expected.get(index), actual.get(index)) {
            (Some(left), Some(right)) if left == right => out += &["  ", left, "\n"].concat(),
            (left, right) => {
                out += &left.map(|line| format!("- {line}\n")).unwrap_or_default();
                out += &right.map(|line| format!("+ {line}\n")).unwrap_or_default();
            }
        }
    }
    out
}
