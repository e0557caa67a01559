//! `debconf`: answers to the questions that packages of Debian ask.

use std::collections::BTreeSet;

use model::{Args, Diff, Secret};
use serde_json::Value;
use system::{Command, Probe, System};

use crate::arguments::{arguments, choices, python_text};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

choices! {
    /// The kind of a question.
    pub enum Kind {
        /// Yes or no.
        Boolean = "boolean",
        /// A message about an error.
        Error = "error",
        /// Some of several.
        Multiselect = "multiselect",
        /// A message.
        Note = "note",
        /// A password.
        Password = "password",
        /// Whether the question was shown.
        Seen = "seen",
        /// One of several.
        Select = "select",
        /// A line.
        String = "string",
        /// A text to be shown.
        Text = "text",
        /// A title.
        Title = "title",
    }
}

arguments! {
    /// Sets the answer to a question of a package before it is asked, or tells the answers that there are.
    pub struct Debconf {
        /// The package.
        pub name: String { aliases: ["pkg"] },
        /// The question.
        pub question: Option<String> { aliases: ["selection", "setting"] },
        /// Its kind.
        pub vtype: Option<Kind>,
        /// The answer; a list for `multiselect`.
        pub value: Option<Value> { aliases: ["answer"] },
        /// The question still counts as not shown.
        pub unseen: bool { default: false },
    }
    required_together: [&["question", "vtype", "value"]];
}

/// An answer that is not as it shall be.
#[derive(Debug)]
pub(crate) struct AnswerChange {
    line: Secret<String>,
    before: Value,
    after: Value,
}

impl Change for AnswerChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state("debconf", self.before.clone(), self.after.clone())])
    }
}

impl Module for Debconf {
    type Change = AnswerChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<AnswerChange>, Failure> {
        let is_odd = |text: &str| text.is_empty() || text.contains(char::is_whitespace);
        if is_odd(&self.name) || self.name.starts_with('-') {
            return Err(Failure::new(format!("`{}` is no name of a package", self.name)));
        }
        let answers = self.answers(host)?;
        result.insert("current".into(), answers.clone().into());
        let (Some(question), Some(kind), Some(value)) = (&self.question, self.vtype, &self.value)
        else {
            return Ok(Check::InSync);
        };
        if let Value::Array(list) = value
            && let Some(odd) = list.iter().find(|item| !item.is_string())
        {
            return Err(Failure::new(format!(
                "Invalid value provided for 'multiselect': {} is not a text",
                python_text(odd)
            )));
        }
        let wanted = text_of(kind, value);
        if is_odd(question) || wanted.contains('\n') {
            return Err(Failure::new("question is a word, and value is one line"));
        }
        let known = match kind {
            Kind::Password => self.password(host, question)?,
            _ => answers.get(question).and_then(Value::as_str).map(str::to_owned),
        };
        if known.as_deref().is_some_and(|known| is_same(value, known, &wanted)) {
            return Ok(Check::InSync);
        }
        let shown = |value: &str| match kind {
            Kind::Password => Value::from("********"),
            _ => Value::from(value),
        };
        let one = |value: Value| Value::Object(Args::from_iter([(question.clone(), value)]));
        let before = one(known.as_deref().map_or(Value::Null, shown));
        let after = one(shown(&wanted));
        result.insert("current".into(), after.clone());
        result.insert("previous".into(), before.clone());
        let line = format!("{} {question} {} {wanted}\n", self.name, kind.as_str());
        Ok(Check::Drift(AnswerChange { line: Secret::new(line), before, after }))
    }

    fn apply(&self, change: AnswerChange, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        let options: &[&str] = if self.unseen { &["-u"] } else { &[] };
        let mut command = Command::new("debconf-set-selections", options.iter().copied());
        command.stdin = Some(Secret::new(change.line.reveal().clone().into_bytes()));
        tool::run(host, &command).map(drop)
    }
}

impl Debconf {
    /// The answers that are known, by question.
    fn answers(&self, host: &dyn Probe) -> Result<Args, Failure> {
        let output = host.query(&Command::new("debconf-show", [&self.name]))?;
        if !output.is_success() {
            return Err(tool::failure(&output, ""));
        }
        let text = output.stdout_text();
        let pairs = text.lines().filter_map(|line| {
            let (question, answer) = line.trim_start_matches(['*', ' ']).split_once(':')?;
            Some((question.trim().to_owned(), Value::from(answer.trim())))
        });
        Ok(pairs.collect())
    }

    /// A password is not shown; the tools of `debconf-utils` tell it.
    fn password(&self, host: &dyn Probe, question: &str) -> Result<Option<String>, Failure> {
        if tool::find(host, "debconf-get-selections").is_none() {
            return Ok(None);
        }
        let none: [&str; 0] = [];
        let output = host.query(&Command::new("debconf-get-selections", none))?;
        let text = output.stdout_text();
        let found = text.lines().find_map(|line| {
            let mut fields = line.splitn(4, '\t');
            let is_it = fields.next() == Some(&self.name) && fields.next() == Some(question);
            is_it.then(|| fields.nth(1).unwrap_or_default().to_owned())
        });
        Ok(found)
    }
}

/// The answer as debconf writes it.
fn text_of(kind: Kind, value: &Value) -> String {
    match value {
        Value::Array(list) => list.iter().map(python_text).collect::<Vec<_>>().join(", "),
        Value::Bool(flag) => flag.to_string(),
        other if kind == Kind::Boolean => python_text(other).to_lowercase(),
        other => python_text(other),
    }
}

/// The order of a list does not matter; that of a text with commas does.
fn is_same(value: &Value, known: &str, wanted: &str) -> bool {
    fn set(text: &str) -> BTreeSet<&str> {
        text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
    }
    if value.is_array() { set(known) == set(wanted) } else { known == wanted }
}
