//! Event lists in, exact text out. The texts were observed on ansible-core 2.19.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use model::{
    Cause, Diff, DiffContent, Event, EventKind, HostName, HostRecap, HostResult, Item, Outcome,
    OutputStream, Place, Recap, RunId, RunStatus, Verdict,
};
use serde_json::{Value, json};

use crate::{Console, JsonLines, Minimal, OneLine, Options, Reporter};

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("UTF-8")
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Writer = Box<dyn Write + Send>;

/// What a reporter writes to its two streams.
fn play(
    make: impl FnOnce(Writer, Writer) -> Box<dyn Reporter>,
    events: Vec<EventKind>,
) -> [String; 2] {
    let (out, err) = (Paper::default(), Paper::default());
    let mut reporter = make(Box::new(out.clone()), Box::new(err.clone()));
    for (seq, kind) in (1..).zip(events) {
        let event = Event { run: RunId::generate(), seq, at: Timestamp::UNIX_EPOCH, kind };
        reporter.see(&event).expect("memory takes everything");
    }
    reporter.finish().expect("memory takes everything");
    [out.text(), err.text()]
}

fn console(options: Options, events: Vec<EventKind>) -> [String; 2] {
    play(|out, err| Box::new(Console::new(out, err, options)), events)
}

/// Standard output of a console.
fn lines(options: Options, events: Vec<EventKind>) -> String {
    console(options, events)[0].clone()
}

fn verbose(verbosity: u8) -> Options {
    Options { verbosity, ..Options::default() }
}

fn task(name: &str) -> EventKind {
    EventKind::TaskStarted {
        name: name.into(),
        action: "ansible.builtin.command".into(),
        handler: false,
        place: None,
        check: false,
    }
}

fn result(action: &str, verdict: Verdict, keys: Value) -> HostResult {
    let Value::Object(keys) = keys else { panic!("results are objects") };
    HostResult {
        host: "web1".into(),
        delegated_to: None,
        task: "t".into(),
        action: action.into(),
        outcome: Outcome::new(verdict, keys),
        ignored: false,
        rescued: false,
        no_log: false,
        causes: Vec::new(),
        verbose_always: action == "debug",
        place: None,
        took: Duration::ZERO,
    }
}

fn failed(message: &str) -> Verdict {
    Verdict::Failed { message: message.into() }
}

fn skipped() -> Verdict {
    Verdict::Skipped { reason: "Conditional result was False".into() }
}

fn finished(result: HostResult) -> EventKind {
    EventKind::TaskFinished { result, looped: false }
}

fn item(result: HostResult, label: Value) -> EventKind {
    EventKind::ItemFinished { result, item: Item { label } }
}

/// One result under a task called `t`; the banner is checked and cut off.
fn one(options: Options, event: EventKind) -> String {
    let text = lines(options, vec![task("t"), event]);
    let banner = format!("\nTASK [t] {}\n", "*".repeat(71));
    text.strip_prefix(&banner).map(str::to_owned).unwrap_or(text)
}

#[test]
fn results_by_verdict() {
    let keys =
        || json!({"stdout": "a\nb", "rc": 0, "_ansible_x": 1, "invocation": {"module_args": {}}});
    let cases: Vec<(u8, EventKind, &str)> = vec![
        (0, finished(result("command", Verdict::Ok, keys())), "ok: [web1]\n"),
        (0, finished(result("command", Verdict::Changed, keys())), "changed: [web1]\n"),
        (0, finished(result("command", skipped(), json!({}))), "skipping: [web1]\n"),
        (
            1,
            finished(result("command", Verdict::Changed, keys())),
            "changed: [web1] => {\"changed\": true, \"rc\": 0, \"stdout\": \"a\\nb\"}\n",
        ),
        (
            1,
            finished(result("command", skipped(), json!({"false_condition": false}))),
            "skipping: [web1] => {\"changed\": false, \"false_condition\": false, \"skip_reason\": \"Conditional result was False\"}\n",
        ),
        (
            3,
            finished(result("command", Verdict::Ok, json!({"invocation": {"module_args": {}}}))),
            "ok: [web1] => {\n    \"changed\": false,\n    \"invocation\": {\n        \"module_args\": {}\n    }\n}\n",
        ),
        (
            0,
            finished(result("debug", Verdict::Ok, json!({"msg": "hi"}))),
            "ok: [web1] => {\n    \"msg\": \"hi\"\n}\n",
        ),
        (1, finished(result("setup", Verdict::Ok, json!({"ansible_facts": {}}))), "ok: [web1]\n"),
        (1, finished(result("ansible.builtin.include_tasks", Verdict::Ok, json!({}))), ""),
        (
            0,
            finished(result(
                "command",
                Verdict::Unknown { message: "the agent died".into() },
                json!({}),
            )),
            "[ERROR]: Task failed: Module failed: the agent died\nfatal: [web1]: UNKNOWN! => {\"changed\": false, \"msg\": \"the agent died\", \"unknown\": true}\n",
        ),
    ];
    for (verbosity, event, expected) in cases {
        assert_eq!(one(verbose(verbosity), event), expected);
    }
}

#[test]
fn failures_say_why_and_where() {
    let options = Options {
        read_source: |file| {
            (file == "p.yml")
                .then(|| (1..=40).fold(String::new(), |text, n| text + &format!("line {n}\n")))
        },
        ..Options::default()
    };
    let place = |file: &str| Some(Place { file: file.into(), line: 10, column: 6 });
    let mut fail = result("fail", failed("multi\nline"), json!({}));
    fail.place = place("p.yml");
    fail.ignored = true;
    let text = lines(
        options,
        vec![finished(fail.clone()), {
            let mut again = fail.clone();
            again.host = "web2".into();
            again.ignored = false;
            finished(again)
        }],
    );
    let stars = "*".repeat(71);
    assert_eq!(
        text,
        format!(
            "\nTASK [t] {stars}\n[ERROR]: Task failed: Action failed: multi\nline\nOrigin: p.yml:10:6\n\n \
             8 line 8\n 9 line 9\n10 line 10\n        ^ column 6\n\n\
             fatal: [web1]: FAILED! => {{\"changed\": false, \"msg\": \"multi\\nline\"}}\n...ignoring\n\
             fatal: [web2]: FAILED! => {{\"changed\": false, \"msg\": \"multi\\nline\"}}\n"
        )
    );

    let mut unread = result("command", failed("x"), json!({"rc": 1, "changed": true}));
    unread.place = place("gone.yml");
    assert_eq!(
        one(options, finished(unread)),
        "[ERROR]: Task failed: Module failed: x\nOrigin: gone.yml:10:6\n\
         fatal: [web1]: FAILED! => {\"changed\": true, \"msg\": \"x\", \"rc\": 1}\n"
    );

    let undefined = result("debug", failed("Task failed: 'x' is undefined"), json!({}));
    assert_eq!(
        one(verbose(0), finished(undefined)),
        "[ERROR]: Task failed: 'x' is undefined\n\
         fatal: [web1]: FAILED! => {\n    \"msg\": \"Task failed: 'x' is undefined\"\n}\n"
    );
}

#[test]
fn a_content_error_shows_its_excerpt() {
    let mut undefined = result("debug", failed("Task failed: 'x' is undefined"), json!({}));
    undefined.verbose_always = false;
    let at = |line, column| Some(Place { file: "p.yml".into(), line, column });
    let cause = |message: &str, place| Cause { message: message.into(), place, hint: None };
    undefined.causes = vec![
        cause("Task failed", at(2, 3)),
        cause("Finalization of task args for 'debug' failed", at(2, 3)),
        cause("Error while resolving value for 'msg'", at(3, 10)),
        cause("'x' is undefined", at(1, 4)),
    ];
    undefined.causes[3].hint = Some("did you mean 'y'?".into());
    let options = Options {
        read_source: |_| Some("v: {{ x }}\n- debug:\n    msg: a\n".into()),
        ..verbose(0)
    };
    let text = lines(options, vec![finished(undefined.clone())]);
    let (_, text) = text.split_once("*\n").expect("a banner");
    assert_eq!(
        text,
        "[ERROR]: Task failed: Finalization of task args for 'debug' failed: Error while resolving value for 'msg': \
         'x' is undefined\n\nTask failed: Finalization of task args for 'debug' failed.\nOrigin: p.yml:2:3\n\n\
         1 v: {{ x }}\n2 - debug:\n    ^ column 3\n\n<<< caused by >>>\n\nError while resolving value for 'msg'.\n\
         Origin: p.yml:3:10\n\n1 v: {{ x }}\n2 - debug:\n3     msg: a\n           ^ column 10\n\n<<< caused by >>>\n\n\
         'x' is undefined\nOrigin: p.yml:1:4\n\n1 v: {{ x }}\n     ^ column 4\n\ndid you mean 'y'?\n\n\
         fatal: [web1]: FAILED! => {\"msg\": \"Task failed: 'x' is undefined\"}\n"
    );
    let aborted = || EventKind::Aborted { message: "error: bad YAML\n --> p.yml:1:1".into() };
    let [_, err] = console(verbose(0), vec![aborted()]);
    assert_eq!(err, "[ERROR]: bad YAML\n --> p.yml:1:1\n");
}

#[test]
fn loops_are_told_item_by_item() {
    let looped = |result| EventKind::TaskFinished { result, looped: true };
    let mut ignored =
        result("command", failed("One or more items failed"), json!({"results": [1]}));
    ignored.ignored = true;
    let events = vec![
        task("t"),
        item(result("command", Verdict::Changed, json!({})), json!("a")),
        item(result("command", Verdict::Ok, json!({})), json!({"a": 1, "b": null})),
        item(result("command", skipped(), json!({})), json!(1)),
        item(
            result("command", failed("non-zero return code"), json!({"rc": 1, "changed": true})),
            json!(2),
        ),
        looped(ignored),
        task("s"),
        looped(result(
            "command",
            Verdict::Skipped { reason: "All items skipped".into() },
            json!({"results": []}),
        )),
    ];
    let [t, s] = [71, 71].map(|count| "*".repeat(count));
    assert_eq!(
        lines(verbose(0), events),
        format!(
            "\nTASK [t] {t}\nchanged: [web1] => (item=a)\nok: [web1] => (item={{'a': 1, 'b': None}})\n\
             skipping: [web1] => (item=1) \n[ERROR]: Task failed: Module failed: non-zero return code\n\
             failed: [web1] (item=2) => {{\"changed\": true, \"msg\": \"non-zero return code\", \"rc\": 1}}\n...ignoring\n\
             \nTASK [s] {s}\n\nTASK [t] {t}\nskipping: [web1]\n"
        )
    );
    let skip = result(
        "command",
        Verdict::Skipped { reason: "All items skipped".into() },
        json!({"results": []}),
    );
    assert_eq!(
        one(verbose(1), looped(skip)),
        "skipping: [web1] => {\"changed\": false, \"msg\": \"All items skipped\"}\n"
    );
}

#[test]
fn nothing_of_a_no_log_task_is_shown() {
    let censored = "{\"censored\": \"the output has been hidden due to the fact that 'no_log: true' was specified for this result\", \"changed\": ";
    let secret = |verdict| {
        let mut result = result("command", verdict, json!({"stdout": "hunter2"}));
        result.no_log = true;
        result.outcome.warnings = vec!["hunter2".into()];
        result.outcome.diff = vec![text_diff("", "hunter2\n")];
        result
    };
    for verbosity in [1, 3] {
        for event in [
            finished(secret(Verdict::Changed)),
            finished(secret(failed("hunter2"))),
            item(secret(Verdict::Changed), json!("hunter2")),
            item(secret(failed("hunter2")), json!("hunter2")),
        ] {
            let [out, err] = console(verbose(verbosity), vec![task("t"), event]);
            assert!(!out.contains("hunter2") && err.is_empty(), "{out}{err}");
        }
    }
    assert_eq!(
        one(verbose(1), finished(secret(Verdict::Changed))),
        format!("changed: [web1] => {censored}true}}\n")
    );
    let item = item(secret(Verdict::Changed), json!("hunter2"));
    assert_eq!(one(verbose(0), item), "changed: [web1] => (item=(censored due to no_log))\n");
}

fn text_diff(before: &str, after: &str) -> Diff {
    Diff {
        before_header: String::new(),
        after_header: "/etc/motd".into(),
        before: DiffContent::Text(before.into()),
        after: DiffContent::Text(after.into()),
    }
}

fn diffed(diff: Diff) -> HostResult {
    let mut result = result("copy", Verdict::Changed, json!({}));
    result.outcome.diff = vec![diff];
    result
}

#[test]
fn diffs_precede_their_result() {
    let state = |state: &str| DiffContent::State(json!({"path": "/d", "state": state}));
    let cases = [
        (text_diff("", "a\nb\n"), "--- before\n+++ after: /etc/motd\n@@ -0,0 +1,2 @@\n+a\n+b\n\n"),
        (
            text_diff("a\nb\nc\n", "a\nB\nc"),
            "--- before\n+++ after: /etc/motd\n@@ -1,3 +1,3 @@\n a\n-b\n-c\n+B\n+c\n\\ No newline at end of file\n\n",
        ),
        (
            Diff { before: state("absent"), after: state("directory"), ..text_diff("", "") },
            "--- before\n+++ after: /etc/motd\n@@ -1,4 +1,4 @@\n {\n     \"path\": \"/d\",\n-    \"state\": \"absent\"\n+    \"state\": \"directory\"\n }\n\n",
        ),
        (
            Diff { before: DiffContent::Binary(3), ..text_diff("", "x") },
            "diff skipped: destination file appears to be binary\n\n",
        ),
        (
            Diff { after: DiffContent::TooLarge(9), ..text_diff("", "") },
            "diff skipped: source file of 9 bytes is too large to show\n\n",
        ),
        (
            text_diff("", "\u{1b}[2J\n"),
            "--- before\n+++ after: /etc/motd\n@@ -0,0 +1 @@\n+\\x1b[2J\n\n",
        ),
        (text_diff("same", "same"), ""),
    ];
    for (diff, expected) in cases {
        let text = one(verbose(0), finished(diffed(diff)));
        assert_eq!(text, format!("{expected}changed: [web1]\n"));
    }
    let hidden = Options { show_diff: false, ..Options::default() };
    assert_eq!(one(hidden, finished(diffed(text_diff("", "a\n")))), "changed: [web1]\n");
}

#[test]
fn colours_are_those_of_ansible() {
    let options = Options { colour: true, ..Options::default() };
    let recap = HostRecap {
        ok: 20,
        changed: 14,
        failed: 1,
        skipped: 2,
        ignored: 4,
        ..HostRecap::default()
    };
    let recap = Recap { hosts: [("web1".into(), recap)].into_iter().collect() };
    let events = vec![
        finished(diffed(text_diff("a\n", "b"))),
        EventKind::RunFinished { recap, status: RunStatus::Failed },
    ];
    let [out, _] = console(options, events);
    let [t, r] = [71, 69].map(|count| "*".repeat(count));
    assert_eq!(
        out.replace('\x1b', "\\e"),
        format!(
            "\nTASK [t] {t}\n\\e[0;31m--- before\\e[0m\n\\e[0;31m\\e[0m\\e[0;32m+++ after: /etc/motd\\e[0m\n\
             \\e[0;32m\\e[0m\\e[0;36m@@ -1 +1 @@\\e[0m\n\\e[0;36m\\e[0m\\e[0;31m-a\\e[0m\n\\e[0;31m\\e[0m\
             \\e[0;32m+b\\e[0m\n\\e[0;32m\\ No newline at end of file\\e[0m\n\\e[0;32m\\e[0m\n\
             \\e[0;33mchanged: [web1]\\e[0m\n\nPLAY RECAP {r}\n\
             \\e[0;31mweb1\\e[0m                       : \\e[0;32mok=20  \\e[0m \\e[0;33mchanged=14  \\e[0m \
             unreachable=0    \\e[0;31mfailed=1   \\e[0m \\e[0;36mskipped=2   \\e[0m rescued=0    \
             \\e[1;35mignored=4   \\e[0m\n\n"
        )
    );
}

#[test]
fn a_run_from_its_first_to_its_last_line() {
    let hosts = || vec![HostName::from("web2"), HostName::from("web1")];
    let mut delegated = result("command", Verdict::Changed, json!({}));
    delegated.task = "r : in role".into();
    delegated.delegated_to = Some("db".into());
    let recap =
        ["web2", "web1"].map(|name| (name.into(), HostRecap { ok: 1, ..HostRecap::default() }));
    let events = vec![
        EventKind::RunStarted { playbooks: vec!["p.yml".into()], check: false },
        EventKind::PlayStarted { name: "first".into(), hosts: hosts(), check: false },
        task("r : in role"),
        finished(delegated),
        EventKind::Retried { host: "web1".into(), name: "retry".into(), left: 2 },
        EventKind::Included { file: "/inc.yml".into(), hosts: hosts(), item: None },
        EventKind::TaskStarted {
            name: "hand".into(),
            action: "command".into(),
            handler: true,
            place: Some(Place { file: "p.yml".into(), line: 3, column: 1 }),
            check: false,
        },
        EventKind::HandlerNotified { name: "hand".into(), host: "web1".into() },
        EventKind::HostUnreachable {
            host: "web2".into(),
            message: "no route".into(),
            ignored: true,
        },
        EventKind::NoHostsMatched { name: "nowhere".into() },
        EventKind::Warned { message: "once\u{7}".into() },
        EventKind::Warned { message: "once\u{7}".into() },
        EventKind::Aborted { message: "broken".into() },
        EventKind::RunFinished {
            recap: Recap { hosts: recap.into_iter().collect() },
            status: RunStatus::Failed,
        },
    ];
    let [out, err] = console(Options::default(), events);
    let line =
        "ok=1    changed=0    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0   ";
    let stars = |taken: usize| "*".repeat(79 - taken);
    assert_eq!(
        out,
        format!(
            "\nPLAY [first] {}\n\nTASK [r : in role] {}\nchanged: [web1 -> db]\n\
             FAILED - RETRYING: [web1]: retry (2 retries left).\nincluded: /inc.yml for web2, web1\n\
             \nRUNNING HANDLER [hand] {}\n[ERROR]: Task failed: no route\nOrigin: p.yml:3:1\n\
             fatal: [web2]: UNREACHABLE! => {{\"changed\": false, \"msg\": \"Task failed: no route\", \"unreachable\": true}}\n\
             ...ignoring\n\nPLAY [nowhere] {}\nskipping: no hosts matched\n\nPLAY RECAP {}\n\
             web1                       : {line}\nweb2                       : {line}\n\n",
            stars(12),
            stars(18),
            stars(22),
            stars(14),
            stars(10),
        )
    );
    assert_eq!(err, "[WARNING]: once\\x07\n[ERROR]: broken\n");
}

#[test]
fn the_width_is_the_terminals_and_at_least_79() {
    for (width, columns) in [(None, 79), (Some(20), 79), (Some(100), 99)] {
        let options = Options { width, ..Options::default() };
        let text = lines(options, vec![task("t")]);
        assert_eq!(text, format!("\nTASK [t] {}\n", "*".repeat(columns - 8)));
    }
    let long = "x".repeat(90);
    assert_eq!(lines(Options::default(), vec![task(&long)]), format!("\nTASK [{long}] ***\n"));
}

#[test]
fn hidden_results_hide_their_banner() {
    let options = Options { display_ok: false, display_skipped: false, ..Options::default() };
    let events = |verdict| vec![task("t"), finished(result("command", verdict, json!({})))];
    assert_eq!(lines(options, events(Verdict::Ok)), "");
    assert_eq!(lines(options, events(skipped())), "");
    let changed = lines(options, events(Verdict::Changed));
    assert_eq!(changed, format!("\nTASK [t] {}\nchanged: [web1]\n", "*".repeat(71)));
}

#[test]
fn live_output_is_shown_from_the_first_v_and_harmless() {
    let output = || EventKind::Output {
        host: "web1".into(),
        stream: OutputStream::Stdout,
        text: "a\n\u{1b}]0;title\u{7}b\n".into(),
    };
    assert_eq!(one(verbose(0), output()), "");
    assert_eq!(one(verbose(1), output()), "web1 | a\nweb1 | \\x1b]0;title\\x07b\n");
}

#[test]
fn what_the_agent_says_is_shown_from_the_third_v() {
    let said = || EventKind::Output {
        host: "web1".into(),
        stream: OutputStream::Agent,
        text: "EXEC sudo -H\u{7}".into(),
    };
    assert_eq!(one(verbose(2), said()), "");
    assert_eq!(one(verbose(3), said()), "<web1> EXEC sudo -H\\x07\n");
}

#[test]
fn an_aborted_run_has_no_recap() {
    let finish = EventKind::RunFinished { recap: Recap::default(), status: RunStatus::Aborted };
    let [out, err] = console(
        Options::default(),
        vec![EventKind::Aborted { message: "bad YAML".into() }, finish],
    );
    assert_eq!([out.as_str(), err.as_str()], ["", "[ERROR]: bad YAML\n"]);
}

#[test]
fn ad_hoc_results() {
    let shell = || json!({"stdout": "out", "stderr": "err", "rc": 3, "changed": true});
    let cases = [
        (
            finished(result("ping", Verdict::Ok, json!({"ping": "pong"}))),
            "web1 | SUCCESS => {\n    \"changed\": false,\n    \"ping\": \"pong\"\n}\n",
            "web1 | SUCCESS => {\"changed\": false,\"ping\": \"pong\"}\n",
        ),
        (
            finished(result(
                "command",
                Verdict::Changed,
                json!({"stdout": "a\nb", "stderr": "", "rc": 0, "msg": ""}),
            )),
            "web1 | CHANGED | rc=0 >>\na\nb\n",
            "web1 | CHANGED | rc=0 | (stdout) a\\nb\n",
        ),
        (
            finished(result("shell", failed("non-zero return code"), shell())),
            "[ERROR]: Task failed: Module failed: non-zero return code\nweb1 | FAILED | rc=3 >>\nouterrnon-zero return code\n",
            "[ERROR]: Task failed: Module failed: non-zero return code\nweb1 | FAILED | rc=3 | (stdout) out (stderr) err\n",
        ),
        (
            finished(result("fail", failed("x"), json!({}))),
            "[ERROR]: Task failed: Action failed: x\nweb1 | FAILED! => {\n    \"changed\": false,\n    \"msg\": \"x\"\n}\n",
            "[ERROR]: Task failed: Action failed: x\nweb1 | FAILED! => {\"changed\": false,\"msg\": \"x\"}\n",
        ),
        (
            EventKind::HostUnreachable {
                host: "web1".into(),
                message: "gone\u{7}".into(),
                ignored: false,
            },
            "[ERROR]: Task failed: gone\\x07\nweb1 | UNREACHABLE! => {\n    \"changed\": false,\n    \"msg\": \"gone\\u0007\",\n    \"unreachable\": true\n}\n",
            "web1 | UNREACHABLE!: gone\\x07\n",
        ),
        (finished(result("command", skipped(), json!({}))), "web1 | SKIPPED\n", "web1 | SKIPPED\n"),
    ];
    for (event, minimal, one_line) in cases {
        let options = Options::default();
        let events = || vec![event.clone()];
        assert_eq!(
            play(|out, err| Box::new(Minimal::new(out, err, options)), events())[0],
            minimal
        );
        assert_eq!(
            play(|out, err| Box::new(OneLine::new(out, err, options)), events())[0],
            one_line
        );
    }
}

#[test]
fn json_lines_read_back() {
    let events = vec![task("t"), finished(diffed(text_diff("a", "b")))];
    let [out, _] = play(|out, _| Box::new(JsonLines::new(out)), events.clone());
    let read = out.lines().map(|line| serde_json::from_str::<Event>(line).expect("an event").kind);
    assert_eq!(read.collect::<Vec<_>>(), events);
}
