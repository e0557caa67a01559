//! `docker_container`: containers, as they shall be.

mod argument;
mod option;
mod plan;
mod port;
mod wanted;
mod work;

use model::Args;
use serde_json::{Value, json};
use system::{Probe, System};

pub(crate) use argument::DockerContainer;
use argument::Wish;
use plan::Plan;

use crate::contract::{Check, Failure, Module};

impl Module for DockerContainer {
    type Change = Plan;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Plan>, Failure> {
        let engine = self.connection.engine(host)?;
        let plan = self.plan(&engine)?;
        if self.state != Wish::Absent {
            result.insert("container".into(), plan.container.clone().unwrap_or_else(|| json!({})));
        }
        Ok(if plan.is_forecast_of_change(self) {
            if plan.restarts && !plan.recreates() { Check::Act(plan) } else { self.kind_of(plan) }
        } else if plan.pulls {
            Check::Upkeep(plan)
        } else {
            Check::InSync
        })
    }

    fn apply(&self, plan: Plan, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let worker = self.connection.worker(host)?;
        self.work(plan, &worker, result)
    }
}

impl DockerContainer {
    /// What is created anew each time, and what ends by itself, is never settled.
    fn kind_of(&self, plan: Plan) -> Check<Plan> {
        let ends = self.detach == Some(false) && plan.starts;
        if self.recreate || ends { Check::Act(plan) } else { Check::Drift(plan) }
    }

    /// A container's output, as the result shows it.
    fn show(container: &mut Value, output: &str) {
        container["Output"] = output.into();
    }
}
