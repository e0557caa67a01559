//! JUnit XML: one test case for every task on every host, for the pages that CI systems make of it.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use jiff::Timestamp;
use model::{Event, EventKind, HostName, HostResult, RunStatus, Verdict};
use serde_json::Value;

use crate::result::short;
use crate::text::{Layout, json};
use crate::tree::Keep;
use crate::{Options, Reporter, result};

/// What counts as what: the `JUNIT_*` settings.
#[derive(Debug, Clone, Default)]
pub struct JUnitOptions {
    /// A change is a failure.
    pub fail_on_change: bool,
    /// An ignored failure is one all the same.
    pub fail_on_ignore: bool,
    /// Classes are the files alone, without lines.
    pub task_class: bool,
    /// Paths below this directory are shown without it.
    pub relative_to: String,
    /// Leave `setup` out.
    pub without_setup: bool,
    /// Only the tasks whose names begin so; a failure that they expect is none.
    pub prefix: String,
}

/// Collects the results of a run and keeps them as one document at its end.
pub struct JUnit {
    keep: Keep,
    options: JUnitOptions,
    playbook: String,
    began: Option<Timestamp>,
    play: String,
    task: String,
    cases: Vec<Case>,
}

struct Case {
    name: String,
    class: String,
    took: Duration,
    fate: Fate,
    output: String,
}

enum Fate {
    Passed,
    Skipped(String),
    Failed(String),
    /// The host did not answer, or the run could not go on.
    Error(String),
}

impl JUnit {
    /// The document goes to `keep`.
    pub fn new(keep: Keep, options: JUnitOptions) -> Self {
        Self {
            keep,
            options,
            playbook: String::new(),
            began: None,
            play: String::new(),
            task: String::new(),
            cases: Vec::new(),
        }
    }

    fn task_finished(&mut self, result: &HostResult) {
        let options = &self.options;
        let is_setup = matches!(short(&result.action), "setup" | "gather_facts");
        if is_setup && options.without_setup || !result.task.starts_with(&options.prefix) {
            return;
        }
        let fate = match &result.outcome.verdict {
            _ if options.fail_on_change && result.outcome.is_changed() => {
                Fate::Failed("changed".to_owned())
            }
            Verdict::Ok | Verdict::Changed => Fate::Passed,
            Verdict::Skipped { reason } => Fate::Skipped(reason.clone()),
            // What was expected to be able to fail is no failure of the run.
            Verdict::Failed { .. } if result.ignored && !options.fail_on_ignore => Fate::Passed,
            Verdict::Failed { message } => Fate::Failed(message.clone()),
            Verdict::Unknown { message } => Fate::Error(message.clone()),
        };
        let class = result.place.as_ref().map_or_else(String::new, |place| {
            let file = place.file.strip_prefix(&options.relative_to).unwrap_or(&place.file);
            let file =
                if options.relative_to.is_empty() { file } else { file.trim_start_matches('/') };
            if options.task_class {
                file.trim_end_matches(".yml").to_owned()
            } else {
                format!("{file}:{}", place.line)
            }
        });
        let shown = result::shown(result, false, &Options::default());
        self.cases.push(Case {
            name: format!("[{}] {}: {}", result.host, self.play, result.task),
            class,
            took: result.took,
            fate,
            output: json(&Value::Object(shown), Layout::Pretty),
        });
    }

    fn error(&mut self, host: Option<&HostName>, message: &str) {
        let name = match host {
            Some(host) => format!("[{host}] {}: {}", self.play, self.task),
            None => "the run".to_owned(),
        };
        self.cases.push(Case {
            name,
            class: String::new(),
            took: Duration::ZERO,
            fate: Fate::Error(message.to_owned()),
            output: String::new(),
        });
    }

    fn document(&self) -> String {
        let count = |is: fn(&Fate) -> bool| self.cases.iter().filter(|case| is(&case.fate)).count();
        let (errors, failures, skipped) = (
            count(|fate| matches!(fate, Fate::Error(_))),
            count(|fate| matches!(fate, Fate::Failed(_))),
            count(|fate| matches!(fate, Fate::Skipped(_))),
        );
        let tests = self.cases.len();
        let seconds = self.cases.iter().map(|case| case.took).sum::<Duration>().as_secs_f64();
        let mut out = String::from("<?xml version=\"1.0\" ?>\n");
        let counts = format!("disabled=\"0\" errors=\"{errors}\" failures=\"{failures}\"");
        let _ = writeln!(out, "<testsuites {counts} tests=\"{tests}\" time=\"{seconds}\">");
        let name = escape(&self.playbook);
        let _ = writeln!(
            out,
            "\t<testsuite {counts} name=\"{name}\" skipped=\"{skipped}\" tests=\"{tests}\" time=\"{seconds}\">"
        );
        self.cases.iter().for_each(|case| case.write(&mut out));
        out.push_str("\t</testsuite>\n</testsuites>\n");
        out
    }
}

impl Case {
    fn write(&self, out: &mut String) {
        let [name, class] = [&self.name, &self.class].map(|text| escape(text));
        let seconds = self.took.as_secs_f64();
        let _ = writeln!(
            out,
            "\t\t<testcase classname=\"{class}\" name=\"{name}\" time=\"{seconds}\">"
        );
        let _ = match &self.fate {
            Fate::Passed => Ok(()),
            Fate::Skipped(why) => writeln!(out, "\t\t\t<skipped>{}</skipped>", escape(why)),
            Fate::Failed(why) => {
                writeln!(out, "\t\t\t<failure message=\"{}\" type=\"failure\"/>", escape(why))
            }
            Fate::Error(why) => {
                writeln!(out, "\t\t\t<error message=\"{}\" type=\"error\"/>", escape(why))
            }
        };
        if !self.output.is_empty() && !matches!(self.fate, Fate::Skipped(_)) {
            let _ = writeln!(out, "\t\t\t<system-out>{}</system-out>", escape(&self.output));
        }
        out.push_str("\t\t</testcase>\n");
    }
}

impl Reporter for JUnit {
    fn see(&mut self, event: &Event) -> io::Result<()> {
        self.began.get_or_insert(event.at);
        match &event.kind {
            EventKind::RunStarted { playbooks, .. } => {
                let names = playbooks.iter().map(|path| {
                    let name = path.rsplit('/').next().unwrap_or(path);
                    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
                });
                self.playbook = names.collect::<Vec<_>>().join("-");
            }
            EventKind::PlayStarted { name, .. } => self.play.clone_from(name),
            EventKind::TaskStarted { name, .. } => self.task.clone_from(name),
            EventKind::TaskFinished { result, .. } => self.task_finished(result),
            EventKind::HostUnreachable { host, message, ignored: false } => {
                self.error(Some(host), message);
            }
            EventKind::Aborted { message } => self.error(None, message),
            EventKind::RunFinished { status: RunStatus::Cancelled, .. } => {
                self.error(None, "User interrupted execution");
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let document = self.document();
        let began = self.began.map_or(0.0, |began| began.as_duration().as_secs_f64());
        (self.keep)(&format!("{}-{began}.xml", self.playbook), &document)
    }
}

/// Text inside a document or an attribute. Characters that XML cannot hold at all become their escapes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(char),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "\\x{:02x}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out
}
