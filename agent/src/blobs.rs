//! Contents from the controller: fetched by digest on a stream of their own, resumed when the connection breaks.

use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Duration;

use model::Digest;
use proto::v1::GetBlobRequest;
use proto::v1::agents_client::AgentsClient;
use sha2::Digest as _;
use system::{BlobSource, Error};
use tempfile::SpooledTempFile;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::transport::Channel;

/// Smaller contents stay in memory.
const IN_MEMORY: usize = 1 << 20;
/// How long a step waits for a connection to come back, and for the next piece.
const PATIENCE: Duration = Duration::from_mins(1);
/// Connections that may break while one blob is fetched.
const ATTEMPTS: usize = 10;

/// The open connection, if there is one.
pub(crate) type CurrentClient = watch::Receiver<Option<AgentsClient<Channel>>>;

/// The controller's blobs. Its methods block: they are for the threads of steps.
pub(crate) struct ControllerBlobs {
    pub(crate) runtime: Handle,
    pub(crate) client: CurrentClient,
    /// Where large contents are put while they are fetched; `None`: the system's place for temporary files.
    pub(crate) directory: Option<PathBuf>,
}

impl BlobSource for ControllerBlobs {
    fn open(&self, digest: Digest) -> system::Result<Box<dyn Read + Send>> {
        let fetched = self.runtime.block_on(self.fetch(digest));
        fetched.map_err(|reason| Error::Blob { digest, reason })
    }
}

enum Failure {
    /// The connection broke: the rest comes over the next one.
    Connection(String),
    /// It cannot be had, or not kept.
    Final(String),
}

impl ControllerBlobs {
    async fn fetch(&self, digest: Digest) -> Result<Box<dyn Read + Send>, String> {
        let mut content = Content::new(self.directory.clone());
        let mut reason = String::new();
        for _ in 0..ATTEMPTS {
            let client = self.client().await.ok_or_else(|| {
                format!("no connection to the controller for {} s", PATIENCE.as_secs())
            })?;
            match fetch_rest(client, digest, &mut content).await {
                Ok(()) => return content.verified(digest),
                Err(Failure::Final(reason)) => return Err(reason),
                Err(Failure::Connection(lost)) => reason = lost,
            }
            // A broken connection is noticed by its session a moment later.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Err(reason)
    }

    async fn client(&self) -> Option<AgentsClient<Channel>> {
        let mut client = self.client.clone();
        let found = timeout(PATIENCE, client.wait_for(Option::is_some)).await.ok()?.ok()?;
        found.clone()
    }
}

async fn fetch_rest(
    mut client: AgentsClient<Channel>,
    digest: Digest,
    content: &mut Content,
) -> Result<(), Failure> {
    let request = GetBlobRequest { digest: digest.0.to_vec(), offset: content.length };
    let late = |_| Failure::Connection(format!("nothing came for {} s", PATIENCE.as_secs()));
    let answer = timeout(PATIENCE, client.get_blob(request)).await.map_err(late)?;
    let mut pieces = answer.map_err(failure_of)?.into_inner();
    let mut size = None;
    let full = |error: io::Error| Failure::Final(format!("cannot keep it: {error}"));
    // What arrived is kept when the connection breaks, so its frame need not be whole.
    let mut decoder = zstd::stream::write::Decoder::new(content).map_err(full)?;
    while let Some(piece) =
        timeout(PATIENCE, pieces.message()).await.map_err(late)?.map_err(failure_of)?
    {
        let size = *size.get_or_insert(piece.size);
        decoder.get_mut().limit = size;
        decoder.write_all(&piece.data).map_err(full)?;
    }
    decoder.flush().map_err(full)?;
    let content = decoder.into_inner();
    match size {
        Some(size) if content.length == size => Ok(()),
        Some(_) | None => Err(Failure::Connection("the stream ended too early".to_owned())),
    }
}

fn failure_of(status: tonic::Status) -> Failure {
    use tonic::Code;
    match status.code() {
        Code::Unavailable | Code::Cancelled | Code::Unknown | Code::Aborted | Code::Internal => {
            Failure::Connection(status.message().to_owned())
        }
        _ => Failure::Final(status.message().to_owned()),
    }
}

/// What has come so far.
struct Content {
    file: SpooledTempFile,
    hash: sha2::Sha256,
    length: u64,
    /// What the controller announced.
    limit: u64,
}

impl Content {
    fn new(directory: Option<PathBuf>) -> Self {
        let file = match directory {
            Some(directory) => tempfile::spooled_tempfile_in(IN_MEMORY, directory),
            None => tempfile::spooled_tempfile(IN_MEMORY),
        };
        Self { file, hash: sha2::Sha256::new(), length: 0, limit: u64::MAX }
    }

    fn verified(mut self, digest: Digest) -> Result<Box<dyn Read + Send>, String> {
        let actual = Digest(self.hash.finalize().into());
        if actual != digest {
            return Err(format!("what came has the digest {actual}"));
        }
        self.file
            .seek(SeekFrom::Start(0))
            .map_err(|error| format!("cannot read it again: {error}"))?;
        Ok(Box::new(self.file))
    }
}

impl Write for Content {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.length + bytes.len() as u64 > self.limit {
            return Err(io::Error::other(format!("more came than {} bytes", self.limit)));
        }
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
