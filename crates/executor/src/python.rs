//! Modules in Python: fed to one resident interpreter for each way of starting it, which forks for every call.
//!
//! The interpreter runs a small program of ours (`python/resident.py`), which gets the files of a module once and the
//! arguments with each call, both over its standard input: nothing of them is in a file or among a process's words.

mod resident;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::{Args, Digest, Outcome, Step};
use serde::Deserialize;
use serde_json::{Value, json};
use system::{Probe as _, RealSystem};

use crate::attempt::Context;
use crate::{Manner, foreign};
use resident::{Request, Resident};

/// The step that runs such a module.
pub(crate) const MODULE: &str = "python_module";

/// A package is text that was read from files; more than this is no module.
const PACKAGE_LIMIT: u64 = 32 << 20;

/// An argument of jobs: what the module wrote to standard error belongs to their result.
pub(crate) const KEEP_STDERR: &str = "_keep_stderr";

#[derive(Deserialize)]
struct Wanted {
    name: String,
    /// The module and all that it imports.
    #[serde(rename = "_blob")]
    package: Digest,
    #[serde(rename = "_arguments")]
    arguments: Args,
    /// What may run it, each as words, in the order of preference.
    #[serde(rename = "_interpreters")]
    interpreters: Vec<String>,
    #[serde(default, rename = "_keep_stderr")]
    keep_stderr: bool,
}

/// What makes one interpreter differ from another: its words, and variables that only a new one heeds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    words: Vec<String>,
    variables: Vec<(String, String)>,
}

/// The interpreters of this process's user.
#[derive(Default)]
pub(crate) struct Interpreters(Mutex<HashMap<Key, Slot>>);

/// Held while an interpreter is started: two steps that want the same one start one.
type Slot = Arc<Mutex<State>>;

/// What became of an interpreter.
#[derive(Default)]
enum State {
    #[default]
    New,
    Started(Arc<Resident>),
    /// It could not be started then, and is not tried again at once.
    Broken(Instant, String),
}

/// After this long, what was broken may have been repaired.
const TRY_AGAIN: Duration = Duration::from_mins(1);

impl Interpreters {
    /// Carries out a step.
    pub(crate) fn run(&self, step: &Step, context: &Context, system: &RealSystem) -> Outcome {
        if context.manner == Manner::InDoubt {
            let name = step.args.get("name").and_then(Value::as_str).unwrap_or(MODULE);
            return Outcome::unknown(format!(
                "the agent stopped while the module `{name}` ran; it may or may not have been carried out, and was \
                 not tried again"
            ));
        }
        self.try_run(step, context, system).unwrap_or_else(Outcome::failed)
    }

    fn try_run(
        &self,
        step: &Step,
        context: &Context,
        system: &RealSystem,
    ) -> Result<Outcome, String> {
        let wanted: Wanted = serde_json::from_value(Value::Object(step.args.clone()))
            .map_err(|error| format!("{MODULE}: {error}"))?;
        let resident = self.resident(&wanted, step, system)?;
        if !resident.has(wanted.package) {
            let mut text = Vec::new();
            let content = system.blob(wanted.package).map_err(|error| error.to_string())?;
            content
                .take(PACKAGE_LIMIT)
                .read_to_end(&mut text)
                .map_err(|error| format!("cannot get the module `{}`: {error}", wanted.name))?;
            resident.keep(wanted.package, &text)?;
        }
        let mut arguments = wanted.arguments;
        foreign::tell(&mut arguments, step);
        let request = Request {
            package: wanted.package,
            name: &wanted.name,
            environment: &step.environment,
            verbosity: arguments.get("_ansible_verbosity").and_then(Value::as_u64).unwrap_or(0),
            arguments: json!({ "ANSIBLE_MODULE_ARGS": arguments }).to_string(),
        };
        Ok(match resident.call(&request, context)? {
            resident::End::Finished(output) => {
                let mut outcome = modules::program_outcome(&output, step.mode.diff);
                if wanted.keep_stderr && !output.stderr.is_empty() {
                    outcome.result.insert("stderr".into(), output.stderr_text().into());
                }
                outcome
            }
            resident::End::Lost(reason) => {
                Outcome::unknown(format!("{reason}; the module `{}` may have run", wanted.name))
            }
        })
    }

    fn resident(
        &self,
        wanted: &Wanted,
        step: &Step,
        system: &RealSystem,
    ) -> Result<Arc<Resident>, String> {
        let variables: Vec<_> = step
            .environment
            .iter()
            .filter(|(name, _)| only_at_start(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut why_not = None;
        for text in &wanted.interpreters {
            let mut words = text.split_whitespace().map(str::to_owned);
            let Some(path) = words.next().and_then(|name| modules::find_program(system, &name))
            else {
                continue;
            };
            let words = std::iter::once(path).chain(words).collect();
            match self.started(Key { words, variables: variables.clone() }) {
                Ok(resident) => return Ok(resident),
                // A name may be there and lead to nothing; another may do.
                Err(problem) => drop(why_not.get_or_insert(problem)),
            }
        }
        let missing = || {
            format!(
                "this host has no Python: looked for {}. Install Python 3, or set `ansible_python_interpreter` to where \
                 it is",
                wanted.interpreters.join(", ")
            )
        };
        let problem = why_not.unwrap_or_else(missing);
        Err(format!("the module `{}` is written in Python and cannot run: {problem}", wanted.name))
    }

    fn started(&self, key: Key) -> Result<Arc<Resident>, String> {
        let slot = Arc::clone(lock(&self.0).entry(key.clone()).or_default());
        let mut slot = lock(&slot);
        match &*slot {
            State::Started(resident) if resident.is_alive() => return Ok(Arc::clone(resident)),
            State::Broken(since, problem) if since.elapsed() < TRY_AGAIN => {
                return Err(problem.clone());
            }
            _ => {}
        }
        let started = Resident::start(&key.words, &key.variables).map(Arc::new);
        *slot = match &started {
            Ok(resident) => State::Started(Arc::clone(resident)),
            Err(problem) => State::Broken(Instant::now(), problem.clone()),
        };
        started
    }

    /// Ends those that have nothing to do.
    pub(crate) fn release(&self) {
        let is_busy = |slot: &Slot| match &*lock(slot) {
            State::Started(resident) => resident.is_busy(),
            State::New | State::Broken(..) => false,
        };
        lock(&self.0).retain(|_, slot| Arc::strong_count(slot) > 1 || is_busy(slot));
    }
}

/// Whether a variable means something to an interpreter only when it starts.
fn only_at_start(name: &str) -> bool {
    let begins = |start: &str| name.starts_with(start);
    (begins("PYTHON") && name != "PYTHONPATH")
        || begins("LD_")
        || begins("LC_")
        || name == "LANG"
        || name == "LANGUAGE"
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
