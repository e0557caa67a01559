//! The secret arguments of a step: nothing that leaves the runner shows them.

use model::{Diff, DiffContent, Outcome, Verdict};
use serde_json::Value;

use super::types::python_text;
use crate::contract::Failure;

/// Shorter secrets are masked where they stand alone, not within other text: that would make nonsense of it.
const SHORTEST_WITHIN_TEXT: usize = 4;

/// Values to be masked.
#[derive(Debug, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    pub(crate) fn add(&mut self, value: &Value) {
        match value {
            Value::Array(list) => list.iter().for_each(|value| self.add(value)),
            Value::Object(object) => object.values().for_each(|value| self.add(value)),
            Value::Null | Value::Bool(_) => {}
            other => self.0.push(python_text(other)),
        }
        self.0.retain(|text| !text.is_empty());
        self.0.sort_by_key(|text| std::cmp::Reverse(text.len()));
    }

    pub(super) fn mask_failure(&self, mut failure: Failure) -> Failure {
        self.mask_text(&mut failure.message);
        failure
    }

    /// Masks them in everything that an outcome says.
    pub(crate) fn mask_outcome(&self, outcome: &mut Outcome) {
        if self.0.is_empty() {
            return;
        }
        for (name, value) in &mut outcome.result {
            self.mask_value(value);
            // What a server or a program gave may echo secrets anywhere; what the task gave is known to hold none.
            if name != "invocation" {
                self.mask_keys(value);
            }
        }
        outcome.warnings.iter_mut().for_each(|text| self.mask_text(text));
        match &mut outcome.verdict {
            Verdict::Failed { message } | Verdict::Unknown { message } => self.mask_text(message),
            Verdict::Skipped { reason } => self.mask_text(reason),
            Verdict::Ok | Verdict::Changed => {}
        }
        for Diff { before, after, .. } in &mut outcome.diff {
            self.mask_content(before);
            self.mask_content(after);
        }
    }

    fn mask_content(&self, content: &mut DiffContent) {
        match content {
            DiffContent::Text(text) => self.mask_text(text),
            DiffContent::State(value) => self.mask_value(value),
            DiffContent::Binary(_) | DiffContent::TooLarge(_) => {}
        }
    }

    fn mask_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.mask_text(text),
            Value::Array(list) => list.iter_mut().for_each(|value| self.mask_value(value)),
            Value::Object(object) => object.values_mut().for_each(|value| self.mask_value(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn mask_keys(&self, value: &mut Value) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(|value| self.mask_keys(value)),
            Value::Object(object) => {
                object.values_mut().for_each(|value| self.mask_keys(value));
                let leaks = |key: &String| {
                    let long = self.0.iter().filter(|secret| secret.len() >= SHORTEST_WITHIN_TEXT);
                    long.into_iter().any(|secret| key.contains(secret.as_str()))
                };
                if object.keys().any(leaks) {
                    let entries = std::mem::take(object).into_iter();
                    object.extend(entries.map(|(mut key, value)| {
                        self.mask_text(&mut key);
                        (key, value)
                    }));
                }
            }
            _ => {}
        }
    }

    fn mask_text(&self, text: &mut String) {
        for secret in &self.0 {
            if text == secret {
                super::MASKED.clone_into(text);
            } else if secret.len() >= SHORTEST_WITHIN_TEXT && text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), "********");
            }
        }
    }
}
