//! Tasks that go back and forth between controller and host: each step depends on the answer to the one before.

use futures::future::BoxFuture;
use model::{DeployPlan, Outcome, PlanId, StepId, StepReport};
use tokio::sync::mpsc;

use crate::actions::{Draft, Effect};
use crate::attributes::Attributes;
use crate::link::{Links, Target, Unreachable};
use crate::task::step;

/// The host did not answer, or it is done.
pub(crate) type Ended = Result<(Outcome, Vec<Effect>), Unreachable>;

/// What is said: asks the host as often as it takes.
pub(crate) type Talk = Box<dyn for<'a> FnOnce(&'a Way<'a>) -> BoxFuture<'a, Ended> + Send>;

/// The way to the host of a task.
pub(crate) struct Way<'a> {
    pub(crate) links: &'a dyn Links,
    pub(crate) target: &'a Target,
    pub(crate) attributes: &'a Attributes,
    pub(crate) no_log: bool,
}

impl Way<'_> {
    /// Sends steps and waits for what comes of them: fewer outcomes than steps when one failed.
    pub(crate) async fn ask(&self, drafts: Vec<Draft>) -> Result<Vec<Outcome>, Unreachable> {
        let link = self.links.open(self.target).await?;
        let steps = drafts.iter().enumerate().map(|(index, draft)| {
            let id = StepId(u32::try_from(index).expect("a talk has few steps at once"));
            step(id, draft, self.attributes, self.no_log)
        });
        let plan = DeployPlan {
            id: PlanId::generate(),
            digest: None,
            steps: steps.collect(),
            keep_going: false,
        };
        let (sender, mut reports) = mpsc::channel(256);
        let listen = async {
            let mut outcomes = Vec::new();
            while let Some(report) = reports.recv().await {
                if let StepReport::Finished { outcome, .. } = report {
                    outcomes.push(*outcome);
                }
            }
            outcomes
        };
        let (ended, outcomes) = tokio::join!(link.run(plan, sender), listen);
        ended.map(|()| outcomes)
    }

    /// One step.
    pub(crate) async fn ask_once(&self, draft: Draft) -> Result<Outcome, Unreachable> {
        let outcomes = self.ask(vec![draft]).await?;
        Ok(outcomes
            .into_iter()
            .next()
            .unwrap_or_else(|| Outcome::failed("the step gave no result")))
    }
}
