//! `getent`: entries of the system's databases, as facts.

use std::convert::Infallible;

use model::Args;
use serde_json::{Value, json};
use system::{Command, Probe, System};

use crate::arguments::arguments;
use crate::contract::{Check, Failure, Module};
use crate::tool;

arguments! {
    /// Looks up entries of a database such as passwd, group, hosts or services, and returns them as facts.
    pub struct Getent {
        /// The database.
        pub database: String,
        /// The entry; all when not said.
        pub key: Option<String> { default: "" },
        /// Where they come from, instead of what nsswitch.conf says.
        pub service: Option<String>,
        /// What separates the fields; white space or colons when not said.
        pub split: Option<String>,
        /// Fail when there is no such entry.
        pub fail_key: bool { default: true },
    }
}

impl Module for Getent {
    type Change = Infallible;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Infallible>, Failure> {
        let key = self.key.as_deref().filter(|key| !key.is_empty());
        let mut args = Vec::new();
        if let Some(service) = &self.service {
            args.extend(["-s", service]);
        }
        args.extend(["--", &self.database]);
        args.extend(key);
        let output = host.query(&Command::new("getent", args))?;
        let fact = format!("getent_{}", self.database);
        let entries = match (output.status, key) {
            (0, _) => self.parse(&output.stdout_text()),
            (1, _) => return Err(Failure::new("Missing arguments, or database unknown.")),
            (2, Some(key)) if !self.fail_key => Args::from_iter([(key.to_owned(), Value::Null)]),
            (2, _) => {
                return Err(Failure::new(
                    "One or more supplied key could not be found in the database.",
                ));
            }
            (3, _) => return Err(Failure::new("Enumeration not supported on this database.")),
            _ => return Err(tool::failure(&output, "Unexpected failure! ")),
        };
        let facts = Args::from_iter([(fact, Value::from(entries))]);
        result.insert("ansible_facts".to_owned(), facts.into());
        Ok(Check::InSync)
    }

    fn apply(&self, change: Infallible, _: &dyn System, _: &mut Args) -> Result<(), Failure> {
        match change {}
    }
}

impl Getent {
    /// The fields of each entry by its first; entries of one name become a list of lists.
    fn parse(&self, text: &str) -> Args {
        let colons = ["passwd", "shadow", "group", "gshadow"].contains(&self.database.as_str());
        let split = self.split.as_deref().or(colons.then_some(":"));
        let mut entries = Args::new();
        let mut repeated: Vec<String> = Vec::new();
        for line in text.lines() {
            let mut fields = match split {
                Some(split) => line.split(split).map(str::to_owned).collect::<Vec<_>>(),
                None => line.split_whitespace().map(str::to_owned).collect(),
            };
            if fields.is_empty() {
                continue;
            }
            let name = fields.remove(0);
            match entries.get_mut(&name) {
                None => {
                    entries.insert(name, fields.into());
                }
                Some(Value::Array(list)) if repeated.contains(&name) => list.push(fields.into()),
                Some(first) => {
                    *first = json!([first.take(), fields]);
                    repeated.push(name);
                }
            }
        }
        entries
    }
}
