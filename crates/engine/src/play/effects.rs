//! Taking in what a task did on a host: results, effects, and where the host goes next.

use model::{EventKind, HostName};
use yaml::Diagnostic;

use super::includes::Wanted;
use super::round::settle;
use super::{Batch, Stand};
use crate::actions::Effect;
use crate::state::{Fate, write};
use crate::task::{TaskDone, TaskEffect};
use crate::walk::Planned;

impl Batch<'_> {
    /// Takes in what came of a round's task on one host.
    pub(super) fn take(&mut self, id: usize, mut done: TaskDone) -> Result<(), Diagnostic> {
        let round = &self.rounds[&id];
        let (leaf, host) = (round.leaf.clone(), done.host.clone());
        let planned = &leaf.task;
        let (movers, receivers): (Vec<HostName>, Vec<HostName>) = if round.run_once {
            (
                round.hosts.iter().map(|number| self.host(*number).clone()).collect(),
                self.answering(),
            )
        } else {
            (vec![host.clone()], vec![host.clone()])
        };
        for mover in &movers {
            if let Some(number) = planned.handler {
                write(&self.walkers[mover].state).notified.remove(&number);
            }
        }
        for receiver in &receivers {
            let mut state = write(&self.walkers[receiver].state);
            if let Some((name, value)) = &done.register {
                state.set(name, value.clone());
            }
        }
        for effect in std::mem::take(&mut done.effects) {
            match effect.effect {
                // What one host included for all runs on that host.
                Effect::Include(include) => {
                    let wanted = Wanted { include: *include, result: done.result.clone() };
                    let round = self.rounds.get_mut(&id).expect("the round is under way");
                    round.includes.push(wanted);
                }
                _ => self.apply(planned, &receivers, effect)?,
            }
        }
        let notify = std::mem::take(&mut done.notify);
        self.advance(id, planned, done, &movers);
        notify.iter().try_for_each(|name| self.notify(planned, &host, name))
    }

    /// The hosts of the batch that answer: all of them learn what a task found that ran once.
    fn answering(&self) -> Vec<HostName> {
        let answers = |walker: &super::Walker| walker.fate() != Fate::Unreachable;
        let hosts = self.walkers.iter().filter(|(_, walker)| answers(walker));
        hosts.map(|(host, _)| host.clone()).collect()
    }

    /// Reports the result and moves the hosts on.
    fn advance(&mut self, id: usize, planned: &Planned, mut done: TaskDone, movers: &[HostName]) {
        if !done.reported {
            self.report(&mut done);
        }
        let failed = is_failure(&done);
        let TaskDone { result, host, unreachable, .. } = done;
        let outcome = result.outcome;
        let unknown = outcome.is_unknown();
        let was_unreachable = unreachable.is_some();
        let lost = unknown || unreachable.is_some_and(|unreachable| !unreachable.ignored);
        for mover in movers {
            let walker = &mut self.walkers[mover];
            if *mover == host && !outcome.is_skipped() && !was_unreachable {
                walker.note_run(planned);
            }
            if *mover != host || !(failed || lost) {
                walker.cursor.advance();
            }
        }
        if !(failed || lost) {
            return;
        }
        if lost {
            let walker = &mut self.walkers[&host];
            walker.cursor.advance();
            walker.stand = Stand::Parked;
            write(&walker.state).fate = Fate::Unreachable;
        } else {
            self.fail_host(planned, &host, &outcome);
        }
        self.rounds.get_mut(&id).expect("the round is under way").losses.push(host);
    }

    /// Shows a result, and counts it.
    pub(super) fn report(&self, done: &mut TaskDone) {
        let failed = is_failure(done);
        let TaskDone { result, looped, host, unreachable, .. } = done;
        let is_unknown = result.outcome.is_unknown();
        result.rescued = failed && !is_unknown && self.walkers[&*host].cursor.would_rescue();
        if let Some(unreachable) = unreachable {
            let event = EventKind::HostUnreachable {
                host: host.clone(),
                message: unreachable.message.clone(),
                ignored: unreachable.ignored,
            };
            self.world.events.send_in(&done.announcement, event);
        } else if !done.included || failed {
            let event = EventKind::TaskFinished { result: result.clone(), looped: *looped };
            self.world.events.send_in(&done.announcement, event);
        }
        done.reported = true;
    }

    fn apply(
        &mut self,
        planned: &Planned,
        receivers: &[HostName],
        TaskEffect { of, effect }: TaskEffect,
    ) -> Result<(), Diagnostic> {
        let owner = [of];
        let receivers = owner[0].as_ref().map_or(receivers, |_| &[]);
        let hosts = receivers.iter().chain(&owner[0]);
        match effect {
            Effect::Facts(facts) => {
                let gathered = matches!(&*planned.task.action.name, "setup" | "gather_facts");
                for host in hosts {
                    let Some(state) = self.world.state(host.as_str()) else { continue };
                    let mut state = write(&state);
                    state.learn(&facts, !gathered, !self.world.options.facts_stay_inside);
                    state.gathered |= gathered;
                    self.world.keep_facts(&state);
                    drop(state);
                    if gathered {
                        let facts = facts.clone().into();
                        let event = EventKind::FactsLearned { host: host.clone(), facts };
                        self.world.events.send(event);
                    }
                }
            }
            Effect::SetFact(name, value) => {
                for host in hosts {
                    if let Some(state) = self.world.state(host.as_str()) {
                        write(&state).set(&name, value.clone());
                    }
                }
            }
            Effect::IncludeVar(name, value) => {
                for host in hosts {
                    if let Some(state) = self.world.state(host.as_str()) {
                        write(&state).include(
                            &name,
                            value.clone(),
                            self.world.options.merge_hashes,
                        );
                    }
                }
            }
            Effect::Stats(stats) => {
                for host in hosts {
                    let host = if stats.per_host { host.as_str() } else { "_run" };
                    write(&self.world.stats).add(host, &stats);
                }
            }
            Effect::AddHost { name, groups, vars } => {
                write(&self.world.inventory)
                    .add_host(&name, &groups, vars)
                    .map_err(|diagnostic| diagnostic.or_at(&planned.task.span))?;
                self.world.refresh(&name);
                self.publish_groups();
            }
            Effect::GroupBy { group, parents } => {
                for host in hosts {
                    write(&self.world.inventory)
                        .group_host(host, &group, &parents)
                        .map_err(|diagnostic| diagnostic.or_at(&planned.task.span))?;
                    self.world.refresh(host);
                }
                self.publish_groups();
            }
            Effect::Include(_) => unreachable!("includes wait for the other hosts"),
        }
        Ok(())
    }

    /// `meta: clear_host_errors`: failures are forgotten; who did not answer goes on from the task at hand.
    pub(super) fn forgive(&mut self, here: &crate::cursor::Key) {
        let forgiven = |walker: &super::Walker| walker.fate() != Fate::Alive;
        let hosts = self.walkers.iter().filter(|(_, walker)| forgiven(walker));
        let hosts: Vec<HostName> = hosts.map(|(host, _)| host.clone()).collect();
        self.world.events.send(EventKind::HostsForgiven { hosts });
        self.world.forgive();
        for (number, walker) in self.walkers.values_mut().enumerate() {
            walker.cursor.forgive();
            if walker.stand == Stand::Parked {
                walker.stand = Stand::Idle;
                let (world, scope) = (self.world, &self.scope);
                while walker.peek(world, scope).is_some_and(|leaf| leaf.key < *here) {
                    walker.cursor.advance();
                }
                self.idle.push_back(number);
            }
            settle(walker);
        }
        self.publish_hosts();
    }
}

/// Whether a host leaves its way for this.
fn is_failure(done: &TaskDone) -> bool {
    done.result.outcome.is_failed() && !done.result.ignored && done.unreachable.is_none()
}
