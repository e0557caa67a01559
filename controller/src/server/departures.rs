//! Links that let no plan leave before the store knows of it: what a controller that is killed must hear about later.

use std::sync::Arc;

use async_trait::async_trait;
use engine::link::{Connection, Link, Links, Target, Unreachable};
use model::{AgentId, DeployPlan, HostName, RunId, StepReport};
use store::Plan;
use tokio::sync::{mpsc, oneshot};

use super::journal::Departure;
use super::records::Records;
use crate::error::chain;

/// The links of one run.
pub(crate) struct RecordedLinks {
    pub(crate) run: RunId,
    pub(crate) links: Arc<dyn Links>,
    pub(crate) records: Arc<Records>,
    pub(crate) departures: mpsc::UnboundedSender<Departure>,
}

#[async_trait]
impl Links for RecordedLinks {
    async fn open(&self, target: &Target) -> Result<Arc<dyn Link>, Unreachable> {
        let link = self.links.open(target).await?;
        let find = || {
            let by_name = self.records.agent(target.host.as_str());
            by_name.or_else(|| self.records.agent(&target.address))
        };
        Ok(Arc::new(RecordedLink {
            run: self.run,
            host: target.host.clone(),
            agent: (target.connection == Connection::Agent).then(find).flatten(),
            link,
            departures: self.departures.clone(),
        }))
    }

    async fn default_connection(&self, host: &HostName) -> Connection {
        self.links.default_connection(host).await
    }

    async fn close(&self) {
        self.links.close().await;
    }
}

struct RecordedLink {
    run: RunId,
    host: HostName,
    agent: Option<AgentId>,
    link: Arc<dyn Link>,
    departures: mpsc::UnboundedSender<Departure>,
}

#[async_trait]
impl Link for RecordedLink {
    async fn run(
        &self,
        plan: DeployPlan,
        reports: mpsc::Sender<StepReport>,
    ) -> Result<(), Unreachable> {
        let record = Plan {
            id: plan.id,
            run: self.run,
            host: self.host.clone(),
            agent: self.agent,
            after_seq: 0,
            steps: u32::try_from(plan.steps.len()).expect("a plan has less than 2^32 steps"),
            no_log: plan.steps.iter().any(|step| step.no_log),
        };
        let (kept, answer) = oneshot::channel();
        let unrecorded = |why: String| Unreachable {
            message: format!("nothing was sent: the controller cannot record it: {why}"),
        };
        self.departures
            .send(Departure { plan: record, kept })
            .map_err(|_| unrecorded("the run has ended".to_owned()))?;
        match answer.await {
            Ok(Ok(())) => self.link.run(plan, reports).await,
            Ok(Err(error)) => Err(unrecorded(chain(&error))),
            Err(_) => Err(unrecorded("the run has ended".to_owned())),
        }
    }
}
