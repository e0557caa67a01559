//! What rendering costs: `cargo run --release -p jinja --example render` prints nanoseconds a render for templates as
//! playbooks have them, each with a templar of its own as a task on a host has.
#![expect(clippy::print_stdout, reason = "a bench tells a person")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use jinja::{Disk, Environment, Map, Templar, Value, Variables};

struct Vars(Map);

impl Variables for Vars {
    fn get(&self, name: &str) -> Option<Value> {
        self.0.get(name).cloned()
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.0.keys().map(|name| name.to_string().into()).collect()
    }
}

const TEMPLATES: [(&str, &str); 12] = [
    ("data", "plain text"),
    ("variable", "{{ name }}"),
    ("text", "host {{ name }} on {{ port }}"),
    ("indirect", "{{ url }}"),
    ("default", "{{ missing | default('x') }}"),
    ("arithmetic", "{{ port + 1 }}"),
    ("attribute", "{{ facts.network.address }}"),
    ("filters", "{{ users | map(attribute='name') | join(',') }}"),
    ("selection", "{{ users | selectattr('active') | list | length }}"),
    ("loop", "{% for user in users %}{{ user.name }}:{{ user.id }} {% endfor %}"),
    ("big value", "{{ users }}"),
    ("method", "{{ name.split('-') | last }}"),
];

const CONDITIONS: [&str; 3] =
    ["port == 8080", "name is defined and name != ''", "'web' in groups and not facts.virtual"];

fn variables() -> Vars {
    let trusted = |text: &str| Value::trusted(text, None);
    let user = |id: i64| {
        Value::dict(Map::from_iter([
            ("name".into(), Value::from(format!("user{id}"))),
            ("id".into(), id.into()),
            ("active".into(), (id % 2 == 0).into()),
        ]))
    };
    let network = Map::from_iter([("address".into(), Value::from("10.0.0.1"))]);
    let facts = Map::from_iter([
        ("network".into(), Value::dict(network)),
        ("virtual".into(), false.into()),
    ]);
    Vars(Map::from_iter([
        ("name".into(), trusted("web-01")),
        ("port".into(), 8080.into()),
        ("url".into(), trusted("http://{{ name }}:{{ port }}/{{ path }}")),
        ("path".into(), trusted("{{ name | upper }}")),
        ("facts".into(), Value::dict(facts)),
        ("groups".into(), Value::list(vec!["web".into(), "db".into()])),
        ("users".into(), (0..100).map(user).collect()),
    ]))
}

/// The time of one round, by as many as fit in a fifth of a second.
fn measure(mut round: impl FnMut()) -> Duration {
    for _ in 0..100 {
        round();
    }
    let (start, mut rounds) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_millis(200) {
        for _ in 0..100 {
            round();
        }
        rounds += 100;
    }
    start.elapsed() / rounds
}

fn main() {
    let (environment, vars, disk) = (Environment::new(), variables(), Disk::default());
    let templar = || Templar::new(&environment, &vars, &disk);
    for (name, text) in TEMPLATES {
        let value = Value::trusted(text, None);
        let time = measure(|| {
            templar().resolve(&value).expect("the template is well");
        });
        println!("{:>8} ns  {name}: {text}", time.as_nanos());
    }
    for text in CONDITIONS {
        let value = Value::trusted(text, None);
        let time = measure(|| {
            templar().condition(&value).expect("the condition is well");
        });
        println!("{:>8} ns  when: {text}", time.as_nanos());
    }
}
