//! The resident agent: dials the controller again and again, for ever.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use executor::Executor;
use identity::{CertificateRequest, Credentials, DEFAULT_AGENT_LIFETIME};
use model::Args;
use proto::v1::RenewRequest;
use proto::v1::agents_client::AgentsClient;
use proto::{Goodbye, GoodbyeReason};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::transport::Channel;

use crate::backoff::{Backoff, chance};
use crate::blobs::ControllerBlobs;
use crate::desk::Desk;
use crate::dial::dial;
use crate::session::{Agent, Ending, client};
use crate::state::{State, StateError};

/// A revoked agent asks again this seldom: only people can help it.
const REVOKED: Duration = Duration::from_mins(5);

/// Facts are gathered anew at the first connection after so long.
const FACTS_LIFE: Duration = Duration::from_hours(1);

/// Lives until it is killed. An error is one that no retry can heal.
pub async fn run(state: State, controller: Option<String>) -> Result<(), StateError> {
    let _lock = state.lock()?;
    let (enrolment, _) = state.load()?;
    let address = controller.unwrap_or(enrolment.controller);
    tracing::info!(name = enrolment.name, agent = %enrolment.agent_id, controller = address, "muster-agent starts");
    let (connection, current) = watch::channel(None);
    let blobs = ControllerBlobs {
        runtime: Handle::current(),
        client: current,
        directory: Some(state.directory().to_owned()),
    };
    let desk = Desk::open(Some(state.directory()), Executor::default(), Arc::new(blobs)).map_err(
        |source| StateError::Io {
            doing: "read the ledger in",
            path: state.directory().to_owned(),
            source,
        },
    )?;
    let (found, facts) = watch::channel(None);
    let agent = Agent {
        desk,
        client: connection,
        facts,
        min_protocol: enrolment.min_protocol,
        state: Some(state.directory().to_owned()),
    };
    let resident = Resident { agent, state, address, found, gathered: Mutex::new(None) };
    let mut backoff = Backoff::default();
    let mut last_trouble = String::new();
    loop {
        let (_, credentials) = resident.state.load()?;
        let (trouble, at_least) = judge(resident.connect(credentials, &mut backoff).await);
        let delay = backoff.next(chance()).max(at_least);
        // The same trouble every minute is worth one line.
        if trouble == last_trouble {
            tracing::debug!("{trouble}; next attempt in {delay:?}");
        } else {
            tracing::warn!("{trouble}; next attempt in {delay:?}");
            last_trouble = trouble;
        }
        sleep(delay).await;
    }
}

/// What lasts longer than a connection.
struct Resident {
    agent: Agent,
    state: State,
    address: String,
    found: watch::Sender<Option<Args>>,
    gathered: Mutex<Option<Instant>>,
}

impl Resident {
    /// One connection, from dialling to its end.
    async fn connect(&self, credentials: Credentials, backoff: &mut Backoff) -> Ending {
        let tls = match identity::client_config(&credentials) {
            Ok(tls) => tls,
            Err(error) => return Ending::Lost(crate::session::chain(&error)),
        };
        let channel = match dial(&self.address, tls).await {
            Ok(channel) => channel,
            Err(error) => return Ending::Lost(error),
        };
        let client = client(channel);
        if is_due(&credentials) {
            renew(client.clone(), &self.state).await;
        }
        let welcomed = || {
            backoff.reset();
            tracing::info!(controller = self.address, "connected");
            self.gather_facts();
        };
        self.agent.hold(client, welcomed).await
    }

    /// Finds out what the host is, beside everything else, unless that was done lately.
    fn gather_facts(&self) {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        if gathered.is_some_and(|at| at.elapsed() < FACTS_LIFE) {
            return;
        }
        *gathered = Some(Instant::now());
        let found = self.found.clone();
        tokio::task::spawn_blocking(move || {
            found.send_replace(Some(executor::gather_facts()));
        });
    }
}

/// Why we are not connected, and how long to stay away at least.
fn judge(ending: Ending) -> (String, Duration) {
    match ending {
        Ending::Lost(reason) => (reason, Duration::ZERO),
        Ending::Goodbye(Goodbye { reason, message, retry_after }) => {
            let at_least = match reason {
                GoodbyeReason::Revoked => retry_after.max(REVOKED),
                _ => retry_after,
            };
            (format!("the controller said goodbye: {message}"), at_least)
        }
    }
}

/// A certificate is renewed in the last third of its life.
fn is_due(credentials: &Credentials) -> bool {
    credentials.peer().is_ok_and(|peer| {
        let ends = SystemTime::from(peer.ends);
        ends.duration_since(SystemTime::now()).is_ok_and(|left| left < DEFAULT_AGENT_LIFETIME / 3)
    })
}

/// Asks for a new certificate. The old one is good until it ends, so a failure is tried again at the next connection.
async fn renew(mut client: AgentsClient<Channel>, state: &State) {
    let renewed = async {
        let request = CertificateRequest::generate().map_err(|error| error.to_string())?;
        let csr = request.csr().to_vec();
        let answer = client
            .renew(RenewRequest { csr })
            .await
            .map_err(|status| status.message().to_owned())?
            .into_inner();
        let credentials =
            request.complete(answer.certificate, answer.ca).map_err(|error| error.to_string())?;
        state.renew(&credentials).map_err(|error| crate::session::chain(&error))
    };
    match renewed.await {
        Ok(()) => tracing::info!("the certificate was renewed"),
        Err(error) => tracing::warn!("cannot renew the certificate: {error}"),
    }
}
