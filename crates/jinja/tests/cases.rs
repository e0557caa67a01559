//! Evaluates every case of `cases/*.txt`: a template, and the value or the error that it gives.
//!
//! A line `vars {...}` sets the variables for the cases after it. A case is a template and, indented, `=> repr` or
//! `!! error`. A template that begins with `? ` is a condition. `⏎` stands for a newline, `⇥` for a tab.

use std::fmt::Write as _;
use std::sync::Arc;

use jinja::{Disk, Environment, Templar, Value, Variables};

struct Vars(Value);

impl Variables for Vars {
    fn get(&self, name: &str) -> Option<Value> {
        self.0.get(name)
    }

    fn names(&self) -> Vec<Arc<str>> {
        let keys = self.0.as_dict().expect("variables are a dict").keys();
        keys.iter().map(|key| key.to_string().into()).collect()
    }
}

fn trusted(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::String(text) => Value::trusted(text, None),
        serde_json::Value::Array(items) => Value::list(items.into_iter().map(trusted).collect()),
        serde_json::Value::Object(map) => {
            Value::dict(map.into_iter().map(|(key, value)| (key.into(), trusted(value))).collect())
        }
        other => Value::from_json(other),
    }
}

fn result(environment: &Environment, vars: &Vars, template: &str) -> String {
    let disk = Disk { search_path: vec!["tests/files".into()] };
    let templar = Templar::new(environment, vars, &disk);
    let result = match template.strip_prefix("? ") {
        Some(condition) => templar.condition(&Value::trusted(condition, None)).map(Value::from),
        None => templar.resolve(&Value::trusted(template, None)),
    };
    match result {
        Ok(value) => format!("=> {}", value.repr()),
        Err(error) => format!("!! {error}"),
    }
}

#[track_caller]
fn check(name: &str, text: &str) {
    let environment = Environment::new();
    let mut vars = Vars(trusted(serde_json::json!({})));
    let mut template = String::new();
    let (mut wrong, mut count) = (String::new(), 0);
    for (number, line) in text.lines().enumerate() {
        if let Some(json) = line.strip_prefix("vars ") {
            vars = Vars(trusted(serde_json::from_str(json).expect("variables are JSON")));
        } else if line.starts_with("    ") {
            count += 1;
            let expected = line.trim_start();
            let actual = result(&environment, &vars, &template);
            let matches = match expected.strip_suffix('…') {
                Some(start) => actual.starts_with(start),
                None => actual == expected,
            };
            if !matches {
                writeln!(
                    wrong,
                    "{name}:{}: {template:?}\n  expected {expected}\n  actual   {actual}",
                    number + 1
                )
                .expect("a string takes everything");
            }
        } else if !line.starts_with('#') {
            template = line.replace('⏎', "\n").replace('⇥', "\t");
        }
    }
    assert!(count > 0, "{name} holds no case");
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Checks a file of one's own, such as one whose results were recorded from Ansible: `CASES=file`.
#[test]
#[ignore = "needs a file"]
fn given() {
    let path = std::env::var("CASES").expect("CASES names a file");
    check(&path, &std::fs::read_to_string(&path).expect("the file can be read"));
}

macro_rules! cases {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            check(stringify!($name), include_str!(concat!("cases/", stringify!($name), ".txt")));
        }
    )*};
}

cases! { addresses basics corners filters lookups methods statements tests }
