//! The whole run as one JSON document, written at its end (`json`).

use std::io::{self, Write};

use jiff::Timestamp;
use model::{Event, EventKind, HostResult, Recap};
use serde_json::{Map, Value, json};

use crate::Reporter;
use crate::result::short;
use crate::text::{self, Layout};

/// Collects plays, tasks and results in the shape of Ansible's `json` callback.
pub struct Document {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    run: String,
    plays: Vec<Play>,
}

struct Play {
    name: String,
    span: Span,
    tasks: Vec<Task>,
}

struct Task {
    name: String,
    path: Option<String>,
    span: Span,
    hosts: Map<String, Value>,
}

struct Span {
    start: Timestamp,
    end: Option<Timestamp>,
}

impl Span {
    fn from(start: Timestamp) -> Self {
        Self { start, end: None }
    }

    fn to_json(&self) -> Value {
        let mut duration = json!({ "start": moment(self.start) });
        if let Some(end) = self.end {
            duration["end"] = moment(end).into();
        }
        duration
    }
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

impl Document {
    /// The document goes to `out`, warnings and errors to `err`.
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self { out, err, run: String::new(), plays: Vec::new() }
    }

    fn task_finished(&mut self, result: &HostResult, at: Timestamp) {
        let Some(play) = self.plays.last_mut() else { return };
        play.span.end = Some(at);
        let named = |task: &Task| task.name == result.task;
        let Some(task) = play.tasks.iter_mut().rfind(|task| named(task)) else { return };
        task.span.end = Some(at);
        let mut shown = result.outcome.to_args();
        if result.no_log {
            shown.insert("_ansible_no_log".into(), true.into());
        }
        shown.insert("action".into(), short(&result.action).into());
        task.hosts.insert(result.host.to_string(), Value::Object(shown));
    }

    fn unreachable(&mut self, host: &str, message: &str, at: Timestamp) {
        let task = self.plays.last_mut().and_then(|play| play.tasks.last_mut());
        let Some(task) = task else { return };
        task.span.end = Some(at);
        let result = json!({ "changed": false, "msg": message, "unreachable": true });
        task.hosts.insert(host.to_owned(), result);
    }

    fn write(&mut self, recap: &Recap) -> io::Result<()> {
        let stats = recap.hosts.iter().map(|(host, counts)| {
            let counts = json!({
                "changed": counts.changed, "failures": counts.failed, "ignored": counts.ignored,
                "ok": counts.ok, "rescued": counts.rescued, "skipped": counts.skipped,
                "unreachable": counts.unreachable,
            });
            (host.to_string(), counts)
        });
        let document = json!({
            "custom_stats": {},
            "global_custom_stats": {},
            "plays": self.plays.iter().enumerate().map(|(index, play)| play.to_json(&self.run, index)).collect::<Vec<_>>(),
            "stats": stats.collect::<Map<_, _>>(),
        });
        writeln!(self.out, "{}", text::json(&document, Layout::Pretty))
    }
}

impl Play {
    fn to_json(&self, run: &str, index: usize) -> Value {
        let tasks = self.tasks.iter().enumerate().map(|(number, task)| {
            let mut head = json!({
                "duration": task.span.to_json(), "id": format!("{run}-{index}-{number}"), "name": task.name,
            });
            if let Some(path) = &task.path {
                head["path"] = path.clone().into();
            }
            json!({ "hosts": task.hosts, "task": head })
        });
        let tasks = tasks.collect::<Vec<_>>();
        let id = format!("{run}-{index}");
        let head = json!({ "duration": self.span.to_json(), "id": id, "name": self.name });
        json!({ "play": head, "tasks": tasks })
    }
}

impl Reporter for Document {
    fn see(&mut self, event: &Event) -> io::Result<()> {
        match &event.kind {
            EventKind::RunStarted { .. } => self.run = event.run.to_string(),
            EventKind::PlayStarted { name, .. } => {
                let span = Span::from(event.at);
                self.plays.push(Play { name: name.clone(), span, tasks: Vec::new() });
            }
            EventKind::TaskStarted { name, place, .. } => {
                let Some(play) = self.plays.last_mut() else { return Ok(()) };
                let path = place.as_ref().map(|place| format!("{}:{}", place.file, place.line));
                let span = Span::from(event.at);
                play.tasks.push(Task { name: name.clone(), path, span, hosts: Map::new() });
            }
            EventKind::TaskFinished { result, .. } => self.task_finished(result, event.at),
            EventKind::HostUnreachable { host, message, .. } => {
                self.unreachable(host.as_str(), message, event.at);
            }
            EventKind::Warned { message } => {
                writeln!(self.err, "[WARNING]: {}", text::harmless(message))?;
            }
            EventKind::Aborted { message } => {
                writeln!(self.err, "[ERROR]: {}", text::harmless(message))?;
            }
            EventKind::RunFinished { recap, .. } => self.write(recap)?,
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}
