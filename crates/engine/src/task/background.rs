//! `async` and `poll`: a task that starts a job in the background, and waits for it or not.

use std::time::Duration;

use model::{Args, EventKind, Outcome};
use serde_json::{Value, json};

use super::{Attempt, HostTask, Job, What, Work};
use crate::actions::{self, Draft, Join};
use crate::attributes::{Keywords, seconds};
use crate::link::Unreachable;
use crate::talk::Way;

/// How often a job is asked after when nothing says how often.
const POLL: Duration = Duration::from_secs(15);

impl HostTask<'_> {
    /// With `async`: the step that starts the task's own as a job.
    pub(super) fn as_job(
        &self,
        keywords: &Keywords<'_>,
        drafts: Vec<Draft>,
        join: Join,
    ) -> Attempt<(Vec<Draft>, Join, Option<Job>)> {
        let task = &self.planned.task;
        let Some(limit) = &task.r#async else { return Ok((drafts, join, None)) };
        let limit = seconds("async", &keywords.templar.resolve(limit)?)?;
        if limit.is_zero() {
            return Ok((drafts, join, None));
        }
        let [draft] = drafts.as_slice() else { return Err(self.no_job()) };
        if actions::is_action(&task.action.name) && !actions::only_prepares(&task.action.name) {
            return Err(self.no_job());
        }
        let poll = match &task.poll {
            Some(raw) => seconds("poll", &keywords.templar.resolve(raw)?)?,
            None => POLL,
        };
        let directory = keywords.async_directory()?;
        let mut args = Args::new();
        args.insert("module".into(), draft.module.clone().into());
        args.insert("args".into(), draft.args.clone().into());
        args.insert("limit".into(), limit.as_secs().max(1).into());
        args.insert("directory".into(), directory.clone().into());
        let wrapper = vec![Draft { module: "async_wrapper".into(), args }];
        if poll.is_zero() {
            let alone = |outcomes: Vec<Outcome>| (first(outcomes), Vec::new());
            return Ok((wrapper, Box::new(alone), None));
        }
        Ok((wrapper, join, Some(Job { poll, limit, directory })))
    }

    fn no_job(&self) -> jinja::Error {
        let name = &self.planned.task.action.written;
        actions::failure(format!("This action ({name}) does not support async."))
    }

    /// Does what was decided: items of jobs one after the other, others together.
    pub(super) async fn perform(&mut self, works: &mut [Work]) {
        if self.planned.task.r#async.is_none() {
            self.execute(works).await;
            return;
        }
        for work in works {
            if let What::Steps { job: Some(_), .. } = &work.what {
                self.wait_for(work).await;
            }
            self.execute(std::slice::from_mut(work)).await;
        }
    }

    /// Starts an item's job and asks after it until it is done.
    async fn wait_for(&self, work: &mut Work) {
        let done = What::Done { judge: true };
        let What::Steps { target, attributes, mut drafts, join, job: Some(job) } =
            std::mem::replace(&mut work.what, done)
        else {
            return;
        };
        let start = drafts.remove(0);
        let way = Way {
            links: &*self.cx.world.links,
            target: &target,
            attributes: &attributes,
            no_log: work.tolerance.no_log,
        };
        match self.follow(&way, start, &job).await {
            Ok(outcome) => {
                let (outcome, effects) = join(vec![outcome]);
                work.outcome = Some(outcome);
                work.effects = effects;
            }
            Err(unreachable) => work.lose(&unreachable.message),
        }
    }

    async fn follow(&self, way: &Way<'_>, start: Draft, job: &Job) -> Result<Outcome, Unreachable> {
        let started = way.ask_once(start).await?;
        let Some(id) =
            started.result.get("ansible_job_id").cloned().filter(|_| !started.is_failed())
        else {
            return Ok(started);
        };
        let question = |mode: &str| {
            let args = json!({ "jid": id, "mode": mode, "_async_dir": job.directory });
            let args = args.as_object().cloned().expect("it was written as an object");
            Draft { module: "async_status".into(), args }
        };
        let shown = id.as_str().unwrap_or_default().to_owned();
        let tell = |state| {
            let (host, job) = (self.host.clone(), shown.clone());
            self.send_event(EventKind::JobPolled { host, job, state });
        };
        let mut left = job.limit;
        let status = loop {
            tokio::time::sleep(job.poll).await;
            let status = way.ask_once(question("status")).await?;
            if status.result.get("finished") == Some(&Value::Bool(true)) {
                break status;
            }
            if left.is_zero() {
                return Ok(too_late(&status, job.limit));
            }
            tell(model::JobState::Running);
            left = left.saturating_sub(job.poll);
        };
        let failed = status.is_failed();
        tell(if failed { model::JobState::Failed } else { model::JobState::Done });
        way.ask_once(question("cleanup")).await?;
        Ok(status)
    }
}

fn first(outcomes: Vec<Outcome>) -> Outcome {
    outcomes.into_iter().next().unwrap_or_else(|| Outcome::failed("the step gave no result"))
}

fn too_late(status: &Outcome, limit: Duration) -> Outcome {
    let mut outcome = Outcome::failed(format!(
        "async task did not complete within the requested time - {}s",
        limit.as_secs()
    ));
    outcome.result.insert("async_result".into(), status.to_args().into());
    outcome
}
