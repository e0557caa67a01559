//! Fields with their values, as deb822(5) writes them.

use crate::contract::Failure;

/// The fields of one source.
#[derive(Debug, Default)]
pub(super) struct Stanza {
    fields: Vec<(&'static str, String)>,
}

impl Stanza {
    pub(super) fn flag(&mut self, name: &'static str, value: Option<bool>) {
        let word = |flag| if flag { "yes" } else { "no" }.to_owned();
        self.text_field(name, value.map(word));
    }

    pub(super) fn words(&mut self, name: &'static str, words: &[String]) {
        self.text_field(name, Some(words.join(" ")).filter(|_| !words.is_empty()));
    }

    pub(super) fn text_field(&mut self, name: &'static str, value: Option<String>) {
        self.fields.extend(value.map(|value| (name, value)));
    }

    /// The text. Only a key may have several lines: in other fields they would make fields of their own.
    pub(super) fn text(&self) -> Result<String, Failure> {
        let mut text = String::new();
        for (name, value) in &self.fields {
            let value = value.trim();
            if !value.contains(['\n', '\r']) {
                text.push_str(&format!("{name}: {value}\n"));
                continue;
            }
            if *name != "Signed-By" {
                return Err(Failure::new(format!("the field {name} must be one line")));
            }
            text.push_str(&format!("{name}:\n"));
            for line in value.lines().map(str::trim) {
                let line = if line.is_empty() { "." } else { line };
                text.push_str(&format!("    {line}\n"));
            }
        }
        Ok(text)
    }
}
