//! Modules that are not ours: a program that came with a playbook or role is run by its interpreter, and says in JSON
//! what it did. The controller has found out how it wants its arguments.

mod answer;

use std::io::{Cursor, Read};
use std::path::PathBuf;

use model::{Args, Digest, Outcome};
use serde_json::Value;
use system::{Attributes, Command, Error, Output, Probe, System, WriteFile};

use crate::arguments::{arguments, choices, python_text};
use crate::contract::{Change, Check, Failure, Module, warn};
use crate::tool;

/// How the text of a program says that its arguments are to be put into it.
const JSON_ARGUMENTS: &str = "<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>";

choices! {
    /// How a program gets its arguments.
    pub enum Style {
        /// A file with a JSON object.
        Json = "json",
        /// A file of `key=value` words, quoted for a shell.
        Words = "words",
        /// They are put into its text.
        Inside = "inside",
    }
}

arguments! {
    /// Runs a module that came with the content. The controller sends these steps; playbooks name the module itself.
    pub struct External {
        /// The module's name.
        pub name: String,
        /// The program.
        pub blob: Digest { named: "_blob", hidden },
        /// How it gets its arguments.
        pub style: Style { named: "_style", hidden },
        /// Its arguments.
        pub arguments: Args { named: "_arguments", hidden },
        /// What runs it, in the order of preference; empty: it runs by itself.
        pub interpreters: Vec<String> { named: "_interpreters", hidden },
        /// Words between the interpreter and the program.
        pub options: Vec<String> { named: "_options", hidden },
    }
}

/// What a module in Python came to that was run elsewhere, by what it printed. `diff`: differences are wanted.
pub fn program_outcome(output: &Output, diff: bool) -> Outcome {
    answer::outcome(output, diff)
}

/// There is a program to run.
#[derive(Debug)]
pub(crate) struct Run {
    interpreter: Option<String>,
}

impl Change for Run {}

impl Module for External {
    type Change = Run;

    fn check(&self, host: &dyn Probe, _: &mut Args) -> Result<Check<Run>, Failure> {
        if self.interpreters.is_empty() {
            return Ok(Check::CannotTell(Run { interpreter: None }));
        }
        let interpreter =
            self.interpreters.iter().find_map(|name| tool::find_program(host, name)).ok_or_else(
                || {
                    Failure::new(format!(
                        "the module `{}` cannot run here: the host lacks its interpreter, {}",
                        self.name,
                        self.interpreters.join(" or ")
                    ))
                    .with("rc", 127)
                },
            )?;
        Ok(Check::CannotTell(Run { interpreter: Some(interpreter) }))
    }

    fn apply(&self, run: Run, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let scratch = host.scratch()?;
        let program = scratch.join(&self.name);
        let mut content = host.blob(self.blob)?;
        if self.style == Style::Inside {
            content = Box::new(Cursor::new(self.with_arguments(content)?));
        }
        put(host, &program, &mut content, 0o700)?;
        let mut words = Vec::new();
        words.extend(run.interpreter);
        if !words.is_empty() {
            words.extend(self.options.iter().cloned());
        }
        words.push(program.to_string_lossy().into_owned());
        if let Some(text) = self.arguments_file()? {
            let path = scratch.join("args");
            put(host, &path, &mut text.as_bytes(), 0o600)?;
            words.push(path.to_string_lossy().into_owned());
        }
        let mut words = words.into_iter();
        let command = Command::new(words.next().expect("the program is one"), words);
        let output = match host.run(&command) {
            Ok(output) => output,
            Err(Error::Run { program, source }) => {
                return Err(crate::command::cannot_run(&program, &source));
            }
            Err(other) => return Err(other.into()),
        };
        let said = answer::parse(&output)?;
        for warning in said.warnings {
            warn(result, warning);
        }
        result.extend(said.result);
        match said.failure {
            Some(message) => Err(Failure::new(message)),
            None => Ok(()),
        }
    }
}

impl External {
    /// The program's text with its arguments in the place that it keeps for them.
    fn with_arguments(&self, mut content: Box<dyn Read + Send>) -> Result<Vec<u8>, Failure> {
        let mut text = String::new();
        content.read_to_string(&mut text).map_err(|error| {
            Failure::new(format!("cannot read the module `{}`: {error}", self.name))
        })?;
        let arguments = Value::Object(self.arguments.clone()).to_string();
        Ok(text.replace(JSON_ARGUMENTS, &arguments).into_bytes())
    }

    /// What stands in the file of arguments; `None`: there is no such file.
    fn arguments_file(&self) -> Result<Option<String>, Failure> {
        match self.style {
            Style::Inside => Ok(None),
            Style::Json => Ok(Some(Value::Object(self.arguments.clone()).to_string())),
            Style::Words => {
                let mut text = String::new();
                for (name, value) in &self.arguments {
                    let value = python_text(value);
                    let value = shlex::try_quote(&value)
                        .map_err(|error| Failure::new(format!("argument {name}: {error}")))?;
                    text.push_str(&format!("{name}={value} "));
                }
                Ok(Some(text))
            }
        }
    }
}

fn put(
    host: &dyn System,
    path: &PathBuf,
    content: &mut dyn Read,
    mode: u32,
) -> Result<(), Failure> {
    Ok(host.write(WriteFile {
        path,
        content,
        attributes: Attributes { mode: Some(mode), ..Attributes::default() },
        validate: None,
        in_place: false,
    })?)
}
