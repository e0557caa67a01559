//! Recovery as tables: events, plans and results in, new events out.

use jiff::Timestamp;
use model::{AgentId, Recap, StepId};

use super::*;

/// Events of a run, from number 1.
fn events(run: RunId, kinds: Vec<EventKind>) -> Vec<Event> {
    let at = Timestamp::UNIX_EPOCH;
    (1..).zip(kinds).map(|(seq, kind)| Event { run, seq, at, kind }).collect()
}

fn task(name: &str) -> EventKind {
    let place = model::Place { file: "site.yml".into(), line: 3, column: 7 };
    EventKind::TaskStarted {
        name: name.into(),
        action: "ansible.builtin.shell".into(),
        handler: false,
        place: Some(place),
        check: false,
    }
}

fn result_on(host: &str, verdict: Verdict) -> HostResult {
    HostResult {
        host: host.into(),
        delegated_to: None,
        task: "first".into(),
        action: "ansible.builtin.shell".into(),
        outcome: Outcome::new(verdict, Args::new()),
        ignored: false,
        rescued: false,
        no_log: false,
        causes: Vec::new(),
        verbose_always: false,
        place: None,
        took: Duration::ZERO,
    }
}

fn finished(host: &str) -> EventKind {
    EventKind::TaskFinished { result: result_on(host, Verdict::Ok), looped: false }
}

fn item(host: &str, verdict: Verdict) -> EventKind {
    EventKind::ItemFinished { result: result_on(host, verdict), item: Item { label: "a".into() } }
}

fn plan(run: RunId, host: &str, after_seq: u64, steps: u32) -> Plan {
    Plan {
        id: PlanId::generate(),
        run,
        host: host.into(),
        agent: Some(AgentId::generate()),
        after_seq,
        steps,
        no_log: false,
    }
}

/// `-`: it began; else its verdict.
fn records(plan: &Plan, words: &str) -> Vec<StepRecord> {
    let outcome = |word: &str| match word {
        "ok" => Some(Outcome::ok(Args::new())),
        "changed" => Some(Outcome::changed(Args::new())),
        "failed" => Some(Outcome::failed("no")),
        _ => None,
    };
    let record =
        |(step, word)| StepRecord { plan: plan.id, step: StepId(step), outcome: outcome(word) };
    (0..).zip(words.split_whitespace()).map(record).collect()
}

fn verdict(outcome: &Outcome) -> &'static str {
    match outcome.verdict {
        Verdict::Ok => "ok",
        Verdict::Changed => "changed",
        Verdict::Skipped { .. } => "skipped",
        Verdict::Failed { .. } => "failed",
        Verdict::Unknown { .. } => "unknown",
    }
}

/// One line an event.
fn shown(kinds: &[EventKind]) -> Vec<String> {
    let show = |kind: &EventKind| match kind {
        EventKind::TaskFinished { result, looped } => {
            let what = if *looped { "loop" } else { "task" };
            format!("{what} {} {} {}", result.task, result.host, verdict(&result.outcome))
        }
        EventKind::ItemFinished { result, .. } => {
            format!("item {} {} {}", result.task, result.host, verdict(&result.outcome))
        }
        other => format!("{other:?}"),
    };
    kinds.iter().map(show).collect()
}

#[test]
fn a_plan_that_no_event_tells_of_is_told_by_its_results() {
    let run = RunId::generate();
    let first = || vec![task("first")];
    let with = |more: Vec<EventKind>| first().into_iter().chain(more).collect::<Vec<_>>();
    type Case = (&'static str, Vec<EventKind>, u32, &'static str, bool, &'static [&'static str]);
    let cases: Vec<Case> = vec![
        ("its result came", first(), 1, "changed", true, &["task first web01 changed"]),
        ("it failed", first(), 1, "failed", true, &["task first web01 failed"]),
        ("it began", first(), 1, "-", false, &["task first web01 unknown"]),
        ("nothing was heard", first(), 1, "", false, &["task first web01 unknown"]),
        ("it was refused", first(), 1, "", true, &[]),
        ("it was told", with(vec![finished("web01")]), 1, "ok", true, &[]),
        ("another was told", with(vec![finished("db01")]), 1, "ok", true, &["task first web01 ok"]),
        ("an item was told", with(vec![item("web01", Verdict::Ok)]), 1, "ok", true, &[]),
        (
            "a loop was cut off",
            with(vec![item("web01", Verdict::Ok)]),
            3,
            "ok changed -",
            false,
            &["item first web01 changed", "item first web01 unknown", "loop first web01 unknown"],
        ),
        (
            "a loop stopped at a failure",
            first(),
            3,
            "ok failed",
            true,
            &["item first web01 ok", "item first web01 failed", "loop first web01 failed"],
        ),
        (
            "a loop was told but for its end",
            with(vec![item("web01", Verdict::Ok), item("web01", Verdict::Changed)]),
            2,
            "ok changed",
            true,
            &["loop first web01 changed"],
        ),
        (
            "a host that did not answer",
            with(vec![EventKind::HostUnreachable {
                host: "web01".into(),
                message: "gone".into(),
                ignored: false,
            }]),
            1,
            "",
            false,
            &[],
        ),
    ];
    for (name, kinds, steps, words, has_ended, expected) in cases {
        let events = events(run, kinds);
        let plan = plan(run, "web01", 1, steps);
        let open = untold(&events, std::iter::once(&plan));
        let left: Vec<_> = open
            .into_iter()
            .map(|plan| Left { plan, has_ended, steps: records(plan, words) })
            .collect();
        assert_eq!(shown(&told(&events, &left)), expected, "{name}");
    }
}

#[test]
fn a_result_belongs_to_the_task_that_was_current() {
    let run = RunId::generate();
    let events = events(run, vec![task("first"), finished("web01"), task("second"), task("third")]);
    let second = plan(run, "web01", 3, 1);
    assert_eq!(untold(&events, std::iter::once(&second)), [&second]);
    let left = [Left { plan: &second, has_ended: true, steps: records(&second, "ok") }];
    let kinds = told(&events, &left);
    assert_eq!(shown(&kinds), ["task second web01 ok"]);
    let EventKind::TaskFinished { result, .. } = &kinds[0] else { panic!("{kinds:?}") };
    assert_eq!(result.place.as_ref().map(|place| place.line), Some(3));

    let mut recap = Recap::default();
    for kind in events.iter().map(|event| &event.kind).chain(&kinds) {
        recap.add(kind);
    }
    assert_eq!(recap.hosts[&HostName::from("web01")].ok, 2);
}

#[test]
fn a_delegated_result_tells_of_the_host_that_it_came_from() {
    let run = RunId::generate();
    let result =
        HostResult { delegated_to: Some("db01".into()), ..result_on("web01", Verdict::Ok) };
    let events =
        events(run, vec![task("first"), EventKind::TaskFinished { result, looped: false }]);
    let plan = plan(run, "db01", 1, 1);
    assert!(untold(&events, std::iter::once(&plan)).is_empty());
}

#[test]
fn what_nobody_may_see_stays_hidden() {
    let run = RunId::generate();
    let events = events(run, vec![task("first")]);
    let plan = Plan { no_log: true, ..plan(run, "web01", 1, 1) };
    let left = [Left { plan: &plan, has_ended: true, steps: records(&plan, "changed") }];
    let kinds = told(&events, &left);
    let EventKind::TaskFinished { result, .. } = &kinds[0] else { panic!("{kinds:?}") };
    assert!(result.no_log && result.outcome.result.contains_key("censored"));
}
