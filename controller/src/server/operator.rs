//! What operators' programs call.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use identity::{Authority, JoinToken};
use jiff::Timestamp;
use links::{BlobDirectory, Gateway};
use model::{AgentId, Digest, HostName, ParseIdError, RunId};
use proto::v1;
use proto::v1::operator_server::Operator;
use store::{Agent, Store, Token};
use tokio_stream::StreamExt as _;
use tonic::{Code, Request, Response, Status, Streaming};

use super::project;
use super::records::Records;
use super::runs::{Runs, Watch};
use crate::bundle::MAX_BYTES;
use crate::error::{CliError, ErrorKind, chain};

/// A token's lifetime when the caller does not say.
const TOKEN_LIFETIME: Duration = Duration::from_hours(1);

/// The longest that a token may live.
const LONGEST_TOKEN_LIFETIME: Duration = Duration::from_hours(24 * 365);

/// Runs in a list when the caller does not say.
const RUNS: u32 = 50;

/// Names that are near enough to be meant.
const SIMILAR: f64 = 0.8;

type Reply<T> = Result<Response<T>, Status>;

/// The service.
pub(crate) struct OperatorService {
    pub(crate) store: Store,
    pub(crate) records: Arc<Records>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) blobs: Arc<BlobDirectory>,
    pub(crate) runs: Arc<Runs>,
    /// Where projects are unpacked.
    pub(crate) work: PathBuf,
    pub(crate) started: Timestamp,
}

#[async_trait]
impl Operator for OperatorService {
    type StartRunStream = Watch;
    type WatchRunStream = Watch;

    async fn status(&self, _request: Request<v1::StatusRequest>) -> Reply<v1::StatusResponse> {
        Ok(Response::new(v1::StatusResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol_version: proto::PROTOCOL_VERSION,
            ca_fingerprint: self.authority.fingerprint().to_string(),
            agents_connected: self.gateway.connected().len() as u32,
            runs_running: self.runs.count() as u32,
            started_at_ms: self.started.as_millisecond(),
        }))
    }

    async fn put_blob(
        &self,
        request: Request<Streaming<v1::PutBlobRequest>>,
    ) -> Reply<v1::PutBlobResponse> {
        let mut pieces = request.into_inner();
        let first = pieces.next().await.transpose()?;
        let first = first.ok_or_else(|| Status::invalid_argument("the upload is empty"))?;
        let digest =
            first.digest.as_slice().try_into().map(Digest).map_err(|_| {
                Status::invalid_argument("`digest` is not a SHA-256 digest (32 bytes)")
            })?;
        if first.size > MAX_BYTES {
            let message = format!(
                "the upload has {} bytes; {MAX_BYTES} ({} MiB) are taken at most",
                first.size,
                MAX_BYTES >> 20
            );
            return Err(Status::invalid_argument(message));
        }
        let failed = |error: links::UploadError| match error {
            links::UploadError::Io(_) => Status::unavailable(chain(&error)),
            other => Status::invalid_argument(other.to_string()),
        };
        let mut upload =
            self.blobs.receive(digest, first.size).map_err(|error| failed(error.into()))?;
        upload.write(&first.data).map_err(failed)?;
        while let Some(piece) = pieces.next().await.transpose()? {
            upload.write(&piece.data).map_err(failed)?;
        }
        upload.finish().map_err(failed)?;
        Ok(Response::new(v1::PutBlobResponse {}))
    }

    async fn start_run(&self, request: Request<v1::StartRunRequest>) -> Reply<Watch> {
        if self.runs.is_stopping() {
            return Err(Status::unavailable("the controller stops and takes no more runs"));
        }
        let request = request.into_inner();
        let caller: String = request.caller.chars().filter(|char| !char.is_control()).collect();
        let (blobs, work) = (self.blobs.clone(), self.work.clone());
        let agents = self.records.names();
        let opened =
            tokio::task::spawn_blocking(move || project::open(request, &blobs, &work, &agents));
        let project = opened
            .await
            .map_err(|error| Status::internal(format!("a bug in Muster: {error}")))?
            .map_err(|error| refused(&error))?;
        let run = self.runs.start(project, caller).await.map_err(unavailable)?;
        Ok(Response::new(self.runs.watch(run, 0)))
    }

    async fn watch_run(&self, request: Request<v1::WatchRunRequest>) -> Reply<Watch> {
        let request = request.into_inner();
        let run = self.run(&request.run).await?;
        Ok(Response::new(self.runs.watch(run, request.after_seq)))
    }

    async fn cancel_run(
        &self,
        request: Request<v1::CancelRunRequest>,
    ) -> Reply<v1::CancelRunResponse> {
        let run = self.run(&request.into_inner().run).await?;
        Ok(Response::new(v1::CancelRunResponse { was_running: self.runs.cancel(run) }))
    }

    async fn list_runs(
        &self,
        request: Request<v1::ListRunsRequest>,
    ) -> Reply<v1::ListRunsResponse> {
        let limit = Some(request.into_inner().limit).filter(|limit| *limit > 0).unwrap_or(RUNS);
        let runs = self.store.runs(limit).await.map_err(unavailable)?;
        let runs = runs.into_iter().map(run_summary).collect();
        Ok(Response::new(v1::ListRunsResponse { runs }))
    }

    async fn list_agents(
        &self,
        _request: Request<v1::ListAgentsRequest>,
    ) -> Reply<v1::ListAgentsResponse> {
        let agents = self.store.agents().await.map_err(unavailable)?;
        let connected = self.gateway.connected();
        let agents = agents.into_iter().map(|agent| {
            let is_connected = connected.contains(&agent.id);
            agent_summary(agent, is_connected)
        });
        Ok(Response::new(v1::ListAgentsResponse { agents: agents.collect() }))
    }

    async fn show_agent(
        &self,
        request: Request<v1::ShowAgentRequest>,
    ) -> Reply<v1::ShowAgentResponse> {
        let agent = self.summary(&request.into_inner().agent).await?;
        Ok(Response::new(v1::ShowAgentResponse { agent: Some(agent) }))
    }

    async fn revoke_agent(
        &self,
        request: Request<v1::RevokeAgentRequest>,
    ) -> Reply<v1::RevokeAgentResponse> {
        let agent = self.agent(&request.into_inner().agent).await?;
        self.records.revoke(agent.id).await.map_err(unavailable)?;
        tracing::warn!(agent = %agent.id, name = %agent.name, "revoked");
        let summary = self.summary(&agent.id.to_string()).await?;
        Ok(Response::new(v1::RevokeAgentResponse { agent: Some(summary) }))
    }

    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Reply<v1::CreateTokenResponse> {
        let request = request.into_inner();
        let lifetime = match request.lifetime_seconds {
            0 => TOKEN_LIFETIME,
            seconds => Duration::from_secs(seconds),
        };
        if lifetime > LONGEST_TOKEN_LIFETIME {
            return Err(Status::invalid_argument("a token may live for a year (365 days) at most"));
        }
        let token = JoinToken::generate(self.authority.fingerprint());
        let created = Timestamp::now();
        let ends = created + lifetime;
        let stored = Token {
            id: token.id.to_string(),
            key: token.key().0.to_vec(),
            name: Some(request.name).filter(|name| !name.is_empty()),
            created,
            ends,
            used_by: None,
            revoked: false,
        };
        self.store.add_token(&stored).await.map_err(unavailable)?;
        tracing::info!(token = stored.id, "created");
        Ok(Response::new(v1::CreateTokenResponse {
            token: token.reveal(),
            id: stored.id,
            ends_at_ms: ends.as_millisecond(),
        }))
    }

    async fn list_tokens(
        &self,
        _request: Request<v1::ListTokensRequest>,
    ) -> Reply<v1::ListTokensResponse> {
        let tokens = self.store.tokens().await.map_err(unavailable)?;
        let tokens = tokens.into_iter().map(token_summary).collect();
        Ok(Response::new(v1::ListTokensResponse { tokens }))
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Reply<v1::RevokeTokenResponse> {
        let id = request.into_inner().id;
        if !self.store.revoke_token(&id).await.map_err(unavailable)? {
            let message = format!("there is no token `{id}`; `muster token list` shows the ids");
            return Err(Status::not_found(message));
        }
        Ok(Response::new(v1::RevokeTokenResponse {}))
    }

    async fn get_facts(
        &self,
        request: Request<v1::GetFactsRequest>,
    ) -> Reply<v1::GetFactsResponse> {
        let host = request.into_inner().host;
        let mut facts =
            self.store.facts(&HostName::new(host.as_str())).await.map_err(unavailable)?;
        if facts.is_none() {
            // An agent's id, a name that nothing is known of yet, or nobody.
            let agent = self.agent(&host).await?;
            facts = self.store.facts(&agent.name).await.map_err(unavailable)?;
        }
        let facts = facts.ok_or_else(|| {
            Status::not_found(format!(
                "nothing is known of `{host}` yet: it has not said what it is"
            ))
        })?;
        let facts_json = serde_json::to_vec(&facts.facts)
            .map_err(|error| Status::internal(error.to_string()))?;
        let learnt_at_ms = facts.learnt.as_millisecond();
        Ok(Response::new(v1::GetFactsResponse { facts_json, learnt_at_ms }))
    }
}

impl OperatorService {
    /// A run that there is.
    async fn run(&self, text: &str) -> Result<RunId, Status> {
        let run: RunId = text
            .parse()
            .map_err(|error: ParseIdError| Status::invalid_argument(error.to_string()))?;
        match self.store.run(run).await.map_err(unavailable)? {
            Some(_) => Ok(run),
            None => {
                let message = format!("there is no run {run}; `muster runs list` shows them");
                Err(Status::not_found(message))
            }
        }
    }

    /// An agent that there is, or was.
    async fn agent(&self, id_or_name: &str) -> Result<Agent, Status> {
        if let Some(agent) = self.store.agent(id_or_name).await.map_err(unavailable)? {
            return Ok(agent);
        }
        let what = if id_or_name.parse::<AgentId>().is_ok() { "with the id" } else { "named" };
        let mut message = format!("no agent {what} `{id_or_name}` is enrolled");
        let names = self.records.names();
        let similarity = |name: &&HostName| strsim::jaro_winkler(id_or_name, name.as_str());
        let nearest = names.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
        if let Some(name) = nearest.filter(|name| similarity(name) >= SIMILAR) {
            message = format!("{message}; did you mean `{name}`?");
        }
        Err(Status::not_found(message))
    }

    async fn summary(&self, id_or_name: &str) -> Result<v1::AgentSummary, Status> {
        let agent = self.agent(id_or_name).await?;
        let is_connected = self.gateway.connected().contains(&agent.id);
        Ok(agent_summary(agent, is_connected))
    }
}

fn unavailable(error: store::Error) -> Status {
    let text = chain(&error);
    tracing::error!("{text}");
    Status::unavailable(text)
}

/// Why a run does not start: the code says whose error it is.
fn refused(error: &CliError) -> Status {
    let code = match error.kind() {
        ErrorKind::Content => Code::InvalidArgument,
        _ => Code::FailedPrecondition,
    };
    Status::new(code, error.render(yaml::Style::Plain))
}

fn run_summary(run: store::Run) -> v1::RunSummary {
    let status = serde_json::to_value(run.status).unwrap_or_default();
    v1::RunSummary {
        run: run.id.to_string(),
        title: run.title,
        status: status.as_str().unwrap_or_default().to_owned(),
        started_at_ms: run.started.as_millisecond(),
        ended_at_ms: run.ended.map(Timestamp::as_millisecond),
        caller: run.caller,
    }
}

fn agent_summary(agent: Agent, connected: bool) -> v1::AgentSummary {
    v1::AgentSummary {
        id: agent.id.to_string(),
        name: agent.name.to_string(),
        connected,
        agent_version: agent.agent_version,
        enrolled_at_ms: agent.enrolled.as_millisecond(),
        last_seen_ms: agent.last_seen.map(Timestamp::as_millisecond),
        certificate_ends_ms: agent.certificate_ends.as_millisecond(),
        revoked_at_ms: agent.revoked.map(Timestamp::as_millisecond),
        hostname: agent.hostname,
    }
}

fn token_summary(token: Token) -> v1::TokenSummary {
    v1::TokenSummary {
        id: token.id,
        name: token.name.unwrap_or_default(),
        created_at_ms: token.created.as_millisecond(),
        ends_at_ms: token.ends.as_millisecond(),
        used_by: token.used_by.unwrap_or_default(),
        revoked: token.revoked,
    }
}
