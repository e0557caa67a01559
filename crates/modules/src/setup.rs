//! `setup`: gathers the facts of a host.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use facts::Subset;
use model::Args;
use system::{Probe, System};

use crate::arguments::arguments;
use crate::contract::{Check, Failure, Module};

arguments! {
    /// Gathers facts about the host: its system, hardware, network and more. Plays run it by themselves at their start.
    pub struct Setup {
        /// Which facts: `all`, `min`, `hardware`, `network`, `virtual` or the name of a fact; with `!` in front, not these.
        /// The minimal ones are gathered unless `!min` is there.
        pub gather_subset: Vec<String> { default: ["all"] },
        /// Seconds that slow facts may take: dead file servers, programs of local facts.
        pub gather_timeout: u64 { default: 10 },
        /// Return only facts whose names match one of these shell patterns.
        pub filter: Vec<String>,
        /// The directory of local facts (`*.fact`): JSON or INI files, or programs that print one of these.
        pub fact_path: PathBuf { default: "/etc/ansible/facts.d" },
    }
}

impl Module for Setup {
    type Change = Infallible;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Infallible>, Failure> {
        let words: Vec<&str> = self
            .gather_subset
            .iter()
            .map(|word| word.trim())
            .filter(|word| !word.is_empty())
            .collect();
        let subset = Subset::parse(&words).map_err(|error| Failure::new(error.to_string()))?;
        let facts = facts::gather_with(
            host,
            &subset,
            &self.fact_path,
            Duration::from_secs(self.gather_timeout),
        );
        let mut facts = facts;
        facts.insert("gather_subset".to_owned(), self.gather_subset.clone().into());
        facts.insert("module_setup".to_owned(), true.into());
        result.insert("ansible_facts".to_owned(), facts::filtered(facts, &self.filter).into());
        Ok(Check::InSync)
    }

    fn apply(&self, change: Infallible, _: &dyn System, _: &mut Args) -> Result<(), Failure> {
        match change {}
    }
}
