//! `until`, `retries` and `delay`: an item is tried until it is as it should be, or the retries are used up.

use std::time::Duration;

use model::{EventKind, Outcome, Verdict};

use super::{Attempt, HostTask, What, Work, is_unreachable};
use crate::attributes::{count, seconds};

impl HostTask<'_> {
    /// Tries an item and reports how it ended.
    pub(super) async fn repeat(&mut self, work: &mut Work) {
        self.decide(work, true).await;
        if work.is_skipped() || !work.causes.is_empty() {
            self.conclude(work);
            return;
        }
        let (retries, delay) = match self.retries(work) {
            Ok(both) => both,
            Err(error) => {
                self.fail(work, &error);
                self.report_item(work);
                return;
            }
        };
        let mut attempt = 1;
        loop {
            work.attempt = Some(attempt);
            self.try_once(work).await;
            let holds = self.holds_until(work);
            if let Some(outcome) = work.outcome.as_mut().filter(|_| matches!(holds, Ok(false))) {
                // The last attempt of those that may fail counts with the one before it.
                outcome.result.insert("attempts".into(), attempt.min(retries).into());
            }
            match holds {
                Err(error) => self.fail(work, &error),
                Ok(true) => {}
                Ok(false) if attempt <= retries => {
                    let (left, name) = (retries - attempt + 1, self.cx.announcement.name.clone());
                    self.send_event(EventKind::Retried { host: self.host.clone(), name, left });
                    tokio::time::sleep(delay).await;
                    attempt += 1;
                    self.decide(work, false).await;
                    continue;
                }
                // What counts as failed is what `failed_when` says, if anything does.
                Ok(false) if !self.planned.task.failed_when.is_empty() => {}
                Ok(false) => give_up(work),
            }
            self.report_item(work);
            return;
        }
    }

    /// One attempt, judged but not yet reported.
    async fn try_once(&mut self, work: &mut Work) {
        if let What::Steps { .. } | What::Talk { .. } = &work.what {
            let item = work.item.take();
            self.perform(std::slice::from_mut(work)).await;
            work.item = item;
        } else {
            self.judge_or_fail(work);
        }
    }

    fn retries(&self, work: &Work) -> Attempt<(u32, Duration)> {
        let templar = self.templar(&work.scope);
        let task = &self.planned.task;
        let retries = match &task.retries {
            Some(raw) => count("retries", &templar.resolve(raw)?)?,
            None => 3,
        };
        let delay = match &task.delay {
            Some(raw) => seconds("delay", &templar.resolve(raw)?)?,
            None => Duration::from_secs(5),
        };
        Ok((retries, delay))
    }

    /// Without `until`: until it does not fail.
    fn holds_until(&self, work: &Work) -> Attempt<bool> {
        let Some(outcome) = &work.outcome else { return Ok(true) };
        let is_final = outcome.is_unknown() || is_unreachable(outcome);
        if is_final || work.is_undone() || !work.causes.is_empty() {
            return Ok(true);
        }
        let until = &self.planned.task.until;
        if until.is_empty() {
            return Ok(!outcome.is_failed());
        }
        let scope = self.with_result(work);
        let templar = self.templar(&scope);
        for condition in until {
            if !templar.condition(condition)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// All retries are used up and `until` does not hold.
fn give_up(work: &mut Work) {
    let Some(outcome) = &mut work.outcome else { return };
    if !outcome.is_failed() {
        fail_as_it_is(outcome);
    }
}

/// Fails with the message that the result has.
pub(super) fn fail_as_it_is(outcome: &mut Outcome) {
    let message = outcome.result.get("msg").and_then(|msg| msg.as_str()).unwrap_or_default();
    outcome.verdict = Verdict::Failed { message: message.to_owned() };
}
