//! `expect`: a program that asks questions gets answers.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use model::{Args, Secret};
use pyregex::Regex;
use serde_json::Value;
use system::{Command, Error, FileKind, Probe, Reply, System};

use crate::arguments::{arguments, python_text};
use crate::command::{cannot_run, describe_times};
use crate::contract::{Check, Failure, Module};
use crate::glob::glob;
use crate::pattern::{self, Flags};

arguments! {
    /// Runs a program on a terminal and answers what it asks.
    pub struct Expect {
        /// The command line. No shell sees it.
        pub command: String,
        /// What it asks, as regular expressions, each with the answer, or with a list of answers to be given in turn.
        pub responses: Args { required },
        /// Where it runs.
        pub chdir: Option<PathBuf>,
        /// Do nothing when this path (it may have wildcards) is there.
        pub creates: Option<PathBuf>,
        /// Do nothing when this path (it may have wildcards) is not there.
        pub removes: Option<PathBuf>,
        /// How many seconds to wait for the next question or the end.
        pub timeout: Option<u64> { default: 30 },
        /// The answers are part of the output.
        pub echo: bool { default: false },
    }
}

/// A question and what is left of its answers.
struct Question {
    text: String,
    regex: Regex,
    answers: Vec<Value>,
    /// The one answer is given each time.
    repeats: bool,
}

impl Module for Expect {
    type Change = Command;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Command>, Failure> {
        if self.command.trim().is_empty() {
            return Err(Failure::new("no command given").with("rc", 256));
        }
        let words = shlex::split(&self.command).filter(|words| !words.is_empty());
        let mut words =
            words.ok_or_else(|| Failure::new("No closing quotation").with("rc", 256))?.into_iter();
        self.questions()?;
        let base = self.chdir.as_deref().unwrap_or(Path::new("/"));
        for (path, wanted) in [(&self.creates, true), (&self.removes, false)] {
            let Some(path) = path else { continue };
            let is_there = !glob(host, &base.join(path))?.is_empty();
            if is_there == wanted {
                let verb = if is_there { "exists" } else { "does not exist" };
                let text = format!("skipped, since {} {verb}", path.display());
                result.insert("cmd".into(), self.command.clone().into());
                result.insert("stdout".into(), text.into());
                result.insert("rc".into(), 0.into());
                return Ok(Check::InSync);
            }
        }
        let mut command = Command::new(words.next().expect("it was checked"), words);
        if let Some(directory) = &self.chdir {
            let is_directory =
                host.stat(directory, true)?.is_some_and(|stat| stat.kind == FileKind::Directory);
            if !is_directory {
                let name = directory.display();
                return Err(Failure::new(format!("{name} is not a directory (chdir)")));
            }
            command.directory = Some(directory.clone());
        }
        if self.creates.is_some() || self.removes.is_some() {
            return Ok(Check::Drift(command));
        }
        Ok(Check::CannotTell(command))
    }

    fn apply(&self, command: Command, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let start = host.now();
        let mut talk = Talk {
            questions: self.questions()?,
            heard: Vec::new(),
            patience: self.timeout.map(Duration::from_secs),
            since: start,
            trouble: None,
        };
        let answer = host.converse(&command, self.echo, &mut |piece| talk.hear(piece, host.now()));
        let output = match answer {
            Ok(output) => output,
            Err(Error::Run { program, source }) => return Err(cannot_run(&program, &source)),
            Err(other) => return Err(other.into()),
        };
        result.insert("cmd".into(), self.command.clone().into());
        result.insert("rc".into(), output.status.into());
        describe_times(start, host.now(), result);
        let text = output.stdout_text();
        let text = text.trim_end_matches(['\r', '\n']);
        let lines: Vec<Value> = text.lines().map(Value::from).collect();
        result.insert("stdout".into(), text.into());
        result.insert("stdout_lines".into(), lines.into());
        if let Some(trouble) = talk.trouble {
            return Err(trouble);
        }
        if output.timed_out {
            result.insert("rc".into(), Value::Null);
            return Err(Failure::new("command exceeded timeout"));
        }
        if let Err(error) = std::str::from_utf8(&output.stdout) {
            return Err(Failure::new(format!(
                "Refusing to deserialize an invalid UTF8 string value: {error}"
            )));
        }
        if output.status != 0 {
            return Err(Failure::new("non-zero return code").with("changed", true));
        }
        Ok(())
    }
}

impl Expect {
    fn questions(&self) -> Result<Vec<Question>, Failure> {
        let flags = Flags { dot_all: true, ..Flags::default() };
        let question = |(text, answers): (&String, &Value)| {
            let (answers, repeats) = match answers {
                Value::Array(list) => (list.iter().rev().cloned().collect(), false),
                one => (vec![one.clone()], true),
            };
            let regex = pattern::compile("responses", text, flags)?;
            Ok(Question { text: text.clone(), regex, answers, repeats })
        };
        self.responses.iter().map(question).collect()
    }
}

/// What goes on between the program and us.
struct Talk {
    questions: Vec<Question>,
    /// Since the last question.
    heard: Vec<u8>,
    patience: Option<Duration>,
    since: SystemTime,
    trouble: Option<Failure>,
}

impl Talk {
    fn hear(&mut self, piece: &[u8], now: SystemTime) -> Reply {
        /// How much is searched for a question; what lies further back is none any more.
        const MEMORY: usize = 64 << 10;
        self.heard.extend_from_slice(piece);
        let excess = self.heard.len().saturating_sub(MEMORY);
        self.heard.drain(..excess);
        match self.answer() {
            Ok(Some(text)) => {
                self.since = now;
                return Reply::Type(Secret::new(text.into_bytes()));
            }
            Ok(None) => {}
            Err(failure) => {
                self.trouble = Some(failure);
                return Reply::Stop;
            }
        }
        let silent = now.duration_since(self.since).unwrap_or_default();
        if self.patience.is_some_and(|patience| silent >= patience) {
            return Reply::Stop;
        }
        Reply::Wait
    }

    /// The answer to the question that comes first in what was heard.
    fn answer(&mut self) -> Result<Option<String>, Failure> {
        if self.heard.is_empty() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&self.heard).into_owned();
        let mut first: Option<(usize, usize, usize)> = None;
        for (index, question) in self.questions.iter().enumerate() {
            let found = question.regex.find(&text).map_err(pattern::gave_up)?;
            if let Some(found) = found.filter(|found| !found.as_str().is_empty())
                && first.is_none_or(|(start, ..)| found.start() < start)
            {
                first = Some((found.start(), found.end(), index));
            }
        }
        let Some((_, end, index)) = first else { return Ok(None) };
        self.heard = text.as_bytes()[end..].to_vec();
        let question = &mut self.questions[index];
        let answer = if question.repeats {
            question.answers.first().cloned()
        } else {
            question.answers.pop()
        };
        let answer = answer.ok_or_else(|| {
            Failure::new(format!(
                "No remaining responses for '{}', output was '{}'",
                question.text,
                text.trim()
            ))
        })?;
        Ok(Some(format!("{}\n", python_text(&answer).trim_end_matches('\n'))))
    }
}
