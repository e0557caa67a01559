//! The executor: steps in order, each as the right user.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Args, DeployPlan, Outcome, Step, StepReport, Verdict};
use nix::unistd::Uid;
use system::{BlobSource, RealSystem};

use crate::attempt::{Context, Runner, attempt};
use crate::escalation::{self, Way};
use crate::python::{self, Interpreters};
use crate::workers::Workers;
use crate::{Cancel, Manner, Program, foreign, jobs};

/// Facts are a courtesy: what takes longer is left out.
const FACTS_LIMIT: Duration = Duration::from_secs(30);

/// Carries out steps on this machine. One for the life of a program: its become workers are kept between plans.
pub struct Executor {
    runner: Arc<Runner>,
    workers: Workers,
    interpreters: Arc<Interpreters>,
}

impl Default for Executor {
    fn default() -> Self {
        Self::new(Program::default())
    }
}

impl Executor {
    /// An executor whose become workers are this program.
    pub fn new(program: Program) -> Self {
        let interpreters = Arc::<Interpreters>::default();
        let runner = runner_with(Arc::clone(&interpreters));
        Self { interpreters, ..Self::with_runner(program, runner) }
    }

    /// An executor that does something else than modules; its workers are programs that do the same.
    pub(crate) fn with_runner(program: Program, runner: Arc<Runner>) -> Self {
        Self { runner, workers: Workers::new(program), interpreters: Arc::default() }
    }

    /// Carries out a plan: steps in order, to the first that does not go well unless the plan says to keep going.
    /// After a cancellation no further step begins.
    pub fn run_plan(
        &self,
        plan: &DeployPlan,
        blobs: &Arc<dyn BlobSource>,
        cancel: &Cancel,
        report: &dyn Fn(StepReport),
    ) {
        for step in &plan.steps {
            if cancel.is_cancelled() {
                return;
            }
            report(StepReport::Started(step.id));
            let outcome = self.run_step(step, Manner::New, blobs, cancel, report);
            let goes_on = goes_on_after(plan, &outcome);
            report(StepReport::Finished { step: step.id, outcome: Box::new(outcome) });
            if !goes_on {
                return;
            }
        }
    }

    /// Carries out one step; of its reports only the output goes to `report`.
    pub fn run_step(
        &self,
        step: &Step,
        manner: Manner,
        blobs: &Arc<dyn BlobSource>,
        cancel: &Cancel,
        report: &dyn Fn(StepReport),
    ) -> Outcome {
        let output = |stream, bytes| {
            if !step.no_log {
                report(StepReport::Output { step: step.id, stream, bytes });
            }
        };
        // Who still has a process cannot be removed.
        if step.module == "user" {
            self.workers.release();
        }
        let Some(request) = &step.run_as else {
            return attempt(&self.runner, step, manner, blobs, cancel, &output);
        };
        let job = (step, manner);
        match escalation::way(request, Uid::effective(), escalation::look_up) {
            Ok(Way::Here) => attempt(&self.runner, step, manner, blobs, cancel, &output),
            Ok(way) => self.workers.run(&way, request, job, blobs, cancel, &output),
            Err(message) => Outcome::failed(message),
        }
    }

    /// Ends the become workers and interpreters that have nothing to do; for a resident agent that idles.
    pub fn release_workers(&self) {
        self.workers.release();
        self.interpreters.release();
    }
}

/// Whether the next step of the plan begins after this outcome.
pub fn goes_on_after(plan: &DeployPlan, outcome: &Outcome) -> bool {
    match outcome.verdict {
        Verdict::Ok | Verdict::Changed | Verdict::Skipped { .. } => true,
        Verdict::Failed { .. } => plan.keep_going,
        // Nobody knows in what state the host is: going on is for people to decide.
        Verdict::Unknown { .. } => false,
    }
}

/// What carries out a step in this process: the module table, behind the real door.
pub(crate) fn modules_runner() -> Arc<Runner> {
    runner_with(Arc::default())
}

fn runner_with(interpreters: Arc<Interpreters>) -> Arc<Runner> {
    Arc::new(move |step: &Step, context: &Context| {
        if step.module == jobs::MODULE {
            return match context.manner {
                Manner::New => jobs::start(step, &*context.blobs),
                Manner::InDoubt => Outcome::unknown("the job may have been started"),
            };
        }
        let system = RealSystem::new(system::Context {
            deadline: context.deadline,
            cancelled: context.cancel.flag(),
            output: Some(Arc::clone(&context.output)),
            environment: step.environment.clone(),
            blobs: Some(Arc::clone(&context.blobs)),
            // As over SSH, where a login begins at home.
            directory: std::env::current_dir().ok(),
        });
        let carry_out = match context.manner {
            Manner::New => modules::run,
            Manner::InDoubt => modules::in_doubt,
        };
        match &*step.module {
            python::MODULE => interpreters.run(step, context, &system),
            foreign::MODULE => match foreign::prepare(step) {
                Ok(step) => carry_out(&step, &system),
                Err(skipped) => *skipped,
            },
            _ => carry_out(step, &system),
        }
    })
}

/// What this host is, without the prefix `ansible_`, for an agent to tell unasked.
pub fn gather_facts() -> Args {
    let deadline = Some(Instant::now() + FACTS_LIMIT);
    let system = RealSystem::new(system::Context { deadline, ..system::Context::default() });
    let facts = facts::gather(&system, &facts::Subset::all());
    let plain = |name: String| name.strip_prefix("ansible_").map(str::to_owned).unwrap_or(name);
    facts.into_iter().map(|(name, value)| (plain(name), value)).collect()
}
