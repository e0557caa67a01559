//! What the templar promises beyond results: trust, marks, places, laziness, caching, limits, template files.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jinja::{
    Args, Disk, Environment, Error, ErrorKind, Kind, Map, Marks, Object, Scope, Templar,
    TemplateOptions, Traits, Value, Variables,
};
use yaml::{SourceFile, Span};

struct Vars(Map);

impl Variables for Vars {
    fn get(&self, name: &str) -> Option<Value> {
        self.0.get(name).cloned()
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.0.keys().map(|key| key.to_string().into()).collect()
    }
}

fn vars(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Vars {
    Vars(entries.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn template(text: &str) -> Value {
    Value::trusted(text, None)
}

fn with_templar<T>(vars: &Vars, run: impl FnOnce(&Templar<'_>) -> T) -> T {
    let environment = Environment::new();
    run(&Templar::new(&environment, vars, &Disk::default()))
}

fn resolve(vars: &Vars, text: &str) -> Result<Value, Error> {
    with_templar(vars, |templar| templar.resolve(&template(text)))
}

fn span(file: &Arc<SourceFile>, part: &str) -> Arc<Span> {
    let start = file.text.find(part).expect("the part is in the file");
    Arc::new(file.span(start, start + part.len()))
}

#[test]
fn data_is_never_evaluated() {
    let evil = "{{ lookup('pipe', 'touch /tmp/owned') }}";
    let vars = vars([
        ("data", Value::from(evil)),
        ("facts", Value::from_json(serde_json::json!({"a": {"b": [evil]}, "n": evil}))),
        ("through", template("{{ data }}")),
        ("joined", template("{{ '{' ~ '{ 1 + 1 }' ~ '}' }}")),
        ("quoted", template("{{ '{{ 1 + 1 }}' }}")),
        ("unsafe", template(evil).untrusted()),
        ("list", Value::list(vec![template("{{ data }}"), Value::from(evil)])),
    ]);
    for text in [
        "{{ data }}",
        "{{ facts.a.b[0] }}",
        "{{ facts.n }}",
        "{{ through }}",
        "{{ data | trim }}",
        "{{ [data] | first }}",
        "{{ {'k': data}.k }}",
        "{{ facts['n'] | default('x') }}",
        "{{ unsafe }}",
        "{{ list[0] }}",
        "{{ list[1] }}",
        "{{ list | last }}",
        "{{ list | map('string') | first }}",
        "{{ lookup('vars', 'through') }}",
        "{{ (data | to_json | from_json) }}",
        "{{ ({'x': data} | to_yaml | from_yaml).x }}",
        "{% set x = data %}{{ x }}",
        "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(data) }}",
        "{{ hostvarslike | default(data) }}",
    ] {
        assert_eq!(resolve(&vars, text).expect(text).to_string(), evil, "{text}");
    }
    assert_eq!(resolve(&vars, "{{ joined }}").expect("joins").to_string(), "{{ 1 + 1 }}");
    assert_eq!(resolve(&vars, "{{ quoted }}").expect("quotes").to_string(), "{{ 1 + 1 }}");
    // A result that goes round again stays data, whatever it looks like.
    with_templar(&vars, |templar| {
        let once = templar.resolve(&template("{{ data }} and {{ joined }}")).expect("renders");
        assert!(!once.marks().any(Marks::TRUSTED | Marks::TEMPLATE));
        assert_eq!(templar.resolve(&once).expect("is data"), once);
        let refused = templar.condition(&Value::from("1 == 1")).expect_err("data is no condition");
        assert_eq!(*refused.kind(), ErrorKind::Condition);
    });
    assert!(!std::path::Path::new("/tmp/owned").exists());
}

#[test]
fn secrets_stay_secret_through_every_operation() {
    let secret = || Value::from("hunter2").marked(Marks::SECRET);
    let vars = vars([
        ("pw", secret()),
        (
            "user",
            Value::dict(
                [("name".into(), "bob".into()), ("pw".into(), secret())].into_iter().collect(),
            ),
        ),
        ("doc", Value::from("{\"k\": \"v\", \"l\": [\"w\"]}").marked(Marks::SECRET)),
        ("url", template("http://{{ pw }}@h")),
        ("list", Value::list(vec![secret(), "open".into()])),
    ]);
    for text in [
        "{{ pw }}",
        "x{{ pw }}",
        "{{ pw ~ 'x' }}",
        "{{ pw + 'x' }}",
        "{{ pw * 2 }}",
        "{{ pw[0] }}",
        "{{ pw[1:] }}",
        "{{ pw.upper() }}",
        "{{ 'x'.join([pw]) }}",
        "{{ '%s' % pw }}",
        "{{ '{}'.format(pw) }}",
        "{{ 'a' | regex_replace('a', pw) }}",
        "{{ pw | b64encode }}",
        "{{ pw | hash('sha256') }}",
        "{{ user.pw }}",
        "{{ user['pw'] }}",
        "{{ user | to_json }}",
        "{{ user.values() | list | last }}",
        "{{ user | dict2items | map(attribute='value') | last }}",
        "{{ (doc | from_json).k }}",
        "{{ (doc | from_json).l[0] }}",
        "{{ (doc | from_json).l | first }}",
        "{{ (doc | from_json).items() | list | first | first }}",
        "{% for x in (doc | from_json).l %}{{ x }}{% endfor %}",
        "{{ url }}",
        "{% set x = pw %}{{ x }}",
        "{% set x %}{{ pw }}{% endset %}{{ x }}",
        "{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(pw) }}",
        "{% filter upper %}{{ pw }}{% endfilter %}",
        "{{ [pw, 'a'] | join(',') }}",
        "{{ pw if true else 'x' }}",
        "{{ missing | default(pw) }}",
        "{{ list | first }}",
        "{{ list | sort | last | string ~ list[0] }}",
        "{{ pw | split('t') | first }}",
        "{{ list }}",
    ] {
        assert!(resolve(&vars, text).expect(text).is_secret(), "{text}");
    }
    for text in [
        "{{ user.name }}",
        "{{ user.name ~ 'x' }}",
        "{{ list[1] }}",
        "{{ list | last }}",
        "{{ list | length }}",
        "{{ pw == 'hunter2' }}",
        "{{ pw is defined }}",
        "{{ user | dict2items | map(attribute='key') | first }}",
        "{{ 'open' in list }}",
        "{{ 'a' if pw else 'b' }}",
    ] {
        assert!(!resolve(&vars, text).expect(text).is_secret(), "{text}");
    }
}

#[test]
fn errors_do_not_quote_secrets() {
    let secret = Value::from("hunter2").marked(Marks::SECRET);
    let vars = vars([("pw", secret.clone()), ("list", Value::list(vec![secret]))]);
    for text in [
        "{{ pw | from_json }}",
        "{{ pw | human_to_bytes }}",
        "{{ list | items2dict }}",
        "{{ pw.index('x') }}",
        "{{ list.index(1) }}",
        "{{ {}.pop(pw) }}",
        "{{ pw | strftime(pw) }}",
        "{{ lookup('file', pw) }}",
        "{{ 'x' | regex_replace(pw, 'y', mandatory_count=1) }}",
        "{{ 5 / pw }}",
        "{{ pw is version('1', '>') }}",
    ] {
        let error = resolve(&vars, text).expect_err(text);
        let shown = yaml::Diagnostic::from(error.clone()).render(yaml::Style::Plain);
        assert!(!shown.contains("hunter2") && !error.to_string().contains("hunter2"), "{shown}");
    }
}

#[test]
fn what_check_mode_does_not_know_shows_in_conditions() {
    let unknown = Value::unknown("Ask", None);
    let result =
        Value::dict([("stdout".into(), unknown), ("rc".into(), 0.into())].into_iter().collect());
    let part = Value::dict([("skipped".into(), true.into())].into_iter().collect()).partial(None);
    let x = Value::unknown("Ask", None);
    let vars = vars([("r", result), ("p", part), ("x", x)]);
    with_templar(&vars, |templar| {
        let ask = |text: &str| {
            templar.condition(&template(text)).is_err_and(|error| {
                assert!(error.message().contains("did not run in check mode"), "{error}");
                error.is_unknown()
            })
        };
        for text in [
            "r.stdout == 'x'",
            "'x' in r.stdout",
            "r.stdout | length > 0",
            "not r.stdout",
            "r.stdout is match('a')",
            "r.rc == 0 and r.stdout == ''",
            "r.stdout | default('') | trim == ''",
            "(1 if r.stdout else 2) == 1",
            "r.stdout is defined",
            "p.other == 1",
            "p['other'] is defined",
            "p.get('other') == 1",
            "p is changed",
            "p is not failed",
            "x | default('') == ''",
            "[x] == []",
        ] {
            assert!(ask(text), "{text}");
        }
        for text in [
            "r.rc == 0",
            "p is skipped",
            "r.rc == 1 and r.stdout == ''",
            "r.rc == 0 or x",
            "p is defined and r is defined",
        ] {
            assert!(!ask(text), "{text}");
        }
    });
}

#[test]
fn errors_name_the_place_in_the_file() {
    let file = SourceFile::new(
        "site.yml",
        "a: \"{{ b.nope }}\"\nb: {x: 1}\nmsg: |\n  fine\n  bad {{ a | upper }}\nsyntax: '{{ 1 + }}'\ncond: x.y == 1\n",
    );
    let value = |text: &str, part: &str| Value::trusted(text, Some(span(&file, part)));
    let vars = vars([
        ("a", value("{{ b.nope }}", "\"{{ b.nope }}\"")),
        ("b", Value::from_json(serde_json::json!({"x": 1}))),
    ]);
    with_templar(&vars, |templar| {
        let message = value("fine\nbad {{ a | upper }}\n", "|\n  fine\n  bad {{ a | upper }}\n");
        let error = templar.resolve(&message).expect_err("nope is not there");
        assert_eq!(error.message(), "object of type 'dict' has no attribute 'nope'");
        let place = error.place().expect("it has a place");
        assert_eq!((place.line, place.column, place.text()), (1, 10, "nope"));
        assert_eq!(error.notes()[0].text, "while evaluating a");
        let report = yaml::Diagnostic::from(error).render(yaml::Style::Plain);
        assert!(report.contains("site.yml:1:10"), "{report}");
        assert!(report.contains("{{ b.nope }}"), "{report}");

        let error = templar.resolve(&value("{{ 1 + }}", "'{{ 1 + }}'")).expect_err("bad syntax");
        assert_eq!(error.place().map(|place| place.line), Some(6));
        let error = templar.condition(&value("x.y == 1", "x.y == 1")).expect_err("x is undefined");
        assert_eq!(error.message(), "Error while evaluating conditional: 'x' is undefined");
        assert_eq!(error.place().map(|place| (place.line, place.column)), Some((7, 7)));
    });
}

#[test]
fn cycles_are_told_with_every_step() {
    let file = SourceFile::new("vars.yml", "a: '{{ b }}'\nb: '{{ c.d }}'\nc: {d: '{{ a }}'}\n");
    let value = |text: &str| Value::trusted(text, Some(span(&file, &format!("'{text}'"))));
    let inner = Value::dict([("d".into(), value("{{ a }}"))].into_iter().collect());
    let vars = vars([("a", value("{{ b }}")), ("b", value("{{ c.d }}")), ("c", inner)]);
    let error = resolve(&vars, "{{ a }}").expect_err("it goes round");
    assert_eq!(error.message(), "Recursive loop detected in template: a -> b -> 'd' -> a");
    assert_eq!(*error.kind(), ErrorKind::Recursion);
    let lines: Vec<u32> =
        error.notes().iter().filter_map(|note| note.place.as_ref()).map(|p| p.line).collect();
    assert_eq!(lines, [3, 2, 1]);
    assert!(resolve(&vars, "{{ a | default('x') }}").is_err(), "a cycle is not undefined");
    assert_eq!(resolve(&vars, "{{ c | length }}").expect("c is a dict").to_string(), "1");
}

/// Counts how often it is called.
fn counting(environment: &mut Environment) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    environment.filter("counted", Traits::default(), move |_, value, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(value)
    });
    count
}

#[test]
fn variables_are_evaluated_once_and_only_when_needed() {
    let mut environment = Environment::new();
    let count = counting(&mut environment);
    let list = Value::list((0..5).map(|_| template("{{ 1 | counted }}")).collect());
    let vars = vars([("used", template("{{ 5 | counted }}")), ("list", list)]);
    let disk = Disk::default();
    let templar = Templar::new(&environment, &vars, &disk);
    let run = |text: &str| templar.resolve(&template(text)).expect(text);
    run("{{ used }}{{ used }}");
    run("{{ used + used }}");
    assert_eq!(count.load(Ordering::Relaxed), 1, "a variable is cached");
    run("{{ list | length }}");
    assert_eq!(count.load(Ordering::Relaxed), 1, "a length needs no element");
    run("{{ list[2] }}");
    run("{{ list | first }}");
    assert_eq!(count.load(Ordering::Relaxed), 3, "an element is evaluated alone");
    run("{{ list }}");
    run("{{ list | to_json }}");
    assert_eq!(count.load(Ordering::Relaxed), 8, "a whole list is cached");
}

#[test]
fn templates_cannot_change_variables() {
    let shared = Value::from_json(serde_json::json!({"l": [1], "d": {"k": 1}}));
    let vars = vars([("v", shared.clone()), ("alias", template("{{ v }}"))]);
    let text = "{% set _ = v.l.append(2) %}{% set _ = v.d.update({'k': 2}) %}{{ v.l }}{{ v.d.k }}{{ v.l | length }}";
    assert_eq!(resolve(&vars, text).expect("changes its copy").to_string(), "[1, 2]22");
    assert_eq!(
        resolve(&vars, "{% set _ = alias.l.append(2) %}{{ alias.l }}").expect("x").repr(),
        "[1, 2]"
    );
    assert_eq!(shared, Value::from_json(serde_json::json!({"l": [1], "d": {"k": 1}})));
}

#[test]
fn limits_end_what_would_not() {
    let mut environment = Environment::new();
    environment.limits.output = 1 << 20;
    environment.limits.steps = 100_000;
    environment.limits.time = Duration::from_secs(5);
    let vars =
        vars([("deep", (0..100_000).fold(Value::from(1), |inner, _| Value::list(vec![inner])))]);
    let disk = Disk::default();
    let templar = Templar::new(&environment, &vars, &disk);
    let start = Instant::now();
    let nested = |open: &str, close: &str, n: usize| {
        format!("{{{{ {}1{} }}}}", open.repeat(n), close.repeat(n))
    };
    let chain = |link: &str, n: usize| format!("{{{{ x{} }}}}", link.repeat(n));
    for (text, wanted) in [
        ("{{ 'a' * 10000000 }}".to_owned(), "larger than"),
        ("{{ [0] * 10000000 }}".into(), "larger than"),
        ("{{ range(100000000) }}".into(), "larger than"),
        ("{% for i in range(20000) %}{{ 'a' * 1000 }}{% endfor %}".into(), "larger than"),
        ("{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}".into(), "steps"),
        ("{% set s = 'a' * 1000 %}{% for a in range(100) %}{% set s = s ~ s %}{{ s }}{% endfor %}".into(), "a"),
        ("{% set ns = namespace(s='a') %}{% for a in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}".into(), "larger than"),
        ("{% set l = [1] %}{% for a in range(100) %}{% set _ = l.extend(l) %}{% endfor %}".into(), "larger than"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".into(), "recursion depth"),
        ("{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!' is match('(a*)*(?=b)$') }}".into(), ""),
        ("{{ 2 ** 100000 }}".into(), "too large"),
        ("{{ '%1000000000s' % 1 | length }}".into(), ""),
        ("{{ 'x'.center(1000000000) }}".into(), "larger than"),
        ("{{ 'x' | indent(1000000000) }}".into(), "larger than"),
        ("{{ [1,2,3,4,5,6,7,8] | product(repeat=20) | list }}".into(), "larger than"),
        ("{{ range(30) | permutations | list }}".into(), ""),
        (nested("(", ")", 5000), "too long"),
        (nested("(", ")", 400), "maximum recursion"),
        (nested("[", "]", 5000), "too long"),
        (nested("[", "]", 400), "maximum recursion"),
        (nested("-", "", 5000), ""),
        (nested("not ", "", 1400), ""),
        (chain(".a", 100_000), "too long"),
        (chain("+x", 100_000), "too long"),
        (chain("|a", 1000), ""),
        (chain("[0]", 100_000), "too long"),
        (chain(" if x else x", 10_000), ""),
        ("{{ deep }}".into(), "nested too deeply"),
        ("{{ deep | to_json }}".into(), ""),
        ("{{ deep | flatten }}".into(), "nested too deeply"),
        ("{% set l = [] %}{% set _ = l.append(l) %}{{ l }}".into(), "nested too deeply"),
        ("{% set l = [] %}{% set _ = l.append(l) %}{{ l == [l] }}{{ l | to_json }}".into(), "Circular"),
    ] {
        let result = templar.resolve(&template(&text));
        let shown: String = text.chars().take(60).collect();
        if !wanted.is_empty() && wanted != "a" {
            let error = result.expect_err(&shown);
            assert!(error.message().contains(wanted), "{shown}: {error}");
        }
    }
    assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
}

#[test]
fn a_file_is_rendered_with_its_own_options() {
    let vars = vars([("x", Value::from(5)), ("l", Value::from_json(serde_json::json!([1, 2])))]);
    let render = |text: &str, options: &TemplateOptions| {
        let file = SourceFile::new("t.j2", text);
        with_templar(&vars, |templar| templar.render_template(&file, options))
            .map(|v| v.to_string())
    };
    let default = TemplateOptions::default();
    for (text, expected) in [
        ("a {{ x }}\n", "a 5\n"),
        ("{{ x }}", "5"),
        ("{{ none }}|\n", "|\n"),
        ("", ""),
        ("{% for i in l %}\n  {{ i }}\n{% endfor %}\nend\n", "  1\n  2\nend\n"),
        ("#jinja2: trim_blocks: False\n{% if true %}\na\n{% endif %}\nb\n", "\na\n\nb\n"),
        ("#jinja2: lstrip_blocks: True\n  {% if true %}\na\n  {% endif %}\nb\n", "a\nb\n"),
        (
            "#jinja2: variable_start_string:'[%', variable_end_string:'%]', trim_blocks: False\n[% x %] {{ x }}\n",
            "5 {{ x }}\n",
        ),
        ("#jinja2:newline_sequence:'\\r\\n'\na\nb {{ x }}\n", "a\r\nb 5\r\n"),
        ("a\r\n{{ x }}\r\n", "a\n5\n"),
        ("{{ 'a\\nb' }}\n", "a\nb\n"),
        ("{{ '\\\\d' }}", "\\d"),
        ("{{ l }} {{ {'a': none} }}\n", "[1, 2] {'a': None}\n"),
        ("{% if true %}x{% endif %}\n", "x\n"),
        ("{% if false %}x{% endif %}\n", ""),
        ("#jinja2: line_statement_prefix: ':'\n: if true\na\n: endif\n", "a\n"),
    ] {
        assert_eq!(render(text, &default).expect(text), expected, "{text:?}");
    }
    let spaced =
        TemplateOptions { lstrip_blocks: true, keep_trailing_newline: false, ..default.clone() };
    assert_eq!(render("  {% if true %}\nx\n  {% endif %}\n", &spaced).expect("renders"), "x\n");
    let windows = TemplateOptions { newline_sequence: "\r\n".into(), ..default.clone() };
    assert_eq!(render("a\nb\n", &windows).expect("renders"), "a\r\nb\r\n");
    for (text, line, message) in [
        ("a\nb {{ nope }}\n", 2, "'nope' is undefined"),
        ("a\n\n{% if x %}\n", 3, "Unexpected end of template"),
        ("#jinja2: trim_block: False\nx", 1, "unknown option 'trim_block'"),
        ("#jinja2: trim_blocks: maybe\nx", 1, "must be True or False"),
        ("#jinja2: trim_blocks\nx", 1, "Missing key-value separator"),
        ("#jinja2: variable_start_string:'[%'\n\n[% nope }}\n", 3, "'nope' is undefined"),
    ] {
        let file = SourceFile::new("t.j2", text);
        let error = with_templar(&vars, |templar| templar.render_template(&file, &default))
            .expect_err(text);
        assert!(error.message().contains(message), "{text:?}: {error}");
        assert_eq!(error.place().map(|place| place.line), Some(line), "{text:?}");
    }
}

#[test]
fn includes_and_imports_are_found_beside_the_file_and_told_when_missing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("writes");
        SourceFile::new(path, text)
    };
    write("part.j2", "part of {{ who }} {{ x }}\n");
    write("bad.j2", "ok\n{{ nope }}\n");
    write("base.j2", "{% block a %}base{% endblock %}/{% block b %}{% endblock %}\n");
    write("mid.j2", "{% extends 'base.j2' %}{% block a %}mid {{ super() }}{% endblock %}");
    write("self.j2", "{% include 'self.j2' %}");
    let vars = vars([("x", Value::from(5))]);
    let environment = Environment::new();
    let disk = Disk::default();
    let templar = Templar::new(&environment, &vars, &disk);
    let render =
        |text: &str| templar.render_template(&write("main.j2", text), &TemplateOptions::default());
    for (text, expected) in [
        ("{% set who = 'me' %}{% include 'part.j2' %}", "part of me 5"),
        (
            "{% for who in ['a', 'b'] %}{% include 'part.j2' %}{% endfor %}",
            "part of a 5part of b 5",
        ),
        ("{% include ['none.j2', 'part.j2'] %}", ""),
        (
            "{% extends 'mid.j2' %}{% block a %}top {{ super() }}{% endblock %}{% block b %}B{% endblock %}",
            "top mid base/B",
        ),
    ] {
        match render(text) {
            Ok(value) => assert_eq!(value.to_string(), expected, "{text}"),
            Err(error) => assert!(expected.is_empty(), "{text}: {error}"),
        }
    }
    let error = render("{% include 'bad.j2' %}").expect_err("nope is undefined");
    let place = error.place().expect("it has a place");
    assert!(place.path().ends_with("bad.j2") && place.line == 2, "{place}");
    let error = render("\n{% include 'none.j2' %}").expect_err("it is missing");
    assert_eq!(*error.kind(), ErrorKind::NotFound);
    assert_eq!(error.place().map(|place| place.line), Some(2));
    let error = render("{% include 'self.j2' %}").expect_err("it includes itself");
    assert_eq!(*error.kind(), ErrorKind::Recursion);
}

/// Variables of another host: found by name, each resolved in that host's own world.
struct Other;

impl Object for Other {
    fn type_name(&self) -> &'static str {
        "HostVars"
    }

    fn get(&self, key: &Value) -> Option<Result<Value, Error>> {
        match key.as_str()? {
            "web" => Some(Ok(Value::from_json(serde_json::json!({"ip": "10.0.0.1"})))),
            _ => None,
        }
    }

    fn keys(&self) -> Option<Vec<Value>> {
        Some(vec!["web".into()])
    }
}

#[test]
fn objects_act_as_dicts_and_functions_are_called() {
    let mut environment = Environment::new();
    environment.function("twice", |_: &Scope<'_>, mut args: Args| {
        let value = args.required("value")?.as_i64().unwrap_or_default();
        args.finish()?;
        Ok(Value::from(value * 2))
    });
    let vars = vars([("hostvars", Value::object(Arc::new(Other)))]);
    let disk = Disk::default();
    let templar = Templar::new(&environment, &vars, &disk);
    for (text, expected) in [
        ("{{ hostvars['web'].ip }}", "'10.0.0.1'"),
        ("{{ hostvars.web.ip }}", "'10.0.0.1'"),
        ("{{ hostvars | list }}", "['web']"),
        ("{{ 'web' in hostvars }}", "True"),
        ("{{ hostvars['db'] is defined }}", "False"),
        ("{{ hostvars['db'].ip | default('none') }}", "'none'"),
        ("{{ ['web'] | map('extract', hostvars, 'ip') | list }}", "['10.0.0.1']"),
        ("{{ hostvars | dict2items | map(attribute='key') | list }}", "['web']"),
        ("{{ twice(4) }}", "8"),
        ("{{ twice(value=4) }}", "8"),
    ] {
        assert_eq!(templar.resolve(&template(text)).expect(text).repr(), expected, "{text}");
    }
    for (text, message) in [
        ("{{ hostvars['db'].ip }}", "object of type 'HostVars' has no attribute 'db'"),
        ("{{ twice() }}", "missing 1 required positional argument: 'value'"),
        ("{{ twice(1, 2) }}", "got 1 unexpected positional argument(s)"),
        ("{{ hostvars() }}", "'HostVars' object is not callable"),
    ] {
        let error = templar.resolve(&template(text)).expect_err(text);
        assert!(error.message().contains(message), "{text}: {error}");
    }
}

#[test]
fn the_user_hears_of_deprecations_and_broken_conditions_can_be_allowed() {
    let mut environment = Environment::new();
    environment.allow_broken_conditionals = true;
    let vars = vars([("l", Value::from_json(serde_json::json!([1])))]);
    let disk = Disk::default();
    let templar = Templar::new(&environment, &vars, &disk);
    assert!(templar.condition(&template("l")).expect("is allowed"));
    assert!(templar.condition(&template("{{ l | length == 1 }}")).expect("is allowed"));
    assert!(templar.condition(&Value::from(true)).expect("is a boolean"));
    let notes = templar.take_notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!(templar.take_deprecations().len(), 1);
    assert!(templar.take_notes().is_empty());
    assert!(templar.condition(&template(" ")).is_err());
}

#[test]
fn results_are_values_of_their_own_kind() {
    let vars = vars([]);
    for (text, kind) in [
        ("{{ 1 }}", Kind::Int),
        ("{{ 1.0 }}", Kind::Float),
        ("{{ true }}", Kind::Bool),
        ("{{ none }}", Kind::None),
        ("{{ [] }}", Kind::List),
        ("{{ () }}", Kind::List),
        ("{{ {} }}", Kind::Dict),
        ("{{ 'a' }}", Kind::Str),
        ("{{ 1 }}{{ 2 }}", Kind::Str),
        ("{{ omit }}", Kind::Omit),
        ("{{ 'a'.encode() }}", Kind::Bytes),
        ("{{ now() }}", Kind::Object),
    ] {
        assert_eq!(resolve(&vars, text).expect(text).kind(), kind, "{text}");
    }
}
