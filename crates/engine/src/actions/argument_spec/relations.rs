//! What options require of each other.

use jinja::{Map, Value};

/// The relations of one level of a specification.
pub(super) struct Relations<'a> {
    pub(super) spec: &'a Map,
    /// ` found in NAME`, below the first level.
    pub(super) place: &'a str,
}

impl Relations<'_> {
    fn entries(&self, name: &str) -> Vec<Value> {
        self.spec.get(&Value::from(name)).and_then(Value::sequence).unwrap_or_default()
    }

    /// Lists of names; a single list counts as one of them.
    fn groups(&self, name: &str) -> Vec<Vec<String>> {
        let entries = self.entries(name);
        if entries.iter().all(|entry| entry.as_str().is_some()) && !entries.is_empty() {
            return vec![texts(&entries)];
        }
        entries.iter().map(|entry| texts(&entry.sequence().unwrap_or_default())).collect()
    }

    /// `mutually_exclusive`.
    pub(super) fn exclusive(&self, given: &Map, errors: &mut Vec<String>) {
        let groups = self.groups("mutually_exclusive");
        let violated: Vec<String> = groups
            .iter()
            .filter(|names| names.iter().filter(|name| is_given(given, name)).count() > 1)
            .map(|names| names.join("|"))
            .collect();
        if !violated.is_empty() {
            let Self { place, .. } = self;
            errors
                .push(format!("parameters are mutually exclusive: {}{place}", violated.join(", ")));
        }
    }

    /// `required_together`, `required_one_of`, `required_if`, `required_by`.
    pub(super) fn together(&self, given: &Map, errors: &mut Vec<String>) {
        let Self { place, .. } = self;
        for names in self.groups("required_together") {
            let count = names.iter().filter(|name| is_given(given, name)).count();
            if count > 0 && count < names.len() {
                errors
                    .push(format!("parameters are required together: {}{place}", names.join(", ")));
            }
        }
        for names in self.groups("required_one_of") {
            if !names.iter().any(|name| is_given(given, name)) {
                errors
                    .push(format!("one of the following is required: {}{place}", names.join(", ")));
            }
        }
        for rule in self.entries("required_if") {
            errors.extend(self.conditional(&rule.sequence().unwrap_or_default(), given));
        }
        let by = self.spec.get(&Value::from("required_by")).and_then(Value::as_dict);
        for (name, needed) in by.map(jinja::Dict::snapshot).unwrap_or_default() {
            let name = name.to_string();
            let needed = match needed.as_str() {
                Some(one) => vec![one.to_owned()],
                None => texts(&needed.sequence().unwrap_or_default()),
            };
            let missing: Vec<String> =
                needed.into_iter().filter(|other| !is_given(given, other)).collect();
            if is_given(given, &name) && !missing.is_empty() {
                errors.push(format!(
                    "missing parameter(s) required by '{name}': {}{place}",
                    missing.join(", ")
                ));
            }
        }
    }

    /// `[option, value, needed, any]`: what a value of an option requires.
    fn conditional(&self, rule: &[Value], given: &Map) -> Option<String> {
        let [option, value, needed, rest @ ..] = rule else { return None };
        if given.get(option) != Some(value) {
            return None;
        }
        let needed = texts(&needed.sequence()?);
        let any = rest.first().is_some_and(Value::is_true);
        let missing: Vec<&str> =
            needed.iter().filter(|name| !is_given(given, name)).map(String::as_str).collect();
        let violated = if any { missing.len() == needed.len() } else { !missing.is_empty() };
        violated.then(|| {
            format!(
                "{option} is {value} but {} of the following are missing: {}{}",
                if any { "any" } else { "all" },
                missing.join(", "),
                self.place
            )
        })
    }
}

fn is_given(given: &Map, name: &str) -> bool {
    given.get(&Value::from(name)).is_some_and(|value| !value.is_none())
}

fn texts(values: &[Value]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}
