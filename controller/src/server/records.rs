//! The controller's records as agents' sessions need them: the store, and in memory who is in good standing.
//!
//! One process serves a state directory, so that memory and store cannot disagree.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use identity::{Identity, Peer, Serial, TokenId, TokenKey, TokenRecord};
use jiff::Timestamp;
use links::{AdmitError, NewAgent, Registry, Unavailable};
use model::{AgentId, Args, HostName, StepReport};
use proto::{Hello, Report, ReportBody};
use store::{Admission, StepRecord, Store, Token};
use tokio::sync::Mutex;

/// Agents, tokens and what hosts report.
pub(crate) struct Records {
    store: Store,
    epoch: u64,
    standing: RwLock<Standing>,
    /// Held while standing changes, so that memory changes in the order of the store.
    change: Mutex<()>,
}

/// The agents that are enrolled and not revoked.
#[derive(Default)]
struct Standing {
    agents: HashMap<HostName, AgentId>,
    names: HashMap<AgentId, HostName>,
}

impl Records {
    /// Reads who is in good standing, and begins a new epoch.
    pub(crate) async fn open(store: Store) -> store::Result<Self> {
        let mut standing = Standing::default();
        for agent in store.agents().await? {
            if agent.revoked.is_none() {
                standing.enter(agent.name, agent.id);
            }
        }
        let epoch = store.next_epoch().await?;
        Ok(Self { store, epoch, standing: RwLock::new(standing), change: Mutex::default() })
    }

    /// The agent that is enrolled under a name.
    pub(crate) fn agent(&self, name: &str) -> Option<AgentId> {
        self.standing().agents.get(&HostName::new(name)).copied()
    }

    /// Whether an agent is enrolled and not revoked.
    pub(crate) fn is_standing(&self, agent: AgentId) -> bool {
        self.standing().names.contains_key(&agent)
    }

    /// The names of all agents in good standing, in order.
    pub(crate) fn names(&self) -> Vec<HostName> {
        let mut names: Vec<_> = self.standing().agents.keys().cloned().collect();
        names.sort();
        names
    }

    /// Revokes an agent for ever.
    pub(crate) async fn revoke(&self, agent: AgentId) -> store::Result<()> {
        let _change = self.change.lock().await;
        self.store.revoke_agent(agent, Timestamp::now()).await?;
        self.standing_mut().leave(agent);
        Ok(())
    }

    fn standing(&self) -> RwLockReadGuard<'_, Standing> {
        self.standing.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing_mut(&self) -> RwLockWriteGuard<'_, Standing> {
        self.standing.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    /// Whoever had the name before, has it no more.
    fn enter(&mut self, name: HostName, agent: AgentId) {
        if let Some(old) = self.agents.insert(name.clone(), agent) {
            self.names.remove(&old);
        }
        self.names.insert(agent, name);
    }

    fn leave(&mut self, agent: AgentId) {
        if let Some(name) = self.names.remove(&agent) {
            self.agents.remove(&name);
        }
    }
}

fn unavailable(error: store::Error) -> Unavailable {
    Unavailable(Box::new(error))
}

#[async_trait]
impl Registry for Records {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Who is not known is revoked: a restored backup may have forgotten an agent.
    fn is_revoked(&self, peer: &Peer) -> bool {
        match &peer.identity {
            Identity::Agent(agent) => !self.is_standing(*agent),
            Identity::Operator(_) => false,
        }
    }

    async fn token(&self, id: TokenId) -> Result<Option<TokenRecord>, Unavailable> {
        let token = self.store.token(&id.to_string()).await.map_err(unavailable)?;
        token.map(|token| record(id, token)).transpose()
    }

    async fn admit(&self, agent: NewAgent) -> Result<(), AdmitError> {
        let _change = self.change.lock().await;
        let (token, serial) = (agent.token.to_string(), agent.serial.to_string());
        let new = store::NewAgent {
            token: &token,
            id: agent.id,
            name: &agent.name,
            serial: &serial,
            certificate_ends: agent.certificate_ends,
            agent_version: &agent.agent_version,
        };
        match self.store.admit(&new, Timestamp::now()).await.map_err(unavailable)? {
            Admission::Admitted => {
                self.standing_mut().enter(agent.name, agent.id);
                Ok(())
            }
            Admission::TokenUsed => Err(AdmitError::TokenUsed),
            Admission::NameTaken(holder) => Err(AdmitError::NameTaken { name: agent.name, holder }),
        }
    }

    async fn renewed(
        &self,
        agent: AgentId,
        serial: Serial,
        ends: Timestamp,
    ) -> Result<(), Unavailable> {
        self.store.agent_renewed(agent, &serial.to_string(), ends).await.map_err(unavailable)
    }

    async fn agent_named(&self, name: &HostName) -> Result<Option<AgentId>, Unavailable> {
        Ok(self.standing().agents.get(name).copied())
    }

    async fn connected(&self, agent: AgentId, hello: &Hello) -> Result<(), Unavailable> {
        self.store
            .agent_connected(agent, &hello.hostname, &hello.agent_version, Timestamp::now())
            .await
            .map_err(unavailable)
    }

    async fn disconnected(&self, agent: AgentId) {
        if let Err(error) = self.store.agent_seen(agent, Timestamp::now()).await {
            tracing::warn!(%agent, "cannot record when it was last seen: {error}");
        }
    }

    async fn record(&self, agent: AgentId, reports: &[Report]) -> Result<(), Unavailable> {
        let (mut steps, mut ended) = (Vec::new(), Vec::new());
        for report in reports {
            let plan = report.plan;
            match &report.body {
                ReportBody::Step(StepReport::Started(step)) => {
                    steps.push(StepRecord { plan, step: *step, outcome: None });
                }
                ReportBody::Step(StepReport::Finished { step, outcome }) => {
                    let outcome = Some((**outcome).clone());
                    steps.push(StepRecord { plan, step: *step, outcome });
                }
                ReportBody::Step(StepReport::Output { .. }) => {}
                ReportBody::Ended => ended.push(plan),
            }
        }
        self.store.record(agent, &steps, &ended).await.map_err(unavailable)
    }

    async fn learn(&self, agent: AgentId, facts: Args) -> Result<(), Unavailable> {
        let name = self.standing().names.get(&agent).cloned();
        match name {
            Some(name) => {
                self.store.learn_facts(&name, &facts, Timestamp::now()).await.map_err(unavailable)
            }
            // It was revoked a moment ago.
            None => Ok(()),
        }
    }
}

fn record(id: TokenId, token: Token) -> Result<TokenRecord, Unavailable> {
    let key = token.key.as_slice().try_into().map_err(|_| {
        Unavailable(format!("the key of the join token {id} is damaged in the database").into())
    })?;
    Ok(TokenRecord {
        id,
        key: TokenKey(key),
        name: token.name.map(HostName::new),
        ends: token.ends,
        is_used: token.used_by.is_some(),
        is_revoked: token.revoked,
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use identity::JoinToken;
    use model::{Digest, Outcome, PlanId, StepId};

    use super::*;

    async fn records() -> Records {
        Records::open(Store::in_memory().await.unwrap()).await.unwrap()
    }

    async fn enrol(records: &Records, name: &str) -> Result<AgentId, AdmitError> {
        let token = JoinToken::generate(Digest::of(b"ca"));
        let now = Timestamp::now();
        let stored = Token {
            id: token.id.to_string(),
            key: token.key().0.to_vec(),
            name: None,
            created: now,
            ends: now + std::time::Duration::from_mins(1),
            used_by: None,
            revoked: false,
        };
        records.store.add_token(&stored).await.unwrap();
        assert_eq!(records.token(token.id).await.unwrap().unwrap().key, token.key());
        let agent = NewAgent {
            token: token.id,
            id: AgentId::generate(),
            name: name.into(),
            serial: Serial([1; 16]),
            certificate_ends: now,
            agent_version: "1".into(),
        };
        let id = agent.id;
        records.admit(agent.clone()).await?;
        assert!(matches!(records.admit(agent).await, Err(AdmitError::TokenUsed)));
        Ok(id)
    }

    fn peer(agent: AgentId) -> Peer {
        let identity = Identity::Agent(agent);
        Peer { identity, serial: Serial([1; 16]), ends: Timestamp::now() }
    }

    fn hello() -> Hello {
        Hello {
            protocols: proto::ProtocolRange::OURS,
            agent_version: "1".into(),
            hostname: "web".into(),
            boot_id: "b".into(),
            open_plans: Vec::new(),
            next_seq: 1,
        }
    }

    #[tokio::test]
    async fn only_enrolled_agents_are_in_good_standing() {
        let records = records().await;
        assert!(records.is_revoked(&peer(AgentId::generate())), "nobody knows it");
        let first = enrol(&records, "web01").await.unwrap();
        assert!(!records.is_revoked(&peer(first)));
        let second = enrol(&records, "web01").await.unwrap();
        assert!(records.is_revoked(&peer(first)), "it never connected, and lost its name");
        assert_eq!(records.agent_named(&"web01".into()).await.unwrap(), Some(second));
        records.connected(second, &hello()).await.unwrap();
        let taken = enrol(&records, "web01").await.unwrap_err();
        assert!(matches!(taken, AdmitError::NameTaken { holder, .. } if holder == second));

        let reopened = Records::open(records.store.clone()).await.unwrap();
        assert!(reopened.epoch() > records.epoch());
        assert_eq!(reopened.names(), ["web01".into()]);
        records.revoke(second).await.unwrap();
        assert!(records.is_revoked(&peer(second)));
        assert_eq!(records.agent("web01"), None);
    }

    #[tokio::test]
    async fn reports_and_facts_are_kept_for_their_owner() {
        let records = records().await;
        let agent = enrol(&records, "web01").await.unwrap();
        let started = store::Run::begun("site.yml".into(), "me".into());
        let (run, plan) = (started.id, PlanId::generate());
        records.store.start_run(&started).await.unwrap();
        let sent = store::Plan {
            id: plan,
            run,
            host: "web01".into(),
            agent: Some(agent),
            after_seq: 3,
            steps: 1,
            no_log: false,
        };
        records.store.plan_sent(&sent).await.unwrap();
        let step = StepId(0);
        let outcome = Outcome::ok(Args::new());
        let bodies = [
            ReportBody::Step(StepReport::Started(step)),
            ReportBody::Step(StepReport::Finished { step, outcome: Box::new(outcome.clone()) }),
            ReportBody::Ended,
        ];
        let reports = bodies.map(|body| Report { seq: NonZeroU64::new(1), plan, body });
        records.record(AgentId::generate(), &reports).await.unwrap();
        assert!(records.store.steps(plan).await.unwrap().is_empty(), "another agent's plan");
        records.record(agent, &reports).await.unwrap();
        assert_eq!(records.store.steps(plan).await.unwrap()[0].outcome, Some(outcome));
        assert!(records.store.plans(run).await.unwrap()[0].1, "it has ended");

        let facts = Args::from_iter([("os_family".to_owned(), "Debian".into())]);
        records.learn(agent, facts.clone()).await.unwrap();
        assert_eq!(records.store.facts(&"web01".into()).await.unwrap().unwrap().facts, facts);
    }
}
