//! One connection to the controller, from hello to its end. The same over TLS and over a child's standard streams.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::Stream;
use model::{Args, DeployPlan};
use prost::Message as _;
use proto::v1::agents_client::AgentsClient;
use proto::{
    AgentMessage, ControllerMessage, Goodbye, Hello, MAX_MESSAGE, ProtocolRange, Welcome, v1,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

use crate::desk::{Desk, Outbox};
use crate::ledger::disk::replace;

/// Between two pings.
const PING: Duration = Duration::from_secs(8);
/// Without a sign of life for so long, the controller is gone.
const SILENCE: Duration = Duration::from_secs(20);
/// From the start of the connection to the controller's welcome.
const GREETING: Duration = Duration::from_secs(20);

/// How a session ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The controller said why.
    Goodbye(Goodbye),
    /// The connection is gone.
    Lost(String),
}

/// What sessions share.
pub(crate) struct Agent {
    pub(crate) desk: Desk,
    /// The open connection, for those who fetch blobs.
    pub(crate) client: watch::Sender<Option<AgentsClient<Channel>>>,
    /// What the host is, whenever that is found out anew.
    pub(crate) facts: watch::Receiver<Option<Args>>,
    /// Nothing older is spoken: what the controller spoke when this host was enrolled.
    pub(crate) min_protocol: u32,
    /// Where the controller's epoch is kept; `None` for an agent that lives no longer than its connection.
    pub(crate) state: Option<PathBuf>,
}

/// HTTP/2 as both kinds of connection want it. The address is never used.
pub(crate) fn endpoint() -> Endpoint {
    Endpoint::from_static("http://controller.muster.internal")
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(8 << 20)
}

/// A client with the protocol's limits.
pub(crate) fn client(channel: Channel) -> AgentsClient<Channel> {
    AgentsClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE)
}

impl Agent {
    /// Holds a session until one side ends it. `welcomed` is called when the controller has accepted us.
    pub(crate) async fn hold(
        &self,
        client: AgentsClient<Channel>,
        welcomed: impl FnOnce(),
    ) -> Ending {
        let (outbox, queue) = Outbox::new();
        let ending = match self.greet(client.clone(), &outbox, queue).await {
            Ok(incoming) => {
                self.client.send_replace(Some(client));
                self.desk.attach(outbox.clone());
                let ending = self.converse(incoming, &outbox, welcomed).await;
                self.client.send_replace(None);
                self.desk.detach(outbox);
                ending
            }
            Err(ending) => ending,
        };
        tracing::debug!(?ending, "session ended");
        ending
    }

    async fn greet(
        &self,
        mut client: AgentsClient<Channel>,
        outbox: &Outbox,
        queue: mpsc::UnboundedReceiver<AgentMessage>,
    ) -> Result<Streaming<v1::ControllerMessage>, Ending> {
        let standing = self.desk.standing().await;
        outbox.say(AgentMessage::Hello(Hello {
            protocols: ProtocolRange::OURS,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: hostname(),
            boot_id: boot_id(),
            open_plans: standing.open_plans,
            next_seq: standing.next_seq,
        }));
        let late = |_| Ending::Lost(format!("no welcome within {} s", GREETING.as_secs()));
        let outgoing = outgoing(outbox.clone(), queue);
        let answer = timeout(GREETING, client.connect(outgoing)).await.map_err(late)?;
        let mut incoming = answer.map_err(lost)?.into_inner();
        match next(timeout(GREETING, incoming.message()).await.map_err(late)?)? {
            ControllerMessage::Welcome(welcome) => {
                self.check_welcome(welcome)?;
                Ok(incoming)
            }
            ControllerMessage::Goodbye(goodbye) => Err(Ending::Goodbye(goodbye)),
            _ => Err(Ending::Lost("the controller did not begin with a welcome".to_owned())),
        }
    }

    async fn converse(
        &self,
        mut incoming: Streaming<v1::ControllerMessage>,
        outbox: &Outbox,
        welcomed: impl FnOnce(),
    ) -> Ending {
        let mut ticks = interval(PING);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut facts = self.facts.clone();
        facts.mark_unchanged();
        welcomed();
        let mut last_heard = Instant::now();
        loop {
            tokio::select! {
                message = incoming.message() => {
                    last_heard = Instant::now();
                    if let Err(ending) = self.take(message, outbox) {
                        return ending;
                    }
                }
                _ = ticks.tick() => outbox.say(AgentMessage::Ping(0)),
                Ok(()) = facts.changed() => {
                    if let Some(facts) = facts.borrow_and_update().clone() {
                        outbox.say(AgentMessage::Facts(facts));
                    }
                }
                () = sleep_until(last_heard + SILENCE) => {
                    return Ending::Lost(format!("no sign of life for {} s", SILENCE.as_secs()));
                }
            }
        }
    }

    fn take(
        &self,
        message: Result<Option<v1::ControllerMessage>, tonic::Status>,
        outbox: &Outbox,
    ) -> Result<(), Ending> {
        let message = match message {
            Ok(Some(message)) => message,
            Ok(None) => {
                return Err(Ending::Lost("the controller closed the connection".to_owned()));
            }
            Err(status) => return Err(lost(status)),
        };
        if let Some(refusal) = refusal_of(&message) {
            outbox.say(refusal);
            return Ok(());
        }
        match parse(message)? {
            ControllerMessage::Plan(plan) => self.desk.plan(plan),
            ControllerMessage::Ack(up_to) => self.desk.acknowledged(up_to),
            ControllerMessage::Cancel(plan) => self.desk.cancel(plan),
            ControllerMessage::Ping(nonce) => outbox.say(AgentMessage::Pong(nonce)),
            ControllerMessage::Pong(_) => {}
            ControllerMessage::Goodbye(goodbye) => return Err(Ending::Goodbye(goodbye)),
            ControllerMessage::Welcome(_) => {
                return Err(Ending::Lost("the controller said welcome twice".to_owned()));
            }
        }
        Ok(())
    }

    /// A controller that speaks an older protocol than before is none of ours, and one whose state was set back does not
    /// know what happened since.
    fn check_welcome(&self, welcome: Welcome) -> Result<(), Ending> {
        if welcome.protocol < self.min_protocol {
            return Err(Ending::Lost(format!(
                "the controller wants protocol {}, but spoke {} when this host was enrolled",
                welcome.protocol, self.min_protocol
            )));
        }
        let Some(state) = &self.state else { return Ok(()) };
        let path = state.join("epoch");
        let seen = read_epoch(&path).map_err(|error| Ending::Lost(error.to_string()))?;
        if welcome.epoch < seen {
            return Err(Ending::Lost(format!(
                "the controller's state is older than the one this agent has talked to (epoch {} after {seen}): \
                 was it restored from a backup? If that is meant, remove {}",
                welcome.epoch,
                path.display()
            )));
        }
        if welcome.epoch > seen
            && let Err(error) = replace(&path, welcome.epoch.to_string().as_bytes())
        {
            tracing::warn!("cannot write {}: {error}", path.display());
        }
        Ok(())
    }
}

fn read_epoch(path: &Path) -> io::Result<u64> {
    match std::fs::read_to_string(path) {
        // A file that was cut by a full disk says nothing.
        Ok(text) => Ok(text.trim().parse().unwrap_or(0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

fn outgoing(
    outbox: Outbox,
    queue: mpsc::UnboundedReceiver<AgentMessage>,
) -> impl Stream<Item = v1::AgentMessage> {
    UnboundedReceiverStream::new(queue).map(move |message| {
        outbox.taken(&message);
        message.into()
    })
}

/// A plan that cannot be read, or is not what its digest says, is refused under its own id.
fn refusal_of(message: &v1::ControllerMessage) -> Option<AgentMessage> {
    let Some(v1::controller_message::What::Plan(wire)) = &message.what else { return None };
    let error = DeployPlan::try_from(wire).err()?;
    let body = v1::PlanBody::decode(wire.body.as_slice()).ok()?;
    let plan = body.id.parse().ok()?;
    Some(AgentMessage::Refused { plan, reason: error.chain() })
}

fn next(
    message: Result<Option<v1::ControllerMessage>, tonic::Status>,
) -> Result<ControllerMessage, Ending> {
    match message {
        Ok(Some(message)) => parse(message),
        Ok(None) => Err(Ending::Lost("the controller closed the connection".to_owned())),
        Err(status) => Err(lost(status)),
    }
}

fn parse(message: v1::ControllerMessage) -> Result<ControllerMessage, Ending> {
    ControllerMessage::try_from(message).map_err(|error| {
        Ending::Lost(format!("the controller broke the protocol: {}", error.chain()))
    })
}

fn lost(status: tonic::Status) -> Ending {
    let explained = identity::explain(&status).or_else(|| broken(&status));
    Ending::Lost(explained.unwrap_or_else(|| status.message().to_owned()))
}

/// How the operating system ended a connection, if that is what happened.
fn broken(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
                    "the controller closed the connection".to_owned()
                }
                _ => format!("the connection broke: {error}"),
            });
        }
        next = error.source();
    }
    None
}

/// An error and its causes in one line, without what is said twice.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}

pub(crate) fn hostname() -> String {
    nix::unistd::gethostname()
        .map_or_else(|_| "unknown".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    // Without /proc every start of the agent counts as one of the machine.
    match text.trim() {
        "" => uuid::Uuid::new_v4().to_string(),
        id => id.to_owned(),
    }
}
