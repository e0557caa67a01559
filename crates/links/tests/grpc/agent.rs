//! An agent that does just what a test tells it.

use std::num::NonZeroU64;
use std::time::Duration;

use model::{Args, DeployPlan, Mode, Outcome, OutputStream, PlanId, Step, StepId, StepReport};
use proto::v1::agents_client::AgentsClient;
use proto::{
    AgentMessage, ControllerMessage, Goodbye, Hello, ProtocolRange, Report, ReportBody, v1,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// Longer than anything that should happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct FakeAgent {
    pub(crate) out: mpsc::Sender<v1::AgentMessage>,
    incoming: Streaming<v1::ControllerMessage>,
    /// Answers pings while it waits for messages.
    pub(crate) is_alive: bool,
}

pub(crate) fn hello(boot_id: &str, open_plans: &[PlanId]) -> Hello {
    Hello {
        protocols: ProtocolRange::OURS,
        agent_version: "0".into(),
        hostname: "web01".into(),
        boot_id: boot_id.into(),
        open_plans: open_plans.to_vec(),
        next_seq: 1,
    }
}

impl FakeAgent {
    /// Opens a session, whatever comes of it.
    pub(crate) async fn open(channel: Channel, hello: Hello) -> Self {
        let (out, messages) = mpsc::channel(16);
        let mut client = AgentsClient::new(channel).max_decoding_message_size(proto::MAX_MESSAGE);
        out.send(AgentMessage::Hello(hello).into()).await.unwrap();
        let incoming = client.connect(ReceiverStream::new(messages)).await.unwrap().into_inner();
        Self { out, incoming, is_alive: true }
    }

    /// Opens a session and is welcome.
    pub(crate) async fn join(channel: Channel, hello: Hello) -> Self {
        let mut agent = Self::open(channel, hello).await;
        let ControllerMessage::Welcome(welcome) = agent.next().await else { panic!("no welcome") };
        assert_eq!((welcome.protocol, welcome.epoch), (1, 7));
        agent
    }

    /// The next message that is not a ping. `None`: the session is over.
    pub(crate) async fn try_next(&mut self) -> Result<Option<ControllerMessage>, Status> {
        loop {
            let message = timeout(PATIENCE, self.incoming.message()).await.expect("silence");
            let Some(message) = message? else { return Ok(None) };
            match ControllerMessage::try_from(message).unwrap() {
                ControllerMessage::Ping(nonce) if self.is_alive => {
                    let _ = self.out.send(AgentMessage::Pong(nonce).into()).await;
                }
                ControllerMessage::Ping(_) => {}
                message => return Ok(Some(message)),
            }
        }
    }

    pub(crate) async fn next(&mut self) -> ControllerMessage {
        self.try_next().await.unwrap().expect("the session is over")
    }

    pub(crate) async fn plan(&mut self) -> DeployPlan {
        match self.next().await {
            ControllerMessage::Plan(plan) => plan,
            other => panic!("no plan: {other:?}"),
        }
    }

    pub(crate) async fn goodbye(&mut self) -> Goodbye {
        loop {
            match self.next().await {
                ControllerMessage::Goodbye(goodbye) => return goodbye,
                ControllerMessage::Ack(_) => {}
                other => panic!("no goodbye: {other:?}"),
            }
        }
    }

    /// Waits until everything up to a number is acknowledged.
    pub(crate) async fn acknowledged(&mut self, seq: u64) {
        loop {
            match self.next().await {
                ControllerMessage::Ack(up_to) if up_to >= seq => return,
                ControllerMessage::Ack(_) => {}
                other => panic!("no acknowledgement: {other:?}"),
            }
        }
    }

    pub(crate) async fn say(&self, message: AgentMessage) {
        self.out.send(message.into()).await.unwrap();
    }

    pub(crate) async fn report(&self, seq: u64, plan: PlanId, body: ReportBody) {
        let seq = NonZeroU64::new(seq);
        self.say(AgentMessage::Report(Report { seq, plan, body })).await;
    }
}

pub(crate) fn plan(steps: u32) -> DeployPlan {
    let step = |id| Step {
        id: StepId(id),
        module: "ping".into(),
        args: Args::new(),
        mode: Mode::default(),
        run_as: None,
        environment: std::collections::BTreeMap::new(),
        timeout: None,
        no_log: false,
    };
    let steps = (0..steps).map(step).collect();
    DeployPlan { id: PlanId::generate(), digest: None, steps, keep_going: false }
}

pub(crate) fn started(step: u32) -> StepReport {
    StepReport::Started(StepId(step))
}

pub(crate) fn finished(step: u32) -> StepReport {
    StepReport::Finished { step: StepId(step), outcome: Box::new(Outcome::ok(Args::new())) }
}

pub(crate) fn output(step: u32, text: &str) -> StepReport {
    StepReport::Output {
        step: StepId(step),
        stream: OutputStream::Stdout,
        bytes: text.as_bytes().to_vec(),
    }
}
