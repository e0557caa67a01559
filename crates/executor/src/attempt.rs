//! One step in this process: on a thread of its own, with a deadline, and with panics caught.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use model::{Outcome, OutputStream, Step, Verdict};
use serde::{Deserialize, Serialize};
use system::{BlobSource, OutputSink};

use crate::live::Live;
use crate::{Cancel, threads};

/// How often live output is passed on and a cancellation is looked for.
pub(crate) const TICK: Duration = Duration::from_millis(100);
/// How long a step that was told to stop may take to do so. Killing a command takes less.
const GRACE: Duration = Duration::from_secs(5);

/// Whether a step is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Manner {
    /// It has not run before.
    New,
    /// It may have run before, wholly or in part: only what can be checked is done, see [`modules::settle`].
    InDoubt,
}

/// What a running step may ask of its surroundings.
pub struct Context {
    /// Whether it may have run before.
    pub manner: Manner,
    /// When its time is up.
    pub deadline: Option<Instant>,
    /// Set when it is to stop at once.
    pub cancel: Cancel,
    /// The content of blobs.
    pub blobs: Arc<dyn BlobSource>,
    /// Takes what its commands print, never waits.
    pub output: OutputSink,
}

/// Carries out a step in this process and as this process's user.
pub type Runner = dyn Fn(&Step, &Context) -> Outcome + Send + Sync;

/// Runs a step and waits for it, at most a little longer than its time.
pub(crate) fn attempt(
    runner: &Arc<Runner>,
    step: &Step,
    manner: Manner,
    blobs: &Arc<dyn BlobSource>,
    cancel: &Cancel,
    output: &dyn Fn(OutputStream, Vec<u8>),
) -> Outcome {
    let live = Arc::new(Live::default());
    let deadline = step.timeout.map(|timeout| Instant::now() + timeout);
    let context = Context {
        manner,
        deadline,
        cancel: cancel.clone(),
        blobs: Arc::clone(blobs),
        output: {
            let live = Arc::clone(&live);
            Arc::new(move |stream, bytes| live.push(stream, bytes))
        },
    };
    let (sender, receiver) = mpsc::channel();
    let begun = {
        let (runner, step) = (Arc::clone(runner), step.clone());
        threads::begin(move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| runner(&step, &context)))
                .unwrap_or_else(|panic| bug(&step, panic.as_ref()));
            // The receiver is gone only when the step was given up.
            let _ = sender.send(outcome);
        })
    };
    if let Err(error) = begun {
        return Outcome::failed(format!("cannot start a thread for the step: {error}"));
    }
    let pass = |pieces: Vec<(OutputStream, Vec<u8>)>| {
        for (stream, bytes) in pieces {
            output(stream, bytes);
        }
    };
    let mut told_to_stop = None;
    let outcome = loop {
        match receiver.recv_timeout(TICK) {
            Ok(outcome) => break outcome,
            Err(RecvTimeoutError::Disconnected) => break Outcome::failed("the step's thread died"),
            Err(RecvTimeoutError::Timeout) => pass(live.take()),
        }
        let now = Instant::now();
        if told_to_stop.is_none()
            && (cancel.is_cancelled() || deadline.is_some_and(|deadline| now >= deadline))
        {
            told_to_stop = Some(now);
        }
        if told_to_stop.is_some_and(|since| now >= since + GRACE) {
            break abandoned(step);
        }
    };
    pass(live.finish());
    let out_of_time = deadline.is_some_and(|deadline| Instant::now() >= deadline);
    explain_stop(step, outcome, cancel.is_cancelled(), out_of_time)
}

/// A step that failed after it was told to stop failed because of that, whatever its module says.
fn explain_stop(step: &Step, mut outcome: Outcome, cancelled: bool, out_of_time: bool) -> Outcome {
    if !matches!(outcome.verdict, Verdict::Failed { .. }) {
        return outcome;
    }
    if cancelled {
        outcome.verdict = Verdict::Failed { message: "The step was cancelled.".to_owned() };
    } else if let Some(timeout) = step.timeout.filter(|_| out_of_time) {
        timed_out(&mut outcome, timeout);
    }
    outcome
}

/// Says in Ansible's words that a step's time was up.
pub(crate) fn timed_out(outcome: &mut Outcome, timeout: Duration) {
    let period = timeout.as_secs();
    outcome.verdict = Verdict::Failed { message: format!("Timed out after {period} second(s).") };
    outcome.result.insert("timedout".to_owned(), serde_json::json!({ "period": period }));
}

fn abandoned(step: &Step) -> Outcome {
    Outcome::unknown(format!(
        "the step `{}` was told to stop and did not within {} s; it may still be running",
        step.module,
        GRACE.as_secs()
    ))
}

fn bug(step: &Step, panic: &(dyn Any + Send)) -> Outcome {
    let text = if step.no_log {
        "(not shown: no_log)"
    } else {
        panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message")
    };
    Outcome::failed(format!("bug in the module `{}`, please report it: {text}", step.module))
}
