//! `gather_facts`: `setup`, with what belongs to the task that plays run by themselves.

use std::convert::Infallible;
use std::path::PathBuf;

use model::Args;
use system::{Probe, System};

use crate::arguments::arguments;
use crate::contract::{Check, Failure, Module};
use crate::setup::Setup;

arguments! {
    /// Gathers facts about the host, as plays do at their start.
    pub struct GatherFacts {
        /// Which facts, as in `setup`.
        pub gather_subset: Vec<String> { default: ["all"] },
        /// Seconds that slow facts may take.
        pub gather_timeout: u64 { default: 10 },
        /// Return only facts whose names match one of these shell patterns.
        pub filter: Vec<String>,
        /// The directory of local facts.
        pub fact_path: PathBuf { default: "/etc/ansible/facts.d" },
        /// Whether several modules of facts would run at once. There is one here, which needs no choice.
        pub parallel: Option<bool>,
    }
}

impl Module for GatherFacts {
    type Change = Infallible;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Infallible>, Failure> {
        let setup = Setup {
            gather_subset: self.gather_subset.clone(),
            gather_timeout: self.gather_timeout,
            filter: self.filter.clone(),
            fact_path: self.fact_path.clone(),
        };
        setup.check(host, result)
    }

    fn apply(&self, change: Infallible, _: &dyn System, _: &mut Args) -> Result<(), Failure> {
        match change {}
    }
}
