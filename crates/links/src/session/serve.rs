//! One session: moves the messages between an agent's stream and its [`AgentLink`], and acknowledges what was kept.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{Stream, StreamExt as _};
use model::Args;
use proto::v1::controller_message::What;
use proto::{
    AgentMessage, Goodbye, GoodbyeReason, Hello, ProtocolRange, Report, Welcome, negotiate, v1,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tonic::{Code, Status};

use super::{AgentLink, Attach, Attached, Outgoing};
use crate::registry::Unavailable;

/// Reports that wait to be recorded; the agent is not read from while there are more.
const RECORDS_WAITING: usize = 256;

/// Where what one agent says is kept before it is acknowledged.
#[async_trait]
pub(crate) trait Journal: Send + Sync + 'static {
    /// It connected.
    async fn connected(&self, hello: &Hello) -> Result<(), Unavailable>;
    /// Its session ended.
    async fn disconnected(&self);
    /// It reported.
    async fn record(&self, reports: &[Report]) -> Result<(), Unavailable>;
    /// It said what it is.
    async fn learn(&self, facts: Args) -> Result<(), Unavailable>;
}

/// A session from its first message to its last.
pub(crate) struct Session {
    /// Whose.
    pub(crate) link: Arc<AgentLink>,
    /// Who keeps what it says.
    pub(crate) journal: Arc<dyn Journal>,
    /// Of this start of the controller.
    pub(crate) epoch: u64,
    /// To the agent.
    pub(crate) out: Outgoing,
}

/// Something to keep.
enum Entry {
    Report(Report),
    Facts(Args),
}

impl Session {
    /// Serves the session until one side ends it.
    pub(crate) async fn serve<S>(self, mut incoming: S)
    where
        S: Stream<Item = Result<v1::AgentMessage, Status>> + Unpin + Send,
    {
        if let Err(goodbye) = self.converse(&mut incoming).await {
            tracing::info!(agent = self.link.name, reason = ?goodbye.reason, "{}", goodbye.message);
            // An agent that does not read is not told.
            let _ = timeout(Duration::from_secs(1), self.out.send(Ok(goodbye.into()))).await;
        }
    }

    async fn converse<S>(&self, incoming: &mut S) -> Result<(), Goodbye>
    where
        S: Stream<Item = Result<v1::AgentMessage, Status>> + Unpin + Send,
    {
        let hello = self.hello(incoming).await?;
        let protocol = negotiate(ProtocolRange::OURS, hello.protocols)
            .map_err(|error| goodbye(GoodbyeReason::Version, error.to_string(), 300))?;
        self.journal.connected(&hello).await.map_err(|error| unavailable(&error))?;
        let (heard, hearing) = watch::channel(0);
        let welcome = Welcome { protocol, epoch: self.epoch };
        let attach = Attach { hello: &hello, welcome, out: &self.out, heard: hearing };
        let attached = self.link.attach(attach).await?;
        let number = attached.number;
        tracing::info!(agent = self.link.name, hostname = hello.hostname, "connected");

        let (entries, receiver) = mpsc::channel(RECORDS_WAITING);
        let recorder = self.record(receiver);
        let end = self.exchange(incoming, attached, &heard, entries).await;
        self.link.detach(number);
        // What was heard is kept, also when the agent will not learn of it.
        let recorded = recorder.await.unwrap_or(Ok(()));
        if !self.link.is_connected() {
            self.journal.disconnected().await;
        }
        tracing::info!(agent = self.link.name, "disconnected");
        recorded.and(end)
    }

    async fn hello<S>(&self, incoming: &mut S) -> Result<Hello, Goodbye>
    where
        S: Stream<Item = Result<v1::AgentMessage, Status>> + Unpin + Send,
    {
        let protocol = |message: String| goodbye(GoodbyeReason::Protocol, message, 60);
        match timeout(self.link.timing.hello, incoming.next()).await {
            Ok(Some(Ok(message))) => match AgentMessage::try_from(message) {
                Ok(AgentMessage::Hello(hello)) => Ok(hello),
                Ok(_) => Err(protocol("the first message of a session must be a hello".into())),
                Err(error) => Err(protocol(error.chain())),
            },
            Ok(Some(Err(status))) => Err(protocol(status.to_string())),
            Ok(None) | Err(_) => Err(protocol("no hello came".into())),
        }
    }

    /// The middle of a session. `Ok`: the agent ended it, or fell silent.
    async fn exchange<S>(
        &self,
        incoming: &mut S,
        mut attached: Attached,
        heard: &watch::Sender<u64>,
        entries: mpsc::Sender<Entry>,
    ) -> Result<(), Goodbye>
    where
        S: Stream<Item = Result<v1::AgentMessage, Status>> + Unpin + Send,
    {
        for message in attached.messages {
            // If the agent is gone already, its stream says so.
            let _ = self.out.send(Ok(message)).await;
        }
        let timing = self.link.timing;
        let mut ticks = interval(timing.ping);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_heard = Instant::now();
        loop {
            tokio::select! {
                message = incoming.next() => {
                    let message = match message {
                        Some(Ok(message)) => message,
                        // Told so, the agent does not say the same again and again.
                        Some(Err(status)) if status.code() == Code::OutOfRange => {
                            let message = status.message().to_owned();
                            return Err(goodbye(GoodbyeReason::Protocol, message, 60));
                        }
                        Some(Err(status)) => {
                            tracing::debug!(agent = self.link.name, "the stream broke: {status}");
                            return Ok(());
                        }
                        None => return Ok(()),
                    };
                    heard.send_modify(|count| *count += 1);
                    self.take(message, &entries).await?;
                    last_heard = Instant::now();
                }
                _ = ticks.tick() => {
                    // No room: the agent has unread pings enough.
                    let _ = self.out.try_send(Ok(What::Ping(v1::Ping { nonce: 0 }).into()));
                }
                () = sleep_until(last_heard + timing.silence) => {
                    tracing::warn!(agent = self.link.name, "no sign of life for {:?}", timing.silence);
                    return Ok(());
                }
                Some(goodbye) = attached.close.recv() => return Err(goodbye),
                () = entries.closed() => return Ok(()),
            }
        }
    }

    async fn take(
        &self,
        message: v1::AgentMessage,
        entries: &mpsc::Sender<Entry>,
    ) -> Result<(), Goodbye> {
        let message = AgentMessage::try_from(message)
            .map_err(|error| goodbye(GoodbyeReason::Protocol, error.chain(), 60))?;
        let entry = match message {
            AgentMessage::Hello(_) => {
                let message = "a second hello".into();
                return Err(goodbye(GoodbyeReason::Protocol, message, 60));
            }
            AgentMessage::Report(report) if report.seq.is_none() => {
                self.link.hear(report);
                return Ok(());
            }
            AgentMessage::Report(report) => {
                self.link.hear(report.clone());
                Entry::Report(report)
            }
            AgentMessage::Facts(facts) => Entry::Facts(facts),
            AgentMessage::Refused { plan, reason } => {
                self.link.refuse(plan, reason);
                return Ok(());
            }
            AgentMessage::Ping(nonce) => {
                let _ = self.out.try_send(Ok(What::Pong(v1::Pong { nonce }).into()));
                return Ok(());
            }
            AgentMessage::Pong(_) => return Ok(()),
        };
        // A recorder that has stopped ends the session by itself.
        let sent = timeout(self.link.timing.silence, entries.send(entry)).await;
        sent.map(drop).map_err(|_| {
            let message = "the controller cannot keep reports fast enough".into();
            goodbye(GoodbyeReason::Unavailable, message, 5)
        })
    }

    /// Keeps entries in the order in which they come, many at a time, and acknowledges them.
    fn record(&self, mut entries: mpsc::Receiver<Entry>) -> JoinHandle<Result<(), Goodbye>> {
        let (journal, out) = (self.journal.clone(), self.out.clone());
        let patience = self.link.timing.silence;
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while entries.recv_many(&mut batch, RECORDS_WAITING).await > 0 {
                let mut reports = Vec::new();
                for entry in batch.drain(..) {
                    match entry {
                        Entry::Report(report) => reports.push(report),
                        Entry::Facts(facts) => {
                            journal.learn(facts).await.map_err(|error| unavailable(&error))?;
                        }
                    }
                }
                let Some(up_to_seq) = reports.iter().filter_map(|report| report.seq).max() else {
                    continue;
                };
                journal.record(&reports).await.map_err(|error| unavailable(&error))?;
                let ack = What::Ack(v1::Ack { up_to_seq: up_to_seq.get() });
                // An agent that is gone will say it again, and hear the acknowledgement then.
                if timeout(patience, out.send(Ok(ack.into()))).await.is_err() {
                    let message = "the agent does not read what it is sent".into();
                    return Err(goodbye(GoodbyeReason::Protocol, message, 5));
                }
            }
            Ok(())
        })
    }
}

fn goodbye(reason: GoodbyeReason, message: String, retry_after: u64) -> Goodbye {
    Goodbye { reason, message, retry_after: Duration::from_secs(retry_after) }
}

fn unavailable(error: &Unavailable) -> Goodbye {
    tracing::error!("{error}: {}", error.0);
    goodbye(GoodbyeReason::Unavailable, error.to_string(), 5)
}
