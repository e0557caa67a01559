//! `ping`: shows that steps reach the host and answers come back.

use std::convert::Infallible;

use model::Args;
use system::{Probe, System};

use crate::arguments::arguments;
use crate::contract::{Check, Failure, Module};

arguments! {
    /// Answers `pong`: the host can be reached and carries out steps.
    pub struct Ping {
        /// What to answer. The word `crash` makes the module fail, to see what that looks like.
        pub data: String { default: "pong" },
    }
}

impl Module for Ping {
    type Change = Infallible;

    fn check(&self, _: &dyn Probe, result: &mut Args) -> Result<Check<Infallible>, Failure> {
        if self.data == "crash" {
            return Err(Failure::new("Task failed: Module failed: boom"));
        }
        result.insert("ping".into(), self.data.clone().into());
        Ok(Check::InSync)
    }

    fn apply(&self, change: Infallible, _: &dyn System, _: &mut Args) -> Result<(), Failure> {
        match change {}
    }
}
