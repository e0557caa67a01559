//! The ledger against a world that can stop at any moment: what is durable stays, the rest is gone.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use model::{Args, DeployPlan, Mode, Outcome, PlanId, Step, StepId, StepReport, Verdict};
use proptest::prelude::*;
use proto::{Report, ReportBody};

use super::{Action, Decision, Ledger, Recovered, Saved, Write};

fn plan(modules: &[&str], keep_going: bool) -> DeployPlan {
    let step = |(id, module): (usize, &&str)| Step {
        id: StepId(id as u32),
        module: (*module).to_owned(),
        args: Args::new(),
        mode: Mode::default(),
        run_as: None,
        environment: BTreeMap::new(),
        timeout: None,
        no_log: false,
    };
    let steps = modules.iter().enumerate().map(step).collect();
    DeployPlan { id: PlanId::generate(), digest: None, steps, keep_going }
}

/// The machine was switched off.
struct Killed;

/// What survives: the disk, the host and the controller.
#[derive(Default)]
struct World {
    /// Operations until the next kill.
    budget: Option<usize>,
    /// How many records of an interrupted write reach the disk.
    torn: usize,
    disk: BTreeMap<PlanId, (Arc<DeployPlan>, Vec<Report>)>,
    recent: Vec<(PlanId, u64)>,
    /// How often a step did what it does.
    runs: HashMap<(PlanId, usize), usize>,
    /// What the controller has recorded, by number.
    heard: BTreeMap<u64, Report>,
    refused: Vec<(PlanId, String)>,
    /// What the controller wants done.
    wanted: Vec<DeployPlan>,
    disk_full: bool,
}

enum Input {
    Ended(PlanId, usize, Outcome),
    Ack(u64),
}

impl World {
    fn wanting(plans: impl IntoIterator<Item = DeployPlan>) -> Self {
        Self { wanted: plans.into_iter().collect(), ..Self::default() }
    }

    fn tick(&mut self) -> Result<(), Killed> {
        match &mut self.budget {
            Some(0) => {
                self.budget = None;
                Err(Killed)
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// One life of the agent: from its start until everything is done, or until it is killed.
    fn live(&mut self) -> Result<Ledger, Killed> {
        let plans = self.disk.values().map(|(plan, reports)| Saved {
            plan: Arc::clone(plan),
            reports: reports.clone(),
            damage: None,
        });
        let found = Recovered {
            plans: plans.collect(),
            recent: self.recent.clone(),
            ..Recovered::default()
        };
        let (mut ledger, decisions) = Ledger::recover(found);
        let mut inputs = VecDeque::new();
        for decision in decisions {
            self.carry_out(&mut ledger, decision, &mut inputs)?;
        }
        let open = ledger.open_plans();
        let again = Decision { write: None, then: ledger.connected() };
        self.carry_out(&mut ledger, again, &mut inputs)?;
        for plan in self.wanted.clone() {
            if !open.contains(&plan.id) && !self.is_over(plan.id) {
                let decision = ledger.plan(plan);
                self.carry_out(&mut ledger, decision, &mut inputs)?;
            }
        }
        while let Some(input) = inputs.pop_front() {
            let decision = match input {
                Input::Ended(plan, step, outcome) => ledger.step_ended(plan, step, outcome),
                Input::Ack(up_to) => ledger.acknowledged(up_to),
            };
            self.carry_out(&mut ledger, decision, &mut inputs)?;
        }
        Ok(ledger)
    }

    fn carry_out(
        &mut self,
        ledger: &mut Ledger,
        decision: Decision,
        inputs: &mut VecDeque<Input>,
    ) -> Result<(), Killed> {
        let mut actions = decision.then;
        if let Some(write) = decision.write {
            if self.disk_full {
                actions = ledger.write_failed(&write, "No space left on device");
            } else {
                self.write(&write)?;
            }
        }
        for action in actions {
            self.act(action, inputs)?;
        }
        Ok(())
    }

    fn write(&mut self, write: &Write) -> Result<(), Killed> {
        let killed = self.tick();
        let torn = if killed.is_ok() { write.reports.len() } else { self.torn };
        if let Some(plan) = &write.new {
            self.disk.insert(write.plan, (Arc::clone(plan), Vec::new()));
        }
        let journal = &mut self.disk.get_mut(&write.plan).expect("a new plan came first").1;
        journal.extend(write.reports.iter().take(torn).cloned());
        killed
    }

    fn act(&mut self, action: Action, inputs: &mut VecDeque<Input>) -> Result<(), Killed> {
        self.tick()?;
        match action {
            Action::Start { plan, step, in_doubt } => {
                let outcome = self.run(&plan, step, in_doubt);
                // It has happened; whether anybody hears of it is another question.
                self.tick()?;
                inputs.push_back(Input::Ended(plan.id, step, outcome));
            }
            Action::Send(report) => {
                let seq = report.seq.expect("the ledger numbers its reports").get();
                let before = self.heard.insert(seq, report.clone());
                assert!(before.is_none_or(|it| it == report), "number {seq} means two things");
                inputs.push_back(Input::Ack(seq));
            }
            Action::Refuse { plan, reason } => self.refused.push((plan, reason)),
            Action::Forget { plan, last } => {
                self.recent.push((plan, last));
                self.tick()?;
                self.disk.remove(&plan);
            }
            Action::Stop(_) => {}
        }
        Ok(())
    }

    fn run(&mut self, plan: &DeployPlan, step: usize, in_doubt: bool) -> Outcome {
        let runs = self.runs.entry((plan.id, step)).or_default();
        match plan.steps[step].module.as_str() {
            "command" if in_doubt => return Outcome::unknown("it may have run"),
            "file" if *runs > 0 => return Outcome::ok(Args::new()),
            _ => {}
        }
        *runs += 1;
        match plan.steps[step].module.as_str() {
            "fail" => Outcome::failed("as asked"),
            _ => Outcome::changed(Args::new()),
        }
    }

    fn is_over(&self, id: PlanId) -> bool {
        self.heard.values().any(|it| it.plan == id && it.body == ReportBody::Ended)
    }

    /// What the controller knows of a plan, in the order of the numbers.
    fn story(&self, id: PlanId) -> String {
        let word = |report: &&Report| match &report.body {
            ReportBody::Ended => "end".to_owned(),
            ReportBody::Step(StepReport::Started(step)) => format!("start{step}"),
            ReportBody::Step(StepReport::Finished { step, outcome }) => {
                let verdict = match outcome.verdict {
                    Verdict::Ok => "ok",
                    Verdict::Changed => "changed",
                    Verdict::Failed { .. } => "failed",
                    Verdict::Unknown { .. } => "unknown",
                    Verdict::Skipped { .. } => "skipped",
                };
                format!("{verdict}{step}")
            }
            ReportBody::Step(StepReport::Output { .. }) => "output".to_owned(),
        };
        let reports: Vec<_> = self.heard.values().filter(|it| it.plan == id).collect();
        reports.iter().map(word).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn a_plan_is_carried_out_told_and_forgotten() {
    for (modules, keep_going, expected) in [
        (&["file", "command"][..], false, "start0 changed0 start1 changed1 end"),
        (&["fail", "file"], false, "start0 failed0 end"),
        (&["fail", "file"], true, "start0 failed0 start1 changed1 end"),
        (&[], false, "end"),
    ] {
        let plan = plan(modules, keep_going);
        let id = plan.id;
        let mut world = World::wanting([plan]);
        let Ok(ledger) = world.live() else { panic!("nobody kills it") };
        assert_eq!(world.story(id), expected);
        assert!(world.disk.is_empty() && ledger.open_plans().is_empty() && ledger.spooled == 0);
    }
}

/// Lets the agent be killed after each number of operations, and then carry on undisturbed.
fn killed_everywhere(modules: &[&str], torn: usize, check: impl Fn(&World, PlanId, usize)) {
    for kill in 0.. {
        let plan = plan(modules, false);
        let id = plan.id;
        let mut world = World { budget: Some(kill), torn, ..World::wanting([plan]) };
        let survived = world.live().is_ok();
        assert!(survived || world.live().is_ok(), "killed once only");
        check(&world, id, kill);
        if survived {
            assert!(kill > 5, "the plan takes more than {kill} operations");
            return;
        }
    }
}

#[test]
fn a_command_never_runs_twice_wherever_the_agent_is_killed() {
    for torn in 0..3 {
        killed_everywhere(&["command", "command", "command"], torn, |world, id, kill| {
            let twice = world.runs.values().any(|runs| *runs > 1);
            assert!(!twice, "killed after {kill}: {:?}", world.runs);
            let story = world.story(id);
            assert!(story.ends_with(" end"), "killed after {kill}: {story}");
            assert!(world.disk.is_empty(), "killed after {kill}");
            // What ran is known, and what is unknown ends the plan.
            let unknown = story.matches("unknown").count();
            assert!(unknown <= 1, "{story}");
            assert!(unknown == 0 || story.ends_with("end"), "{story}");
            if unknown == 0 {
                assert_eq!(world.runs.len(), 3, "killed after {kill}: {story}");
            }
        });
    }
}

#[test]
fn what_can_be_checked_is_completed_wherever_the_agent_is_killed() {
    for torn in 0..3 {
        killed_everywhere(&["file", "file", "file"], torn, |world, id, kill| {
            let story = world.story(id);
            assert!(!story.contains("unknown"), "killed after {kill}: {story}");
            assert_eq!(world.runs.values().sum::<usize>(), 3, "killed after {kill}: {story}");
            assert!(story.ends_with("end"), "killed after {kill}: {story}");
        });
    }
}

proptest! {
    #[test]
    fn many_plans_survive_many_kills(
        plans in proptest::collection::vec(
            (proptest::collection::vec(0..3_usize, 0..5), any::<bool>()), 1..4),
        kills in proptest::collection::vec((0..60_usize, 0..3_usize), 0..6),
    ) {
        let module = |it: &usize| ["command", "file", "fail"][*it];
        let plans: Vec<DeployPlan> = plans
            .iter()
            .map(|(modules, keep)| plan(&modules.iter().map(module).collect::<Vec<_>>(), *keep))
            .collect();
        let mut world = World::wanting(plans.clone());
        for (budget, torn) in kills {
            world.budget = Some(budget);
            world.torn = torn;
            let _ = world.live();
        }
        world.budget = None;
        prop_assert!(world.live().is_ok());
        prop_assert!(world.live().is_ok());
        for plan in plans {
            let story = world.story(plan.id);
            prop_assert!(story.ends_with("end"), "{story}");
            for (step, _) in plan.steps.iter().enumerate() {
                let runs = world.runs.get(&(plan.id, step)).copied().unwrap_or(0);
                let may_repeat = plan.steps[step].module == "fail";
                prop_assert!(runs <= 1 || may_repeat, "step {step} ran {runs} times: {story}");
                let ends = ["ok", "changed", "failed", "unknown"]
                    .iter()
                    .map(|verdict| story.matches(&format!("{verdict}{step}")).count())
                    .sum::<usize>();
                prop_assert!(ends <= 1, "step {step} ended {ends} times: {story}");
            }
        }
        prop_assert!(world.disk.is_empty());
    }
}

#[test]
fn a_step_that_stops_the_agent_each_time_is_given_up() {
    let restart = plan(&["file", "file"], false);
    let id = restart.id;
    let mut world = World::wanting([restart]);
    let mut lives = 1;
    // Written, two messages, started: the step's effect is that the agent stops.
    loop {
        world.budget = Some(3);
        if world.live().is_ok() || lives > 5 {
            break;
        }
        lives += 1;
    }
    world.budget = None;
    assert!(world.live().is_ok());
    assert!(world.story(id).ends_with("unknown0 end"), "{}", world.story(id));
}

#[test]
fn a_plan_that_is_sent_again_is_answered_and_not_carried_out() {
    let plan = plan(&["command"], false);
    let mut ledger = Ledger::new();
    let first = ledger.plan(plan.clone());
    assert!(matches!(first.then[..], [Action::Send(_), Action::Start { .. }]));
    let again = ledger.plan(plan.clone());
    assert!(again.write.is_none() && matches!(again.then[..], [Action::Send(_)]), "{again:?}");
    ledger.step_ended(plan.id, 0, Outcome::changed(Args::new()));
    assert_eq!(ledger.plan(plan.clone()).then.len(), 3, "started, finished, ended");
    ledger.acknowledged(u64::MAX);
    let refused = ledger.plan(plan);
    let [Action::Refuse { reason, .. }] = &refused.then[..] else { panic!("{refused:?}") };
    assert!(reason.contains("was carried out before"));
}

#[test]
fn a_cancelled_plan_ends_with_its_running_step() {
    let plan = plan(&["command", "command"], true);
    let mut ledger = Ledger::new();
    ledger.plan(plan.clone());
    assert_eq!(ledger.cancel(plan.id).then, [Action::Stop(plan.id)]);
    let decision = ledger.step_ended(plan.id, 0, Outcome::failed("cancelled"));
    assert_eq!(decision.then.len(), 2, "finished and ended: {decision:?}");
    assert_eq!(ledger.cancel(plan.id), Decision::default());
    assert_eq!(ledger.cancel(PlanId::generate()), Decision::default());
}

#[test]
fn a_full_disk_stops_plans_and_nothing_else() {
    let new = plan(&["command"], false);
    let mut world = World { disk_full: true, ..World::wanting([new.clone()]) };
    let Ok(ledger) = world.live() else { panic!("nobody kills it") };
    assert!(world.runs.is_empty() && ledger.open_plans().is_empty() && ledger.spooled == 0);
    let (id, reason) = &world.refused[0];
    assert!(*id == new.id && reason.ends_with("it did not begin: No space left on device"));

    let running = plan(&["command", "command"], false);
    let mut ledger = Ledger::new();
    ledger.plan(running.clone());
    let decision = ledger.step_ended(running.id, 0, Outcome::changed(Args::new()));
    let actions = ledger.write_failed(&decision.write.expect("a write"), "full");
    let mut world = World::default();
    for action in actions {
        assert!(world.act(action, &mut VecDeque::new()).is_ok());
    }
    assert_eq!(world.story(running.id), "changed0 start1 failed1 end");
    assert!(!ledger.is_busy());
}

#[test]
fn results_wait_for_the_controller_up_to_a_limit() {
    let mut ledger = Ledger::new();
    ledger.spool_limit = 1000;
    let first = plan(&["command"], false);
    ledger.plan(first.clone());
    let large = Args::from_iter([("stdout".to_owned(), "x".repeat(5000).into())]);
    let decision = ledger.step_ended(first.id, 0, Outcome::changed(large));
    assert_eq!(decision.then.len(), 2, "a verdict is never dropped");
    let refused = ledger.plan(plan(&["command"], false));
    assert!(matches!(refused.then[..], [Action::Refuse { .. }]), "{refused:?}");
    assert_eq!(ledger.connected().len(), 3);
    ledger.acknowledged(u64::MAX);
    assert!(ledger.plan(plan(&["command"], false)).write.is_some());
}

#[test]
fn a_damaged_journal_ends_its_plan_as_unknown() {
    let damaged = plan(&["file", "file", "file"], false);
    let started = |step| ReportBody::Step(StepReport::Started(StepId(step)));
    let outcome = Box::new(Outcome::changed(Args::new()));
    let finished = ReportBody::Step(StepReport::Finished { step: StepId(0), outcome });
    for (bodies, expected) in [
        (vec![], "unknown0 end"),
        (vec![started(0)], "start0 unknown0 end"),
        (vec![started(0), finished.clone()], "start0 changed0 unknown1 end"),
        (vec![started(0), finished, started(1)], "start0 changed0 start1 unknown1 end"),
    ] {
        let numbered = bodies.into_iter().zip(1..).map(|(body, seq)| Report {
            seq: std::num::NonZeroU64::new(seq),
            plan: damaged.id,
            body,
        });
        let saved = Saved {
            plan: Arc::new(damaged.clone()),
            reports: numbered.collect(),
            damage: Some("a record is damaged".to_owned()),
        };
        let found = Recovered { plans: vec![saved], hidden: 100, ..Recovered::default() };
        let (mut ledger, decisions) = Ledger::recover(found);
        assert!(decisions.iter().all(|it| it.write.is_none()), "its file is gone");
        assert!(ledger.next_seq() > 100, "hidden numbers are not used again");
        let mut world = World::default();
        for action in ledger.connected() {
            assert!(world.act(action, &mut VecDeque::new()).is_ok());
        }
        assert_eq!(world.story(damaged.id), expected);
        ledger.acknowledged(u64::MAX);
        assert!(ledger.open_plans().is_empty());
    }
}

#[test]
fn a_plan_that_cannot_be_read_is_refused_for_ever() {
    let lost = plan(&["file"], false);
    let found = Recovered { lost: vec![(lost.id, "zeros".to_owned())], ..Recovered::default() };
    let (mut ledger, _) = Ledger::recover(found);
    assert_eq!(ledger.open_plans(), [lost.id]);
    assert!(matches!(ledger.connected()[..], [Action::Refuse { .. }]));
    assert!(matches!(ledger.plan(lost).then[..], [Action::Refuse { .. }]));
}
