//! Rounds: a task under way on the hosts that do it together.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use model::{EventKind, HostName, Outcome};
use tokio::task::JoinError;
use yaml::Diagnostic;

use super::includes::Wanted;
use super::{Batch, BatchEnd, Place, Stand};
use crate::actions;
use crate::attributes::{Keywords, count, to_bool};
use crate::cursor::Key;
use crate::events::Announcement;
use crate::state::{Fate, write};
use crate::task::{self, TaskCx, TaskDone};
use crate::walk::Planned;

/// A task under way.
pub(super) struct Round {
    pub(super) leaf: Place,
    cx: Arc<TaskCx>,
    /// The task as a person changed it for a host.
    pub(super) revised: HashMap<HostName, Arc<TaskCx>>,
    /// Everyone who stands at the task.
    pub(super) hosts: Vec<usize>,
    /// Those who have yet to begin it.
    queue: VecDeque<usize>,
    pub(super) running: usize,
    /// The most hosts at once, by `forks` and `throttle`.
    limit: usize,
    /// All hosts share what the first one does.
    pub(super) run_once: bool,
    pub(super) includes: Vec<Wanted>,
    /// Hosts that failed or did not answer, and nothing says to ignore it.
    pub(super) losses: Vec<HostName>,
}

impl Round {
    /// The task as a host does it.
    pub(super) fn cx_of(&self, host: &HostName) -> Arc<TaskCx> {
        self.revised.get(host).unwrap_or(&self.cx).clone()
    }
}

impl Batch<'_> {
    /// Begins a task on hosts that stand at it. False: it has to wait for others that do it (`throttle`).
    pub(super) async fn begin(
        &mut self,
        leaf: &Place,
        hosts: Vec<usize>,
    ) -> Result<bool, Diagnostic> {
        let planned = &leaf.task;
        let first = self.host(hosts[0]).clone();
        if !self.may_step(planned, &first).await {
            for number in hosts {
                self.walkers[number].cursor.advance();
            }
            return Ok(true);
        }
        if &*planned.task.action.name == "meta" {
            self.meta(leaf, &hosts)?;
            return Ok(true);
        }
        let is_free = self.settings.strategy.is_free();
        let throttle = self.throttle(planned, &first)?;
        if is_free && throttle.is_some_and(|most| self.running_at(&leaf.key) >= most) {
            return Ok(false);
        }
        let run_once =
            self.flag(planned, &first, "run_once", |c| c.run_once.as_ref()) == Some(true);
        if run_once && is_free {
            self.world.events.warn_once(
                "Using run_once with the free strategy is not currently supported. This task will still be executed \
                 for every host in the inventory list.",
            );
        }
        let run_once = (run_once || actions::runs_once(&planned.task.action.name)) && !is_free;
        let announcement = self.announcement(planned, &first);
        if !is_free {
            self.world.events.announce(&announcement);
        }
        let queue =
            if run_once { VecDeque::from([hosts[0]]) } else { hosts.iter().copied().collect() };
        for number in &hosts {
            self.walkers[*number].stand = Stand::Busy;
            self.walkers[*number].begun = true;
        }
        self.begun += 1;
        let id = self.begun;
        let round = Round {
            leaf: leaf.clone(),
            cx: Arc::new(TaskCx {
                world: self.world.clone(),
                play: self.scope.clone(),
                leaf: leaf.clone(),
                announcement,
            }),
            revised: HashMap::new(),
            hosts,
            queue,
            running: 0,
            limit: throttle.unwrap_or(usize::MAX).min(self.forks()),
            run_once,
            includes: Vec::new(),
            losses: Vec::new(),
        };
        self.rounds.insert(id, round);
        self.fill(id);
        Ok(true)
    }

    fn announcement(&self, planned: &Planned, host: &HostName) -> Arc<Announcement> {
        Arc::new(Announcement {
            name: self.task_name(planned, host),
            action: planned.task.action.written.to_string(),
            handler: planned.in_handlers,
            place: crate::events::place(&planned.task.span),
            check: self.is_check(planned, host),
        })
    }

    /// Whether the task's name is to say that it runs in check mode. What is wrong with the keyword, the task tells.
    fn is_check(&self, planned: &Planned, host: &HostName) -> bool {
        let by_run = self.world.options.check;
        let Some(raw) = planned.inherited(|c| c.check_mode.as_ref()) else { return by_run };
        self.with_templar(planned, host, |templar| {
            templar.resolve(raw).and_then(|value| to_bool("check_mode", &value)).unwrap_or(by_run)
        })
    }

    fn throttle(&self, planned: &Planned, host: &HostName) -> Result<Option<usize>, Diagnostic> {
        let Some(raw) = planned.inherited(|c| c.throttle.as_ref()) else { return Ok(None) };
        self.with_templar(planned, host, |templar| {
            let wrong = |why: &str| {
                let what = "Failed to convert the throttle value to an integer";
                Diagnostic::error(format!("{what}: {why}")).at(&planned.task.span)
            };
            let value = templar.resolve(raw).map_err(|error| wrong(error.message()))?;
            let number = count("throttle", &value).map_err(|_| {
                wrong(&format!("invalid literal for int() with base 10: {}", value.repr()))
            })?;
            Ok(usize::try_from(number).ok().filter(|most| *most > 0))
        })
    }

    fn running_at(&self, key: &Key) -> usize {
        self.rounds.values().filter(|round| round.leaf.key == *key).count()
    }

    /// Starts as many hosts of a round as may run.
    fn fill(&mut self, id: usize) {
        let round = self.rounds.get_mut(&id).expect("the round is under way");
        while round.running < round.limit
            && let Some(number) = round.queue.pop_front()
        {
            round.running += 1;
            let host = self.walkers.get_index(number).expect("the host is in the batch").0.clone();
            let cx = round.cx.clone();
            self.running.spawn(async move { (id, task::run(cx, host).await) });
        }
    }

    pub(super) async fn take_joined(
        &mut self,
        done: Result<(usize, TaskDone), JoinError>,
    ) -> Result<(), Diagnostic> {
        let (id, done) = done
            .map_err(|error| Diagnostic::error(format!("a task of the engine failed: {error}")))?;
        self.rounds.get_mut(&id).expect("the round is under way").running -= 1;
        let Some(done) = self.debug(id, done).await else { return Ok(()) };
        self.take(id, done)?;
        if self.end == BatchEnd::Done {
            self.fill(id);
        }
        if self.rounds[&id].running == 0 {
            let round = self.rounds.remove(&id).expect("the round is under way");
            self.finish(round)?;
        }
        Ok(())
    }

    /// Every host has done the task.
    fn finish(&mut self, mut round: Round) -> Result<(), Diagnostic> {
        let includes = std::mem::take(&mut round.includes);
        let unread = self.insert_includes(&round.leaf, &round.cx.announcement, includes)?;
        round.losses.extend(unread);
        for number in &round.hosts {
            let walker = &mut self.walkers[*number];
            if walker.stand == Stand::Busy {
                walker.stand = Stand::Idle;
                self.idle.push_back(*number);
            }
        }
        if round.losses.is_empty() {
            return Ok(());
        }
        self.end_others(&round);
        self.publish_hosts();
        self.check_percentage();
        Ok(())
    }

    /// `any_errors_fatal`, and a task that ran once for all: who did not fail fails with the others.
    fn end_others(&mut self, round: &Round) {
        let planned = &round.leaf.task;
        let first = &round.losses[0];
        let fatal = self.flag(planned, first, "any_errors_fatal", |c| c.any_errors_fatal.as_ref());
        if !(round.run_once || fatal.unwrap_or(self.world.options.any_errors_fatal)) {
            return;
        }
        if self.settings.strategy.is_free() {
            self.world.events.warn_once(
                "Using any_errors_fatal with the free strategy is not supported, as tasks are executed independently \
                 on each host",
            );
            return;
        }
        for (host, walker) in &mut self.walkers {
            if walker.stand == Stand::Idle && !round.losses.contains(host) {
                walker.cursor.fail();
                settle(walker);
            }
        }
    }

    fn check_percentage(&mut self) {
        let Some(most) = self.settings.max_fail_percentage else { return };
        let gone = self.walkers.values().filter(|walker| walker.fate() != Fate::Alive).count();
        if gone > 0 && (gone as f64) * 100.0 / (self.walkers.len() as f64) > most {
            self.world.events.send(EventKind::NoHostsLeft);
            self.end = BatchEnd::EndRun;
        }
    }

    /// A host failed the task at hand: on to the rescue or always that there may be.
    pub(super) fn fail_host(&mut self, planned: &Planned, host: &HostName, outcome: &Outcome) {
        let task = self.failed_task(planned, host);
        let walker = &mut self.walkers[host];
        {
            let mut state = write(&walker.state);
            state.set("ansible_failed_task", task);
            state.set("ansible_failed_result", jinja::Value::from_object(outcome.to_args()));
        }
        walker.fail(planned);
        settle(walker);
    }

    /// What `ansible_failed_task` tells of a task.
    fn failed_task(&self, planned: &Planned, host: &HostName) -> jinja::Value {
        let name = self.own_name(planned, host).unwrap_or_default();
        let task = &planned.task;
        let args = self.with_templar(planned, host, |templar| {
            let args = {
                let loader = &self.world.loader;
                crate::actions::arguments(planned, templar, loader).unwrap_or_default()
            };
            args.iter()
                .filter_map(|(name, value)| Some((name.to_string(), value.to_json().ok()?)))
                .collect::<model::Args>()
        });
        let keywords = self.with_templar(planned, host, |templar| {
            let keywords = Keywords { planned, templar };
            keywords.tolerance().unwrap_or_default()
        });
        let args = if keywords.no_log { model::Args::new() } else { args };
        jinja::Value::from_json(serde_json::json!({
            "name": name,
            "action": &*task.action.written,
            "args": args,
            "ignore_errors": keywords.ignore_errors,
            "ignore_unreachable": keywords.ignore_unreachable,
            "no_log": keywords.no_log,
            "register": task.register.as_ref().map(ToString::to_string),
            "tags": planned.gathered(|c| &c.tags).map(ToString::to_string).collect::<Vec<_>>(),
        }))
    }
}

/// Keeps a host's fate in step with its walk: failed when nothing can rescue it any more.
pub(super) fn settle(walker: &mut super::Walker) {
    if walker.cursor.is_failing() {
        write(&walker.state).fate = Fate::Failed;
    }
}
