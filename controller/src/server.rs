//! The controller as a service: agents stay connected to it, and runs go on without those who started them.
//!
//! Here the parts are put together: records, authority, gateway, runs.

mod departures;
mod journal;
mod operator;
mod project;
mod records;
mod recovery;
mod runs;

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use identity::{Authority, server_config};
use jiff::Timestamp;
use links::{BlobDirectory, Gateway, GatewaySettings};
use model::Digest;
use proto::v1::operator_server::OperatorServer;
use store::Store;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::error::CliError;
use crate::remote::LISTEN_FILE;
use operator::OperatorService;
use records::Records;
use recovery::CutOff;
use runs::Runs;

/// What an administrator says.
#[derive(Debug)]
pub(crate) struct ServerSettings {
    /// The state directory.
    pub(crate) directory: PathBuf,
    pub(crate) listen: String,
    /// Names and addresses in the certificate, besides the usual ones.
    pub(crate) names: Vec<String>,
    /// How long results of runs that were cut off are waited for.
    pub(crate) recovery: Duration,
}

/// A controller that listens.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Of the authority.
    pub(crate) fingerprint: Digest,
    listener: TcpListener,
    tls: Arc<ArcSwap<rustls::ServerConfig>>,
    gateway: Arc<Gateway>,
    routes: Routes,
    stop: CancellationToken,
    store: Store,
    records: Arc<Records>,
    runs: Arc<Runs>,
    cut_off: Vec<CutOff>,
    recovery: Duration,
    listen_file: PathBuf,
    /// Held as long as the server runs.
    _lock: File,
}

impl Server {
    /// Opens the state and begins to listen. Until [`Server::serve`] is called, those who connect wait.
    pub(crate) async fn start(
        settings: ServerSettings,
        stop: CancellationToken,
    ) -> Result<Self, CliError> {
        let ServerSettings { directory, listen, names, recovery } = settings;
        let authority = Arc::new(Authority::open(&directory).map_err(CliError::failed)?);
        let lock = lock(&directory)?;
        let store = Store::open(&directory).await.map_err(CliError::failed)?;
        let listener = TcpListener::bind(&listen).await.map_err(|error| {
            CliError::failed(format!("cannot listen on {listen}: {error}"))
                .hint("choose another address or port with --listen, or see who has it: `ss -ltnp`")
        })?;
        let address = listener.local_addr()?;
        let credentials = authority
            .server_credentials(&directory, &certificate_names(address, names))
            .map_err(CliError::failed)?;
        authority.local_operator(&directory).map_err(CliError::failed)?;
        let tls = server_config(&credentials).map_err(CliError::failed)?;
        let records = Arc::new(Records::open(store.clone()).await.map_err(CliError::failed)?);
        let blobs = Arc::new(BlobDirectory::open(directory.join("blobs"))?);
        let gateway = Gateway::new(
            records.clone(),
            authority.clone(),
            blobs.clone(),
            GatewaySettings::default(),
        );
        let runs =
            Runs::new(store.clone(), records.clone(), gateway.clone(), blobs.clone(), stop.clone());
        let cut_off = recovery::find(&store, &runs).await.map_err(CliError::failed)?;
        let fingerprint = authority.fingerprint();
        let service = OperatorServer::new(OperatorService {
            store: store.clone(),
            records: records.clone(),
            authority,
            gateway: gateway.clone(),
            blobs,
            runs: runs.clone(),
            work: work_directory(&directory)?,
            started: Timestamp::now(),
        });
        let service = service
            .max_decoding_message_size(proto::MAX_MESSAGE)
            .max_encoding_message_size(proto::MAX_MESSAGE);
        let listen_file = directory.join(LISTEN_FILE);
        write_file(&listen_file, &format!("{address}\n"))?;
        Ok(Self {
            address,
            fingerprint,
            listener,
            tls: Arc::new(ArcSwap::from_pointee(tls)),
            routes: gateway.routes().add_service(service),
            gateway,
            stop,
            store,
            records,
            runs,
            cut_off,
            recovery,
            listen_file,
            _lock: lock,
        })
    }

    /// Serves until it is told to stop. Runs that go on then are closed at the next start: their agents carry on.
    pub(crate) async fn serve(self) -> Result<(), CliError> {
        for run in self.cut_off {
            let (store, records) = (self.store.clone(), self.records.clone());
            tokio::spawn(run.close(store, records, self.runs.clone(), self.recovery));
        }
        let served = self.gateway.serve(self.listener, self.tls, self.routes, self.stop).await;
        // Nobody is to look for a controller that is not there any more.
        let _ = fs::remove_file(&self.listen_file);
        served.map_err(CliError::failed)
    }
}

/// Two controllers on one state would not know of each other's agents.
fn lock(directory: &Path) -> Result<File, CliError> {
    let path = directory.join("lock");
    let failed = |error: std::io::Error| {
        CliError::failed(format!("cannot lock {}: {error}", path.display()))
    };
    let file =
        File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CliError::failed(format!(
            "a controller runs already with the state directory {}",
            directory.display()
        ))
        .hint("stop that one, or give this one another directory with --state-dir")),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// An empty directory for projects; what an earlier process left there is removed.
fn work_directory(directory: &Path) -> Result<PathBuf, CliError> {
    let path = directory.join("work");
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(CliError::failed(format!("cannot empty {}: {error}", path.display())));
        }
        _ => fs::create_dir(&path)?,
    }
    Ok(path)
}

/// The names by which people reach this machine.
fn certificate_names(address: SocketAddr, named: Vec<String>) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !address.ip().is_unspecified() {
        names.push(address.ip().to_string());
    }
    names.extend(named);
    names
}

fn write_file(path: &Path, text: &str) -> Result<(), CliError> {
    let directory = path.parent().expect("a file in the state directory");
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map_err(|error| CliError::failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests;
