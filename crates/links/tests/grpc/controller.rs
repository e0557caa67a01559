//! A controller on a free port, with records in memory.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use engine::link::{Connection, Target};
use identity::{
    Authority, CertificateRequest, Credentials, Identity, JoinToken, Peer, Serial, TokenId,
    TokenRecord, Validity, client_config, server_config,
};
use jiff::Timestamp;
use links::{
    AdmitError, BlobDirectory, Gateway, GatewaySettings, NewAgent, Registry, Timing, Unavailable,
    connect,
};
use model::{AgentId, Args, HostName};
use proto::{Hello, Report};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// Short, so that tests are.
pub(crate) const TIMING: Timing = Timing {
    ping: Duration::from_millis(100),
    silence: Duration::from_secs(2),
    grace: Duration::from_millis(1500),
    probe: Duration::from_millis(500),
    hello: Duration::from_secs(2),
};

/// Records in memory.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) tokens: Mutex<HashMap<TokenId, TokenRecord>>,
    pub(crate) lookups: Mutex<u32>,
    pub(crate) agents: Mutex<HashMap<AgentId, NewAgent>>,
    pub(crate) revoked: Mutex<HashSet<AgentId>>,
    pub(crate) reports: Mutex<Vec<(AgentId, Report)>>,
    pub(crate) facts: Mutex<Vec<(AgentId, Args)>>,
    pub(crate) sessions: Mutex<Vec<(AgentId, &'static str)>>,
    /// Nothing can be recorded.
    pub(crate) is_full: AtomicBool,
}

impl Records {
    fn check(&self) -> Result<(), Unavailable> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(Unavailable("the disk is full".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Registry for Records {
    fn epoch(&self) -> u64 {
        7
    }

    fn is_revoked(&self, peer: &Peer) -> bool {
        match &peer.identity {
            Identity::Agent(id) => self.revoked.lock().unwrap().contains(id),
            Identity::Operator(_) => false,
        }
    }

    async fn token(&self, id: TokenId) -> Result<Option<TokenRecord>, Unavailable> {
        *self.lookups.lock().unwrap() += 1;
        Ok(self.tokens.lock().unwrap().get(&id).cloned())
    }

    async fn admit(&self, agent: NewAgent) -> Result<(), AdmitError> {
        let mut agents = self.agents.lock().unwrap();
        if let Some(holder) = agents.values().find(|known| known.name == agent.name) {
            return Err(AdmitError::NameTaken { name: agent.name, holder: holder.id });
        }
        let mut tokens = self.tokens.lock().unwrap();
        let token = tokens.get_mut(&agent.token).expect("it was looked up");
        if std::mem::replace(&mut token.is_used, true) {
            return Err(AdmitError::TokenUsed);
        }
        agents.insert(agent.id, agent);
        Ok(())
    }

    async fn renewed(
        &self,
        agent: AgentId,
        serial: Serial,
        ends: Timestamp,
    ) -> Result<(), Unavailable> {
        if let Some(agent) = self.agents.lock().unwrap().get_mut(&agent) {
            (agent.serial, agent.certificate_ends) = (serial, ends);
        }
        Ok(())
    }

    async fn agent_named(&self, name: &HostName) -> Result<Option<AgentId>, Unavailable> {
        let agents = self.agents.lock().unwrap();
        Ok(agents.values().find(|agent| agent.name == *name).map(|agent| agent.id))
    }

    async fn connected(&self, agent: AgentId, _hello: &Hello) -> Result<(), Unavailable> {
        self.sessions.lock().unwrap().push((agent, "connected"));
        Ok(())
    }

    async fn disconnected(&self, agent: AgentId) {
        self.sessions.lock().unwrap().push((agent, "disconnected"));
    }

    async fn record(&self, agent: AgentId, reports: &[Report]) -> Result<(), Unavailable> {
        self.check()?;
        let mut kept = self.reports.lock().unwrap();
        kept.extend(reports.iter().map(|report| (agent, report.clone())));
        Ok(())
    }

    async fn learn(&self, agent: AgentId, facts: Args) -> Result<(), Unavailable> {
        self.check()?;
        self.facts.lock().unwrap().push((agent, facts));
        Ok(())
    }
}

/// A running controller.
pub(crate) struct Controller {
    _directory: tempfile::TempDir,
    pub(crate) authority: Arc<Authority>,
    pub(crate) records: Arc<Records>,
    pub(crate) blobs: Arc<BlobDirectory>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) address: String,
    pub(crate) stop: CancellationToken,
    pub(crate) serving: JoinHandle<()>,
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Controller {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Arc::new(Authority::open(directory.path()).unwrap());
        let server = authority.server_credentials(directory.path(), &[]).unwrap();
        let tls = Arc::new(ArcSwap::from_pointee(server_config(&server).unwrap()));
        let records = Arc::new(Records::default());
        let blobs = Arc::new(BlobDirectory::open(directory.path().join("blobs")).unwrap());
        let settings = GatewaySettings { timing: TIMING, ..GatewaySettings::default() };
        let gateway = Gateway::new(records.clone(), authority.clone(), blobs.clone(), settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let serving = tokio::spawn({
            let (gateway, stop) = (gateway.clone(), stop.clone());
            async move { gateway.serve(listener, tls, gateway.routes(), stop).await.unwrap() }
        });
        Self { _directory: directory, authority, records, blobs, gateway, address, stop, serving }
    }

    /// A join token with an hour to live.
    pub(crate) fn token(&self, change: impl FnOnce(&mut TokenRecord)) -> JoinToken {
        let token = JoinToken::generate(self.authority.fingerprint());
        let mut record = TokenRecord {
            id: token.id,
            key: token.key(),
            name: None,
            ends: Timestamp::now() + Duration::from_hours(1),
            is_used: false,
            is_revoked: false,
        };
        change(&mut record);
        self.records.tokens.lock().unwrap().insert(token.id, record);
        token
    }

    /// The credentials of a new agent, known under a name.
    pub(crate) fn agent(&self, name: &str, validity: Validity) -> Credentials {
        let id = AgentId::generate();
        let request = CertificateRequest::generate().unwrap();
        let issued = self.authority.issue_agent(request.csr(), id, validity).unwrap();
        let agent = NewAgent {
            token: TokenId([0; 16]),
            id,
            name: name.into(),
            serial: issued.serial,
            certificate_ends: issued.ends,
            agent_version: "0".into(),
        };
        self.records.agents.lock().unwrap().insert(id, agent);
        let authority = vec![self.authority.certificate().to_vec()];
        request.complete(issued.certificate.to_vec(), authority).unwrap()
    }

    pub(crate) async fn channel(&self, credentials: &Credentials) -> Channel {
        connect(&self.address, client_config(credentials).unwrap()).await.unwrap()
    }
}

/// Good for an hour.
pub(crate) fn valid() -> Validity {
    Validity::of(Duration::from_hours(1))
}

pub(crate) fn agent_id(credentials: &Credentials) -> AgentId {
    match credentials.peer().unwrap().identity {
        Identity::Agent(id) => id,
        Identity::Operator(name) => panic!("operator {name}"),
    }
}

pub(crate) fn target(host: &str) -> Target {
    Target {
        host: host.into(),
        connection: Connection::Agent,
        address: host.into(),
        port: None,
        user: None,
        password: None,
        private_key: None,
        ssh_args: Vec::new(),
        host_key_checking: true,
        connect_timeout: Duration::from_secs(2),
        options: std::collections::BTreeMap::new(),
    }
}
