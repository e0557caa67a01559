//! Every case's template, damaged at random: whatever comes out, nothing panics, overflows the stack or hangs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jinja::{Disk, Environment, Templar, TemplateOptions, Value, Variables};
use yaml::SourceFile;

struct Vars(Value);

impl Variables for Vars {
    fn get(&self, name: &str) -> Option<Value> {
        self.0.get(name)
    }

    fn names(&self) -> Vec<Arc<str>> {
        Vec::new()
    }
}

/// A small generator with a seed: a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end.max(1)
    }
}

const CASES: [&str; 6] = [
    include_str!("cases/basics.txt"),
    include_str!("cases/filters.txt"),
    include_str!("cases/lookups.txt"),
    include_str!("cases/methods.txt"),
    include_str!("cases/statements.txt"),
    include_str!("cases/tests.txt"),
];

const PIECES: [&str; 40] = [
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "(",
    ")",
    "[",
    "]",
    "'",
    "\"",
    "|",
    "~",
    "-",
    "**",
    "//",
    " is ",
    " not ",
    " in ",
    " if ",
    " else ",
    "x",
    "l",
    "d",
    "s",
    ".",
    ",",
    ":",
    "\\",
    "0",
    "99999999999999999999",
    "1e308",
    "%s",
    "\u{e9}",
    "\u{1f600}",
    "\u{a0}",
    "for x in l",
    "endfor",
    "missing",
];

fn templates() -> Vec<&'static str> {
    let lines = CASES.iter().flat_map(|text| text.lines());
    lines
        .filter(|line| {
            !line.starts_with("    ") && !line.starts_with("vars ") && !line.starts_with('#')
        })
        // What runs commands or reads the disk is left alone when it is damaged.
        .filter(|line| {
            !["pipe", "lines", "password", "glob"].iter().any(|word| line.contains(word))
        })
        .collect()
}

fn damaged(random: &mut Random, all: &[&str]) -> String {
    let mut letters: Vec<char> = all[random.below(all.len())].chars().collect();
    for _ in 0..=random.below(4) {
        let at = random.below(letters.len() + 1);
        match random.below(5) {
            0 if at < letters.len() => drop(letters.remove(at)),
            1 => letters.truncate(at),
            2 => letters.splice(at..at, PIECES[random.below(PIECES.len())].chars()).for_each(drop),
            3 => {
                let other: Vec<char> = all[random.below(all.len())].chars().collect();
                let from = random.below(other.len() + 1);
                letters.splice(at.., other[from..].iter().copied()).for_each(drop);
            }
            _ => {
                let end = (at + random.below(12)).min(letters.len());
                let part: Vec<char> = letters[at..end].to_vec();
                letters.splice(at..at, part).for_each(drop);
            }
        }
    }
    letters.into_iter().take(4000).collect()
}

#[test]
fn damaged_templates_give_results_or_errors() {
    let mut environment = Environment::new();
    environment.limits.output = 1 << 20;
    environment.limits.steps = 200_000;
    environment.limits.time = Duration::from_secs(2);
    let vars = Vars(Value::from_json(serde_json::json!({
        "x": 1, "l": [1, "a", {"k": null}], "d": {"a": 1, "n": {"b": [2]}}, "s": "te\u{301}xt", "n": null,
    })));
    let disk = Disk { search_path: vec!["tests/files".into()] };
    let all = templates();
    let mut random = Random(20_261_123);
    for round in 0..30_000 {
        let text = damaged(&mut random, &all);
        let start = Instant::now();
        let templar = Templar::new(&environment, &vars, &disk);
        let result = match round % 3 {
            0 => templar.resolve(&Value::trusted(text.as_str(), None)),
            1 => templar.condition(&Value::trusted(text.as_str(), None)).map(Value::from),
            _ => templar
                .render_template(&SourceFile::new("t.j2", &text), &TemplateOptions::default()),
        };
        match result {
            Ok(value) => drop((value.repr(), value.to_json())),
            Err(error) => assert!(!error.message().is_empty(), "{text:?}"),
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{:?} for {text:?}", start.elapsed());
    }
}
